//! What goes in and comes out, of one job and of many.

use std::thread;

use tenzik_receipt::{InputType, Label, Profile};

use super::{EMPTY, ERRORS, ORDER, Suite, THREADS, soon};
use crate::backend::Ended;
use crate::router::{Capsule, Code, Limit, LimitsAsked, Program, WASM};
use crate::testing::{PATIENCE, joined};

/// Time for eight jobs at once, on a machine that has much else to do.
const AT_ONCE_MS: u64 = 300_000;

impl Suite<'_> {
    pub(super) fn delivers(&self) {
        let long = format!("[{}1]", "\"0123456789\",".repeat(10_000));
        for input in [
            "null",
            "\"\"",
            r#"{"z":[1.50,{"a":"\u00e9"}],"b":9007199254740993}"#,
            &long,
        ] {
            let attempt = self.attempt(&self.wanted(&self.programs.echoes, input));
            holds!(
                "Job::input",
                attempt.ended == Ended::Ok(input.as_bytes().into()),
                "an input comes back as it was: {:?}",
                attempt.ended
            );
        }
        let attempt = self.attempt(&self.wanted(&self.programs.prints, "null"));
        holds!(
            "Attempt::stdout",
            attempt.ended == Ended::Ok((*b"1").into()),
            "what is printed is not the result: {:?}",
            attempt.ended
        );
    }

    pub(super) fn tells_ends(&self) {
        let ends = std::iter::once(&self.programs.fails).chain(&self.programs.says_nothing);
        for (tree, promise) in ends.zip([ERRORS, EMPTY]) {
            let attempt = self.attempt(&self.wanted(tree, "null"));
            holds!(
                promise,
                matches!(attempt.ended, Ended::Failed { .. }),
                "no output is not an empty output, and code that gave none failed: {:?}",
                attempt.ended
            );
        }
    }

    /// Not now and not later: such a job is denied.
    pub(super) fn refuses(&self) {
        let denied = |code: Code| {
            let mut wanted = self.wanted(&self.programs.echoes, "null");
            wanted.code = code;
            let ran = self.run(&wanted);
            ran.is_err_and(|error| error.denied && !error.retryable)
        };
        let unknown = Program::new(
            Label::constant("no-such-language"),
            self.programs.echoes.clone(),
        );
        holds!(
            "BackendError::denied",
            denied(Code::Program(unknown)),
            "a language that it does not have is denied, and not for want of anything"
        );
        if !self.backend.languages().contains(&WASM) {
            holds!(
                "BackendError::denied",
                denied(Code::Capsule(Capsule::new(*b"\0asm"))),
                "a capsule is denied by what runs none"
            );
        }
    }

    pub(super) fn takes_empty_values(&self) {
        if let Some(tree) = &self.programs.echoes_bytes {
            for input in [&b""[..], b"\0\xff\n{"] {
                let mut wanted = self.wanted(tree, "");
                wanted.input = input.into();
                wanted.input_type = InputType::Bytes;
                let ended = self.attempt(&wanted).ended;
                holds!(
                    EMPTY,
                    ended == Ended::Ok(input.into()),
                    "an empty input is an input, and bytes are any: {input:?} gave {ended:?}"
                );
            }
        }
        self.takes_no_limits();
    }

    /// `attempt` holds what is reported against what is in force.
    fn takes_no_limits(&self) {
        let mut wanted = self.wanted(&self.programs.echoes, "[1]");
        wanted.profile = Profile::Dev;
        wanted.limits = unlimited();
        // One that needs the clock's end, and says so, is not asked for more.
        if self.run(&wanted).is_err_and(|error| error.denied) {
            let wall = Limit::WallMs.default_at(Profile::Dev);
            wanted.limits = wanted.limits.with(Limit::WallMs, wall);
        }
        let ended = self.attempt(&wanted).ended;
        holds!(
            EMPTY,
            ended == Ended::Ok((*b"[1]").into()),
            "a limit that is `None` is none, at `dev`: {ended:?}"
        );
    }

    pub(super) fn serves_many_at_once(&self) {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..8_u32)
                .map(|index| {
                    let own = index.to_string();
                    let mut wanted = self.wanted(&self.programs.echoes, &own);
                    wanted.limits = wanted.limits.with(Limit::WallMs, Some(AT_ONCE_MS));
                    scope.spawn(move || (self.attempt(&wanted).ended, own))
                })
                .collect();
            for run in runs {
                let (ended, own) = joined(run);
                holds!(
                    THREADS,
                    ended == Ended::Ok(own.as_bytes().into()),
                    "of runs from many threads each has its own input and result: {ended:?}"
                );
            }
        });
    }

    /// While one sleeps, another runs to its end.
    pub(super) fn lets_none_wait_for_another(&self) {
        let sleeper = self.wanted(&self.programs.sleeps, "null");
        let control = sleeper.control.clone();
        thread::scope(|scope| {
            let sleeps = scope.spawn(|| self.attempt(&sleeper).ended);
            let echoed = self.attempt(&self.wanted(&self.programs.echoes, "7")).ended;
            let waited = sleeps.is_finished();
            control.cancel();
            holds!(
                ORDER,
                !waited && echoed == Ended::Ok((*b"7").into()),
                "none waits for another, and one gave {echoed:?} when another had ended: {waited}"
            );
            holds!(
                ORDER,
                soon(PATIENCE, || sleeps.is_finished()),
                "jobs are independent, and one that was cancelled goes on"
            );
            let ended = joined(sleeps);
            holds!(
                ORDER,
                matches!(ended, Ended::Aborted { .. }),
                "jobs are independent, and each ends by itself: {ended:?}"
            );
        });
    }
}

/// No limit at all, but what each host needs for itself.
fn unlimited() -> crate::router::RunLimits {
    let bounded = |limit: Limit| limit.is_the_routers() || limit == Limit::OutputBytes;
    let asked = LimitsAsked::of(|limit| (!bounded(limit)).then_some(0));
    let limits = asked.resolve(Profile::Dev);
    limits.expect("`dev` allows no limit")
}
