//! `log append`: receipts into a log.
//!
//! Enters: receipts, and a folder with the log's key, or a node. Leaves: each one's index, durable, and the checkpoint over
//! them. Refuses: all of them if one may not be in the log.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tenzik_log::checkpoint::{Origin, SignedCheckpoint};
use tenzik_log::{Leaf, LeafRules, Log, Placed, Visibility};
use tenzik_receipt::{KeyUse, PublicKey, ReceiptId, SignedReceipt, Verifier};
use tenzik_store::sql::SqlError;
use tenzik_store::{Catalog, CatalogRow, DiskStorage};

use super::place::PlaceArgs;
use super::refused;
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::remote::Remote;
use crate::source::{Source, stdin_once};
use crate::{keyfile, remote, store, system, text};

/// How many leaves are written at a time.
const GROUP: usize = 1_024;
/// The most rows of one transaction of the catalog.
const ROWS_MAX: u64 = 4_096;

/// `log append`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The receipts: files, ids in your store, or - for stdin
    #[arg(required = true, value_name = "RECEIPT")]
    receipts: Vec<OsString>,
    #[command(flatten)]
    place: PlaceArgs,
    /// The log's checkpoint key
    #[arg(
        long,
        value_name = "FILE",
        requires = "dir",
        required_unless_present = "url"
    )]
    key: Option<PathBuf>,
    /// The log's name, such as node.example/log
    #[arg(long, value_name = "ORIGIN", requires = "dir", required_unless_present = "url", value_parser = origin)]
    origin: Option<Origin>,
    /// A node whose receipts the log is for; may be repeated; without it, your own receipt key
    #[arg(long = "node", value_name = "KEY", requires = "dir")]
    nodes: Vec<PublicKey>,
    /// Take only what anyone may see: private runs, and those whose receipts promise this log
    #[arg(long, requires = "dir")]
    public: bool,
}

fn origin(text: &str) -> Result<Origin, String> {
    Origin::new(text).map_err(|error| error.to_string())
}

/// Appends.
pub(super) fn append(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let receipts = read(&args.receipts, context)?;
    match (&args.place.url, &args.place.dir, &args.key, &args.origin) {
        (Some(url), ..) => {
            let node = Remote::new(url, &args.place.manners)?;
            hand_in(&node, &receipts)
        }
        (None, Some(directory), Some(key), Some(origin)) => {
            let nodes = nodes(&args.nodes, context)?;
            let rules = rules(origin, nodes, visibility(args.public))?;
            let leaves = leaves(&receipts, &rules)?;
            offline(directory, key, origin, leaves)
        }
        // clap has asked for them.
        _ => Err(refused::missing("place")),
    }
}

/// A receipt to append: how it was named, and its bytes.
struct Named {
    name: String,
    id: ReceiptId,
    bytes: Vec<u8>,
}

fn read(names: &[OsString], context: &Context) -> Result<Vec<Named>, Failure> {
    let sources: Vec<Source> = names.iter().cloned().map(Source::from).collect();
    let once: Vec<_> = sources
        .iter()
        .map(|source| ("receipt", Some(source)))
        .collect();
    stdin_once(&once)?;
    let named = sources.iter().zip(names).map(|(source, name)| {
        let bytes = store::read(source, &context.home)?;
        let receipt = SignedReceipt::from_bytes(&bytes)?;
        Ok(Named {
            name: name.to_string_lossy().into_owned(),
            id: receipt.id(),
            bytes,
        })
    });
    named.collect()
}

/// The nodes that are named, or the user's own.
fn nodes(named: &[PublicKey], context: &Context) -> Result<Vec<PublicKey>, Failure> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let own = context.home.key_file(KeyUse::Receipt);
    let path = context.settings.key.clone().unwrap_or(own);
    if !path.exists() {
        return Err(Failure::new(
            Exit::Usage,
            "usage",
            "it is not said whose receipts the log is for, and you have no key",
            "name the node's receipt key with --node ed25519:…",
        ));
    }
    Ok(vec![keyfile::read_for(&path, KeyUse::Receipt)?.public()])
}

/// Who may read a log.
pub(super) const fn visibility(public: bool) -> Visibility {
    match public {
        true => Visibility::Public,
        false => Visibility::Private,
    }
}

/// What may be in a log.
pub(super) fn rules(
    origin: &Origin,
    nodes: Vec<PublicKey>,
    visibility: Visibility,
) -> Result<LeafRules, Failure> {
    LeafRules::new(origin.clone(), nodes, visibility).map_err(|error| {
        Failure::new(
            Exit::Usage,
            "node_key",
            format!("a node's key cannot be used: {error}"),
            "get the key again from its owner",
        )
    })
}

/// All of them are looked at before any is taken.
fn leaves(receipts: &[Named], rules: &LeafRules) -> Result<Vec<Leaf>, Failure> {
    let (now, mut verifier) = (system::now()?, Verifier::default());
    let leaves = receipts.iter().map(|named| {
        let read = rules.read(&named.bytes, now, &mut verifier);
        let leaf = read.map_err(|error| refused::leaf(&named.name, &error))?;
        Ok(leaf.0)
    });
    leaves.collect()
}

