//! An instance that is made and not yet run.
//!
//! Enters: a run with its instance. Leaves: a [`Ready`], which its holder runs once, or drops.
//! Refuses: one more than there are places; one for which the system has no room. Neither is a refusal of the capsule, and
//! neither gets a receipt.

use std::time::{Duration, Instant};

use wasmtime::Instance;

use super::host::Exit;
use super::run::Run;
use super::slots::Slot;
use super::{ExecuteError, in_time};
use crate::outcome::{Outcome, Request};

/// Why there is no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadyError {
    /// Nothing would run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// This executor makes no native code.
    #[error("this executor has the interpreter alone, and only native code is made ready")]
    Interpreter,
    /// Every place is taken.
    #[error("all {places} places are taken")]
    NoPlace {
        /// How many there are.
        places: u32,
    },
    /// The system gives no memory for another instance.
    #[error(
        "the system has no room for another instance: {reason}; a live one takes memory, and some of the mappings that \
         vm.max_map_count allows"
    )]
    NoRoom {
        /// What the engine says.
        reason: String,
    },
}

/// A live instance: memory, fuel, limits and input are there, and nothing of the capsule has run. It has its place until it is
/// dropped or has run.
pub struct Ready<'a> {
    run: Run<'a>,
    /// Or why the run ends before it begins: it cannot pay its start.
    instance: wasmtime::Result<Instance>,
    request: &'a Request,
    /// How long it took to make.
    made_in: Duration,
    /// Given back last, when the instance has left the pool.
    _slot: Slot<'a>,
}

impl<'a> Ready<'a> {
    pub(super) fn new(
        mut run: Run<'a>,
        request: &'a Request,
        startup_fuel: u64,
        slot: Slot<'a>,
        started: Instant,
    ) -> Result<Self, wasmtime::Error> {
        let instance = match run.instantiate(startup_fuel) {
            Err(error) if !error.is::<Exit>() => return Err(error),
            made => made,
        };
        Ok(Self {
            run,
            instance,
            request,
            made_in: started.elapsed(),
            _slot: slot,
        })
    }

    /// Runs it. Its time begins now; how long it has waited cannot be seen.
    pub fn run(mut self) -> Outcome {
        let (bound, started) = (self.run.bound, Instant::now());
        self.run.begin(started);
        let ended = in_time(self.run.end(self.instance));
        let wall = self.made_in + started.elapsed();
        ended.outcome(crate::receipts::ENGINE, bound, self.request, wall)
    }
}

impl std::fmt::Debug for Ready<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready")
            .field("capsule", &self.run.bound.capsule().id())
            .finish_non_exhaustive()
    }
}
