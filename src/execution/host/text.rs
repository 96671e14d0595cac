//! UTF-16 to UTF-8 and back, for capsules whose text is UTF-16.
//!
//! Enters: little-endian code units. Leaves: UTF-8, or the other way about. Refuses: lone surrogates.

use std::borrow::Cow;

use super::Exit;
use crate::outcome::TrapCode;
use crate::validation::TextEncoding;

/// The text of bytes in a capsule's memory.
pub(super) fn of_capsule(bytes: &[u8], encoding: TextEncoding) -> Result<Cow<'_, str>, Exit> {
    match encoding {
        TextEncoding::Utf8 => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| TrapCode::InvalidText.into()),
        TextEncoding::Utf16 => from_utf16(bytes).map(Cow::Owned),
    }
}

/// The text of little-endian code units.
pub(super) fn from_utf16(bytes: &[u8]) -> Result<String, Exit> {
    decode(units(bytes), bytes.len() / 2)
}

/// Appends the text's little-endian code units.
pub(super) fn to_utf16(text: &str, out: &mut Vec<u8>) {
    out.reserve(2 * text.len());
    if text.is_ascii() {
        out.extend(text.bytes().flat_map(|byte| [byte, 0]));
        return;
    }
    out.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
}

/// Writes the text's little-endian code units to a place that is as long as they are.
pub(super) fn write_utf16(text: &str, place: &mut [u8]) {
    let pairs = place.as_chunks_mut::<2>().0;
    for (pair, unit) in pairs.iter_mut().zip(text.encode_utf16()) {
        *pair = unit.to_le_bytes();
    }
}

/// How many code units the text has.
pub(super) fn utf16_len(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.encode_utf16().count()
}

/// The text of a held surrogate and the units after it, and the high surrogate at its end, if there is one.
pub(super) fn from_utf16_part(
    held: Option<u16>,
    bytes: &[u8],
) -> Result<(String, Option<u16>), Exit> {
    let Some(last) = units(bytes).next_back() else {
        return Ok((String::new(), held));
    };
    let (bytes, hold) = if is_high_surrogate(last) {
        (&bytes[..bytes.len() - 2], Some(last))
    } else {
        (bytes, None)
    };
    let text = decode(held.into_iter().chain(units(bytes)), bytes.len() / 2 + 1)?;
    Ok((text, hold))
}

const fn is_high_surrogate(unit: u16) -> bool {
    matches!(unit, 0xd800..=0xdbff)
}

fn units(bytes: &[u8]) -> impl DoubleEndedIterator<Item = u16> + '_ {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_le_bytes(*pair))
}

fn decode(units: impl Iterator<Item = u16>, capacity: usize) -> Result<String, Exit> {
    let mut text = String::with_capacity(capacity);
    for decoded in char::decode_utf16(units) {
        text.push(decoded.map_err(|_| TrapCode::InvalidText)?);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        to_utf16(text, &mut out);
        out
    }

    proptest! {
        #[test]
        fn text_comes_back(text in any::<String>()) {
            prop_assert_eq!(from_utf16(&encoded(&text)), Ok(text));
        }

        #[test]
        fn text_comes_back_however_it_is_cut(text in any::<String>(), cut in any::<prop::sample::Index>()) {
            let bytes = encoded(&text);
            let cut = cut.index(bytes.len() / 2 + 1) * 2;
            let (mut whole, held) = from_utf16_part(None, &bytes[..cut]).expect("no unit is lost");
            let (rest, held) = from_utf16_part(held, &bytes[cut..]).expect("the halves meet");
            whole.push_str(&rest);
            prop_assert_eq!((whole, held), (text, None));
        }
    }

    #[test]
    fn a_high_surrogate_waits_through_an_empty_write_and_no_longer() {
        assert_eq!(
            from_utf16_part(Some(0xd83d), &[]),
            Ok((String::new(), Some(0xd83d)))
        );
        assert!(from_utf16_part(Some(0xd83d), &[0x41, 0]).is_err());
        assert!(from_utf16_part(Some(0xd83d), &[0x3d, 0xd8]).is_err());
        assert!(from_utf16_part(None, &[0x00, 0xdc]).is_err());
    }
}
