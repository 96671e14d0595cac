//! The frame around each host call.
//!
//! Enters: a call from a capsule, as its engine's adaptor brings it. Leaves: its answer, or the [`Exit`] that ends the
//! run; and the fuel that is left, however it ended.
//! Refuses: in the order of `docs/abi.md`, "Price of host work": count, base price, ranges, price by size, arguments, caps.
//!
//! A panic in a host function ends the run as `aborted`; what was counted and paid stays so.

use std::borrow::Cow;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tenzik_receipt::InputType;

use super::{Buffer, Exit, Host, text};
use crate::capability::{HostFunction, Price};
use crate::outcome::TrapCode;
use crate::rules::RESULT_BYTES_MAX;
use crate::validation::TextEncoding;

/// How much host work is done between two looks at the clock: well under a millisecond's.
const CLOCK_FUEL: u64 = 100_000;

/// One host call: counted and paid for before its work can be reached.
pub(in crate::execution) struct Call<'a> {
    pub(super) host: &'a mut Host,
    /// The capsule's memory as it is now; it cannot grow during the call.
    pub(super) memory: &'a mut [u8],
    /// Below zero where the capsule has used more than it had, which not every engine sees at once.
    pub(super) fuel: i64,
    pub(super) function: HostFunction,
    price: Price,
    /// What its pointers led to, if somebody looks on.
    pub(super) ranges: Vec<Range<usize>>,
    /// Whether it filled the result buffer.
    pub(super) gave_result: bool,
}

impl<'a> Call<'a> {
    pub(in crate::execution) const fn new(
        host: &'a mut Host,
        memory: &'a mut [u8],
        fuel: i64,
        function: HostFunction,
    ) -> Self {
        Self {
            host,
            memory,
            fuel,
            function,
            price: function.import().price,
            ranges: Vec::new(),
            gave_result: false,
        }
    }

    /// Runs the body of the function inside the frame that every call has.
    pub(in crate::execution) fn enter<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, Exit>,
    ) -> Result<R, Exit> {
        let framed = catch_unwind(AssertUnwindSafe(|| {
            self.begin()?;
            work(self)
        }));
        framed.unwrap_or(Err(Exit::HostFailure))
    }

    /// The fuel that the capsule goes on with, also where the call ended the run.
    pub(in crate::execution) const fn fuel_left(&self) -> i64 {
        self.fuel
    }

    fn begin(&mut self) -> Result<(), Exit> {
        let host = &mut *self.host;
        host.calls_total = host.calls_total.saturating_add(1);
        let count = &mut host.calls[self.function as usize];
        *count = count.saturating_add(1);
        if host.calls_total > host.limits.host_calls {
            return Err(Exit::TooManyCalls);
        }
        if let Some(control) = &host.control {
            control.called(host.calls_total);
            if control.is_cancelled() {
                return Err(Exit::Cancelled);
            }
        }
        self.charge(self.price.base.into())
    }

    /// Takes fuel before the work that it pays for, and looks at the clock where much was paid: the engine
    /// does not look at it while a host function works.
    pub(super) fn charge(&mut self, fuel: u64) -> Result<(), Exit> {
        self.fuel = self
            .fuel
            .checked_sub_unsigned(fuel)
            .filter(|left| *left >= 0)
            .ok_or(Exit::OutOfFuel)?;
        self.look_at_clock(fuel)
    }

    fn look_at_clock(&mut self, fuel: u64) -> Result<(), Exit> {
        let host = &mut *self.host;
        host.unwatched_fuel = host.unwatched_fuel.saturating_add(fuel);
        if host.unwatched_fuel < CLOCK_FUEL {
            return Ok(());
        }
        host.unwatched_fuel = 0;
        host.may_go_on()
    }

    /// Takes the function's own price for so many bytes.
    pub(super) fn charge_bytes(&mut self, bytes: usize) -> Result<(), Exit> {
        // At most 2^32 bytes at a price below 2^32.
        self.charge(bytes as u64 * u64::from(self.price.byte))
    }

    /// The place of `bytes` bytes at `ptr`, if all of it is inside the memory.
    pub(super) fn range(&mut self, ptr: u32, bytes: u64) -> Result<Range<usize>, Exit> {
        let end = u64::from(ptr) + bytes;
        if end > self.memory.len() as u64 {
            return Err(TrapCode::Pointer.into());
        }
        // Both ends are within the memory, which is in this process.
        let range = ptr as usize..end as usize;
        if self.host.recorder.is_some() {
            self.ranges.push(range.clone());
        }
        Ok(range)
    }

    /// The place of `len` code units of text at `ptr`.
    pub(super) fn text_range(&mut self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        self.range(ptr, u64::from(len) * self.unit_bytes())
    }

    /// The place of `len` units of payload at `ptr`.
    pub(super) fn payload_range(&mut self, ptr: u32, len: u32) -> Result<Range<usize>, Exit> {
        match self.host.input_type {
            InputType::Bytes => self.range(ptr, len.into()),
            InputType::Json => self.text_range(ptr, len),
        }
    }

    pub(super) const fn unit_bytes(&self) -> u64 {
        match self.host.encoding {
            TextEncoding::Utf8 => 1,
            TextEncoding::Utf16 => 2,
        }
    }

    /// The text there. The range must come from one of the methods above.
    pub(super) fn text(&self, range: Range<usize>) -> Result<Cow<'_, str>, Exit> {
        text::of_capsule(&self.memory[range], self.host.encoding)
    }

    /// Puts text into the result buffer. Gives its length in code units.
    pub(super) fn set_text(&mut self, text: String) -> Result<i32, Exit> {
        check_result(text.len())?;
        let units = match self.host.encoding {
            TextEncoding::Utf8 => text.len(),
            TextEncoding::Utf16 => text::utf16_len(&text),
        };
        self.host.result = Buffer::Text(text);
        self.gave_result = true;
        // The cap is far below 2^31.
        Ok(units as i32)
    }

    /// Puts bytes into the result buffer. Gives their number.
    pub(super) fn set_bytes(&mut self, bytes: Vec<u8>) -> Result<i32, Exit> {
        check_result(bytes.len())?;
        let len = bytes.len() as i32;
        self.host.result = Buffer::Bytes(bytes);
        self.gave_result = true;
        Ok(len)
    }

    /// The answer of a function that has no data to give.
    pub(super) fn no_result(&mut self) -> i32 {
        self.host.result = Buffer::Bytes(Vec::new());
        -1
    }

    /// Refuses any output but the other half of a held surrogate.
    pub(super) fn nothing_held(&self) -> Result<(), Exit> {
        match self.host.held {
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
