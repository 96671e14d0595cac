//! A node's own log while it runs: appends in groups, integrates in steps, gathers cosignatures, publishes.
//!
//! Enters: leaves, from any number of callers. Leaves: places once they are durable; checkpoints with their quorum.
//! Refuses: more than fits, and everything once the log has stopped.
//!
//! Two threads of its own: the *appender* writes what waits as one group, the *publisher* does all that comes after.
//! Neither holds the other up.

mod appender;
mod publisher;
mod witnesses;

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::Sender;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tenzik_log::policy::Policy;
use tenzik_log::{Leaf, LeafError, LeafRules, Log, LogError, Place, Placed};
use tenzik_receipt::{LogPromise, ReceiptId, SignedReceipt, Timestamp, Verifier};
use tenzik_store::Catalog;
use tenzik_store::sql::SqlError;
use tokio::sync::oneshot;

use crate::federation::Client;
use crate::sink::{self, BoxFuture, ReceiptSink, SinkError};
use crate::system;

pub use appender::AppendError;
pub use publisher::{PublishError, Standing};
pub use witnesses::{AskError, WitnessWord};

/// How a node's log is run.
#[derive(Clone, Debug)]
pub struct LogServiceConfig {
    /// Which receipts it takes.
    pub rules: LeafRules,
    /// Which witnesses must have cosigned a checkpoint before it is published; those with a URL are asked.
    pub policy: Policy,
    /// How long after its signature a receipt is in the published tree at the latest. It is promised in each receipt.
    pub merge_delay_s: u64,
    /// How often what was appended is integrated, in milliseconds.
    pub integrate_ms: u64,
    /// How many appends may wait.
    pub waiting_max: usize,
}

/// A node's own log. A clone is the same log; the last one dropped ends its threads, after what was taken is durable.
#[derive(Clone)]
pub struct LogService(Arc<Inner>);

/// A figure of `/metrics`.
type Figure = Gauge<u64, AtomicU64>;

/// The figures of a log that are written when they are asked for.
#[derive(Clone, Default)]
pub(crate) struct Figures {
    /// Entries of the published log.
    pub(crate) entries: Figure,
    /// Durable entries that are not in the tree yet.
    pub(crate) pending: Figure,
    /// For how long nothing could be published.
    pub(crate) unpublished_s: Figure,
}

/// What is left to do when a log ends.
struct Ending {
    stop: Option<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

struct Inner {
    log: Arc<Log>,
    config: LogServiceConfig,
    standing: Arc<publisher::State>,
    jobs: RwLock<Option<Sender<appender::Job>>>,
    ending: Mutex<Ending>,
    count: OnceLock<Figures>,
}

/// Why a log is not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogServiceError {
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] SqlError),
    /// What it is set up with.
    #[error("{what}")]
    Config {
        /// What is wrong.
        what: &'static str,
    },
    /// No thread.
    #[error("no thread for the log: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why a receipt was not appended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// It did not become durable, or nobody knows.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It is no leaf of this log: the caller's fault.
    #[error(transparent)]
    Leaf(#[from] LeafError),
}

impl LogService {
    /// Runs a log. What is pending since its last run is integrated at once.
    ///
    /// # Errors
    /// [`LogServiceError`].
    pub fn start(
        log: Log,
        catalog: Catalog,
        client: Client,
        config: LogServiceConfig,
    ) -> Result<Self, LogServiceError> {
        check(&log, &config)?;
        let log = Arc::new(log);
        let (jobs, appended) = crossbeam_channel::bounded(config.waiting_max);
        let (stop, stopped) = crossbeam_channel::bounded(0);
        let standing = Arc::new(publisher::State::new());
        let appender = {
            let log = Arc::clone(&log);
            named("log-append", Arc::clone(&log), move || {
                appender::run(&log, &appended);
            })?
        };
        let publisher = publisher::Publisher::new(
            Arc::clone(&log),
            catalog,
            client,
            &config,
            Arc::clone(&standing),
        );
        let publisher = named("log-publish", Arc::clone(&log), move || {
            publisher.run(&stopped);
        })?;
        Ok(Self(Arc::new(Inner {
            log,
            config,
            standing,
            jobs: RwLock::new(Some(jobs)),
            ending: Mutex::new(Ending {
                stop: Some(stop),
                threads: vec![appender, publisher],
            }),
            count: OnceLock::new(),
        })))
    }

    /// The log itself, to read from.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// Which receipts it takes.
    pub fn rules(&self) -> &LeafRules {
        &self.0.config.rules
    }

    /// The policy that its published checkpoints satisfy.
    pub fn policy(&self) -> &Policy {
        &self.0.config.policy
    }

    /// How the last publication went, and what each witness said.
    pub fn standing(&self) -> Standing {
        self.0.standing.get()
    }

    /// What a receipt that is signed now promises.
    pub fn promise_at(&self, now: Timestamp) -> LogPromise {
        LogPromise {
            merge_by: now.plus_seconds(self.0.config.merge_delay_s),
            origin: self.0.log.origin().label(),
        }
    }

