//! The receipt: a claim, and around it who says so, when and to whom.
//!
//! Enters: a claim and its circumstances, or foreign bytes.
//! Leaves: [`Receipt`], which is not signed; [`SignedReceipt`], which is, by whom it may be.
//! Refuses: foreign bytes over 32 KiB, and any that are not byte for byte what this module writes.
//!
//! A `SignedReceipt` that was read has the right form and nothing more: only
//! [`verify`](crate::verify()) says that its signature holds and its key is trusted.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::canonical::{
    Decode, Encode, Int, Label, ReadError, Reader, Sorted, VALUE_DEPTH_MAX, Value, names, object,
};
use crate::claim::{Claim, require};
use crate::digest::{Epoch, PublicKey, RawSignature, Sha256, from_hex, push_hex};
use crate::id::ReceiptId;
use crate::pae::{RECEIPT_PAYLOAD, pae};
use crate::time::Timestamp;

/// The largest receipt that is signed or read: 32 KiB.
///
/// A log bounds its entries at 64 KiB; half of that leaves room for its own framing.
pub const RECEIPT_BYTES_MAX: usize = 32 * 1024;

/// The most receipts under one signature: 65,536, so that a path has at most 16 steps.
pub const BATCH_MAX: usize = 65_536;

names! {
    /// How strictly the run was kept apart from its host.
    Profile, "dev, standard or hardened" {
        /// No isolation is promised.
        Dev = "dev",
        /// The code runs in a sandbox that denies by instruction or system call.
        Hardened = "hardened",
        /// The code runs in an operating system's sandbox.
        Standard = "standard",
    }
}

impl Profile {
    /// Whether what this profile promises includes what `wanted` does.
    pub const fn is_at_least(self, wanted: Self) -> bool {
        self.rank() >= wanted.rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Dev => 0,
            Self::Standard => 1,
            Self::Hardened => 2,
        }
    }
}

/// The marker `tenzik/receipt/v1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiptType;

impl Encode for ReceiptType {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"tenzik/receipt/v1\"");
    }
}

impl Decode for ReceiptType {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.expect("\"tenzik/receipt/v1\"", "the type tenzik/receipt/v1")?;
        Ok(Self)
    }
}

object! {
    /// What may help a reader and proves nothing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Advisory {
        /// The engine and its version.
        "engine" => engine: Label,
        /// Wall-clock time of the run in microseconds; absent in a private run and in a refusal.
        "wall_us" => wall_us: Option<Int>,
    }
}

/// A verifier's random bytes, 16 to 64 of them, so that an old receipt cannot answer a new question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge(Vec<u8>);

/// Bytes that are too few or too many for a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a challenge has 16 to 64 bytes, written as 32 to 128 lower-case hex digits")]
pub struct NotAChallenge;

impl Challenge {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, NotAChallenge> {
        if (16..=64).contains(&bytes.len()) {
            return Ok(Self(bytes));
        }
        Err(NotAChallenge)
    }

    /// Reads lower-case hex digits.
    pub fn from_hex(digits: &str) -> Result<Self, NotAChallenge> {
        Self::new(from_hex(digits).ok_or(NotAChallenge)?)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Encode for Challenge {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        push_hex(&self.0, out);
        out.push(b'"');
    }
}

impl Decode for Challenge {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("32 to 128 lower-case hex digits");
        Self::from_hex(reader.text()?).map_err(|_| refused)
    }
}

object! {
    /// Whom the receipt is for.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Audience {
        /// The verifier's challenge.
        "challenge" => challenge: Challenge,
        /// From then on the receipt does not answer the challenge, and the verifier may forget it.
        "expires_at" => expires_at: Timestamp,
        /// The verifier's name.
        "name" => name: Label,
    }
}

object! {
    /// One limit: what was asked, and what was seen of it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Enforcement {
        /// What the backend set.
        "applied" => applied: Option<Int>,
        /// What the request wanted.
        "asked" => asked: Option<Int>,
        /// Whether the backend saw that it was in force.
        "enforced" => enforced: bool,
        /// The limit's name, its unit last.
        "limit" => limit: Label,
        /// What was used; absent where it was not measured, in a private run, and for all but time in an aborted one.
        "observed" => observed: Option<Int>,
    }
}

object! {
    /// Where the code ran.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Backend {
        /// The limits.
        "enforced" => enforced: Vec<Enforcement>,
        /// The backend's kind, such as `wasm`.
        "kind" => kind: Label,
        /// The profile that was in force.
        "profile" => profile: Profile,
    }
}

