//! What a routed run may use: limits as asked, as resolved, and as they were seen.
//!
//! Enters: numbers of a caller, any numbers. Leaves: [`RunLimits`], each a whole number of its unit or none.
//! Refuses: a negative number, one beyond what a receipt can hold, no limit at all above profile `dev`, and for a capsule what
//! no memory has or its host does not allow.

use tenzik_receipt::{Int, Profile};

use crate::limits::{Limits, PAGE_BYTES};

/// The limits of a routed run, in the order of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Steps of one chain of tool calls.
    ChainSteps,
    /// Processor time of all of the run's processes together, in milliseconds.
    CpuMs,
    /// Bytes that the run may write to files.
    DiskBytes,
    /// Memory of all of the run's processes together, in bytes.
    MemoryBytes,
    /// Bytes of the result, and bytes of standard output and of standard error that are kept.
    OutputBytes,
    /// Processes and threads at one time.
    Pids,
    /// Tools called.
    ToolCalls,
    /// Time from the start, in milliseconds.
    WallMs,
}

impl Limit {
    /// Every limit, in the order of their names.
    pub const ALL: [Self; 8] = [
        Self::ChainSteps,
        Self::CpuMs,
        Self::DiskBytes,
        Self::MemoryBytes,
        Self::OutputBytes,
        Self::Pids,
        Self::ToolCalls,
        Self::WallMs,
    ];

    /// The name that stands in requests and receipts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChainSteps => "chain_steps",
            Self::CpuMs => "cpu_ms",
            Self::DiskBytes => "disk_bytes",
            Self::MemoryBytes => "memory_bytes",
            Self::OutputBytes => "output_bytes",
            Self::Pids => "pids",
            Self::ToolCalls => "tool_calls",
            Self::WallMs => "wall_ms",
        }
    }

    /// The limit of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// Whether the router holds it, whatever the backend does.
    pub const fn is_the_routers(self) -> bool {
        matches!(self, Self::ChainSteps | Self::ToolCalls)
    }

    /// The most that is taken for a number and not for a mistake.
    const fn sensible_max(self) -> u64 {
        match self {
            Self::ChainSteps => crate::gateway::CHAIN_STEPS_MAX as u64,
            // A week.
            Self::CpuMs | Self::WallMs => 7 * 24 * 3_600_000,
            Self::DiskBytes | Self::MemoryBytes => 1 << 44,
            // The result is held in memory, as strict JSON.
            Self::OutputBytes => crate::json::TEXT_BYTES_MAX as u64,
            Self::Pids => 1 << 22,
            Self::ToolCalls => 65_536,
        }
    }

    /// What a run has that asks for nothing. At `dev` only what keeps this host whole is limited.
    pub const fn default_at(self, profile: Profile) -> Option<u64> {
        let dev = matches!(profile, Profile::Dev);
        match self {
            Self::ChainSteps => Some(16),
            Self::CpuMs if dev => None,
            Self::CpuMs => Some(10_000),
            Self::DiskBytes if dev => None,
            Self::DiskBytes => Some(64 << 20),
            Self::MemoryBytes if dev => None,
            // Enough for each JavaScript runtime.
            Self::MemoryBytes => Some(512 << 20),
            Self::OutputBytes => Some(1 << 20),
            Self::Pids if dev => None,
            Self::Pids => Some(128),
            Self::ToolCalls => Some(100),
            Self::WallMs if dev => Some(60_000),
            Self::WallMs => Some(30_000),
        }
    }
}

/// One value for each limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerLimit<T>([T; Limit::ALL.len()]);

impl<T: Copy> PerLimit<T> {
    /// The same value for each.
    pub const fn all(value: T) -> Self {
        Self([value; Limit::ALL.len()])
    }

    /// A value for each.
    pub fn of(value: impl FnMut(Limit) -> T) -> Self {
        Self(Limit::ALL.map(value))
    }

    /// One limit's.
    pub const fn get(&self, limit: Limit) -> T {
        self.0[limit as usize]
    }

    /// With another value for one.
    #[must_use]
    pub const fn with(mut self, limit: Limit, value: T) -> Self {
        self.0[limit as usize] = value;
        self
    }
}

/// What a caller asks for. `None` is the profile's default; 0 is no limit, which only `dev` allows.
pub type LimitsAsked = PerLimit<Option<i64>>;

/// What is in force; `None` is no limit.
pub type RunLimits = PerLimit<Option<u64>>;

impl Default for LimitsAsked {
    fn default() -> Self {
        Self::all(None)
    }
}

/// A limit that nobody can mean, or that the profile does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit {} is {got}: {} to {allowed} are allowed at profile {}", limit.name(), lower(*least, *unlimited), profile.name())]
pub struct InvalidLimits {
    /// Which.
    pub limit: Limit,
    /// What was asked.
    pub got: i64,
    /// The least that is allowed: 1, or for a capsule's memory a page.
    pub least: u64,
    /// The most that is allowed.
    pub allowed: u64,
    /// Whether 0, which is no limit, is allowed too.
    pub unlimited: bool,
    /// The profile.
    pub profile: Profile,
}

