//! The claim of a request that was refused before anything ran.
//!
//! Enters: what was asked, who refused it and why. Leaves: claims. Refuses: a request that is half private.

use alloc::vec::Vec;

use super::{AttestedRequest, Disclosed, RefusedKind, Stage, WasmRequest, require};
use crate::canonical::{Decode, Encode, Label, ReadError, Reader, object};
use crate::digest::Blake3;
use crate::id::RequestId;

object! {
    /// A request that was refused before anything ran.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub RefusedClaim {
        /// Why: a code of the stage.
        "code" => code: Label,
        /// `refused`
        "kind" => kind: RefusedKind,
        /// What was asked.
        "request" => request: RefusedRequest,
        /// Where it ended.
        "stage" => stage: Stage,
    }
}

/// What was asked of whoever refused it. The two differ in their first member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefusedRequest {
    /// Of a router.
    Attested(AttestedRequest),
    /// Of the capsule path.
    Wasm(WasmRequest),
}

impl RefusedRequest {
    pub(super) const fn input(&self) -> &Disclosed<Blake3> {
        match self {
            Self::Attested(request) => &request.input,
            Self::Wasm(request) => &request.input,
        }
    }

    pub(super) const fn code(&self) -> Blake3 {
        match self {
            Self::Attested(request) => request.code,
            Self::Wasm(request) => request.capsule,
        }
    }

    pub(super) fn id(&self) -> RequestId {
        match self {
            Self::Attested(request) => RequestId::of(request),
            Self::Wasm(request) => RequestId::of(request),
        }
    }
}

impl RefusedClaim {
    pub(super) fn check(&self) -> Result<(), ReadError> {
        match &self.request {
            RefusedRequest::Attested(_) => require(
                self.stage == Stage::Routing,
                "only a router refuses a request that is no capsule's",
            ),
            RefusedRequest::Wasm(request) => require(
                request.input.is_keyed() == request.seed.is_keyed(),
                "either all private members are keyed or none",
            ),
        }
    }
}

impl Encode for RefusedRequest {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Attested(request) => request.encode(out),
            Self::Wasm(request) => request.encode(out),
        }
    }
}

impl Decode for RefusedRequest {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.peek("{\"abi\":") {
            return WasmRequest::decode(reader).map(Self::Wasm);
        }
        if reader.peek("{\"arguments\":") {
            return AttestedRequest::decode(reader).map(Self::Attested);
        }
        Err(reader.unexpected("a request of kind attested or wasm"))
    }
}
