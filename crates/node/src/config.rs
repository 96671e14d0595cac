//! How a node is set up: one TOML file.
//!
//! Enters: `node.toml`. Leaves: [`NodeConfig`], every value set, paths relative to the file made absolute to it.
//! Refuses: keys that are not known, values out of range, and bearer tokens over plain HTTP beyond this machine.
//!
//! Times are in milliseconds, sizes in bytes; the unit stands last in the name.
//!
//! ```toml
//! listen = "127.0.0.1:8440"
//! data_dir = "/var/lib/tenzik"
//! callers = "callers.toml"
//!
//! [keys]
//! receipt = "receipt.key"
//!
//! [runs]
//! at_once = 4
//! ```

mod check;
mod executions;
mod limits;
mod log;
mod runs;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tenzik_receipt::Label;

use crate::audit::AuditConfig;
use crate::blobs::BlobsConfig;
use crate::files::{self, FileError};
use crate::text;

pub use executions::ExecutionsConfig;
pub use limits::{LimitsConfig, QuotasConfig, Rate};
pub use log::{FederationConfig, LogConfig, LogVisibility};
pub use runs::RunsConfig;

/// The most bytes of a configuration.
const BYTES_MAX: u64 = 256 * 1024;

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not TOML of the known keys.
    #[error("{} is no configuration: {message}", text::path(path))]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// It would do nothing as things are, which is not what whoever wrote it expects.
    #[error("{what} does nothing without {needs}")]
    Idle {
        /// What.
        what: &'static str,
        /// What it needs.
        needs: &'static str,
    },
    /// A value is out of range.
    #[error("{key} is {got}; it is {wanted}")]
    Range {
        /// The key.
        key: &'static str,
        /// What was got.
        got: String,
        /// What is allowed.
        wanted: &'static str,
    },
    /// Tokens would go over the network in clear.
    #[error(
        "{listen} can be reached from other machines without TLS; give [tls], or set plain_http where a proxy ends TLS"
    )]
    Plain {
        /// The address.
        listen: SocketAddr,
    },
}

/// How a node is set up. See the module for its written form.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// Where to listen. Default `127.0.0.1:8440`; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// What the node keeps. It is made, with mode 0700, if it is not there, and refused if others may enter it; one process at
    /// a time has it.
    pub data_dir: PathBuf,
    /// The log's name, such as `node.example/log`: what stands first in its checkpoints. Absent: the node keeps no log.
    #[serde(default, deserialize_with = "label")]
    pub origin: Option<Label>,
    /// Who may do what; see [`Callers`](crate::Callers). Absent: nobody has a role.
    #[serde(default)]
    pub callers: Option<PathBuf>,
    /// Whether an address other machines can reach may be served without TLS, as behind a proxy. Default no.
    #[serde(default)]
    pub plain_http: bool,
    /// Key files.
    pub keys: KeysConfig,
    /// TLS. Absent: plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// What is spent on connections and requests.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// What is spent on runs, and permitted to them.
    #[serde(default)]
    pub runs: RunsConfig,
    /// What programs may be run. Absent: none.
    #[serde(default)]
    pub executions: Option<ExecutionsConfig>,
    /// How the log is kept, if there is an origin.
    #[serde(default)]
    pub log: LogConfig,
    /// What is kept of capsules and inputs.
    #[serde(default)]
    pub blobs: BlobsConfig,
    /// How others' receipts are run again.
    #[serde(default)]
    pub audit: AuditConfig,
    /// How other nodes are followed and witnessed.
    #[serde(default)]
    pub federation: FederationConfig,
    /// How often a caller may ask.
    #[serde(default)]
    pub quotas: QuotasConfig,
    /// What the operator is told.
    #[serde(default)]
    pub telemetry: TelemetryConfig,
}

/// Key files as `tenzik key gen` writes them, of mode 0600.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysConfig {
    /// Signs receipts.
    pub receipt: PathBuf,
    /// Signs the log's checkpoints. Absent: the node keeps no log.
    #[serde(default)]
    pub checkpoint: Option<PathBuf>,
    /// Cosigns other logs' checkpoints. Absent: the node is no witness.
    #[serde(default)]
    pub witness: Option<PathBuf>,
}

/// TLS 1.2 and 1.3. Files are PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The node's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    /// Its secret key, of mode 0600.
    pub key: PathBuf,
    /// Authorities that may issue client certificates. Absent: none are asked for. Given, a client may show one; one that does
    /// not hold ends the handshake.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

/// What the operator is told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TelemetryConfig {
    /// Where traces go: the collector's URL for OTLP over HTTP with protobuf, path included, such as
    /// `http://127.0.0.1:4318/v1/traces`. Absent: no traces.
    pub otlp_endpoint: Option<String>,
    /// How log lines are written to stderr. Default `text`.
    pub log_format: LogFormat,
    /// The least weight of a line that is written. Default `info`.
    pub log_level: LogLevel,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    #[default]
    Text,
}

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// Failures alone.
    Error,
    /// What an operator wants to know, each request too.
    #[default]
    Info,
    /// Failures, and what may become one.
    Warn,
}

impl NodeConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let bytes = files::read(path, BYTES_MAX)?;
        let form = |message: String| ConfigError::Form {
            path: path.to_owned(),
            message,
        };
        let text = std::str::from_utf8(&bytes).map_err(|error| form(error.to_string()))?;
        let config: Self = toml::from_str(text).map_err(|error| form(error.to_string()))?;
        let file: toml::Table = toml::from_str(text).map_err(|error| form(error.to_string()))?;
        config.check_used(&file)?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        config.below(directory).checked()
    }

    /// Paths are meant from where the file is.
    fn below(mut self, directory: &Path) -> Self {
        let rebase = |path: &mut PathBuf| *path = directory.join(&*path);
        rebase(&mut self.data_dir);
        rebase(&mut self.keys.receipt);
        [
            &mut self.callers,
            &mut self.keys.checkpoint,
            &mut self.keys.witness,
            &mut self.log.witness_policy,
            &mut self.federation.ca,
            &mut self.federation.peers,
        ]
        .into_iter()
        .flatten()
        .for_each(rebase);
        if let Some(executions) = &mut self.executions {
            executions.root.iter_mut().for_each(rebase);
        }
        if let Some(tls) = &mut self.tls {
            rebase(&mut tls.certificate);
            rebase(&mut tls.key);
            tls.client_ca.iter_mut().for_each(rebase);
        }
        self
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8440))
}

fn label<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Label>, D::Error> {
    let text = String::deserialize(reader)?;
    Label::new(text).map(Some).map_err(serde::de::Error::custom)
}
