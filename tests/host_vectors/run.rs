//! Runs a case and holds it against what it expects.
//!
//! The charge of a call is measured as a difference: the fuel of a module with the call, less that of a module in which
//! the arguments are dropped and `input_len` is called, which costs 20. Dropping is free in the engine's metering; were
//! it not, every case with other than no arguments would fail. A call that ends the run has its charge found by the
//! limit: with exactly that much the run ends as expected, with one less it is out of fuel.

use tenzik::capability::{Capability, Grants};
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::Executor;
use tenzik::limits::LimitsAsked;
use tenzik::outcome::{Ending, Outcome, Request};
use tenzik::sandbox::{Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};
use tenzik_receipt::{InputType, Int, Seed};

use super::case::Case;
use super::module::{Purpose, WRONG_MEMORY, WRONG_RESULT, WRONG_VALUE, text};

/// More than any case needs.
const FUEL: u64 = 1_000_000_000;
/// The base price of `input_len`.
const BASELINE_FUEL: u64 = 20;

type Checked = Result<(), String>;

pub(crate) struct Runner {
    pub(crate) engine: &'static str,
    executor: Executor,
    sandbox: Sandbox,
    validation: ValidationConfig,
}

impl Runner {
    pub(crate) fn on_each_engine() -> [Self; 2] {
        let security = SecurityConfig::development();
        let runtime = RuntimeConfig {
            instances_max: 1,
            ..RuntimeConfig::development()
        };
        [Engines::Wasmtime, Engines::Wasmi].map(|engines| {
            let runtime = RuntimeConfig {
                engines,
                ..runtime.clone()
            };
            let executor = Executor::new(&security, &runtime).expect("an engine");
            let name = match engines {
                Engines::Wasmtime => "wasmtime",
                _ => "the interpreter",
            };
            Self::new(name, executor, &security, &runtime)
        })
    }

    fn new(
        engine: &'static str,
        executor: Executor,
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
    ) -> Self {
        Self {
            engine,
            executor,
            sandbox: Sandbox::new(security, runtime),
            validation: ValidationConfig {
                capsule_bytes_max: security.capsule_bytes_max,
            },
        }
    }

    pub(crate) fn check(&self, case: &Case) -> Checked {
        let baseline = self.run(case, Purpose::Baseline, FUEL);
        if *baseline.ending() != Ending::Exited(1) {
            return Err(format!("the baseline ended as {:?}", baseline.ending()));
        }
        let overhead = fuel(&baseline) - BASELINE_FUEL;
        self.charge(case, overhead)?;
        if ends(case) {
            return Ok(());
        }
        self.answer(case)?;
        self.output(case)
    }

    /// The call's charge, and that it is the least with which the call ends as it does.
    fn charge(&self, case: &Case, overhead: u64) -> Checked {
        let outcome = self.run(case, Purpose::Charge, FUEL);
        expect_ending(case, &outcome)?;
        if outcome.usage().is_some_and(|usage| usage.fuel < FUEL) {
            let charged = fuel(&outcome) - overhead;
            if charged != case.fuel {
                return Err(format!("charged {charged}, not {}", case.fuel));
            }
        }
        let enough = self.run(case, Purpose::Charge, overhead + case.fuel);
        if enough.ending() != outcome.ending() {
            return Err(format!("with just enough fuel: {:?}", enough.ending()));
        }
        // A call that is not paid for is not looked at before the next instruction that is.
        if case.fuel > 0 {
            let short = self.run(case, Purpose::Charge, overhead + case.fuel - 1);
            if *short.ending() != Ending::OutOfFuel {
                return Err(format!("with one fuel less: {:?}", short.ending()));
            }
        }
        Ok(())
    }

    fn answer(&self, case: &Case) -> Checked {
        match self.run(case, Purpose::Answer, FUEL).ending() {
            Ending::Exited(1) => Ok(()),
            Ending::Exited(WRONG_VALUE) => Err("another value".to_owned()),
            Ending::Exited(WRONG_MEMORY) => Err("another memory".to_owned()),
            Ending::Exited(WRONG_RESULT) => Err("another result".to_owned()),
            other => Err(format!("looking at the answer: {other:?}")),
        }
    }

    fn output(&self, case: &Case) -> Checked {
        let Some(expected) = &case.output else {
            return Ok(());
        };
        let outcome = self.run(case, Purpose::Output, FUEL);
        if outcome.output() == Some(&expected.bytes()) {
            return Ok(());
        }
        Err(format!("another output: {:?}", outcome.ending()))
    }

    fn run(&self, case: &Case, purpose: Purpose, fuel: u64) -> Outcome {
        let module = text(case, purpose);
        let bytes = wat::parse_str(&module).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let capsule =
            validate(bytes, &self.validation).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        // The baseline's own call is not the one that a limit is about.
        let limited = purpose != Purpose::Baseline;
        let terms = Terms {
            grants: Grants::all().difference(&Capability::Tools.into()),
            limits: LimitsAsked {
                fuel: Some(fuel),
                host_calls: case.limits.host_calls.filter(|_| limited),
                output_bytes: case
                    .limits
                    .output_bytes
                    .filter(|_| limited)
                    .or(Some(1 << 24)),
                time_ms: Some(120_000),
                ..LimitsAsked::default()
            },
            policy: None,
            tools: None,
        };
        let bound = self.sandbox.bind(capsule, &terms).expect("within limits");
        self.executor
            .execute(&bound, &request(case))
            .unwrap_or_else(|e| panic!("{}: {e}", case.name))
    }
}

fn request(case: &Case) -> Request {
    let seed = case.seed.as_deref().unwrap_or(ZERO_SEED);
    Request {
        input_type: InputType::from_name(case.input_type.as_deref().unwrap_or("bytes"))
            .expect("an input type"),
        clock_ms: Int::new(case.clock_ms).expect("a clock"),
        seed: seed.parse::<Seed>().expect("a seed"),
        // Type `json` needs some input, also where the case has none.
        ..Request::bytes(match case.input.bytes() {
            none if none.is_empty() && case.input_type.is_some() => b"0".to_vec(),
            input => input,
        })
    }
}

const ZERO_SEED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn fuel(outcome: &Outcome) -> u64 {
    outcome.usage().expect("the run was not aborted").fuel
}

fn ends(case: &Case) -> bool {
    case.trap.is_some() || case.status.is_some()
}

fn expect_ending(case: &Case, outcome: &Outcome) -> Checked {
    let ending = outcome.ending();
    let as_expected = match (&case.trap, &case.status) {
        (Some(code), None) => matches!(ending, Ending::Trapped(got) if got.name() == code),
        (None, None) => *ending == Ending::Exited(1),
        (None, Some(status)) => {
            outcome.status().name() == status
                && match ending {
                    Ending::Failed(message) => {
                        case.code.as_deref() == Some("fail")
                            && case.message.as_ref().map(|m| m.bytes())
                                == Some(message.as_bytes().to_vec())
                    }
                    Ending::FailedByAbort => case.code.as_deref() == Some("abort"),
                    _ => case.code.is_none(),
                }
        }
        _ => false,
    };
    if as_expected {
        return Ok(());
    }
    let shown: String = format!("{ending:?}").chars().take(120).collect();
    Err(format!("ended as {shown}"))
}
