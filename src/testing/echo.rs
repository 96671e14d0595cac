//! A backend for tests of what stands around backends.
//!
//! Enters: a job. Leaves: its input, as the result. Refuses nothing, and runs nothing.

use std::sync::Arc;
use std::time::Duration;

use tenzik_receipt::{Label, Profile};

use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::router::Limit;

/// Gives the input back, for `shell` at every profile. It promises each limit, and says of none that it was in force. What a
/// run on it takes is the router's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

const VERSION: Label = Label::constant("echo 1");

impl Backend for Echo {
    fn kind(&self) -> Label {
        Label::constant("echo")
    }

    fn profile_max(&self) -> Profile {
        Profile::Hardened
    }

    fn languages(&self) -> Vec<Label> {
        vec![Label::constant("shell")]
    }

    fn holds(&self, _: Limit, _: &Label, _: Profile) -> bool {
        true
    }

    fn probe(&self) -> Readiness {
        Readiness::Ready { version: VERSION }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let ended = Ended::Ok(Arc::clone(job.input));
        Ok(Attempt::new(ended, VERSION, Duration::ZERO))
    }
}
