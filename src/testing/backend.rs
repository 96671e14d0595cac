//! What every [`Backend`] must do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Label, Profile};

use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::control::Control;
use crate::router::{Capsule, Code, CodeTree, Limit, LimitsAsked, Program, RunLimits, WASM};

/// Programs in a language of the backend's.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The language.
    pub language: Label,
    /// Gives its input as its result.
    pub echoes: CodeTree,
    /// Ends as failed, without a result.
    pub fails: CodeTree,
    /// Writes a line that looks like a result where people read, and gives the result `1`.
    pub prints: CodeTree,
    /// Runs for a minute or more, and gives no result before.
    pub sleeps: CodeTree,
}

/// How long the end of a run may take that was stopped.
const STOPS_WITHIN: Duration = Duration::from_secs(15);

/// Holds a backend against the contract of its trait, at the strictest profile that it serves.
///
/// # Panics
/// With what is not so, and if the backend is not ready.
pub fn backend(backend: &dyn Backend, programs: &Programs) {
    let suite = Suite { backend, programs };
    suite.is_what_it_says();
    suite.delivers();
    suite.tells_ends();
    suite.refuses();
    suite.stops();
    suite.serves_many_at_once();
}

struct Suite<'a> {
    backend: &'a dyn Backend,
    programs: &'a Programs,
}

impl Suite<'_> {
    fn run(
        &self,
        code: &Code,
        input: &str,
        limits: &RunLimits,
        control: &Control,
    ) -> Result<Attempt, BackendError> {
        let input: Arc<[u8]> = input.as_bytes().into();
        let wall = limits.get(Limit::WallMs).map(Duration::from_millis);
        self.backend.run(&Job {
            code,
            input: &input,
            input_type: InputType::Json,
            profile: self.backend.profile_max(),
            limits,
            tenant: None,
            gateway: None,
            control,
            deadline: wall.map(|wall| Instant::now() + wall),
        })
    }

    fn program(&self, tree: &CodeTree) -> Code {
        Code::Program(Program::new(self.programs.language.clone(), tree.clone()))
    }

    /// The profile's default limits.
    fn limits(&self) -> RunLimits {
        let asked = LimitsAsked::default().resolve(self.backend.profile_max());
        asked.expect("defaults are within bounds")
    }

    fn attempt(&self, tree: &CodeTree, input: &str) -> Attempt {
        let ran = self.run(
            &self.program(tree),
            input,
            &self.limits(),
            &Control::default(),
        );
        let attempt = ran.unwrap_or_else(|error| panic!("a run came to nothing: {error}"));
        for limit in Limit::ALL {
            let held = attempt.limits.get(limit);
            let name = limit.name();
            assert!(
                !held.enforced || held.applied.is_some(),
                "{name}: what is enforced was applied"
            );
            assert!(
                held.applied.is_none() || self.limits().get(limit).is_some(),
                "{name}: nothing is applied that is not in force"
            );
        }
        attempt
    }

    fn is_what_it_says(&self) {
        let backend = self.backend;
        assert_eq!(backend.kind(), backend.kind(), "its name stays the same");
        let languages: Vec<_> = backend.languages();
        let distinct: BTreeSet<_> = languages.iter().collect();
        assert_eq!(
            distinct.len(),
            languages.len(),
            "each language is named once"
        );
        assert!(
            languages.contains(&self.programs.language),
            "it runs the language of the programs"
        );
        assert!(
            matches!(backend.probe(), Readiness::Ready { .. }),
            "it is ready: {:?}",
            backend.probe()
        );
    }

    fn delivers(&self) {
        let long = format!("[{}1]", "\"0123456789\",".repeat(10_000));
        for input in [
            "null",
            "\"\"",
            r#"{"z":[1.50,{"a":"\u00e9"}],"b":9007199254740993}"#,
            &long,
        ] {
            let attempt = self.attempt(&self.programs.echoes, input);
            let expected = Ended::Ok(input.as_bytes().into());
            assert!(
                attempt.ended == expected,
                "an input comes back as it was: {:?}",
                attempt.ended
            );
        }
        let attempt = self.attempt(&self.programs.prints, "null");
        assert_eq!(
            attempt.ended,
            Ended::Ok((*b"1").into()),
            "what is printed is not the result"
        );
    }

    fn tells_ends(&self) {
        let attempt = self.attempt(&self.programs.fails, "null");
        assert!(
            matches!(attempt.ended, Ended::Failed { .. }),
            "code that failed is told as such: {:?}",
            attempt.ended
        );
    }

    /// Not now and not later: such a job is denied.
    fn refuses(&self) {
        let control = Control::default();
        let denied = |code: Code| {
            let ran = self.run(&code, "null", &self.limits(), &control);
            ran.is_err_and(|error| error.denied && !error.retryable)
        };
        let unknown = Program::new(
            Label::constant("no-such-language"),
            self.programs.echoes.clone(),
        );
        assert!(
            denied(Code::Program(unknown)),
            "a language that it does not have is denied"
        );
        if !self.backend.languages().contains(&WASM) {
            let capsule = Capsule::new(*b"\0asm");
            assert!(
                denied(Code::Capsule(capsule)),
                "a capsule is denied by what runs none"
            );
        }
    }

    fn stops(&self) {
        let code = self.program(&self.programs.sleeps);
        let quick = self.limits().with(Limit::WallMs, Some(700));
        let started = Instant::now();
        let late = self
            .run(&code, "null", &quick, &Control::default())
            .expect("an end");
        assert_eq!(
            late.ended,
            Ended::LimitReached(Limit::WallMs),
            "the clock ends a run"
        );
        assert!(
            late.limits.get(Limit::WallMs).enforced,
            "and it is said that it did"
        );
        let control = Control::default();
        let cancelled = thread::scope(|scope| {
            let run = scope.spawn(|| self.run(&code, "null", &self.limits(), &control));
            thread::sleep(Duration::from_millis(300));
            control.cancel();
            run.join().expect("it does not panic").expect("an end")
        });
        assert!(
            matches!(cancelled.ended, Ended::Aborted { .. }),
            "a cancelled run is aborted: {:?}",
            cancelled.ended
        );
        assert!(
            started.elapsed() < STOPS_WITHIN,
            "a run that is stopped ends soon"
        );
        if self.backend.profile_max() != Profile::Dev {
            // A run that was stopped may have been so before there was anything to hold.
            let whole = self.attempt(&self.programs.echoes, "null");
            let held = Limit::ALL.iter().filter(|limit| !limit.is_the_routers());
            let reported = held
                .filter(|limit| whole.limits.get(**limit).applied.is_some())
                .count();
            assert!(reported > 2, "above dev more is held than clock and output");
        }
    }

    fn serves_many_at_once(&self) {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..8_u32)
                .map(|index| {
                    scope.spawn(move || {
                        self.attempt(&self.programs.echoes, &index.to_string())
                            .ended
                    })
                })
                .collect();
            for (index, run) in runs.into_iter().enumerate() {
                let ended = run.join().expect("no run panics");
                let own = index.to_string();
                assert_eq!(
                    ended,
                    Ended::Ok(own.as_bytes().into()),
                    "each run has its own input and result"
                );
            }
        });
    }
}
