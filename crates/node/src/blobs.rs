//! Blobs: capsules, inputs that may be kept, and transcripts, by their BLAKE3 digest, beside the log.
//!
//! Enters: bytes that a caller leaves, with what may be done with them. Leaves: the same bytes, to those whom a grant names.
//! Refuses: everybody else, in the same words as if nothing were there; bytes of another digest; more than the bounds.
//!
//! A digest is no key: inputs can be guessed, and receipts carry their digests. So each blob has an owner, who may name readers,
//! and may let callers with the role `peer` read it for audits; nobody else reads it, an admin included. Two callers may leave the
//! same bytes: each has a grant in a record of its own and counts for its own room, so that neither learns of the other, however many
//! they are. The file goes with the last grant.
//!
//! The database says what there is. A file is written before its record and removed after it; what a crash leaves in between is a
//! file without a grant, which the next opening removes.

mod record;
mod source;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use tenzik_receipt::{Blake3, Label, Timestamp, to_hex};
use tenzik_store::{LIST_MAX, Records, RecordsError};

use crate::documents::{Document, DocumentError};
use crate::durable::Directory;

pub use record::{Class, Reader};
use record::{Grant, Record};
pub use source::HeldCapsules;

/// The most readers of a grant.
pub const READERS_MAX: usize = 64;
/// How long it is remembered that a blob was erased: 30 days.
const ERASED_KEPT_S: u64 = 30 * 86_400;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BlobsConfig {
    /// The most bytes of a blob. Default 8 MiB.
    pub blob_bytes_max: u32,
    /// The most bytes of one owner. Default 256 MiB.
    pub owner_bytes_max: u64,
    /// The most bytes of all owners, each counted for itself. Default 4 GiB.
    pub bytes_max: u64,
    /// The most grants of all owners. Default 65,536.
    pub grants_max: u32,
    /// The longest time that something is kept, in seconds. Default 400 days.
    pub keep_s_max: u64,
}

impl Default for BlobsConfig {
    fn default() -> Self {
        Self {
            blob_bytes_max: 8 << 20,
            owner_bytes_max: 256 << 20,
            bytes_max: 4 << 30,
            grants_max: 65_536,
            keep_s_max: 400 * 86_400,
        }
    }
}

/// Why a blob was not kept or given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// The bytes are not those of the digest.
    #[error("the bytes have the digest {got}")]
    Content {
        /// Their digest.
        got: Blake3,
    },
    /// The database's, or what it holds is damaged.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// There is no room left.
    #[error("no room: {what} has {taken} of {allowed}")]
    Full {
        /// `the owner` or `the node`.
        what: &'static str,
        /// Bytes or grants that are taken.
        taken: u64,
        /// How many there may be.
        allowed: u64,
    },
    /// The disk's.
    #[error("the blob's file: {0}")]
    Io(#[from] io::Error),
    /// It is to be kept for too long, or not at all.
    #[error("kept for {got} seconds, 1 to {allowed} are allowed")]
    Keep {
        /// What was asked for.
        got: u64,
        /// The longest time.
        allowed: u64,
    },
    /// Readers are too many, or their names are none.
    #[error("a grant names up to {READERS_MAX} callers by their names")]
    Readers,
    /// It is too large.
    #[error("a blob of {got} bytes, {allowed} are allowed")]
    Size {
        /// Its bytes.
        got: u64,
        /// What is allowed.
        allowed: u64,
    },
}

impl From<RecordsError> for BlobError {
    fn from(error: RecordsError) -> Self {
        Self::Document(error.into())
    }
}

/// What an owner wants with a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The digest that the bytes must have.
    pub digest: Blake3,
    /// Whose it will be.
    pub owner: &'a str,
    /// What it is.
    pub class: Class,
    /// Whether callers with the role `peer` may read it, for audits.
    pub peers: bool,
    /// For how many seconds it is kept.
    pub keep_s: u64,
}

