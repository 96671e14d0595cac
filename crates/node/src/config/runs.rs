//! What a node spends on runs, and what it permits to them.
//!
//! Enters: the section `[runs]`. Leaves: the engine's own configurations. Refuses: capabilities that do not exist.

use std::num::NonZeroUsize;

use serde::Deserialize;
use tenzik::capability::{Capability, Grants};
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::limits::Limits;
use tenzik::queue::QueueConfig;

/// What is spent on runs, and permitted to them.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunsConfig {
    /// Runs at once. Absent: as many as there are cores.
    pub at_once: Option<NonZeroUsize>,
    /// Orders that wait for a run; further ones are answered 503. Default 256.
    pub waiting_max: u32,
    /// Capabilities that a request may have. Default: all but `tools`.
    #[serde(deserialize_with = "grants")]
    pub grants: Grants,
    /// The largest capsule. Default 5,120 bytes.
    pub capsule_bytes_max: u32,
    /// The largest input. Default 4 MiB.
    pub input_bytes_max: u32,
    /// Compiled capsules that are kept. Default 1,000.
    pub cache_entries_max: u32,
    /// The most fuel that a request may ask for. Default 1,000,000,000.
    pub fuel_max: u64,
    /// The most host calls that a request may ask for. Default 1,000,000.
    pub host_calls_max: u32,
    /// The most memory that a request may ask for, in pages of 64 KiB. Default 512.
    pub memory_pages_max: u32,
    /// The most output that a request may ask for. Default 1 MiB.
    pub output_bytes_max: u32,
    /// The most time that a request may ask for. Default 10,000 ms. What a run has without asking is the engine's default of
    /// 1,000, or this if it is less; so with every other limit.
    pub time_max_ms: u32,
}

impl Default for RunsConfig {
    fn default() -> Self {
        let security = SecurityConfig::default();
        Self {
            at_once: None,
            waiting_max: 256,
            grants: security.allowed_capabilities,
            capsule_bytes_max: security.capsule_bytes_max,
            input_bytes_max: 4 * 1024 * 1024,
            cache_entries_max: 1_000,
            fuel_max: security.limits_max.fuel,
            host_calls_max: security.limits_max.host_calls,
            memory_pages_max: security.limits_max.memory_pages,
            output_bytes_max: 1024 * 1024,
            time_max_ms: security.limits_max.time_ms,
        }
    }
}

impl RunsConfig {
    /// How many runs at once.
    pub fn workers(&self) -> NonZeroUsize {
        self.at_once.unwrap_or(QueueConfig::default().workers)
    }

    /// What the engine permits.
    pub fn security(&self) -> SecurityConfig {
        SecurityConfig {
            allowed_capabilities: self.grants.clone(),
            capsule_bytes_max: self.capsule_bytes_max,
            input_bytes_max: self.input_bytes_max,
            limits_max: Limits {
                fuel: self.fuel_max,
                host_calls: self.host_calls_max,
                memory_pages: self.memory_pages_max,
                output_bytes: self.output_bytes_max,
                time_ms: self.time_max_ms,
            },
            // The answer's status says it, and the receipt is the caller's either way.
            require_deterministic: false,
            ..SecurityConfig::default()
        }
    }

    /// What the engine spends.
    pub fn runtime(&self) -> RuntimeConfig {
        let workers = u32::try_from(self.workers().get()).unwrap_or(u32::MAX);
        RuntimeConfig {
            cache_entries_max: self.cache_entries_max,
            instances_max: workers,
            ..RuntimeConfig::default()
        }
    }

    /// How orders wait.
    pub fn queue(&self) -> QueueConfig {
        QueueConfig {
            workers: self.workers(),
            waiting_max: self.waiting_max as usize,
        }
    }
}

fn grants<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Grants, D::Error> {
    let names = Vec::<String>::deserialize(reader)?;
    names
        .iter()
        .map(|name| name.parse::<Capability>())
        .collect::<Result<Grants, _>>()
        .map_err(serde::de::Error::custom)
}
