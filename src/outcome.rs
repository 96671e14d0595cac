//! What a run came to, before anyone signs it.
//!
//! Enters: the end of an execution. Leaves: [`Outcome`], which only an execution can make.
//! Refuses: nothing; every end of a run is an outcome, also a trap and a stop by the clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tenzik_receipt::{Blake3, InputType, Int, Label, Seed, Status};

use crate::capability::{HOST_FUNCTIONS, IMPORTS};
use crate::gateway::{Called, Transcript};
use crate::sandbox::BoundTerms;

/// One run's input: what varies between runs of one bound capsule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The exact input bytes. They are committed to as they are, and never rewritten.
    pub input: Arc<[u8]>,
    /// Whether input and output are strict JSON or any bytes.
    pub input_type: InputType,
    /// The run's clock in milliseconds since 1970. The engine knows no other.
    pub clock_ms: Int,
    /// The key of the run's random bytes. The engine knows no others.
    pub seed: Seed,
}

impl Request {
    /// A JSON input, with clock 0 and seed 0.
    pub fn json(input: impl Into<Arc<[u8]>>) -> Self {
        Self {
            input: input.into(),
            input_type: InputType::Json,
            clock_ms: Int::ZERO,
            seed: Seed::from_bytes([0; 32]),
        }
    }

    /// An input of any bytes, with clock 0 and seed 0.
    pub fn bytes(input: impl Into<Arc<[u8]>>) -> Self {
        Self {
            input_type: InputType::Bytes,
            ..Self::json(input)
        }
    }
}

/// Why a capsule trapped. The names are those of `docs/abi.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the text of docs/abi.md defines each")]
pub enum TrapCode {
    Conversion,
    DivideByZero,
    IndirectCall,
    IntegerOverflow,
    InvalidArgument,
    InvalidHandle,
    InvalidText,
    Memory,
    NotANumber,
    NotFinite,
    NumberOverflow,
    PathInvalid,
    PathUnsupported,
    Pointer,
    Table,
    TooLarge,
    Unreachable,
}

impl TrapCode {
    /// Every code, in the order of their names.
    pub const ALL: [Self; 17] = [
        Self::Conversion,
        Self::DivideByZero,
        Self::IndirectCall,
        Self::IntegerOverflow,
        Self::InvalidArgument,
        Self::InvalidHandle,
        Self::InvalidText,
        Self::Memory,
        Self::NotANumber,
        Self::NotFinite,
        Self::NumberOverflow,
        Self::PathInvalid,
        Self::PathUnsupported,
        Self::Pointer,
        Self::Table,
        Self::TooLarge,
        Self::Unreachable,
    ];

    /// The code as it stands in a receipt.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conversion => "conversion",
            Self::DivideByZero => "divide_by_zero",
            Self::IndirectCall => "indirect_call",
            Self::IntegerOverflow => "integer_overflow",
            Self::InvalidArgument => "invalid_argument",
            Self::InvalidHandle => "invalid_handle",
            Self::InvalidText => "invalid_text",
            Self::Memory => "memory",
            Self::NotANumber => "not_a_number",
            Self::NotFinite => "not_finite",
            Self::NumberOverflow => "number_overflow",
            Self::PathInvalid => "path_invalid",
            Self::PathUnsupported => "path_unsupported",
            Self::Pointer => "pointer",
            Self::Table => "table",
            Self::TooLarge => "too_large",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for TrapCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a run was stopped by something that a re-run need not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AbortCode {
    /// The caller wanted it to stop.
    Cancelled,
    /// The host or its engine failed.
    HostFailure,
    /// The system refused memory that the limit allows.
    MemoryRefused,
    /// The native stack was used up.
    NativeStack,
    /// The wall-clock limit was reached.
    TimeLimit,
}

impl AbortCode {
    /// Every code, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Cancelled,
        Self::HostFailure,
        Self::MemoryRefused,
        Self::NativeStack,
        Self::TimeLimit,
    ];

    /// The code as it stands in a receipt.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::HostFailure => "host_failure",
            Self::MemoryRefused => "memory_refused",
            Self::NativeStack => "native_stack",
            Self::TimeLimit => "time_limit",
        }
    }
}

