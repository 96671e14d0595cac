//! Input, output, results, `fail` and `abort`: what every capsule may import; and the clock.

use tenzik_receipt::InputType;
use wasmtime::{Caller, Linker};

use super::call::check_result;
use super::{Buffer, Call, Exit, Host, append, append_quoted, enter, text};
use crate::capability::{ABI, HostFunction};
use crate::json::text::format_number;
use crate::outcome::TrapCode;
use crate::rules::MESSAGE_BYTES_MAX;
use crate::validation::TextEncoding;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use HostFunction as F;
    type C<'a> = Caller<'a, Host>;
    linker
        .func_wrap(
            "env",
            "abort",
            |c: C<'_>, message: u32, file: u32, line: u32, column: u32| {
                enter(c, F::Abort, |call| abort(call, message, file, line, column))
            },
        )?
        .func_wrap(ABI, "input_len", |c: C<'_>| {
            enter(c, F::InputLen, input_len)
        })?
        .func_wrap(ABI, "input_read", |c: C<'_>, ptr: u32| {
            enter(c, F::InputRead, |call| input_read(call, ptr))
        })?
        .func_wrap(ABI, "output_write", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::OutputWrite, |call| output_write(call, ptr, len))
        })?
        .func_wrap(ABI, "output_json_str", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::OutputJsonStr, |call| output_json_str(call, ptr, len))
        })?
        .func_wrap(ABI, "output_num", |c: C<'_>, number: f64| {
            enter(c, F::OutputNum, |call| output_num(call, number))
        })?
        .func_wrap(ABI, "output_result", |c: C<'_>| {
            enter(c, F::OutputResult, output_result)
        })?
        .func_wrap(ABI, "output_result_str", |c: C<'_>| {
            enter(c, F::OutputResultStr, output_result_str)
        })?
        .func_wrap(ABI, "result_read", |c: C<'_>, ptr: u32| {
            enter(c, F::ResultRead, |call| result_read(call, ptr))
        })?
        .func_wrap(ABI, "text_encode", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::TextEncode, |call| text_encode(call, ptr, len))
        })?
        .func_wrap(ABI, "text_decode", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::TextDecode, |call| text_decode(call, ptr, len))
        })?
        .func_wrap(ABI, "fail", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::Fail, |call| fail(call, ptr, len))
        })?
        .func_wrap(ABI, "time_now_ms", |c: C<'_>| {
            // Below 2^53, so the conversion loses nothing.
            enter(
                c,
                F::TimeNowMs,
                |call| Ok(call.host().clock_ms.get() as i64),
            )
        })?;
    Ok(())
}

fn input_len(call: &mut Call<'_>) -> Result<i32, Exit> {
    let bytes = payload(call.host()).len();
    let units = match call.host().input_type {
        InputType::Bytes => bytes as u64,
        InputType::Json => bytes as u64 / call.unit_bytes(),
    };
    // An input has at most 16 MiB.
    Ok(units as i32)
}

fn input_read(call: &mut Call<'_>, ptr: u32) -> Result<(), Exit> {
    let bytes = payload(call.host()).len();
    let range = call.range(ptr, bytes as u64)?;
    call.charge_bytes(bytes)?;
    let (memory, host) = call.memory.data_and_store_mut(&mut call.caller);
    memory[range].copy_from_slice(payload(host));
    Ok(())
}

/// The input in the form in which the capsule reads it. Type `json` was checked, so it is UTF-8.
fn payload(host: &mut Host) -> &[u8] {
    if host.input_type == InputType::Bytes || host.encoding == TextEncoding::Utf8 {
        return &host.input;
    }
    let input = &host.input;
    host.input_units.get_or_insert_with(|| {
        let mut units = Vec::new();
        text::to_utf16(&String::from_utf8_lossy(input), &mut units);
        units
    })
}

