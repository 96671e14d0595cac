//! What a run on a backend that is not deterministic says in its receipt.
//!
//! Enters: a request, and what its backend saw. Leaves: an attested claim, what stands beside it, and the extension
//! `isolation`, the list of what was seen to keep the run apart.
//! Refuses: nothing. With a secret, every member that could tell of the input is a keyed commitment.

use std::collections::BTreeMap;

use tenzik_receipt::claim::AttestedKind;
use tenzik_receipt::{
    AttestedClaim, AttestedRequest, AttestedStatus, Blake3, Detail, Disclosed, Enforcement,
    InputType, Int, Label, PrivateMember, RunSecret, Sha256, Value,
};

use super::claim::{bytes, value};
use crate::backend::{Attempt, Ended, Isolation};
use crate::limits::{label, saturating};
use crate::router::{Code, ExecuteRequest, Held, Limit, PerLimit};

/// The extension that this module writes.
pub(super) const ISOLATION: &str = "isolation";

/// A run on a backend, all that its receipt is made of.
pub(crate) struct Attested<'a> {
    pub(crate) request: &'a ExecuteRequest,
    pub(crate) limits: BTreeMap<Label, Int>,
    pub(crate) backend: Label,
    pub(crate) attempt: &'a Attempt,
    pub(crate) held: &'a PerLimit<Held>,
    pub(crate) transcript: Option<Sha256>,
}

impl Attested<'_> {
    pub(super) fn claim(&self, secret: Option<&RunSecret>) -> AttestedClaim {
        let output = match &self.attempt.ended {
            Ended::Ok(output) => Some(bytes(output, PrivateMember::Output, secret)),
            _ => None,
        };
        AttestedClaim {
            detail: detail(&self.attempt.ended)
                .map(|detail| value(detail, PrivateMember::Detail, secret)),
            kind: AttestedKind,
            output,
            request: self.request(secret),
            status: status(&self.attempt.ended),
            transcript: self
                .transcript
                .map(|root| value(root, PrivateMember::Transcript, secret)),
        }
    }

    fn request(&self, secret: Option<&RunSecret>) -> AttestedRequest {
        let limits = self.limits.clone();
        attested_request(self.request, limits, &self.attempt.isolation, secret)
    }

    /// The limits with what was seen of each, and the wall-clock time in microseconds unless the run is private.
    pub(super) fn beside(&self, private: bool) -> (Vec<Enforcement>, Option<Int>) {
        let entry = |limit: Limit| {
            let held = self.held.get(limit);
            Enforcement {
                applied: held.applied.map(saturating),
                asked: self.request.limits.asked(limit),
                enforced: held.enforced,
                limit: label(limit.name()),
                observed: held.observed.filter(|_| !private).map(saturating),
            }
        };
        let wall_us = u64::try_from(self.attempt.wall.as_micros()).unwrap_or(u64::MAX);
        let wall_us = (!private).then(|| saturating(wall_us));
        (Limit::ALL.into_iter().map(entry).collect(), wall_us)
    }

    /// What the receipt says beside the claim.
    pub(super) fn ext(&self) -> BTreeMap<Label, Value> {
        let mut ext = self.attempt.ext.clone();
        let seen = self.attempt.isolation.seen.as_slice();
        let seen = seen.iter().cloned().map(Value::Text).collect();
        ext.insert(label(ISOLATION), Value::List(seen));
        ext
    }
}

/// A request that no backend took: with the limits that would have been in force, or where they cannot be, those that were
/// asked for.
pub(super) fn unrouted(request: &ExecuteRequest, secret: Option<&RunSecret>) -> AttestedRequest {
    let limits = match request.limits.resolve(request.profile) {
        Ok(limits) => crate::router::claimed(&limits),
        Err(_) => Limit::ALL
            .into_iter()
            .filter_map(|limit| Some((label(limit.name()), request.limits.asked(limit)?)))
            .collect(),
    };
    attested_request(request, limits, &Isolation::default(), secret)
}

fn attested_request(
    request: &ExecuteRequest,
    limits: BTreeMap<Label, Int>,
    isolation: &Isolation,
    secret: Option<&RunSecret>,
) -> AttestedRequest {
    AttestedRequest {
        image: isolation.image,
        root_file_system: isolation.root_file_system,
        runtime: isolation.runtime,
        seccomp: isolation.seccomp,
        ..placeless(
            &request.code,
            bytes(&request.input, PrivateMember::Input, secret),
            request.input_type,
            limits,
        )
    }
}

/// What was asked, without what a backend finds out about the place where it runs.
pub(crate) fn placeless(
    code: &Code,
    input: Disclosed<Blake3>,
    input_type: InputType,
    limits: BTreeMap<Label, Int>,
) -> AttestedRequest {
    let (digest, arguments, environment) = match code {
        Code::Capsule(capsule) => (Blake3::of(&capsule.bytes), None, None),
        Code::Program(program) => (
            program.tree.digest(),
            Some(&program.arguments).filter(|arguments| !arguments.is_empty()),
            Some(&program.environment),
        ),
    };
    AttestedRequest {
        arguments: arguments.map(|arguments| {
            // A list of texts is always JSON.
            Blake3::of(serde_json::json!(arguments).to_string().as_bytes())
        }),
        code: digest,
        environment: environment
            .into_iter()
            .flat_map(|environment| environment.keys())
            .filter_map(|name| Label::new(name.clone()).ok())
            .collect(),
        image: None,
        input,
        input_type,
        language: code.language().clone(),
        limits,
        policy: None,
        root_file_system: None,
        runtime: None,
        seccomp: None,
    }
}

fn status(ended: &Ended) -> AttestedStatus {
    match ended {
        Ended::Aborted { .. } => AttestedStatus::Aborted,
        Ended::Failed { .. } | Ended::SandboxViolation { .. } => AttestedStatus::Failed,
        Ended::LimitReached(Limit::WallMs) => AttestedStatus::TimedOut,
        Ended::LimitReached(_) => AttestedStatus::LimitReached,
        Ended::Ok(_) => AttestedStatus::Ok,
    }
}

fn detail(ended: &Ended) -> Option<Detail> {
    let plain = |code: Label| {
        Some(Detail {
            code,
            message: None,
        })
    };
    match ended {
        Ended::Aborted { code } => plain(code.clone()),
        Ended::Failed { code, message } => Some(Detail {
            code: code.clone(),
            message: message
                .as_ref()
                .map(|message| Blake3::of(message.as_bytes())),
        }),
        Ended::LimitReached(limit) => plain(label(limit.name())),
        Ended::Ok(_) => None,
        Ended::SandboxViolation { what } => plain(
            Label::new(format!("sandbox_violation:{what}")).unwrap_or(label("sandbox_violation")),
        ),
    }
}
