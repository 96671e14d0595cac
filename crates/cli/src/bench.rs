//! `bench`: how long a fresh call of a capsule takes on this machine, beside one of a capsule that does nothing.
//!
//! Enters: a capsule and an input, or a capsule's folder with its example. Leaves: median and 99th percentile of both, their ratio, and the fuel of a call. Refuses: what
//! `run` refuses. Nothing is signed or kept. Times are of this machine and this moment; the ratio travels better, and fuel is exact.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tenzik::capability::{Capability, Grants};
use tenzik::config::{Engines, RuntimeConfig};
use tenzik::execution::{ExecuteError, Executor};
use tenzik::outcome::{Outcome, Request};
use tenzik::pipeline::Refusal;
use tenzik::sandbox::{BindError, BoundCapsule, Sandbox, Terms};
use tenzik::validation::{Rejection, ValidatedCapsule};
use tenzik_receipt::InputType;

use crate::args::Context;
use crate::capsule::Folder;
use crate::check::{examine, examine_bytes, rejected};
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::progress::Progress;
use crate::run::{count, input_type};
use crate::source::{Input, Source, stdin_once};
use crate::{build, test};

/// `bench`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capsule's file or folder, or - for stdin. It is granted what it imports
    capsule: OsString,
    /// The input: JSON as it stands, @FILE, or - for stdin; without it, the folder's example, or else `null`, or no bytes
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<OsString>,
    /// How input and output are read: strict JSON, or any bytes; without it, as the folder says, or else JSON
    #[arg(long, value_name = "json|bytes", value_parser = input_type)]
    input_type: Option<InputType>,
    /// How many calls are measured
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = count)]
    calls: u32,
}

/// Calls that are made first and not counted.
const WARM_UP: u32 = 20;

/// `(module (memory (export "memory") 1) (func (export "run")))`
const EMPTY: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x04\x01\x02\0\x0b";

/// Measures a capsule.
pub(crate) fn bench(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let (capsule, request) = match Path::new(&args.capsule).is_dir() {
        true => of_folder(args, context)?,
        false => of_file(args, context)?,
    };
    let capsule = match capsule {
        Ok(capsule) => capsule,
        Err(rejection) => return Ok(rejected(&rejection)),
    };
    let empty = tenzik::validation::validate(EMPTY.to_vec(), &Default::default());
    let empty = empty.map_err(|_| broken("the empty capsule is none"))?;
    let (executor, sandbox) = set_up(context)?;
    // Bytes, so that nothing is checked: it is the least that a call can cost.
    let nothing = Request::bytes(Vec::new());
    let pair = [
        (bind(&sandbox, capsule)?, request),
        (bind(&sandbox, empty)?, nothing),
    ];
    measure(&executor, &pair, args.calls)
}

/// What validation says of the capsule, and what it is given.
type Asked = (Result<ValidatedCapsule, Rejection>, Request);

fn of_file(args: &Args, context: &Context) -> Result<Asked, Failure> {
    let input_type = args.input_type.unwrap_or(InputType::Json);
    let input = match (&args.input, input_type) {
        (Some(input), _) => Input::from(input.clone()),
        (None, InputType::Bytes) => Input::Inline(Vec::new()),
        (None, _) => Input::Inline(b"null".to_vec()),
    };
    stdin_once(&[
        ("capsule", Some(&Source::from(args.capsule.clone()))),
        ("input", input.source()),
    ])?;
    let request = Request {
        input_type,
        ..Request::json(input.read()?)
    };
    Ok((examine(args.capsule.clone(), context)?, request))
}

/// A folder's module on its example, but for what is asked otherwise.
fn of_folder(args: &Args, context: &Context) -> Result<Asked, Failure> {
    let folder = Folder::open(Path::new(&args.capsule))?;
    let module = test::module(&folder)?;
    build::not_stale(&folder, &module)?;
    let example = folder.example();
    let input = match &args.input {
        Some(input) => Input::from(input.clone()).read()?,
        None => folder.input(example)?,
    };
    let request = Request {
        input_type: args.input_type.unwrap_or(example.input_type),
        clock_ms: example.clock_ms,
        seed: example.seed,
        ..Request::json(input)
    };
    Ok((examine_bytes(module, context), request))
}