object! {
    /// A promise that the receipt will be in a log.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub LogPromise {
        /// After this, a verifier that wants the log refuses the receipt without its proof.
        "merge_by" => merge_by: Timestamp,
        /// The log.
        "origin" => origin: Label,
    }
}

object! {
    /// The receipt's place among those of one process. Gaps inform, they prove nothing.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Nonce {
        /// Which start of the process.
        "epoch" => epoch: Epoch,
        /// Counted from 0.
        "seq" => seq: Int,
    }
}

object! {
    /// The requester's own signature; see [`RequestStatement`](crate::RequestStatement).
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub RequestSignature {
        /// The requester's key.
        "requester" => requester: PublicKey,
        /// Over request id, audience and node.
        "signature" => signature: RawSignature,
    }
}

object! {
    /// A receipt without its signature: the bytes that are signed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub Receipt {
        /// What proves nothing.
        "advisory" => advisory: Advisory,
        /// Whom it is for.
        "audience" => audience: Option<Audience>,
        /// Where the code ran.
        "backend" => backend: Backend,
        /// What ran and what came of it.
        "claim" => claim: Claim,
        /// Names in `ext` that a reader must understand.
        "crit" => crit: Sorted<Label>,
        /// Extensions.
        "ext" => ext: BTreeMap<Label, Value>,
        /// When the node says that it signed.
        "issued_at" => issued_at: Timestamp,
        /// The log that the receipt will be in.
        "log" => log: Option<LogPromise>,
        /// The key that signs.
        "node" => node: PublicKey,
        /// Which receipt of the node's it is.
        "nonce" => nonce: Nonce,
        /// The requester's signature.
        "request" => request: Option<RequestSignature>,
        /// `tenzik/receipt/v1`
        "type" => receipt_type: ReceiptType,
    }
}

impl Receipt {
    /// Holds the receipt against the rules of `docs/receipt.md` that span its parts.
    ///
    /// # Errors
    /// [`ReadError::Contradiction`] with the first rule that is broken.
    pub fn check(&self) -> Result<(), ReadError> {
        self.claim.check()?;
        require(
            self.ext
                .values()
                .all(|value| value.nests_within(VALUE_DEPTH_MAX)),
            "an extension nests at most 8 deep",
        )?;
        let named = |name| self.ext.contains_key(name);
        require(
            self.crit.as_slice().iter().all(named),
            "each critical name is an extension",
        )?;
        let figures = self.advisory.wall_us.is_some()
            || self
                .backend
                .enforced
                .iter()
                .any(|limit| limit.observed.is_some());
        require(
            !(figures && self.claim.is_private()),
            "no figure stands open beside a private claim",
        )
    }
}

object! {
    /// One signature for many receipts: this receipt's place in a tree whose root is signed.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub BatchSignature {
        /// The receipt's leaf, counted from 0.
        "index" => index: Int,
        /// Its siblings, nearest first.
        "path" => path: Vec<Sha256>,
        /// The signature over [`BatchRoot`].
        "root_sig" => root_sig: RawSignature,
        /// How many leaves the tree has.
        "size" => size: Int,
    }
}

object! {
    /// What a batch's one signature signs.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub BatchRoot {
        /// The key that signs.
        "node" => node: PublicKey,
        /// The RFC 6962 root over the receipts' signed bytes.
        "root" => root: Sha256,
        /// How many leaves the tree has.
        "size" => size: Int,
    }
}

/// A receipt's signature, in one of its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signature {
    /// One signature over a tree of receipts.
    Batch(BatchSignature),
    /// A signature over this receipt: a DSSE signature as it stands.
    Single(RawSignature),
}

impl Signature {
    /// Room for the member, with its name. Nothing but speed depends on it.
    const fn bytes_max(&self) -> usize {
        match self {
            // A step of the path has 64 digits, a prefix, quotes and a comma.
            Self::Batch(batch) => 256 + 74 * batch.path.len(),
            Self::Single(_) => 256,
        }
    }

    /// Appends the member and what stands after it.
    fn finish(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(SIGNATURE_MEMBER);
        self.encode(out);
        out.extend_from_slice(TAIL);
    }
}

impl Encode for Signature {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Batch(batch) => batch.encode(out),
            Self::Single(signature) => signature.encode(out),
        }
    }
}

impl Decode for Signature {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.peek("{") {
            return BatchSignature::decode(reader).map(Self::Batch);
        }
        RawSignature::decode(reader).map(Self::Single)
    }
}

