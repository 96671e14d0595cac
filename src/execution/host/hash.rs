//! The capability `hash`: BLAKE3, SHA-256 and HMAC-SHA-256 over bytes, as hex text.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tenzik_receipt::to_hex;
use wasmtime::{Caller, Linker};

use super::{Call, Exit, Host, enter};
use crate::capability::{ABI, HostFunction};

/// Hex digits of a digest.
const HEX_UNITS: u32 = 64;

pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    use HostFunction as F;
    type C<'a> = Caller<'a, Host>;
    linker
        .func_wrap(ABI, "hash_commit", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::HashCommit, |call| hash_commit(call, ptr, len))
        })?
        .func_wrap(
            ABI,
            "hash_verify",
            |c: C<'_>, ptr: u32, len: u32, hex: u32| {
                enter(c, F::HashVerify, |call| hash_verify(call, ptr, len, hex))
            },
        )?
        .func_wrap(ABI, "hash_sha256", |c: C<'_>, ptr: u32, len: u32| {
            enter(c, F::HashSha256, |call| hash_sha256(call, ptr, len))
        })?
        .func_wrap(
            ABI,
            "hmac_sha256",
            |c: C<'_>, key: u32, key_len: u32, ptr: u32, len: u32| {
                enter(c, F::HmacSha256, |call| {
                    hmac_sha256(call, (key, key_len), (ptr, len))
                })
            },
        )?;
    Ok(())
}

fn hash_commit(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let digest = blake3::hash(call.bytes(range));
    call.set_text(digest.to_hex().to_string())
}

fn hash_verify(call: &mut Call<'_>, ptr: u32, len: u32, hex: u32) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    let digits = call.text_range(hex, HEX_UNITS)?;
    call.charge_bytes(range.len())?;
    let wanted = call.text(digits)?;
    let digest = blake3::hash(call.bytes(range));
    Ok(i32::from(*wanted == *digest.to_hex().as_str()))
}

fn hash_sha256(call: &mut Call<'_>, ptr: u32, len: u32) -> Result<i32, Exit> {
    let range = call.range(ptr, len.into())?;
    call.charge_bytes(range.len())?;
    let digest = <Sha256 as sha2::Digest>::digest(call.bytes(range));
    call.set_text(to_hex(&digest))
}

fn hmac_sha256(call: &mut Call<'_>, key: (u32, u32), data: (u32, u32)) -> Result<i32, Exit> {
    let key = call.range(key.0, key.1.into())?;
    let data = call.range(data.0, data.1.into())?;
    call.charge_bytes(key.len() + data.len())?;
    // HMAC takes keys of every length, so there is nothing to refuse here.
    let mut mac = Hmac::<Sha256>::new_from_slice(call.bytes(key)).map_err(|_| Exit::HostFailure)?;
    mac.update(call.bytes(data));
    call.set_text(to_hex(&mac.finalize().into_bytes()))
}
