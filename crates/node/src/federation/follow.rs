//! Following peers: each is pulled in its turn, and what it shows is remembered.
//!
//! Enters: peers, and time that passes. Leaves: mirrors that grow, rows of the catalog, evidence, each peer's state.
//! Refuses: to go on with a peer that signed two stories, until an operator says so.

mod figures;
mod promises;
mod record;
mod turns;
mod unsure;

use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tenzik_log::evidence::Evidence;
use tenzik_receipt::SignedReceipt;
use tenzik_store::sql::SqlError;
use tenzik_store::{Catalog, CatalogRow, DiskStorage, Records, RecordsError};

use super::client::Client;
use super::mirror::{Doubts, Mirror, MirrorReader, PullError, Pulled, Source};
use super::peers::{Peer, PeerName, Peers};
use crate::documents::DocumentError;
use crate::{files, system};

pub(crate) use figures::Figures;
pub use record::{PeerRecord, Standing};
use turns::Turns;
use unsure::Unsure;

/// How many steps of a pull are taken before another peer has its turn.
const STEPS_MAX: usize = 8;
/// How long a turn may take: a peer that drips does not keep its thread from the others.
const TURN_MAX: Duration = Duration::from_secs(60);
/// The longest wait after failures in a row.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// The most bytes of a file with a token.
const TOKEN_BYTES_MAX: u64 = 4_096;
/// Why a peer is frozen that split its view.
const TWO_TREES: &str = "it signed two trees";

/// What is done with what a peer shows. Called on the follower's threads, one call at a time for a peer; it may block.
pub trait Findings: Send + Sync {
    /// Keeps evidence, durably, and gives the name by which it is found again.
    ///
    /// # Errors
    /// Why it could not; the peer is frozen all the same.
    fn keep(&self, peer: &Peer, evidence: &Evidence) -> Result<String, String>;

    /// The mirror was pulled, and what it holds from this index on is new; called also if nothing is.
    fn grown(&self, mirror: &Mirror, from: u64);
}

/// How peers are followed.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// Where mirrors are kept, a directory for each peer.
    pub directory: PathBuf,
    /// How often each peer is asked, in milliseconds.
    pub pull_ms: u64,
    /// How often a peer is told that this node lives, in milliseconds.
    pub heartbeat_ms: u64,
    /// How many peers are asked at once.
    pub at_once: usize,
}

/// Threads that follow peers. Dropping it ends them after the steps that they are at.
pub struct Follower {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    peers: Vec<Peer>,
    /// Opened at a peer's first turn: a node with many peers starts at once. Held for the length of a turn.
    mirrors: Vec<Mutex<Option<Mirror>>>,
    /// What the mirrors hold, once they are open. Held for moments: those who read do not wait for turns.
    readers: Vec<Mutex<Option<MirrorReader>>>,
    /// Held for moments: those who ask how peers stand do not wait for turns.
    states: Vec<Mutex<PeerRecord>>,
    /// When each was last told that this node lives.
    greeted: Mutex<Vec<Option<Instant>>>,
    turns: Turns,
    /// Threads that are there.
    alive: AtomicUsize,
    records: Records,
    catalog: Catalog,
    client: Client,
    findings: Arc<dyn Findings>,
    config: FollowConfig,
}

