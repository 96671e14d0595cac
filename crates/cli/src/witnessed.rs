//! By whose word a log counts: its key, or a policy file with logs and witnesses.
//!
//! Enters: `--log VKEY`, `--policy FILE`. Leaves: a [`Policy`] that opens checkpoints of the named log.
//! Refuses: witnesses' keys in the place of a log's, and a policy that knows other logs than the one that is named.

use std::path::PathBuf;

use tenzik_log::note::{SignatureType, VerifierKey};
use tenzik_log::policy::{Policy, PolicyError, PolicyFileError};
use tenzik_log::proof_file::{Included, ProofError, TlogProof};

use crate::error::{Exit, Failure};
use crate::source::{POLICY, Source};
use crate::text;

/// How much of a key's text is shown.
const KEY_CHARS_SHOWN: usize = 400;

/// The two options.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LogTrust {
    /// The log's key, as `tenzik log key` prints it on the log's side
    #[arg(long = "log", value_name = "VKEY", value_parser = log_key)]
    pub(crate) log: Option<VerifierKey>,
    /// Which witnesses must have cosigned, and which logs count if --log names none: a file of c2sp.org/tlog-policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
}

/// A log's key. A witness's is refused before anything is read.
pub(crate) fn log_key(text: &str) -> Result<VerifierKey, String> {
    let key: VerifierKey = text.parse().map_err(|error| format!("{error}"))?;
    match key.signature_type() {
        SignatureType::Ed25519 => Ok(key),
        other => Err(format!(
            "it is a key of type {other}; a log's is of type ed25519"
        )),
    }
}

impl LogTrust {
    /// Whether either was given.
    pub(crate) const fn is_given(&self) -> bool {
        self.log.is_some() || self.policy.is_some()
    }

    /// The policy that both come to.
    pub(crate) fn load(&self) -> Result<Policy, Failure> {
        let witnesses = self.policy.as_ref().map(|path| {
            let bytes = Source::File(path.clone()).read(POLICY)?;
            let policy = Policy::from_bytes(&bytes).map_err(|error| not_a_policy(path, &error))?;
            Ok::<_, Failure>((bytes, policy))
        });
        match (&self.log, witnesses.transpose()?) {
            (None, None) => Err(nobody_named()),
            (None, Some((_, policy))) if policy.logs().is_empty() => Err(nobody_named()),
            (None, Some((_, policy))) => Ok(policy),
            (Some(key), Some((_, policy))) if !policy.logs().is_empty() => {
                match policy.logs().iter().any(|log| log.key == *key) {
                    true => Ok(policy),
                    false => Err(unknown_log(key)),
                }
            }
            (Some(key), Some((bytes, _))) => with_log(key, &bytes),
            (Some(key), None) => with_log(key, b"quorum none\n"),
        }
    }
}

/// A policy without logs, for this one.
fn with_log(key: &VerifierKey, policy: &[u8]) -> Result<Policy, Failure> {
    let mut bytes = format!("log {key}\n").into_bytes();
    bytes.extend_from_slice(policy);
    Policy::from_bytes(&bytes).map_err(|error| {
        Failure::new(
            Exit::Usage,
            "log_key",
            format!(
                "the log's key {} cannot be used: {}",
                text::shown(&key.to_string(), KEY_CHARS_SHOWN),
                error.problem
            ),
            "get the key from the log's operator; `tenzik log key` prints it",
        )
    })
}

fn not_a_policy(path: &std::path::Path, error: &PolicyFileError) -> Failure {
    Failure::new(
        Exit::Usage,
        "policy_form",
        format!("{} is no policy file: {error}", text::path(path)),
        "mend the line; the form is that of c2sp.org/tlog-policy, with one quorum line",
    )
}

fn nobody_named() -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        "no log is named whose signature would count",
        "give the log's key with --log VKEY, or a policy file that has a log line",
    )
}

fn unknown_log(key: &VerifierKey) -> Failure {
    Failure::new(
        Exit::Usage,
        "usage",
        format!(
            "the policy has logs, and {} is none of them",
            text::shown(&key.to_string(), KEY_CHARS_SHOWN)
        ),
        "leave out --log, or give a policy without log lines",
    )
}

/// How a proof came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Proven {
    /// It does not hold.
    Fails(String),
    /// It holds.
    Holds(Included),
    /// It cannot be told.
    Unknown(String),
}

impl Proven {
    /// Holds a proof file against a receipt's bytes.
    pub(crate) fn of(proof: &[u8], receipt: &[u8], policy: &Policy) -> Self {
        let read = match TlogProof::from_bytes(proof) {
            Ok(read) => read,
            Err(error) => return Self::Fails(format!("the proof file cannot be read: {error}")),
        };
        match read.verify(receipt, policy) {
            Ok(included) => Self::Holds(included),
            Err(ProofError::Policy(error)) if is_untold(&error) => {
                Self::Unknown(format!("the proof does not count yet: {error}"))
            }
            Err(error) => Self::Fails(format!("the proof does not hold: {error}")),
        }
    }
}

/// Whether a checkpoint is no forgery, but nothing to rely on either.
pub(crate) const fn is_untold(error: &PolicyError) -> bool {
    matches!(
        error,
        PolicyError::NoQuorum { .. } | PolicyError::UnknownLog { .. }
    )
}
