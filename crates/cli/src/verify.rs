//! `verify`: is this receipt what it says, by a key you trust, and about what you hold?
//!
//! Enters: a receipt, whom you trust, and what you hold or insist on. Leaves: each check on a line of its own, those
//! that were not made included, and a verdict. Refuses: nothing by panic. It reads no network and runs no code.

mod require;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};
use tenzik_receipt::{
    Challenge, CheckName, Expectations, LogProof, Outcome, Report, RunSecret, Timestamp, Verdict,
    verify as check,
};

use crate::args::Context;
use crate::error::{Exit, Explain, Failure};
use crate::output::Reply;
use crate::source::{CAPSULE, INPUT, Kind, OUTPUT, PROOF, Source, stdin_once};
use crate::trust::TrustArg;
use crate::witnessed::{LogTrust, Proven};
use crate::{keyfile, store, system};

use require::{Requirement, Requirements};

/// `verify`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The receipt's file, its id in your store, or - for stdin
    receipt: OsString,
    /// Whom you trust: a trust file, or one key; without it, your own trust file
    #[arg(long, value_name = "FILE|KEY", value_parser = clap::value_parser!(OsString))]
    trust: Option<OsString>,
    /// The capsule that must have run
    #[arg(long, value_name = "FILE")]
    capsule: Option<OsString>,
    /// The input that it must have had: a file, not the JSON itself
    #[arg(long, value_name = "FILE")]
    input: Option<OsString>,
    /// The output that it must have given
    #[arg(long, value_name = "FILE")]
    output: Option<OsString>,
    /// Your challenge, which the receipt must answer
    #[arg(long, value_name = "HEX", value_parser = Challenge::from_hex)]
    challenge: Option<Challenge>,
    /// Your name, which the receipt must be for
    #[arg(long, value_name = "NAME")]
    audience: Option<String>,
    /// Verify as if it were this time, such as 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The proof that the receipt is in a log: a .tlog-proof file, to be given with --log or --policy
    #[arg(long, value_name = "FILE")]
    proof: Option<OsString>,
    #[command(flatten)]
    log_trust: LogTrust,
    /// What you insist on: status=STATUS (such as failed), profile=dev|standard|hardened, kind=wasm|attested|refused,
    /// log, requester; may be repeated
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    require: Vec<Requirement>,
    /// The secret of a private run, which opens its input and output
    #[arg(long, value_name = "FILE")]
    secret: Option<PathBuf>,
}

/// The receipt, and everything that is held against it.
struct Held {
    receipt: Vec<u8>,
    capsule: Option<Vec<u8>>,
    input: Option<Vec<u8>>,
    output: Option<Vec<u8>>,
    secret: Option<RunSecret>,
    proven: Option<Proven>,
}

/// The receipt did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotVerified {
    /// Some check could not be told.
    #[error("cannot tell whether the receipt holds: {0}")]
    CannotTell(String, Option<CheckName>),
    /// A check failed.
    #[error("the receipt does not hold: {0}")]
    Failed(String, Option<CheckName>),
}

impl Explain for NotVerified {
    fn exit(&self) -> Exit {
        match self {
            Self::CannotTell(..) => Exit::CannotTell,
            Self::Failed(..) => Exit::Failed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::CannotTell(..) => "cannot_tell",
            Self::Failed(..) => "verification_failed",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::CannotTell(_, check) => untold_hint(*check),
            Self::Failed(reasons, Some(CheckName::Key)) if reasons.contains("is valid from") => {
                "if you trust what it signed earlier, too: tenzik key trust KEY --from TIME"
            }
            Self::Failed(reasons, Some(CheckName::Form)) if reasons.contains("may follow") => {
                "take off what follows the closing brace; often it is a newline that an editor added"
            }
            Self::Failed(_, check) => failed_hint(*check),
        }
        .into()
    }
}

/// What is missing where a check cannot be told.
const fn untold_hint(check: Option<CheckName>) -> &'static str {
    match check {
        Some(CheckName::Input | CheckName::Output) => "give the run's secret with --secret FILE",
        Some(CheckName::Request) => {
            "get the requester's key from its owner, and then: tenzik key trust KEY --use requester"
        }
        Some(CheckName::Log) => {
            "give the log's proof with --proof FILE --log VKEY; one with too few cosignatures: get it again later"
        }
        _ => {
            "get the signer's key from its owner (not from the receipt), and then: tenzik key trust KEY"
        }
    }
}

