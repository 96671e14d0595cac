//! One run's way to its tools: counted, recorded, and over when the run is.
//!
//! Enters: a gateway, the run's limits, then the run's requests. Leaves: answers, and in the end the [`Transcript`].
//! Refuses: what is beyond a limit, before anything is called; every call once the session is closed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::message::Operation;
use super::transcript::{Exchange, Full, Recorder, Transcript};
use super::{Answer, GatewayError, GatewayErrorCode, ToolGateway};
use crate::control::Control;

/// How much of its gateway a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Tools called, each step of a chain counted as one.
    pub tool_calls: u32,
    /// Steps of one chain.
    pub chain_steps: u32,
}

/// A run's gateway. Share it; calls may come from any number of threads.
pub struct Session {
    gateway: Arc<dyn ToolGateway>,
    limits: SessionLimits,
    control: Control,
    tool_calls: AtomicU32,
    recorder: Mutex<Recorder>,
}

impl Session {
    /// Opens a run's way to these tools. It ends when `control` is cancelled.
    pub fn new(gateway: Arc<dyn ToolGateway>, limits: SessionLimits, control: Control) -> Self {
        Self {
            gateway,
            limits,
            control,
            tool_calls: AtomicU32::new(0),
            recorder: Mutex::new(Recorder::default()),
        }
    }

    /// Answers one request, whatever came of it. Request and answer are in the transcript when this returns, unless the
    /// session was closed meanwhile: then the answer is [`GatewayErrorCode::Cancelled`]. Where the transcript has no room for
    /// the request, nothing is called; where it has none for the answer, that is [`GatewayErrorCode::LimitReached`].
    pub fn call(&self, operation: &Operation) -> Result<Answer, GatewayError> {
        self.call_controlled(operation, &self.control)
    }

    /// As [`call`](Self::call), for a caller who may cancel this one call. Whether the run was cancelled is looked at too, but
    /// only before the call is made.
    pub fn call_controlled(
        &self,
        operation: &Operation,
        control: &Control,
    ) -> Result<Answer, GatewayError> {
        self.exchange(operation, control)?.answer
    }

    /// As [`call_controlled`](Self::call_controlled), for a caller who needs to know whether the answer is in the transcript.
    pub(super) fn exchange(
        &self,
        operation: &Operation,
        control: &Control,
    ) -> Result<Exchange, Full> {
        let room = self.recorder().keep_room(operation)?;
        // A gateway that panics has failed this call, and takes neither the run nor its host with it.
        let called = catch_unwind(AssertUnwindSafe(|| self.answer(operation, control)));
        let answer = called.unwrap_or_else(|_| {
            let code = GatewayErrorCode::ToolFailed;
            Err(GatewayError::new(code, "the tool panicked"))
        });
        let exchange = Exchange {
            request: operation.clone(),
            answer,
        };
        self.recorder().record_kept(&room, exchange)
    }

    /// Tools called so far.
    pub fn tool_calls(&self) -> u32 {
        self.tool_calls.load(Ordering::Relaxed)
    }

    /// Ends the session and gives what went through it. Calls that are under way are not in it, and nor are later ones.
    pub fn close(&self) -> Transcript {
        let text = self.recorder().close();
        Transcript::of(text)
    }

    fn recorder(&self) -> std::sync::MutexGuard<'_, Recorder> {
        // A recorder is whole between its methods, whoever panicked.
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, operation: &Operation, control: &Control) -> Result<Answer, GatewayError> {
        if self.control.is_cancelled() || control.is_cancelled() {
            return Err(GatewayError::cancelled());
        }
        operation.check()?;
        let gateway = &*self.gateway;
        match operation {
            Operation::DescribeTool { tool, level } => gateway
                .describe_tool(tool, *level, control)
                .map(|description| Answer::Description(Box::new(description))),
            Operation::ListNamespaces {} => {
                gateway.list_namespaces(control).map(Answer::Namespaces)
            }
            Operation::ListToolExamples { tool, limit } => gateway
                .list_tool_examples(tool, *limit, control)
                .map(Answer::Examples),
            Operation::RunChain { steps } => {
                // Bounded by `check`.
                let wanted = steps.len() as u32;
                if wanted > self.limits.chain_steps {
                    return Err(used_up("chain_steps", self.limits.chain_steps));
                }
                self.reserve(wanted)?;
                gateway.run_chain(steps, control).map(Answer::Chain)
            }
            Operation::RunTool { tool, arguments } => {
                self.reserve(1)?;
                gateway
                    .run_tool(tool, arguments, control)
                    .map(Answer::Result)
            }
            Operation::SearchTools { query, limit } => gateway
                .search_tools(query, *limit, control)
                .map(Answer::Tools),
        }
    }

    /// Takes calls from the run's limit, all or none: of callers that come together no more get through than it has.
    fn reserve(&self, wanted: u32) -> Result<(), GatewayError> {
        let within = |used: u32| {
            used.checked_add(wanted)
                .filter(|used| *used <= self.limits.tool_calls)
        };
        self.tool_calls
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .map(drop)
            .map_err(|_| used_up("tool_calls", self.limits.tool_calls))
    }
}

fn used_up(limit: &str, allowed: u32) -> GatewayError {
    GatewayError::new(
        GatewayErrorCode::LimitReached,
        format!("the limit {limit} is {allowed}"),
    )
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
