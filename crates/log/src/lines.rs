//! The parts of which the text forms are made: lines, decimal numbers, Base 64.
//!
//! Enters: text. Leaves: what it says, in one spelling for each value.
//! Refuses: signs, leading zeroes, Base 64 without its padding or with bits that say nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenzik_receipt::Sha256;

/// The lines of a text that ends in a newline, without their newlines; `None` if it does not end so.
pub(crate) fn lines(text: &str) -> Option<std::str::Split<'_, char>> {
    Some(text.strip_suffix('\n')?.split('\n'))
}

/// A number as `u64`'s own text has it.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Base 64 of RFC 4648 section 4, with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes of a Base 64 text that [`base64`] would write.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// A hash in Base 64: 44 characters.
pub(crate) fn hash(text: &str) -> Option<Sha256> {
    let bytes = from_base64(text)?.try_into().ok()?;
    Some(Sha256::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(decimal("0"), Some(0));
        assert_eq!(decimal("18446744073709551615"), Some(u64::MAX));
        for text in [
            "",
            "00",
            "01",
            "+1",
            "-0",
            " 1",
            "1 ",
            "1_0",
            "0x1",
            "18446744073709551616",
            "١",
        ] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn base64_has_one_spelling() {
        assert_eq!(from_base64("AAAAAAE="), Some(vec![0, 0, 0, 0, 1]));
        for text in [
            "AAAAAAE",
            "AAAAAAF=",
            "AAAAAAE==",
            "AAA AAE=",
            "AAAA-AE=",
            "AAAAAAE=\n",
            "A",
            "=",
        ] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_again(text in "[A-Za-z0-9+/]{0,8}={0,3}") {
            if let Some(bytes) = from_base64(&text) {
                prop_assert_eq!(base64(&bytes), text);
            }
        }
    }
}
