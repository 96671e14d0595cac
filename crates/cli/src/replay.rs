//! `replay`: run a receipt again, and compare the whole claim.
//!
//! Enters: a receipt, its capsule, its input; of a private run also its secret and seed, of one that called tools their
//! transcript. Leaves: "same", or the first
//! member that differs. Refuses: claims that nobody can run again, or that this engine cannot. Whether the signature
//! holds is asked only with `--trust`, and it is said when it was not.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};
use tenzik::config::Engines;
use tenzik::gateway::{NotATranscript, Transcript};
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik_receipt::{Expectations, Report, RunSecret, Seed, SignedReceipt, Verdict};

use crate::args::Context;
use crate::error::{Exit, Explain, Failure};
use crate::output::Reply;
use crate::source::{CAPSULE, INPUT, Source, TRANSCRIPT, stdin_once};
use crate::trust::TrustArg;
use crate::{keyfile, store, system, verify};

/// `replay`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The receipt's file, its id in your store, or - for stdin
    receipt: OsString,
    /// The capsule that ran
    #[arg(long, value_name = "FILE")]
    capsule: OsString,
    /// The input that it had: a file, not the JSON itself
    #[arg(long, value_name = "FILE")]
    input: OsString,
    /// Also verify the receipt, by a trust file or one key
    #[arg(long, value_name = "FILE|KEY")]
    trust: Option<OsString>,
    /// The secret of a private run
    #[arg(long, value_name = "FILE", requires = "seed")]
    secret: Option<PathBuf>,
    /// The seed of a private run, as `tenzik run` told it
    #[arg(long, value_name = "HEX", requires = "secret")]
    seed: Option<Seed>,
    /// What the run's tools were asked and answered, as `tenzik run` wrote it
    #[arg(long, value_name = "FILE")]
    transcript: Option<OsString>,
    /// The engine that runs it; a receipt of an engine's own metering is run on that one
    #[arg(long, value_name = "ENGINE", value_enum, default_value_t = EngineArg::Wasmtime)]
    engine: EngineArg,
    /// How long the run may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 60_000, allow_negative_numbers = true, value_parser = crate::run::count)]
    timeout: u32,
}

/// An engine by its name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum EngineArg {
    Wasmi,
    Wasmtime,
}

impl From<EngineArg> for Engines {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Wasmi => Self::Wasmi,
            EngineArg::Wasmtime => Self::Wasmtime,
        }
    }
}

/// The claim is not what the capsule gives.
#[derive(Debug, thiserror::Error)]
#[error("the replay differs: {0}")]
struct Differs(Difference);

impl Explain for Differs {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn code(&self) -> &'static str {
        "replay_differs"
    }

    fn hint(&self) -> Cow<'static, str> {
        "keep receipt, capsule and input: together they show that the claim is false".into()
    }
}

impl Explain for NotATranscript {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn code(&self) -> &'static str {
        "transcript"
    }

    fn hint(&self) -> Cow<'static, str> {
        "give the file that `tenzik run --transcript` wrote, as it was written".into()
    }
}

impl Explain for ReplayError {
    fn exit(&self) -> Exit {
        Exit::CannotTell
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Aborted => "replay_aborted",
            Self::NotReplayable { .. } => "not_replayable",
            Self::Private => "private",
            Self::Transcript => "transcript_needed",
            Self::Unknown { .. } => "unknown_rules",
            Self::WrongEvidence { .. } => "wrong_evidence",
            _ => "replay_refused",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Aborted => "give it more time with --timeout MS",
            Self::NotReplayable { .. } => "the signer's word is all there is; see `tenzik verify`",
            Self::Private => "give both with --secret FILE --seed HEX, as the requester has them",
            Self::Transcript => {
                "give it with --transcript FILE, as `tenzik run --transcript` wrote it"
            }
            Self::Unknown { .. } => "replay it with the version of tenzik that has them",
            Self::WrongEvidence { .. } => "find the exact bytes; the receipt has their BLAKE3",
            _ => "the receipt may still be true; this engine does not run it",
        }
        .into()
    }
}

/// Everything a replay needs, read.
struct Case {
    receipt: SignedReceipt,
    capsule: Vec<u8>,
    input: Vec<u8>,
    secret: Option<RunSecret>,
    transcript: Option<Transcript>,
}

