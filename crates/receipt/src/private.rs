//! Private runs: commitments that only the requester can open.
//!
//! Enters: the requester's 32-byte secret for one request, and the values. Leaves: keyed commitments, one
//! derived key for each member. Refuses nothing.
//!
//! Exact fuel and call counts tell a small input away, so every figure is committed to like the
//! input itself. The secret is never in a receipt; used for two requests, it shows which of their members are equal.

use core::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::canonical::Encode;
use crate::digest::Keyed;

/// The secret of one private request.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct RunSecret([u8; 32]);

impl fmt::Debug for RunSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunSecret(..)")
    }
}

/// A member that is committed to. Each has its own key, so that equal values do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivateMember {
    /// `detail`, as canonical JSON.
    Detail,
    /// `fuel`, as canonical JSON.
    Fuel,
    /// `host_calls`, as canonical JSON.
    HostCalls,
    /// `input`, the exact bytes.
    Input,
    /// `memory_pages_peak`, as canonical JSON.
    MemoryPagesPeak,
    /// `output`, the exact bytes.
    Output,
    /// `seed`, as canonical JSON.
    Seed,
    /// `transcript`, as canonical JSON.
    Transcript,
}

impl PrivateMember {
    /// The derive-key context of the member's key.
    pub const fn context(self) -> &'static str {
        match self {
            Self::Detail => "tenzik 2026-11-20 receipt v1 private detail",
            Self::Fuel => "tenzik 2026-11-20 receipt v1 private fuel",
            Self::HostCalls => "tenzik 2026-11-20 receipt v1 private host_calls",
            Self::Input => "tenzik 2026-11-20 receipt v1 private input",
            Self::MemoryPagesPeak => "tenzik 2026-11-20 receipt v1 private memory_pages_peak",
            Self::Output => "tenzik 2026-11-20 receipt v1 private output",
            Self::Seed => "tenzik 2026-11-20 receipt v1 private seed",
            Self::Transcript => "tenzik 2026-11-20 receipt v1 private transcript",
        }
    }
}

impl RunSecret {
    /// Takes 32 random bytes of the requester's.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The commitment to bytes: BLAKE3 keyed by the member's key, which is derived from the secret.
    pub fn commit(&self, member: PrivateMember, bytes: &[u8]) -> Keyed {
        let mut key = blake3::derive_key(member.context(), &self.0);
        let commitment = blake3::keyed_hash(&key, bytes);
        key.zeroize();
        Keyed::from_bytes(*commitment.as_bytes())
    }

    /// The commitment to a value's canonical JSON.
    pub fn commit_value(&self, member: PrivateMember, value: &impl Encode) -> Keyed {
        self.commit(member, &value.to_canonical())
    }
}
