//! The capability `base64`: RFC 4648, in four exact forms.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::call::check_result;
use super::{Call, Exit};
use crate::outcome::TrapCode;

/// Flag 1 is the URL-safe alphabet, flag 2 no padding.
static FORMS: [GeneralPurpose; 4] = [
    form(&STANDARD, true),
    form(&URL_SAFE, true),
    form(&STANDARD, false),
    form(&URL_SAFE, false),
];

const fn form(alphabet: &Alphabet, padded: bool) -> GeneralPurpose {
    let padding = if padded {
        DecodePaddingMode::RequireCanonical
    } else {
        DecodePaddingMode::RequireNone
    };
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(padded)
        .with_decode_padding_mode(padding)
        .with_decode_allow_trailing_bits(false);
    GeneralPurpose::new(alphabet, config)
}

fn form_of(flags: u32) -> Result<&'static GeneralPurpose, Exit> {
    FORMS
        .get(flags as usize)
        .ok_or_else(|| TrapCode::InvalidArgument.into())
}

pub(in crate::execution) fn encode(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
    flags: u32,
) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let form = form_of(flags)?;
    let padded = flags & 2 == 0;
    let encoded = base64::encoded_len(range.len(), padded).unwrap_or(usize::MAX);
    check_result(encoded)?;
    let text = form.encode(&call.memory[range]);
    call.set_text(text)
}

pub(in crate::execution) fn decode(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
    flags: u32,
) -> Result<i32, Exit> {
    let range = call.text_range(ptr, len)?;
    call.charge_bytes(range.len())?;
    let form = form_of(flags)?;
    let decoded = form.decode(call.text(range)?.as_bytes());
    match decoded {
        Ok(bytes) => call.set_bytes(bytes),
        Err(_) => Ok(call.no_result()),
    }
}
