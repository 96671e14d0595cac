//! A number's text to binary64.
//!
//! In: text that is a number by RFC 8259. Out: the nearest binary64, ties to even.
//! Refused: what rounds to an infinity.

use super::error::NumberError;

/// Up to this many bytes the standard library's reader is exact. It caps exponents near 65,536,
/// which more leading or trailing zeros than that could call back.
const SHORT_BYTES_MAX: usize = 4_096;

/// No value halfway between two binary64 has more significant digits than 767: what follows them
/// matters only in whether it is zero.
const DIGITS_MAX: usize = 800;

/// Reads a text that is a JSON number and nothing else, not even blanks.
///
/// # Errors
/// It is none, or it rounds to an infinity.
pub fn parse_number(text: &str) -> Result<f64, NumberError> {
    let number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let ends = text.ends_with(|c: char| c.is_ascii_digit());
    // A text that begins and ends like a number and is one JSON value is that number.
    if number && ends && super::check(text.as_bytes()).is_ok() {
        return nearest(text);
    }
    Err(NumberError::NotANumber)
}

pub(super) fn nearest(text: &str) -> Result<f64, NumberError> {
    let value = if text.len() <= SHORT_BYTES_MAX {
        text.parse::<f64>()
    } else {
        shorten(text).parse::<f64>()
    };
    match value {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(NumberError::Overflow),
        Err(_) => Err(NumberError::NotANumber),
    }
}

/// A short text for the same binary64: the first digits, a mark for any that are left out, and
/// the exponent reckoned exactly.
fn shorten(text: &str) -> String {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", text),
    };
    let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let zeros = digits().take_while(|&d| d == b'0').count();
    let kept: String = digits()
        .skip(zeros)
        .take(DIGITS_MAX)
        .map(char::from)
        .collect();
    let more = digits().skip(zeros + DIGITS_MAX).any(|d| d != b'0');
    // The value is 0.kept × 10^point. Beyond a thousand either way it is an infinity or zero.
    let point = whole.len() as i64 - zeros as i64 + exponent(power);
    let point = point.clamp(-1_000, 1_000);
    let mark = if more { "1" } else { "" };
    format!("{sign}0.{kept}{mark}e{point}")
}

/// The exponent, capped far beyond what a text's zeros could call back.
fn exponent(power: &str) -> i64 {
    const CAP: i64 = 1 << 40;
    let digits = power.trim_start_matches(['+', '-']).bytes();
    let size = digits.fold(0_i64, |sum, d| (sum * 10 + i64::from(d - b'0')).min(CAP));
    if power.starts_with('-') { -size } else { size }
}
