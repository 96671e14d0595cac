//! What a run may use: limits as asked, as allowed, and as resolved.
//!
//! Enters: a caller's [`LimitsAsked`], in which absence means "the default".
//! Leaves: [`Limits`], in which every value is set.
//! Refuses: anything above the host's ceilings, and zero: no limit can be switched off.

use tenzik_receipt::{Int, Label, WasmLimits};

use crate::rules::Metering;

/// The bytes of a WebAssembly memory page.
pub const PAGE_BYTES: u64 = 65_536;

/// The most pages of a 32-bit memory.
const MEMORY_PAGES_MAX: u64 = 65_536;

/// The native stack of a run under the engine's own metering, in bytes: it has no portable units. A run that needs
/// more is `aborted`.
pub const NATIVE_STACK_BYTES: u32 = 512 * 1024;

/// The stack of a run, in units of the metering.
pub const STACK_UNITS_MAX: u32 = 32_768;

/// Limits as a caller asks for them; `None` is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitsAsked {
    /// Fuel, below 2^53.
    pub fuel: Option<u64>,
    /// How many host calls.
    pub host_calls: Option<u32>,
    /// How many memory pages of 64 KiB.
    pub memory_pages: Option<u32>,
    /// How many bytes of output.
    pub output_bytes: Option<u32>,
    /// How many milliseconds by the wall clock. No part of the claim: reaching it gives `aborted`.
    pub time_ms: Option<u32>,
}

impl LimitsAsked {
    /// Each limit as asked, in the order of [`Limits::named`].
    pub(crate) fn named(&self) -> [Option<u64>; 5] {
        [
            self.fuel,
            self.host_calls.map(u64::from),
            self.memory_pages.map(u64::from),
            self.output_bytes.map(u64::from),
            self.time_ms.map(u64::from),
        ]
    }
}

/// Limits with every value set: defaults, and ceilings that no request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Fuel, below 2^53. Default 50 million: a table of 200 rows needs up to 12.
    pub fuel: u64,
    /// How many host calls. Default one million: by fuel, more than two thirds of that are never reached.
    pub host_calls: u32,
    /// How many memory pages of 64 KiB. Default 512, which is 32 MiB.
    pub memory_pages: u32,
    /// How many bytes of output. Default 1 MiB.
    pub output_bytes: u32,
    /// How many milliseconds by the wall clock. Default 1,000.
    pub time_ms: u32,
}

impl Limits {
    /// What a run has unless it asks.
    pub const DEFAULT: Self = Self {
        fuel: 50_000_000,
        host_calls: 1_000_000,
        memory_pages: 512,
        output_bytes: 1024 * 1024,
        time_ms: 1_000,
    };

    /// The values asked for, and these where none was.
    pub fn with(self, asked: &LimitsAsked) -> Self {
        Self {
            fuel: asked.fuel.unwrap_or(self.fuel),
            host_calls: asked.host_calls.unwrap_or(self.host_calls),
            memory_pages: asked.memory_pages.unwrap_or(self.memory_pages),
            output_bytes: asked.output_bytes.unwrap_or(self.output_bytes),
            time_ms: asked.time_ms.unwrap_or(self.time_ms),
        }
    }

    /// The smaller of each limit.
    pub fn at_most(self, other: &Self) -> Self {
        Self {
            fuel: self.fuel.min(other.fuel),
            host_calls: self.host_calls.min(other.host_calls),
            memory_pages: self.memory_pages.min(other.memory_pages),
            output_bytes: self.output_bytes.min(other.output_bytes),
            time_ms: self.time_ms.min(other.time_ms),
        }
    }

    /// Holds these limits against ceilings.
    ///
    /// # Errors
    /// [`LimitRefused`] for the first limit that is zero or above its ceiling.
    pub fn within(self, ceilings: &Self) -> Result<Self, LimitRefused> {
        for ((limit, got), (_, allowed)) in self.named().into_iter().zip(ceilings.named()) {
            // No receipt can hold more than 2^53 - 1, and no memory has more than 65,536 pages.
            let allowed = allowed.min(match limit {
                "memory_pages" => MEMORY_PAGES_MAX,
                _ => Int::MAX.get(),
            });
            if got == 0 || got > allowed {
                return Err(LimitRefused {
                    limit,
                    got,
                    allowed,
                });
            }
        }
        Ok(self)
    }

    /// The limits that are part of a claim, the stack in the metering's units.
    pub fn claimed(&self, metering: Metering) -> WasmLimits {
        WasmLimits {
            fuel: saturating(self.fuel),
            host_calls: self.host_calls.into(),
            memory_pages: self.memory_pages.into(),
            output_bytes: self.output_bytes.into(),
            stack: metering.stack().into(),
        }
    }

    /// Each limit with its name in receipts.
    pub(crate) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("fuel", self.fuel),
            ("host_calls", self.host_calls.into()),
            ("memory_pages", self.memory_pages.into()),
            ("output_bytes", self.output_bytes.into()),
            ("time_ms", self.time_ms.into()),
        ]
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A limit that was zero or above what the host allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit {limit} is {got}; 1 to {allowed} are allowed")]
pub struct LimitRefused {
    /// The limit's name.
    pub limit: &'static str,
    /// What was asked.
    pub got: u64,
    /// The most that is allowed.
    pub allowed: u64,
}

/// The number, or the largest that a receipt can hold. Refused requests may name more.
pub(crate) fn saturating(number: u64) -> Int {
    Int::new(number).unwrap_or(Int::MAX)
}

/// A constant text of ours as a receipt's label.
pub(crate) const fn label(text: &'static str) -> Label {
    Label::constant(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absence_is_the_default_and_zero_is_refused() {
        let asked = LimitsAsked {
            fuel: Some(7),
            ..LimitsAsked::default()
        };
        let limits = Limits::DEFAULT.with(&asked);
        assert_eq!((limits.fuel, limits.host_calls), (7, 1_000_000));
        assert!(limits.within(&Limits::DEFAULT).is_ok());
        let zero = Limits {
            time_ms: 0,
            ..limits
        };
        let refused = zero.within(&Limits::DEFAULT).expect_err("zero");
        assert_eq!(
            (refused.limit, refused.got, refused.allowed),
            ("time_ms", 0, 1_000)
        );
    }
}