/// The blobs of a node.
pub struct Blobs {
    files: Directory,
    records: Records,
    config: BlobsConfig,
    /// Held by whoever changes something: what is taken is what the records say.
    taken: Mutex<Taken>,
}

/// The room that is taken.
#[derive(Debug, Default)]
struct Taken {
    owners: HashMap<String, u64>,
    bytes: u64,
    grants: u64,
}

impl Blobs {
    /// Opens the directory, which no other process may have, and counts what is there.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn open(
        directory: PathBuf,
        records: Records,
        config: BlobsConfig,
    ) -> Result<Self, BlobError> {
        let files = Directory::open(directory)?;
        split(&records)?;
        let (mut taken, mut names) = (Taken::default(), BTreeSet::new());
        Record::each(&records, |name, record| {
            for grant in &record.grants {
                taken.add(&grant.owner, record.bytes);
            }
            if !record.grants.is_empty() {
                names.insert(digest_of(&name).to_owned());
            }
            Ok(())
        })?;
        for name in files.names()? {
            if !names.contains(&name) {
                files.remove(&name)?;
            }
        }
        Ok(Self {
            files,
            records,
            config,
            taken: Mutex::new(taken),
        })
    }

    /// The bounds.
    pub const fn config(&self) -> &BlobsConfig {
        &self.config
    }

    /// Keeps bytes for an owner, and says whether the owner had none of them before. A second time replaces class, time and the
    /// peers' right; the readers stay. Durable when it returns.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn put(
        &self,
        wanted: &Wanted<'_>,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<bool, BlobError> {
        self.check(wanted, bytes)?;
        let name = name(&wanted.digest);
        let key = key(&name, wanted.owner);
        let mut taken = self.lock();
        let mut record = Record::load(&self.records, &key)?.unwrap_or_default();
        let is_new = record.of(wanted.owner).is_none();
        if is_new {
            taken.require(&self.config, wanted.owner, bytes.len() as u64)?;
        }
        record.grant(wanted, bytes.len() as u64, now);
        // Written even if it is there: that takes as long, and mends what the disk has spoilt.
        self.files.write(&name, bytes)?;
        record.store(&self.records, &key)?;
        if is_new {
            taken.add(wanted.owner, record.bytes);
        }
        Ok(is_new)
    }

    /// The bytes, if there are any that the reader may have.
    ///
    /// # Errors
    /// [`BlobError`], but never for what is not there or not for this reader.
    pub fn read(
        &self,
        digest: &Blake3,
        reader: &Reader<'_>,
        class: Option<Class>,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, BlobError> {
        let name = name(digest);
        // Records and file are both looked up before anything is decided: what is absent takes about as long as what is forbidden.
        let records = self.records_of(&name)?;
        let is_there = self.files.path(&name).try_exists()?;
        let lets = |(_, record): &&(String, Record)| record.lets(reader, class, now);
        let Some((_, record)) = records.iter().find(lets).filter(|_| is_there) else {
            return Ok(None);
        };
        let bytes_max = record.bytes;
        let bytes = self.files.read(&name, bytes_max)?.unwrap_or_default();
        if Blake3::of(&bytes) != *digest {
            tracing::error!(blob = %digest, "a stored blob has other bytes than it should; it is not served");
            return Ok(None);
        }
        Ok(Some(bytes))
    }

    /// Sets who may read an owner's blob, and says whether the owner has it.
    ///
    /// # Errors
    /// [`BlobError::Readers`], or the node's faults.
    pub fn set_readers(
        &self,
        digest: &Blake3,
        owner: &str,
        readers: BTreeSet<String>,
        peers: bool,
        now: Timestamp,
    ) -> Result<bool, BlobError> {
        let named = readers.iter().all(|name| Label::new(name.clone()).is_ok());
        if readers.len() > READERS_MAX || !named {
            return Err(BlobError::Readers);
        }
        let key = key(&name(digest), owner);
        let _one_at_a_time = self.lock();
        let mut record = Record::load(&self.records, &key)?.unwrap_or_default();
        let Some(grant) = record.of(owner).filter(|grant| !grant.is_over(now)) else {
            return Ok(false);
        };
        (grant.readers, grant.peers) = (readers, peers);
        record.store(&self.records, &key)?;
        Ok(true)
    }

    /// Erases an owner's grant, or for an admin all of them, and says whether there was one. With the last one the file goes, and
    /// is gone for good when this returns.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn erase(
        &self,
        digest: &Blake3,
        who: &Reader<'_>,
        now: Timestamp,
    ) -> Result<bool, BlobError> {
        let mut taken = self.lock();
        let mine = |grant: &Grant| who.admin || who.name == Some(&grant.owner);
        let mut any = false;
        for (key, _) in self.records_of(&name(digest))? {
            any |= self.drop_grants(&mut taken, &key, now, mine)?;
        }
        Ok(any)
    }

    /// The records of a blob, by owner.
    fn records_of(&self, name: &str) -> Result<Vec<(String, Record)>, BlobError> {
        let before = key(name, "");
        let (mut all, mut after) = (Vec::new(), before.clone());
        loop {
            let rows = Record::list(&self.records, &after, LIST_MAX)?;
            let more = rows.len() == LIST_MAX;
            let of_blob = rows
                .into_iter()
                .take_while(|(key, _)| key.starts_with(&before));
            let count = all.len();
            all.extend(of_blob);
            if !more || all.len() < count + LIST_MAX {
                return Ok(all);
            }
            after.clone_from(&all[all.len() - 1].0);
        }
    }

    /// Removes what is over, and says how many grants that were.
    ///
    /// # Errors
    /// [`BlobError`]; what was removed until then stays removed.
    pub fn sweep(&self, now: Timestamp) -> Result<u64, BlobError> {
        let mut over = Vec::new();
        Record::each(&self.records, |name, record| {
            let forgotten = record
                .erased_at
                .is_some_and(|at| at.saturating_add(ERASED_KEPT_S) <= now.unix_seconds());
            if forgotten || record.grants.iter().any(|grant| grant.is_over(now)) {
                over.push((name, forgotten));
            }
            Ok(())
        })?;
        let mut grants = 0;
        for (name, forgotten) in over {
            // The lock is taken for each, so that a long sweep holds up nobody.
            let mut taken = self.lock();
            let before = taken.grants;
            self.drop_grants(&mut taken, &name, now, |grant| grant.is_over(now))?;
            grants += before - taken.grants;
            if forgotten {
                self.forget(&name)?;
            }
        }
        Ok(grants)
    }

    /// Forgets that a blob was erased, unless somebody has left it anew.
    fn forget(&self, name: &str) -> Result<(), BlobError> {
        let record = Record::load(&self.records, name)?.unwrap_or_default();
        if record.grants.is_empty() {
            self.records.delete(Record::KIND, name)?;
        }
        Ok(())
    }

    fn drop_grants(
        &self,
        taken: &mut Taken,
        key: &str,
        now: Timestamp,
        goes: impl Fn(&Grant) -> bool,
    ) -> Result<bool, BlobError> {
        let Some(mut record) = Record::load(&self.records, key)? else {
            return Ok(false);
        };
        let (gone, stay): (Vec<_>, Vec<_>) = record.grants.into_iter().partition(goes);
        record.grants = stay;
        if gone.is_empty() {
            return Ok(false);
        }
        if record.grants.is_empty() {
            record.erased_at = Some(now.unix_seconds());
        }
        let bytes = record.bytes;
        if record.grants.is_empty() {
            record.bytes = 0;
        }
        record.store(&self.records, key)?;
        for grant in &gone {
            taken.remove(&grant.owner, bytes);
        }
        // A crash here leaves a file that no grant names: nobody reads it, and the next opening removes it.
        let name = digest_of(key);
        let records = self.records_of(name)?;
        if records.iter().all(|(_, record)| record.grants.is_empty()) {
            self.files.remove(name)?;
        }
        Ok(true)
    }

    fn check(&self, wanted: &Wanted<'_>, bytes: &[u8]) -> Result<(), BlobError> {
        let allowed = u64::from(self.config.blob_bytes_max);
        let got = bytes.len() as u64;
        if got > allowed {
            return Err(BlobError::Size { got, allowed });
        }
        let (got, allowed) = (wanted.keep_s, self.config.keep_s_max);
        if got == 0 || got > allowed {
            return Err(BlobError::Keep { got, allowed });
        }
        match Blake3::of(bytes) {
            got if got == wanted.digest => Ok(()),
            got => Err(BlobError::Content { got }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // A panic between record and count leaves a count that is off until the next start, and no wrong answer.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn grant(&mut self, wanted: &Wanted<'_>, bytes: u64, now: Timestamp) {
        self.bytes = bytes;
        self.erased_at = None;
        let keep_until = now.unix_seconds().saturating_add(wanted.keep_s);
        match self.of(wanted.owner) {
            Some(grant) => {
                (grant.class, grant.peers, grant.keep_until) =
                    (wanted.class, wanted.peers, keep_until);
            }
            None => self.grants.push(Grant {
                class: wanted.class,
                keep_until,
                owner: wanted.owner.to_owned(),
                peers: wanted.peers,
                readers: BTreeSet::new(),
            }),
        }
    }
}

impl Taken {
    fn require(&self, config: &BlobsConfig, owner: &str, bytes: u64) -> Result<(), BlobError> {
        let own = self.owners.get(owner).copied().unwrap_or_default();
        full("the owner", own, bytes, config.owner_bytes_max)?;
        full("the node", self.bytes, bytes, config.bytes_max)?;
        full("the node", self.grants, 1, config.grants_max.into())
    }

    fn add(&mut self, owner: &str, bytes: u64) {
        *self.owners.entry(owner.to_owned()).or_default() += bytes;
        self.bytes += bytes;
        self.grants += 1;
    }

    fn remove(&mut self, owner: &str, bytes: u64) {
        if let Some(own) = self.owners.get_mut(owner) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                self.owners.remove(owner);
            }
        }
        self.bytes = self.bytes.saturating_sub(bytes);
        self.grants = self.grants.saturating_sub(1);
    }
}