/// What the first failed check asks of the reader.
const fn failed_hint(check: Option<CheckName>) -> &'static str {
    match check {
        Some(CheckName::Form) => {
            "get the receipt again, byte for byte; not even a newline may be added"
        }
        Some(CheckName::Key) => "do not rely on it: by your trust file this key does not count",
        Some(CheckName::Signature) => {
            "do not rely on it: it was changed, or another key signed; get it again from the signer"
        }
        Some(CheckName::Extensions) => {
            "verify it with a version of tenzik that knows the extension"
        }
        Some(CheckName::IssuedAt) => "set your clock, or give the time with --at TIME",
        Some(CheckName::Status) => {
            "the signature may hold; to accept such an ending, give --require status=STATUS"
        }
        Some(CheckName::Kind | CheckName::Profile) => {
            "the receipt is not what you require; ask for another run, or require less"
        }
        Some(CheckName::Capsule | CheckName::Input | CheckName::Output) => {
            "the receipt is about other bytes than yours: give those that it names, or ask for its own receipt"
        }
        Some(CheckName::Audience) => {
            "do not take it as an answer to you; ask for a run with your own --audience and --challenge"
        }
        Some(CheckName::Request) => {
            "the node may have chosen seed and clock: have the requester sign with `tenzik run --requester KEYFILE`"
        }
        Some(CheckName::Log) => {
            "do not take it as logged: get the proof of this very receipt from the log that it promises, and give that"
        }
        _ => "do not rely on it; ask the signer for the receipt again",
    }
}

/// Verifies a receipt.
pub(crate) fn verify(args: Args, context: &Context) -> Result<Reply, Failure> {
    let (home, settings) = (&context.home, &context.settings);
    let at = args.at.map_or_else(system::now, Ok)?;
    let trust = args.trust.clone().map(TrustArg::try_from).transpose()?;
    let held = Held::read(&args, context)?;
    let trust = TrustArg::or_configured(trust, settings, home);
    let keys = trust.load(at, home)?;
    let required = Requirements::from_iter(args.require);
    let expected = Expectations {
        audience: args.audience.as_deref(),
        challenge: args.challenge.as_ref().map(Challenge::as_bytes),
        ..held.expectations(&required)
    };
    let report = check(&held.receipt, &keys, at, &expected);
    Ok(told(&report, &trust, held.proven.as_ref()))
}

fn read(source: Option<Source>, kind: Kind) -> Result<Option<Vec<u8>>, Failure> {
    Ok(source.map(|source| source.read(kind)).transpose()?)
}

impl Held {
    fn read(args: &Args, context: &Context) -> Result<Self, Failure> {
        let source = |argument: &Option<OsString>| argument.clone().map(Source::from);
        let receipt = Source::from(args.receipt.clone());
        let (capsule, input) = (source(&args.capsule), source(&args.input));
        let (output, proof) = (source(&args.output), source(&args.proof));
        stdin_once(&[
            ("receipt", Some(&receipt)),
            ("capsule", capsule.as_ref()),
            ("input", input.as_ref()),
            ("output", output.as_ref()),
            ("proof file", proof.as_ref()),
        ])?;
        let secret = args.secret.as_deref();
        let receipt = store::read(&receipt, &context.home)?;
        Ok(Self {
            proven: proven(proof, &args.log_trust, &receipt)?,
            receipt,
            capsule: read(capsule, CAPSULE)?,
            input: read(input, INPUT)?,
            output: read(output, OUTPUT)?,
            secret: secret.map(keyfile::read_secret).transpose()?,
        })
    }

    fn expectations<'a>(&'a self, required: &Requirements) -> Expectations<'a> {
        Expectations {
            capsule: self.capsule.as_deref(),
            input: self.input.as_deref(),
            output: self.output.as_deref(),
            secret: self.secret.as_ref(),
            kind: required.kind,
            log: required.log,
            requester: required.requester,
            profile: required.profile,
            proof: self.proven.as_ref().map(log_proof),
            status: required.status,
            ..Expectations::default()
        }
    }
}

