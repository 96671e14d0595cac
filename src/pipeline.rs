//! The whole way of a capsule: validate, bind, execute, seal.
//!
//! ```text
//! bytes ──validation──▶ ValidatedCapsule ──sandbox──▶ BoundCapsule ──execution──▶ Outcome ──receipts──▶ SignedReceipt
//! ```
//!
//! Enters: an [`Order`]. Leaves: a [`Run`], or a [`RunError`]; in both, a signed receipt.
//! Refuses: what a stage refuses. Each stage takes the type that only the stage before it makes, so none can be skipped.

use std::sync::Arc;

use tenzik_receipt::{Blake3, PublicKey, RunSecret, SignError, SignedReceipt, Stage, WasmRequest};

use crate::config::{RuntimeConfig, SecurityConfig};
use crate::control::{Control, Phase};
use crate::execution::cache::Cache;
use crate::execution::{EngineError, ExecuteError, Executor};
use crate::outcome::{Outcome, Request};
use crate::receipts::{Circumstances, Sealer, wasm_request};
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
}

/// Runs capsules and signs what came of them. Share one; all methods take `&self`, from any number of threads.
pub struct Pipeline {
    validation: ValidationConfig,
    sandbox: Sandbox,
    executor: Executor,
    sealer: Sealer,
    /// What validation said, by content; refusals too.
    validated: Cache<Result<ValidatedCapsule, Arc<Rejection>>>,
    require_deterministic: bool,
}

impl Pipeline {
    /// Sets up every stage.
    ///
    /// # Errors
    /// [`EngineError`] if there is no engine to be had.
    pub fn new(
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
        sealer: Sealer,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            validation: ValidationConfig {
                capsule_bytes_max: security.capsule_bytes_max,
            },
            sandbox: Sandbox::new(security, runtime),
            executor: Executor::new(security, runtime)?,
            sealer,
            validated: Cache::new(runtime.cache_entries_max),
            require_deterministic: security.require_deterministic,
        })
    }

    /// The key that signs.
    pub fn node(&self) -> PublicKey {
        self.sealer.node()
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
        let enter = |phase| {
            if let Some(control) = control {
                control.enter(phase);
            }
        };
        enter(Phase::Checking);
        let executed = self.execute(order, control);
        enter(Phase::Sealing);
        match executed {
            Ok(outcome) => {
                let receipt = self.sealer.seal(&outcome, circumstances)?;
                self.deliver(Run { outcome, receipt })
            }
            Err(refusal) => Err(self.refuse(order, refusal, circumstances)?),
        }
    }

    /// The stages up to the one that seals.
    fn execute(&self, order: &Order, control: Option<&Control>) -> Result<Outcome, Refusal> {
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

    fn deliver(&self, run: Run) -> Result<Run, RunError> {
        if run.outcome.status().is_deterministic() || !self.require_deterministic {
            return Ok(run);
        }
        Err(RunError::Aborted {
            capsule: run.outcome.capsule,
            input: Blake3::of(&run.outcome.request.input),
            run: Box::new(run),
        })
    }

    fn refuse(
        &self,
        order: &Order,
        refusal: Refusal,
        circumstances: Circumstances,
    ) -> Result<RunError, SignError> {
        let request = self.request(order, circumstances.secret.as_ref());
        let (stage, code) = (refusal.stage(), refusal.code());
        let capsule = request.capsule;
        let receipt = self
            .sealer
            .seal_refusal(stage, code, request, circumstances)?;
        Ok(RunError::Refused {
            capsule,
            input: Blake3::of(&order.request.input),
            refusal,
            receipt: Box::new(receipt),
        })
    }
}