/// The lower end of what is allowed, in words.
fn lower(least: u64, unlimited: bool) -> String {
    match (least, unlimited) {
        (1, true) => "0".to_owned(),
        (_, true) => format!("0 and {least}"),
        (_, false) => least.to_string(),
    }
}

impl LimitsAsked {
    /// The limits in force at a profile.
    ///
    /// # Errors
    /// [`InvalidLimits`] with the first limit, in the order of their names, that cannot be.
    pub fn resolve(&self, profile: Profile) -> Result<RunLimits, InvalidLimits> {
        let mut resolved = RunLimits::all(None);
        for limit in Limit::ALL {
            resolved = resolved.with(limit, self.resolve_one(limit, profile)?);
        }
        Ok(resolved)
    }

    fn resolve_one(&self, limit: Limit, profile: Profile) -> Result<Option<u64>, InvalidLimits> {
        match self.get(limit) {
            None => Ok(limit.default_at(profile)),
            Some(got) => within(limit, got, (1, limit.sensible_max()), profile),
        }
    }

    /// Holds what is asked for a capsule against its host's ceilings. What was not asked for is the host's own affair.
    pub(super) fn check_for_capsule(
        &self,
        profile: Profile,
        ceilings: &Limits,
    ) -> Result<(), InvalidLimits> {
        let pages = u64::from(ceilings.memory_pages).min(MEMORY_PAGES_MAX);
        let memory = (
            Limit::MemoryBytes,
            (PAGE_BYTES, pages * PAGE_BYTES),
            self.get(Limit::MemoryBytes),
        );
        let output = (
            Limit::OutputBytes,
            (1, ceilings.output_bytes.into()),
            self.get(Limit::OutputBytes),
        );
        // Both bound its time, so the smaller one does. 0 bounds nothing.
        let times = [Limit::CpuMs, Limit::WallMs];
        let time = times
            .into_iter()
            .filter_map(|limit| Some((self.get(limit).filter(|number| *number != 0)?, limit)))
            .min()
            .map(|(number, limit)| (limit, (1, ceilings.time_ms.into()), Some(number)));
        for (limit, bounds, got) in [Some(memory), Some(output), time].into_iter().flatten() {
            let Some(got) = got else { continue };
            within(limit, got, bounds, profile)?;
        }
        Ok(())
    }

    /// A limit as a receipt has it: what was asked for, if it is a number that fits.
    pub(crate) fn asked(&self, limit: Limit) -> Option<Int> {
        let asked = u64::try_from(self.get(limit)?).ok()?;
        Int::new(asked).ok()
    }
}

/// The most pages of a 32-bit memory.
const MEMORY_PAGES_MAX: u64 = 65_536;

/// One limit as it was asked for; `None` is no limit.
fn within(
    limit: Limit,
    got: i64,
    (least, allowed): (u64, u64),
    profile: Profile,
) -> Result<Option<u64>, InvalidLimits> {
    // A result that is held in memory, and calls that are, are bounded everywhere.
    let bounded = limit.is_the_routers() || limit == Limit::OutputBytes;
    let unlimited = profile == Profile::Dev && !bounded;
    match u64::try_from(got) {
        Ok(0) if unlimited => Ok(None),
        Ok(number) if (least..=allowed).contains(&number) => Ok(Some(number)),
        _ => Err(InvalidLimits {
            limit,
            got,
            least,
            allowed,
            unlimited,
            profile,
        }),
    }
}

/// What a backend did about one limit, and saw of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// What it set; `None` if it set nothing.
    pub applied: Option<u64>,
    /// Whether it saw, in this run, that what it set was in force.
    pub enforced: bool,
    /// What was used, where it was measured.
    pub observed: Option<u64>,
}

impl Held {
    /// A limit that was set and is in force.
    pub const fn enforced(applied: u64, observed: Option<u64>) -> Self {
        Self {
            applied: Some(applied),
            enforced: true,
            observed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_sorted_and_in_their_places() {
        assert!(
            Limit::ALL
                .windows(2)
                .all(|pair| pair[0].name() < pair[1].name())
        );
        for (index, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, index);
        }
    }

    proptest! {
        /// Whatever is asked, what is in force is positive, within bounds, and absent at `dev` alone.
        #[test]
        fn what_is_resolved_can_be_meant(asked: i64, index in 0..Limit::ALL.len()) {
            let limit = Limit::ALL[index];
            for profile in [Profile::Dev, Profile::Standard, Profile::Hardened] {
                let request = LimitsAsked::default().with(limit, Some(asked));
                match request.resolve(profile) {
                    Ok(resolved) => match resolved.get(limit) {
                        Some(number) => prop_assert_eq!(i64::try_from(number), Ok(asked)),
                        None => prop_assert_eq!((asked, profile), (0, Profile::Dev)),
                    },
                    Err(refused) => {
                        prop_assert_eq!((refused.limit, refused.got), (limit, asked));
                        prop_assert!(asked < 1 || asked as u64 > refused.allowed);
                    }
                }
            }
        }
    }

    #[test]
    fn above_dev_nothing_is_unlimited_by_default() {
        for profile in [Profile::Standard, Profile::Hardened] {
            let resolved = LimitsAsked::default().resolve(profile).expect("defaults");
            assert!(
                Limit::ALL
                    .iter()
                    .all(|limit| resolved.get(*limit).is_some())
            );
        }
    }
}
