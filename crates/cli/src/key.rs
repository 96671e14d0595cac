//! `key`: keys are made, shown, trusted and revoked.
//!
//! Enters: a use, a file, a public key. Leaves: key files of mode 0600, trust files one version up.
//! Refuses: to overwrite a key, to read one that others may read, to trust a revoked one.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;
use tenzik_receipt::{KeyUse, PublicKey, SecretKey, Timestamp, TrustFile};

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::{keyfile, own, text, trust};

/// `key`, as it is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a key, and print its public half
    Gen {
        /// The one thing it may sign: receipt, requester, exporter, checkpoint or witness
        #[arg(long = "use", value_name = "USE", default_value_t = KeyUse::Receipt)]
        key_use: KeyUse,
        /// Where the key goes; without it, to your own keys
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print a key's public half
    Show {
        /// The key's file; without it, your own receipt key
        file: Option<PathBuf>,
    },
    /// Trust a key, or renew a trust file that has it
    Trust {
        /// The key: ed25519: and 64 hex digits, as its owner told you
        key: PublicKey,
        /// What to trust it for
        #[arg(long = "use", value_name = "USE", default_value_t = KeyUse::Receipt)]
        key_use: KeyUse,
        /// What you call it
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// Trust only what it signs from this time on, such as 2026-11-20T08:00:00Z; without it, all it signed
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// The trust file; without it, your own
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
    /// Say that someone else may hold a key: nothing it signed counts any more
    Revoke {
        /// The key
        key: PublicKey,
        /// The trust file; without it, your own
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
}

/// Does what the verb says.
pub(crate) fn key(verb: Verb, context: &Context) -> Result<Reply, Failure> {
    let file = |given: Option<PathBuf>| {
        given.unwrap_or_else(|| trust::configured(&context.settings, &context.home))
    };
    match verb {
        Verb::Gen { key_use, out } => generate(key_use, out, context),
        Verb::Show { file } => show(file, context),
        Verb::Trust {
            key,
            key_use,
            label,
            from,
            trust,
        } => {
            let path = file(trust);
            let added = trust::Added {
                key,
                key_use,
                label,
                from,
            };
            let changed = trust::add(&path, added, &context.home)?;
            Ok(changed_reply("trusted", key, &path, &changed))
        }
        Verb::Revoke { key, trust } => {
            let path = file(trust);
            let changed = trust::revoke(&path, key, &context.home)?;
            Ok(changed_reply("revoked", key, &path, &changed))
        }
    }
}

/// The user's own receipt key is trusted by the user's own trust file; no other key is trusted by being made.
fn generate(key_use: KeyUse, out: Option<PathBuf>, context: &Context) -> Result<Reply, Failure> {
    let own_file = context.home.key_file(key_use);
    let (key, path) = match out {
        Some(path) => (keyfile::make(&path, key_use)?, path),
        None if key_use == KeyUse::Receipt => (own::make(&context.home)?, own_file),
        None => (keyfile::make(&own_file, key_use)?, own_file),
    };
    context.console.note(&format!(
        "made a key for the use {key_use} in {}",
        text::path(&path)
    ));
    Ok(key_reply(&key, &path))
}

fn show(file: Option<PathBuf>, context: &Context) -> Result<Reply, Failure> {
    let own = context.home.key_file(KeyUse::Receipt);
    let named = file.or_else(|| context.settings.key.clone());
    if named.is_none() && !own.exists() {
        return Err(no_key(&own));
    }
    let path = named.unwrap_or(own);
    Ok(key_reply(&keyfile::read(&path)?, &path))
}

fn no_key(path: &std::path::Path) -> Failure {
    Failure {
        exit: Exit::NotFound,
        code: "not_found",
        message: format!("you have no key yet; {} is not there", text::path(path)),
        hint: "`tenzik init` makes it, and so does the first `tenzik run`".to_owned(),
        about: None,
    }
}

fn key_reply(key: &SecretKey, path: &std::path::Path) -> Reply {
    let members = json!({
        "key": key.public().to_string(),
        "use": key.key_use().name(),
        "created_at": key.created_at().to_string(),
        "file": text::path(path),
    });
    Reply::new(format!("{}\n", key.public()), members)
}

fn changed_reply(done: &str, key: PublicKey, path: &std::path::Path, file: &TrustFile) -> Reply {
    let line = format!(
        "{done} {key} in {}, version {}, good until {}\n",
        text::path(path),
        file.version,
        file.expires_at
    );
    let members = json!({
        "key": key.to_string(),
        "change": done,
        "trust": text::path(path),
        "trust_version": file.version,
        "expires_at": file.expires_at.to_string(),
    });
    Reply::new(line, members)
}
