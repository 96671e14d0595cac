//! The ranges of a configuration's values.
//!
//! Enters: a configuration as it was read. Leaves: the same. Refuses: the first value out of range, and what would do nothing.

use tenzik::router::Limit;
use tenzik_receipt::{Label, Profile};

use super::{ConfigError, NodeConfig};
use crate::audit::CONTENT_BYTES_MAX;
use crate::routes::BUNDLE_BYTES_MAX;

/// A day: what is longer was written in another unit.
const MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// What a program takes beside its wall-clock time: its start and its end.
const PROGRAM_SLACK_MS: u64 = 60_000;
/// The longest silence of a node that is well: half of what a caller bears.
const PROGRESS_MS_MAX: u64 = 5_000;

impl NodeConfig {
    /// Holds every value against its range.
    ///
    /// # Errors
    /// [`ConfigError::Range`] or [`ConfigError::Plain`], the first that applies.
    pub fn checked(self) -> Result<Self, ConfigError> {
        self.check_times()?;
        self.check_counts()?;
        self.check_promise()?;
        self.check_kept()?;
        self.check_executions()?;
        if self.keys.checkpoint.is_some() && self.origin.is_none() {
            return Err(ConfigError::Idle {
                what: "keys.checkpoint",
                needs: "an origin",
            });
        }
        if self.tls.is_none() && !self.listen.ip().is_loopback() && !self.plain_http {
            let listen = self.listen;
            return Err(ConfigError::Plain { listen });
        }
        match &self.telemetry.otlp_endpoint {
            Some(url) if !is_http(url) => Err(ConfigError::Range {
                key: "telemetry.otlp_endpoint",
                // It may carry credentials.
                got: "something else".to_owned(),
                wanted: "a URL that begins with http:// or https://",
            }),
            _ => Ok(self),
        }
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        for (key, ms) in [
            ("limits.header_timeout_ms", limits.header_timeout_ms),
            ("limits.body_timeout_ms", limits.body_timeout_ms),
            ("limits.request_timeout_ms", limits.request_timeout_ms),
            ("limits.write_timeout_ms", limits.write_timeout_ms),
            ("limits.answer_timeout_ms", limits.answer_timeout_ms),
            ("runs.time_max_ms", self.runs.time_max_ms),
            ("log.integrate_ms", self.log.integrate_ms),
            ("federation.heartbeat_ms", self.federation.heartbeat_ms),
            ("federation.pull_ms", self.federation.pull_ms),
            ("federation.request_ms", self.federation.request_ms),
        ] {
            within(key, ms.into(), 1..=MS_MAX, "1 to 86,400,000")?;
        }
        // A run that may take longer than its request would be cut without a receipt.
        within(
            "runs.time_max_ms",
            self.runs.time_max_ms.into(),
            1..=limits.request_timeout_ms.into(),
            "at most limits.request_timeout_ms",
        )?;
        for (key, ms) in [
            ("limits.drain_ms", limits.drain_ms),
            ("limits.grace_ms", limits.grace_ms),
        ] {
            within(key, ms.into(), 0..=MS_MAX, "0 to 86,400,000")?;
        }
        Ok(())
    }

    /// Whether what stands in the file does anything. What is left out cannot be told from its default later.
    pub(super) fn check_used(&self, file: &toml::Table) -> Result<(), ConfigError> {
        let log = file.get("log").and_then(toml::Value::as_table);
        // The database keeps more than the log.
        let is_given = log.is_some_and(|log| log.keys().any(|key| key != "postgres"));
        match is_given && self.origin.is_none() {
            true => Err(ConfigError::Idle {
                what: "[log]",
                needs: "an origin",
            }),
            false => Ok(()),
        }
    }

