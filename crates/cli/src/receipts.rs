//! `receipts`: what is in a receipt, what is in the store, and receipts for other systems' eyes.
//!
//! Enters: receipts by file, id or stdin. Leaves: their figures, a list, or an envelope. Refuses: what has not the form
//! of a receipt. Nothing here verifies a signature; `receipts verify` does.

mod ls;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use tenzik_receipt::export::{to_dsse, to_in_toto};
use tenzik_receipt::{Claim, Encode, KeyUse, SignedReceipt};

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::run::receipt_object;
use crate::source::Source;
use crate::{keyfile, store, verify};

/// `receipts`, as it is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show what a receipt says, unverified
    Show {
        /// The receipt's file, its id in your store, or - for stdin
        receipt: OsString,
    },
    /// Print a receipt as it is, or in another system's form
    Export {
        /// The receipt's file, its id in your store, or - for stdin
        receipt: OsString,
        /// The form: the receipt's own bytes, a DSSE envelope, or an in-toto Statement in one
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// The exporter key that signs an in-toto Statement
        #[arg(long, value_name = "FILE", required_if_eq("format", "in-toto"))]
        key: Option<PathBuf>,
    },
    /// List your store, newest first, or what a log holds
    Ls(Box<ls::Args>),
    /// Verify a receipt, offline; the same as `tenzik verify`
    Verify(Box<verify::Args>),
}

/// A form to export a receipt in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A DSSE envelope with the receipt's own signature.
    Dsse,
    /// An in-toto Statement that has the receipt in it, signed by an exporter.
    InToto,
    /// The receipt's own bytes.
    #[default]
    Receipt,
}

/// Does what the verb says.
pub(crate) fn receipts(verb: Verb, context: &Context) -> Result<Reply, Failure> {
    match verb {
        Verb::Show { receipt } => show(&read(receipt, context)?),
        Verb::Export {
            receipt,
            format,
            key,
        } => export(&read(receipt, context)?, format, key),
        Verb::Ls(args) => ls::list(&args, context),
        Verb::Verify(args) => verify::verify(*args, context),
    }
}

fn read(name: OsString, context: &Context) -> Result<SignedReceipt, Failure> {
    let bytes = store::read(&Source::from(name), &context.home)?;
    Ok(SignedReceipt::from_bytes(&bytes)?)
}

fn show(receipt: &SignedReceipt) -> Result<Reply, Failure> {
    let members = json!({
        "id": receipt.id().to_string(),
        "claim_id": receipt.claim().id().to_string(),
        "request_id": receipt.claim().request_id().to_string(),
        "replayable": receipt.claim().is_replayable(),
        "verified": false,
        "receipt": receipt_object(receipt),
    });
    Ok(Reply::new(figures(receipt), members))
}

/// The receipt's members by name, the claim's first.
fn figures(receipt: &SignedReceipt) -> String {
    let claim = receipt.claim();
    let around = receipt.receipt();
    let mut lines = vec![
        line("receipt", receipt.id()),
        line("claim", claim.id()),
        line("request", claim.request_id()),
        line("node", around.node),
        line("issued_at", around.issued_at),
        line("kind", claim.kind()),
        line("status", claim.status()),
    ];
    if let Claim::Wasm(claim) = claim {
        let members = claim.members();
        let rest = members.filter(|(name, _)| !matches!(*name, "kind" | "status"));
        lines.extend(rest.map(|(name, value)| line(name, String::from_utf8_lossy(&value))));
    } else {
        let bytes = claim.to_canonical();
        lines.push(line("members", String::from_utf8_lossy(&bytes)));
    }
    if let Some(audience) = &around.audience {
        lines.push(line("audience", &audience.name));
        lines.push(line("expires_at", audience.expires_at));
    }
    if let Some(request) = &around.request {
        lines.push(line("requester", request.requester));
    }
    lines.push(line("signature", "not checked here; see `tenzik verify`"));
    lines.concat()
}

fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<18} {value}\n")
}

fn export(receipt: &SignedReceipt, format: Format, key: Option<PathBuf>) -> Result<Reply, Failure> {
    let bytes = match (format, key) {
        (Format::Receipt, None) => receipt.to_bytes(),
        (Format::Dsse, None) => to_dsse(receipt)?,
        (Format::Receipt | Format::Dsse, Some(_)) => return Err(no_use_of_a_key()),
        (Format::InToto, Some(path)) => {
            to_in_toto(receipt, &keyfile::read_for(&path, KeyUse::Exporter)?)?
        }
        (Format::InToto, None) => return Err(no_exporter()),
    };
    // All three forms are JSON of our own making.
    let exported: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(Reply::new(bytes, json!({"exported": exported})))
}

fn no_exporter() -> Failure {
    Failure {
        exit: Exit::Usage,
        code: "usage",
        message: "an in-toto Statement needs an exporter key".to_owned(),
        hint: "give one with --key FILE; `tenzik key gen --use exporter` makes one".to_owned(),
        about: None,
    }
}

fn no_use_of_a_key() -> Failure {
    Failure {
        exit: Exit::Usage,
        code: "usage",
        message:
            "--key signs an in-toto Statement, and this format has the receipt's own signature"
                .to_owned(),
        hint: "leave --key out, or give --format in-toto".to_owned(),
        about: None,
    }
}
