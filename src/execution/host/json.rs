//! The capability `json`: the parsed input by handle, paths over any document, and number text.

use std::sync::Arc;

use super::{Call, Exit};
use crate::json::path::{Meter, Path, PathError, SelectError};
use crate::json::text::format_number;
use crate::json::{Document, Handle, Kind, NumberError};
use crate::outcome::TrapCode;
use crate::rules::{
    LONG_NUMBER_FUEL, MEMBER_FUEL, PATH_BYTE_FUEL, RESULT_BYTES_MAX, SHORT_NUMBER_CHARACTERS,
    WALK_PRICE,
};

/// The value that a capsule's number names.
fn value(call: &mut Call<'_>, h: u32) -> Result<(Arc<Document>, Handle), Exit> {
    let document = call.host.document.clone();
    let document = document.ok_or(TrapCode::InvalidHandle)?;
    let handle = document.handle(h).ok_or(TrapCode::InvalidHandle)?;
    Ok((document, handle))
}

/// A handle as the capsule sees it. There are at most 16 Mi of them.
fn shown(handle: Option<Handle>) -> i32 {
    handle.map_or(-1, |handle| handle.number() as i32)
}

pub(in crate::execution) fn root(call: &mut Call<'_>) -> Result<i32, Exit> {
    Ok(shown(call.host.document.as_ref().map(|_| Handle::ROOT)))
}

pub(in crate::execution) fn kind(call: &mut Call<'_>, h: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    let kind = document.kind(handle).ok_or(TrapCode::InvalidHandle)?;
    Ok(kind as i32)
}

pub(in crate::execution) fn len(call: &mut Call<'_>, h: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    Ok(document.len(handle).map_or(-1, |len| len as i32))
}

pub(in crate::execution) fn get(
    call: &mut Call<'_>,
    h: u32,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let range = call.text_range(ptr, len)?;
    let (document, handle) = value(call, h)?;
    call.charge_bytes(range.len())?;
    call.charge(document.members(handle) as u64 * MEMBER_FUEL)?;
    let name = call.text(range)?;
    Ok(shown(document.get(handle, &name)))
}

pub(in crate::execution) fn at(call: &mut Call<'_>, h: u32, i: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    Ok(shown(document.at(handle, i as usize)))
}

pub(in crate::execution) fn key(call: &mut Call<'_>, h: u32, i: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    call.charge_bytes(document.key_source_bytes(handle, i as usize))?;
    match document.key(handle, i as usize) {
        Some(name) => call.set_text(name.to_owned()),
        None => Ok(call.no_result()),
    }
}

pub(in crate::execution) fn raw(call: &mut Call<'_>, h: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    call.charge_bytes(document.raw_bytes(handle))?;
    call.set_text(document.raw(handle).to_owned())
}

pub(in crate::execution) fn string(call: &mut Call<'_>, h: u32) -> Result<i32, Exit> {
    let (document, handle) = value(call, h)?;
    call.charge_bytes(bytes_if(&document, handle, Kind::String))?;
    match document.string(handle) {
        Some(text) => call.set_text(text.into_owned()),
        None => Ok(call.no_result()),
    }
}

pub(in crate::execution) fn number(call: &mut Call<'_>, h: u32) -> Result<f64, Exit> {
    let (document, handle) = value(call, h)?;
    let bytes = bytes_if(&document, handle, Kind::Number);
    charge_number(call, bytes, bytes)?;
    Ok(document.number(handle).map_err(number_trap)?)
}

pub(in crate::execution) fn show_number(call: &mut Call<'_>, number: f64) -> Result<i32, Exit> {
    let text = format_number(number).ok_or(TrapCode::NotFinite)?;
    call.set_text(text)
}

pub(in crate::execution) fn parse_number(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<f64, Exit> {
    let range = call.text_range(ptr, len)?;
    charge_number(call, range.len(), len as usize)?;
    let text = call.text(range)?;
    Ok(crate::json::parse_number(&text).map_err(number_trap)?)
}

/// Takes the price of a number of so many bytes, which are so many characters.
fn charge_number(call: &mut Call<'_>, bytes: usize, characters: usize) -> Result<(), Exit> {
    call.charge_bytes(bytes)?;
    if characters > SHORT_NUMBER_CHARACTERS {
        call.charge(LONG_NUMBER_FUEL)?;
    }
    Ok(())
}

fn number_trap(error: NumberError) -> TrapCode {
    match error {
        NumberError::Overflow => TrapCode::NumberOverflow,
        _ => TrapCode::NotANumber,
    }
}

/// The bytes that a function for values of one kind is paid for: none for a value of another.
fn bytes_if(document: &Document, handle: Handle, kind: Kind) -> usize {
    match document.kind(handle) {
        Some(found) if found == kind => document.raw_bytes(handle),
        _ => 0,
    }
}

pub(in crate::execution) fn select(
    call: &mut Call<'_>,
    doc: u32,
    doc_len: u32,
    path: u32,
    path_len: u32,
) -> Result<i32, Exit> {
    let given = match doc_len {
        0 => None,
        len => Some(call.text_range(doc, len)?),
    };
    let path = call.text_range(path, path_len)?;
    call.charge_bytes(given.as_ref().map_or(0, ExactSizeIterator::len))?;
    call.charge(path.len() as u64 * PATH_BYTE_FUEL)?;
    let document = match given {
        None => call.host.document.clone(),
        Some(range) => {
            let text: Arc<[u8]> = Arc::from(call.text(range)?.as_bytes());
            Document::parse(text).ok().map(Arc::new)
        }
    };
    let query = Path::parse(&call.text(path)?).map_err(|error| {
        Exit::Trap(match error {
            PathError::TooLong { .. } => TrapCode::TooLarge,
            PathError::Unsupported { .. } => TrapCode::PathUnsupported,
            _ => TrapCode::PathInvalid,
        })
    })?;
    let Some(document) = document else {
        return Ok(call.no_result());
    };
    let selected = query
        .select(&document, &WALK_PRICE, RESULT_BYTES_MAX, call)
        .map_err(|error| match error {
            SelectError::Meter(exit) => exit,
            _ => TrapCode::TooLarge.into(),
        })?;
    // The parts are spans of text, so the whole is text.
    let selected = String::from_utf8(selected).map_err(|_| Exit::HostFailure)?;
    call.set_text(selected)
}

impl Meter for Call<'_> {
    type Error = Exit;

    fn charge(&mut self, fuel: u64) -> Result<(), Exit> {
        Call::charge(self, fuel)
    }
}
