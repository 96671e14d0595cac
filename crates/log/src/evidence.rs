//! What shows to a stranger that a log or a node did not keep its word.
//!
//! Enters: signed things that contradict each other, or a file that somebody sent. Leaves: a [`Finding`] that holds for
//! whoever trusts the keys. Refuses: what only looks like it: a stale checkpoint, a proof that does not hold, an unknown
//! key's word.
//!
//! ```json
//! {"evidence":{"equivocation":{"one":"node.example/log\n…","other":"node.example/log\n…","prefix":null,"proof":[]}},
//!  "type":"tenzik/evidence/v1"}
//! ```

mod file;

use tenzik_receipt::{Blake3, Claim, PublicKey, SignedReceipt, Timestamp, Verifier};

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::leaf::{LeafError, LeafRules};
use crate::note::VerifierKey;
use crate::policy::{Policy, PolicyError};
use crate::proof_file::{ProofError, ProofFileError, TlogProof};
use crate::tree::{TreeError, verify_consistency};

pub use file::{BadLeaf, BrokenPromise, EVIDENCE_BYTES_MAX, Equivocation, Evidence, ForgedClaim};

/// Whom the reader of evidence trusts to be who: what the accused is held against.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The log's key.
    pub log: &'a VerifierKey,
    /// Which nodes' receipts the log is for.
    pub rules: &'a LeafRules,
    /// The log's own policy: what it publishes has one of this policy's quorums. Under another one a promise that was kept
    /// may look broken, since witnesses that the log never asks hold an old checkpoint forever.
    pub policy: &'a Policy,
    /// The reader's time.
    pub at: Timestamp,
}

/// What evidence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// The log holds a leaf that it may not hold.
    BadLeaf {
        /// Where.
        index: u64,
        /// Why it may not.
        error: LeafError,
    },
    /// The log promised to hold a receipt by a time, later witnesses held a tree for its largest, and without them it can
    /// have published no other. The log can refute it, with a proof
    /// that the receipt is in that tree, and with nothing else.
    BrokenPromise {
        /// When it was to be in the log.
        merge_by: Timestamp,
        /// The date of the witnesses' word.
        seen: Timestamp,
        /// The tree that they saw.
        size: u64,
    },
    /// The log signed two trees of which neither begins with the other.
    Equivocation {
        /// The size of the smaller one.
        size: u64,
    },
    /// A node signed a claim, and capsule and input are at hand. Whether it is forged, a re-run tells.
    Claimed {
        /// The node.
        node: PublicKey,
        /// The capsule.
        capsule: Blake3,
    },
}

