//! A copy of another log: pulled by suffix, verified before it counts, never behind what it has seen.
//!
//! Enters: a peer's checkpoint and entry bundles. Leaves: verified receipts in their order, and evidence where the log
//! contradicts itself. Refuses: entries that do not lead to the signed root, and checkpoints without their quorum.
//!
//! A pull costs the checkpoint and the new entries. Their hashes are computed here: no tile is fetched, but for a long
//! way behind, where each step is verified by the proof that the peer's tiles give, so that no step is kept in vain.

mod doubts;
mod fetch;
mod reader;
mod state;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use tenzik_log::checkpoint::{CheckpointError, SignedCheckpoint};
use tenzik_log::evidence::{self, BadLeaf, Evidence};
use tenzik_log::policy::PolicyError;
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::{TILE_WIDTH, TilePath};
use tenzik_log::tree::{Tree, TreeError, verify_consistency};
use tenzik_log::{Commit, Frontier, FrontierError, LeafError, Storage, StorageError, bundle};
use tenzik_receipt::{Sha256, SignedReceipt, Timestamp, Verifier, merkle};

use super::client::ClientError;
use super::peers::Peer;

use crate::documents::DocumentError;

pub use doubts::{DOUBTS_MAX, Doubts};
pub use fetch::{Source, Traffic};
pub use reader::{Held, MirrorReader};
use state::State;

/// How many entries are taken at a time before they are verified: about 25 MB of receipts, beside which the proof's 50 KB
/// are nothing.
pub const STEP_ENTRIES: u64 = 16_384;
/// A step ends with the bundle in which its entries reach so many bytes, whatever their number: at most 40 MiB are held.
pub const STEP_BYTES: usize = 32 << 20;

/// A copy of a peer's log.
pub struct Mirror {
    peer: Peer,
    storage: Arc<dyn Storage>,
    frontier: Frontier,
    head: Option<SignedCheckpoint>,
    doubts: Doubts,
    reader: MirrorReader,
    verifier: Verifier,
}

