//! What all routes share.
//!
//! Enters: a configuration. Leaves: [`Parts`], which other parts are added to, and then [`Node`], which nothing is added to.
//! Refuses: keys, callers and directories that cannot be used.

use std::fs::{self, File, TryLockError};
use std::io;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tenzik::backend::Backend;
use tenzik::receipts::Sealer;
use tenzik_log::Visibility;
use tenzik_receipt::{Epoch, PublicKey, SignError};
use tenzik_store::{Catalog, Records};
use tokio::sync::Semaphore;

use crate::audit::{
    self, AuditError, Auditor, AuditorParts, Audits, EvidenceStore, EvidenceStoreError,
};
use crate::blobs::{BlobError, Blobs, HeldCapsules};
use crate::callers::{Callers, CallersError};
use crate::config::NodeConfig;
use crate::executions::{Executions, ExecutionsError};
use crate::federation::peers::PEERS_MAX;
use crate::federation::{
    Client, Figures, Findings, FollowConfig, FollowError, Follower, Peers, Witness,
};
use crate::files;
use crate::keys::{KeyError, Keys};
use crate::log::LogService;
use crate::metrics::Metrics;
use crate::quota::{Limiter, Quotas};
use crate::runner::{Runner, RunnerError};
use crate::server::room;
use crate::setup::{self, SetupError};
use crate::sink::{BoxFuture, CapsuleSource, ReceiptSink};
use crate::system::{self, SystemError};
use crate::text;
use crate::tidings::{Everywhere, Housekeeper, Tidings};

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The callers file.
    #[error(transparent)]
    Callers(#[from] CallersError),
    /// Another process has the directory.
    #[error("another process has {}", text::path(path))]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be used.
    #[error("{} cannot be used: {error}", text::path(path))]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Audits.
    #[error("audits: {0}")]
    Audit(#[from] AuditError),
    /// Blobs.
    #[error("blobs: {0}")]
    Blobs(#[from] BlobError),
    /// Evidence.
    #[error("evidence: {0}")]
    Evidence(#[from] EvidenceStoreError),
    /// Programs.
    #[error(transparent)]
    Executions(#[from] ExecutionsError),
    /// No thread.
    #[error("no thread: {0}")]
    Thread(#[from] io::Error),
    /// Following peers.
    #[error(transparent)]
    Follow(#[from] FollowError),
    /// The engine.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// Others may enter the directory. A node does not tighten it: they may have open what is in it.
    #[error(
        "others than its owner may enter {}: its mode has the bits {bits:03o}; look who has been in it, and chmod 700 it",
        text::path(path)
    )]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// The bits too many.
        bits: u32,
    },
    /// The receipt key.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Log, witness or peers.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Clock or chance.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// The most searches of the catalog at once.
const SEARCHES_MAX: usize = 4;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;
type Step = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// The parts of a node, while it is put together. A later part is another field, set to nothing in [`Parts::open`].
///
/// Nothing is asked of peers before [`Parts::follow`].
pub struct Parts {
    /// The configuration.
    pub config: NodeConfig,
    /// How often.
    pub quotas: Quotas,
    /// What is counted.
    pub metrics: Metrics,
    /// The engine.
    pub runner: Runner,
    /// The node's own log. Absent: it keeps none.
    pub log: Option<LogService>,
    /// This node as a witness. Absent: it is none.
    pub witness: Option<Arc<Witness>>,
    /// How often each log may ask the witness.
    pub(crate) witnessed: Limiter<String>,
    /// Whose logs are followed.
    pub peers: Peers,
    /// What follows them. Absent: there are no peers, or [`Parts::follow`] was not called.
    pub follower: Option<Arc<Follower>>,
    /// How following goes.
    pub(crate) figures: Figures,
    /// Small documents.
    pub records: Records,
    /// Receipts of the own log and of peers' to search.
    pub catalog: Catalog,
    /// What is told about peers that lie. Set it before [`Parts::follow`].
    pub findings: Arc<dyn Findings>,
    /// Where receipts go before their callers get them. Absent: nowhere, and they promise no log.
    pub sink: Option<Arc<dyn ReceiptSink>>,
    /// Capsules that can be run by their digest. Absent: none can.
    pub capsules: Option<Arc<dyn CapsuleSource>>,
    /// Programs. Absent: none are run.
    pub executions: Option<Arc<Executions>>,
    /// Blobs. Absent: none are kept.
    pub blobs: Option<Arc<Blobs>>,
    /// Audits. Absent: none are done.
    pub audits: Option<Arc<Audits>>,
    /// Room for bodies, in KiB.
    pub(crate) bodies: Arc<Semaphore>,
    /// Room for bodies of callers without a name, in KiB.
    pub(crate) strangers: Arc<Semaphore>,
    /// Room for tiles on their way to callers without a name, in KiB.
    pub(crate) answers: Arc<Semaphore>,
    /// Searches of the catalog that run.
    pub(crate) searches: Arc<Semaphore>,
    client: Client,
    evidence: Arc<EvidenceStore>,
    tidings: Arc<Tidings>,
    callers: RwLock<Arc<Callers>>,
    readiness: Vec<(&'static str, Check)>,
    closing: Mutex<Vec<(&'static str, Step)>>,
    stopping: AtomicBool,
    /// Held as long as the node is there.
    _lock: File,
}

/// A node: what all routes share. A clone is the same node.
#[derive(Clone)]
pub struct Node(Arc<Parts>);

impl Parts {
    /// Reads what the configuration names, and starts the engine.
    ///
    /// # Errors
    /// [`NodeError`].
    pub fn open(config: NodeConfig) -> Result<Self, NodeError> {
        let lock = lock(&config)?;
        let keys = Keys::read(&config.keys)?;
        let callers = read_callers(&config)?;
        let sealer = Sealer::new(keys.receipt, Epoch::from_bytes(*system::random()?))?;
        let node = sealer.node();
        let kept = setup::open(&config, node, keys.checkpoint, keys.witness)?;
        let runs = &config.runs;
        let (security, runtime) = (runs.security(), runs.runtime());
        let evidence = config.data_dir.join("evidence");
        let evidence = Arc::new(EvidenceStore::open(evidence, kept.records.clone())?);
        let blobs = config.data_dir.join("blobs");
        let blobs = Arc::new(Blobs::open(blobs, kept.records.clone(), config.blobs)?);
        let tidings = Arc::new(Tidings::new(Arc::clone(&evidence)));
        let mut parts = Self {
            callers: RwLock::new(Arc::new(callers)),
            quotas: Quotas::new(&config.quotas),
            metrics: Metrics::new(),
            runner: Runner::new(&security, &runtime, runs.queue(), sealer)?,
            sink: kept
                .log
                .clone()
                .map(|log| Arc::new(log) as Arc<dyn ReceiptSink>),
            log: kept.log,
            witness: kept.witness.map(Arc::new),
            witnessed: Limiter::new(config.federation.add_checkpoint, PEERS_MAX as u32),
            follower: None,
            figures: Figures::default(),
            findings: Arc::clone(&tidings) as Arc<dyn Findings>,
            peers: kept.peers,
            records: kept.records,
            catalog: kept.catalog,
            capsules: Some(Arc::new(HeldCapsules(Arc::clone(&blobs)))),
            executions: None,
            blobs: Some(blobs),
            audits: None,
            bodies: room(config.limits.bodies_bytes_max),
            strangers: room(config.limits.strangers_bytes_max),
            answers: room(config.limits.answers_bytes_max),
            searches: Arc::new(Semaphore::new(SEARCHES_MAX)),
            client: kept.client,
            evidence,
            tidings,
            readiness: Vec::new(),
            closing: Mutex::new(Vec::new()),
            stopping: AtomicBool::new(false),
            _lock: lock,
            config,
        };
        parts.tend_log();
        Ok(parts)
    }

    /// The log shows whether it is ready, is counted, and ends in order.
    fn tend_log(&mut self) {
        let Some(log) = self.log.clone() else {
            return;
        };
        let asked = log.clone();
        self.readiness("log", move || asked.ready().map_err(str::to_owned));
        let figures = crate::log::Figures::default();
        for (name, help, figure) in [
            (
                "log_entries",
                "Entries of the published log",
                &figures.entries,
            ),
            (
                "log_pending",
                "Durable entries that are not in the tree yet",
                &figures.pending,
            ),
            (
                "log_unpublished_seconds",
                "Since all that was durable was last published",
                &figures.unpublished_s,
            ),
        ] {
            self.metrics.register(name, help, figure.clone());
        }
        self.metrics.register(
            "log_publish_failures",
            "Tries to publish that failed",
            log.failures(),
        );
        log.count(figures);
        self.on_closing("log", move || async move {
            // Its threads are waited for, which may take as long as a witness's answer.
            let _ = tokio::task::spawn_blocking(move || log.close()).await;
        });
    }

    /// Runs programs on these backends, as the configuration says. Does nothing where it says nothing of programs.
    ///
    /// # Errors
    /// [`NodeError::Executions`].
    pub fn execute_on(&mut self, backends: Vec<Arc<dyn Backend>>) -> Result<(), NodeError> {
        let Some(config) = self.config.executions.clone() else {
            return Ok(());
        };
        let executions = Executions::new(config, backends, &self.runner, &self.metrics)?;
        let executions = Arc::new(executions);
        self.executions = Some(Arc::clone(&executions));
        self.on_closing(
            "executions",
            move || async move { executions.close().await },
        );
        Ok(())
    }

    /// Follows the peers from now on, if there are any. Called once, after [`findings`](Self::findings) is set.
    ///
    /// # Errors
    /// [`NodeError::Follow`].
    pub fn follow(&mut self) -> Result<(), NodeError> {
        let auditor = self.auditor()?;
        self.start_following()?;
        let places = Everywhere {
            log: self.log.clone(),
            follower: self.follower.clone(),
        };
        let peers = Arc::new(self.peers.clone());
        let evidence = Arc::clone(&self.evidence);
        let audits = Audits::new(auditor, evidence, Arc::new(places), move || {
            Arc::clone(&peers)
        });
        // Whoever puts a node together may have set others.
        self.audits.get_or_insert_with(|| Arc::new(audits));
        Ok(())
    }

    fn auditor(&mut self) -> Result<Arc<Auditor>, NodeError> {
        let auditor = Auditor::open(AuditorParts {
            directory: self.config.data_dir.join("audit"),
            records: self.records.clone(),
            catalog: self.catalog.clone(),
            evidence: Arc::clone(&self.evidence),
            blobs: self.blobs.clone(),
            client: self.client.clone(),
            findings: Arc::clone(&self.tidings) as Arc<dyn audit::Findings>,
            config: self.config.audit,
        })?;
        let auditor = Arc::new(auditor);
        self.metrics.register(
            "audits",
            "Receipts that were to be run again, by what was found",
            auditor.outcomes.clone(),
        );
        self.tidings.audits(&auditor)?;
        let tidings = Arc::clone(&self.tidings);
        self.on_closing("audits", move || async move {
            let _ = tokio::task::spawn_blocking(move || tidings.close()).await;
        });
        if let Some(blobs) = self.blobs.clone() {
            let keeper = Housekeeper::start(blobs, Arc::clone(&auditor))?;
            self.on_closing("tidy", move || async move {
                let _ = tokio::task::spawn_blocking(move || drop(keeper)).await;
            });
        }
        Ok(auditor)
    }

    fn start_following(&mut self) -> Result<(), NodeError> {
        if self.peers.iter().next().is_none() {
            return Ok(());
        }
        let config = FollowConfig {
            directory: self.config.data_dir.join("peers"),
            pull_ms: self.config.federation.pull_ms.into(),
            heartbeat_ms: self.config.federation.heartbeat_ms.into(),
            at_once: self.config.federation.at_once as usize,
        };
        let (records, catalog) = (self.records.clone(), self.catalog.clone());
        let (client, findings) = (self.client.clone(), Arc::clone(&self.findings));
        let follower = Follower::start(&self.peers, records, catalog, client, findings, config)?;
        let follower = Arc::new(follower);
        self.tidings.follows(&follower, &self.peers)?;
        self.follower = Some(Arc::clone(&follower));
        self.figures.register(&self.metrics);
        let asked = Arc::clone(&follower);
        self.readiness("peers", move || asked.ready());
        self.on_closing("peers", move || async move {
            let _ = tokio::task::spawn_blocking(move || follower.close()).await;
        });
        Ok(())
    }

    /// Adds a part to `/readyz`. The check is asked at each request and must not block; what it says is shown to everybody, so it
    /// holds no secret.
    pub fn readiness(
        &mut self,
        part: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.readiness.push((part, Box::new(check)));
    }

    /// Adds a step to the node's end, after the last answer was given. Steps are taken in the reverse order of their coming, one
    /// after the other. A crash before or in a step is a crash of the node: what was answered is durable without it.
    pub fn on_closing<F>(&mut self, part: &'static str, step: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.closing
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .push((part, Box::new(|| Box::pin(step()))));
    }

    /// Who may do what, now.
    pub fn callers(&self) -> Arc<Callers> {
        // Whoever panicked has replaced the whole or nothing.
        Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads the callers file again. A token that is no longer in it is nobody's from the next request on. If the file is refused,
    /// the callers stay as they were.
    ///
    /// # Errors
    /// [`CallersError`].
    pub fn reload_callers(&self) -> Result<(), CallersError> {
        let callers = Arc::new(read_callers(&self.config)?);
        *self.callers.write().unwrap_or_else(PoisonError::into_inner) = callers;
        Ok(())
    }

    /// Where a receipt goes before its caller gets it, if it may stand in the log. In a public one an open receipt needs the
    /// requester's leave; in a private one every run is found, also one that somebody would rather not have there.
    pub(crate) fn sink_for(&self, is_private: bool, public: bool) -> Option<Arc<dyn ReceiptSink>> {
        let visibility = self.log.as_ref().map(|log| log.rules().visibility());
        let may = is_private || public || visibility == Some(Visibility::Private);
        self.sink.clone().filter(|_| may)
    }

    /// The key that signs receipts.
    pub fn receipt_key(&self) -> PublicKey {
        self.runner.node()
    }

    /// The room that bodies take now.
    pub(crate) fn bodies_bytes(&self) -> u64 {
        let limits = &self.config.limits;
        let taken = |all: u64, free: &Semaphore| {
            let free = free.available_permits() as u64;
            (all / 1_024).saturating_sub(free) * 1_024
        };
        let programs = self.executions.as_ref().map_or(0, |executions| {
            let all = executions.config().bodies_bytes_max;
            taken(all, executions.bodies())
        });
        taken(limits.bodies_bytes_max, &self.bodies)
            + taken(limits.strangers_bytes_max, &self.strangers)
            + programs
    }

    /// Each part with why it is not ready, or nothing if it is.
    pub(crate) fn ready(&self) -> Vec<(&'static str, Result<(), String>)> {
        let serving = match self.stopping.load(Ordering::Relaxed) {
            true => Err("the node is stopping".to_owned()),
            false => Ok(()),
        };
        let parts = self.readiness.iter().map(|(part, check)| (*part, check()));
        std::iter::once(("node", serving)).chain(parts).collect()
    }

    pub(crate) fn begin_stopping(&self) {
        self.executions
            .iter()
            .for_each(|executions| executions.stop());
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Takes the closing steps.
    pub(crate) async fn close(&self) {
        loop {
            let step = self
                .closing
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some((part, step)) = step else {
                return;
            };
            step().await;
            tracing::info!(part, "closed");
        }
    }
}

impl Node {
    /// Parts to which nothing is added any more.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for Node {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

fn read_callers(config: &NodeConfig) -> Result<Callers, CallersError> {
    let callers = config.callers.as_deref().map(Callers::read);
    let callers = callers.transpose()?.unwrap_or_default();
    let asked = config.tls.as_ref().and_then(|tls| tls.client_ca.as_ref());
    match callers.any_with_certificate() {
        Some(name) if asked.is_none() => Err(CallersError::Certificate { name }),
        _ => Ok(callers),
    }
}

/// Makes the directory and takes its lock. The system gives the lock back when the process ends, however it does.
fn lock(config: &NodeConfig) -> Result<File, NodeError> {
    let path = &config.data_dir;
    let failed = |error| NodeError::Io {
        path: path.clone(),
        error,
    };
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed)?;
    // Inputs, the audit secret and the database are below it with whatever modes they have: this one keeps others out.
    let bits = files::open_to_others(&File::open(path).map_err(failed)?).map_err(failed)?;
    if bits != 0 {
        let path = path.clone();
        return Err(NodeError::OpenToOthers { path, bits });
    }
    let file = File::create(path.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(NodeError::InUse { path: path.clone() }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
