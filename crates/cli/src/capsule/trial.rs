//! One run of a capsule's folder, tried: run, held against what is expected, verified and replayed.
//!
//! Enters: a module and a case. Leaves: a [`Trial`]: how it ended, what it used, and every difference. Refuses nothing that a
//! capsule does; a host that cannot run or sign is an error. The key is made for the occasion and signs nothing that is kept.

use std::sync::Arc;

use tenzik::config::{Engines, RuntimeConfig};
use tenzik::outcome::{Ending, Outcome, Request, Usage};
use tenzik::pipeline::{Order, Pipeline, Run, RunError};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::replay::{Evidence, Replay, Replayer};
use tenzik::sandbox::Terms;
use tenzik_receipt::{
    Epoch, Expectations, KeyUse, SecretKey, SignedReceipt, Timestamp, Trust, Verdict,
};

use super::diff::{Difference, differences};
use super::{Case, Expected, Folder, Text};
use crate::args::Context;
use crate::debug::{Debugger, Report};
use crate::error::{Exit, Failure};
use crate::system;

/// How long a replay may take. It is interpreted, and the run itself has its own limit.
const REPLAY_MS_MAX: u32 = 60_000;

/// What runs the cases of a folder: native code, with each replay on the interpreter.
pub(crate) struct Tester {
    pipeline: Pipeline,
    replayer: Replayer,
    trust: Trust,
    now: Timestamp,
    debugger: Option<Debugger>,
}

/// A case that was tried.
#[derive(Debug)]
pub(crate) struct Trial {
    /// The case's name.
    pub(crate) name: String,
    /// The status in its receipt.
    pub(crate) status: &'static str,
    /// The code in its claim, if it did not end well.
    pub(crate) code: Option<String>,
    /// The capsule's own words.
    pub(crate) message: Option<String>,
    /// The output, if it ended well.
    pub(crate) output: Option<Vec<u8>>,
    /// What it used; nothing where it was refused or aborted.
    pub(crate) usage: Option<Usage>,
    /// What was seen of it, if somebody looked.
    pub(crate) seen: Option<Report>,
    /// Where it is not what it should be; none if it passed.
    pub(crate) differences: Vec<Difference>,
}

impl Trial {
    /// Whether it is what it should be.
    pub(crate) fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// How many host calls it made.
    pub(crate) fn calls(&self) -> u64 {
        let calls = self.usage.iter().flat_map(Usage::calls);
        calls.map(|(_, count)| u64::from(count)).sum()
    }
}

impl Tester {
    /// A tester under the host's settings, with somebody who looks at each run if that is wanted.
    pub(crate) fn new(context: &Context, debugger: Option<Debugger>) -> Result<Self, Failure> {
        let now = system::now()?;
        let key = SecretKey::from_seed(&*system::random()?, KeyUse::Receipt, now);
        let trust = Trust::in_receipts_of(key.public());
        let sealer = Sealer::new(key, Epoch::from_bytes(*system::random()?))?;
        let runtime = RuntimeConfig {
            engines: Engines::Wasmtime,
            cache_entries_max: 1,
            ..context.settings.runtime.clone()
        };
        Ok(Self {
            pipeline: Pipeline::new(&context.settings.security, &runtime, sealer)?,
            replayer: Replayer::on(Engines::Wasmi, REPLAY_MS_MAX)?,
            trust: trust.map_err(|_| failed("a new key is one that anyone can sign with"))?,
            now,
            debugger,
        })
    }

    /// Tries a case, by its number.
    pub(crate) fn try_case(
        &self,
        folder: &Folder,
        capsule: &Arc<[u8]>,
        number: usize,
    ) -> Result<Trial, Failure> {
        let case = &folder.cases[number];
        let input: Arc<[u8]> = folder.input(case)?.into();
        let order = order(capsule, case, &input);
        let (mut trial, receipt) = match self.pipeline.run(&order, Circumstances::at(self.now)) {
            Ok(run) => self.ran(folder, number, &order, run)?,
            Err(RunError::Aborted { run, .. }) => self.ran(folder, number, &order, *run)?,
            Err(RunError::Refused {
                refusal, receipt, ..
            }) => (refused(case, refusal.code()), *receipt),
            Err(RunError::Sign(error)) => return Err(error.into()),
            Err(error) => return Err(failed(&error.to_string())),
        };
        trial.differences = held(&trial, folder, case)?;
        trial.differences.extend(self.verified(&receipt));
        let replayed = self.replayed(&receipt, capsule, &input);
        trial.differences.extend(replayed);
        Ok(trial)
    }

    fn ran(
        &self,
        folder: &Folder,
        number: usize,
        order: &Order,
        run: Run,
    ) -> Result<(Trial, SignedReceipt), Failure> {
        let case = &folder.cases[number];
        let debugger = self.debugger.as_ref();
        // What was aborted fails its test, and there is nothing to see of it.
        let debugger = debugger.filter(|_| run.outcome.usage().is_some());
        let seen = debugger.map(|debugger| {
            let (path, name) = (folder.module(), file_name(number, &case.name));
            debugger.look(order, &run.outcome, Some(&path), Some(&name))
        });
        let (mut trial, receipt) = ran(case, run);
        trial.seen = seen.transpose()?;
        Ok((trial, receipt))
    }