fn output_write(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<(), Exit> {
    let range = call.payload_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let host = call.host();
    if host.input_type == InputType::Json && host.encoding == TextEncoding::Utf16 {
        let held = host.held;
        let (text, held) = text::from_utf16_part(held, call.bytes(range))?;
        let host = call.host();
        host.held = held;
        return host.append(text.as_bytes());
    }
    if host.input_type == InputType::Json {
        call.text(range.clone())?;
    }
    let (memory, host) = call.memory.data_and_store_mut(&mut call.caller);
    host.append(&memory[range])
}

fn output_json_str(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<(), Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    call.nothing_held()?;
    let text = call.text(range)?.into_owned();
    let host = call.host();
    append_quoted(&mut host.output, &host.limits, &text)
}

fn output_num(call: &mut Call<'_>, number: f64) -> Result<(), Exit> {
    call.nothing_held()?;
    let digits = format_number(number).ok_or(TrapCode::NotFinite)?;
    call.host().append(digits.as_bytes())
}

fn output_result(call: &mut Call<'_>) -> Result<(), Exit> {
    call.charge_bytes(call.caller.data().result.as_bytes().len())?;
    call.nothing_held()?;
    let host = call.host();
    append(&mut host.output, &host.limits, host.result.as_bytes())
}

fn output_result_str(call: &mut Call<'_>) -> Result<(), Exit> {
    call.charge_bytes(call.caller.data().result.as_bytes().len())?;
    call.nothing_held()?;
    let host = call.host();
    let text = match &host.result {
        Buffer::Text(text) => text,
        Buffer::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| TrapCode::InvalidText)?,
    };
    append_quoted(&mut host.output, &host.limits, text)
}

fn result_read(call: &mut Call<'_>, ptr: u32) -> Result<(), Exit> {
    let host = call.host();
    let bytes = match &host.result {
        Buffer::Text(text) if host.encoding == TextEncoding::Utf16 => 2 * text::utf16_len(text),
        other => other.as_bytes().len(),
    };
    let range = call.range(ptr, bytes as u64)?;
    call.charge_bytes(bytes)?;
    let (memory, host) = call.memory.data_and_store_mut(&mut call.caller);
    match &host.result {
        Buffer::Text(text) if host.encoding == TextEncoding::Utf16 => {
            text::write_utf16(text, &mut memory[range]);
        }
        other => memory[range].copy_from_slice(other.as_bytes()),
    }
    Ok(())
}

fn text_encode(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<i32, Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let text = call.text(range)?;
    check_result(text.len())?;
    let text = text.into_owned();
    call.set_bytes(text.into_bytes())
}

fn text_decode(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    // What is not UTF-8 has no text, however long it is.
    let Ok(text) = std::str::from_utf8(call.bytes(range)).map(str::to_owned) else {
        return Ok(call.no_result());
    };
    call.set_text(text)
}

fn fail(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<(), Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let message = call.text(range)?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(TrapCode::TooLarge.into());
    }
    Err(Exit::Fail(message.into_owned()))
}

fn abort(call: &mut Call<'_>, message: u32, file: u32, line: u32, column: u32) -> Result<(), Exit> {
    if call.host().debugging {
        let message = managed_string(call, message);
        let file = managed_string(call, file);
        call.host().abort = Some(format!("{message} at {file}:{line}:{column}"));
    }
    Err(Exit::Abort)
}

/// An AssemblyScript string, as far as the pointer leads to one: its byte length stands in the four bytes before it.
fn managed_string(call: &Call<'_>, ptr: u32) -> String {
    const SHOWN_BYTES_MAX: u32 = 512;
    let read = || {
        let header = call.range(ptr.checked_sub(4)?, 4).ok()?;
        let bytes = u32::from_le_bytes(call.bytes(header).try_into().ok()?);
        let range = call.range(ptr, bytes.min(SHOWN_BYTES_MAX).into()).ok()?;
        text::from_utf16(call.bytes(range)).ok()
    };
    let text = read().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).collect()
}
