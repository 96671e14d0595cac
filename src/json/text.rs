//! Values to JSON text, as RFC 8785 has them.
//!
//! In: text and numbers. Out: their one canonical form. Refused: NaN and infinities.

/// Appends `s` quoted and escaped as RFC 8785 section 3.2.2.2 has it.
pub fn write_string(out: &mut Vec<u8>, s: &str) {
    out.reserve(s.len() + 2);
    out.push(b'"');
    let mut rest = s.as_bytes();
    loop {
        let (plain, after) = rest.split_at(super::scan::plain(rest, 0));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = after.split_first() else {
            break;
        };
        write_escape(out, byte);
        rest = after;
    }
    out.push(b'"');
}

/// How many bytes [`write_string`] would append.
#[must_use]
pub fn quoted_len(s: &str) -> usize {
    let escaped = s.bytes().map(|byte| match byte {
        b'"' | b'\\' | 0x08 | 0x09 | 0x0A | 0x0C | 0x0D => 2,
        0x00..=0x1F => 6,
        _ => 1,
    });
    2 + escaped.sum::<usize>()
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let letter = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x09 => b't',
        0x0A => b'n',
        0x0C => b'f',
        0x0D => b'r',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            return;
        }
    };
    out.extend([b'\\', letter]);
}

/// The number as ECMAScript's `Number::toString` prints it, so `-0` as `0`; `None` for NaN and
/// infinities, which JSON has not.
#[must_use]
pub fn format_number(number: f64) -> Option<String> {
    number
        .is_finite()
        .then(|| ryu_js::Buffer::new().format_finite(number).to_owned())
}
