//! Tenzik receipts: their form, their signatures, their verification.
//!
//! This crate is what an auditor needs: it runs no code, reads no file and no clock, holds no
//! unsafe code, and builds without the standard library.
//!
//! | you want to | use |
//! |---|---|
//! | verify a receipt | [`verify()`] with a [`Trust`], then [`Report::into_verified`] |
//! | verify many receipts | [`Verifier`], which checks the signature over a batch once |
//! | read a receipt's figures | [`SignedReceipt::from_bytes`], [`SignedReceipt::claim`] |
//! | sign receipts, alone or in batches | [`SecretKey::sign_receipt`], [`SecretKey::sign_batch`], [`SecretKey::prepare`] |
//! | hand a receipt to another system | [`export`] |
//! | find out whether two nodes contradict each other | [`dispute::compare`] |
//!
//! The form is described in `docs/receipt.md`. To re-run a receipt, see `tenzik::replay`.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
pub mod canonical;
pub mod claim;
mod digest;
pub mod dispute;
pub mod export;
mod id;
mod key;
pub mod merkle;
mod pae;
mod private;
mod receipt;
mod request;
mod time;
mod trust;
mod verify;

pub use batch::PreparedReceipt;
pub use canonical::{Decode, Encode, Int, Label, NotALabel, ReadError, Sorted, TooLarge, Value};
pub use claim::{
    AttestedClaim, AttestedRequest, AttestedStatus, Claim, Detail, Disclosed, HostCalls, InputType,
    RefusedClaim, RefusedRequest, Stage, Status, WasmClaim, WasmLimits, WasmRequest,
};
pub use digest::{
    Blake3, Epoch, Keyed, NotADigest, PublicKey, RawSignature, Seed, Sha256, from_hex, to_hex,
};
pub use id::{CLAIM_CONTEXT, ClaimId, RECEIPT_CONTEXT, REQUEST_CONTEXT, ReceiptId, RequestId};
pub use key::{KeyUse, SecretKey, SignError};
pub use pae::{BATCH_PAYLOAD, RECEIPT_PAYLOAD, REQUEST_PAYLOAD, STATEMENT_PAYLOAD, pae};
pub use private::{PrivateMember, RunSecret};
pub use receipt::{
    Advisory, Audience, BATCH_MAX, Backend, BatchRoot, BatchSignature, Challenge, Enforcement,
    LogPromise, Nonce, NotAChallenge, Profile, RECEIPT_BYTES_MAX, Receipt, ReceiptType,
    RequestSignature, Signature, SignedReceipt,
};
pub use request::RequestStatement;
pub use time::{NotATimestamp, Timestamp};
pub use trust::{TRUST_BYTES_MAX, TRUST_TYPE, Trust, TrustError, TrustFile, TrustedKey};
pub use verify::{
    CLOCK_SKEW_SECONDS_MAX, Check, CheckName, Expectations, LogProof, Outcome, Report, Verdict,
    VerifiedReceipt, Verifier, verify,
};
