//! `exec`: code of any kind through the router, by profile. Its result goes to stdout, its receipt to a file or the store.
//!
//! Enters: a profile, a language, code, an input, limits. Leaves: exactly the result's bytes, and a signed receipt, also of a
//! run that failed. Refuses: what the router refuses. What the program wrote for people goes to stderr, never to stdout.

mod args;
mod backends;
mod failure;
mod standing;

use std::sync::Arc;

use serde_json::{Value, json};
use tenzik::backend::Readiness;
use tenzik::control::{Control, Phase};
use tenzik::pipeline::Pipeline;
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::router::{Execution, Limit, Router, RouterConfig};
use tenzik_receipt::{Epoch, SignedReceipt};

use crate::args::Context;
use crate::error::Failure;
use crate::output::Reply;
use crate::progress::Progress;
use crate::run::{check_destination, keep, keep_transcript, receipt_object};
use crate::{own, system, text, tools};

pub(crate) use args::Args;
#[cfg(target_os = "linux")]
pub(crate) use backends::CONFINE;
pub(crate) use backends::named;
pub(crate) use standing::{Standing, standing};

/// Runs code on a backend that can hold what the profile promises.
pub(crate) fn exec(args: Args, context: &Context) -> Result<Reply, Failure> {
    for path in [&args.receipt, &args.transcript].into_iter().flatten() {
        check_destination(path)?;
    }
    let request = args.request()?;
    let router = router(&args, context)?;
    let control = Control::default();
    let progress = Progress::telling({
        let control = control.clone();
        move || stage(control.progress().phase).to_owned()
    });
    let circumstances = Circumstances::at(system::now()?);
    let came = router.execute_controlled(&request, circumstances, &control);
    drop(progress);
    let (execution, receipt) = match &came {
        Ok(execution) => (Some(execution), Some(&execution.receipt)),
        Err(error) => (error.execution(), error.receipt()),
    };
    let failure = came.as_ref().err().map(failure::of);
    let lost = match (execution, &args.transcript) {
        (Some(execution), Some(path)) => keep_transcript(&execution.transcript, path).err(),
        _ => None,
    };
    match (receipt, failure.or(lost)) {
        (Some(receipt), failure) => told(execution, receipt, failure, &args, context),
        (None, Some(failure)) => Err(failure),
        // An execution has its receipt.
        (None, None) => Ok(Reply::default()),
    }
}

/// What a person is told who waits.
const fn stage(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting for a place",
        Phase::Running => "running",
        _ => "getting ready",
    }
}

fn router(args: &Args, context: &Context) -> Result<Router, Failure> {
    let key = own::receipt_key(
        args.key.clone(),
        &context.settings,
        &context.home,
        &context.console,
    )?;
    let sealer = Sealer::new(key, Epoch::from_bytes(*system::random()?))?;
    let settings = &context.settings;
    let security = match args.tools {
        Some(_) => tools::allowed(&settings.security),
        None => settings.security.clone(),
    };
    let pipeline = Pipeline::new(&security, &settings.runtime, sealer)?;
    let config = RouterConfig {
        unsafe_host: args.unsafe_host,
    };
    let router = Router::new(Arc::new(pipeline), config);
    backends::register(&router, args, &settings.runtimes)?;
    Ok(router)
}

/// What was written for people, the result, where the receipt is, and then what went wrong.
fn told(
    execution: Option<&Execution>,
    receipt: &SignedReceipt,
    failure: Option<Failure>,
    args: &Args,
    context: &Context,
) -> Result<Reply, Failure> {
    let console = &context.console;
    if console.json {
        keep(receipt, args.receipt.as_deref(), context)?;
        let members = execution.map_or_else(|| json!({}), members);
        let mut reply = Reply::new(Vec::new(), members).failing(failure);
        reply
            .members
            .insert("receipt".to_owned(), receipt_object(receipt));
        return Ok(reply);
    }
    if let Some(execution) = execution {
        for stream in [&execution.stdout, &execution.stderr] {
            for line in String::from_utf8_lossy(&stream.bytes).lines() {
                console.note(&text::shown(line, text::MESSAGE_CHARS_MAX));
            }
        }
    }
    let printed = execution
        .and_then(Execution::value)
        .map(|value| console.output(value));
    console.note(&keep(receipt, args.receipt.as_deref(), context)?);
    printed.transpose()?;
    Ok(Reply::default().failing(failure))
}

/// The JSON answer, all but the receipt.
fn members(execution: &Execution) -> Value {
    let held = |limit: Limit| {
        let held = execution.limits.get(limit);
        json!({
            "limit": limit.name(),
            "asked": execution.asked.get(limit),
            "applied": held.applied,
            "enforced": held.enforced,
            "observed": held.observed,
        })
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    json!({
        "backend": execution.backend.as_str(),
        "version": execution.version.as_str(),
        "readiness": readiness(&execution.readiness),
        "profile": execution.profile.name(),
        "id": execution.receipt.id().to_string(),
        "status": execution.receipt.claim().status(),
        "output": execution.value().map(text),
        "stdout": text(&execution.stdout.bytes),
        "stderr": text(&execution.stderr.bytes),
        "tool_calls": execution.tool_calls,
        "wall_us": u64::try_from(execution.wall.as_micros()).unwrap_or(u64::MAX),
        "isolation": execution.isolation.seen.as_slice().iter().map(|seen| seen.as_str()).collect::<Vec<_>>(),
        "limits": Limit::ALL.map(held),
    })
}

/// What the backend's probe said before the run.
fn readiness(readiness: &Readiness) -> Value {
    match readiness {
        Readiness::Ready { version } => json!({"state": "ready", "version": version.as_str()}),
        Readiness::Unavailable { reason, remedy } => {
            json!({"state": "not_yet", "reason": reason, "remedy": remedy})
        }
    }
}
