//! Names in a policy: octets, not text.
//!
//! Enters: octets. Leaves: a [`PolicyName`]. Refuses: nothing; the reader of the file has split them off.

use std::fmt;

/// The name of a witness or a group within a policy: one octet or more, compared as they are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName(Vec<u8>);

impl PolicyName {
    pub(super) fn new(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for PolicyName {
    /// For people: octets that are not UTF-8 are shown as replacement characters, control characters as escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in String::from_utf8_lossy(&self.0).chars() {
            if char.is_control() {
                write!(f, "{}", char.escape_unicode())?;
            } else {
                write!(f, "{char}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
