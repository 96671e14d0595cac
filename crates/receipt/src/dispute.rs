//! Whether two claims cannot both be true.
//!
//! Enters: two claims, and which ABIs and meterings the caller knows. Leaves: [`Comparison`].
//! Refuses: to call it a dispute where either side may be honest.

use crate::claim::{Claim, WasmClaim};

/// How two claims stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// They say the same.
    Agree,
    /// They cannot be compared: another kind, an abort, other tool answers, or rules that the caller does not know.
    CannotTell,
    /// They answer different requests.
    DifferentRequests,
    /// Equal requests, different answers: one of them is false, and a re-run tells which.
    Dispute,
}

/// Compares two claims; `known` says whether the caller can re-run a claim's ABI, metering and rules.
pub fn compare(one: &Claim, other: &Claim, known: impl Fn(&WasmClaim) -> bool) -> Comparison {
    if one.request_id() != other.request_id() {
        return Comparison::DifferentRequests;
    }
    if one.id() == other.id() {
        return Comparison::Agree;
    }
    let (Claim::Wasm(one), Claim::Wasm(other)) = (one, other) else {
        return Comparison::CannotTell;
    };
    let comparable = |claim| known(claim) && claim.status.is_deterministic();
    if comparable(one) && comparable(other) && one.transcript == other.transcript {
        return Comparison::Dispute;
    }
    Comparison::CannotTell
}
