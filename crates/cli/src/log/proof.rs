//! `log proof`: that a receipt is in a log, in one file to be checked offline.
//!
//! Enters: a receipt or its id, where the log is, whose word counts. Leaves: a `.tlog-proof` that holds. Refuses: to write
//! one that does not.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;
use tenzik_log::Storage as _;
use tenzik_log::policy::Policy;
use tenzik_log::proof_file::{Included, PROOF_FILE_BYTES_MAX, TlogProof};
use tenzik_log::tile::TILE_WIDTH;
use tenzik_log::tree::Tree;
use tenzik_receipt::{RECEIPT_BYTES_MAX, ReceiptId, SignedReceipt};
use tenzik_store::DiskStorage;

use super::place::{Place, PlaceArgs};
use super::refused;
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::remote::Remote;
use crate::source::Source;
use crate::witnessed::{LogTrust, Proven};
use crate::{files, store, text};

/// `log proof`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The receipt's file, its id, or - for stdin
    receipt: OsString,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    trust: LogTrust,
    /// Where the proof goes; without it, to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A proof with what it is about.
struct Found {
    proof: Vec<u8>,
    receipt: Vec<u8>,
}

/// Gets a proof, and checks it.
pub(super) fn proof(args: Args, context: &Context) -> Result<Reply, Failure> {
    let policy = args.trust.load()?;
    let (id, held) = wanted(args.receipt, context)?;
    let found = match (&args.place.url, &args.place.dir) {
        (Some(url), _) => {
            let node = Remote::new(url, &args.place.manners)?;
            from_node(&node, id, held)?
        }
        (None, Some(directory)) => from_folder(directory, &args.place.open()?, id, &policy)?,
        // clap has asked for one of them.
        (None, None) => return Err(refused::missing("place")),
    };
    let included = hold(&found, id, &policy)?;
    if let Some(out) = &args.out {
        files::replace(out, &found.proof, files::PUBLIC)
            .map_err(|error| not_written(out, &error))?;
        context.console.note(&format!(
            "{id} is at {} of {} in {}; the proof is in {}",
            included.index,
            included.size,
            included.origin,
            text::path(out)
        ));
    }
    let members = json!({
        "id": id.to_string(),
        "origin": included.origin.as_str(),
        "index": included.index,
        "size": included.size,
        "proof": String::from_utf8_lossy(&found.proof),
    });
    let data = if args.out.is_some() {
        Vec::new()
    } else {
        found.proof
    };
    Ok(Reply::new(data, members))
}

/// A whole id stands for a receipt that need not be here.
fn wanted(name: OsString, context: &Context) -> Result<(ReceiptId, Option<Vec<u8>>), Failure> {
    let id: Option<ReceiptId> = name.to_str().and_then(|text| {
        let text = text.strip_prefix(ReceiptId::PREFIX).unwrap_or(text);
        format!("{}{text}", ReceiptId::PREFIX).parse().ok()
    });
    match id {
        Some(id) if !Path::new(&name).exists() => Ok((id, None)),
        _ => {
            let bytes = store::read(&Source::from(name), &context.home)?;
            Ok((SignedReceipt::from_bytes(&bytes)?.id(), Some(bytes)))
        }
    }
}

fn from_folder(
    directory: &Path,
    place: &Place,
    id: ReceiptId,
    policy: &Policy,
) -> Result<Found, Failure> {
    let bytes = place.checkpoint()?;
    let (head, _) = policy
        .open(&bytes)
        .map_err(|error| refused::policy(&error))?;
    let storage = DiskStorage::at(directory).map_err(|error| refused::storage(&error))?;
    let index = storage
        .find(&id)
        .map_err(|error| refused::storage(&error))?;
    let size = head.checkpoint().size();
    let index = index
        .filter(|index| *index < size)
        .ok_or_else(|| not_in_log(id))?;
    let path = Tree::new(size, place.tiles())
        .inclusion(index)
        .map_err(|error| refused::tree(&error))?;
    let start = index - index % TILE_WIDTH;
    let receipt = place.entries(start, index + 1, size)?.pop();
    let proof = TlogProof::new(None, index, path, &head);
    let proof = proof.expect("a path of the tree and a checkpoint that was read are within bounds");
    Ok(Found {
        proof: proof.to_bytes(),
        receipt: receipt.ok_or_else(|| not_in_log(id))?,
    })
}

fn from_node(node: &Remote, id: ReceiptId, held: Option<Vec<u8>>) -> Result<Found, Failure> {
    let get = |path: &str, bytes_max: usize| {
        let body = node.get(&format!("/v1/receipts/{path}"), bytes_max as u64)?;
        body.ok_or_else(|| not_in_log(id))
    };
    let receipt = match held {
        Some(bytes) => bytes,
        None => get(&id.to_string(), RECEIPT_BYTES_MAX)?,
    };
    let proof = get(&format!("{id}/proof"), PROOF_FILE_BYTES_MAX)?;
    Ok(Found { proof, receipt })
}

/// That the proof is of the receipt that was asked for.
fn hold(found: &Found, id: ReceiptId, policy: &Policy) -> Result<Included, Failure> {
    let shown = SignedReceipt::from_bytes(&found.receipt)?;
    if shown.id() != id {
        return Err(Failure::new(
            Exit::Failed,
            "proof",
            format!(
                "the log answered with {} where {id} was asked for",
                shown.id()
            ),
            "tell the log's operator",
        ));
    }
    match Proven::of(&found.proof, &found.receipt, policy) {
        Proven::Holds(included) => Ok(included),
        Proven::Fails(why) => Err(Failure::new(
            Exit::Failed,
            "proof",
            why,
            "do not take the receipt as logged; tell the log's operator",
        )),
        Proven::Unknown(why) => Err(Failure::new(
            Exit::CannotTell,
            "log_unknown",
            why,
            "give the log's own key with --log, or ask again when more witnesses have cosigned",
        )),
    }
}

fn not_in_log(id: ReceiptId) -> Failure {
    Failure::new(
        Exit::NotFound,
        "not_found",
        format!("{id} is not in the tree that the log has published"),
        "if it was appended a moment ago, ask again; else append it with `tenzik log append`",
    )
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        "proof_not_written",
        format!(
            "the proof cannot be written to {}: {error}",
            text::path(path)
        ),
        "name a place where you may write, with --out",
    )
}
