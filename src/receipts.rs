//! Sealing: an outcome becomes a signed receipt.
//!
//! Enters: an [`Outcome`] or a [`Refusal`](crate::pipeline::Refusal), and its [`Circumstances`].
//! Leaves: a [`SignedReceipt`] with the next sequence number of this process, signed alone or with others.
//! Refuses: a key that is not for receipts, a receipt that would be too large.
//!
//! | receipts come | sign them with |
//! |---|---|
//! | now and then | [`Sealer::seal`]: one signature each |
//! | as a list | [`Sealer::seal_all`]: one signature for up to 256 |
//! | from many threads | [`Gatherer`]: one signature for those that come within milliseconds |
//!
//! The format itself, verification and exports are the crate `tenzik_receipt`'s.

mod attested;
mod claim;
mod gather;
mod sealing;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};

use tenzik_receipt::{
    Advisory, Audience, Backend, Epoch, KeyUse, Label, LogPromise, Nonce, PreparedReceipt, Profile,
    PublicKey, Receipt, ReceiptType, RequestSignature, RunSecret, SecretKey, SignError,
    SignedReceipt, Sorted, Timestamp, Value,
};

use crate::limits::{label, saturating};
use crate::outcome::Outcome;

pub(crate) use attested::{Attested, placeless};
use claim::beside;
pub use claim::wasm_claim;
pub(crate) use claim::{Subject, wasm_request};
pub use gather::{GatherConfig, GatherConfigError, GatherError, Gatherer, Ticket};
pub use sealing::Sealing;

/// The engine as a receipt's advisory part names it. The interpreter has its own name.
pub(crate) const ENGINE: Label = label("wasmtime 48.0.8");

/// The router, where it refused and no backend was asked.
const ROUTER: Label = label("router");

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

/// How many receipts share a signature unless it is said otherwise: beyond, the signature's part of the cost no longer
/// shrinks, and each receipt gets longer.
pub(crate) const BATCH_COUNT: usize = 256;

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
        self.sign(Subject::Ran(outcome), circumstances)
    }

    /// Signs many runs on this thread, up to 256 under one signature, and gives their receipts in the same order.
    ///
    /// Runs are asked for and signed 256 at a time, when their receipts are: an iterator that runs capsules never has
    /// more of them than that.
    ///
    /// # Errors
    /// As for [`seal`](Self::seal), for each run by itself.
    pub fn seal_all<O: Borrow<Outcome>>(
        &self,
        runs: impl IntoIterator<Item = (O, Circumstances)>,
    ) -> impl Iterator<Item = Result<SignedReceipt, SignError>> {
        let prepare = |(outcome, circumstances): (O, _)| {
            self.prepare(Subject::Ran(outcome.borrow()), circumstances)
        };
        let mut prepared = runs.into_iter().map(prepare);
        let batches = iter::from_fn(move || {
            let batch: Vec<_> = prepared.by_ref().take(BATCH_COUNT).collect();
            (!batch.is_empty()).then(|| self.sign_batch(batch))
        });
        batches.flatten()
    }

    /// Signs what a receipt is about, by itself.
    pub(crate) fn sign(
        &self,
        subject: Subject<'_>,
        circumstances: Circumstances,
    ) -> Result<SignedReceipt, SignError> {
        self.key.sign_receipt(self.receipt(subject, circumstances))
    }

    /// Makes a receipt, all but the signature. Its number is drawn here.
    pub(crate) fn prepare(
        &self,
        subject: Subject<'_>,
        circumstances: Circumstances,
    ) -> Result<PreparedReceipt, SignError> {
        self.key.prepare(self.receipt(subject, circumstances))
    }

    /// Signs what was prepared under one signature, in the same order. What was refused then keeps its place.
    pub(crate) fn sign_batch(
        &self,
        batch: Vec<Result<PreparedReceipt, SignError>>,
    ) -> Vec<Result<SignedReceipt, SignError>> {
        let place =
            |prepared: &Result<_, SignError>| prepared.as_ref().map(drop).map_err(Clone::clone);
        let places: Vec<_> = batch.iter().map(place).collect();
        let prepared = batch.into_iter().flatten().collect();
        // Where all were refused there is nothing to sign, and the error is nobody's.
        let mut signed = self.key.sign_prepared(prepared).map(Vec::into_iter);
        let mut next = || match &mut signed {
            Ok(signed) => Ok(signed.next().expect("each that was prepared is signed")),
            Err(error) => Err(error.clone()),
        };
        places
            .into_iter()
            .map(|place| place.and_then(|()| next()))
            .collect()
    }

    fn receipt(&self, subject: Subject<'_>, circumstances: Circumstances) -> Receipt {
        let secret = circumstances.secret.as_ref();
        let private = secret.is_some();
        let (engine, (enforced, wall_us)) = match &subject {
            Subject::Attested(run) => (run.attempt.version.clone(), run.beside(private)),
            Subject::Ran(outcome) => (outcome.engine.clone(), beside(outcome, private)),
            Subject::Refused { .. } => (ENGINE, (Vec::new(), None)),
            Subject::Unrouted { .. } => (ROUTER, (Vec::new(), None)),
        };
        let (kind, profile, mut ext) = match &subject {
            Subject::Attested(run) => (run.backend.clone(), run.request.profile, run.ext()),
            Subject::Unrouted { request, .. } => (ROUTER, request.profile, BTreeMap::new()),
            Subject::Ran(_) | Subject::Refused { .. } => {
                (label("wasm"), Profile::Hardened, BTreeMap::new())
            }
        };
        // What this library says of a run is not to be replaced by what its caller says.
        ext.extend(
            circumstances
                .ext
                .into_iter()
                .filter(|(name, _)| name.as_str() != attested::ISOLATION),
        );
        Receipt {
            advisory: Advisory { engine, wall_us },
            audience: circumstances.audience,
            backend: Backend {
                enforced,
                kind,
                profile,
            },
            claim: subject.claim(secret),
            crit: circumstances.crit,
            ext,
            issued_at: circumstances.issued_at,
            log: circumstances.log,
            node: self.node(),
            nonce: Nonce {
                epoch: self.epoch,
                seq: saturating(self.next.fetch_add(1, Ordering::Relaxed)),
            },
            receipt_type: ReceiptType,
            request: circumstances.request,
        }
    }
}
