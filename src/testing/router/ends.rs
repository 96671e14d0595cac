//! How a request ends, and what its receipt says.

use tenzik_receipt::{Claim, Label};

use super::{ERRORS, Suite};
use crate::router::{ExecuteRequest, Execution, Limit, Refusal, RouteError};

impl Suite<'_> {
    pub(super) fn every_end_has_its_receipt(&self) {
        let echoed = self.run(&self.request(&self.programs.echoes, "{\"a\":1.50}"));
        let execution = echoed.unwrap_or_else(|error| panic!("{ERRORS}: it runs: {error}"));
        holds!(
            "Execution::value",
            execution.value() == Some(&b"{\"a\":1.50}"[..]),
            "a result comes back as it was given: {:?}",
            execution.ended
        );
        holds!(
            "Execution::profile",
            execution.profile == self.profile,
            "it is the one that was asked for: {:?}",
            execution.profile
        );
        for limit in Limit::ALL {
            let held = execution.limits.get(limit);
            holds!(
                "Held, enforced and applied",
                !held.enforced || held.applied.is_some(),
                "{}: what is enforced was applied",
                limit.name()
            );
        }
        self.is_told("ok", Ok(execution), "a result");
        let failed = self.run(&self.request(&self.programs.fails, "null"));
        self.is_told("failed", failed, "code that fails");
        let mut late = self.request(&self.programs.sleeps, "null");
        late.limits = late.limits.with(Limit::WallMs, Some(3_000));
        let late = self.run(&late);
        holds!(
            ERRORS,
            matches!(late, Err(RouteError::Timeout { .. })),
            "the clock's end is a timeout: {late:?}"
        );
        self.is_told("timed_out", late, "the clock's end");
    }

    fn is_told(&self, status: &str, came: Result<Execution, RouteError>, what: &str) {
        let receipt = match &came {
            Ok(execution) => Some(&execution.receipt),
            Err(error) => error.receipt(),
        };
        let told = receipt.map(|receipt| receipt.claim().status());
        holds!(
            ERRORS,
            told == Some(status) && came.is_ok() == (status == "ok"),
            "{what} has its receipt, which says {status}: {told:?}, {came:?}"
        );
    }

    pub(super) fn what_cannot_be_held_is_refused_and_leaves_a_receipt(&self) {
        let mut absurd = self.request(&self.programs.echoes, "null");
        absurd.limits = absurd.limits.with(Limit::Pids, Some(-1));
        self.is_refused("invalid_limits", &absurd);
        self.is_refused("invalid_input", &self.request(&self.programs.echoes, "{"));
        let mut elsewhere = self.request(&self.programs.echoes, "null");
        elsewhere.backend = Some(Label::constant("no-such-backend"));
        self.is_refused("runtime_unavailable", &elsewhere);
    }

    /// A backend that is missing is an error, never another backend.
    pub(super) fn is_refused(&self, code: &str, request: &ExecuteRequest) {
        let came = self.run(request);
        let receipt = came.as_ref().err().and_then(RouteError::receipt);
        let is_signed = receipt.is_some_and(|it| matches!(it.claim(), Claim::Refused(_)));
        holds!(
            ERRORS,
            is_signed && came.as_ref().is_err_and(|error| error.code() == code),
            "what cannot be run is refused as {code}, with a receipt: {came:?}"
        );
        let may_pass = matches!(
            &came,
            Err(RouteError::Refused {
                refusal: Refusal::RuntimeUnavailable { .. },
                ..
            })
        );
        holds!(
            ERRORS,
            came.is_err_and(|error| error.is_retryable() == may_pass),
            "of refusals only `runtime_unavailable` may pass, and not {code}"
        );
    }
}
