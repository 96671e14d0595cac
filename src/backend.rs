//! What a backend is: something that runs code which is not a capsule's, or is, and tells what it saw.
//!
//! Enters: a [`Job`], which only the router makes. Leaves: an [`Attempt`], or a [`BackendError`] if nothing ran to an end.
//! Refuses: what it cannot run, and limits that it cannot hold.
//!
//! A backend seals nothing and decides nothing about profiles: the router does both. It is told the effective profile, and
//! reports as enforced only what it saw in force in this very run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::{
    AttestedRequest, Blake3, Disclosed, InputType, Label, Profile, Sha256, Sorted, Value,
};

use crate::control::Control;
use crate::gateway::Session;
use crate::receipts::placeless;
use crate::router::{Code, Held, Limit, PerLimit, RunLimits};

/// Something that runs code.
///
/// - **Thread-safety**: all methods take `&self`, and are called from any number of threads at once.
/// - **Cancellation**: [`Job::control`] and [`Job::deadline`] are looked at while the code runs. When either says so, all that
///   runs of the job is ended, children included, before `run` returns. Nothing of a job outlives `run`.
/// - **Errors and retry**: `run` never tries again by itself. What the code did is an [`Attempt`], whatever it was; a
///   [`BackendError`] is the backend's own failure, and says whether to try again: never, once the code may have begun.
/// - **Ownership**: the job is lent. A backend keeps nothing of it, no file and no process.
/// - **Order**: jobs are independent; none waits for another but for a place.
/// - **Empty values**: an empty input is an input; no output is not an empty output; a limit that is `None` is none.
///
/// `tenzik::testing::backend` (feature `testing`) holds an implementation against this.
pub trait Backend: Send + Sync {
    /// Its name, such as `process` or `runc`: by this it is registered, asked for and named in receipts.
    fn kind(&self) -> Label;

    /// The strictest profile that it can serve. It serves the laxer ones too.
    fn profile_max(&self) -> Profile;

    /// The languages that it runs.
    fn languages(&self) -> Vec<Label>;

    /// Whether it holds a limit for code in a language, at a profile. At `dev` one that is not held is reported as such; above it
    /// a request that asks for it is refused, and a default is left out of the claim. A job has that default all the same: a
    /// backend does for it what it can. It is asked before a run, and may block as [`probe`](Self::probe) does.
    fn holds(&self, limit: Limit, language: &Label, profile: Profile) -> bool;

    /// Looks whether it could run something now. Takes seconds at most.
    fn probe(&self) -> Readiness;

    /// Runs a job to its end, and blocks until nothing of it runs any more.
    ///
    /// # Errors
    /// [`BackendError`], if the code's end is not known, or it never began.
    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError>;
}

/// Whether a backend can run something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It can.
    Ready {
        /// What it runs on, with version.
        version: Label,
    },
    /// It cannot.
    Unavailable {
        /// Why not.
        reason: String,
        /// What would help, such as a command that installs what is missing.
        remedy: String,
    },
}

/// What is to run, with everything decided.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Job<'a> {
    /// The code: this process's private copy.
    pub code: &'a Code,
    /// The input's bytes.
    pub input: &'a Arc<[u8]>,
    /// Whether input and output are JSON.
    pub input_type: InputType,
    /// The effective profile.
    pub profile: Profile,
    /// The limits, those asked for and the profile's defaults.
    pub limits: &'a RunLimits,
    /// Those of them that the claim has: without defaults that this backend [does not hold](Backend::holds).
    pub claimed: &'a RunLimits,
    /// For whom it runs: what is kept warm of one tenant never serves another. `None` is a tenant too.
    pub tenant: Option<&'a Label>,
    /// The way to tools, if the request has one.
    pub gateway: Option<&'a Arc<Session>>,
    /// The caller's wish to stop.
    pub control: &'a Control,
    /// When the wall-clock limit is reached.
    pub deadline: Option<Instant>,
}

