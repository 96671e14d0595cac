//! What comes after an append: integrate, have it cosigned, publish, list.
//!
//! Enters: time that passes. Leaves: published checkpoints, rows of the catalog. Refuses: to publish without the quorum.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use prometheus_client::metrics::counter::Counter;
use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::policy::{Policy, PolicyError};
use tenzik_log::tree::TreeError;
use tenzik_log::{Log, LogError};
use tenzik_receipt::SignedReceipt;
use tenzik_store::sql::SqlError;
use tenzik_store::{Catalog, CatalogRow};

use super::LogServiceConfig;
use super::witnesses::{WitnessWord, Witnesses};
use crate::federation::Client;

/// The most leaves of one integration: its tiles and rows are in memory at once.
const INTEGRATE_MAX: usize = 65_536;
/// The most rows of one transaction of the catalog.
const ROWS_MAX: u64 = 4_096;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The catalog cannot be written. The log goes on; the rows come later.
    #[error("the catalog: {0}")]
    Catalog(#[from] SqlError),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Too few witnesses have cosigned. The published checkpoint stays; it is tried again.
    #[error("no quorum of witnesses: {0}")]
    Quorum(#[from] PolicyError),
    /// An entry cannot be read back.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// How publication stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Why the last try failed; `None` if it did not.
    pub failure: Option<String>,
    /// What each witness of the policy said last, by its name there.
    pub witnesses: Vec<(String, WitnessWord)>,
}

/// The standing, shared with those who ask.
#[derive(Debug)]
pub(super) struct State {
    standing: Mutex<Standing>,
    /// When all that was durable was published last; at first, when the log began.
    well_at: Mutex<Instant>,
    /// Tries that failed, for `/metrics`.
    pub(super) failures: Counter,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            standing: Mutex::default(),
            well_at: Mutex::new(Instant::now()),
            failures: Counter::default(),
        }
    }

    pub(super) fn get(&self) -> Standing {
        lock(&self.standing).clone()
    }

    /// For how long nothing could be published. A try that hangs counts like one that failed.
    pub(super) fn unwell_for(&self) -> Duration {
        lock(&self.well_at).elapsed()
    }

    fn set(&self, standing: Standing) {
        match standing.failure {
            None => *lock(&self.well_at) = Instant::now(),
            Some(_) => drop(self.failures.inc()),
        }
        *lock(&self.standing) = standing;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) struct Publisher {
    log: Arc<Log>,
    catalog: Catalog,
    policy: Policy,
    witnesses: Witnesses,
    every: Duration,
    state: Arc<State>,
    /// Whether a quorum of witnesses has seen nothing newer than what this log began with.
    confirmed: bool,
}

impl Publisher {
    pub(super) fn new(
        log: Arc<Log>,
        catalog: Catalog,
        client: Client,
        config: &LogServiceConfig,
        state: Arc<State>,
    ) -> Self {
        Self {
            log,
            catalog,
            witnesses: Witnesses::new(&config.policy, client),
            policy: config.policy.clone(),
            every: Duration::from_millis(config.integrate_ms),
            state,
            confirmed: false,
        }
    }

    /// Works until the other end is dropped, and then once more: what is durable is in the tree when a node ends.
    pub(super) fn run(mut self, stop: &Receiver<()>) {
        let mut stopping = false;
        while !stopping {
            let began = Instant::now();
            let failure = self.step().err();
            if let Some(error) = &failure {
                tracing::warn!(%error, "not published");
            }
            self.state.set(Standing {
                failure: failure.map(|error| error.to_string()),
                witnesses: self.witnesses.words(),
            });
            let rest = self.every.saturating_sub(began.elapsed());
            stopping = stop.recv_timeout(rest) == Err(RecvTimeoutError::Disconnected);
        }
        if let Err(error) = self.step() {
            tracing::warn!(%error, "not published at the end");
        }
    }

