//! Jobs that are stopped, and what is left of those that are over.

use std::thread;
use std::time::{Duration, Instant};

use tenzik_receipt::Profile;

use super::{CANCELLATION, KERNEL, Leftovers, OWNERSHIP, REPORTS, Suite, Wanted, soon};
use crate::backend::{Attempt, Ended};
use crate::router::Limit;
use crate::testing::{PATIENCE, joined};

impl Suite<'_> {
    /// Runs a job whose end is not its code's, while something is done on this thread.
    pub(super) fn stopped(&self, wanted: &Wanted, meanwhile: impl FnOnce()) -> Attempt {
        thread::scope(|scope| {
            let run = scope.spawn(|| self.attempt(wanted));
            meanwhile();
            holds!(
                CANCELLATION,
                soon(PATIENCE, || run.is_finished()),
                "`run` returns when control or deadline says so"
            );
            joined(run)
        })
    }

    pub(super) fn stops(&self) {
        let mut quick = self.wanted(&self.programs.sleeps, "null");
        quick.limits = quick.limits.with(Limit::WallMs, Some(3_000));
        let late = self.stopped(&quick, || {});
        holds!(
            CANCELLATION,
            late.ended == Ended::LimitReached(Limit::WallMs),
            "the deadline ends a run: {:?}",
            late.ended
        );
        holds!(
            REPORTS,
            late.limits.get(Limit::WallMs).enforced,
            "a clock that ended a run was in force"
        );
        let wanted = self.wanted(&self.programs.sleeps, "null");
        let cancelled = self.stopped(&wanted, || {
            thread::sleep(Duration::from_millis(300));
            wanted.control.cancel();
        });
        holds!(
            CANCELLATION,
            matches!(cancelled.ended, Ended::Aborted { .. }),
            "a cancelled run is aborted: {:?}",
            cancelled.ended
        );
        if self.backend.profile_max() != Profile::Dev {
            self.holds_limits();
        }
    }

    /// A run that was stopped may have been so before there was anything to hold: this one is whole.
    fn holds_limits(&self) {
        let whole = self.attempt(&self.wanted(&self.programs.echoes, "null"));
        let backends = Limit::ALL.iter().filter(|limit| !limit.is_the_routers());
        let reported = backends
            .filter(|limit| whole.limits.get(**limit).applied.is_some())
            .count();
        holds!(
            "Backend::holds",
            reported > 2,
            "above `dev` more is held than clock and output"
        );
    }

    /// What is cancelled, or late, before it begins.
    pub(super) fn begins_nothing_that_was_stopped(&self) {
        let wanted = self.wanted(&self.programs.sleeps, "null");
        wanted.control.cancel();
        let ended = self.stopped(&wanted, || {}).ended;
        holds!(
            CANCELLATION,
            matches!(ended, Ended::Aborted { .. }),
            "a job that was cancelled before `run` is aborted: {ended:?}"
        );
        let mut late = self.wanted(&self.programs.sleeps, "null");
        late.deadline = Some(Instant::now());
        let ended = self.stopped(&late, || {}).ended;
        holds!(
            CANCELLATION,
            ended == Ended::LimitReached(Limit::WallMs),
            "a job whose deadline is over before `run` has met it: {ended:?}"
        );
    }

    pub(super) fn leaves_nothing(&self) {
        let Some(leaves) = &self.programs.leaves else {
            return;
        };
        let whole = self.wanted(&leaves.program, "null");
        let ended = self.stopped(&whole, || all_seen(leaves)).ended;
        holds!(
            "Programs::leaves",
            ended == Ended::Ok((*b"1").into()),
            "the program gives 1: {ended:?}"
        );
        all_gone(leaves, "code that ended by itself");
        let wanted = self.wanted(&leaves.program, "null");
        let ended = self.stopped(&wanted, || {
            all_seen(leaves);
            wanted.control.cancel();
        });
        holds!(
            CANCELLATION,
            matches!(ended.ended, Ended::Aborted { .. }),
            "a cancelled run is aborted: {:?}",
            ended.ended
        );
        all_gone(leaves, "code that was cancelled");
    }
}

/// What was never seen shows nothing by its absence.
fn all_seen(leaves: &Leftovers) {
    for look in &leaves.looks {
        holds!(
            "Leftovers::looks",
            soon(PATIENCE, || (look.is_there)()),
            "no {} is seen while the program runs",
            look.what
        );
    }
}

fn all_gone(leaves: &Leftovers, of: &str) {
    for look in &leaves.looks {
        holds!(
            OWNERSHIP,
            soon(KERNEL, || !(look.is_there)()),
            "nothing of a job outlives `run`, and of {of} the {} does",
            look.what
        );
    }
}