/// Replays a receipt.
pub(crate) fn replay(args: Args, context: &Context) -> Result<Reply, Failure> {
    let trust = args.trust.clone().map(TrustArg::try_from).transpose()?;
    let case = Case::read(&args, context)?;
    let claim = case.receipt.claim();
    // Nobody can run it again, whoever signed it: that comes before whether the signature holds.
    if !claim.is_replayable() {
        return Err(ReplayError::NotReplayable {
            kind: claim.kind(),
            status: claim.status(),
        }
        .into());
    }
    let report = match trust {
        Some(trust) => Some((case.verify(&trust, context)?, trust)),
        None => None,
    };
    let report = report.as_ref();
    if let Some((held, _)) = report.filter(|(report, _)| report.verdict() == Verdict::Failed) {
        return Ok(told(&case, None, report).failing(verify::failure(held)));
    }
    let evidence = Evidence {
        capsule: &case.capsule,
        input: &case.input,
        secret: case.secret.as_ref(),
        seed: args.seed,
        transcript: case.transcript.as_ref(),
    };
    let found =
        Replayer::on(args.engine.into(), args.timeout)?.replay(case.receipt.claim(), &evidence)?;
    let failure = match &found {
        Replay::Differs(difference) => Some(Differs(difference.clone()).into()),
        Replay::Same => report.and_then(|(report, _)| verify::failure(report)),
    };
    Ok(told(&case, Some(&found), report).failing(failure))
}

impl Case {
    fn read(args: &Args, context: &Context) -> Result<Self, Failure> {
        let [receipt, capsule, input] = [&args.receipt, &args.capsule, &args.input]
            .map(|argument| Source::from(argument.clone()));
        stdin_once(&[
            ("receipt", Some(&receipt)),
            ("capsule", Some(&capsule)),
            ("input", Some(&input)),
            (
                "transcript",
                args.transcript.clone().map(Source::from).as_ref(),
            ),
        ])?;
        let receipt = store::read(&receipt, &context.home)?;
        Ok(Self {
            receipt: SignedReceipt::from_bytes(&receipt)?,
            capsule: capsule.read(CAPSULE)?,
            input: input.read(INPUT)?,
            transcript: transcript(args.transcript.as_ref())?,
            secret: args
                .secret
                .as_deref()
                .map(keyfile::read_secret)
                .transpose()?,
        })
    }

    fn verify(&self, trust: &TrustArg, context: &Context) -> Result<Report, Failure> {
        let now = system::now()?;
        let trust = trust.load(now, &context.home)?;
        let expected = Expectations {
            capsule: Some(&self.capsule),
            input: Some(&self.input),
            secret: self.secret.as_ref(),
            ..Expectations::default()
        };
        Ok(tenzik_receipt::verify(
            &self.receipt.to_bytes(),
            &trust,
            now,
            &expected,
        ))
    }
}

fn transcript(name: Option<&OsString>) -> Result<Option<Transcript>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let bytes = Source::from(name.clone()).read(TRANSCRIPT)?;
    let text = String::from_utf8(bytes).map_err(|_| NotATranscript {
        line: 1,
        reason: "not UTF-8".to_owned(),
    });
    Ok(Some(Transcript::read(&text?)?))
}

fn told(case: &Case, found: Option<&Replay>, verified: Option<&(Report, TrustArg)>) -> Reply {
    let report = verified.map(|(report, _)| report);
    let claim = case.receipt.claim();
    let replay = match found {
        None => "not run     the receipt does not hold".to_owned(),
        Some(Replay::Differs(difference)) => format!("DIFFERS     {difference}"),
        Some(Replay::Same) => format!("same        {}, status {}", claim.id(), claim.status()),
    };
    let lines = format!("replay     {replay}\n{}", signature(verified));
    let members = json!({
        "id": case.receipt.id().to_string(),
        "claim_id": claim.id().to_string(),
        "status": claim.status(),
        "replay": found.map(|found| if *found == Replay::Same { "same" } else { "differs" }),
        "difference": found.and_then(difference),
        "verdict": report.map_or("not_checked", verify::verdict_code),
        "checks": report.map(verify::checks),
    });
    Reply::new(lines, members)
}

/// Whose word the claim is, as far as that was asked.
fn signature(verified: Option<&(Report, TrustArg)>) -> String {
    match verified {
        None => "signature  not checked give --trust to learn whose claim it is\n".to_owned(),
        Some((report, trust)) => {
            let checks = report.checks().iter();
            let lines: String = checks.map(|check| format!("{check}\n")).collect();
            lines + &verify::verdict_line(report, trust)
        }
    }
}

fn difference(found: &Replay) -> Option<Value> {
    match found {
        Replay::Differs(difference) => Some(json!({
            "member": difference.member,
            "claimed": difference.claimed,
            "found": difference.found,
        })),
        Replay::Same => None,
    }
}
