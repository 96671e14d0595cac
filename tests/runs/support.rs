//! A capsule, its terms and its request in one line, run on one pipeline that all tests share.

use std::sync::{Arc, LazyLock};

use tenzik::capability::{Capability, Grants};
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::limits::{Limits, LimitsAsked};
use tenzik::outcome::{Ending, Request};
use tenzik::pipeline::{Order, Pipeline, Run};
use tenzik::sandbox::Terms;
use tenzik_receipt::{Claim, WasmClaim};

use crate::common::second::Second;
use crate::common::{assert_verifies, circumstances, pipeline_with, wat};

/// A host with the defaults that hands out aborted runs too.
pub(crate) fn lenient() -> SecurityConfig {
    SecurityConfig {
        require_deterministic: false,
        ..SecurityConfig::default()
    }
}

/// So much fuel that only the clock is left.
pub(crate) const GENEROUS: u64 = 1 << 52;

/// A host that gives it.
pub(crate) fn generous(security: SecurityConfig) -> SecurityConfig {
    SecurityConfig {
        limits_max: Limits {
            fuel: GENEROUS,
            ..security.limits_max
        },
        ..security
    }
}

pub(crate) fn few_slots() -> RuntimeConfig {
    RuntimeConfig {
        engines: Engines::Wasmtime,
        instances_max: 8,
        ..RuntimeConfig::default()
    }
}

static SHARED: LazyLock<Pipeline> = LazyLock::new(|| pipeline_with(&lenient(), &few_slots()));
static SECOND: LazyLock<Second> = LazyLock::new(|| Second::new(&lenient(), &few_slots()));

/// A capsule with every grant but `tools`, over an empty input of bytes.
pub(crate) fn capsule(text: &str) -> Story {
    Story(Order {
        capsule: Arc::from(wat(text)),
        terms: Terms {
            grants: Grants::all().difference(&Capability::Tools.into()),
            ..Terms::default()
        },
        request: Request::bytes(&b""[..]),
    })
}

/// A capsule whose `run` has this body, with a page of memory and whatever else stands before it.
pub(crate) fn with(before: &str, body: &str) -> Story {
    capsule(&format!(
        "(module {before} (memory (export \"memory\") 1) (func (export \"run\") {body}))"
    ))
}

/// An import of a function of `tenzik_v1` under its own name.
pub(crate) fn import(name: &str) -> String {
    let row = tenzik::capability::IMPORTS
        .iter()
        .find(|row| row.name == name)
        .expect("a row");
    let params: Vec<_> = row.params.iter().map(|t| t.name()).collect();
    let result = row
        .result
        .map_or(String::new(), |t| format!("(result {})", t.name()));
    format!(
        "(import \"{}\" \"{name}\" (func ${name} (param {}) {result}))",
        row.module,
        params.join(" ")
    )
}

/// An order that can be run.
#[derive(Clone)]
pub(crate) struct Story(pub(crate) Order);

impl Story {
    pub(crate) fn json(mut self, input: &str) -> Self {
        self.0.request = Request::json(input.as_bytes());
        self
    }

    pub(crate) fn bytes(mut self, input: &[u8]) -> Self {
        self.0.request = Request::bytes(input);
        self
    }

    pub(crate) fn limits(mut self, limits: LimitsAsked) -> Self {
        self.0.terms.limits = limits;
        self
    }

    pub(crate) fn fuel(self, fuel: u64) -> Self {
        let limits = LimitsAsked {
            fuel: Some(fuel),
            ..self.0.terms.limits
        };
        self.limits(limits)
    }

    /// Runs on the shared pipeline. The receipt verifies, whatever came of it, and the interpreter comes to the same.
    pub(crate) fn run(&self) -> Run {
        let run = self.run_on(&SHARED);
        SECOND.assert_agrees(&self.0, &run.outcome);
        run
    }

    pub(crate) fn run_on(&self, pipeline: &Pipeline) -> Run {
        let run = pipeline
            .run(&self.0, circumstances())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_verifies(&run.receipt);
        run
    }

    pub(crate) fn ending(&self) -> Ending {
        self.run().outcome.ending().clone()
    }

    /// The output of a run that must end well.
    pub(crate) fn output(&self) -> Vec<u8> {
        let run = self.run();
        let output = run.outcome.output().map(<[u8]>::to_vec);
        output.unwrap_or_else(|| panic!("{:?}", run.outcome.ending()))
    }

    /// The fuel of a run that ended well or failed.
    pub(crate) fn fuel_used(&self) -> u64 {
        let run = self.run();
        let exact = matches!(run.outcome.status().name(), "ok" | "failed");
        assert!(exact, "{:?}", run.outcome.ending());
        run.outcome.usage().expect("not aborted").fuel
    }

    /// Status and detail code as they stand in the claim, such as `trapped memory`.
    pub(crate) fn said(&self) -> String {
        said(&self.run())
    }
}

pub(crate) fn claim(run: &Run) -> &WasmClaim {
    match run.receipt.claim() {
        Claim::Wasm(claim) => claim,
        other => panic!("a claim of kind {}", other.kind()),
    }
}

/// Status and detail code as they stand in the claim.
pub(crate) fn said(run: &Run) -> String {
    let claim = claim(run);
    let detail = claim.detail.as_ref().map(|detail| {
        let open = detail.open().expect("an open run");
        open.code.to_string()
    });
    [Some(claim.status.name().to_owned()), detail]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}