/// Why a turn came to nothing.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("the catalog: {0}")]
    Catalog(#[from] SqlError),
    #[error("the clock: {0}")]
    Clock(#[from] system::SystemError),
    #[error("what is remembered of it: {0}")]
    Document(#[from] DocumentError),
    #[error("the mirror: {0}")]
    Mirror(#[from] super::mirror::MirrorError),
    #[error(transparent)]
    Pull(#[from] PullError),
    #[error("the records: {0}")]
    Records(#[from] RecordsError),
    #[error("the mirror's storage: {0}")]
    Storage(#[from] tenzik_log::StorageError),
    #[error("the mirror: {0}")]
    Tree(#[from] tenzik_log::tree::TreeError),
}

/// Why peers are not followed, or a peer's state was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// There is no peer of this name.
    #[error("no peer has this name")]
    NoSuchPeer,
    /// The records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// No thread.
    #[error("no thread to follow peers: {0}")]
    Thread(#[from] std::io::Error),
}

impl Follower {
    /// Follows peers from where their records and mirrors are.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn start(
        peers: &Peers,
        records: Records,
        catalog: Catalog,
        client: Client,
        findings: Arc<dyn Findings>,
        config: FollowConfig,
    ) -> Result<Self, FollowError> {
        let peers: Vec<_> = peers.iter().cloned().collect();
        let states: Result<Vec<_>, _> = peers
            .iter()
            .map(|peer| PeerRecord::load(&records, &peer.name).map(Mutex::new))
            .collect();
        let shared = Arc::new(Shared {
            greeted: Mutex::new(vec![None; peers.len()]),
            turns: Turns::new(peers.len()),
            alive: AtomicUsize::new(0),
            mirrors: peers.iter().map(|_| Mutex::new(None)).collect(),
            readers: peers.iter().map(|_| Mutex::new(None)).collect(),
            states: states?,
            peers,
            records,
            catalog,
            client,
            findings,
            config,
        });
        let worker = |number| {
            let alive = Alive::new(&shared);
            let name = format!("follow-{number}");
            thread::Builder::new()
                .name(name)
                .spawn(move || alive.0.work())
        };
        let count = shared.config.at_once.min(shared.peers.len());
        let threads = (0..count).map(worker).collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Ends the threads after the steps that they are at. Blocks.
    pub fn close(&self) {
        self.shared.turns.stop();
        for thread in lock(&self.threads).drain(..) {
            let _ = thread.join();
        }
    }

    /// Whether all threads are there that follow peers.
    ///
    /// # Errors
    /// How many are missing.
    pub fn ready(&self) -> Result<(), String> {
        let wanted = self.shared.config.at_once.min(self.shared.peers.len());
        match wanted.saturating_sub(self.threads_alive()) {
            0 => Ok(()),
            ended => Err(format!(
                "{ended} of {wanted} threads that follow peers have ended"
            )),
        }
    }

    fn threads_alive(&self) -> usize {
        self.shared.alive.load(Ordering::Relaxed)
    }

    /// Every peer's state, in the file's order.
    pub fn records(&self) -> Vec<(PeerName, PeerRecord)> {
        let peers = self.shared.peers.iter().zip(&self.shared.states);
        peers
            .map(|(peer, state)| (peer.name.clone(), lock(state).clone()))
            .collect()
    }

    /// A peer's state.
    pub fn record(&self, name: &PeerName) -> Option<PeerRecord> {
        let at = self.place(name)?;
        Some(lock(&self.shared.states[at]).clone())
    }

    /// The canonical receipt at an index of a peer's log; `None` if it is not here. Nobody waits for what a slow
    /// peer holds up.
    ///
    /// # Errors
    /// [`TreeError`](tenzik_log::tree::TreeError).
    pub fn entry(
        &self,
        origin: &str,
        index: u64,
    ) -> Result<Option<Vec<u8>>, tenzik_log::tree::TreeError> {
        let mut peers = self.shared.peers.iter();
        let at = peers.position(|peer| peer.origin().as_str() == origin);
        let Some(at) = at else {
            return Ok(None);
        };
        let reader = lock(&self.shared.readers[at]).clone();
        let held = reader.filter(|reader| index < reader.size());
        held.map(|reader| reader.entry(index)).transpose()
    }

    /// Changes what is remembered of a peer, durably.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn change(
        &self,
        name: &PeerName,
        change: impl FnOnce(&mut PeerRecord),
    ) -> Result<PeerRecord, FollowError> {
        let at = self.place(name).ok_or(FollowError::NoSuchPeer)?;
        let record = {
            let mut state = lock(&self.shared.states[at]);
            let mut record = state.clone();
            change(&mut record);
            record.save(&self.shared.records, name)?;
            state.clone_from(&record);
            record
        };
        self.shared.turns.now(at);
        Ok(record)
    }

    fn place(&self, name: &PeerName) -> Option<usize> {
        let mut peers = self.shared.peers.iter();
        peers.position(|peer| peer.name == *name)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.close();
    }
}

/// Counts a thread for as long as it is there, however it ends.
struct Alive(Arc<Shared>);

impl Alive {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.alive.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    fn work(&self) {
        while let Some(at) = self.turns.take() {
            let turn = panic::catch_unwind(AssertUnwindSafe(|| self.turn(at)));
            let wait = turn.unwrap_or_else(|_| self.panicked(at));
            self.turns.give_back(at, wait);
        }
    }

    /// A fault of this node's that one peer brings about does not keep the others from their turns, nor that peer from its
    /// next one. Nobody knows where it left the mirror in memory: it is opened anew.
    fn panicked(&self, at: usize) -> Duration {
        self.forsake(at, &mut lock(&self.mirrors[at]));
        let name = &self.peers[at].name;
        tracing::error!(peer = %name, "its turn ended in a panic");
        self.note(at, |record| {
            record.failed("this node's own fault: a panic", false)
        });
        if let Err(error) = lock(&self.states[at]).save(&self.records, name) {
            tracing::error!(peer = %name, %error, "its state was not written");
        }
        self.wait_after_failures(at)
    }

    /// One peer's turn. How long until its next one.
    fn turn(&self, at: usize) -> Duration {
        let every = Duration::from_millis(self.config.pull_ms);
        let before = lock(&self.states[at]).clone();
        if before.standing != Standing::Active {
            // It is not asked, but what is here of it can be read.
            if let Err(error) = self.opened(at, &mut lock(&self.mirrors[at])) {
                tracing::warn!(peer = %self.peers[at].name, %error, "its mirror is not opened");
            }
            return WAIT_MAX;
        }
        let wait = match self.pull(at, &mut lock(&self.mirrors[at])) {
            Ok(true) => Duration::ZERO,
            Ok(false) => {
                self.note(at, PeerRecord::succeeded);
                every
            }
            Err(error) => self.failed(at, &error),
        };
        let state = lock(&self.states[at]);
        let name = &self.peers[at].name;
        if *state != before
            && let Err(error) = state.save(&self.records, name)
        {
            // It is written at the next change; the mirror itself is durable.
            tracing::error!(peer = %name, %error, "its state was not written");
        }
        wait
    }

    fn note(&self, at: usize, change: impl FnOnce(&mut PeerRecord)) {
        change(&mut lock(&self.states[at]));
    }

    /// Takes some steps. Whether there is more.
    fn pull(&self, at: usize, held: &mut Option<Mirror>) -> Result<bool, TurnError> {
        self.opened(at, held)?;
        let peer = &self.peers[at];
        let token = peer.token_file.as_deref().map(token).transpose();
        // A public log is shown to everybody; a private one refuses, and that is told as the peer's failure.
        let token = token.unwrap_or_else(|error| {
            tracing::warn!(peer = %peer.name, %error, "its token is not read");
            None
        });
        if let Some(token) = &token {
            self.greet(at, token);
        }
        let done = self.steps(at, held.as_mut().expect("it was opened"), token);
        if matches!(done, Err(TurnError::Pull(PullError::Storage(_)))) {
            // After a failed write nobody knows what is there: it is opened anew at the next turn.
            self.forsake(at, held);
        }
        done
    }

    fn opened(&self, at: usize, held: &mut Option<Mirror>) -> Result<(), TurnError> {
        if held.is_none() {
            let mirror = self.open(&self.peers[at])?;
            *lock(&self.readers[at]) = Some(mirror.reader());
            *held = Some(mirror);
        }
        Ok(())
    }

    /// Lets go of a mirror. Who reads it still keeps its directory, and then it cannot be opened before a later turn.
    fn forsake(&self, at: usize, held: &mut Option<Mirror>) {
        *lock(&self.readers[at]) = None;
        *held = None;
    }

    /// Tells the peer that this node lives, if it is time and the peer takes it. That it does not hear is no failure of its
    /// log's.
    fn greet(&self, at: usize, token: &str) {
        let peer = &self.peers[at];
        let Some(api) = &peer.api else {
            return;
        };
        let mut greeted = lock(&self.greeted);
        let every = Duration::from_millis(self.config.heartbeat_ms);
        if greeted[at].is_some_and(|last| last.elapsed() < every) {
            return;
        }
        greeted[at] = Some(Instant::now());
        drop(greeted);
        let url = format!("{api}/v1/peers/heartbeat");
        let sent = self
            .client
            .post(&url, Some(token), "application/json", b"", 64 * 1024);
        match sent.map(|answer| answer.status) {
            Ok(200) => {}
            Ok(status) => tracing::warn!(peer = %peer.name, status, "it does not take heartbeats"),
            Err(error) => tracing::warn!(peer = %peer.name, %error, "it does not take heartbeats"),
        }
    }

    fn steps(
        &self,
        at: usize,
        mirror: &mut Mirror,
        token: Option<String>,
    ) -> Result<bool, TurnError> {
        self.catch_up(at, mirror)?;
        self.reconsider(at, mirror)?;
        let until = Instant::now() + TURN_MAX;
        for _ in 0..STEPS_MAX {
            let url = self.peers[at].url.clone();
            let source = Source::new(self.client.clone(), url, token.clone()).until(until);
            let now = system::now()?;
            let from = mirror.size();
            let pulled = mirror.pull(&source, now);
            self.note(at, |record| record.traffic(source.traffic().received_bytes));
            let pulled = pulled?;
            self.tell_unsure(at, &pulled);
            self.note(at, |record| record.pulled(&pulled, mirror.size(), now));
            self.list(mirror, from, &pulled)?;
            self.convict(at, mirror, &source);
            self.settle(at, mirror, &source)?;
            self.findings.grown(mirror, from);
            let active = lock(&self.states[at]).standing == Standing::Active;
            if !pulled.more || !active || self.turns.is_stopped() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What cannot be judged may be a lie or this node's own file or version: an operator has to look.
    fn tell_unsure(&self, at: usize, pulled: &Pulled) {
        if let Some((index, error)) = pulled.unsure.first() {
            let (peer, leaves) = (&self.peers[at].name, pulled.unsure.len());
            tracing::error!(%peer, leaves, index, %error, "leaves that cannot be judged here; nobody is accused");
        }
    }

    fn open(&self, peer: &Peer) -> Result<Mirror, TurnError> {
        let directory = self.config.directory.join(peer.name.as_str());
        let storage = DiskStorage::at(directory)?;
        let doubts = Doubts::open(self.records.clone(), peer.name.as_str(), &peer.log)?;
        let mirror = Mirror::open(peer.clone(), Arc::new(storage))?;
        Ok(mirror.with_doubts(doubts))
    }

    /// Does what a crash kept from being done: the mirror is durable before the catalog hears of it, and before this node
    /// has written down which of its leaves are bad.
    fn catch_up(&self, at: usize, mirror: &mut Mirror) -> Result<(), TurnError> {
        let origin = mirror.peer().origin().as_str().to_owned();
        let now = system::now()?;
        loop {
            let listed = self.catalog.progress(&origin)?;
            let noted = lock(&self.states[at]).entries;
            let from = listed.min(noted);
            if from >= mirror.size() {
                return Ok(());
            }
            let mut pulled = mirror.judge_again(from, now)?;
            self.note(at, |record| {
                record.pulled(&pulled, pulled.to.max(noted), now)
            });
            pulled.receipts.retain(|(index, _)| *index >= listed);
            if pulled.to > listed {
                self.list(mirror, listed, &pulled)?;
            }
        }
    }

    /// Judges again what was unsure: a clock goes on, and with a restart a peers file and a version may have. Every step can
    /// be taken twice, so a crash anywhere only has it taken again.
    fn reconsider(&self, at: usize, mirror: &mut Mirror) -> Result<(), TurnError> {
        let name = &self.peers[at].name;
        let mut unsure = Unsure::of(&self.records, name)?;
        if unsure.indexes().is_empty() {
            return Ok(());
        }
        let judged = mirror.judge_each(unsure.indexes(), system::now()?)?;
        if judged.receipts.is_empty() && judged.bad.is_empty() {
            return Ok(());
        }
        let origin = mirror.peer().origin().as_str();
        let row = |(index, receipt): &(u64, SignedReceipt)| CatalogRow::of(origin, *index, receipt);
        let rows: Vec<_> = judged.receipts.iter().map(row).collect();
        self.catalog.insert_late(origin, &rows)?;
        self.note(at, |record| record.judged(&judged));
        lock(&self.states[at]).save(&self.records, name)?;
        unsure.keep_only(judged.unsure.iter().map(|(index, _)| *index).collect());
        Ok(unsure.save(&self.records, name)?)
    }

    fn list(&self, mirror: &Mirror, from: u64, pulled: &Pulled) -> Result<(), TurnError> {
        let origin = mirror.peer().origin().as_str();
        let name = &mirror.peer().name;
        // Before the catalog hears of it: what is behind its cursor is not looked at again otherwise.
        if !pulled.unsure.is_empty() {
            let mut unsure = Unsure::of(&self.records, name)?;
            if unsure.add(pulled.unsure.iter().map(|(index, _)| *index)) {
                unsure.save(&self.records, name)?;
            }
        }
        let row = |(index, receipt): &(u64, SignedReceipt)| CatalogRow::of(origin, *index, receipt);
        let rows: Vec<_> = pulled.receipts.iter().map(row).collect();
        if pulled.to > from {
            self.catalog.insert_up_to(origin, &rows, pulled.to)?;
        }
        Ok(())
    }

    /// A log that holds what it may not hold is frozen at once, with the proof if the peer's tiles or these give one: a log
    /// that always shows more than can be held does not put it off.
    fn convict(&self, at: usize, mirror: &Mirror, source: &Source) {
        let Some(index) = lock(&self.states[at]).bad_first else {
            return;
        };
        let reason = format!("entry {index} may not be in its log");
        match mirror.bad_leaf(index, source) {
            Ok(Some(evidence)) => self.freeze(at, &evidence, &reason),
            shown => {
                let proof = shown.map(|_| "no proof");
                tracing::error!(peer = %self.peers[at].name, reason, ?proof, "the peer is frozen without evidence");
                let now = system::now().ok();
                self.note(at, |record| record.freeze(&reason, None, now));
            }
        }
    }

    /// A second tree that the log showed before, and gave nothing of, is found out when the mirror has come so far.
    fn settle(&self, at: usize, mirror: &mut Mirror, source: &Source) -> Result<(), DocumentError> {
        let Some(evidence) = mirror.settle(source)? else {
            return Ok(());
        };
        self.freeze(at, &evidence, TWO_TREES);
        mirror.settled()
    }

    fn freeze(&self, at: usize, evidence: &Evidence, reason: &str) {
        let peer = &self.peers[at];
        let kept = self.findings.keep(peer, evidence);
        tracing::error!(peer = %peer.name, reason, evidence = ?kept, "the peer is frozen");
        let now = system::now().ok();
        self.note(at, |record| record.freeze(reason, kept.ok(), now));
    }

    /// What a failure means for the peer, and how long to wait.
    fn failed(&self, at: usize, error: &TurnError) -> Duration {
        if let TurnError::Pull(PullError::Equivocation(evidence)) = error {
            self.freeze(at, evidence, TWO_TREES);
            return WAIT_MAX;
        }
        tracing::warn!(peer = %self.peers[at].name, %error, "not pulled");
        let stale = matches!(error, TurnError::Pull(PullError::Stale { .. }));
        self.note(at, |record| record.failed(&error.to_string(), stale));
        self.wait_after_failures(at)
    }

    fn wait_after_failures(&self, at: usize) -> Duration {
        let every = Duration::from_millis(self.config.pull_ms);
        let doubled = lock(&self.states[at]).failures.min(12);
        let wait = Duration::from_millis(self.config.pull_ms.saturating_mul(1 << doubled));
        wait.min(WAIT_MAX).max(every)
    }
}

fn token(path: &std::path::Path) -> Result<String, files::FileError> {
    let bytes = files::read_secret(path, TOKEN_BYTES_MAX)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
