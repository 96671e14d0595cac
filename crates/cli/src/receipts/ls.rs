//! `receipts ls`: receipts by what they say, in the user's store, beside a log, or at a node.
//!
//! Enters: conditions, all of which must hold. Leaves: a line for each receipt. Refuses: conditions that no receipt could
//! meet. What is listed is not thereby verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tenzik_receipt::{Blake3, PublicKey, ReceiptId, SignedReceipt, Timestamp};
use tenzik_store::catalog::SELECT_MAX;
use tenzik_store::{Catalog, CatalogRow, Filter, SqliteDatabase};

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::remote::{self, Remote, RemoteArgs};
use crate::source::{RECEIPT, Source};
use crate::{log, store, text};

/// How many rows of a log's list are shown unless it is said.
const LIMIT_DEFAULT: usize = 100;

/// `receipts ls`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only of this kind
    #[arg(long, value_name = "KIND", value_parser = ["attested", "refused", "wasm"])]
    kind: Option<String>,
    /// Only with this status
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only of this capsule: blake3: and 64 hex digits
    #[arg(long, value_name = "DIGEST")]
    capsule: Option<Blake3>,
    /// Only signed by this key
    #[arg(long, value_name = "KEY")]
    node: Option<PublicKey>,
    /// Only issued at this time or later, such as 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only issued before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = limit)]
    limit: Option<usize>,
    /// Only those behind this one: where the list before ended
    #[arg(long, value_name = "WHERE")]
    after: Option<String>,
    /// A log's folder, whose list is read instead of your store
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    dir: Option<PathBuf>,
    #[command(flatten)]
    remote: RemoteArgs,
}

fn limit(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=SELECT_MAX).contains(limit))
        .ok_or_else(|| format!("it is 1 to {SELECT_MAX}"))
}

/// Lists.
pub(super) fn list(args: &Args, context: &Context) -> Result<Reply, Failure> {
    match (args.remote.open()?, &args.dir) {
        (Some(node), _) => of_node(args, &node, context),
        (None, Some(directory)) => of_folder(args, directory, context),
        (None, None) => of_store(args, context),
    }
}

/// Newest first. What cannot be read is told, and left out: one bad file does not hide the others.
fn of_store(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let mut good = Vec::new();
    for path in store::list(&context.home)? {
        let read = Source::File(path.clone()).read(RECEIPT);
        let receipt = read
            .map_err(Failure::from)
            .map_err(|failure| failure.message)
            .and_then(|bytes| SignedReceipt::from_bytes(&bytes).map_err(|error| error.to_string()));
        match receipt {
            Ok(receipt) => good.push(receipt),
            Err(error) => context
                .console
                .note(&format!("left out {}: {error}", text::path(&path))),
        }
    }
    good.sort_by_key(|receipt| std::cmp::Reverse((receipt.receipt().issued_at, receipt.id())));
    let behind = behind(&good, args.after.as_deref())?;
    let mut fitting: Vec<_> = behind.iter().filter(|receipt| args.lets(receipt)).collect();
    let limit = args.limit.unwrap_or(usize::MAX);
    let more = fitting.len() > limit;
    fitting.truncate(limit);
    let next = fitting
        .last()
        .filter(|_| more)
        .map(|it| it.id().to_string());
    let lines: String = fitting.iter().map(|receipt| summary(receipt)).collect();
    let entries: Vec<Value> = fitting.iter().map(|receipt| entry(receipt)).collect();
    Ok(told(lines, entries, next, context))
}

/// The receipts behind the one that the list before ended with.
fn behind<'a>(
    all: &'a [SignedReceipt],
    after: Option<&str>,
) -> Result<&'a [SignedReceipt], Failure> {
    let Some(after) = after else {
        return Ok(all);
    };
    let id: Option<ReceiptId> = after.parse().ok();
    let place = id.and_then(|id| all.iter().position(|receipt| receipt.id() == id));
    match place {
        Some(place) => Ok(&all[place + 1..]),
        None => Err(Failure::new(
            Exit::Usage,
            "usage",
            format!("no receipt of your store is {}", text::shown(after, 100)),
            "--after takes the last id of the list before",
        )),
    }
}

impl Args {
    fn lets(&self, receipt: &SignedReceipt) -> bool {
        let (claim, around) = (receipt.claim(), receipt.receipt());
        let fits = |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|it| it == has);
        fits(&self.kind, claim.kind())
            && fits(&self.status, claim.status())
            && self.capsule.is_none_or(|capsule| capsule == claim.code())
            && self.node.is_none_or(|node| node == around.node)
            && self.since.is_none_or(|since| around.issued_at >= since)
            && self.until.is_none_or(|until| around.issued_at < until)
    }

    /// The conditions as a node is asked.
    fn query(&self) -> String {
        let display = |value: Option<String>| value.unwrap_or_default();
        let pairs = [
            ("kind", display(self.kind.clone())),
            ("status", display(self.status.clone())),
            ("capsule", display(self.capsule.map(|it| it.to_string()))),
            ("node", display(self.node.map(|it| it.to_string()))),
            ("since", display(self.since.map(|it| it.to_string()))),
            ("until", display(self.until.map(|it| it.to_string()))),
            ("after", display(self.after.clone())),
            ("limit", self.limit.unwrap_or(LIMIT_DEFAULT).to_string()),
        ];
        let given = pairs.iter().filter(|(_, value)| !value.is_empty());
        let given: Vec<_> = given
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        given.join("&")
    }
}