    fn check_kept(&self) -> Result<(), ConfigError> {
        let (blobs, audit) = (&self.blobs, &self.audit);
        let blob = blobs.blob_bytes_max.into();
        for (key, got, allowed, wanted) in [
            (
                "blobs.blob_bytes_max",
                blob,
                1..=64 << 20,
                "1 to 67,108,864",
            ),
            (
                "blobs.owner_bytes_max",
                blobs.owner_bytes_max,
                blob..=1 << 50,
                "at least blobs.blob_bytes_max and at most 2^50",
            ),
            (
                "blobs.bytes_max",
                blobs.bytes_max,
                blob..=1 << 50,
                "at least blobs.blob_bytes_max and at most 2^50",
            ),
            (
                "blobs.grants_max",
                blobs.grants_max.into(),
                1..=16_777_216,
                "1 to 16,777,216",
            ),
            (
                "blobs.keep_s_max",
                blobs.keep_s_max,
                1..=3_155_760_000,
                "1 to 3,155,760,000, a hundred years",
            ),
            (
                "audit.time_ms_max",
                audit.time_ms_max.into(),
                1..=MS_MAX,
                "1 to 86,400,000",
            ),
            (
                "audit.blob_bytes_max",
                audit.blob_bytes_max,
                1..=CONTENT_BYTES_MAX,
                "1 to 11,534,336",
            ),
            (
                "audit.wait_s",
                audit.wait_s,
                1..=31_557_600,
                "1 to 31,557,600, a year",
            ),
        ] {
            within(key, got, allowed, wanted)?;
        }
        Ok(())
    }

    fn check_executions(&self) -> Result<(), ConfigError> {
        let Some(config) = &self.executions else {
            return Ok(());
        };
        let idle = |what, needs| Err(ConfigError::Idle { what, needs });
        if config.backends.is_empty() || config.profiles.is_empty() {
            return idle("[executions]", "a backend and a profile");
        }
        if config.unsafe_host && !config.profiles.contains(&Profile::Dev) {
            return idle("executions.unsafe_host", "the profile dev");
        }
        let has_container = |kind: &Label| matches!(kind.as_str(), "gvisor" | "runc");
        match (
            config.root.is_some(),
            config.backends.iter().any(has_container),
        ) {
            (true, false) => return idle("executions.root", "the backend runc or gvisor"),
            (false, true) => return idle("the backend runc or gvisor", "executions.root"),
            _ => {}
        }
        for (key, got, allowed, wanted) in [
            (
                "executions.at_once",
                u64::from(config.at_once.get()),
                // Each has a thread, of 512 that there are for all that blocks.
                1..=256,
                "1 to 256",
            ),
            (
                "executions.waiting_max",
                config.waiting_max.into(),
                0..=100_000,
                "0 to 100,000",
            ),
            (
                "executions.caller_percent",
                config.caller_percent.into(),
                1..=100,
                "1 to 100",
            ),
            (
                "executions.bodies_bytes_max",
                config.bodies_bytes_max,
                1_024..=1 << 40,
                "1,024 to 2^40",
            ),
            (
                "executions.body_bytes_max",
                config.body_bytes_max.into(),
                1_024..=config.bodies_bytes_max,
                "1,024 to executions.bodies_bytes_max",
            ),
            (
                "executions.progress_ms",
                config.progress_ms.into(),
                100..=PROGRESS_MS_MAX,
                "100 to 5,000: who hears nothing for longer takes the connection for broken",
            ),
            (
                "executions.abandoned_ms",
                config.abandoned_ms.into(),
                1_000..=MS_MAX,
                "1,000 to 86,400,000",
            ),
            (
                "executions.kept_bytes_max",
                config.kept_bytes_max,
                0..=1 << 40,
                "0 to 2^40",
            ),
            (
                "executions.read_ms",
                config.read_ms.into(),
                100..=MS_MAX,
                "100 to 86,400,000",
            ),
        ] {
            within(key, got, allowed, wanted)?;
        }
        Ok(())
    }

