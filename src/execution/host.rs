//! Host functions, and what a run carries through them.
//!
//! Enters: a request. Leaves: the list of host functions; a run's output and its ending.
//! Refuses: nothing here; each call is refused in [`call`], each function's arguments in its own file.
//!
//! Nothing below this folder knows an engine: a call has the capsule's memory as bytes and its fuel as a number. Each
//! engine brings an adaptor that gets the two, hands them to [`Call`], and writes the fuel back.

pub(super) mod base64;
mod call;
pub(super) mod hash;
pub(super) mod io;
pub(super) mod json;
mod list;
mod looked;
pub(super) mod random;
mod text;
pub(super) mod tools;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use tenzik_receipt::{InputType, Int, Seed};

use crate::capability::HOST_FUNCTIONS;
use crate::control::Control;
use crate::gateway::Calls;
use crate::json::Document;
use crate::json::text::{quoted_len, write_string};
use crate::limits::Limits;
use crate::outcome::{AbortCode, Ending, Request, TrapCode};
use crate::validation::TextEncoding;

use super::observe::Recorder;
pub(super) use call::Call;
pub(super) use list::host_functions;
pub(super) use looked::{Answer, Arguments};
use random::Keystream;

/// Why a host function ends the run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exit {
    #[error("the capsule aborted")]
    Abort,
    #[error("the caller cancelled the run")]
    Cancelled,
    #[error("the capsule failed")]
    Fail(String),
    #[error("a host function failed")]
    HostFailure,
    #[error("the system refused memory")]
    MemoryRefused,
    #[error("out of fuel")]
    OutOfFuel,
    #[error("the output is too large")]
    OutputTooLarge,
    #[error("the time limit was reached")]
    TimeLimit,
    #[error("too many host calls")]
    TooManyCalls,
    #[error("trap: {0}")]
    Trap(TrapCode),
}

impl From<TrapCode> for Exit {
    fn from(code: TrapCode) -> Self {
        Self::Trap(code)
    }
}

impl From<Exit> for Ending {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Abort => Self::FailedByAbort,
            Exit::Fail(message) => Self::Failed(message),
            Exit::Cancelled => Self::Aborted(AbortCode::Cancelled),
            Exit::HostFailure => Self::Aborted(AbortCode::HostFailure),
            Exit::MemoryRefused => Self::Aborted(AbortCode::MemoryRefused),
            Exit::OutOfFuel => Self::OutOfFuel,
            Exit::OutputTooLarge => Self::OutputTooLarge,
            Exit::TimeLimit => Self::Aborted(AbortCode::TimeLimit),
            Exit::TooManyCalls => Self::TooManyCalls,
            Exit::Trap(code) => Self::Trapped(code),
        }
    }
}

/// What one run carries.
pub(super) struct Host {
    pub(super) input: Arc<[u8]>,
    pub(super) input_type: InputType,
    /// The parsed input, where the type is `json` and the capsule looks at it by handle or path.
    pub(super) document: Option<Arc<Document>>,
    pub(super) encoding: TextEncoding,
    pub(super) limits: Limits,
    pub(super) clock_ms: Int,
    pub(super) seed: Seed,
    pub(super) deadline: Instant,
    pub(super) output: Vec<u8>,
    /// The high surrogate that ended the last `output_write`.
    pub(super) held: Option<u16>,
    pub(super) calls: [u32; HOST_FUNCTIONS],
    pub(super) calls_total: u32,
    /// Fuel of host work since the clock was last looked at.
    unwatched_fuel: u64,
    /// What the caller looks on by.
    pub(super) control: Option<Control>,
    /// The run's way to tools, where it has one: shared with what begins the run again.
    pub(super) tools: Option<Arc<Mutex<Calls>>>,
    /// Set if the author wants to know what the capsule passed to `abort`.
    pub(super) debugging: bool,
    pub(super) abort: Option<String>,
    /// Only where the run is looked at.
    pub(super) recorder: Option<Box<Recorder>>,
    result: Buffer,
    keystream: Option<Box<Keystream>>,
    /// The input as code units, once it was asked for.
    input_units: Option<Vec<u8>>,
}

/// The result buffer.
#[derive(Clone, Debug)]
enum Buffer {
    Bytes(Vec<u8>),
    Text(String),
}

impl Buffer {
    /// The contents, text as UTF-8.
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }
}

impl Host {
    pub(super) fn new(
        request: &Request,
        document: Option<Arc<Document>>,
        encoding: TextEncoding,
        limits: Limits,
        deadline: Instant,
    ) -> Self {
        Self {
            input: Arc::clone(&request.input),
            input_type: request.input_type,
            document,
            encoding,
            limits,
            clock_ms: request.clock_ms,
            seed: request.seed,
            deadline,
            output: Vec::new(),
            held: None,
            calls: [0; HOST_FUNCTIONS],
            calls_total: 0,
            unwatched_fuel: 0,
            control: None,
            tools: None,
            debugging: false,
            abort: None,
            recorder: None,
            result: Buffer::Bytes(Vec::new()),
            keystream: None,
            input_units: None,
        }
    }

    /// Whether the run is in time, and its caller still wants it.
    pub(super) fn may_go_on(&self) -> Result<(), Exit> {
        if Instant::now() >= self.deadline {
            return Err(Exit::TimeLimit);
        }
        match &self.control {
            Some(control) if control.is_cancelled() => Err(Exit::Cancelled),
            _ => Ok(()),
        }
    }

    /// Appends to the output, if it stays within its limit.
    fn append(&mut self, bytes: &[u8]) -> Result<(), Exit> {
        append(&mut self.output, &self.limits, bytes)
    }

    /// The ending of a run that returned, with the output that it leaves.
    pub(super) fn finish(&mut self) -> Ending {
        if self.held.is_some() {
            return Ending::Trapped(TrapCode::InvalidText);
        }
        if self.input_type == InputType::Json && crate::json::check(&self.output).is_err() {
            return Ending::InvalidOutput;
        }
        Ending::Ok(std::mem::take(&mut self.output))
    }
}

/// Appends a text in quotes. The room is looked at first: a quoted text can be six times as long.
fn append_quoted(output: &mut Vec<u8>, limits: &Limits, text: &str) -> Result<(), Exit> {
    if output.len() + quoted_len(text) > limits.output_bytes as usize {
        return Err(Exit::OutputTooLarge);
    }
    write_string(output, text);
    Ok(())
}

fn append(output: &mut Vec<u8>, limits: &Limits, bytes: &[u8]) -> Result<(), Exit> {
    if output.len() + bytes.len() > limits.output_bytes as usize {
        return Err(Exit::OutputTooLarge);
    }
    output.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests;