/// A value of a query: what is no letter, digit or one of a few signs is written in hex.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                escaped.push(char::from(byte));
            }
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}

fn summary(receipt: &SignedReceipt) -> String {
    let (claim, issued_at) = (receipt.claim(), receipt.receipt().issued_at);
    format!(
        "{} {issued_at} {:<16} {}\n",
        receipt.id(),
        claim.status(),
        claim.code()
    )
}

fn entry(receipt: &SignedReceipt) -> Value {
    json!({
        "id": receipt.id().to_string(),
        "issued_at": receipt.receipt().issued_at.to_string(),
        "kind": receipt.claim().kind(),
        "status": receipt.claim().status(),
        "capsule": receipt.claim().code().to_string(),
        "node": receipt.receipt().node.to_string(),
    })
}

/// The list beside a log, which its node or `log append` keeps.
fn of_folder(args: &Args, directory: &Path, context: &Context) -> Result<Reply, Failure> {
    let file = directory.join("node.db");
    if !file.is_file() {
        return Err(Failure::new(
            Exit::NotFound,
            "not_found",
            format!("there is no {}", text::path(&file)),
            "name a log's folder: one of `tenzik log append`, or `store` in a node's data_dir",
        ));
    }
    let sql = |error| log::sql(&error);
    let database = SqliteDatabase::open(&file).map_err(sql)?;
    let catalog = Catalog::new(Arc::new(database)).map_err(sql)?;
    let filter = Filter {
        kind: args.kind.clone(),
        status: args.status.clone(),
        capsule: args.capsule,
        node: args.node,
        since: args.since,
        until: args.until,
        after: args.after.as_deref().map(place).transpose()?,
        limit: args.limit.unwrap_or(LIMIT_DEFAULT),
        ..Filter::default()
    };
    let rows = catalog.select(&filter).map_err(sql)?;
    let last = rows.last().filter(|_| rows.len() == filter.limit);
    let next = last.map(|row| format!("{}@{}", row.index, row.origin));
    let rows: Vec<Value> = rows.iter().map(row).collect();
    Ok(told(rows.iter().map(line).collect(), rows, next, context))
}

/// `INDEX@ORIGIN`.
fn place(text: &str) -> Result<(String, u64), Failure> {
    let place = text.split_once('@');
    let place = place.and_then(|(index, origin)| Some((origin.to_owned(), index.parse().ok()?)));
    place.filter(|(_, index)| *index < 1 << 62).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "usage",
            format!("{} is no place in a log's list", text::shown(text, 100)),
            "--after takes what the list before ended with: INDEX@ORIGIN",
        )
    })
}

fn row(row: &CatalogRow) -> Value {
    json!({
        "id": row.receipt.to_string(),
        "issued_at": row.issued_at.to_string(),
        "kind": row.kind,
        "status": row.status,
        "capsule": row.capsule.to_string(),
        "node": row.node.to_string(),
        "origin": row.origin,
        "index": row.index,
    })
}

/// A row as it is shown, whoever said it.
fn line(row: &Value) -> String {
    let shown = |name: &str| text::shown(row[name].as_str().unwrap_or_default(), 300);
    format!(
        "{} {} {} {:<16} {} {}\n",
        row["index"].as_u64().unwrap_or_default(),
        shown("id"),
        shown("issued_at"),
        shown("status"),
        shown("capsule"),
        shown("origin"),
    )
}

fn of_node(args: &Args, node: &Remote, context: &Context) -> Result<Reply, Failure> {
    if let Some(after) = args.after.as_deref() {
        place(after)?;
    }
    let answer = node.json(&format!("/v1/receipts?{}", args.query()))?;
    let answer = answer.ok_or_else(|| remote::absent("list of receipts"))?;
    let rows = answer["receipts"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Value> = rows.iter().map(listed).collect();
    let next = answer["next"].as_str().map(str::to_owned);
    Ok(told(rows.iter().map(line).collect(), rows, next, context))
}

/// A node's row with the names that ours have. What is not there is null.
fn listed(row: &Value) -> Value {
    json!({
        "id": row["receipt"], "issued_at": row["issued_at"], "kind": row["kind"], "status": row["status"],
        "capsule": row["capsule"], "node": row["node"], "origin": row["origin"], "index": row["index"],
    })
}

fn told(lines: String, entries: Vec<Value>, next: Option<String>, context: &Context) -> Reply {
    if let Some(next) = &next {
        let next = text::shown(next, 400);
        context
            .console
            .note(&format!("there may be more: --after {next}"));
    }
    Reply::new(lines, json!({"receipts": entries, "next": next}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_add_another_condition() {
        assert_eq!(escaped("ok&limit=9 \n#é"), "ok%26limit%3D9%20%0A%23%C3%A9");
        assert_eq!(escaped("2026-11-20T08:00:00Z"), "2026-11-20T08:00:00Z");
    }

    #[test]
    fn a_nodes_rows_of_any_form_are_shown() {
        for row in [
            json!(null),
            json!(1),
            json!("x"),
            json!([]),
            json!({"receipt": {"a": 1}}),
        ] {
            let line = line(&listed(&row));
            assert_eq!(line.matches('\n').count(), 1, "{line}");
        }
    }
}
