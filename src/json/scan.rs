//! The loops that most of the time goes to: white space, the plain part of strings, digits.
//!
//! In: a text and a position. Out: the first position that is no more of the kind. They refuse
//! nothing and never leave the text.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The byte at `pos`, or 0 behind the end: 0 can stand nowhere in JSON, so one test does for both.
#[inline(always)]
pub(super) fn byte(text: &[u8], pos: usize) -> u8 {
    text.get(pos).copied().unwrap_or(0)
}

#[inline(always)]
fn eight(text: &[u8], pos: usize) -> Option<u64> {
    text.get(pos..)?
        .first_chunk::<8>()
        .map(|chunk| u64::from_le_bytes(*chunk))
}

/// The first white-space-free position from `pos` on.
#[inline(always)]
pub(super) fn space(text: &[u8], pos: usize) -> usize {
    // Most gaps are empty or one byte; runs are indentation.
    if byte(text, pos) > b' ' {
        pos
    } else {
        space_run(text, pos)
    }
}

fn space_run(text: &[u8], mut pos: usize) -> usize {
    while matches!(byte(text, pos), b' ' | b'\n' | b'\t' | b'\r') {
        pos += 1;
        while eight(text, pos) == Some(ONES * b' ' as u64) {
            pos += 8;
        }
    }
    pos
}

/// The first quote, backslash or control character from `pos` on, or the end.
#[inline(always)]
pub(super) fn plain(text: &[u8], mut pos: usize) -> usize {
    while let Some(word) = eight(text, pos) {
        let marks = special(word);
        if marks != 0 {
            return pos + marks.trailing_zeros() as usize / 8;
        }
        pos += 8;
    }
    while pos < text.len() && !matches!(text[pos], 0..0x20 | b'"' | b'\\') {
        pos += 1;
    }
    pos
}

/// Marks the high bit of each byte that ends a plain run. A borrow may also mark bytes above the
/// first marked one, so only the lowest mark counts.
#[inline(always)]
fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20);
    let found =
        quote.wrapping_sub(ONES) & !quote | slash.wrapping_sub(ONES) & !slash | control & !word;
    found & HIGHS
}

/// The first position from `pos` on that is no digit.
#[inline(always)]
pub(super) fn digits(text: &[u8], mut pos: usize) -> usize {
    while byte(text, pos).is_ascii_digit() {
        pos += 1;
    }
    pos
}

/// The end of the number that begins at `pos`, or `None` if RFC 8259 has no such number.
#[inline(always)]
pub(super) fn number(text: &[u8], pos: usize) -> Option<usize> {
    let whole = pos + usize::from(byte(text, pos) == b'-');
    let mut end = digits(text, whole);
    if end == whole || (byte(text, whole) == b'0' && end > whole + 1) {
        return None;
    }
    if byte(text, end) == b'.' {
        let fraction = end + 1;
        end = digits(text, fraction);
        if end == fraction {
            return None;
        }
    }
    if byte(text, end) | 0x20 == b'e' {
        let sign = end + 1;
        let power = sign + usize::from(matches!(byte(text, sign), b'+' | b'-'));
        end = digits(text, power);
        if end == power {
            return None;
        }
    }
    Some(end)
}