/// Native code from the first call on, and nothing else on the engine.
fn set_up(context: &Context) -> Result<(Executor, Sandbox), Failure> {
    let security = &context.settings.security;
    let runtime = RuntimeConfig {
        cache_entries_max: 2,
        engines: Engines::Wasmtime,
        ..context.settings.runtime.clone()
    };
    Ok((
        Executor::new(security, &runtime)?,
        Sandbox::new(security, &runtime),
    ))
}

fn bind(sandbox: &Sandbox, capsule: ValidatedCapsule) -> Result<BoundCapsule, Failure> {
    let terms = Terms {
        grants: capsule
            .required_grants()
            .difference(&Grants::from(Capability::Tools)),
        ..Terms::default()
    };
    sandbox
        .bind(capsule, &terms)
        .map_err(|error| refused(error.into()))
}

fn refused(refusal: Refusal) -> Failure {
    let exit = match refusal {
        Refusal::Binding(BindError::Memory { .. })
        | Refusal::Execution(ExecuteError::InputSize { .. }) => Exit::LimitHit,
        Refusal::Execution(ExecuteError::Input(_)) => Exit::Usage,
        Refusal::Execution(_) => Exit::InvalidCapsule,
        _ => Exit::Denied,
    };
    Failure::new(exit, refusal.code(), refusal.to_string(), refusal.remedy())
}

fn broken(message: &str) -> Failure {
    Failure::new(Exit::Other, "bench", message, "report this")
}

/// Calls both in turn, so that what disturbs the one disturbs the other.
fn measure(
    executor: &Executor,
    pair: &[(BoundCapsule, Request); 2],
    calls: u32,
) -> Result<Reply, Failure> {
    let progress = Progress::begin("measuring");
    let mut walls: [Vec<Duration>; 2] = Default::default();
    let mut last = None;
    for call in 0..calls.saturating_add(WARM_UP) {
        progress.at(call as usize, calls as usize);
        for (walls, (bound, request)) in walls.iter_mut().zip(pair).rev() {
            let outcome = executor.execute(bound, request);
            let outcome = outcome.map_err(|error| refused(error.into()))?;
            if call >= WARM_UP {
                walls.push(outcome.wall());
            }
            last = Some(outcome);
        }
    }
    drop(progress);
    let last = last.ok_or_else(|| broken("nothing was called"))?;
    let [mut own, mut empty] = walls;
    Ok(told(
        &last,
        Figures::of(&mut own),
        Figures::of(&mut empty),
        calls,
    ))
}

/// Nanoseconds of many calls.
struct Figures {
    median: u64,
    p99: u64,
}

impl Figures {
    fn of(walls: &mut [Duration]) -> Self {
        walls.sort_unstable();
        let at = |percent: usize| {
            let index = walls.len().saturating_sub(1) * percent / 100;
            let wall = walls.get(index).map_or(0, Duration::as_nanos);
            u64::try_from(wall).unwrap_or(u64::MAX)
        };
        Self {
            median: at(50),
            p99: at(99),
        }
    }

    fn line(&self, name: &str) -> String {
        let [median, p99] = [self.median, self.p99].map(|nanos| nanos as f64 / 1_000.0);
        format!("{name:<10} {median:.1} µs median, {p99:.1} µs at the 99th percentile\n")
    }

    fn to_json(&self) -> Value {
        json!({"median_ns": self.median, "p99_ns": self.p99})
    }
}

fn told(outcome: &Outcome, own: Figures, empty: Figures, calls: u32) -> Reply {
    let ratio = |own: u64, empty: u64| own as f64 / empty.max(1) as f64;
    let ratios = [ratio(own.median, empty.median), ratio(own.p99, empty.p99)];
    let fuel = outcome.usage().map(|usage| usage.fuel);
    let fuel_told = fuel.map_or_else(|| "unknown".to_owned(), |fuel| fuel.to_string());
    let lines = [
        own.line("call"),
        empty.line("empty"),
        format!(
            "ratio      {:.2} by the median, {:.2} at the 99th percentile\n",
            ratios[0], ratios[1]
        ),
        format!("fuel       {fuel_told} a call\n"),
        format!("status     {}, of {calls} calls\n", outcome.status().name()),
    ];
    let members = json!({
        "calls": calls,
        "status": outcome.status().name(),
        "fuel": fuel,
        "call": own.to_json(),
        "empty": empty.to_json(),
        "ratio": {"median": ratios[0], "p99": ratios[1]},
    });
    Reply::new(lines.concat(), members)
}
