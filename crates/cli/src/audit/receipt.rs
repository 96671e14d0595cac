//! One receipt, audited here.
//!
//! Enters: a receipt, its capsule, its input, whom you trust. Leaves: each check, what the two engines found, and an
//! evidence file if the claim is forged. Refuses: receipts that do not pass verification; those accuse nobody.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde_json::json;
use tenzik_log::evidence::{EVIDENCE_BYTES_MAX, Evidence, ForgedClaim};
use tenzik_receipt::{Expectations, Report, SignedReceipt, Verdict, to_hex, verify};

use super::Args;
use super::rerun::{Found, forged, rerun};
use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::source::{CAPSULE, INPUT, Source, stdin_once};
use crate::trust::TrustArg;
use crate::verify::{checks, failure, verdict_code, verdict_line};
use crate::{files, store, system, text};

/// How many digits of the receipt's id stand in the name of an evidence file.
const DIGITS: usize = 16;

/// What is audited.
struct Case {
    receipt: Vec<u8>,
    capsule: Vec<u8>,
    input: Vec<u8>,
}

/// Audits a receipt.
pub(super) fn audit(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let case = Case::read(args, context)?;
    let trust = args.trust.clone().map(TrustArg::try_from).transpose()?;
    let trust = TrustArg::or_configured(trust, &context.settings, &context.home);
    let report = case.verify(&trust, context)?;
    let checked = report.checks().iter();
    let mut lines: String = checked.map(|check| format!("{check}\n")).collect();
    lines += &verdict_line(&report, &trust);
    let mut members = json!({
        "id": report.unverified().map(|receipt| receipt.id().to_string()),
        "verdict": verdict_code(&report),
        "checks": checks(&report),
        "finding": null,
        "evidence": null,
    });
    let receipt = report
        .unverified()
        .filter(|_| report.verdict() == Verdict::Passed);
    let Some(receipt) = receipt else {
        lines += "replay     not run     a receipt that does not pass accuses nobody\n";
        return Ok(Reply::new(lines, members).failing(failure(&report)));
    };
    let found = rerun(receipt.claim(), &case.capsule, &case.input, args.timeout)?;
    lines += &found.line();
    members["finding"] = found.member();
    let Found::Forged(difference) = found else {
        return Ok(Reply::new(lines, members));
    };
    let path = case.keep(receipt, args.out.clone())?;
    members["evidence"] = text::path(&path).into();
    lines += &format!("evidence   in {}\n", text::path(&path));
    let hint =
        "send the evidence to whoever relies on the node; `tenzik audit --evidence` verifies it";
    Ok(Reply::new(lines, members).failing(forged(&difference.to_string(), hint)))
}

impl Case {
    fn read(args: &Args, context: &Context) -> Result<Self, Failure> {
        let source = |argument: &Option<OsString>| {
            // clap has asked for each of them.
            Source::from(argument.clone().unwrap_or_default())
        };
        let (receipt, capsule) = (source(&args.receipt), source(&args.capsule));
        let input = source(&args.input);
        stdin_once(&[
            ("receipt", Some(&receipt)),
            ("capsule", Some(&capsule)),
            ("input", Some(&input)),
        ])?;
        Ok(Self {
            receipt: store::read(&receipt, &context.home)?,
            capsule: capsule.read(CAPSULE)?,
            input: input.read(INPUT)?,
        })
    }

    fn verify(&self, trust: &TrustArg, context: &Context) -> Result<Report, Failure> {
        let now = system::now()?;
        let expected = Expectations {
            capsule: Some(&self.capsule),
            input: Some(&self.input),
            ..Expectations::default()
        };
        let trust = trust.load(now, &context.home)?;
        Ok(verify(&self.receipt, &trust, now, &expected))
    }

    /// Writes the evidence.
    fn keep(self, receipt: &SignedReceipt, out: Option<PathBuf>) -> Result<PathBuf, Failure> {
        let digits = to_hex(receipt.id().as_bytes());
        let path = out.unwrap_or_else(|| format!("evidence-{}.json", &digits[..DIGITS]).into());
        let evidence = Evidence::ForgedClaim(ForgedClaim {
            capsule: self.capsule,
            input: self.input,
            receipt: String::from_utf8_lossy(&self.receipt).into_owned(),
        });
        let evidence = evidence.to_bytes();
        if evidence.len() > EVIDENCE_BYTES_MAX {
            let why = format!("an evidence file has at most {EVIDENCE_BYTES_MAX} bytes");
            return Err(not_kept(&path, &why));
        }
        let written = files::replace(&path, &evidence, files::PUBLIC);
        written.map_err(|error| not_kept(&path, &error.to_string()))?;
        Ok(path)
    }
}

fn not_kept(path: &Path, why: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "forged",
        format!(
            "the claim is forged, and the evidence is not in {}: {why}",
            text::path(path)
        ),
        "keep receipt, capsule and input: together they show it",
    )
}
