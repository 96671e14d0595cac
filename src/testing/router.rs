//! What a router must do with the backends that are registered in it, whoever wrote them.

mod ends;
mod registered;

use std::sync::Arc;
use std::thread;

use tenzik_receipt::{InputType, Profile, Timestamp};

use super::{KERNEL, PATIENCE, Programs, joined, soon};
use crate::control::{Control, Phase};
use crate::receipts::Circumstances;
use crate::router::{
    Code, CodeTree, ExecuteRequest, Execution, Limit, Program, RouteError, Router,
};

const CANCELLATION: &str = "Router, Cancellation";
const EMPTY: &str = "Router, Empty values";
const ERRORS: &str = "Router, Errors and retry";
const ORDER: &str = "Router, Order";
const OWNERSHIP: &str = "Router, Ownership";
const THREADS: &str = "Router, Thread-safety";

/// Time for sixteen requests at once, on a machine that has much else to do.
const AT_ONCE_MS: i64 = 300_000;

/// Holds a router, with a backend in it that runs these programs at this profile, against what it promises. Backends of the
/// suite's own are registered in it for a while, behind those that are there.
///
/// # Panics
/// With the promise that is broken.
pub fn router(router: &Router, programs: &Programs, profile: Profile) {
    let suite = Suite {
        router,
        programs,
        profile,
    };
    suite.every_end_has_its_receipt();
    suite.what_cannot_be_held_is_refused_and_leaves_a_receipt();
    suite.empty_values_are_what_they_are();
    suite.a_cancelled_request_ends();
    suite.backends_come_and_go();
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
        self.run_controlled(request, &Control::default())
    }

    fn run_controlled(
        &self,
        request: &ExecuteRequest,
        control: &Control,
    ) -> Result<Execution, RouteError> {
        let circumstances = Circumstances::at(Timestamp::EPOCH);
        let came = self
            .router
            .execute_controlled(request, circumstances, control);
        let is_result = |execution: &Execution| match &execution.ended {
            crate::backend::Ended::Ok(value) => Arc::ptr_eq(value, &request.input),
            _ => false,
        };
        let own = 1 + usize::from(came.as_ref().is_ok_and(is_result));
        holds!(
            OWNERSHIP,
            soon(KERNEL, || Arc::strong_count(&request.input) == own),
            "the request is lent, and its input is still held when it is over"
        );
        came
    }

    fn empty_values_are_what_they_are(&self) {
        let refused = self.run(&self.request(&self.programs.echoes, ""));
        let code = refused.as_ref().err().map(RouteError::code);
        holds!(
            EMPTY,
            code == Some("invalid_input"),
            "nothing is no JSON, and refused: {code:?}"
        );
        if let Some(tree) = &self.programs.echoes_bytes {
            let mut request = self.request(tree, "");
            request.input_type = InputType::Bytes;
            let echoed = self.run(&request);
            let value = echoed.as_ref().map(Execution::value);
            holds!(
                EMPTY,
                matches!(value, Ok(Some(b""))),
                "an empty input of bytes is an input, and an empty result a result: {value:?}"
            );
        }
        let mut tools = self.request(&self.programs.echoes, "1");
        tools.limits = tools.limits.with(Limit::ToolCalls, Some(1));
        let refused = self.run(&tools);
        let code = refused.as_ref().err().map(RouteError::code);
        holds!(
            EMPTY,
            code == Some("missing_gateway"),
            "no gateway is no tools, and a request that asks for some is refused: {code:?}"
        );
    }

    fn a_cancelled_request_ends(&self) {
        let request = self.request(&self.programs.sleeps, "null");
        let control = Control::default();
        let ended = thread::scope(|scope| {
            let run = scope.spawn(|| self.run_controlled(&request, &control));
            let is_begun = || control.progress().phase == Phase::Running || run.is_finished();
            holds!(
                CANCELLATION,
                soon(PATIENCE, is_begun),
                "a request runs, and its control tells so"
            );
            // The backend has it by now, or is about to: either way it is aborted.
            thread::sleep(std::time::Duration::from_millis(300));
            control.cancel();
            holds!(
                CANCELLATION,
                soon(PATIENCE, || run.is_finished()),
                "a request ends soon after its control is set"
            );
            joined(run)
        });
        holds!(
            CANCELLATION,
            matches!(&ended, Err(error @ RouteError::Aborted { .. }) if error.receipt().is_some()),
            "one that is cancelled while it runs is aborted, with its receipt: {ended:?}"
        );
        let never = self.run_controlled(&request, &control);
        holds!(
            CANCELLATION,
            matches!(never, Err(RouteError::Cancelled)),
            "one that is cancelled before it begins never does: {never:?}"
        );
    }

    fn requests_are_independent(&self) {
        thread::scope(|scope| {
            let runs: Vec<_> = (0..16_u32)
                .map(|index| {
                    let own = index.to_string();
                    let mut request = self.request(&self.programs.echoes, &own);
                    request.limits = request.limits.with(Limit::WallMs, Some(AT_ONCE_MS));
                    scope.spawn(move || (self.run(&request), own))
                })
                .collect();
            for run in runs {
                let (came, own) = joined(run);
                let value = came.as_ref().map(Execution::value);
                holds!(
                    THREADS,
                    matches!(value, Ok(Some(value)) if value == own.as_bytes()),
                    "of requests from many threads each has its own result: {value:?}"
                );
            }
        });
    }
}
