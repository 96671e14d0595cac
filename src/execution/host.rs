//! Host functions: the frame around each call, and what a run carries through them.
//!
//! Enters: a call from a capsule. Leaves: its answer, or the [`Exit`] that ends the run.
//! Refuses: in the order of `docs/abi.md`, "Price of host work": count, base price, ranges, price by size, arguments, caps.
//!
//! A panic in a host function ends the run as `aborted`; what was counted and paid stays so.

mod base64;
mod hash;
mod io;
mod json;
mod random;
mod text;

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use tenzik_receipt::{InputType, Int, Seed};
use wasmtime::{Caller, Linker, Memory, ModuleExport};

use super::FUEL_SPARE;
use crate::capability::{HOST_FUNCTIONS, HostFunction, Price};
use crate::json::Document;
use crate::limits::Limits;
use crate::outcome::{Ending, Request, TrapCode};
use crate::rules::RESULT_BYTES_MAX;
use crate::validation::TextEncoding;

use random::Keystream;

/// Why a host function ends the run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Exit {
    #[error("the capsule aborted")]
    Abort,
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
    pub(super) memory_export: ModuleExport,
    pub(super) output: Vec<u8>,
    /// The high surrogate that ended the last `output_write`.
    pub(super) held: Option<u16>,
    pub(super) calls: [u32; HOST_FUNCTIONS],
    pub(super) calls_total: u32,
    pub(super) memory_pages_peak: u32,
    /// Set if the author wants to know what the capsule passed to `abort`.
    pub(super) debugging: bool,
    pub(super) abort: Option<String>,
    memory: Option<Memory>,
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
        memory_export: ModuleExport,
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
            memory_export,
            output: Vec::new(),
            held: None,
            calls: [0; HOST_FUNCTIONS],
            calls_total: 0,
            memory_pages_peak: 0,
            debugging: false,
            abort: None,
            memory: None,
            result: Buffer::Bytes(Vec::new()),
            keystream: None,
            input_units: None,
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

/// One host call: counted and paid for before its work can be reached.
struct Call<'a> {
    caller: Caller<'a, Host>,
    memory: Memory,
    price: Price,
}

/// Puts every host function into the linker.
pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    io::link(linker)?;
    hash::link(linker)?;
    json::link(linker)?;
    base64::link(linker)?;
    random::link(linker)
}

