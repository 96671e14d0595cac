//! The whole way of a capsule: validate, bind, execute, seal.
//!
//! ```text
//! bytes ──validation──▶ ValidatedCapsule ──sandbox──▶ BoundCapsule ──execution──▶ Outcome ──receipts──▶ SignedReceipt
//! ```
//!
//! Enters: an [`Order`]. Leaves: a [`Run`], or a [`RunError`]; in both, a signed receipt.
//! Refuses: what a stage refuses. Each stage takes the type that only the stage before it makes, so none can be skipped.

use std::iter;
use std::sync::Arc;

use tenzik_receipt::{
    Blake3, PreparedReceipt, PublicKey, RunSecret, SignError, SignedReceipt, Stage, WasmRequest,
};

use crate::config::{RuntimeConfig, SecurityConfig};
use crate::control::{Control, Phase};
use crate::execution::cache::Cache;
use crate::execution::{EngineError, ExecuteError, Executor};
use crate::limits::Limits;
use crate::outcome::{Outcome, Request};
use crate::receipts::{BATCH_COUNT, Circumstances, GatherError, Sealing, Subject, wasm_request};
use crate::sandbox::{BindError, Sandbox, Terms};
use crate::validation::{Rejection, ValidatedCapsule, ValidationConfig, validate};

/// What a caller wants run.
#[derive(Clone, Debug)]
pub struct Order {
    /// The capsule's bytes.
    pub capsule: Arc<[u8]>,
    /// What it shall be allowed.
    pub terms: Terms,
    /// Its input.
    pub request: Request,
}

/// A run with its receipt.
#[derive(Clone, Debug)]
pub struct Run {
    /// What came of it.
    pub outcome: Outcome,
    /// The node's word on it.
    pub receipt: SignedReceipt,
}

/// Why a stage refused an order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The request asks for what it may not have.
    #[error(transparent)]
    Binding(#[from] BindError),
    /// The input or the capsule cannot be run.
    #[error(transparent)]
    Execution(#[from] ExecuteError),
    /// The capsule breaks a rule.
    #[error(transparent)]
    Validation(#[from] Arc<Rejection>),
}

impl Refusal {
    /// The stage that refused.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Binding(_) => Stage::Binding,
            Self::Execution(ExecuteError::Compile { .. }) => Stage::Compilation,
            Self::Execution(_) => Stage::Input,
            Self::Validation(_) => Stage::Validation,
        }
    }

    /// The code that stands in the receipt: a validation's is that of its first finding.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Binding(error) => error.code(),
            Self::Execution(error) => error.code(),
            Self::Validation(rejection) => rejection.code(),
        }
    }

    /// What the caller or the capsule's author can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Binding(error) => error.remedy(),
            Self::Execution(error) => error.remedy(),
            Self::Validation(_) => "each finding says what is allowed and what to change",
        }
    }
}

/// Why there is no run to show for an order.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The run was aborted, and this host requires runs that can be repeated.
    #[error("the run was aborted, so nobody can repeat it (capsule {capsule}, input {input})")]
    Aborted {
        /// The capsule.
        capsule: Blake3,
        /// The digest of the input, for the caller's own eyes.
        input: Blake3,
        /// The run, with its receipt.
        run: Box<Run>,
    },
    /// A stage refused the order.
    #[error("{refusal} (capsule {capsule}, input {input})")]
    Refused {
        /// The capsule.
        capsule: Blake3,
        /// The digest of the input, for the caller's own eyes.
        input: Blake3,
        /// Who refused, and why.
        #[source]
        refusal: Refusal,
        /// The node's word on it.
        receipt: Box<SignedReceipt>,
    },
    /// The caller cancelled the order before it began. There is no receipt: nothing was asked of the node any more.
    #[error("the order was cancelled before it began")]
    Cancelled,
    /// The run was lost by a fault of the host.
    #[error("the run was lost by a fault of this host")]
    Lost,
    /// No receipt could be signed, so no result is given.
    #[error("no receipt could be signed: {0}")]
    Sign(#[from] SignError),
    /// The receipt was gathered with others, and their signer panicked, so no result is given.
    #[error("no receipt could be signed: the signer panicked")]
    SignerPanicked,
}

