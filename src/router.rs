//! One door to every backend: a request goes to one that can hold what its profile promises, or nowhere.
//!
//! ```text
//! ExecuteRequest ──check──▶ limits, code, input ──choose──▶ Backend ──run──▶ Attempt ──check──▶ Execution + SignedReceipt
//! ```
//!
//! Enters: an [`ExecuteRequest`]. Leaves: an [`Execution`] with its receipt, or a [`RouteError`].
//! Refuses: limits that cannot be meant, tools without a gateway, a profile that no backend can serve now. A weaker one is
//! never taken instead.
//!
//! A capsule goes to the pipeline, and its claim can be re-run. Everything else is *attested*: the receipt says what this
//! node saw. This module and the pipeline are the only places that seal.

mod capsule;
mod choose;
mod code;
mod error;
mod limits;
mod request;
mod run;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tenzik_receipt::{Label, Profile, Value};

use crate::backend::{Backend, Readiness};
use crate::control::{Control, Phase};
use crate::pipeline::Pipeline;
use crate::receipts::Circumstances;

use choose::Chosen;

pub use code::{CodeError, CodeTree, FILES_MAX, File, PATH_BYTES_MAX, TREE_BYTES_MAX};
pub use error::{Refusal, RouteError};
pub use limits::{Held, InvalidLimits, Limit, LimitsAsked, PerLimit, RunLimits};
pub use request::{Capsule, Code, ExecuteRequest, Execution, Program, WASM};

/// What a router may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterConfig {
    /// Whether backends that isolate nothing may serve profile `dev`. Default no: then they are denied, registered or not.
    pub unsafe_host: bool,
}

/// Sends requests to backends and signs what came of them.
///
/// - **Thread-safety**: share one. All methods take `&self`, and are called from any number of threads at once; backends come
///   and go while requests run.
/// - **Cancellation**: a request that is cancelled before it begins is [`RouteError::Cancelled`], and leaves no receipt. One that
///   runs ends as its backend ends it, most often as [`RouteError::Aborted`], and its receipt says so.
/// - **Errors and retry**: nothing is tried again, and nothing on a backend that was not chosen. What ran, and what was refused,
///   has its receipt in the error. [`RouteError::is_retryable`] says whether the same request may succeed later.
/// - **Ownership**: a request is lent, and nothing of it is kept; an [`Execution`] is the caller's. A registered backend is shared
///   until it is taken out and what runs on it has ended.
/// - **Order**: of several backends that could run a request, the first that was registered does. Requests are independent;
///   none waits for another but for a place on its backend, and for a signature where receipts are signed together.
/// - **Empty values**: an empty input of bytes is an input, and of JSON it is refused. A limit that is not asked for is the
///   profile's default. No backend is the first that fits; no gateway is no tools; no tenant is a tenant too.
///
/// `tenzik::testing::router` (feature `testing`) holds one, with any backend in it, against this.
pub struct Router {
    pipeline: Arc<Pipeline>,
    config: RouterConfig,
    backends: RwLock<Vec<Entry>>,
}

/// A backend, and what its last probe said.
struct Entry {
    backend: Arc<dyn Backend>,
    probed: Option<(Instant, Readiness)>,
}

/// For how long a probe's word holds: a backend that went away says so itself when it is asked to run, and one that came is
/// soon found.
const READY_FOR: Duration = Duration::from_secs(60);
const UNAVAILABLE_FOR: Duration = Duration::from_secs(5);

/// A backend with its readiness, for people.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Its name.
    pub kind: Label,
    /// The strictest profile that it can serve.
    pub profile_max: Profile,
    /// What it runs.
    pub languages: Vec<Label>,
    /// Whether it could run something now.
    pub readiness: Readiness,
    /// Whether this router's configuration denies it.
    pub denied: bool,
}

/// A backend of that name is registered already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backend {0} is registered already")]
pub struct AlreadyRegistered(pub Label);

impl Router {
    /// A router with the capsule path and no other backend.
    pub fn new(pipeline: Arc<Pipeline>, config: RouterConfig) -> Self {
        Self {
            pipeline,
            config,
            backends: RwLock::new(Vec::new()),
        }
    }

