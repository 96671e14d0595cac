//! `run`: the main job. A capsule runs, its output goes to stdout, its receipt to a file or the store.
//!
//! Enters: a capsule, an input, grants and limits. Leaves: exactly the output's bytes, and a signed receipt, also of a
//! failure and of a refusal. Refuses: what the pipeline refuses. The output is written before the receipt, so a full
//! disk costs the receipt and the exit code, never the output.

mod args;
mod ended;
mod failure;
mod plan;
mod unsealed;

use std::borrow::Cow;
use std::io;
use std::path::Path;

use serde_json::Value;
use tenzik::execution::is_built_for_debugging;
use tenzik::gateway::Transcript;
use tenzik_receipt::{Seed, SignedReceipt};

use crate::args::Context;
use crate::debug::Debugger;
use crate::error::{Exit, Explain, Failure};
use crate::output::Reply;
use crate::{files, store, text};

pub(crate) use args::{Args, count, input_type};
pub(crate) use ended::receipt_object;

use ended::Ended;
use plan::Plan;
pub(crate) use plan::check_destination;

/// The receipt did not reach the disk.
#[derive(Debug, thiserror::Error)]
#[error("the receipt was not written to {place}: {error}")]
pub(crate) struct ReceiptNotWritten {
    place: String,
    error: io::Error,
}

impl Explain for ReceiptNotWritten {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        "receipt_not_written"
    }

    fn hint(&self) -> Cow<'static, str> {
        let first = match self.error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "name a place where you may write with --receipt FILE"
            }
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => "make room",
            _ => "name another place with --receipt FILE",
        };
        format!(
            "the run is over, its output is whole, and its receipt is printed with this: save it; for the next run, {first}"
        )
        .into()
    }
}

/// Runs a capsule.
pub(crate) fn run(args: Args, context: &Context) -> Result<Reply, Failure> {
    let debugger = args
        .debug
        .as_deref()
        .map(|directory| Debugger::open(directory, context));
    let (debugger, source) = (debugger.transpose()?, args.capsule());
    let plan = Plan::resolve(args, context)?;
    if let Some(debugger) = &debugger
        && is_built_for_debugging(&plan.order.capsule)
    {
        return unsealed::run(debugger, &plan.order, &source, context);
    }
    let hidden_seed = plan.private.then_some(plan.order.request.seed);
    let (destination, transcript) = (plan.receipt.clone(), plan.transcript.clone());
    let (pipeline, order, circumstances) = plan.set_up(context)?;
    let result = pipeline.run(&order, circumstances);
    let mut ended = Ended::of(result, &order, &context.settings)?;
    if let (Some(path), Some(run)) = (&transcript, ended.transcript()) {
        let lost = keep_transcript(run, path).err();
        ended.failure = ended.failure.or(lost);
    }
    if let Some(debugger) = debugger {
        ended.look(&debugger, &order, source.path());
    }
    if context.console.json {
        return Ok(in_json(ended, destination.as_deref(), hidden_seed, context));
    }
    in_plain(&ended, destination.as_deref(), hidden_seed, context)
}

/// Output first, receipt second; then what went wrong, the receipt's loss before the run's own failure.
fn in_plain(
    ended: &Ended,
    destination: Option<&Path>,
    hidden_seed: Option<Seed>,
    context: &Context,
) -> Result<Reply, Failure> {
    let console = &context.console;
    let printed = ended.output().map(|output| console.output(output));
    let kept = keep(&ended.receipt, destination, context);
    if let Some(seed) = hidden_seed {
        console.note(&format!(
            "seed {seed}: the receipt hides it, a replay needs it"
        ));
    }
    match kept {
        Ok(told) => console.note(&told),
        Err(error) => {
            console.note(&String::from_utf8_lossy(&ended.receipt.to_bytes()));
            if let Some(failure) = &ended.failure {
                console.note(&failure.to_string());
            }
            return Err(error.into());
        }
    }
    printed.transpose()?;
    if let Some(seen) = &ended.seen {
        console.note(&seen.lines);
    }
    Ok(Reply::default().failing(ended.failure.clone()))
}

/// One object has both, so the receipt is written first: the object says whether that worked.
fn in_json(
    ended: Ended,
    destination: Option<&Path>,
    hidden_seed: Option<Seed>,
    context: &Context,
) -> Reply {
    let kept = keep(&ended.receipt, destination, context);
    let mut reply = Reply::new(Vec::new(), ended.to_json());
    if let Some(seed) = hidden_seed {
        let seed = Value::String(seed.to_string());
        reply.members.insert("seed".to_owned(), seed);
    }
    match kept {
        Ok(_) => reply.failing(ended.failure),
        Err(error) => reply.failing(Failure::from(error)),
    }
}

/// Writes what went through a run's tools. It may hold what nobody else is to read.
pub(crate) fn keep_transcript(transcript: &Transcript, path: &Path) -> Result<(), Failure> {
    files::replace(path, transcript.as_str().as_bytes(), files::PRIVATE).map_err(|error| {
        Failure::new(
            Exit::Other,
            "transcript_not_written",
            format!(
                "the transcript was not written to {}: {error}",
                text::path(path)
            ),
            "the receipt is whole, but without the transcript nobody can run it again",
        )
    })
}

/// Writes the receipt where it belongs, and says where that is.
pub(crate) fn keep(
    receipt: &SignedReceipt,
    destination: Option<&Path>,
    context: &Context,
) -> Result<String, ReceiptNotWritten> {
    let id = receipt.id();
    let failed = |path: &Path, error| ReceiptNotWritten {
        place: text::path(path),
        error,
    };
    match destination {
        Some(path) => files::replace(path, &receipt.to_bytes(), files::PUBLIC)
            .map(|()| format!("{id} in {}", text::path(path)))
            .map_err(|error| failed(path, error)),
        None => store::add(&context.home, receipt)
            .map(|_| format!("{id} in your store; `tenzik receipts show ID` shows it"))
            .map_err(|error| failed(&context.home.receipts(), error)),
    }
}
