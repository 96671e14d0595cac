//! What is written down of a blob: who left it, for how long, and who may read it.
//!
//! Enters: a hash's grants. Leaves: yes or no for a reader. Refuses: every reader that no grant names.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tenzik_receipt::Timestamp;

use crate::documents::Document;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Class {
    /// A module. It can be run by its digest by whoever may read it.
    Capsule,
    /// The input of a run.
    Input,
    /// A run's tool calls.
    Transcript,
}

/// Who wants to read or erase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader<'a> {
    /// The caller's name.
    pub name: Option<&'a str>,
    /// Whether it has the role `peer`.
    pub peer: bool,
    /// Whether it has the role `admin`, which erases and does not read.
    pub admin: bool,
}

/// What one owner allows with a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub(super) class: Class,
    /// Seconds since 1970; from then on nobody reads it by this grant.
    pub(super) keep_until: u64,
    pub(super) owner: String,
    /// Whether callers with the role `peer` read it, for audits.
    pub(super) peers: bool,
    pub(super) readers: BTreeSet<String>,
}

/// The grant of one owner of a blob. Without any owner's there is no file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) bytes: u64,
    /// When the last grant went, in seconds since 1970.
    pub(super) erased_at: Option<u64>,
    pub(super) grants: Vec<Grant>,
}

impl Document for Record {
    const KIND: &'static str = "blob";
}

impl Grant {
    pub(super) const fn is_over(&self, now: Timestamp) -> bool {
        self.keep_until <= now.unix_seconds()
    }

    fn lets(&self, reader: &Reader<'_>, now: Timestamp) -> bool {
        let named = reader
            .name
            .is_some_and(|name| self.owner == name || self.readers.contains(name));
        !self.is_over(now) && (named || (self.peers && reader.peer))
    }
}

impl Record {
    /// Whether a reader may have it, as this class if one is wanted.
    pub(super) fn lets(&self, reader: &Reader<'_>, class: Option<Class>, now: Timestamp) -> bool {
        self.grants
            .iter()
            .filter(|grant| class.is_none_or(|class| grant.class == class))
            .any(|grant| grant.lets(reader, now))
    }

    pub(super) fn of(&mut self, owner: &str) -> Option<&mut Grant> {
        self.grants.iter_mut().find(|grant| grant.owner == owner)
    }
}
