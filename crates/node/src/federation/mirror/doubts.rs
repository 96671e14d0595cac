//! Checkpoints that a log signed and that never came to count here: they bind it all the same.
//!
//! Enters: checkpoints whose pull came to nothing. Leaves: the same, when the mirror has reached their size. Refuses: more
//! than [`DOUBTS_MAX`] of them; the oldest goes.
//!
//! A log could else show a second tree, give nothing that it can be compared by, and come back with the first as if
//! nothing had been. Here a checkpoint is forgotten once this node's own tiles have its root, and not before.

use serde::{Deserialize, Serialize};
use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::evidence::{self, Evidence};
use tenzik_log::note::VerifierKey;
use tenzik_store::Records;

use super::{Mirror, PullError, Source};
use crate::documents::{Document, DocumentError};

/// How many are remembered of a log: so many of the longest notes fit into one document. To have one forgotten, a log must
/// fail as many turns, each of them later than the one before, and an operator sees that.
pub const DOUBTS_MAX: usize = 7;

/// The checkpoints of a log that did not come to count.
#[derive(Default)]
pub struct Doubts {
    /// The oldest first, with the log's signature alone.
    shown: Vec<SignedCheckpoint>,
    /// Where they are kept, and under which name. Absent: they end with the mirror.
    kept: Option<(Records, String)>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Notes(Vec<String>);

impl Document for Notes {
    const KIND: &'static str = "doubts";
}

impl Doubts {
    /// Those that were kept under a name, and where new ones are kept from now on.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn open(
        records: Records,
        name: &str,
        log: &VerifierKey,
    ) -> Result<Self, DocumentError> {
        let notes = Notes::load(&records, name)?;
        let notes = notes.map_or_else(Vec::new, |Notes(notes)| notes);
        // Those of another key say nothing of this log: an operator has changed it.
        let open = |note: &String| SignedCheckpoint::open(note.as_bytes(), log).ok();
        Ok(Self {
            shown: notes.iter().filter_map(open).collect(),
            kept: Some((records, name.to_owned())),
        })
    }

    /// Remembers one, durably. Gives evidence if another one of its size is remembered.
    pub(super) fn add(
        &mut self,
        head: &SignedCheckpoint,
    ) -> Result<Option<Evidence>, DocumentError> {
        let size = head.checkpoint().size();
        let known = |shown: &&SignedCheckpoint| shown.checkpoint() == head.checkpoint();
        // From the tree of no leaves nothing follows.
        if size == 0 || self.shown.iter().any(|shown| known(&shown)) {
            return Ok(None);
        }
        let mut of_size = self.up_to(size);
        if let Some(two) = of_size.find_map(|shown| evidence::contradiction(shown, head, None)) {
            return Ok(Some(two));
        }
        drop(of_size);
        self.shown.push(head.alone());
        let surplus = self.shown.len().saturating_sub(DOUBTS_MAX);
        self.shown.drain(..surplus);
        self.save().map(|()| None)
    }

    /// Those of at most this size.
    pub(super) fn up_to(&self, size: u64) -> impl Iterator<Item = &SignedCheckpoint> {
        let fits = move |shown: &&SignedCheckpoint| shown.checkpoint().size() <= size;
        self.shown.iter().filter(fits)
    }

    /// Forgets those that are settled.
    pub(super) fn forget(&mut self, settled: &[SignedCheckpoint]) -> Result<(), DocumentError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.shown.retain(|shown| !settled.contains(shown));
        self.save()
    }

    fn save(&self) -> Result<(), DocumentError> {
        let Some((records, name)) = &self.kept else {
            return Ok(());
        };
        let note = |shown: &SignedCheckpoint| String::from_utf8(shown.to_bytes());
        let notes: Result<_, _> = self.shown.iter().map(note).collect();
        Notes(notes.expect("a note is text")).store(records, name)
    }
}

impl Mirror {
    /// Remembers a checkpoint that came to nothing, unless it was compared with this node's own tiles.
    pub(super) fn doubt(&mut self, head: &SignedCheckpoint) -> Result<(), PullError> {
        let held = self.head.as_ref().map(SignedCheckpoint::checkpoint);
        let size = self.frontier.size();
        let whole = held.is_some_and(|held| held.size() == size);
        if held == Some(head.checkpoint()) || (whole && head.checkpoint().size() <= size) {
            return Ok(());
        }
        match self.doubts.add(head)? {
            Some(evidence) => Err(PullError::Equivocation(Box::new(evidence))),
            None => Ok(()),
        }
    }

    /// Whether the log once signed another tree than the one that is held now, of a size that is held. What was compared
    /// with this node's own tiles is forgotten.
    ///
    /// # Errors
    /// What the database says.
    pub fn settle(&mut self, source: &Source) -> Result<Option<Evidence>, DocumentError> {
        let Some(held) = &self.head else {
            return Ok(None);
        };
        let whole = held.checkpoint().size();
        let own = self.frontier.size() == whole;
        let mut settled = Vec::new();
        for shown in self.doubts.up_to(whole) {
            let size = shown.checkpoint().size();
            let prefix = match size == whole {
                true => None,
                false => self.prefix(size, held, source),
            };
            if size < whole && prefix.is_none() {
                continue;
            }
            if let Some(evidence) = evidence::contradiction(shown, held, prefix) {
                return Ok(Some(evidence));
            }
            settled.extend((own || size == whole).then(|| shown.clone()));
        }
        self.doubts.forget(&settled).map(|()| None)
    }

    /// Forgets what there was to settle: it is evidence now.
    ///
    /// # Errors
    /// What the database says.
    pub fn settled(&mut self) -> Result<(), DocumentError> {
        let size = self
            .head
            .as_ref()
            .map_or(0, |held| held.checkpoint().size());
        let settled: Vec<_> = self.doubts.up_to(size).cloned().collect();
        self.doubts.forget(&settled)
    }
}
