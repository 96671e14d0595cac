//! Points in time, to the second.
//!
//! Enters: seconds since 1970, or `2026-11-20T08:00:00Z`. Leaves: the same. Refuses: fractions, other offsets than
//! `Z`, years before 1970 and after 9999, leap seconds. This crate never asks what time it is.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::DateTime;

use crate::canonical::{Decode, Encode, ReadError, Reader, encode_text};

/// Seconds since 1970-01-01T00:00:00Z. Text: RFC 3339 in UTC, without fraction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// A text or number that is no such point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as 2026-11-20T08:00:00Z, in UTC and without a fraction")]
pub struct NotATimestamp;

const TEXT_BYTES: usize = "2026-11-20T08:00:00Z".len();

/// The calendar's zero. Civil time is used, not an instant, because the library's instants end a day before
/// the year 9999 does.
const CIVIL_EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Timestamp {
    /// 1970-01-01T00:00:00Z
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T23:59:59Z
    pub const MAX: Self = Self(253_402_300_799);

    /// The point so many seconds after 1970 began.
    pub const fn from_unix_seconds(seconds: u64) -> Result<Self, NotATimestamp> {
        if seconds > Self::MAX.0 {
            return Err(NotATimestamp);
        }
        Ok(Self(seconds))
    }

    /// Seconds since 1970 began.
    pub const fn unix_seconds(self) -> u64 {
        self.0
    }

    /// The point so many seconds later, or the last there is.
    pub fn plus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds)).min(Self::MAX)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At most `MAX`, so neither the sign nor the calendar's end is met.
        let since_epoch = SignedDuration::from_secs(self.0.cast_signed());
        let civil = CIVIL_EPOCH
            .checked_add(since_epoch)
            .map_err(|_| fmt::Error)?;
        write!(f, "{civil:.0}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotATimestamp;

    fn from_str(text: &str) -> Result<Self, NotATimestamp> {
        // The parser reads many more forms than one; writing it back tells which it was.
        let civil = text.strip_suffix('Z').ok_or(NotATimestamp)?;
        let civil: DateTime = civil.parse().map_err(|_| NotATimestamp)?;
        let seconds = civil.duration_since(CIVIL_EPOCH).as_secs();
        let point = u64::try_from(seconds).map_err(|_| NotATimestamp)?;
        let point = Self::from_unix_seconds(point)?;
        if text.len() != TEXT_BYTES || point.to_string() != text {
            return Err(NotATimestamp);
        }
        Ok(point)
    }
}

impl Encode for Timestamp {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(&self.to_string(), out);
    }
}

impl Decode for Timestamp {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("a time such as 2026-11-20T08:00:00Z");
        reader.text()?.parse().map_err(|_| refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_is_read() {
        let point: Timestamp = "2026-11-20T08:00:00Z".parse().expect("the form");
        assert_eq!(point.unix_seconds(), 1_795_161_600);
        assert_eq!(point.to_string(), "2026-11-20T08:00:00Z");
        for other in [
            "2026-11-20T08:00:00+00:00",
            "2026-11-20T08:00:00.0Z",
            "2026-11-20 08:00:00Z",
            "2026-11-20t08:00:00z",
            "1969-12-31T23:59:59Z",
            "2026-11-20T08:00:60Z",
            "2026-02-29T00:00:00Z",
            "+002026-11-20T08:00:00Z",
            "",
        ] {
            assert_eq!(other.parse::<Timestamp>(), Err(NotATimestamp), "{other}");
        }
    }
}