/// A receipt with a signature of the right form. Whether it holds is for [`verify`](crate::verify()) to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedReceipt {
    /// A kilobyte, and moved from hand to hand.
    receipt: Box<Receipt>,
    signature: Signature,
    /// The canonical receipt without its signature, as it was written or read.
    payload: Vec<u8>,
}

/// The one member that sorts after `signature`.
const TAIL: &[u8] = b",\"type\":\"tenzik/receipt/v1\"}";
const SIGNATURE_MEMBER: &[u8] = b",\"signature\":";

impl SignedReceipt {
    pub(crate) const fn new(receipt: Box<Receipt>, payload: Vec<u8>, signature: Signature) -> Self {
        Self {
            receipt,
            signature,
            payload,
        }
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// [`ReadError`], at the first byte that [`to_bytes`](Self::to_bytes) would not have written.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReadError> {
        if bytes.len() > RECEIPT_BYTES_MAX {
            return Err(ReadError::Size {
                bytes: bytes.len(),
                bytes_max: RECEIPT_BYTES_MAX,
            });
        }
        let (payload, mut rest) = split(bytes)?;
        let receipt = Receipt::from_canonical(&payload)?;
        receipt.check()?;
        let signature = Signature::decode(&mut rest)?;
        rest.finish()?;
        Ok(Self::new(Box::new(receipt), payload, signature))
    }

    /// The receipt as one line of canonical JSON, signature included, without a newline.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = self.payload.len() - TAIL.len();
        let mut out = Vec::with_capacity(self.payload.len() + self.signature.bytes_max());
        out.extend_from_slice(&self.payload[..head]);
        self.signature.finish(&mut out);
        out
    }

    /// As [`to_bytes`](Self::to_bytes), in the memory of the payload, for who keeps nothing but the bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut out = self.payload;
        out.truncate(out.len() - TAIL.len());
        self.signature.finish(&mut out);
        out
    }

    /// What the receipt says.
    pub const fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// What the receipt claims.
    pub const fn claim(&self) -> &Claim {
        &self.receipt.claim
    }

    /// The signature.
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The canonical receipt without its signature: DSSE's payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that a single signature signs, and that are a batch's leaf.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(RECEIPT_PAYLOAD, &self.payload)
    }

    /// The receipt's identity. Signing again, alone or in a batch, does not change it.
    pub fn id(&self) -> ReceiptId {
        ReceiptId::of(&self.payload)
    }
}

/// Parts a signed receipt into its payload and a reader that stands at its signature.
///
/// Nothing is unescaped anywhere, and no member of a signature is itself named `signature`, so
/// the last such member is the receipt's own or the receipt has none. In the latter case what is left is
/// not a receipt, and reading it says so.
fn split(bytes: &[u8]) -> Result<(Vec<u8>, Reader<'_>), ReadError> {
    let head = bytes
        .strip_suffix(TAIL)
        .ok_or_else(|| without_tail(bytes))?;
    let start = head
        .windows(SIGNATURE_MEMBER.len())
        .rposition(|window| window == SIGNATURE_MEMBER)
        .ok_or(ReadError::Member {
            name: ",\"signature\":",
            offset: head.len(),
        })?;
    let mut payload = Vec::with_capacity(start + TAIL.len());
    payload.extend_from_slice(&head[..start]);
    payload.extend_from_slice(TAIL);
    Ok((payload, Reader::at(head, start + SIGNATURE_MEMBER.len())))
}

/// What is wrong with bytes that do not end as a receipt does: something follows it, or it is none, or one that was cut.
fn without_tail(bytes: &[u8]) -> ReadError {
    let tail = bytes.windows(TAIL.len()).rposition(|window| window == TAIL);
    match tail {
        Some(start) => ReadError::Trailing {
            offset: start + TAIL.len(),
        },
        None if bytes.starts_with(b"{\"advisory\":") => ReadError::Member {
            name: ",\"type\":\"tenzik/receipt/v1\"}",
            offset: bytes.len().saturating_sub(TAIL.len()),
        },
        None => ReadError::Value {
            expected: "a receipt",
            offset: 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stand_in_the_order_of_rfc_8785() {
        for members in [
            Advisory::MEMBERS,
            Audience::MEMBERS,
            Enforcement::MEMBERS,
            Backend::MEMBERS,
            LogPromise::MEMBERS,
            Nonce::MEMBERS,
            RequestSignature::MEMBERS,
            Receipt::MEMBERS,
            BatchSignature::MEMBERS,
            BatchRoot::MEMBERS,
        ] {
            assert!(members.is_sorted(), "{members:?}");
        }
    }
}
