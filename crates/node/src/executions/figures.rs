//! What is counted of executions.
//!
//! Enters: ends. Leaves: figures of `/metrics`. Refuses nothing.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

use super::kept::Bytes;
use crate::metrics::{Came, Metrics};

/// From a shell's line to the longest run.
const SECONDS: [f64; 9] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];

/// The figures; a clone counts in the same ones.
#[derive(Clone)]
pub(super) struct Figures {
    ended: Family<Came, Counter>,
    /// Of the answers that are kept.
    pub(super) kept: Bytes,
    seconds: Histogram,
}

impl Figures {
    pub(super) fn registered(metrics: &Metrics) -> Self {
        let figures = Self {
            ended: Family::default(),
            kept: Bytes::default(),
            seconds: Histogram::new(SECONDS),
        };
        let help = "Programs by how they ended";
        metrics.register("executions", help, figures.ended.clone());
        let help = "Bytes of programs' answers that are kept";
        metrics.register("executions_kept_bytes", help, figures.kept.clone());
        let help =
            "Wall-clock time of programs, without waiting; of private ones it is not counted";
        metrics.register("execution_seconds", help, figures.seconds.clone());
        figures
    }

    pub(super) fn ended(&self, status: &str, wall: Option<Duration>) {
        let status = status.to_owned();
        self.ended.get_or_create(&Came { status }).inc();
        if let Some(wall) = wall {
            self.seconds.observe(wall.as_secs_f64());
        }
    }
}
