//! Whole numbers that every JSON reader holds exactly.
//!
//! Enters: a number, or digits to read. Leaves: an [`Int`]. Refuses: 2^53 and above, signs, leading zeros, fractions.

use alloc::vec::Vec;
use core::fmt;

use super::{Decode, Encode, ReadError, Reader};

/// A whole number from 0 to 2^53 - 1: what every JSON reader holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int(u64);

/// A number of 2^53 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} is not below 2^53")]
pub struct TooLarge {
    /// The number.
    pub got: u64,
}

impl Int {
    /// 0
    pub const ZERO: Self = Self(0);
    /// 2^53 - 1
    pub const MAX: Self = Self((1 << 53) - 1);

    /// Takes a number that is at most [`Int::MAX`].
    pub const fn new(number: u64) -> Result<Self, TooLarge> {
        if number > Self::MAX.0 {
            return Err(TooLarge { got: number });
        }
        Ok(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u32> for Int {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl TryFrom<u64> for Int {
    type Error = TooLarge;

    fn try_from(number: u64) -> Result<Self, TooLarge> {
        Self::new(number)
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for Int {
    fn encode(&self, out: &mut Vec<u8>) {
        push_decimal(self.0, out);
    }
}

/// Appends the number's decimal digits.
pub(crate) fn push_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        // A remainder of 10 fits a byte.
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

impl Decode for Int {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("a whole number below 2^53, without sign and leading zero");
        let rest = reader.rest();
        let len = rest
            .iter()
            .take(17)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let digits = reader.take(len);
        if len == 0 || len > 16 || (len > 1 && digits[0] == b'0') {
            return Err(refused);
        }
        let number = digits
            .iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
        Self::new(number).map_err(|_| refused)
    }
}