/// Why something shows nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A checkpoint is not the log's.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Both checkpoints are of one tree.
    #[error("the two checkpoints do not contradict each other")]
    Consistent,
    /// Capsule or input are not those of the claim, or the claim is not open.
    #[error("{what} is not the claim's, or the claim does not show it")]
    Content {
        /// Which of the two.
        what: &'static str,
    },
    /// The file is not evidence in its form.
    #[error("not an evidence file: {what}")]
    File {
        /// What is wrong.
        what: String,
    },
    /// The witnesses' word is not later than the promise, or the receipt has none.
    #[error("the promise was not broken: {what}")]
    Kept {
        /// Why.
        what: &'static str,
    },
    /// The leaf is one that the log may hold.
    #[error("the leaf is one that the log may hold")]
    Lawful,
    /// The receipt is not by one of the log's nodes.
    #[error("the receipt: {0}")]
    Leaf(#[from] LeafError),
    /// The witnesses' word does not count.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The proof of inclusion is no proof.
    #[error(transparent)]
    ProofFile(#[from] ProofFileError),
    /// The proof of inclusion does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The proof that is to contradict does not hold itself.
    #[error("the proof between the two: {0}")]
    Tree(#[from] TreeError),
}

impl Evidence {
    /// What this shows to somebody who knows the accused's keys.
    ///
    /// # Errors
    /// [`EvidenceError`]: it shows nothing.
    pub fn verify(&self, known: Known<'_>) -> Result<Finding, EvidenceError> {
        match self {
            Self::BadLeaf(evidence) => bad_leaf(evidence, known),
            Self::BrokenPromise(evidence) => broken_promise(evidence, known),
            Self::Equivocation(evidence) => equivocation(evidence, known.log),
            Self::ForgedClaim(evidence) => claimed(evidence, known),
        }
    }
}

/// Two checkpoints that a log signed, as evidence; `None` if one tree may have both.
///
/// `prefix` and `proof` are for checkpoints of different sizes: the root that the larger tree has at the smaller one's
/// size, and the proof of it. A smaller checkpoint that comes late contradicts nothing: its root is that prefix.
///
/// Of the signatures only the log's stand in it: anybody can add others, and each time it would be other evidence.
pub fn contradiction(
    one: &SignedCheckpoint,
    other: &SignedCheckpoint,
    prefix: Option<(tenzik_receipt::Sha256, Vec<tenzik_receipt::Sha256>)>,
) -> Option<Evidence> {
    let (smaller, larger) = match one.checkpoint().size() <= other.checkpoint().size() {
        true => (one, other),
        false => (other, one),
    };
    let (prefix, proof) = prefix.map_or((None, Vec::new()), |(root, proof)| (Some(root), proof));
    let evidence = Equivocation {
        one: String::from_utf8(smaller.alone().to_bytes()).ok()?,
        other: String::from_utf8(larger.alone().to_bytes()).ok()?,
        prefix,
        proof,
    };
    let held = equivocation(&evidence, one.signer());
    held.is_ok().then_some(Evidence::Equivocation(evidence))
}

fn equivocation(evidence: &Equivocation, log: &VerifierKey) -> Result<Finding, EvidenceError> {
    let smaller = SignedCheckpoint::open(evidence.one.as_bytes(), log)?;
    let larger = SignedCheckpoint::open(evidence.other.as_bytes(), log)?;
    let (smaller, larger) = (smaller.checkpoint(), larger.checkpoint());
    let size = smaller.size();
    // The tree of nothing is the beginning of every tree, and a proof from it proves nothing.
    if size == 0 || size > larger.size() {
        return Err(EvidenceError::Consistent);
    }
    let prefix = match evidence.prefix {
        Some(prefix) if size < larger.size() => {
            let to = (larger.size(), &larger.root());
            verify_consistency((size, &prefix), to, &evidence.proof)?;
            prefix
        }
        None if size == larger.size() && evidence.proof.is_empty() => larger.root(),
        _ => return Err(EvidenceError::Consistent),
    };
    if prefix == smaller.root() {
        return Err(EvidenceError::Consistent);
    }
    Ok(Finding::Equivocation { size })
}

fn bad_leaf(evidence: &BadLeaf, known: Known<'_>) -> Result<Finding, EvidenceError> {
    let proof = TlogProof::from_bytes(evidence.proof.as_bytes())?;
    let checkpoint = SignedCheckpoint::open(proof.checkpoint(), known.log)?;
    included(&proof, &evidence.leaf, checkpoint.checkpoint())?;
    match known
        .rules
        .read(&evidence.leaf, known.at, &mut Verifier::remembering(0))
    {
        Err(error) if error.accuses(&evidence.leaf) => Ok(Finding::BadLeaf {
            index: proof.index(),
            error,
        }),
        _ => Err(EvidenceError::Lawful),
    }
}

fn included(proof: &TlogProof, leaf: &[u8], head: &Checkpoint) -> Result<(), TreeError> {
    let leaf = tenzik_receipt::merkle::leaf_hash(leaf);
    let led =
        tenzik_receipt::merkle::root_from_path(leaf, proof.index(), head.size(), proof.path());
    match led {
        Some(root) if root == head.root() => Ok(()),
        Some(_) => Err(TreeError::Differs),
        None => Err(TreeError::Length {
            got: proof.path().len(),
        }),
    }
}

fn broken_promise(evidence: &BrokenPromise, known: Known<'_>) -> Result<Finding, EvidenceError> {
    let receipt = evidence.receipt.as_bytes();
    let (_, receipt) = known
        .rules
        .read(receipt, known.at, &mut Verifier::remembering(0))?;
    let Some(promise) = &receipt.receipt().log else {
        let what = "the receipt promises no log";
        return Err(EvidenceError::Kept { what });
    };
    let checkpoint = SignedCheckpoint::open(evidence.checkpoint.as_bytes(), known.log)?;
    let quorum = known.policy.check(&checkpoint)?;
    // Whoever cosigned this after the promise had cosigned no larger tree before. The others may have, and published it.
    if known.policy.spared_after(&quorum, promise.merge_by) {
        let what = "witnesses that need not know this checkpoint are a quorum too";
        return Err(EvidenceError::Kept { what });
    }
    match quorum.held_at() {
        Some(seen) if seen > promise.merge_by && seen <= known.at => Ok(Finding::BrokenPromise {
            merge_by: promise.merge_by,
            seen,
            size: checkpoint.checkpoint().size(),
        }),
        _ => Err(EvidenceError::Kept {
            what: "no quorum of witnesses dates the checkpoint after the promise and before now",
        }),
    }
}

impl BrokenPromise {
    /// Whether the log refutes this: the receipt is in the very tree that the witnesses saw. `leaf` is what is in the tree;
    /// it may have another signature, since a receipt that its node signs twice has one place.
    ///
    /// # Errors
    /// [`EvidenceError`] if the leaf is another receipt, or the proof is not of that tree, or does not hold.
    pub fn refuted_by(
        &self,
        leaf: &[u8],
        proof: &TlogProof,
        log: &VerifierKey,
    ) -> Result<(), EvidenceError> {
        let id = |bytes: &[u8]| SignedReceipt::from_bytes(bytes).map(|receipt| receipt.id());
        let promised = id(self.receipt.as_bytes()).map_err(LeafError::from)?;
        if id(leaf).map_err(LeafError::from)? != promised {
            let what = "the leaf is another receipt";
            return Err(EvidenceError::Kept { what });
        }
        let seen = SignedCheckpoint::open(self.checkpoint.as_bytes(), log)?;
        let shown = SignedCheckpoint::open(proof.checkpoint(), log)?;
        if seen.checkpoint() != shown.checkpoint() {
            let what = "the proof is of another tree";
            return Err(EvidenceError::Kept { what });
        }
        Ok(included(proof, leaf, seen.checkpoint())?)
    }
}

fn claimed(evidence: &ForgedClaim, known: Known<'_>) -> Result<Finding, EvidenceError> {
    let receipt = evidence.receipt.as_bytes();
    // A false claim is one in whatever log it is, or in none.
    let receipt = known
        .rules
        .signed(receipt, known.at, &mut Verifier::remembering(0))?;
    check_content(&receipt, &evidence.capsule, &evidence.input)?;
    Ok(Finding::Claimed {
        node: receipt.receipt().node,
        capsule: receipt.claim().code(),
    })
}

/// That these are the capsule and the input of an open claim that can be run again.
fn check_content(
    receipt: &SignedReceipt,
    capsule: &[u8],
    input: &[u8],
) -> Result<(), EvidenceError> {
    let Claim::Wasm(claim) = receipt.claim() else {
        return Err(EvidenceError::Content { what: "the kind" });
    };
    if claim.capsule != Blake3::of(capsule) {
        return Err(EvidenceError::Content {
            what: "the capsule",
        });
    }
    if receipt.claim().input() != &tenzik_receipt::Disclosed::Open(Blake3::of(input)) {
        return Err(EvidenceError::Content { what: "the input" });
    }
    Ok(())
}