    fn verified(&self, receipt: &SignedReceipt) -> Option<Difference> {
        let expected = Expectations {
            status: Some(receipt.claim().status()),
            ..Expectations::default()
        };
        let report = tenzik_receipt::verify(&receipt.to_bytes(), &self.trust, self.now, &expected);
        let passes = |outcome| {
            matches!(
                outcome,
                tenzik_receipt::Outcome::Passed | tenzik_receipt::Outcome::NotChecked
            )
        };
        let wrong = report.checks().iter().find(|check| !passes(check.outcome));
        (report.verdict() != Verdict::Passed).then(|| {
            let wrong = wrong.map_or_else(|| "no verdict".to_owned(), ToString::to_string);
            Difference::of("the receipt", "one that verifies", wrong)
        })
    }

    /// What was refused has nothing to run again, and what was aborted is no passing run already.
    fn replayed(
        &self,
        receipt: &SignedReceipt,
        capsule: &[u8],
        input: &[u8],
    ) -> Option<Difference> {
        if !receipt.claim().is_replayable() {
            return None;
        }
        let evidence = Evidence {
            capsule,
            input,
            secret: None,
            seed: None,
            transcript: None,
        };
        let got = match self.replayer.replay(receipt.claim(), &evidence) {
            Ok(Replay::Same) => return None,
            Ok(Replay::Differs(difference)) => difference.to_string(),
            Err(error) => error.to_string(),
        };
        Some(Difference::of("the replay", "the same claim", got))
    }
}

fn failed(message: &str) -> Failure {
    Failure::new(Exit::Other, "run", message, "report this")
}

/// A case's directory. The number tells apart what has one name, or none that a path can have.
fn file_name(number: usize, name: &str) -> String {
    const CHARS_MAX: usize = 60;
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let name: String = name.chars().take(CHARS_MAX).map(plain).collect();
    format!("{number}-{name}")
}

/// The order that a case stands for.
pub(crate) fn order(capsule: &Arc<[u8]>, case: &Case, input: &Arc<[u8]>) -> Order {
    Order {
        capsule: Arc::clone(capsule),
        terms: Terms {
            grants: case.grants.clone(),
            limits: case.limits,
            ..Terms::default()
        },
        request: Request {
            input: Arc::clone(input),
            input_type: case.input_type,
            clock_ms: case.clock_ms,
            seed: case.seed,
        },
    }
}

fn ran(case: &Case, run: Run) -> (Trial, SignedReceipt) {
    let outcome = &run.outcome;
    let (code, message) = words(outcome.ending());
    let trial = Trial {
        name: case.name.clone(),
        status: outcome.status().name(),
        code,
        message,
        output: outcome.output().map(<[u8]>::to_vec),
        usage: Outcome::usage(outcome).cloned(),
        seen: None,
        differences: Vec::new(),
    };
    (trial, run.receipt)
}

fn refused(case: &Case, code: &str) -> Trial {
    Trial {
        name: case.name.clone(),
        status: "refused",
        code: Some(code.to_owned()),
        message: None,
        output: None,
        usage: None,
        seen: None,
        differences: Vec::new(),
    }
}

/// The code that stands in the claim, and what the capsule says.
fn words(ending: &Ending) -> (Option<String>, Option<String>) {
    let code = match ending {
        Ending::Aborted(code) => code.name().to_owned(),
        Ending::Exited(code) => format!("exit:{code}"),
        Ending::Failed(message) => return (Some("fail".to_owned()), Some(message.clone())),
        Ending::FailedByAbort => "abort".to_owned(),
        Ending::Trapped(code) => code.name().to_owned(),
        _ => return (None, None),
    };
    (Some(code), None)
}

/// An output whose file is not there yet: `test --refresh` writes it.
fn unwritten(text: &Text, got: &[u8]) -> Difference {
    let file = match text {
        Text::File(path) => path.to_string_lossy(),
        Text::Inline(_) => "capsule.json".into(),
    };
    Difference {
        at: format!("{file}, which is not there"),
        expected: None,
        got: Some(String::from_utf8_lossy(got).into_owned()),
    }
}

/// Holds a run against what is expected of it.
fn held(trial: &Trial, folder: &Folder, case: &Case) -> Result<Vec<Difference>, Failure> {
    let ended = || {
        [
            Some(trial.status),
            trial.code.as_deref(),
            trial.message.as_deref(),
        ]
    };
    let ended = || ended().into_iter().flatten().collect::<Vec<_>>().join(", ");
    let (status, code, message) = match &case.expected {
        Expected::Output(text) => {
            let expected = folder.output(text)?;
            return Ok(match (&trial.output, expected) {
                (Some(got), Some(expected)) => differences(&expected, got),
                (Some(got), None) => vec![unwritten(text, got)],
                (None, _) => vec![Difference::of("the status", "ok", ended())],
            });
        }
        Expected::Ending {
            status,
            code,
            message,
        } => (status, code, message),
    };
    if trial.status != status {
        return Ok(vec![Difference::of("the status", status, ended())]);
    }
    let mut wrong = Vec::new();
    if code.is_some() && trial.code != *code {
        wrong.push(Difference {
            at: "the code".to_owned(),
            expected: code.clone(),
            got: trial.code.clone(),
        });
    }
    let message = message.as_ref().map(|inline| inline.text.clone());
    if message.is_some() && trial.message != message {
        wrong.push(Difference {
            at: "the message".to_owned(),
            expected: message,
            got: trial.message.clone(),
        });
    }
    Ok(wrong)
}