    /// The capsule path, which seals for this router too.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Adds a backend. Of several that could run a request, the first that was registered does.
    ///
    /// # Errors
    /// [`AlreadyRegistered`]; the name `wasm` is the pipeline's.
    pub fn register(&self, backend: Arc<dyn Backend>) -> Result<(), AlreadyRegistered> {
        let kind = backend.kind();
        let mut backends = self.write();
        if kind == WASM || backends.iter().any(|entry| entry.backend.kind() == kind) {
            return Err(AlreadyRegistered(kind));
        }
        backends.push(Entry {
            backend,
            probed: None,
        });
        Ok(())
    }

    /// Takes a backend out, and says whether it was there. What runs on it runs to its end.
    pub fn unregister(&self, kind: &Label) -> bool {
        let mut backends = self.write();
        let before = backends.len();
        backends.retain(|entry| entry.backend.kind() != *kind);
        backends.len() < before
    }

    /// Every backend, in the order in which they are asked, each probed anew. The capsule path is not among them: it is
    /// always ready.
    pub fn backends(&self) -> Vec<Standing> {
        let backends: Vec<_> = self
            .read()
            .iter()
            .map(|entry| Arc::clone(&entry.backend))
            .collect();
        backends
            .iter()
            .map(|backend| self.standing(&**backend))
            .collect()
    }

    /// Runs a request to its end and signs what came of it. Blocks until nothing of it runs any more.
    ///
    /// # Errors
    /// [`RouteError`]. Where something ran, the error has the run and its receipt; where it was refused, the refusal's receipt.
    pub fn execute(
        &self,
        request: &ExecuteRequest,
        circumstances: Circumstances,
    ) -> Result<Execution, RouteError> {
        self.execute_controlled(request, circumstances, &Control::default())
    }

    /// As [`execute`](Self::execute), for a caller who looks on from another thread and may cancel.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); [`RouteError::Cancelled`] if it never began.
    pub fn execute_controlled(
        &self,
        request: &ExecuteRequest,
        circumstances: Circumstances,
        control: &Control,
    ) -> Result<Execution, RouteError> {
        if control.is_cancelled() {
            return Err(RouteError::Cancelled);
        }
        let circumstances = with_metadata(request, circumstances);
        let decided = run::check(request, self.pipeline.ceilings())
            .and_then(|limits| Ok((limits, self.choose(request)?)));
        let came = match decided {
            Err(refusal) => Err(self.refused(request, refusal, circumstances)),
            Ok((limits, Chosen::Capsule(capsule))) => {
                self.run_capsule((request, capsule), &limits, circumstances, control)
            }
            Ok((limits, Chosen::Backend(backend, readiness))) => {
                let chosen = (&*backend, readiness);
                self.run_on(chosen, request, &limits, circumstances, control)
            }
        };
        control.enter(Phase::Over);
        came
    }

    fn standing(&self, backend: &dyn Backend) -> Standing {
        Standing {
            kind: backend.kind(),
            profile_max: backend.profile_max(),
            languages: backend.languages(),
            readiness: backend.probe(),
            denied: self.denies(backend),
        }
    }

    fn denies(&self, backend: &dyn Backend) -> bool {
        backend.profile_max() == Profile::Dev && !self.config.unsafe_host
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Vec<Entry>> {
        self.backends.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<Entry>> {
        // The list is whole between methods, whoever panicked.
        self.backends
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the caller wants in the receipt, whatever that will be of: a run on any path, or a refusal.
fn with_metadata(request: &ExecuteRequest, mut circumstances: Circumstances) -> Circumstances {
    if !request.metadata.is_empty() {
        let metadata = Value::Object(request.metadata.clone());
        circumstances
            .ext
            .insert(Label::constant("metadata"), metadata);
    }
    circumstances
}

/// Limits by name, as a claim has them; one that is not in force is not in it.
pub(crate) fn claimed(limits: &RunLimits) -> BTreeMap<Label, tenzik_receipt::Int> {
    Limit::ALL
        .into_iter()
        .filter_map(|limit| {
            let number = crate::limits::saturating(limits.get(limit)?);
            Some((Label::constant(limit.name()), number))
        })
        .collect()
}

#[cfg(test)]
mod tests;