    /// A promise is dated before the run's answer is durable: what may pass until the checkpoint must fit into it.
    fn check_promise(&self) -> Result<(), ConfigError> {
        if self.origin.is_none() {
            return Ok(());
        }
        let programs = self.executions.as_ref();
        let program_ms = programs.map_or(0, |config| {
            let wall_ms = config.limits_max.get(Limit::WallMs);
            wall_ms.saturating_add(PROGRAM_SLACK_MS).min(MS_MAX)
        });
        let needed = u64::from(self.limits.request_timeout_ms).max(program_ms)
            + 2 * u64::from(self.log.integrate_ms)
            + u64::from(self.federation.request_ms);
        within(
            "log.merge_delay_s",
            self.log.merge_delay_s.into(),
            needed.div_ceil(1_000)..=86_400,
            "at least limits.request_timeout_ms (or executions.limits_max.wall_ms and a minute, if that is more), two log.integrate_ms and federation.request_ms together",
        )
    }

    fn check_counts(&self) -> Result<(), ConfigError> {
        for (key, count, most) in [
            ("log.merge_delay_s", self.log.merge_delay_s, 86_400),
            ("log.waiting_max", self.log.waiting_max, 1_000_000),
            ("federation.at_once", self.federation.at_once, 1_000),
        ] {
            within(key, count.into(), 1..=most, "at least 1, and not absurd")?;
        }
        let limits = &self.limits;
        within(
            "limits.threads",
            limits.threads.into(),
            1..=1_024,
            "1 to 1,024",
        )?;
        for (key, connections) in [
            ("limits.connections_max", limits.connections_max),
            (
                "limits.connections_per_address_max",
                limits.connections_per_address_max,
            ),
        ] {
            within(key, connections.into(), 1..=1_000_000, "1 to 1,000,000")?;
        }
        let header_bytes = limits.header_bytes_max.into();
        // The HTTP library keeps no less.
        within(
            "limits.header_bytes_max",
            header_bytes,
            8_192..=1 << 20,
            "8,192 to 1,048,576",
        )?;
        within(
            "limits.headers_max",
            limits.headers_max.into(),
            8..=1_000,
            "8 to 1,000",
        )?;
        let run_body = limits.run_body_bytes_max.into();
        within(
            "limits.run_body_bytes_max",
            run_body,
            1_024..=64 << 20,
            "1,024 to 67,108,864",
        )?;
        let bodies = limits.bodies_bytes_max;
        within(
            "limits.bodies_bytes_max",
            bodies,
            run_body..=1 << 40,
            "at least one body's and at most 2^40",
        )?;
        // A checkpoint with its proof and cosignatures must fit.
        let stranger_body = limits.stranger_body_bytes_max.into();
        within(
            "limits.stranger_body_bytes_max",
            stranger_body,
            131_072..=64 << 20,
            "131,072 to 67,108,864",
        )?;
        within(
            "limits.strangers_bytes_max",
            limits.strangers_bytes_max,
            stranger_body..=1 << 40,
            "at least one body's and at most 2^40",
        )?;
        within(
            "limits.answers_bytes_max",
            limits.answers_bytes_max,
            BUNDLE_BYTES_MAX.next_multiple_of(1_024)..=1 << 40,
            "at least one full bundle's, 8,389,632, and at most 2^40",
        )?;
        within(
            "runs.waiting_max",
            self.runs.waiting_max.into(),
            0..=1_000_000,
            "0 to 1,000,000",
        )?;
        let entries = self.quotas.entries_max.into();
        within(
            "quotas.entries_max",
            entries,
            1..=16_777_216,
            "1 to 16,777,216",
        )
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

fn within(
    key: &'static str,
    got: u64,
    allowed: std::ops::RangeInclusive<u64>,
    wanted: &'static str,
) -> Result<(), ConfigError> {
    if allowed.contains(&got) {
        return Ok(());
    }
    let got = got.to_string();
    Err(ConfigError::Range { key, got, wanted })
}
