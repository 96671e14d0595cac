//! Escapes in strings: read, and resolved.
//!
//! In: what follows a backslash, or the inside of a string that the parser has accepted.
//! Out: characters, and text. Refused: escapes that JSON has not, and half surrogate pairs.

/// Why an escape is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EscapeFault {
    Bad,
    End,
    LoneSurrogate,
}

/// Reads one escape. `after` begins behind the backslash; gives the character and how many
/// bytes of `after` it took.
pub(super) fn escape(after: &[u8]) -> Result<(char, usize), EscapeFault> {
    let simple = match after.first() {
        None => return Err(EscapeFault::End),
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode(&after[1..]).map(|(c, taken)| (c, taken + 1)),
        Some(_) => return Err(EscapeFault::Bad),
    };
    Ok((simple, 1))
}

/// Reads four hex digits, and the second half of the pair if they are the first.
fn unicode(digits: &[u8]) -> Result<(char, usize), EscapeFault> {
    let first = hex4(digits)?;
    if let Some(c) = char::from_u32(first) {
        return Ok((c, 4));
    }
    let low = match digits.get(4..6) {
        Some(b"\\u") if first < 0xDC00 => hex4(&digits[6..])?,
        _ => return Err(EscapeFault::LoneSurrogate),
    };
    if !(0xDC00..0xE000).contains(&low) {
        return Err(EscapeFault::LoneSurrogate);
    }
    let scalar = 0x10000 + ((first - 0xD800) << 10) + (low - 0xDC00);
    char::from_u32(scalar)
        .map(|c| (c, 10))
        .ok_or(EscapeFault::LoneSurrogate)
}

fn hex4(digits: &[u8]) -> Result<u32, EscapeFault> {
    (0..4).try_fold(0, |sum, i| {
        let byte = *digits.get(i).ok_or(EscapeFault::End)?;
        let digit = char::from(byte).to_digit(16).ok_or(EscapeFault::Bad)?;
        Ok(sum << 4 | digit)
    })
}

/// Appends what the inside of an accepted string stands for.
pub(super) fn unescape(inside: &[u8], out: &mut Vec<u8>) {
    let mut rest = inside;
    loop {
        let plain = rest.iter().position(|&b| b == b'\\').unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        // The parser has read every escape here, so none fails; one that did would end the text.
        let Some(Ok((c, taken))) = rest.get(plain + 1..).map(escape) else {
            return;
        };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[plain + 1 + taken..];
    }
}
