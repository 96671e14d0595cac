//! The claim: what ran and what came of it. For kind `wasm`, a re-run must give these bytes.
//!
//! Enters: digests, limits and figures of one run, or a receipt's `claim` member.
//! Leaves: a [`Claim`], its canonical bytes, its [`ClaimId`] and [`RequestId`].
//! Refuses: claims that contradict themselves (an output beside a failure, open figures beside
//! private ones); see [`WasmClaim::check`].

mod attested;
mod disclosed;
mod names;
mod refused;
mod wasm;

use alloc::vec::Vec;

use crate::canonical::{Decode, Encode, Label, ReadError, Reader, object};
use crate::digest::Blake3;
use crate::id::{ClaimId, RequestId};

pub use attested::{AttestedClaim, AttestedRequest};
pub use disclosed::Disclosed;
pub use names::{AttestedKind, AttestedStatus, InputType, RefusedKind, Stage, Status, WasmKind};
pub use refused::{RefusedClaim, RefusedRequest};
pub use wasm::{HostCalls, WasmClaim, WasmLimits, WasmRequest};

object! {
    /// Why a run did not end well.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Detail {
        /// A code of `docs/abi.md`, such as `exit:3`, `divide_by_zero` or `time_limit`.
        "code" => code: Label,
        /// The digest of the capsule's own message, if it gave one.
        "message" => message: Option<Blake3>,
    }
}

/// What a receipt claims.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claim {
    /// Code ran on a backend that is not deterministic.
    Attested(AttestedClaim),
    /// Nothing ran.
    Refused(RefusedClaim),
    /// A capsule ran.
    Wasm(WasmClaim),
}

impl Claim {
    /// The kind's name: `attested`, `refused` or `wasm`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Attested(_) => "attested",
            Self::Refused(_) => "refused",
            Self::Wasm(_) => "wasm",
        }
    }

    /// The status's name; a refusal's is `refused`.
    pub const fn status(&self) -> &'static str {
        match self {
            Self::Attested(claim) => claim.status.name(),
            Self::Refused(_) => "refused",
            Self::Wasm(claim) => claim.status.name(),
        }
    }

    /// Whether anyone who holds capsule and input can run this again and must find the same claim.
    pub const fn is_replayable(&self) -> bool {
        match self {
            Self::Wasm(claim) => claim.status.is_deterministic(),
            Self::Attested(_) | Self::Refused(_) => false,
        }
    }

    /// The commitment to the input.
    pub const fn input(&self) -> &Disclosed<Blake3> {
        match self {
            Self::Attested(claim) => &claim.request.input,
            Self::Refused(claim) => claim.request.input(),
            Self::Wasm(claim) => &claim.input,
        }
    }

    /// The commitment to the output, where there is one.
    pub const fn output(&self) -> Option<&Disclosed<Blake3>> {
        match self {
            Self::Attested(claim) => claim.output.as_ref(),
            Self::Refused(_) => None,
            Self::Wasm(claim) => claim.output.as_ref(),
        }
    }

    /// The digest of the code: a capsule's bytes, or a tree.
    pub const fn code(&self) -> Blake3 {
        match self {
            Self::Attested(claim) => claim.request.code,
            Self::Refused(claim) => claim.request.code(),
            Self::Wasm(claim) => claim.capsule,
        }
    }

    /// Whether the claim's figures are keyed commitments.
    pub const fn is_private(&self) -> bool {
        self.input().is_keyed()
    }

    /// The identity of the whole claim. Two honest runs of a replayable request have the same.
    pub fn id(&self) -> ClaimId {
        ClaimId::of(self)
    }

    /// The identity of what was asked.
    pub fn request_id(&self) -> RequestId {
        match self {
            Self::Attested(claim) => RequestId::of(&claim.request),
            Self::Refused(claim) => claim.request.id(),
            Self::Wasm(claim) => claim.request_id(),
        }
    }

    /// Holds the claim against the rules of `docs/receipt.md`.
    ///
    /// # Errors
    /// [`ReadError::Contradiction`] with the first rule that is broken.
    pub fn check(&self) -> Result<(), ReadError> {
        match self {
            Self::Attested(claim) => claim.check(),
            Self::Refused(claim) => claim.check(),
            Self::Wasm(claim) => claim.check(),
        }
    }
}

impl Encode for Claim {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Attested(claim) => claim.encode(out),
            Self::Refused(claim) => claim.encode(out),
            Self::Wasm(claim) => claim.encode(out),
        }
    }
}

impl Decode for Claim {
    /// The kinds differ in their first member, so no look-ahead is needed.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let claim = if reader.peek("{\"abi\":") {
            Self::Wasm(WasmClaim::decode(reader)?)
        } else if reader.peek("{\"code\":") {
            Self::Refused(RefusedClaim::decode(reader)?)
        } else if reader.peek("{\"detail\":") {
            Self::Attested(AttestedClaim::decode(reader)?)
        } else {
            return Err(reader.unexpected("a claim of kind attested, refused or wasm"));
        };
        claim.check()?;
        Ok(claim)
    }
}

pub(crate) fn require(holds: bool, rule: &'static str) -> Result<(), ReadError> {
    if holds {
        return Ok(());
    }
    Err(ReadError::Contradiction { rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_of_rfc_8785() {
        for members in [
            Detail::MEMBERS,
            WasmLimits::MEMBERS,
            WasmClaim::MEMBERS,
            WasmRequest::MEMBERS,
            RefusedClaim::MEMBERS,
            AttestedRequest::MEMBERS,
            AttestedClaim::MEMBERS,
        ] {
            assert!(members.is_sorted(), "{members:?}");
        }
    }
}
