//! A capsule's way to tools: live, or out of a transcript.
//!
//! Enters: [`Tools`], which a capsule is bound to; then, run by run, its requests. Leaves: answers, and the run's transcript.
//! Refuses: a request that is not the recorded one, where there is a record of it.
//!
//! A run may be begun again on another engine. The requests that were answered are then not made a second time: they are
//! answered from the record. A replay is the same with a record of all of them.

use std::fmt;
use std::sync::Arc;

use super::transcript::{Full, Recorder};
use super::{Answer, GatewayErrorCode, Transcript};
use super::{Exchange, GatewayError, Json, Operation, Session, SessionLimits, ToolGateway, ToolId};
use crate::control::Control;
use crate::outcome::HostFault;

/// The tools that a capsule may call where `tools` is granted. A clone is the same tools.
#[derive(Clone)]
pub struct Tools(Source);

#[derive(Clone)]
enum Source {
    Live(Arc<dyn ToolGateway>, SessionLimits),
    Recorded(Arc<[Exchange]>),
}

impl Tools {
    /// The tools of a gateway. Each run has a session of its own, with these limits.
    pub fn new(gateway: Arc<dyn ToolGateway>, limits: SessionLimits) -> Self {
        Self(Source::Live(gateway, limits))
    }

    /// What was answered once, and nothing else.
    pub(crate) fn recorded(transcript: &Transcript) -> Self {
        Self(Source::Recorded(transcript.exchanges().collect()))
    }

    /// A run's calls. They end when `control` is cancelled.
    pub(crate) fn open(&self, control: &Control) -> Calls {
        let (session, answered) = match &self.0 {
            Source::Live(gateway, limits) => {
                let session = Session::new(Arc::clone(gateway), *limits, control.clone());
                (Some(session), Vec::new())
            }
            Source::Recorded(exchanges) => (None, exchanges.to_vec()),
        };
        Calls {
            session,
            answered,
            next: 0,
            unlike: None,
            full: false,
        }
    }
}

impl fmt::Debug for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Live(_, limits) => f.debug_tuple("Live").field(limits).finish(),
            Source::Recorded(exchanges) => {
                f.debug_tuple("Recorded").field(&exchanges.len()).finish()
            }
        }
    }
}

impl PartialEq for Tools {
    /// Whether they are the same tools, not tools of the same behaviour.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Live(one, limits), Source::Live(other, others)) => {
                Arc::ptr_eq(one, other) && limits == others
            }
            (Source::Recorded(one), Source::Recorded(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Tools {}

/// A request that is not the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unlike {
    /// What was recorded; `None` where the record is over.
    pub(crate) recorded: Option<Operation>,
    /// What was asked now.
    pub(crate) asked: Operation,
}

/// A call that has no answer, and did nothing: the record has another request here, or no room for one more. The run cannot go
/// on, since nobody could say what it would have been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered;

/// One run's calls, however often it is begun.
pub(crate) struct Calls {
    session: Option<Session>,
    answered: Vec<Exchange>,
    /// How many of them the run has met since it began.
    next: usize,
    unlike: Option<Unlike>,
    /// Whether the record had no room for a request.
    full: bool,
}

/// What came of a run's calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Called {
    pub(crate) transcript: Transcript,
    /// Tools called, of those that a session counted.
    pub(crate) tool_calls: u32,
    pub(crate) unlike: Option<Unlike>,
    /// Why a run with live tools could not go on.
    pub(crate) fault: Option<HostFault>,
}

