//! Input, output, results, `fail` and `abort`: what every capsule may import; and the clock.

use tenzik_receipt::InputType;

use super::call::check_result;
use super::{Buffer, Call, Exit, Host, append, append_quoted, text};
use crate::json::text::format_number;
use crate::outcome::TrapCode;
use crate::rules::MESSAGE_BYTES_MAX;
use crate::validation::TextEncoding;

pub(in crate::execution) fn input_len(call: &mut Call<'_>) -> Result<i32, Exit> {
    let bytes = payload(call.host).len();
    let units = match call.host.input_type {
        InputType::Bytes => bytes as u64,
        InputType::Json => bytes as u64 / call.unit_bytes(),
    };
    // An input has at most 16 MiB.
    Ok(units as i32)
}

pub(in crate::execution) fn input_read(call: &mut Call<'_>, ptr: u32) -> Result<(), Exit> {
    let bytes = payload(call.host).len();
    let range = call.range(ptr, bytes as u64)?;
    call.charge_bytes(bytes)?;
    call.memory[range].copy_from_slice(payload(call.host));
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

pub(in crate::execution) fn output_write(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<(), Exit> {
    let range = call.payload_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let (host, bytes) = (&mut *call.host, &call.memory[range]);
    if host.input_type == InputType::Bytes {
        return host.append(bytes);
    }
    if host.encoding == TextEncoding::Utf16 {
        let (text, held) = text::from_utf16_part(host.held, bytes)?;
        host.held = held;
        return host.append(text.as_bytes());
    }
    text::of_capsule(bytes, host.encoding)?;
    host.append(bytes)
}

pub(in crate::execution) fn output_json_str(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<(), Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    call.nothing_held()?;
    let host = &mut *call.host;
    let text = text::of_capsule(&call.memory[range], host.encoding)?;
    append_quoted(&mut host.output, &host.limits, &text)
}

pub(in crate::execution) fn output_num(call: &mut Call<'_>, number: f64) -> Result<(), Exit> {
    call.nothing_held()?;
    let digits = format_number(number).ok_or(TrapCode::NotFinite)?;
    call.host.append(digits.as_bytes())
}

pub(in crate::execution) fn output_result(call: &mut Call<'_>) -> Result<(), Exit> {
    call.charge_bytes(call.host.result.as_bytes().len())?;
    call.nothing_held()?;
    let host = &mut *call.host;
    append(&mut host.output, &host.limits, host.result.as_bytes())
}

pub(in crate::execution) fn output_result_str(call: &mut Call<'_>) -> Result<(), Exit> {
    call.charge_bytes(call.host.result.as_bytes().len())?;
    call.nothing_held()?;
    let host = &mut *call.host;
    let text = match &host.result {
        Buffer::Text(text) => text,
        Buffer::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| TrapCode::InvalidText)?,
    };
    append_quoted(&mut host.output, &host.limits, text)
}

pub(in crate::execution) fn result_read(call: &mut Call<'_>, ptr: u32) -> Result<(), Exit> {
    let host = &*call.host;
    let bytes = match &host.result {
        Buffer::Text(text) if host.encoding == TextEncoding::Utf16 => 2 * text::utf16_len(text),
        other => other.as_bytes().len(),
    };
    let range = call.range(ptr, bytes as u64)?;
    call.charge_bytes(bytes)?;
    let place = &mut call.memory[range];
    match &call.host.result {
        Buffer::Text(text) if call.host.encoding == TextEncoding::Utf16 => {
            text::write_utf16(text, place);
        }
        other => place.copy_from_slice(other.as_bytes()),
    }
    Ok(())
}

pub(in crate::execution) fn text_encode(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let text = call.text(range)?;
    check_result(text.len())?;
    let bytes = text.into_owned().into_bytes();
    call.set_bytes(bytes)
}

pub(in crate::execution) fn text_decode(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    // What is not UTF-8 has no text, however long it is.
    let Ok(text) = std::str::from_utf8(&call.memory[range]).map(str::to_owned) else {
        return Ok(call.no_result());
    };
    call.set_text(text)
}

pub(in crate::execution) fn fail(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<(), Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let message = call.text(range)?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(TrapCode::TooLarge.into());
    }
    Err(Exit::Fail(message.into_owned()))
}

pub(in crate::execution) fn abort(
    call: &mut Call<'_>,
    message: u32,
    file: u32,
    line: u32,
    column: u32,
) -> Result<(), Exit> {
    if call.host.debugging {
        let message = managed_string(call.memory, message);
        let file = managed_string(call.memory, file);
        call.host.abort = Some(format!("{message} at {file}:{line}:{column}"));
    }
    Err(Exit::Abort)
}

pub(in crate::execution) fn time_now_ms(call: &mut Call<'_>) -> Result<i64, Exit> {
    // Below 2^53, so the conversion loses nothing.
    Ok(call.host.clock_ms.get() as i64)
}

/// An AssemblyScript string, as far as the pointer leads to one: its byte length stands in the four bytes before it.
pub(in crate::execution) fn managed_string(memory: &[u8], ptr: u32) -> String {
    const SHOWN_BYTES_MAX: usize = 512;
    let read = || {
        let header = memory.get(ptr.checked_sub(4)? as usize..ptr as usize)?;
        let bytes = u32::from_le_bytes(header.try_into().ok()?) as usize;
        let text = memory.get(ptr as usize..)?.get(..bytes)?;
        text::from_utf16(&text[..bytes.min(SHOWN_BYTES_MAX)]).ok()
    };
    let text = read().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).collect()
}
