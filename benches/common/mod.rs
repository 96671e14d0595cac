//! What the benches share: a table of ratios, each of two figures of the same run.

#![allow(dead_code, reason = "each bench uses its own part")]

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

/// One row: ours against a floor written by hand, and the most that the ratio should be.
pub(crate) struct Row {
    pub(crate) what: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) floor: &'static str,
    pub(crate) target: f64,
}

/// The figures of one run of a bench.
pub(crate) struct Table {
    started: SystemTime,
}

impl Table {
    /// To be called before the first bench.
    pub(crate) fn start() -> Self {
        Self {
            started: SystemTime::now(),
        }
    }

    /// Prints the rows whose two benches have been run. It asserts nothing: a busy machine is no defect.
    pub(crate) fn print(&self, rows: &[Row]) {
        println!("\n| what | ours | floor | ratio | target |\n|---|---|---|---|---|");
        for row in rows {
            let (Some(ours), Some(floor)) = (self.median_ns(row.ours), self.median_ns(row.floor))
            else {
                println!("| {} | not measured | | | |", row.what);
                continue;
            };
            println!(
                "| {} | {:.2} µs | {:.2} µs | {:.2} | {:.2} |",
                row.what,
                ours / 1e3,
                floor / 1e3,
                ours / floor,
                row.target
            );
        }
    }

    /// The median that Criterion wrote for a bench of this run; an older one is another run's.
    pub(crate) fn median_ns(&self, id: &str) -> Option<f64> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target")),
            PathBuf::from,
        );
        // A slash in a name is an underscore in its folder.
        let folder = id.replace('/', "_");
        let path = target
            .join("criterion")
            .join(folder)
            .join("new/estimates.json");
        if fs::metadata(&path).ok()?.modified().ok()? < self.started {
            return None;
        }
        let estimates: serde_json::Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        estimates["median"]["point_estimate"].as_f64()
    }
}