impl Calls {
    /// The run begins, perhaps not for the first time.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Calls a tool, or tells again what it answered.
    pub(crate) fn run_tool(
        &mut self,
        tool: ToolId,
        arguments: Json,
        control: &Control,
    ) -> Result<Result<Json, GatewayError>, Unanswered> {
        let asked = Operation::RunTool { tool, arguments };
        if self.next == self.answered.len()
            && let Some(session) = &self.session
        {
            let exchange = session.exchange(&asked, control);
            self.full = exchange.is_err();
            self.answered.push(exchange.map_err(|_: Full| Unanswered)?);
        }
        let recorded = self.answered.get(self.next);
        match recorded.filter(|recorded| recorded.request == asked) {
            Some(exchange) => {
                self.next += 1;
                Ok(exchange.answer.clone().and_then(result))
            }
            None => {
                self.unlike = Some(Unlike {
                    recorded: recorded.map(|recorded| recorded.request.clone()),
                    asked,
                });
                Err(Unanswered)
            }
        }
    }

    /// Ends the calls.
    pub(crate) fn close(&mut self) -> Called {
        let (transcript, tool_calls) = match &self.session {
            Some(session) => (session.close(), session.tool_calls()),
            None => (self.met(), 0),
        };
        Called {
            transcript,
            tool_calls,
            fault: self.session.as_ref().and_then(|_| self.fault()),
            unlike: self.unlike.take(),
        }
    }

    fn fault(&self) -> Option<HostFault> {
        let differs = self.unlike.as_ref().map(|_| HostFault::ToolsDiffer);
        differs.or(self.full.then_some(HostFault::TranscriptFull))
    }

    /// The part of the record that the run has met.
    fn met(&self) -> Transcript {
        let mut recorder = Recorder::default();
        for exchange in &self.answered[..self.next] {
            // It was within the bounds as a part of the record.
            let _ = recorder.record(exchange);
        }
        Transcript::of(recorder.close())
    }
}

/// A tool's result. A gateway's answer of another kind is the gateway's mistake, and told as such; in a record of such calls
/// there is none.
fn result(answer: Answer) -> Result<Json, GatewayError> {
    match answer {
        Answer::Result(result) => Ok(result),
        _ => Err(GatewayError::new(
            GatewayErrorCode::ToolFailed,
            "the answer is no result",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::direct::{Direct, Tool};

    fn calls() -> Calls {
        let id = ToolId::new("t:echo").expect("an id");
        let echo = Tool::new(id, "Echoes", |arguments, _| Ok(arguments.clone()));
        let limits = SessionLimits {
            tool_calls: 9,
            chain_steps: 9,
        };
        let gateway = Arc::new(Direct::new([echo]).expect("a tool"));
        Tools::new(gateway, limits).open(&Control::default())
    }

    fn ask(calls: &mut Calls, arguments: &str) -> bool {
        let id = ToolId::new("t:echo").expect("an id");
        let arguments = Json::new(arguments).expect("JSON");
        calls.run_tool(id, arguments, &Control::default()).is_ok()
    }

    /// Such a run ended as `host_failure`, and nobody was told that its engines had asked for different things.
    #[test]
    fn a_run_that_asks_differently_when_it_is_begun_again_says_so() {
        let mut calls = calls();
        assert!(ask(&mut calls, "{\"a\":1}"));
        calls.rewind();
        assert!(!ask(&mut calls, "{\"a\":2}"));
        let called = calls.close();
        assert_eq!(called.fault, Some(HostFault::ToolsDiffer));
        assert_eq!((called.tool_calls, called.transcript.len()), (1, 1));
    }

    #[test]
    fn a_run_that_asks_alike_or_out_of_a_record_has_no_fault() {
        let mut calls = calls();
        assert!(ask(&mut calls, "{\"a\":1}"));
        calls.rewind();
        assert!(ask(&mut calls, "{\"a\":1}"));
        let called = calls.close();
        assert_eq!(called.fault, None);
        // Of a replay it is the claim that is false, not the host.
        let mut replayed = Tools::recorded(&called.transcript).open(&Control::default());
        assert!(!ask(&mut replayed, "{\"a\":2}"));
        let called = replayed.close();
        assert!(called.unlike.is_some() && called.fault.is_none());
    }
}