    /// Whether receipts can be taken now.
    ///
    /// # Errors
    /// Why not, in words that anyone may read. The reason behind them is in the node's log lines and in
    /// [`standing`](Self::standing).
    pub fn ready(&self) -> Result<(), &'static str> {
        if self.0.log.stopped().is_some() {
            return Err("the log has stopped");
        }
        // A log that is late does not promise more.
        let late = self.0.log.pending().1.zip(system::now().ok());
        if let Some((merge_by, now)) = late
            && merge_by < now
        {
            return Err("what was promised to be in the log by now is not published");
        }
        // Nor does one that would be late with what it promises now, as things are.
        if self.0.standing.unwell_for() > Duration::from_secs(self.0.config.merge_delay_s) / 2 {
            return Err("nothing could be published for half of the merge delay");
        }
        Ok(())
    }

    /// Why nothing is promised, with the reason, which is for the operator.
    fn unready(&self, why: &str) -> SinkError {
        let failure = self.standing().failure;
        let reason = self.0.log.stopped().or(failure.as_deref());
        let why = match reason {
            Some(reason) => format!("{why}: {reason}"),
            None => why.to_owned(),
        };
        SinkError::Now { why }
    }

    /// Appends a receipt that this process has just signed. It is durable when this returns.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn add_sealed(&self, receipt: &SignedReceipt) -> Result<Placed, AddError> {
        let leaf = self.rules().sealed(receipt)?;
        Ok(self.append(leaf)?.await.map_err(|_| AppendError::Lost)??)
    }

    /// Appends a receipt that somebody hands in. It is durable when this returns.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn add(&self, bytes: &[u8], at: Timestamp) -> Result<(ReceiptId, Placed), AddError> {
        let (leaf, receipt) = self
            .rules()
            .read(bytes, at, &mut Verifier::remembering(0))?;
        let placed = self.append(leaf)?.await.map_err(|_| AppendError::Lost)??;
        Ok((receipt.id(), placed))
    }

    /// Puts a leaf into the next group. What comes back is ready when it is durable.
    ///
    /// # Errors
    /// [`AppendError::Busy`] if too many wait.
    pub fn append(
        &self,
        leaf: Leaf,
    ) -> Result<oneshot::Receiver<Result<Placed, AppendError>>, AppendError> {
        let (answer, placed) = oneshot::channel();
        let jobs = self.0.jobs.read().unwrap_or_else(PoisonError::into_inner);
        match jobs
            .as_ref()
            .ok_or(AppendError::Lost)?
            .try_send(appender::Job { leaf, answer })
        {
            Ok(()) => Ok(placed),
            Err(crossbeam_channel::TrySendError::Full(_)) => Err(AppendError::Busy),
            Err(crossbeam_channel::TrySendError::Disconnected(_)) => Err(AppendError::Lost),
        }
    }

    /// Takes no more, and ends the log's threads after what was taken is durable and integrated. Blocks.
    pub fn close(&self) {
        self.0.close();
    }

    /// Where to write the figures.
    pub(crate) fn count(&self, figures: Figures) {
        // A log is counted in one place; a second one would show nothing new.
        let _ = self.0.count.set(figures);
    }

    /// How many tries to publish failed.
    pub(crate) fn failures(&self) -> Counter {
        self.0.standing.failures.clone()
    }

    /// Writes the figures. Called when they are asked for.
    pub(crate) fn recount(&self) {
        if let Some(figures) = self.0.count.get() {
            let published = self.0.log.published();
            let entries = published.map_or(0, |head| head.checkpoint().size());
            figures.entries.set(entries);
            figures.pending.set(self.0.log.pending().0 as u64);
            let unwell_for = self.0.standing.unwell_for();
            figures.unpublished_s.set(unwell_for.as_secs());
        }
    }

    /// Where a receipt stands.
    ///
    /// # Errors
    /// The storage's.
    pub fn find(&self, id: &ReceiptId) -> Result<Option<Place>, LogError> {
        Ok(self.0.log.find(id)?)
    }
}

impl Inner {
    /// The appender ends when it has written what was sent; the publisher then integrates a last time.
    fn close(&self) {
        let jobs = self
            .jobs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(jobs);
        let mut ending = self.ending.lock().unwrap_or_else(PoisonError::into_inner);
        let Ending { stop, threads } = &mut *ending;
        let mut threads = threads.drain(..);
        if let Some(appender) = threads.next() {
            let _ = appender.join();
        }
        drop(stop.take());
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn check(log: &Log, config: &LogServiceConfig) -> Result<(), LogServiceError> {
    if config.rules.origin() != log.origin() {
        let what = "the log's rules are those of another origin";
        return Err(LogServiceError::Config { what });
    }
    if config.integrate_ms.saturating_mul(2) > config.merge_delay_s.saturating_mul(1_000) {
        let what = "the merge delay is shorter than two integrations take";
        return Err(LogServiceError::Config { what });
    }
    let known = config.policy.logs();
    if !known.is_empty() && !known.iter().any(|known| known.key == *log.verifier()) {
        let what = "the witness policy names logs, and this one is not among them";
        return Err(LogServiceError::Config { what });
    }
    Ok(())
}

/// A thread of a log's. If it panics the log stops: without it nothing that is answered would ever be published.
fn named(
    name: &str,
    log: Arc<Log>,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err();
        if died {
            log.stop("one of its threads panicked");
        }
    })
}

impl ReceiptSink for LogService {
    fn promise(&self, now: Timestamp) -> Result<LogPromise, SinkError> {
        self.ready().map_err(|why| self.unready(why))?;
        Ok(self.promise_at(now))
    }

    fn accept<'a>(
        &'a self,
        receipt: &'a SignedReceipt,
    ) -> BoxFuture<'a, Result<sink::Placed, SinkError>> {
        Box::pin(async move {
            let placed = self.add_sealed(receipt).await;
            let placed = placed.map_err(|error| {
                let why = error.to_string();
                match error {
                    AddError::Append(AppendError::Busy | AppendError::Unread { .. }) => {
                        SinkError::Now { why }
                    }
                    _ => SinkError::Ever { why },
                }
            })?;
            let index = placed.index;
            Ok(sink::Placed { index })
        })
    }
}
