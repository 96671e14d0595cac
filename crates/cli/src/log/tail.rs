//! `log tail`: the newest entries of a log, and those that come.
//!
//! Enters: where the log is. Leaves: a line for each entry. Refuses: to go on when the log has become shorter. Nothing here
//! is verified; `log verify` does that.

use std::io;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tenzik_log::checkpoint::Checkpoint;
use tenzik_log::tile::TILE_WIDTH;
use tenzik_receipt::SignedReceipt;

use super::checkpoint::malformed;
use super::place::{Place, PlaceArgs, STEP_ENTRIES};
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::{Console, Reply};

/// How often a log that is followed is asked.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// `log tail`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// How many of the newest entries are listed first
    #[arg(long, value_name = "N", default_value_t = 10)]
    lines: u64,
    /// Go on with those that come, until interrupted
    #[arg(long)]
    follow: bool,
}

/// Lists, and follows.
pub(super) fn tail(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let place = args.place.open()?;
    context
        .console
        .note("unverified: `tenzik log verify` checks a log");
    let size = size(&place)?;
    let from = size.saturating_sub(args.lines);
    if show(&place, from, size, context.console)? && args.follow {
        follow(&place, size, context.console)?;
    }
    Ok(Reply::streamed())
}

/// Shows what comes, until nobody reads it any more.
fn follow(place: &Place, mut shown: u64, console: Console) -> Result<(), Failure> {
    loop {
        thread::sleep(ASKED_EVERY);
        match size(place) {
            Ok(size) if size < shown => return Err(went_back(shown, size)),
            Ok(size) if !show(place, shown, size, console)? => return Ok(()),
            Ok(size) => shown = size,
            // A node may be restarted while it is followed.
            Err(failure) if failure.exit == Exit::Other => console.note(&failure.to_string()),
            Err(failure) => return Err(failure),
        }
    }
}

fn size(place: &Place) -> Result<u64, Failure> {
    let head = Checkpoint::peek(&place.checkpoint()?).map_err(|error| malformed(&error))?;
    Ok(head.size())
}

/// Prints entries; `false` if nobody reads any more.
fn show(place: &Place, from: u64, to: u64, console: Console) -> Result<bool, Failure> {
    let mut start = from - from % TILE_WIDTH;
    while start < to {
        let entries = place.entries(start, to.min(start + STEP_ENTRIES), to)?;
        for (index, entry) in (start..).zip(&entries).filter(|(index, _)| *index >= from) {
            if !print(console, index, entry)? {
                return Ok(false);
            }
        }
        // A node gives less than was asked for where entries are long.
        start += entries.len() as u64;
    }
    Ok(true)
}

fn print(console: Console, index: u64, entry: &[u8]) -> Result<bool, Failure> {
    let line = match console.json {
        true => format!("{}\n", member(index, entry)),
        false => line(index, entry),
    };
    match console.data(line.as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn line(index: u64, entry: &[u8]) -> String {
    match SignedReceipt::from_bytes(entry) {
        Err(error) => format!("{index} no receipt: {error}\n"),
        Ok(receipt) => {
            let claim = receipt.claim();
            format!(
                "{index} {} {} {:<16} {}\n",
                receipt.id(),
                receipt.receipt().issued_at,
                claim.status(),
                claim.code()
            )
        }
    }
}

fn member(index: u64, entry: &[u8]) -> Value {
    match SignedReceipt::from_bytes(entry) {
        Err(error) => json!({"version": 1, "index": index, "error": error.to_string()}),
        Ok(receipt) => json!({
            "version": 1,
            "index": index,
            "id": receipt.id().to_string(),
            "node": receipt.receipt().node.to_string(),
            "issued_at": receipt.receipt().issued_at.to_string(),
            "kind": receipt.claim().kind(),
            "status": receipt.claim().status(),
            "capsule": receipt.claim().code().to_string(),
        }),
    }
}

/// A log only grows: a shorter one is an old copy, or a second story.
fn went_back(shown: u64, size: u64) -> Failure {
    Failure::new(
        Exit::Failed,
        "log_behind",
        format!("the log had {shown} entries, and now it has {size}"),
        "keep what was shown; `tenzik log verify --old CHECKPOINT` tells an old copy from another story",
    )
}