impl From<GatherError> for RunError {
    fn from(error: GatherError) -> Self {
        match error {
            GatherError::Panicked => Self::SignerPanicked,
            GatherError::Sign(error) => Self::Sign(error),
        }
    }
}

/// An order with what came of it, and its receipt, all but the signature.
type Came = (Order, Result<Outcome, Refusal>);
type Prepared = Result<PreparedReceipt, SignError>;

/// Runs capsules and signs what came of them. Share one; all methods take `&self`, from any number of threads.
pub struct Pipeline {
    validation: ValidationConfig,
    sandbox: Sandbox,
    executor: Executor,
    sealing: Sealing,
    /// What validation said, by content; refusals too.
    validated: Cache<Result<ValidatedCapsule, Arc<Rejection>>>,
    require_deterministic: bool,
}

impl Pipeline {
    /// Sets up every stage.
    ///
    /// With a [`Sealer`](crate::receipts::Sealer), each receipt has a signature of its own. With a
    /// [`Gatherer`](crate::receipts::Gatherer), threads that call [`run`](Self::run) at the same time share one: it is
    /// made when no more of them run than wait for it, or when the gatherer's count or delay is reached.
    ///
    /// # Errors
    /// [`EngineError`] if there is no engine to be had.
    pub fn new(
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
        sealing: impl Into<Sealing>,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            validation: ValidationConfig {
                capsule_bytes_max: security.capsule_bytes_max,
            },
            sandbox: Sandbox::new(security, runtime),
            executor: Executor::new(security, runtime)?,
            sealing: sealing.into(),
            validated: Cache::new(runtime.cache_entries_max),
            require_deterministic: security.require_deterministic,
        })
    }

    /// The key that signs.
    pub fn node(&self) -> PublicKey {
        self.sealing.sealer().node()
    }

    /// How it signs: a router's receipts are numbered with the pipeline's.
    pub(crate) const fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// What no request's limits may pass here.
    pub(crate) const fn ceilings(&self) -> &Limits {
        self.sandbox.ceilings()
    }

    /// The request as a receipt will name it: what a requester signs before the run.
    pub fn request(&self, order: &Order, secret: Option<&RunSecret>) -> WasmRequest {
        let terms = self.sandbox.resolve(&order.terms);
        wasm_request(Blake3::of(&order.capsule), &terms, &order.request, secret)
    }

    /// Runs an order through every stage. Blocks until a place is free and the run has ended.
    ///
    /// A capsule runs on the caller's stack and uses up to 1 MiB of it, with the host functions' own use on top: give a
    /// thread that calls this 2 MiB, which is what the standard library gives.
    ///
    /// # Errors
    /// [`RunError::Refused`] and [`RunError::Aborted`], each with its receipt; [`RunError::Sign`] without.
    pub fn run(&self, order: &Order, circumstances: Circumstances) -> Result<Run, RunError> {
        self.run_watched(order, circumstances, None)
    }

    /// As [`run`](Self::run), for a caller who looks on from another thread and may cancel. A run that was cancelled has a receipt
    /// that says `aborted`; one that never began has none.
    ///
    /// # Errors
    /// As [`run`](Self::run); [`RunError::Cancelled`] if it never began.
    pub fn run_controlled(
        &self,
        order: &Order,
        circumstances: Circumstances,
        control: &Control,
    ) -> Result<Run, RunError> {
        if control.is_cancelled() {
            return Err(RunError::Cancelled);
        }
        let run = self.run_watched(order, circumstances, Some(control));
        control.enter(Phase::Over);
        run
    }

    fn run_watched(
        &self,
        order: &Order,
        circumstances: Circumstances,
        control: Option<&Control>,
    ) -> Result<Run, RunError> {
        let turn = self.sealing.enter();
        let came = self.execute(order, control);
        if let Some(control) = control {
            control.enter(Phase::Sealing);
        }
        let subject = self.subject(order, &came, circumstances.secret.as_ref());
        let receipt = turn.seal(subject, circumstances)?;
        self.deliver(order, came, receipt)
    }

    /// Runs orders one after the other on this thread, and gives their results in the same order.
    ///
    /// Up to 256 of them share a signature, whatever the pipeline signs [`run`](Self::run) with. They run when the
    /// first of their results is asked for, so there are never more results at once.
    ///
    /// # Errors
    /// For each order by itself, as [`run`](Self::run) has them.
    pub fn run_all(
        &self,
        orders: impl IntoIterator<Item = (Order, Circumstances)>,
    ) -> impl Iterator<Item = Result<Run, RunError>> {
        let mut orders = orders.into_iter();
        let batches = iter::from_fn(move || {
            let batch = orders.by_ref().take(BATCH_COUNT);
            let (came, prepared): (Vec<_>, Vec<_>) = batch
                .map(|(order, circumstances)| self.prepare(order, circumstances))
                .unzip();
            (!came.is_empty()).then(|| self.deliver_all(came, prepared))
        });
        batches.flatten()
    }

    /// Signs a batch and delivers it.
    fn deliver_all(
        &self,
        came: Vec<Came>,
        prepared: Vec<Prepared>,
    ) -> impl Iterator<Item = Result<Run, RunError>> {
        let receipts = self.sealing.sealer().sign_batch(prepared);
        came.into_iter()
            .zip(receipts)
            .map(|((order, came), receipt)| self.deliver(&order, came, receipt?))
    }

    fn prepare(&self, order: Order, circumstances: Circumstances) -> (Came, Prepared) {
        let came = self.execute(&order, None);
        let subject = self.subject(&order, &came, circumstances.secret.as_ref());
        let prepared = self.sealing.sealer().prepare(subject, circumstances);
        ((order, came), prepared)
    }

    /// The stages up to the one that seals.
    fn execute(&self, order: &Order, control: Option<&Control>) -> Result<Outcome, Refusal> {
        if let Some(control) = control {
            control.enter(Phase::Checking);
        }
        let capsule = self.validate(&order.capsule)?;
        let bound = self.sandbox.bind(capsule, &order.terms)?;
        if let Some(control) = control {
            control.enter(Phase::Preparing);
        }
        let executed = self
            .executor
            .execute_controlled(&bound, &order.request, control);
        Ok(executed?)
    }

    fn validate(&self, bytes: &Arc<[u8]>) -> Result<ValidatedCapsule, Arc<Rejection>> {
        self.validated.get_or_make(Blake3::of(bytes), || {
            validate(Arc::clone(bytes), &self.validation).map_err(Arc::new)
        })
    }

    /// What the receipt of an order is about.
    fn subject<'a>(
        &self,
        order: &Order,
        came: &'a Result<Outcome, Refusal>,
        secret: Option<&RunSecret>,
    ) -> Subject<'a> {
        match came {
            Ok(outcome) => Subject::Ran(outcome),
            Err(refusal) => Subject::Refused {
                stage: refusal.stage(),
                code: refusal.code(),
                request: Box::new(self.request(order, secret)),
            },
        }
    }

    fn deliver(
        &self,
        order: &Order,
        came: Result<Outcome, Refusal>,
        receipt: SignedReceipt,
    ) -> Result<Run, RunError> {
        let capsule = receipt.claim().code();
        let input = || Blake3::of(&order.request.input);
        match came {
            Err(refusal) => Err(RunError::Refused {
                capsule,
                input: input(),
                refusal,
                receipt: Box::new(receipt),
            }),
            Ok(outcome) if self.require_deterministic && !outcome.status().is_deterministic() => {
                Err(RunError::Aborted {
                    capsule,
                    input: input(),
                    run: Box::new(Run { outcome, receipt }),
                })
            }
            Ok(outcome) => Ok(Run { outcome, receipt }),
        }
    }
}