fn full(what: &'static str, taken: u64, more: u64, allowed: u64) -> Result<(), BlobError> {
    if taken.checked_add(more).is_some_and(|all| all <= allowed) {
        return Ok(());
    }
    Err(BlobError::Full {
        what,
        taken,
        allowed,
    })
}

/// Takes records of an older form apart, which had all owners of a blob in one. A crash in between: the rest is done at the next
/// opening.
fn split(records: &Records) -> Result<(), BlobError> {
    let mut old = Vec::new();
    Record::each(records, |name, record| {
        if !name.contains(' ') && !record.grants.is_empty() {
            old.push((name, record));
        }
        Ok(())
    })?;
    for (name, record) in old {
        for grant in record.grants {
            let key = key(&name, &grant.owner);
            let grants = vec![grant];
            Record { grants, ..record }.store(records, &key)?;
        }
        records.delete(Record::KIND, &name)?;
    }
    Ok(())
}

/// The key of an owner's record.
fn key(name: &str, owner: &str) -> String {
    format!("{name} {owner}")
}

/// The blob's name in a record's key.
fn digest_of(key: &str) -> &str {
    key.split(' ').next().unwrap_or(key)
}

/// A blob's name as a file, and what its records' keys begin with.
fn name(digest: &Blake3) -> String {
    to_hex(digest.as_bytes())
}

#[cfg(test)]
#[path = "blobs/tests.rs"]
mod tests;
