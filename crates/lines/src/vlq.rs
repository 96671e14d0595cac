//! Base64 VLQ numbers, as source maps have them (ECMA-426, section 6).
//!
//! Enters: characters. Leaves: numbers of 32 bits with a sign. Refuses: other characters, numbers that do not end, are too
//! large, or stand in more digits than they need.

/// Why it is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VlqError {
    /// It is no digit of base64.
    #[error("byte {0:#04x} is no base64 digit")]
    Digit(u8),
    /// It is zero with a sign.
    #[error("a number is minus zero")]
    MinusZero,
    /// The text ends within a number.
    #[error("a number does not end")]
    Ends,
    /// It has digits that say nothing.
    #[error("a number has more digits than it needs")]
    Padded,
    /// It does not fit 32 bits.
    #[error("a number is larger than 32 bits")]
    Size,
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// The bit that says that another digit follows.
const MORE: u8 = 0x20;
const BITS: u32 = 5;
/// Five bits each, for 32 and the sign.
const DIGITS_MAX: u32 = 7;

/// The number at the beginning of a text, and the rest of it.
///
/// # Errors
/// [`VlqError`].
pub fn read(text: &[u8]) -> Result<(i32, &[u8]), VlqError> {
    let (mut number, mut digits, mut rest) = (0_u64, 0, text);
    loop {
        let (&byte, behind) = rest.split_first().ok_or(VlqError::Ends)?;
        let value = digit(byte)?;
        if digits == DIGITS_MAX {
            return Err(VlqError::Size);
        }
        number |= u64::from(value & !MORE) << (BITS * digits);
        (digits, rest) = (digits + 1, behind);
        if value & MORE == 0 {
            if value == 0 && digits > 1 {
                return Err(VlqError::Padded);
            }
            return Ok((signed(number)?, rest));
        }
    }
}

fn digit(byte: u8) -> Result<u8, VlqError> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        other => return Err(VlqError::Digit(other)),
    };
    Ok(value)
}

/// The sign is the lowest bit.
fn signed(number: u64) -> Result<i32, VlqError> {
    if number == 1 {
        return Err(VlqError::MinusZero);
    }
    let size = i64::try_from(number >> 1).map_err(|_| VlqError::Size)?;
    let number = if number & 1 == 1 { -size } else { size };
    i32::try_from(number).map_err(|_| VlqError::Size)
}

/// Writes a number behind a text.
pub fn write(number: i32, text: &mut String) {
    let mut rest = (u64::from(number.unsigned_abs()) << 1) | u64::from(number < 0);
    loop {
        let (value, more) = ((rest & 0x1f) as u8, rest >> BITS);
        let digit = if more > 0 { value | MORE } else { value };
        text.push(char::from(DIGITS[usize::from(digit)]));
        rest = more;
        if rest == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_that_anybody_can_check() {
        for (text, number) in [
            ("A", 0),
            ("C", 1),
            ("D", -1),
            ("gB", 16),
            ("hB", -16),
            ("+/////D", i32::MAX),
        ] {
            assert_eq!(read(text.as_bytes()), Ok((number, &b""[..])), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (text, error) in [
            ("", VlqError::Ends),
            ("g", VlqError::Ends),
            ("!", VlqError::Digit(b'!')),
            ("gA", VlqError::Padded),
            ("B", VlqError::MinusZero),
            ("gggggggB", VlqError::Size),
            ("gggggggggggggggggggB", VlqError::Size),
            ("//////H", VlqError::Size),
        ] {
            assert_eq!(
                read(text.as_bytes()).map(|(number, _)| number),
                Err(error),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_number_comes_back_with_the_rest(number: i32, rest in "[A-Za-z;,]{0,4}") {
            let mut text = String::new();
            write(number, &mut text);
            let whole = text + &rest;
            prop_assert_eq!(read(whole.as_bytes()), Ok((number, rest.as_bytes())));
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9+/]{1,9}") {
            if let Ok((number, rest)) = read(text.as_bytes()) {
                let mut again = String::new();
                write(number, &mut again);
                prop_assert_eq!(again, &text[..text.len() - rest.len()]);
            }
        }
    }
}
