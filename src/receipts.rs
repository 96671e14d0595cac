//! Sealing: an outcome becomes a signed receipt.
//!
//! Enters: an [`Outcome`] or a [`Refusal`](crate::pipeline::Refusal), and its [`Circumstances`].
//! Leaves: a [`SignedReceipt`] with the next sequence number of this process.
//! Refuses: a key that is not for receipts, a receipt that would be too large.
//!
//! The format itself, verification and exports are the crate `tenzik_receipt`'s.

mod claim;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tenzik_receipt::{
    Advisory, Audience, Backend, Claim, Enforcement, Epoch, KeyUse, Label, LogPromise, Nonce,
    Profile, PublicKey, Receipt, ReceiptType, RefusedClaim, RequestSignature, RunSecret, SecretKey,
    SignError, SignedReceipt, Sorted, Stage, Timestamp, Value, WasmRequest,
};

use crate::limits::{label, saturating};
use crate::outcome::Outcome;

use claim::enforced;
pub use claim::wasm_claim;
pub(crate) use claim::wasm_request;

/// The engine as a receipt's advisory part names it. The interpreter has its own name.
pub(crate) const ENGINE: Label = label("wasmtime 48.0.8");

/// What stands around a claim: when, to whom, at whose request.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The time to be told. The engine reads no clock for it.
    pub issued_at: Timestamp,
    /// Whom the receipt is for.
    pub audience: Option<Audience>,
    /// The requester's signature, carried as it stands.
    pub request: Option<RequestSignature>,
    /// The secret of a private run. Given, every member that could tell of the input is a keyed commitment.
    pub secret: Option<RunSecret>,
    /// The log that the receipt will be in.
    pub log: Option<LogPromise>,
    /// Extensions.
    pub ext: BTreeMap<Label, Value>,
    /// Which of them a reader must understand.
    pub crit: Sorted<Label>,
}

impl Circumstances {
    /// Nothing but the time.
    pub const fn at(issued_at: Timestamp) -> Self {
        Self {
            issued_at,
            audience: None,
            request: None,
            secret: None,
            log: None,
            ext: BTreeMap::new(),
            crit: Sorted::none(),
        }
    }
}

/// Signs what a process ran, and numbers it.
#[derive(Debug)]
pub struct Sealer {
    key: SecretKey,
    epoch: Epoch,
    next: AtomicU64,
}

impl Sealer {
    /// A sealer with a receipt key and 128 random bits that no other start of the process has.
    ///
    /// # Errors
    /// [`SignError::Use`] if the key is for something else.
    pub fn new(key: SecretKey, epoch: Epoch) -> Result<Self, SignError> {
        if key.key_use() != KeyUse::Receipt {
            return Err(SignError::Use {
                got: key.key_use(),
                wanted: KeyUse::Receipt,
            });
        }
        Ok(Self {
            key,
            epoch,
            next: AtomicU64::new(0),
        })
    }

    /// The key that signs.
    pub fn node(&self) -> PublicKey {
        self.key.public()
    }

    /// Signs a run.
    ///
    /// # Errors
    /// [`SignError`] if the receipt would be too large, for instance by its extensions.
    pub fn seal(
        &self,
        outcome: &Outcome,
        circumstances: Circumstances,
    ) -> Result<SignedReceipt, SignError> {
        let secret = circumstances.secret.as_ref();
        let claim = Claim::Wasm(wasm_claim(outcome, secret));
        let wall_us = u64::try_from(outcome.wall.as_micros()).unwrap_or(u64::MAX);
        let wall_us = secret.is_none().then(|| saturating(wall_us));
        let enforced = enforced(outcome, secret.is_some());
        let advisory = Advisory {
            engine: outcome.engine.clone(),
            wall_us,
        };
        self.sign(claim, enforced, advisory, circumstances)
    }

    /// Signs that nothing ran, and why.
    ///
    /// # Errors
    /// As for [`seal`](Self::seal).
    pub(crate) fn seal_refusal(
        &self,
        stage: Stage,
        code: &'static str,
        request: WasmRequest,
        circumstances: Circumstances,
    ) -> Result<SignedReceipt, SignError> {
        let claim = Claim::Refused(RefusedClaim {
            code: label(code),
            kind: tenzik_receipt::claim::RefusedKind,
            request,
            stage,
        });
        let advisory = Advisory {
            engine: ENGINE,
            wall_us: None,
        };
        self.sign(claim, Vec::new(), advisory, circumstances)
    }

    fn sign(
        &self,
        claim: Claim,
        enforced: Vec<Enforcement>,
        advisory: Advisory,
        circumstances: Circumstances,
    ) -> Result<SignedReceipt, SignError> {
        self.key.sign_receipt(Receipt {
            advisory,
            audience: circumstances.audience,
            backend: Backend {
                enforced,
                kind: label("wasm"),
                profile: Profile::Hardened,
            },
            claim,
            crit: circumstances.crit,
            ext: circumstances.ext,
            issued_at: circumstances.issued_at,
            log: circumstances.log,
            node: self.node(),
            nonce: Nonce {
                epoch: self.epoch,
                seq: saturating(self.next.fetch_add(1, Ordering::Relaxed)),
            },
            receipt_type: ReceiptType,
            request: circumstances.request,
        })
    }
}
