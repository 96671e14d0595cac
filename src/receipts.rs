//! Sealing: an outcome becomes a signed receipt.
//!
//! Enters: an [`Outcome`] or a [`Refusal`](crate::pipeline::Refusal), and its [`Circumstances`].
//! Leaves: a [`SignedReceipt`] with the next sequence number of this process.
//! Refuses: a key that is not for receipts, a receipt that would be too large.
//!
//! The format itself, verification and exports are the crate `tenzik_receipt`'s.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use tenzik_receipt::{
    Advisory, Audience, Backend, Blake3, Claim, Detail, Disclosed, Encode, Enforcement, Epoch,
    KeyUse, Label, LogPromise, Nonce, PrivateMember, Profile, PublicKey, Receipt, ReceiptType,
    RefusedClaim, RequestSignature, RunSecret, SecretKey, SignError, SignedReceipt, Sorted, Stage,
    Timestamp, Value, WasmClaim, WasmRequest,
};

use crate::capability::ABI;
use crate::limits::{label, saturating};
use crate::outcome::{Ending, Outcome, Request};
use crate::sandbox::BoundTerms;

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

/// The input side of a claim: what is asked, whether or not it will run.
pub(crate) fn wasm_request(
    capsule: Blake3,
    terms: &BoundTerms,
    request: &Request,
    secret: Option<&RunSecret>,
) -> WasmRequest {
    WasmRequest {
        abi: label(ABI),
        capsule,
        clock_ms: request.clock_ms,
        grants: terms.grant_labels.clone(),
        input: bytes(&request.input, PrivateMember::Input, secret),
        input_type: request.input_type,
        limits: terms.limits.claimed(terms.metering),
        metering: label(terms.metering.label()),
        policy: terms.policy,
        rules: terms.metering.rules(),
        seed: value(request.seed, PrivateMember::Seed, secret),
    }
}

/// The claim of a run.
pub fn wasm_claim(outcome: &Outcome, secret: Option<&RunSecret>) -> WasmClaim {
    let request = wasm_request(outcome.capsule, &outcome.terms, &outcome.request, secret);
    let usage = outcome.usage();
    let host_calls = || {
        let calls = usage.into_iter().flat_map(|usage| usage.calls());
        calls
            .map(|(name, count)| (label(name), count.into()))
            .collect()
    };
    WasmClaim {
        abi: request.abi,
        capsule: request.capsule,
        clock_ms: request.clock_ms,
        detail: detail(&outcome.ending).map(|detail| value(detail, PrivateMember::Detail, secret)),
        fuel: usage.map(|usage| value(saturating(usage.fuel), PrivateMember::Fuel, secret)),
        grants: request.grants,
        host_calls: usage.map(|_| value(host_calls(), PrivateMember::HostCalls, secret)),
        input: request.input,
        input_type: request.input_type,
        kind: tenzik_receipt::claim::WasmKind,
        limits: request.limits,
        memory_pages_peak: usage.map(|usage| {
            value(
                usage.memory_pages_peak.into(),
                PrivateMember::MemoryPagesPeak,
                secret,
            )
        }),
        metering: request.metering,
        output: outcome
            .output()
            .map(|output| bytes(output, PrivateMember::Output, secret)),
        policy: request.policy,
        rules: request.rules,
        seed: request.seed,
        status: outcome.status(),
        transcript: None,
    }
}

fn detail(ending: &Ending) -> Option<Detail> {
    let code = match ending {
        Ending::Aborted(code) => label(code.name()),
        // Digits and a sign, so it is always a label.
        Ending::Exited(code) => Label::new(format!("exit:{code}")).ok()?,
        Ending::Failed(_) => label("fail"),
        Ending::FailedByAbort => label("abort"),
        Ending::Trapped(code) => label(code.name()),
        Ending::InvalidOutput
        | Ending::Ok(_)
        | Ending::OutOfFuel
        | Ending::OutOfStack
        | Ending::OutputTooLarge
        | Ending::TooManyCalls => return None,
    };
    let message = match ending {
        Ending::Failed(message) => Some(Blake3::of(message.as_bytes())),
        _ => None,
    };
    Some(Detail { code, message })
}

fn bytes(bytes: &[u8], member: PrivateMember, secret: Option<&RunSecret>) -> Disclosed<Blake3> {
    match secret {
        Some(secret) => Disclosed::Keyed(secret.commit(member, bytes)),
        None => Disclosed::Open(Blake3::of(bytes)),
    }
}

fn value<T: Encode>(value: T, member: PrivateMember, secret: Option<&RunSecret>) -> Disclosed<T> {
    match secret {
        Some(secret) => Disclosed::Keyed(secret.commit_value(member, &value)),
        None => Disclosed::Open(value),
    }
}

/// The limits with what was seen of each. The engine holds all of them by itself, on every run.
fn enforced(outcome: &Outcome, private: bool) -> Vec<Enforcement> {
    let usage = outcome.usage().filter(|_| !private);
    let observed = |limit| {
        let time = || u64::try_from(outcome.wall.as_millis()).ok();
        match limit {
            "fuel" => usage.map(|usage| usage.fuel),
            "host_calls" => usage.map(|usage| usage.calls().map(|(_, n)| u64::from(n)).sum()),
            "memory_pages" => usage.map(|usage| usage.memory_pages_peak.into()),
            "output_bytes" => usage
                .and(outcome.output())
                .map(|output| output.len() as u64),
            "time_ms" if !private => time(),
            _ => None,
        }
    };
    let entry = |limit, asked: Option<u64>, applied| Enforcement {
        applied: Some(saturating(applied)),
        asked: asked.map(saturating),
        enforced: true,
        limit: label(limit),
        observed: observed(limit).map(saturating),
    };
    let (asked, applied) = (outcome.terms.asked.named(), outcome.terms.limits.named());
    let stack = entry("stack", None, outcome.terms.metering.stack().into());
    asked
        .into_iter()
        .zip(applied)
        .map(|(asked, (limit, applied))| entry(limit, asked, applied))
        .chain([stack])
        .collect()
}
