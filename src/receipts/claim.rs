//! What a run says in its receipt: the claim, and beside it what was seen of each limit.
//!
//! Enters: an [`Outcome`], or a request that is refused, and the secret of a private run.
//! Leaves: the claim's parts; with a secret, every member that could tell of the input is a keyed commitment.
//! Refuses: nothing.

use tenzik_receipt::{
    Blake3, Claim, Detail, Disclosed, Encode, Enforcement, Int, Label, PrivateMember, RefusedClaim,
    RefusedRequest, RunSecret, Stage, WasmClaim, WasmRequest,
};

use crate::capability::ABI;
use crate::limits::{label, saturating};
use crate::outcome::{Ending, Outcome, Request};
use crate::router::ExecuteRequest;
use crate::sandbox::BoundTerms;

/// What a receipt is about.
pub(crate) enum Subject<'a> {
    /// A run on a backend that is not deterministic.
    Attested(Box<super::Attested<'a>>),
    /// A run.
    Ran(&'a Outcome),
    /// A request of which nothing ran.
    Refused {
        /// Where it ended.
        stage: Stage,
        /// Why: a code of the stage.
        code: &'static str,
        /// What was asked.
        request: Box<WasmRequest>,
    },
    /// A request that no backend took.
    Unrouted {
        /// What was asked.
        request: &'a ExecuteRequest,
        /// Why.
        code: &'static str,
    },
}

impl Subject<'_> {
    pub(super) fn claim(self, secret: Option<&RunSecret>) -> Claim {
        match self {
            Self::Attested(run) => Claim::Attested(run.claim(secret)),
            Self::Ran(outcome) => Claim::Wasm(wasm_claim(outcome, secret)),
            Self::Refused {
                stage,
                code,
                request,
            } => Claim::Refused(RefusedClaim {
                code: label(code),
                kind: tenzik_receipt::claim::RefusedKind,
                request: RefusedRequest::Wasm(*request),
                stage,
            }),
            Self::Unrouted { request, code } => Claim::Refused(RefusedClaim {
                code: label(code),
                kind: tenzik_receipt::claim::RefusedKind,
                request: RefusedRequest::Attested(super::attested::unrouted(request, secret)),
                stage: Stage::Routing,
            }),
        }
    }
}

/// What stands beside the claim of a run: the limits, and its wall-clock time in microseconds unless it is private.
pub(super) fn beside(outcome: &Outcome, private: bool) -> (Vec<Enforcement>, Option<Int>) {
    let wall_us = u64::try_from(outcome.wall.as_micros()).unwrap_or(u64::MAX);
    let wall_us = (!private).then(|| saturating(wall_us));
    (enforced(outcome, private), wall_us)
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
        transcript: outcome
            .transcript()
            .root()
            .map(|root| value(root, PrivateMember::Transcript, secret)),
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

pub(super) fn bytes(
    bytes: &[u8],
    member: PrivateMember,
    secret: Option<&RunSecret>,
) -> Disclosed<Blake3> {
    match secret {
        Some(secret) => Disclosed::Keyed(secret.commit(member, bytes)),
        None => Disclosed::Open(Blake3::of(bytes)),
    }
}

pub(super) fn value<T: Encode>(
    value: T,
    member: PrivateMember,
    secret: Option<&RunSecret>,
) -> Disclosed<T> {
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
