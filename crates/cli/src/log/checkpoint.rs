//! `log checkpoint`: what a log says of its tree.
//!
//! Enters: where it is, and whose word counts. Leaves: the checkpoint's bytes. Refuses: one that does not hold, if it is
//! said who must have signed it; else it is told that nobody looked.

use serde_json::json;
use tenzik_log::checkpoint::Checkpoint;
use tenzik_log::note::Note;

use super::place::PlaceArgs;
use super::refused;
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::witnessed::LogTrust;

/// `log checkpoint`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    trust: LogTrust,
}

/// Prints the checkpoint.
pub(super) fn checkpoint(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let bytes = args.place.open()?.checkpoint()?;
    let read = Checkpoint::peek(&bytes).map_err(|error| malformed(&error))?;
    let note = Note::from_bytes(&bytes).map_err(|error| malformed(&error))?;
    if args.trust.is_given() {
        let policy = args.trust.load()?;
        policy
            .open(&bytes)
            .map_err(|error| refused::policy(&error))?;
    } else {
        context
            .console
            .note("not verified: give the log's key with --log");
    }
    let signatures: Vec<_> = note
        .signatures()
        .iter()
        .map(|line| json!({"name": line.name().as_str(), "id": line.id().to_string()}))
        .collect();
    let members = json!({
        "origin": read.origin().as_str(),
        "size": read.size(),
        "root": read.root().to_string(),
        "signatures": signatures,
        "verified": args.trust.is_given(),
        "checkpoint": String::from_utf8_lossy(&bytes),
    });
    Ok(Reply::new(bytes, members))
}

/// Bytes that are no checkpoint.
pub(super) fn malformed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Failed,
        "checkpoint",
        format!("this is no checkpoint: {error}"),
        "name the folder or node that has the log",
    )
}