/// Runs the body of a host function inside the frame that every call has.
fn enter<R>(
    caller: Caller<'_, Host>,
    function: HostFunction,
    work: impl FnOnce(&mut Call<'_>) -> Result<R, Exit>,
) -> wasmtime::Result<R> {
    let framed = catch_unwind(AssertUnwindSafe(|| {
        work(&mut Call::begin(caller, function)?)
    }));
    match framed {
        Ok(answer) => answer.map_err(wasmtime::Error::from),
        Err(_) => Err(Exit::HostFailure.into()),
    }
}

impl<'a> Call<'a> {
    fn begin(mut caller: Caller<'a, Host>, function: HostFunction) -> Result<Self, Exit> {
        let host = caller.data_mut();
        host.calls_total = host.calls_total.saturating_add(1);
        let count = &mut host.calls[function as usize];
        *count = count.saturating_add(1);
        if host.calls_total > host.limits.host_calls {
            return Err(Exit::TooManyCalls);
        }
        let memory = memory(&mut caller)?;
        let price = function.import().price;
        let mut call = Self {
            caller,
            memory,
            price,
        };
        call.charge(price.base.into())?;
        Ok(call)
    }

    fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    /// Takes fuel before the work that it pays for.
    fn charge(&mut self, fuel: u64) -> Result<(), Exit> {
        let left = self.caller.get_fuel().map_err(|_| Exit::HostFailure)?;
        let left = left
            .checked_sub(fuel)
            .filter(|left| *left >= FUEL_SPARE)
            .ok_or(Exit::OutOfFuel)?;
        self.caller.set_fuel(left).map_err(|_| Exit::HostFailure)
    }

    /// Takes the function's own price for so many bytes.
    fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exit> {
        // At most 2^32 bytes at a price below 2^32.
        self.charge(bytes as u64 * u64::from(self.price.byte))
    }

    /// The place of `bytes` bytes at `ptr`, if all of it is inside the memory.
    fn range(&self, ptr: u32, bytes: u64) -> Result<Range<usize>, Exit> {
        let end = u64::from(ptr) + bytes;
        if end > self.memory.data_size(&self.caller) as u64 {
            return Err(TrapCode::Pointer.into());
        }
        // Both ends are within the memory, which is in this process.
        Ok(ptr as usize..end as usize)
    }

    /// The place of `len` code units of text at `ptr`.
    fn text_range(&self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        self.range(ptr, u64::from(len) * self.unit_bytes())
    }

    /// The place of `len` units of payload at `ptr`.
    fn payload_range(&self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        match self.caller.data().input_type {
            InputType::Bytes => self.range(ptr, len.into()),
            InputType::Json => self.text_range(ptr, len),
        }
    }

    fn unit_bytes(&self) -> u64 {
        match self.caller.data().encoding {
            TextEncoding::Utf8 => 1,
            TextEncoding::Utf16 => 2,
        }
    }

    /// The memory's bytes there. The range must come from one of the methods above.
    fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.memory.data(&self.caller)[range]
    }

    /// The text there.
    fn text(&self, range: Range<usize>) -> Result<Cow<'_, str>, Exit> {
        let bytes = self.bytes(range);
        match self.caller.data().encoding {
            TextEncoding::Utf8 => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| TrapCode::InvalidText.into()),
            TextEncoding::Utf16 => text::from_utf16(bytes).map(Cow::Owned),
        }
    }

    /// Puts text into the result buffer. Gives its length in code units.
    fn set_text(&mut self, text: String) -> Result<i32, Exit> {
        check_result(text.len())?;
        let units = match self.caller.data().encoding {
            TextEncoding::Utf8 => text.len(),
            TextEncoding::Utf16 => text::utf16_len(&text),
        };
        self.host().result = Buffer::Text(text);
        // The cap is far below 2^31.
        Ok(units as i32)
    }

    /// Puts bytes into the result buffer. Gives their number.
    fn set_bytes(&mut self, bytes: Vec<u8>) -> Result<i32, Exit> {
        check_result(bytes.len())?;
        let len = bytes.len() as i32;
        self.host().result = Buffer::Bytes(bytes);
        Ok(len)
    }

    /// The answer of a function that has no data to give.
    fn no_result(&mut self) -> i32 {
        self.host().result = Buffer::Bytes(Vec::new());
        -1
    }

    /// Refuses any output but the other half of a held surrogate.
    fn nothing_held(&mut self) -> Result<(), Exit> {
        match self.host().held {
            None => Ok(()),
            Some(_) => Err(TrapCode::InvalidText.into()),
        }
    }
}

fn append(output: &mut Vec<u8>, limits: &Limits, bytes: &[u8]) -> Result<(), Exit> {
    if output.len() + bytes.len() > limits.output_bytes as usize {
        return Err(Exit::OutputTooLarge);
    }
    output.extend_from_slice(bytes);
    Ok(())
}

fn check_result(bytes: usize) -> Result<(), Exit> {
    if bytes > RESULT_BYTES_MAX {
        return Err(TrapCode::TooLarge.into());
    }
    Ok(())
}

/// The capsule's memory. Found by export at the first call, because a start function may call before the
/// instance is there to be asked.
fn memory(caller: &mut Caller<'_, Host>) -> Result<Memory, Exit> {
    if let Some(memory) = caller.data().memory {
        return Ok(memory);
    }
    let export = caller.data().memory_export;
    let memory = caller
        .get_module_export(&export)
        .and_then(wasmtime::Extern::into_memory)
        .ok_or(Exit::HostFailure)?;
    caller.data_mut().memory = Some(memory);
    Ok(memory)
}

#[cfg(test)]
mod tests;