/// Holds the proof against the receipt, if there is one.
fn proven(
    proof: Option<Source>,
    trust: &LogTrust,
    receipt: &[u8],
) -> Result<Option<Proven>, Failure> {
    match proof {
        None if trust.is_given() => Err(Failure::new(
            Exit::Usage,
            "usage",
            "--log and --policy say by whose word a proof counts, and no proof is given",
            "give the proof with --proof FILE; `tenzik log proof` gets it",
        )),
        None => Ok(None),
        Some(proof) => {
            let policy = trust.load()?;
            Ok(Some(Proven::of(&proof.read(PROOF)?, receipt, &policy)))
        }
    }
}

/// The proof's outcome, as the receipt's verification takes it.
fn log_proof(proven: &Proven) -> LogProof<'_> {
    match proven {
        Proven::Fails(why) => LogProof::Fails { why },
        Proven::Holds(included) => LogProof::Holds {
            origin: included.origin.as_str(),
            size: included.size,
        },
        Proven::Unknown(why) => LogProof::Unknown { why },
    }
}

/// Where the receipt is, for programs; null unless a proof holds.
fn inclusion(proven: Option<&Proven>) -> Value {
    let Some(Proven::Holds(included)) = proven else {
        return Value::Null;
    };
    json!({
        "origin": included.origin.as_str(),
        "index": included.index,
        "size": included.size,
        "witnesses": included.quorum.witnesses.len(),
        "dated": included.quorum.dated().map(|time| time.to_string()),
    })
}

fn told(report: &Report, trust: &TrustArg, proven: Option<&Proven>) -> Reply {
    let mut lines: String = report
        .checks()
        .iter()
        .map(|check| format!("{check}\n"))
        .collect();
    lines += &verdict_line(report, trust);
    let id = report.unverified().map(|receipt| receipt.id().to_string());
    let members = json!({
        "id": id,
        "verdict": verdict_code(report),
        "trust": trust.shown(),
        "checks": checks(report),
        "inclusion": inclusion(proven),
    });
    Reply::new(lines, members).failing(failure(report))
}

/// The last line: what it comes to, and by whose word.
pub(crate) fn verdict_line(report: &Report, trust: &TrustArg) -> String {
    let (verdict, trust) = (verdict(report), trust.shown());
    format!("{:<10} {verdict:<11} by {trust}\n", "verdict")
}

/// What the verdict comes to as a failure; none if it passed.
pub(crate) fn failure(report: &Report) -> Option<Failure> {
    match report.verdict() {
        Verdict::Passed => None,
        Verdict::CannotTell => {
            let (reasons, check) = reasons(report, Outcome::Unknown);
            Some(NotVerified::CannotTell(reasons, check).into())
        }
        Verdict::Failed => {
            let (reasons, check) = reasons(report, Outcome::Failed);
            Some(NotVerified::Failed(reasons, check).into())
        }
    }
}

/// The checks that came out like this, with their notes, and the first of them.
fn reasons(report: &Report, outcome: Outcome) -> (String, Option<CheckName>) {
    let checks: Vec<_> = report
        .checks()
        .iter()
        .filter(|check| check.outcome == outcome)
        .collect();
    let reasons: Vec<_> = checks
        .iter()
        .map(|check| format!("{}: {}", check.name.as_str(), check.note))
        .collect();
    (reasons.join("; "), checks.first().map(|check| check.name))
}

/// Each check for programs.
pub(crate) fn checks(report: &Report) -> Vec<Value> {
    let checks = report.checks().iter();
    checks
        .map(|check| {
            let outcome = match check.outcome {
                Outcome::Passed => "passed",
                Outcome::NotChecked => "not_checked",
                Outcome::Unknown => "unknown",
                _ => "failed",
            };
            json!({"name": check.name.as_str(), "outcome": outcome, "note": check.note})
        })
        .collect()
}

fn verdict(report: &Report) -> &'static str {
    match report.verdict() {
        Verdict::CannotTell => "cannot tell",
        Verdict::Failed => "FAILED",
        Verdict::Passed => "ok",
    }
}

/// The verdict for programs.
pub(crate) fn verdict_code(report: &Report) -> &'static str {
    match report.verdict() {
        Verdict::CannotTell => "cannot_tell",
        Verdict::Failed => "failed",
        Verdict::Passed => "passed",
    }
}
