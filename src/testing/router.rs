//! What a router must do with the backends that are registered in it, whoever wrote them.

use std::thread;
use std::time::Duration;

use tenzik_receipt::{Claim, Profile, Timestamp};

use super::Programs;
use crate::control::Control;
use crate::receipts::Circumstances;
use crate::router::{
    Code, CodeTree, ExecuteRequest, Execution, Limit, Program, Refusal, RouteError, Router,
};

/// Holds a router, with a backend in it that runs these programs at this profile, against what it promises.
///
/// # Panics
/// With what is not so.
pub fn router(router: &Router, programs: &Programs, profile: Profile) {
    let suite = Suite {
        router,
        programs,
        profile,
    };
    suite.every_end_has_its_receipt();
    suite.what_cannot_be_held_is_refused_and_leaves_a_receipt();
    suite.a_cancelled_request_ends();
    suite.requests_are_independent();
}

struct Suite<'a> {
    router: &'a Router,
    programs: &'a Programs,
    profile: Profile,
}

impl Suite<'_> {
    fn request(&self, tree: &CodeTree, input: &str) -> ExecuteRequest {
        let program = Program::new(self.programs.language.clone(), tree.clone());
        ExecuteRequest::new(Code::Program(program), input.as_bytes(), self.profile)
    }

    fn run(&self, request: &ExecuteRequest) -> Result<Execution, RouteError> {
        self.router
            .execute(request, Circumstances::at(Timestamp::EPOCH))
    }

    fn every_end_has_its_receipt(&self) {
        let echoed = self.run(&self.request(&self.programs.echoes, "{\"a\":1.50}"));
        let execution = echoed.unwrap_or_else(|error| panic!("it runs: {error}"));
        assert_eq!(execution.value(), Some(&b"{\"a\":1.50}"[..]));
        assert_eq!(execution.profile, self.profile, "the profile is passed on");
        assert_eq!(execution.receipt.claim().status(), "ok");
        for limit in Limit::ALL {
            let held = execution.limits.get(limit);
            assert!(!held.enforced || held.applied.is_some(), "{}", limit.name());
        }
        let failed = self.run(&self.request(&self.programs.fails, "null"));
        let failed = failed.expect_err("code that fails is an error");
        let receipt = failed.receipt().expect("which has its receipt");
        assert_eq!(receipt.claim().status(), "failed");
        let mut late = self.request(&self.programs.sleeps, "null");
        late.limits = late.limits.with(Limit::WallMs, Some(500));
        let late = self.run(&late).expect_err("the clock ends it");
        assert!(matches!(late, RouteError::Timeout { .. }), "{late}");
        assert_eq!(
            late.receipt().map(|it| it.claim().status()),
            Some("timed_out")
        );
    }

    fn what_cannot_be_held_is_refused_and_leaves_a_receipt(&self) {
        let mut absurd = self.request(&self.programs.echoes, "null");
        absurd.limits = absurd.limits.with(Limit::Pids, Some(-1));
        let open = self.request(&self.programs.echoes, "{");
        for (request, code) in [(absurd, "invalid_limits"), (open, "invalid_input")] {
            let refused = self.run(&request).expect_err("it is refused");
            assert_eq!(refused.code(), code);
            let receipt = refused.receipt().expect("a refusal has its receipt");
            assert!(matches!(receipt.claim(), Claim::Refused(_)));
        }
        let mut elsewhere = self.request(&self.programs.echoes, "null");
        elsewhere.backend = Some(tenzik_receipt::Label::constant("no-such-backend"));
        let refused = self.run(&elsewhere).expect_err("nobody else runs it");
        assert!(
            matches!(
                refused,
                RouteError::Refused {
                    refusal: Refusal::RuntimeUnavailable { .. },
                    ..
                }
            ),
            "a backend that is missing is an error, never another backend: {refused}"
        );
    }

    fn a_cancelled_request_ends(&self) {
        let (request, control) = (
            self.request(&self.programs.sleeps, "null"),
            Control::default(),
        );
        let circumstances = || Circumstances::at(Timestamp::EPOCH);
        let ended = thread::scope(|scope| {
            let run = scope.spawn(|| {
                self.router
                    .execute_controlled(&request, circumstances(), &control)
            });
            thread::sleep(Duration::from_millis(300));
            control.cancel();
            run.join().expect("it does not panic")
        });
        let ended = ended.expect_err("a cancelled run is an error");
        assert!(matches!(ended, RouteError::Aborted { .. }), "{ended}");
        let never = self
            .router
            .execute_controlled(&request, circumstances(), &control);
        assert!(
            matches!(never, Err(RouteError::Cancelled)),
            "what is cancelled before it begins never does"
        );
    }

    fn requests_are_independent(&self) {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..16_u32)
                .map(|index| {
                    scope.spawn(move || {
                        let own = index.to_string();
                        let execution = self.run(&self.request(&self.programs.echoes, &own));
                        execution.map(|execution| execution.value() == Some(own.as_bytes()))
                    })
                })
                .collect();
            for run in runs {
                let own = run.join().expect("no run panics");
                assert!(matches!(own, Ok(true)), "each has its own result: {own:?}");
            }
        });
    }
}
