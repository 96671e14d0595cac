//! Audits by a node: hand a receipt in, ask what became of it, see what a peer's audits have found.
//!
//! Enters: a node, a receipt or a peer's name. Leaves: the node's findings, which are its word. Refuses: nothing of its own.

use std::ffi::OsString;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tenzik_node::federation::PeerName;
use tenzik_receipt::{ReceiptId, SignedReceipt};

use super::Args;
use super::rerun::forged;
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::remote::{self, Remote};
use crate::source::{CAPSULE, INPUT, Kind, Source, stdin_once};
use crate::{store, text};

/// Asks a node.
pub(super) fn audit(args: &Args, node: &Remote, context: &Context) -> Result<Reply, Failure> {
    if let Some(peer) = &args.peer {
        return report(peer, args.after, node);
    }
    let name = args.receipt.clone().unwrap_or_default();
    // As everywhere, an id may stand without its prefix, unless there is a file of that name.
    let whole = |text: &str| text.parse().or_else(|_| format!("receipt:{text}").parse());
    let id: Option<ReceiptId> = name.to_str().and_then(|text| whole(text).ok());
    let id = id.filter(|_| !Path::new(&name).exists());
    match id {
        // A whole id asks what became of a receipt that was handed in before.
        Some(id) if args.capsule.is_none() && args.input.is_none() => {
            let answer = node.json(&format!("/v1/audits/{id}"))?;
            let answer = answer.ok_or_else(|| remote::absent("audit of this receipt"))?;
            Ok(told(&id.to_string(), &answer))
        }
        _ => hand_in(args, Source::from(name), node, context),
    }
}

fn hand_in(
    args: &Args,
    receipt: Source,
    node: &Remote,
    context: &Context,
) -> Result<Reply, Failure> {
    let source = |argument: &Option<OsString>| argument.clone().map(Source::from);
    let (capsule, input) = (source(&args.capsule), source(&args.input));
    stdin_once(&[
        ("receipt", Some(&receipt)),
        ("capsule", capsule.as_ref()),
        ("input", input.as_ref()),
    ])?;
    let bytes = store::read(&receipt, &context.home)?;
    let id = SignedReceipt::from_bytes(&bytes)?.id();
    // The receipt goes as it is: its bytes are what is signed.
    let mut body = format!("{{\"receipt\":{}", String::from_utf8_lossy(&bytes));
    body += &member("capsule_base64", capsule, CAPSULE)?;
    body += &member("input_base64", input, INPUT)?;
    body.push('}');
    let answered = node.post("/v1/audits", body.as_bytes())?;
    match answered.status {
        200 | 202 => Ok(told(&id.to_string(), &answered.body)),
        _ => Err(remote::refused(&id.to_string(), &answered)),
    }
}

fn member(name: &str, source: Option<Source>, kind: Kind) -> Result<String, Failure> {
    Ok(match source {
        Some(source) => format!(",\"{name}\":\"{}\"", STANDARD.encode(source.read(kind)?)),
        None => String::new(),
    })
}

fn told(id: &str, answer: &Value) -> Reply {
    let finding = &answer["finding"];
    let word = |name: &str| text::shown(finding[name].as_str().unwrap_or("-"), 400);
    let (line, failure) = match finding["outcome"].as_str() {
        Some("same") => ("same        the node ran it again".to_owned(), None),
        Some("begun") => (
            "begun       ask again with the receipt's whole id".to_owned(),
            None,
        ),
        Some("forged") => {
            let (claimed, found) = (word("claimed"), word("found"));
            let why = format!("{}: claimed {claimed}, found {found}", word("member"));
            let hint = format!(
                "the node has the evidence at /v1/evidence/{}",
                word("evidence")
            );
            (format!("FORGED      {why}"), Some(forged(&why, hint)))
        }
        _ => {
            let reason = text::shown(&finding["reason"].to_string(), 200);
            (format!("not audited {reason}"), Some(unaudited(&reason)))
        }
    };
    let lines = format!("receipt    {id}\nfinding    {line}\n");
    let members = json!({"id": id, "finding": finding});
    Reply::new(lines, members).failing(failure)
}

fn unaudited(reason: &str) -> Failure {
    Failure::new(
        Exit::CannotTell,
        "unaudited",
        format!("the node did not run it to the end: {reason}"),
        "hand it in with --capsule and --input",
    )
}

fn report(peer: &PeerName, after: Option<u64>, node: &Remote) -> Result<Reply, Failure> {
    let after = after.map_or_else(String::new, |after| format!("&after={after}"));
    let answer = node.json(&format!("/v1/audits?peer={peer}{after}"))?;
    let answer = answer.ok_or_else(|| remote::absent("audits of a peer of this name"))?;
    let report = answer["report"].as_object().into_iter().flatten();
    let mut lines: String = report
        .map(|(name, value)| {
            let (name, value) = (text::shown(name, 40), text::shown(&value.to_string(), 300));
            format!("{name:<19} {value}\n")
        })
        .collect();
    for audit in answer["audits"].as_array().into_iter().flatten() {
        lines += &format!("{}\n", text::shown(&audit.to_string(), 600));
    }
    let members = json!({
        "report": answer["report"], "audits": answer["audits"], "next": answer["next"],
    });
    Ok(Reply::new(lines, members))
}
