//! The frame around each host call.
//!
//! Enters: a call from a capsule. Leaves: its answer, or the [`Exit`] that ends the run.
//! Refuses: in the order of `docs/abi.md`, "Price of host work": count, base price, ranges, price by size, arguments, caps.
//!
//! A panic in a host function ends the run as `aborted`; what was counted and paid stays so.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tenzik_receipt::InputType;
use wasmtime::{Caller, Memory};

use super::super::run::FUEL_SPARE;
use super::{Buffer, Exit, Host, text};
use crate::capability::{HostFunction, Price};
use crate::outcome::TrapCode;
use crate::rules::RESULT_BYTES_MAX;
use crate::validation::TextEncoding;

/// How much host work is done between two looks at the clock: well under a millisecond's.
const CLOCK_FUEL: u64 = 100_000;

/// One host call: counted and paid for before its work can be reached.
pub(super) struct Call<'a> {
    pub(super) caller: Caller<'a, Host>,
    pub(super) memory: Memory,
    price: Price,
}

/// Runs the body of a host function inside the frame that every call has.
pub(super) fn enter<R>(
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

    pub(super) fn host(&mut self) -> &mut Host {
        self.caller.data_mut()
    }

    /// Takes fuel before the work that it pays for, and looks at the clock where much was paid: the engine
    /// does not look at it while a host function works.
    pub(super) fn charge(&mut self, fuel: u64) -> Result<(), Exit> {
        let left = self.caller.get_fuel().map_err(|_| Exit::HostFailure)?;
        let left = left
            .checked_sub(fuel)
            .filter(|left| *left >= FUEL_SPARE)
            .ok_or(Exit::OutOfFuel)?;
        self.caller.set_fuel(left).map_err(|_| Exit::HostFailure)?;
        self.look_at_clock(fuel)
    }

    fn look_at_clock(&mut self, fuel: u64) -> Result<(), Exit> {
        let host = self.host();
        host.unwatched_fuel = host.unwatched_fuel.saturating_add(fuel);
        if host.unwatched_fuel < CLOCK_FUEL {
            return Ok(());
        }
        host.unwatched_fuel = 0;
        if Instant::now() >= host.deadline {
            return Err(Exit::TimeLimit);
        }
        Ok(())
    }

    /// Takes the function's own price for so many bytes.
    pub(super) fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exit> {
        // At most 2^32 bytes at a price below 2^32.
        self.charge(bytes as u64 * u64::from(self.price.byte))
    }

    /// The place of `bytes` bytes at `ptr`, if all of it is inside the memory.
    pub(super) fn range(&self, ptr: u32, bytes: u64) -> Result<Range<usize>, Exit> {
        let end = u64::from(ptr) + bytes;
        if end > self.memory.data_size(&self.caller) as u64 {
            return Err(TrapCode::Pointer.into());
        }
        // Both ends are within the memory, which is in this process.
        Ok(ptr as usize..end as usize)
    }

    /// The place of `len` code units of text at `ptr`.
    pub(super) fn text_range(&self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        self.range(ptr, u64::from(len) * self.unit_bytes())
    }

    /// The place of `len` units of payload at `ptr`.
    pub(super) fn payload_range(&self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        match self.caller.data().input_type {
            InputType::Bytes => self.range(ptr, len.into()),
            InputType::Json => self.text_range(ptr, len),
        }
    }

    pub(super) fn unit_bytes(&self) -> u64 {
        match self.caller.data().encoding {
            TextEncoding::Utf8 => 1,
            TextEncoding::Utf16 => 2,
        }
    }

    /// The memory's bytes there. The range must come from one of the methods above.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.memory.data(&self.caller)[range]
    }

    /// The text there.
    pub(super) fn text(&self, range: Range<usize>) -> Result<Cow<'_, str>, Exit> {
        let bytes = self.bytes(range);
        match self.caller.data().encoding {
            TextEncoding::Utf8 => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| TrapCode::InvalidText.into()),
            TextEncoding::Utf16 => text::from_utf16(bytes).map(Cow::Owned),
        }
    }

    /// Puts text into the result buffer. Gives its length in code units.
    pub(super) fn set_text(&mut self, text: String) -> Result<i32, Exit> {
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
    pub(super) fn set_bytes(&mut self, bytes: Vec<u8>) -> Result<i32, Exit> {
        check_result(bytes.len())?;
        let len = bytes.len() as i32;
        self.host().result = Buffer::Bytes(bytes);
        Ok(len)
    }

    /// The answer of a function that has no data to give.
    pub(super) fn no_result(&mut self) -> i32 {
        self.host().result = Buffer::Bytes(Vec::new());
        -1
    }

    /// Refuses any output but the other half of a held surrogate.
    pub(super) fn nothing_held(&mut self) -> Result<(), Exit> {
        match self.host().held {
            None => Ok(()),
            Some(_) => Err(TrapCode::InvalidText.into()),
        }
    }
}

pub(super) fn check_result(bytes: usize) -> Result<(), Exit> {
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
