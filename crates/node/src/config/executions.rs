//! What a node runs beside capsules, and what it spends on that.
//!
//! Enters: the section `[executions]`. Leaves: profiles, backends by name, and the most that a request may ask for.
//! Refuses: profiles and limits that do not exist, and what would do nothing.
//!
//! A node without the section runs capsules alone.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::Error as _;
use tenzik::router::{Limit, PerLimit};
use tenzik_receipt::{Label, Profile, Timestamp};

/// How much longer than the longest run a request may be known.
const EXPIRES_S_MAX: u64 = 3_600;

/// What programs may be run, and what is spent on them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutionsConfig {
    /// The backends, in the order in which they are asked: `sandbox`, `runc`, `gvisor`, `docker`, `docker-runsc`, `node`, `deno`,
    /// `bun`, `process`.
    #[serde(deserialize_with = "labels")]
    pub backends: Vec<Label>,
    /// What may be asked for. Default `standard` and `hardened`.
    #[serde(default = "default_profiles", deserialize_with = "profiles")]
    pub profiles: Vec<Profile>,
    /// Whether backends that isolate nothing may serve profile `dev`. Default no.
    #[serde(default)]
    pub unsafe_host: bool,
    /// The root file system of `runc` and `gvisor`.
    #[serde(default)]
    pub root: Option<PathBuf>,
    /// Executions at once. Default 4.
    #[serde(default = "default_at_once")]
    pub at_once: NonZeroU32,
    /// Executions that wait; further ones are answered 503. Default 64.
    #[serde(default = "default_waiting_max")]
    pub waiting_max: u32,
    /// The most that one caller may have of places, of those that wait, of the room for bodies, and of the answers that are kept, in
    /// percent of each: at least one place, one body and one answer. What is beyond it is answered 429. Default 50; 100 where there is one caller.
    #[serde(default = "default_caller_percent")]
    pub caller_percent: u32,
    /// The largest request, code included. Default 8 MiB.
    #[serde(default = "default_body_bytes_max")]
    pub body_bytes_max: u32,
    /// The most bytes of all requests that are read, wait or run: a room of their own, so that programs take nothing from the bodies
    /// of other requests. Default 128 MiB.
    #[serde(default = "default_bodies_bytes_max")]
    pub bodies_bytes_max: u64,
    /// The most of each limit that a request may ask for, where it is not the default.
    #[serde(default = "default_limits_max", deserialize_with = "limits_max")]
    pub limits_max: PerLimit<u64>,
    /// How often a caller is told that it still runs. Default 1,000 ms.
    #[serde(default = "default_progress_ms")]
    pub progress_ms: u32,
    /// After how long without anybody who waits for it an execution is cancelled. Default 30,000 ms.
    #[serde(default = "default_abandoned_ms")]
    pub abandoned_ms: u32,
    /// How many bytes of answers are held, for callers that read them and for those whose connection broke. Default 64 MiB.
    #[serde(default = "default_kept_bytes_max")]
    pub kept_bytes_max: u64,
    /// How long an answer can be read for sure. Who has not read it by then is cut where another answer needs the space. Default
    /// 10,000 ms.
    #[serde(default = "default_read_ms")]
    pub read_ms: u32,
}

impl ExecutionsConfig {
    /// Until when a request may be meant that comes now.
    pub(crate) fn expires_max(&self, now: Timestamp) -> Timestamp {
        let longest_s = self.limits_max.get(Limit::WallMs) / 1_000;
        now.plus_seconds(longest_s.saturating_add(EXPIRES_S_MAX))
    }

    /// What one caller may have of so much: its percentage, but no less than `least`.
    pub(crate) fn share_of(&self, all: u64, least: u64) -> u64 {
        let percent = u64::from(self.caller_percent);
        let share = all.saturating_mul(percent).div_ceil(100);
        share.max(least).min(all)
    }
}

fn default_profiles() -> Vec<Profile> {
    vec![Profile::Standard, Profile::Hardened]
}

const fn default_at_once() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(3)
}

const fn default_waiting_max() -> u32 {
    64
}

const fn default_caller_percent() -> u32 {
    50
}

const fn default_body_bytes_max() -> u32 {
    8 << 20
}

const fn default_bodies_bytes_max() -> u64 {
    128 << 20
}

const fn default_progress_ms() -> u32 {
    1_000
}

const fn default_abandoned_ms() -> u32 {
    30_000
}

const fn default_kept_bytes_max() -> u64 {
    64 << 20
}

const fn default_read_ms() -> u32 {
    10_000
}

/// Twice what a run has that asks for nothing. There are no tools here, so what is asked of them does not matter.
fn default_limits_max() -> PerLimit<u64> {
    PerLimit::of(|limit| match limit.default_at(Profile::Standard) {
        Some(number) if !limit.is_the_routers() => number * 2,
        _ => u64::MAX,
    })
}

fn labels<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<Label>, D::Error> {
    let names = Vec::<String>::deserialize(reader)?;
    names
        .into_iter()
        .map(|name| Label::new(name).map_err(D::Error::custom))
        .collect()
}

fn profiles<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<Profile>, D::Error> {
    let names = Vec::<String>::deserialize(reader)?;
    names
        .iter()
        .map(|name| {
            Profile::from_name(name)
                .ok_or_else(|| D::Error::custom("a profile is dev, standard or hardened"))
        })
        .collect()
}

fn limits_max<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<PerLimit<u64>, D::Error> {
    let mut limits = default_limits_max();
    for (name, number) in BTreeMap::<String, u64>::deserialize(reader)? {
        let limit = Limit::from_name(&name).filter(|limit| !limit.is_the_routers());
        let limit = limit.ok_or_else(|| D::Error::custom("there is no such limit"))?;
        limits = limits.with(limit, number);
    }
    Ok(limits)
}
