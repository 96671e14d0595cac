//! What is counted, in the OpenMetrics text form.
//!
//! Enters: events. Leaves: the text for `/metrics`. Refuses: labels that a client could choose: routes are those of the table,
//! and methods those of HTTP.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Seconds; an answer from memory to the longest run.
const SECONDS: [f64; 10] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// A request by what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Answered {
    pub(crate) method: &'static str,
    pub(crate) route: String,
    pub(crate) status: u16,
}

/// A run by its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Came {
    pub(crate) status: String,
}

/// The node's figures. Each handle is a cheap clone of what stands in the registry.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    pub(crate) answers: Family<Answered, Counter>,
    pub(crate) seconds: Histogram,
    pub(crate) runs: Family<Came, Counter>,
    pub(crate) run_seconds: Histogram,
    pub(crate) fuel: Counter,
    pub(crate) connections: Gauge,
    pub(crate) cut: Counter,
    pub(crate) unknown_credentials: Counter,
    pub(crate) panics: Counter,
    pub(crate) waiting: Gauge<u64, AtomicU64>,
    pub(crate) bodies_bytes: Gauge<u64, AtomicU64>,
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("tenzik")),
            answers: Family::default(),
            seconds: Histogram::new(SECONDS),
            runs: Family::default(),
            run_seconds: Histogram::new(SECONDS),
            fuel: Counter::default(),
            connections: Gauge::default(),
            cut: Counter::default(),
            unknown_credentials: Counter::default(),
            panics: Counter::default(),
            waiting: Gauge::default(),
            bodies_bytes: Gauge::default(),
        };
        metrics.register_own();
        metrics
    }

    /// Adds a figure; the caller keeps a clone to count with. The name has neither the prefix `tenzik_` nor the suffix `_total`.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register(name, help, metric);
    }

    /// All figures as text.
    ///
    /// # Errors
    /// Never in practice: a string takes all that is written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        text::encode(&mut out, &registry)?;
        Ok(out)
    }

    /// Counts a run that is over, or was refused.
    pub(crate) fn ran(&self, status: &str, wall: Option<Duration>) {
        let status = status.to_owned();
        self.runs.get_or_create(&Came { status }).inc();
        if let Some(wall) = wall {
            self.run_seconds.observe(wall.as_secs_f64());
        }
    }

    fn register_own(&self) {
        self.register(
            "http_requests",
            "Answers by route, method and status",
            self.answers.clone(),
        );
        self.register(
            "http_request_seconds",
            "From a request's head to its answer",
            self.seconds.clone(),
        );
        self.register("runs", "Runs by status", self.runs.clone());
        self.register(
            "run_seconds",
            "Wall-clock time of runs, without waiting",
            self.run_seconds.clone(),
        );
        self.register(
            "fuel",
            "Fuel of runs that are not private",
            self.fuel.clone(),
        );
        self.register("connections", "Open connections", self.connections.clone());
        self.register(
            "connections_cut",
            "Connections that were too slow or not HTTP",
            self.cut.clone(),
        );
        self.register(
            "unknown_credentials",
            "Requests with a credential that is nobody's",
            self.unknown_credentials.clone(),
        );
        self.register("panics", "Handlers that panicked", self.panics.clone());
        self.register(
            "bodies_bytes",
            "Room that bodies take",
            self.bodies_bytes.clone(),
        );
        self.register(
            "runs_waiting",
            "Orders that wait for a run",
            self.waiting.clone(),
        );
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
