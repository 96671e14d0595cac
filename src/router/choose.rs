//! Which backend runs a request.
//!
//! Enters: a request that was checked. Leaves: a backend that can hold what its profile promises, or the capsule path.
//! Refuses: to fall back. Each backend that was looked at is told, with the reason why not.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tenzik_receipt::{Label, Profile};

use super::request::{Capsule, Code, ExecuteRequest, WASM};
use super::{READY_FOR, Refusal, Router, UNAVAILABLE_FOR};
use crate::backend::{Backend, Readiness};
use crate::router::Limit;

/// Who runs a request.
pub(super) enum Chosen<'a> {
    /// A backend that can hold what the profile promises, and what it was last seen to be ready with.
    Backend(Arc<dyn Backend>, Readiness),
    /// The capsule path.
    Capsule(&'a Capsule),
}

/// Why a backend does not run a request.
enum Unfit {
    /// It will not, whatever happens.
    Denied(String),
    /// It cannot now.
    Unavailable(String),
}

impl Router {
    /// Where a request runs.
    pub(super) fn choose<'a>(&self, request: &'a ExecuteRequest) -> Result<Chosen<'a>, Refusal> {
        match (&request.backend, &request.code) {
            (Some(named), _) if *named != WASM => self.named(request, named),
            // Whatever the profile, nothing is stricter than the capsule path.
            (_, Code::Capsule(capsule)) => Ok(Chosen::Capsule(capsule)),
            (Some(_), Code::Program(program)) => Err(denied(
                request,
                &WASM,
                format!("it does not run {}", program.language),
            )),
            (None, Code::Program(_)) => self.first(request),
        }
    }

    /// The limits that programs can be held to at a profile, by language: those of the backend that holds the most of them, of all
    /// that are ready. A language that none runs at that profile is not there. Blocks while backends are probed.
    pub fn limits_held(&self, profile: Profile) -> BTreeMap<Label, Vec<Limit>> {
        let mut all: BTreeMap<Label, Vec<Limit>> = BTreeMap::new();
        for backend in self.all() {
            for language in backend.languages() {
                let serves = self.serves(&*backend, &language, profile).is_ok();
                if !serves || self.is_ready(&*backend).is_err() {
                    continue;
                }
                let is_held = |limit: &Limit| {
                    limit.is_the_routers() || backend.holds(*limit, &language, profile)
                };
                let held: Vec<_> = Limit::ALL.into_iter().filter(is_held).collect();
                let most = all.entry(language).or_default();
                if held.len() > most.len() {
                    *most = held;
                }
            }
        }
        all
    }

    fn named<'a>(&self, request: &ExecuteRequest, kind: &Label) -> Result<Chosen<'a>, Refusal> {
        let found = self
            .all()
            .into_iter()
            .find(|backend| backend.kind() == *kind);
        let Some(backend) = found else {
            return Err(unavailable(
                request,
                vec![(kind.clone(), "not registered".to_owned())],
            ));
        };
        match self.fits(request, &*backend) {
            Ok(readiness) => Ok(Chosen::Backend(backend, readiness)),
            Err(Unfit::Denied(reason)) => Err(denied(request, kind, reason)),
            Err(Unfit::Unavailable(reason)) => {
                Err(unavailable(request, vec![(kind.clone(), reason)]))
            }
        }
    }

    /// The first that fits. If none does, and each that runs the language was denied, the first denial is the answer.
    fn first<'a>(&self, request: &ExecuteRequest) -> Result<Chosen<'a>, Refusal> {
        let (mut tried, mut refused) = (Vec::new(), None);
        let language = request.code.language();
        for backend in self.all() {
            if !backend.languages().contains(language) {
                continue;
            }
            match self.fits(request, &*backend) {
                Ok(readiness) => return Ok(Chosen::Backend(backend, readiness)),
                Err(Unfit::Unavailable(reason)) => tried.push((backend.kind(), reason)),
                Err(Unfit::Denied(reason)) => {
                    refused.get_or_insert((backend.kind(), reason));
                }
            }
        }
        match refused {
            Some((kind, reason)) if tried.is_empty() => Err(denied(request, &kind, reason)),
            refused => Err(unavailable(
                request,
                refused.into_iter().chain(tried).collect(),
            )),
        }
    }

    fn fits(&self, request: &ExecuteRequest, backend: &dyn Backend) -> Result<Readiness, Unfit> {
        let (language, profile) = (request.code.language(), request.profile);
        self.serves(backend, language, profile)
            .map_err(Unfit::Denied)?;
        let asked = |limit: &Limit| request.limits.get(*limit).is_some_and(|asked| asked > 0);
        let lost = Limit::ALL
            .into_iter()
            .filter(asked)
            .find(|limit| !limit.is_the_routers() && !backend.holds(*limit, language, profile));
        match lost {
            Some(limit) if profile != Profile::Dev => Err(Unfit::Denied(format!(
                "it cannot hold the limit {}",
                limit.name()
            ))),
            _ => self.is_ready(backend),
        }
    }

    /// Whether a backend runs a language at a profile at all, or why not.
    fn serves(
        &self,
        backend: &dyn Backend,
        language: &Label,
        profile: Profile,
    ) -> Result<(), String> {
        if !backend.languages().contains(language) {
            return Err(format!("it does not run {language}"));
        }
        if !backend.profile_max().is_at_least(profile) {
            return Err(format!(
                "it serves {} at most",
                backend.profile_max().name()
            ));
        }
        match self.denies(backend) {
            true => {
                Err("it isolates nothing, and the configuration does not allow that".to_owned())
            }
            false => Ok(()),
        }
    }

    /// What the last probe said, or a new one.
    fn is_ready(&self, backend: &dyn Backend) -> Result<Readiness, Unfit> {
        let kind = backend.kind();
        let known = self.read().iter().find_map(|entry| {
            let (at, readiness) = entry.probed.as_ref()?;
            let holds_for = match readiness {
                Readiness::Ready { .. } => READY_FOR,
                Readiness::Unavailable { .. } => UNAVAILABLE_FOR,
            };
            (entry.backend.kind() == kind && at.elapsed() < holds_for).then(|| readiness.clone())
        });
        // No lock is held over a probe.
        let readiness = known.unwrap_or_else(|| {
            let readiness = backend.probe();
            let mut entries = self.write();
            if let Some(entry) = entries
                .iter_mut()
                .find(|entry| entry.backend.kind() == kind)
            {
                entry.probed = Some((Instant::now(), readiness.clone()));
            }
            readiness
        });
        match readiness {
            ready @ Readiness::Ready { .. } => Ok(ready),
            Readiness::Unavailable { reason, .. } => Err(Unfit::Unavailable(reason)),
        }
    }

    fn all(&self) -> Vec<Arc<dyn Backend>> {
        let entries = self.read();
        entries
            .iter()
            .map(|entry| Arc::clone(&entry.backend))
            .collect()
    }
}

fn denied(request: &ExecuteRequest, backend: &Label, reason: String) -> Refusal {
    Refusal::BackendDenied {
        backend: backend.clone(),
        profile: request.profile,
        reason,
    }
}

fn unavailable(request: &ExecuteRequest, tried: Vec<(Label, String)>) -> Refusal {
    Refusal::RuntimeUnavailable {
        language: request.code.language().clone(),
        profile: request.profile,
        tried,
    }
}