    fn step(&mut self) -> Result<(), PublishError> {
        if !self.confirmed {
            self.confirm()?;
        }
        self.integrate()?;
        self.publish()?;
        self.list()
    }

    /// Takes in what is pending now. What comes meanwhile is for the next step: appends that never pause do not keep what is
    /// in the tree from being published.
    fn integrate(&self) -> Result<(), LogError> {
        let mut due = self.log.pending().0;
        while due > 0 && self.log.integrate(due.min(INTEGRATE_MAX))?.is_some() {
            due = due.saturating_sub(INTEGRATE_MAX);
        }
        Ok(())
    }

    /// Has the witnesses cosign what this log begins with, before it signs anything else: a log whose files were brought back
    /// from a backup would sign a second tree of a size that it has forgotten, and the witnesses have not. Receipts are
    /// taken meanwhile.
    fn confirm(&mut self) -> Result<(), PublishError> {
        if !self.policy.satisfied_by(|_| false) {
            let committed = self.log.committed();
            let cosigned = self.cosigned(committed, |_| false)?;
            // It is not shown: dated today, it would say that receipts which are pending since before are not in the log.
            self.policy.check(&cosigned)?;
        }
        self.confirmed = true;
        Ok(())
    }

    /// Publishes what is committed and not published, with its quorum. After a crash between the two, that is the first
    /// thing that is done.
    fn publish(&mut self) -> Result<(), PublishError> {
        let committed = self.log.committed();
        let size = committed.checkpoint().size();
        // One that was published under another policy may lack this one's quorum.
        let counts = |published: SignedCheckpoint| {
            published.checkpoint().size() == size && self.policy.check(&published).is_ok()
        };
        if self.log.published().is_some_and(counts) {
            return Ok(());
        }
        let policy = self.policy.clone();
        let cosigned = self.cosigned(committed, |head| policy.check(head).is_ok())?;
        self.policy.check(&cosigned)?;
        Ok(self.log.publish(&cosigned)?)
    }

    fn cosigned(
        &mut self,
        committed: SignedCheckpoint,
        enough: impl Fn(&SignedCheckpoint) -> bool,
    ) -> Result<SignedCheckpoint, PublishError> {
        let cosigned = self.witnesses.cosign(&self.log, committed, enough);
        // A quorum that has seen more than this log has: it is this log that was rolled back, and what it signs now would
        // be a second story.
        let needed = !self.policy.satisfied_by(|_| false);
        let ahead = self.policy.satisfied_by(|key| self.witnesses.is_ahead(key));
        // What a witness says of its size is not signed: as long as the others are a quorum, it may be the one that lies.
        let others = self
            .policy
            .satisfied_by(|key| !self.witnesses.is_ahead(key));
        if needed && ahead && !others {
            let reason = "a quorum of witnesses has cosigned another or a larger tree";
            self.log.stop(reason);
            let reason = reason.to_owned();
            return Err(LogError::Stopped { reason }.into());
        }
        Ok(cosigned)
    }

    /// Brings the catalog up to the published tree.
    fn list(&self) -> Result<(), PublishError> {
        let origin = self.log.origin().as_str();
        let size = self
            .log
            .published()
            .map_or(0, |head| head.checkpoint().size());
        loop {
            let from = self.catalog.progress(origin)?;
            if from >= size {
                return Ok(());
            }
            let to = size.min(from + ROWS_MAX);
            let leaves = self.log.entries(from, to)?;
            let rows: Vec<_> = (from..)
                .zip(&leaves)
                .map(|(index, leaf)| self.row(index, leaf))
                .collect();
            self.catalog.insert(&rows)?;
        }
    }

    fn row(&self, index: u64, leaf: &[u8]) -> CatalogRow {
        let receipt = SignedReceipt::from_bytes(leaf);
        let receipt = receipt.expect("only receipts that were read or signed here enter the log");
        CatalogRow::of(self.log.origin().as_str(), index, &receipt)
    }
}