/// Why a mirror is not opened: the host's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MirrorError {
    /// The storage holds another log, or none.
    #[error("the stored checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The tiles do not lead to what was verified.
    #[error("the mirror of {size} entries is damaged")]
    Damaged {
        /// How many entries it should have.
        size: u64,
    },
    /// The tiles cannot be read.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// What was stored is no state of a mirror.
    #[error("what is stored is no state of a mirror")]
    State,
    /// The storage does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a pull brought nothing, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// The checkpoint is not the log's.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The peer does not answer as it should.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// This node's own records failed.
    #[error(transparent)]
    Doubts(#[from] DocumentError),
    /// A bundle is not of the form, or entries do not lead to the root that was signed.
    #[error("the entries from {start} on are not those of the log: {what}")]
    Entries {
        /// The first that was asked for.
        start: u64,
        /// What is wrong.
        what: String,
    },
    /// The log signed two trees. The evidence holds for everybody.
    #[error("the log signed two trees")]
    Equivocation(Box<Evidence>),
    /// Something that must be there is not.
    #[error("{path} is not there")]
    Missing {
        /// What was asked for.
        path: String,
    },
    /// Not enough witnesses have cosigned it. The log may be fine; it does not count yet.
    #[error("the checkpoint does not count yet: {0}")]
    Policy(#[from] PolicyError),
    /// A checkpoint older than the one that is held. It contradicts nothing.
    #[error("a stale checkpoint of {got} entries; {held} are held")]
    Stale {
        /// The size that was served.
        got: u64,
        /// The size that is held.
        held: u64,
    },
    /// This node's own storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What a pull brought.
#[derive(Debug, Default)]
pub struct Pulled {
    /// Receipts that were verified, with their index in the log, in order.
    pub receipts: Vec<(u64, SignedReceipt)>,
    /// Leaves that may not be in this log. They stay in the tree, and count for nothing.
    pub bad: Vec<(u64, LeafError)>,
    /// Leaves that this node cannot judge: a critical extension or a type that it does not know, a date that its clock has
    /// not reached, a node that its peers file does not list.
    pub unsure: Vec<(u64, LeafError)>,
    /// The index after the last leaf that was taken.
    pub to: u64,
    /// Whether there is more than this step took.
    pub more: bool,
}

impl Mirror {
    /// Opens a mirror, or begins it if the storage is empty.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub fn open(peer: Peer, storage: Arc<dyn Storage>) -> Result<Self, MirrorError> {
        let stored = storage.open()?.committed;
        let state = stored.map(|bytes| State::from_bytes(&bytes)).transpose()?;
        let (head, frontier) = match state {
            None => (None, Frontier::new()),
            Some(state) => {
                let head = SignedCheckpoint::open(&state.checkpoint, &peer.log)?;
                let mut read = |path: TilePath| storage.tile(path);
                let frontier = Frontier::read(state.have, &mut read)?;
                if frontier.root() != state.root {
                    return Err(MirrorError::Damaged { size: state.have });
                }
                (Some(head), frontier)
            }
        };
        let size = frontier.size();
        let held = head.clone().map(|head| Held { head, size });
        let reader = MirrorReader {
            peer: Arc::new(peer.clone()),
            storage: Arc::clone(&storage),
            held: Arc::new(Mutex::new(held)),
        };
        Ok(Self {
            peer,
            storage,
            frontier,
            head,
            doubts: Doubts::default(),
            reader,
            verifier: Verifier::default(),
        })
    }

    /// The same, and the checkpoints that did not come to count are remembered with these.
    #[must_use]
    pub fn with_doubts(mut self, doubts: Doubts) -> Self {
        self.doubts = doubts;
        self
    }

    /// What it holds, for those who do not pull it.
    pub fn reader(&self) -> MirrorReader {
        self.reader.clone()
    }

    /// The peer.
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The newest checkpoint of the log that counted.
    pub const fn head(&self) -> Option<&SignedCheckpoint> {
        self.head.as_ref()
    }

    /// How many entries are held, all of them verified to be in the tree of [`head`](Self::head).
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes at most [`STEP_ENTRIES`] new entries.
    ///
    /// What it returns is durable, and is given once: after a crash the next pull begins behind it, so a caller that
    /// keeps something of its own compares it with [`size`](Self::size) when it starts.
    ///
    /// # Errors
    /// [`PullError`]. The mirror stays as it was.
    pub fn pull(&mut self, source: &Source, at: Timestamp) -> Result<Pulled, PullError> {
        let bytes = source.checkpoint()?;
        let head = SignedCheckpoint::open(&bytes, &self.peer.log)?;
        let pulled = self.pull_to(&head, source, at);
        match &pulled {
            Ok(_) | Err(PullError::Equivocation(_)) => {}
            Err(_) => self.doubt(&head)?,
        }
        pulled
    }

    fn pull_to(
        &mut self,
        head: &SignedCheckpoint,
        source: &Source,
        at: Timestamp,
    ) -> Result<Pulled, PullError> {
        // A log that lies need not ask witnesses for its second story: what contradicts is told apart before what counts.
        self.check_against_held(head, source)?;
        if let Err(uncounted) = self.peer.policy.check(head) {
            self.accuse(head, source)?;
            return Err(uncounted.into());
        }
        let start = self.frontier.size();
        let end = head.checkpoint().size().min(start + STEP_ENTRIES);
        let leaves = self.entries(head, start, end, source)?;
        let mut grown = self.frontier.clone();
        let tiles = grown.extend(&leaves).map_err(|error| PullError::Entries {
            start,
            what: error.to_string(),
        })?;
        self.check_root(&grown, head, start, source)?;
        let more = grown.size() < head.checkpoint().size();
        let pulled = self.judge(start, &leaves, at, more);
        self.keep(tiles, grown, head.clone())?;
        Ok(pulled)
    }

    /// That the checkpoint does not contradict the one that is held.
    fn check_against_held(
        &self,
        head: &SignedCheckpoint,
        source: &Source,
    ) -> Result<(), PullError> {
        let Some(held) = &self.head else {
            return Ok(());
        };
        let (new, old) = (head.checkpoint(), held.checkpoint());
        if new.size() > old.size() {
            // If all of the old tree is here, its root becomes part of the new one's below.
            return match self.frontier.size() == old.size() {
                true => Ok(()),
                false => self.check_consistency(held, head, source),
            };
        }
        if new.size() == old.size() {
            return match evidence::contradiction(held, head, None) {
                Some(evidence) => Err(PullError::Equivocation(Box::new(evidence))),
                None => Ok(()),
            };
        }
        let (got, held_size) = (new.size(), old.size());
        match self.prefix(got, held, source) {
            Some(prefix) => match evidence::contradiction(held, head, Some(prefix)) {
                Some(evidence) => Err(PullError::Equivocation(Box::new(evidence))),
                None => Err(PullError::Stale {
                    got,
                    held: held_size,
                }),
            },
            None => Err(PullError::Stale {
                got,
                held: held_size,
            }),
        }
    }

    /// The root that the held tree has at a smaller size, and the proof of it: from this node's own tiles, or the peer's
    /// where not all is here yet. `None` if neither leads to the held root.
    fn prefix(
        &self,
        size: u64,
        held: &SignedCheckpoint,
        source: &Source,
    ) -> Option<(Sha256, Vec<Sha256>)> {
        let whole = held.checkpoint().size();
        match self.frontier.size() == whole {
            true => prefix(size, whole, |path| self.storage.tile(path)).ok(),
            false => prefix(size, whole, |path| source.tile(path)).ok(),
        }
    }

    /// That the new tree begins with the old one, by the peer's tiles.
    fn check_consistency(
        &self,
        held: &SignedCheckpoint,
        head: &SignedCheckpoint,
        source: &Source,
    ) -> Result<(), PullError> {
        let (old, new) = (held.checkpoint(), head.checkpoint());
        let start = old.size();
        let (root, proof) =
            prefix(start, new.size(), |path| source.tile(path)).map_err(|error| {
                PullError::Entries {
                    start,
                    what: error.to_string(),
                }
            })?;
        if verify_consistency((start, &old.root()), (new.size(), &new.root()), &proof).is_ok() {
            return Ok(());
        }
        Err(
            match evidence::contradiction(held, head, Some((root, proof))) {
                Some(evidence) => PullError::Equivocation(Box::new(evidence)),
                None => PullError::Entries {
                    start,
                    what: "its tiles do not lead to its root".to_owned(),
                },
            },
        )
    }

    /// The entries of a step. Those of another tree may not even be of the form from where this one's end, or are not given
    /// at all: whatever is wrong with them is looked into like a bad root.
    fn entries(
        &self,
        head: &SignedCheckpoint,
        start: u64,
        end: u64,
        source: &Source,
    ) -> Result<Vec<Vec<u8>>, PullError> {
        let skip = self.frontier.bundle_bytes();
        let entries = source.entries(start, end, head.checkpoint().size(), skip);
        if entries.is_err() {
            self.accuse(head, source)?;
        }
        entries
    }

    /// Whether the tree does not begin with the one that is held, which can be shown.
    fn look_into(&self, head: &SignedCheckpoint, source: &Source) -> Result<(), PullError> {
        let size = head.checkpoint().size();
        let held = self.head.as_ref();
        let smaller = held.filter(|held| held.checkpoint().size() < size);
        smaller.map_or(Ok(()), |held| self.check_consistency(held, head, source))
    }

    /// The same for what failed already: only what can be shown is told instead.
    fn accuse(&self, head: &SignedCheckpoint, source: &Source) -> Result<(), PullError> {
        match self.look_into(head, source) {
            Err(shown @ PullError::Equivocation(_)) => Err(shown),
            _ => Ok(()),
        }
    }

    /// That the entries lead to the root that was signed.
    fn check_root(
        &self,
        grown: &Frontier,
        head: &SignedCheckpoint,
        start: u64,
        source: &Source,
    ) -> Result<(), PullError> {
        let (size, root) = (head.checkpoint().size(), head.checkpoint().root());
        let led = if grown.size() == size {
            grown.root() == root
        } else {
            let proof =
                Tree::new(size, |path: TilePath| source.tile(path)).consistency(grown.size());
            proof.is_ok_and(|proof| {
                verify_consistency((grown.size(), &grown.root()), (size, &root), &proof).is_ok()
            })
        };
        if led {
            return Ok(());
        }
        self.look_into(head, source)?;
        Err(PullError::Entries {
            start,
            what: "they do not lead to the root that was signed".to_owned(),
        })
    }

    /// Which of the leaves count.
    fn judge(&mut self, start: u64, leaves: &[Vec<u8>], at: Timestamp, more: bool) -> Pulled {
        let mut pulled = Pulled {
            to: start + leaves.len() as u64,
            more,
            ..Pulled::default()
        };
        for (index, leaf) in (start..).zip(leaves) {
            match self.peer.rules.read(leaf, at, &mut self.verifier) {
                Ok((_, receipt)) => pulled.receipts.push((index, receipt)),
                Err(error) if self.convicts(&error, leaf) => pulled.bad.push((index, error)),
                Err(error) => pulled.unsure.push((index, error)),
            }
        }
        pulled
    }

    /// Whether a leaf convicts its log. That a log is public nobody signs: one that answers without a token is, and of one that
    /// is shown a token the peers file may be wrong.
    fn convicts(&self, error: &LeafError, leaf: &[u8]) -> bool {
        match error {
            LeafError::NotOptedIn => self.peer.token_file.is_none(),
            other => other.accuses(leaf),
        }
    }

    /// Judges leaves that are held, from an index on, at most [`STEP_ENTRIES`]: for a caller that did not come to use what
    /// a pull gave it.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn judge_again(&mut self, start: u64, at: Timestamp) -> Result<Pulled, TreeError> {
        let end = self.size().min(start.saturating_add(STEP_ENTRIES));
        let mut leaves = Vec::new();
        let (mut next, mut bytes) = (start, 0);
        while next < end && bytes < STEP_BYTES {
            let bundle = self.held(next..end.min(next + TILE_WIDTH))?;
            next += bundle.len() as u64;
            bytes += bundle.iter().map(Vec::len).sum::<usize>();
            leaves.extend(bundle);
        }
        let more = start + (leaves.len() as u64) < self.size();
        Ok(self.judge(start, &leaves, at, more))
    }

    /// Judges single leaves that are held.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn judge_each(&mut self, indexes: &[u64], at: Timestamp) -> Result<Pulled, TreeError> {
        let mut judged = Pulled::default();
        for index in indexes {
            let leaf = self.entry(*index)?;
            let one = self.judge(*index, &[leaf], at, false);
            judged.receipts.extend(one.receipts);
            judged.bad.extend(one.bad);
            judged.unsure.extend(one.unsure);
        }
        Ok(judged)
    }

    fn keep(
        &mut self,
        tiles: Vec<tenzik_log::Tile>,
        grown: Frontier,
        head: SignedCheckpoint,
    ) -> Result<(), StorageError> {
        if self.head.as_ref() == Some(&head) && self.frontier.size() == grown.size() {
            return Ok(());
        }
        // A crash after this: the same tiles are written again with the same bytes, since they are those of the tree.
        self.storage.put_tiles(&tiles)?;
        let state = State {
            have: grown.size(),
            root: grown.root(),
            checkpoint: head.to_bytes(),
        };
        self.storage.commit(&Commit {
            checkpoint: state.to_bytes(),
            size: grown.size(),
            entries: Vec::new(),
            merge_by: None,
        })?;
        // Readers go where the new tiles are before the outgrown ones go away.
        self.reader.set(Held {
            head: head.clone(),
            size: grown.size(),
        });
        if grown.size() == head.checkpoint().size() {
            // The directory is the peer's log as its own is, and outgrown tiles go away.
            self.storage.publish(&head.to_bytes())?;
        }
        self.frontier = grown;
        self.head = Some(head);
        Ok(())
    }

    /// The canonical receipt at an index that is held.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, TreeError> {
        let entries = self.held(index..index.saturating_add(1))?;
        let entry = entries.into_iter().next();
        Ok(entry.expect("a range of one has one entry"))
    }

    fn held(&self, range: Range<u64>) -> Result<Vec<Vec<u8>>, TreeError> {
        bundle::entries(range, self.size(), |path| self.storage.tile(path))
    }

    /// The proof that an entry is in the tree of [`head`](Self::head); `None` until all of that tree is here.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn proof(&self, index: u64) -> Result<Option<TlogProof>, TreeError> {
        let size = self.frontier.size();
        let whole = |head: &&SignedCheckpoint| head.checkpoint().size() == size;
        let Some(head) = self.head.as_ref().filter(whole) else {
            return Ok(None);
        };
        let path = Tree::new(size, |path: TilePath| self.storage.tile(path)).inclusion(index)?;
        Ok(TlogProof::new(None, index, path, head).ok())
    }

    /// Evidence that the log holds a leaf that it may not hold: by this node's tiles, or by the peer's where not all of the
    /// tree is here.
    ///
    /// # Errors
    /// [`TreeError`]; the peer's tiles may be missing, or lead to another root.
    pub fn bad_leaf(&self, index: u64, source: &Source) -> Result<Option<Evidence>, TreeError> {
        let leaf = self.entry(index)?;
        let proof = match (self.proof(index)?, &self.head) {
            (None, Some(head)) => Some(remote_proof(index, &leaf, head, source)?),
            (proof, _) => proof,
        };
        let proof = proof.and_then(|proof| String::from_utf8(proof.to_bytes()).ok());
        Ok(proof.map(|proof| Evidence::BadLeaf(BadLeaf { leaf, proof })))
    }
}

/// The proof of an entry by the peer's own tiles.
fn remote_proof(
    index: u64,
    leaf: &[u8],
    head: &SignedCheckpoint,
    source: &Source,
) -> Result<TlogProof, TreeError> {
    let (size, root) = (head.checkpoint().size(), head.checkpoint().root());
    let path = Tree::new(size, |path: TilePath| source.tile(path)).inclusion(index)?;
    let led = merkle::root_from_path(merkle::leaf_hash(leaf), index, size, &path);
    if led != Some(root) {
        return Err(TreeError::Differs);
    }
    TlogProof::new(None, index, path, head).map_err(|_| TreeError::Differs)
}

/// The root that a tree has at a smaller size, and the proof of it.
fn prefix(
    size: u64,
    whole: u64,
    read: impl Fn(TilePath) -> Result<Option<Vec<u8>>, StorageError>,
) -> Result<(Sha256, Vec<Sha256>), TreeError> {
    let mut tree = Tree::new(whole, read);
    Ok((tree.root_at(size)?, tree.consistency(size)?))
}