impl Job<'_> {
    /// What a receipt must say was asked, for a backend that has the word of another host: without image, root file system,
    /// runtime and filter, which are that host's to tell.
    pub fn attested_request(&self) -> AttestedRequest {
        placeless(
            self.code,
            Disclosed::Open(Blake3::of(self.input)),
            self.input_type,
            crate::router::claimed(self.claimed),
        )
    }
}

/// How the code ended. Who says so is always the backend, never the code, but for `Ok` and the parts of `Failed`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was stopped by the backend's own failure, or by its caller.
    Aborted {
        /// `cancelled`, `host`, or what else the backend knows.
        code: Label,
    },
    /// It said or showed that it failed.
    Failed {
        /// Such as `exit:3`, `signal:11`, `no_result`, or the code's own word.
        code: Label,
        /// The code's own message, bounded.
        message: Option<String>,
    },
    /// It met a limit.
    LimitReached(Limit),
    /// It gave a result.
    Ok(Arc<[u8]>),
    /// It tried what the sandbox forbids, and was ended for it.
    SandboxViolation {
        /// What it tried, as far as the sandbox knows.
        what: Label,
    },
}

/// Bytes of an output stream, as many as are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Captured {
    /// The first bytes.
    pub bytes: Vec<u8>,
    /// How many more there were.
    pub dropped: u64,
}

/// The isolation that a backend saw in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Isolation {
    /// Such as `network_none`, `read_only_root`, `user_nobody`: each seen, not only asked for.
    pub seen: Sorted<Label>,
    /// The digest of the image.
    pub image: Option<Sha256>,
    /// The digest of the root file system.
    pub root_file_system: Option<Blake3>,
    /// The digest of the runtime's executable.
    pub runtime: Option<Blake3>,
    /// The digest of the system-call filter.
    pub seccomp: Option<Blake3>,
}

/// A run that came to an end.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// How.
    pub ended: Ended,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// What was done about each limit. The router adds those that it holds itself.
    pub limits: PerLimit<Held>,
    /// What kept it apart.
    pub isolation: Isolation,
    /// What it ran on, with version.
    pub version: Label,
    /// How long it ran.
    pub wall: Duration,
    /// What else the receipt commits to, such as the id of another node's.
    pub ext: BTreeMap<Label, Value>,
}

impl Attempt {
    /// A run of which nothing but its end is known.
    pub fn new(ended: Ended, version: Label, wall: Duration) -> Self {
        Self {
            ended,
            stdout: Captured::default(),
            stderr: Captured::default(),
            limits: PerLimit::all(Held::default()),
            isolation: Isolation::default(),
            version,
            wall,
            ext: BTreeMap::new(),
        }
    }
}

/// A backend's own failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {reason}")]
#[non_exhaustive]
pub struct BackendError {
    /// What it was doing, such as `start` or `create container`.
    pub operation: &'static str,
    /// Why that failed; bounded, without control characters.
    pub reason: String,
    /// Whether the same job may succeed later, and nothing of it has run yet.
    pub retryable: bool,
    /// Whether the job was refused as it stands, and not for want of anything.
    pub denied: bool,
}

impl BackendError {
    /// A failure that may pass, before the code began.
    pub fn failed(operation: &'static str, reason: impl ToString) -> Self {
        Self::new(operation, &reason.to_string(), true, false)
    }

    /// A job that may have run, and of which nothing that can be believed is known. It is not tried again.
    pub fn lost(operation: &'static str, reason: impl ToString) -> Self {
        Self::new(operation, &reason.to_string(), false, false)
    }

    /// A job that this backend will never run. Nothing of it has run.
    pub fn denied(operation: &'static str, reason: impl ToString) -> Self {
        Self::new(operation, &reason.to_string(), false, true)
    }

    /// The same failure once the code may have begun: as [`lost`](Self::lost), whatever it was before.
    #[must_use]
    pub fn since_it_began(self) -> Self {
        Self {
            retryable: false,
            denied: false,
            ..self
        }
    }

    fn new(operation: &'static str, reason: &str, retryable: bool, denied: bool) -> Self {
        Self {
            operation,
            reason: reason
                .chars()
                .filter(|c| !c.is_control())
                .take(512)
                .collect(),
            retryable,
            denied,
        }
    }
}
