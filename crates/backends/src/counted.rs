//! What the kernel counted of a run, beside its limits.
//!
//! Enters: a run's group and limits. Leaves: which limit was met, and what was done about each. Refuses: to say that a limit
//! was enforced that it did not read back from the kernel in this run.

use tenzik::router::{Held, Limit, PerLimit, RunLimits};

use crate::cgroup::Group;
use crate::seen::PAGE_BYTES;

/// One run's group, with what was last read of it.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) group: Group,
    limits: RunLimits,
    last: Numbers,
    /// Processor time that was used before the run began.
    cpu_ms_before: u64,
    /// Whether all in it was ended, after which its bounds are no longer the run's.
    ended: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    memory_max: Option<u64>,
    bounds_swap: bool,
    memory_peak: Option<u64>,
    memory_kills: Option<u64>,
    pids_max: Option<u64>,
    pids_refused: Option<u64>,
    pids_peak: Option<u64>,
    cpu_ms: Option<u64>,
}

impl Counted {
    pub(crate) fn new(group: Group, limits: RunLimits) -> Self {
        Self {
            group,
            limits,
            last: Numbers::default(),
            cpu_ms_before: 0,
            ended: false,
        }
    }

    /// Reads it all once more. What cannot be read any longer stays as it was.
    pub(crate) fn count(&mut self) {
        if self.ended {
            return;
        }
        let (group, last) = (&self.group, &mut self.last);
        *last = Numbers {
            memory_max: group.memory_max().or(last.memory_max),
            bounds_swap: match group.memory_max() {
                Some(_) => group.bounds_swap(),
                None => last.bounds_swap,
            },
            memory_peak: group.memory_peak().or(last.memory_peak),
            memory_kills: group.memory_kills().or(last.memory_kills),
            pids_max: group.pids_max().or(last.pids_max),
            pids_refused: group.pids_refused().or(last.pids_refused),
            pids_peak: group.pids_peak().or(last.pids_peak),
            cpu_ms: group.cpu_ms().or(last.cpu_ms),
        };
    }

    /// Another run begins in the same group: processor time is counted from here. The most memory and processes at a time stay
    /// those of all of its runs.
    pub(crate) fn begin(&mut self) {
        self.count();
        self.cpu_ms_before = self.last.cpu_ms.unwrap_or(0);
    }

    fn cpu_ms(&self) -> Option<u64> {
        Some(self.last.cpu_ms?.saturating_sub(self.cpu_ms_before))
    }

    /// Reads it all for the last time, and ends all that is in the group; whether all of it has ended.
    pub(crate) fn end(&mut self) -> bool {
        self.count();
        self.ended = true;
        self.group.kill()
    }

    /// The limit that nobody but this process holds, where it is reached.
    pub(crate) fn limit_reached(&self) -> Option<Limit> {
        let (allowed, used) = (self.limits.get(Limit::CpuMs)?, self.cpu_ms()?);
        (used >= allowed).then_some(Limit::CpuMs)
    }

    /// A limit that the kernel made it feel.
    pub(crate) fn limit_met(&self) -> Option<Limit> {
        let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
        if some(self.last.memory_kills) {
            return Some(Limit::MemoryBytes);
        }
        some(self.last.pids_refused).then_some(Limit::Pids)
    }

    /// The most memory that was seen at one time.
    pub(crate) const fn memory_peak(&self) -> Option<u64> {
        self.last.memory_peak
    }

    /// The first bound that was asked for and is not in force.
    pub(crate) fn unbounded(&self) -> Option<&'static str> {
        let asked = |limit| self.limits.get(limit).is_some();
        if asked(Limit::MemoryBytes) && !self.holds_memory() {
            return Some(match self.last.bounds_swap {
                true => "the bound on memory",
                false => {
                    "the bound on memory, where swap is not counted: boot with swapaccount=1, or without swap"
                }
            });
        }
        (asked(Limit::Pids) && !self.holds_pids()).then_some("the bound on processes")
    }

    fn holds_memory(&self) -> bool {
        let pages = |bytes: Option<u64>| bytes.map(|bytes| bytes / PAGE_BYTES);
        pages(self.limits.get(Limit::MemoryBytes)) == pages(self.last.memory_max)
            && self.last.bounds_swap
    }

    fn holds_pids(&self) -> bool {
        self.limits.get(Limit::Pids) == self.last.pids_max
    }

    /// What was done about each limit; of the place to write it is told whether it was seen to be bounded.
    pub(crate) fn held(&self, held: PerLimit<Held>, disk_bounded: bool) -> PerLimit<Held> {
        let counted = &self.last;
        let entry = |limit: Limit, in_force: bool, observed| Held {
            applied: self.limits.get(limit),
            enforced: in_force && self.limits.get(limit).is_some(),
            observed,
        };
        let cpu_held = counted.cpu_ms.is_some();
        [
            (Limit::MemoryBytes, self.holds_memory(), counted.memory_peak),
            (Limit::Pids, self.holds_pids(), counted.pids_peak),
            (Limit::CpuMs, cpu_held, self.cpu_ms()),
            (Limit::DiskBytes, disk_bounded, None),
        ]
        .into_iter()
        .fold(held, |held, (limit, in_force, observed)| {
            held.with(limit, entry(limit, in_force, observed))
        })
    }
}

#[cfg(test)]
mod tests {
    use tenzik::router::LimitsAsked;
    use tenzik_receipt::Profile;

    use super::*;

    fn counted(bounds_swap: bool) -> Counted {
        let limits = LimitsAsked::default().resolve(Profile::Standard);
        let limits = limits.expect("the defaults");
        let mut counted = Counted::new(Group::of_another("none"), limits);
        counted.last.memory_max = limits.get(Limit::MemoryBytes);
        counted.last.pids_max = limits.get(Limit::Pids);
        counted.last.bounds_swap = bounds_swap;
        counted
    }

    #[test]
    fn memory_is_held_only_where_swap_is_counted_or_not_there() {
        let told = |counted: &Counted| {
            let held = counted.held(PerLimit::all(Held::default()), false);
            [Limit::MemoryBytes, Limit::Pids].map(|limit| held.get(limit).enforced)
        };
        let (with, without) = (counted(true), counted(false));
        assert_eq!((told(&with), with.unbounded()), ([true, true], None));
        assert_eq!(told(&without), [false, true]);
        assert!(
            without
                .unbounded()
                .is_some_and(|what| what.contains("swap"))
        );
    }
}
