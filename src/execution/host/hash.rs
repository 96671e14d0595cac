//! The capability `hash`: BLAKE3, SHA-256 and HMAC-SHA-256 over bytes, as hex text.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tenzik_receipt::to_hex;

use super::{Call, Exit};

/// Hex digits of a digest.
const HEX_UNITS: u32 = 64;

pub(in crate::execution) fn hash_commit(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let digest = blake3::hash(&call.memory[range]);
    call.set_text(digest.to_hex().to_string())
}

pub(in crate::execution) fn hash_verify(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
    hex: u32,
) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    let digits = call.text_range(hex, HEX_UNITS)?;
    call.charge_bytes(range.len())?;
    let wanted = call.text(digits)?;
    let digest = blake3::hash(&call.memory[range]);
    Ok(i32::from(*wanted == *digest.to_hex().as_str()))
}

pub(in crate::execution) fn hash_sha256(
    call: &mut Call<'_>,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let digest = <Sha256 as sha2::Digest>::digest(&call.memory[range]);
    call.set_text(to_hex(&digest))
}

pub(in crate::execution) fn hmac_sha256(
    call: &mut Call<'_>,
    key: u32,
    key_len: u32,
    ptr: u32,
    len: u32,
) -> Result<i32, Exit> {
    let key = call.range(key, key_len.into())?;
    let data = call.range(ptr, len.into())?;
    call.charge_bytes(key.len() + data.len())?;
    // HMAC takes keys of every length, so there is nothing to refuse here.
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&call.memory[key]).map_err(|_| Exit::HostFailure)?;
    mac.update(&call.memory[data]);
    call.set_text(to_hex(&mac.finalize().into_bytes()))
}
