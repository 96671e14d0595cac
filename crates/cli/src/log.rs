//! `log`: a transparency log of receipts, kept in a folder or read from a node.
//!
//! Enters: receipts, a folder or a node's URL, whose word counts. Leaves: places, checkpoints, proofs, and what holds of a
//! log. Refuses: receipts that may not be in the log, before any of them is taken, and to hand out a proof that does not hold.

mod append;
mod checkpoint;
mod place;
mod proof;
mod refused;
mod tail;
mod verify;

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_receipt::KeyUse;

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::{keyfile, text};

pub(crate) use refused::sql;

/// `log`, as it is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Put receipts into a log: one in a folder, or a node's
    Append(append::Args),
    /// Get the proof that a receipt is in a log, and hold it against the receipt
    Proof(proof::Args),
    /// Check a whole log, or a range of it: signature, witnesses, tree, every receipt
    Verify(verify::Args),
    /// List the newest entries, unverified
    Tail(tail::Args),
    /// Print a log's checkpoint
    Checkpoint(checkpoint::Args),
    /// Print the key by which others verify a log or a witness, as peers files and policies have it
    Key {
        /// A checkpoint key's file, or a witness key's
        file: PathBuf,
        /// The log's origin or the witness's name, such as node.example/log
        #[arg(value_parser = name)]
        name: KeyName,
    },
}

fn name(text: &str) -> Result<KeyName, String> {
    KeyName::new(text).map_err(|error| error.to_string())
}

/// Does what the verb says.
pub(crate) fn log(verb: Verb, context: &Context) -> Result<Reply, Failure> {
    match verb {
        Verb::Append(args) => append::append(&args, context),
        Verb::Proof(args) => proof::proof(args, context),
        Verb::Verify(args) => verify::verify(&args),
        Verb::Tail(args) => tail::tail(&args, context),
        Verb::Checkpoint(args) => checkpoint::checkpoint(&args, context),
        Verb::Key { file, name } => key(&file, name),
    }
}

/// A log's key is of another type than a witness's, so that neither's signature stands for the other's.
fn key(file: &std::path::Path, name: KeyName) -> Result<Reply, Failure> {
    let key = keyfile::read(file)?;
    let signature_type = match key.key_use() {
        KeyUse::Checkpoint => SignatureType::Ed25519,
        KeyUse::Witness => SignatureType::Cosignature,
        got => return Err(no_log_key(file, got)),
    };
    let key = VerifierKey::new(name, signature_type, key.public()).map_err(|error| {
        Failure::new(
            Exit::Usage,
            "log_key",
            error.to_string(),
            "make another key with `tenzik key gen`",
        )
    })?;
    let members = json!({
        "key": key.to_string(),
        "name": key.name().as_str(),
        "type": key.signature_type().to_string(),
    });
    Ok(Reply::new(format!("{key}\n"), members))
}

fn no_log_key(file: &std::path::Path, got: KeyUse) -> Failure {
    Failure::new(
        Exit::Usage,
        "key_use",
        format!(
            "the key in {} is for the use {got}; logs have checkpoint keys, witnesses have witness keys",
            text::path(file)
        ),
        "make one with: tenzik key gen --use checkpoint --out FILE",
    )
}
