//! What a log, its storage or the network refused, as the command line tells it.
//!
//! Enters: their errors. Leaves: [`Failure`]s. Refuses: nothing.

use tenzik_log::policy::PolicyError;
use tenzik_log::tree::TreeError;
use tenzik_log::{LeafError, LogError, OpenError, StorageError};
use tenzik_node::federation::PullError;
use tenzik_store::sql::SqlError;

use crate::error::{Exit, Failure};
use crate::witnessed::is_untold;
use crate::{remote, text};

/// How much of a message that repeats a peer's or the system's words is shown.
const CHARS_MAX: usize = 500;

fn shown(error: impl std::fmt::Display) -> String {
    text::shown(&error.to_string(), CHARS_MAX)
}

/// A folder's storage.
pub(super) fn storage(error: &StorageError) -> Failure {
    match error {
        StorageError::Locked { .. } => Failure::new(
            Exit::Other,
            "log_in_use",
            shown(error),
            "a node has it open: ask that one with --url, or stop it first",
        ),
        StorageError::Damaged { .. } => Failure::new(
            Exit::Failed,
            "log_damaged",
            shown(error),
            "do not write to it; check it with `tenzik log verify`, and restore it from a copy",
        ),
        _ => Failure::new(
            Exit::Other,
            "storage",
            shown(error),
            "mend the folder or its permissions, and try again",
        ),
    }
}

/// A log that is not opened.
pub(super) fn opening(error: &OpenError) -> Failure {
    match error {
        OpenError::Storage(error) => storage(error),
        OpenError::Behind { .. } => Failure::new(
            Exit::Failed,
            "log_behind",
            shown(error),
            "it is an old copy: going on with it would sign a second story; restore the newest one",
        ),
        OpenError::Checkpoint(_) | OpenError::Use { .. } | OpenError::Key(_) => Failure::new(
            Exit::Usage,
            "log_key",
            shown(error),
            "give the key and the origin with which the log was begun",
        ),
        _ => Failure::new(
            Exit::Failed,
            "log_damaged",
            shown(error),
            "do not write to it; check it with `tenzik log verify`, and restore it from a copy",
        ),
    }
}

/// A log that does not take a leaf, or has stopped.
pub(super) fn appending(error: &LogError) -> Failure {
    Failure::new(
        Exit::Other,
        "log_stopped",
        shown(error),
        "try again: a receipt that was taken keeps its place, and is not taken twice",
    )
}

/// A receipt that may not be in the log.
pub(super) fn leaf(which: &str, error: &LeafError) -> Failure {
    let (exit, hint) = match error {
        LeafError::Node { .. } => (
            Exit::Denied,
            "if the log is for this node's receipts, too, name its key with --node",
        ),
        LeafError::NotOptedIn => (
            Exit::Denied,
            "whoever asked for the run did not say that anyone may see its receipt",
        ),
        LeafError::OtherLog { .. } => (Exit::Denied, "append it to the log that it promises"),
        _ => (Exit::Failed, "get the receipt again from its signer"),
    };
    Failure::new(
        exit,
        "not_a_leaf",
        format!(
            "{} may not be in the log: {}",
            text::shown(which, 200),
            shown(error)
        ),
        hint,
    )
}

/// A checkpoint that does not count.
pub(super) fn policy(error: &PolicyError) -> Failure {
    match is_untold(error) {
        true => Failure::new(
            Exit::CannotTell,
            "log_unknown",
            format!(
                "cannot tell whether the checkpoint counts: {}",
                shown(error)
            ),
            "give the log's own key with --log, and a policy whose witnesses have cosigned, or ask again later",
        ),
        false => Failure::new(
            Exit::Failed,
            "checkpoint",
            format!("the checkpoint does not hold: {}", shown(error)),
            "do not rely on it; get the log's key from its operator, and its checkpoint again",
        ),
    }
}

/// A log across the network, or its answers.
pub(super) fn pull(error: &PullError) -> Failure {
    match error {
        PullError::Client(error) => remote::unreachable(error),
        PullError::Missing { path } => missing(path),
        PullError::Storage(error) => storage(error),
        _ => Failure::new(
            Exit::Failed,
            "log_form",
            shown(error),
            "the log is damaged or not one; tell its operator",
        ),
    }
}

/// A part of a log that is not there.
pub(super) fn missing(path: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        "not_found",
        format!("the log has no {}", text::shown(path, 200)),
        "name the folder or node that has the log; a new log has no checkpoint until it has an entry",
    )
}

/// An entry that no log may have, for its size.
pub(super) fn leaf_size(start: u64, error: &tenzik_log::bundle::BundleError) -> Failure {
    Failure::new(
        Exit::Failed,
        "log_form",
        format!("the entries from {start} on: {error}"),
        "the log is damaged or not one; tell its operator",
    )
}

/// Tiles that do not give what a tree of their size has.
pub(super) fn tree(error: &TreeError) -> Failure {
    match error {
        TreeError::Storage(error) => storage(error),
        _ => Failure::new(
            Exit::Failed,
            "log_damaged",
            format!(
                "the log's tiles are not those of its tree: {}",
                shown(error)
            ),
            "check it with `tenzik log verify`",
        ),
    }
}

/// The list of receipts beside a log.
pub(crate) fn sql(error: &SqlError) -> Failure {
    Failure::new(
        Exit::Other,
        "storage",
        shown(error),
        "mend the folder or its permissions, and try again",
    )
}
