//! The second engine, asked whether the first is right.
//!
//! Enters: an order, and what it came to on the first. Leaves: nothing. Refuses: another ending, output or figure.

use std::sync::Arc;

use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::Executor;
use tenzik::limits::Limits;
use tenzik::outcome::Outcome;
use tenzik::pipeline::Order;
use tenzik::sandbox::Sandbox;
use tenzik::validation::{ValidationConfig, validate};
use tenzik_receipt::Status;

/// The interpreter, with a host's settings.
pub(crate) struct Second {
    executor: Executor,
    sandbox: Sandbox,
    validation: ValidationConfig,
}

impl Second {
    /// What it spends is up to it: it is slow without optimisation, and time is in no figure.
    pub(crate) fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Self {
        let security = &SecurityConfig {
            limits_max: Limits {
                time_ms: u32::MAX,
                ..security.limits_max
            },
            ..security.clone()
        };
        let runtime = RuntimeConfig {
            engines: Engines::Wasmi,
            ..runtime.clone()
        };
        Self {
            executor: Executor::new(security, &runtime).expect("an engine"),
            sandbox: Sandbox::new(security, &runtime),
            validation: ValidationConfig {
                capsule_bytes_max: security.capsule_bytes_max,
            },
        }
    }

    /// Asserts that it comes to the same ending, output and figures. Of a run that was aborted nothing is known.
    pub(crate) fn assert_agrees(&self, order: &Order, first: &Outcome) {
        if first.status() == Status::Aborted {
            return;
        }
        let capsule = validate(Arc::clone(&order.capsule), &self.validation).expect("it ran");
        let mut terms = order.terms.clone();
        terms.limits.time_ms = Some(u32::MAX);
        let bound = self.sandbox.bind(capsule, &terms).expect("it ran");
        let second = self.executor.execute(&bound, &order.request);
        let second = second.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            (second.ending(), second.usage()),
            (first.ending(), first.usage())
        );
    }
}
