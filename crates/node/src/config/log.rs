//! The sections `[log]` and `[federation]`.
//!
//! Enters: TOML. Leaves: how the node's log is kept and shown, and how others' are followed. Refuses: unknown keys.

use std::path::PathBuf;

use serde::Deserialize;
use tenzik_receipt::PublicKey;

use super::Rate;

/// How the node's own log is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How often appended receipts are integrated, in milliseconds. Default 1,000.
    pub integrate_ms: u32,
    /// Within how many seconds a receipt is in the published log; each receipt promises it. Default 300. It is at least
    /// `limits.request_timeout_ms`, two `integrate_ms` and `federation.request_ms` together: a run, two integrations, and a
    /// witness that answers slowly.
    pub merge_delay_s: u32,
    /// Keys, beside the node's own receipt key, whose receipts the log takes. Default none.
    #[serde(deserialize_with = "keys")]
    pub nodes: Vec<PublicKey>,
    /// The connection string of a PostgreSQL database that keeps the log, such as
    /// `host=/run/postgresql user=tenzik dbname=tenzik`. Absent: files and SQLite below `data_dir`.
    pub postgres: Option<String>,
    /// Who may read the log. Default `public`; then open receipts enter it only if their request said `public`. A private one
    /// has every run's.
    pub visibility: LogVisibility,
    /// How many appends may wait. Default 4,096.
    pub waiting_max: u32,
    /// A policy file (c2sp.org/tlog-policy) of the witnesses that must have cosigned a checkpoint before it is published;
    /// those with a URL are asked. Absent: none must.
    pub witness_policy: Option<PathBuf>,
}

/// Who may read a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogVisibility {
    /// Callers of the node.
    Private,
    /// Anyone.
    #[default]
    Public,
}

/// How other nodes are followed and witnessed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// How many peers are asked at once. Default 4.
    pub at_once: u32,
    /// How often one log may ask this witness. Default 60 a minute, 60 at once.
    pub add_checkpoint: Rate,
    /// Authorities, in a PEM file, that vouch for the certificates of peers and witnesses: those alone. Absent: the web's.
    pub ca: Option<PathBuf>,
    /// How often this node tells its peers that it lives, in milliseconds. Default 60,000.
    pub heartbeat_ms: u32,
    /// The peers file. Absent: no peers.
    pub peers: Option<PathBuf>,
    /// How often each peer's log is asked for what is new, in milliseconds. Default 10,000.
    pub pull_ms: u32,
    /// How long a request to a peer or a witness may take, in milliseconds. Default 30,000.
    pub request_ms: u32,
    /// The name that this node witnesses under, such as `node.example/witness`. Needed with `keys.witness`.
    pub witness_name: Option<String>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            integrate_ms: 1_000,
            merge_delay_s: 300,
            nodes: Vec::new(),
            postgres: None,
            visibility: LogVisibility::default(),
            waiting_max: 4_096,
            witness_policy: None,
        }
    }
}

impl Default for FederationConfig {
    fn default() -> Self {
        Self {
            at_once: 4,
            add_checkpoint: Rate::new(60, 60),
            ca: None,
            heartbeat_ms: 60_000,
            peers: None,
            pull_ms: 10_000,
            request_ms: 30_000,
            witness_name: None,
        }
    }
}

fn keys<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Vec<PublicKey>, D::Error> {
    let texts = Vec::<String>::deserialize(reader)?;
    let keys = texts.iter().map(|text| text.parse());
    keys.collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
}
