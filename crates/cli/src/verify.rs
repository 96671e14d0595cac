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
    Challenge, Expectations, Outcome, Report, RunSecret, Timestamp, Verdict, verify as check,
};

use crate::args::Context;
use crate::error::{Exit, Explain, Failure};
use crate::output::Reply;
use crate::source::{CAPSULE, INPUT, Kind, OUTPUT, Source, stdin_once};
use crate::trust::TrustArg;
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
    /// The input that it must have had
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
    /// What you insist on: status=STATUS, profile=PROFILE, kind=KIND, log, requester
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    require: Vec<Requirement>,
    /// The secret of a private run
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
}

/// The receipt did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotVerified {
    /// Some check could not be told.
    #[error("cannot tell whether the receipt holds: {0}")]
    CannotTell(String),
    /// A check failed.
    #[error("the receipt does not hold: {0}")]
    Failed(String),
}

impl Explain for NotVerified {
    fn exit(&self) -> Exit {
        match self {
            Self::CannotTell(_) => Exit::CannotTell,
            Self::Failed(_) => Exit::Failed,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::CannotTell(_) => "cannot_tell",
            Self::Failed(_) => "verification_failed",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::CannotTell(_) => {
                "give what is missing; a key gets into your trust file by `tenzik key trust KEY`, \
                 once you have it from its owner"
            }
            Self::Failed(_) => "do not rely on it; ask the signer for the receipt again",
        }
        .into()
    }
}

/// Verifies a receipt.
pub(crate) fn verify(args: Args, context: &Context) -> Result<Reply, Failure> {
    let (home, settings) = (&context.home, &context.settings);
    let at = args.at.map_or_else(system::now, Ok)?;
    let held = Held::read(&args, context)?;
    let trust = TrustArg::or_configured(args.trust.map(TrustArg::from), settings, home);
    let keys = trust.load(at, home)?;
    let required = Requirements::from_iter(args.require);
    let expected = Expectations {
        audience: args.audience.as_deref(),
        challenge: args.challenge.as_ref().map(Challenge::as_bytes),
        ..held.expectations(&required)
    };
    let report = check(&held.receipt, &keys, at, &expected);
    Ok(told(&report, &trust))
}

fn read(source: Option<Source>, kind: Kind) -> Result<Option<Vec<u8>>, Failure> {
    Ok(source.map(|source| source.read(kind)).transpose()?)
}

impl Held {
    fn read(args: &Args, context: &Context) -> Result<Self, Failure> {
        let source = |argument: &Option<OsString>| argument.clone().map(Source::from);
        let receipt = Source::from(args.receipt.clone());
        let (capsule, input) = (source(&args.capsule), source(&args.input));
        let output = source(&args.output);
        stdin_once(&[
            ("receipt", Some(&receipt)),
            ("capsule", capsule.as_ref()),
            ("input", input.as_ref()),
            ("output", output.as_ref()),
        ])?;
        let secret = args.secret.as_deref();
        Ok(Self {
            receipt: store::read(&receipt, &context.home)?,
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
            status: required.status,
            ..Expectations::default()
        }
    }
}

fn told(report: &Report, trust: &TrustArg) -> Reply {
    let mut lines: String = report
        .checks()
        .iter()
        .map(|check| format!("{check}\n"))
        .collect();
    lines += &format!(
        "{:<10} {:<11} by {}\n",
        "verdict",
        verdict(report),
        trust.shown()
    );
    let id = report.unverified().map(|receipt| receipt.id().to_string());
    let members = json!({
        "id": id,
        "verdict": verdict_code(report),
        "trust": trust.shown(),
        "checks": checks(report),
    });
    Reply::new(lines, members).failing(failure(report))
}

/// What the verdict comes to as a failure; none if it passed.
pub(crate) fn failure(report: &Report) -> Option<Failure> {
    match report.verdict() {
        Verdict::Passed => None,
        Verdict::CannotTell => {
            Some(NotVerified::CannotTell(reasons(report, Outcome::Unknown)).into())
        }
        Verdict::Failed => Some(NotVerified::Failed(reasons(report, Outcome::Failed)).into()),
    }
}

/// The checks that came out like this, with their notes.
fn reasons(report: &Report, outcome: Outcome) -> String {
    let checks = report
        .checks()
        .iter()
        .filter(|check| check.outcome == outcome);
    let reasons: Vec<_> = checks
        .map(|check| format!("{}: {}", check.name.as_str(), check.note))
        .collect();
    reasons.join("; ")
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