/// What failed at a host, where more is known than that something did. The claim says [`AbortCode::HostFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostFault {
    /// Begun again on another engine, the run asked its tools for something else than on the first. Engines must not differ: it
    /// is a defect of one of them, or of this program.
    ToolsDiffer,
    /// There is no room for another call in the record, not even for an error.
    TranscriptFull,
}

impl HostFault {
    /// The code by which a host's operator is told.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToolsDiffer => "tools_differ",
            Self::TranscriptFull => "transcript_full",
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Something stopped it that a re-run need not meet.
    Aborted(AbortCode),
    /// `run` returned this code, which is not 0.
    Exited(i32),
    /// The capsule called `fail` with this message.
    Failed(String),
    /// The capsule called `env.abort`.
    FailedByAbort,
    /// The input type is `json` and the output is not.
    InvalidOutput,
    /// It ended well, with this output.
    Ok(Vec<u8>),
    /// The fuel limit was reached.
    OutOfFuel,
    /// The stack limit was reached.
    OutOfStack,
    /// The output limit was reached.
    OutputTooLarge,
    /// The host-call limit was reached.
    TooManyCalls,
    /// It trapped.
    Trapped(TrapCode),
}

impl Ending {
    /// The status in a receipt.
    pub const fn status(&self) -> Status {
        match self {
            Self::Aborted(_) => Status::Aborted,
            Self::Exited(_) | Self::Failed(_) | Self::FailedByAbort => Status::Failed,
            Self::InvalidOutput => Status::InvalidOutput,
            Self::Ok(_) => Status::Ok,
            Self::OutOfFuel => Status::OutOfFuel,
            Self::OutOfStack => Status::OutOfStack,
            Self::OutputTooLarge => Status::OutputTooLarge,
            Self::TooManyCalls => Status::TooManyCalls,
            Self::Trapped(_) => Status::Trapped,
        }
    }
}

/// What a run used. It is the same in every run of the same request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Fuel: exact where the run ended well or failed, else the limit.
    pub fuel: u64,
    /// The most memory pages at any time.
    pub memory_pages_peak: u32,
    /// Host calls by row of [`IMPORTS`], the failing one counted.
    pub host_calls: [u32; HOST_FUNCTIONS],
}

impl Usage {
    /// The functions that were called, with how often.
    pub fn calls(&self) -> impl Iterator<Item = (&'static str, u32)> + '_ {
        IMPORTS
            .iter()
            .zip(self.host_calls)
            .filter(|(_, count)| *count > 0)
            .map(|(import, count)| (import.name, count))
    }
}

/// Where a run went wrong. For the author's eyes and the operator's; no part of the claim.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// What failed at the host.
    pub fault: Option<HostFault>,
    /// The byte of the module at which the trap was raised.
    pub trap_offset: Option<usize>,
    /// What the capsule passed to `env.abort`: message, file, line, column.
    pub abort: Option<String>,
}

/// A finished run. Made by [`Executor::execute`](crate::execution::Executor::execute) alone.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) capsule: Blake3,
    pub(crate) terms: Arc<BoundTerms>,
    pub(crate) request: Request,
    pub(crate) ending: Ending,
    pub(crate) usage: Usage,
    pub(crate) called: Called,
    pub(crate) wall: Duration,
    pub(crate) diagnostics: Diagnostics,
    /// Which engine it ran on; no part of the claim.
    pub(crate) engine: Label,
}

impl Outcome {
    /// How it ended.
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The status in a receipt.
    pub const fn status(&self) -> Status {
        self.ending.status()
    }

    /// The output, if it ended well.
    pub fn output(&self) -> Option<&[u8]> {
        match &self.ending {
            Ending::Ok(output) => Some(output),
            _ => None,
        }
    }

    /// What it used; `None` where it was aborted, because then a re-run would find other figures.
    pub fn usage(&self) -> Option<&Usage> {
        (self.status() != Status::Aborted).then_some(&self.usage)
    }

    /// What went through its tools; empty where it called none.
    pub const fn transcript(&self) -> &Transcript {
        &self.called.transcript
    }

    /// Wall-clock time, instantiation included, compilation and waiting for a slot not.
    pub const fn wall(&self) -> Duration {
        self.wall
    }

    /// Where it went wrong, if debugging is enabled.
    pub const fn diagnostics(&self) -> &Diagnostics {
        &self.diagnostics
    }
}