fn offline(
    directory: &Path,
    key: &Path,
    origin: &Origin,
    leaves: Vec<Leaf>,
) -> Result<Reply, Failure> {
    let key = keyfile::read_for(key, KeyUse::Checkpoint)?;
    let storage = DiskStorage::at(directory).map_err(|error| refused::storage(&error))?;
    let database = storage.database();
    let log = Log::open(Arc::new(storage), key, origin.clone());
    let log = log.map_err(|error| refused::opening(&error))?;
    let ids: Vec<ReceiptId> = leaves.iter().map(Leaf::id).collect();
    let placed = take(&log, leaves)?;
    let published = publish(&log)?;
    let catalog = Catalog::new(database).map_err(|error| refused::sql(&error))?;
    list(&log, &catalog)?;
    let entries: Vec<_> = ids.into_iter().zip(placed).collect();
    Ok(told(&entries, &log.committed(), published))
}

/// Appends in groups, and takes each into the tree: what is pending stays small.
fn take(log: &Log, leaves: Vec<Leaf>) -> Result<Vec<Placed>, Failure> {
    let stopped = |error| refused::appending(&error);
    let mut placed = Vec::new();
    let mut leaves = leaves.into_iter().peekable();
    while leaves.peek().is_some() {
        let group = leaves.by_ref().take(GROUP).collect();
        placed.extend(log.append(group).map_err(stopped)?);
        while log.integrate(GROUP).map_err(stopped)?.is_some() {}
    }
    Ok(placed)
}

/// A log that witnesses cosign is published by its node, which asks them; a checkpoint without their word would not count.
fn publish(log: &Log) -> Result<bool, Failure> {
    let published = log.published();
    let cosigned = published.is_some_and(|head| head.note().signatures().len() > 1);
    if !cosigned {
        let published = log.publish(&log.committed());
        published.map_err(|error| refused::appending(&error))?;
    }
    Ok(!cosigned)
}

/// Brings the catalog up to the tree. A crash before this: the next append, or the node, does it.
fn list(log: &Log, catalog: &Catalog) -> Result<(), Failure> {
    let sql = |error: SqlError| refused::sql(&error);
    let (origin, size) = (log.origin().as_str(), log.committed().checkpoint().size());
    let mut from = catalog.progress(origin).map_err(sql)?;
    while from < size {
        let to = size.min(from + ROWS_MAX);
        let mut rows = Vec::new();
        for index in from..to {
            let leaf = log.entry(index).map_err(|error| refused::tree(&error))?;
            // What is no receipt has no row; this command takes none.
            let receipt = SignedReceipt::from_bytes(&leaf);
            rows.extend(receipt.map(|receipt| CatalogRow::of(origin, index, &receipt)));
        }
        catalog.insert_up_to(origin, &rows, to).map_err(sql)?;
        from = to;
    }
    Ok(())
}

fn told(entries: &[(ReceiptId, Placed)], head: &SignedCheckpoint, published: bool) -> Reply {
    let placed = |(id, placed): &(ReceiptId, Placed)| line(placed.index, *id, placed.known);
    let mut lines: String = entries.iter().map(placed).collect();
    lines += "\n";
    lines += &String::from_utf8_lossy(&head.to_bytes());
    if !published {
        lines += "\nnot published: the log has witnesses, whom its node asks\n";
    }
    let placed = |(id, placed): &(ReceiptId, Placed)| member(placed.index, *id, placed.known);
    let members = json!({
        "entries": entries.iter().map(placed).collect::<Vec<Value>>(),
        "size": head.checkpoint().size(),
        "checkpoint": String::from_utf8_lossy(&head.to_bytes()),
        "published": published,
    });
    Reply::new(lines, members)
}

/// Hands receipts to a node, one by one. What was taken before one was refused stays taken.
fn hand_in(node: &Remote, receipts: &[Named]) -> Result<Reply, Failure> {
    let (mut lines, mut members) = (String::new(), Vec::new());
    let mut failure = None;
    for named in receipts {
        let answered = match node.post("/v1/receipts", &named.bytes) {
            Ok(answered) => answered,
            // Whether this one was taken nobody knows; those before it were, and stay told.
            Err(lost) => {
                failure = Some(lost);
                break;
            }
        };
        let index = answered.body["index"].as_u64();
        let Some(index) = index.filter(|_| answered.status == 200) else {
            let name = text::shown(&named.name, 200);
            failure = Some(remote::refused(&name, &answered));
            break;
        };
        let known = answered.body["known"].as_bool().unwrap_or_default();
        lines += &line(index, named.id, known);
        members.push(member(index, named.id, known));
    }
    Ok(Reply::new(lines, json!({"entries": members})).failing(failure))
}

fn line(index: u64, id: ReceiptId, known: bool) -> String {
    let known = if known { " already there" } else { "" };
    format!("{index} {id}{known}\n")
}

fn member(index: u64, id: ReceiptId, known: bool) -> Value {
    json!({"id": id.to_string(), "index": index, "known": known})
}
