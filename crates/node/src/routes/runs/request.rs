//! A request for a run, as it is written.
//!
//! Enters: JSON. Leaves: [`RunRequest`], in which texts were not looked at yet. Refuses: members that are not known, or come twice.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::routes::wanted::{AudienceWanted, Kind, Secret};

/// What a caller wants run. Exactly one of `capsule` and `capsule_base64`, and of `input` and `input_base64`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunRequest {
    /// The digest of a capsule that the node holds: `blake3:` and 64 hex digits.
    #[serde(default)]
    pub(super) capsule: Option<String>,
    /// The capsule's bytes.
    #[serde(default)]
    pub(super) capsule_base64: Option<String>,
    /// The input as a JSON value. Its bytes are taken as they stand here, white space inside included.
    #[serde(default, deserialize_with = "raw")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub(super) input: Option<Box<RawValue>>,
    /// The input's bytes.
    #[serde(default)]
    pub(super) input_base64: Option<String>,
    /// What input and output are. Default `json`.
    #[serde(default)]
    pub(super) input_type: Kind,
    /// Capabilities: `base64`, `hash`, `json`, `random`, `time`. Default none.
    #[serde(default)]
    pub(super) grants: Vec<String>,
    /// Limits. What is absent is the node's default.
    #[serde(default)]
    pub(super) limits: LimitsWanted,
    /// The digest of the policy that the request was checked against: `blake3:` and 64 hex digits.
    #[serde(default)]
    pub(super) policy: Option<String>,
    /// The key of the run's random bytes: 64 hex digits. Default: random.
    #[serde(default)]
    pub(super) seed: Option<String>,
    /// The run's clock in milliseconds since 1970. Default: the node's.
    #[serde(default)]
    pub(super) clock_ms: Option<u64>,
    /// Whom the receipt is for.
    #[serde(default)]
    pub(super) audience: Option<AudienceWanted>,
    /// The requester's own signature over this request. Give `seed` and `clock_ms` with it.
    #[serde(default)]
    pub(super) request: Option<RequesterWanted>,
    /// 64 hex digits. Given, the run is private: the receipt commits to input, output and figures by this secret.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(super) secret: Option<Secret>,
    /// Whether the receipt may stand in the node's public log although it is not private. Default no.
    #[serde(default)]
    pub(super) public: bool,
    /// What the node shall keep as blobs of the caller's. Default nothing. Needs the role `blobs`.
    #[serde(default)]
    pub(super) keep: Option<KeepWanted>,
}

/// What is kept of a run.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeepWanted {
    /// Whether the capsule is. Default no.
    #[serde(default)]
    pub(super) capsule: bool,
    /// Whether the input is. Default no.
    #[serde(default)]
    pub(super) input: bool,
    /// For how many seconds.
    pub(super) keep_s: u64,
    /// Whether callers with the role `peer` may read it, for audits. Default no. Not with `secret`.
    #[serde(default)]
    pub(super) peers: bool,
}

/// Limits of a run.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsWanted {
    /// Fuel.
    pub(super) fuel: Option<u64>,
    /// Host calls.
    pub(super) host_calls: Option<u32>,
    /// Memory in pages of 64 KiB.
    pub(super) memory_pages: Option<u32>,
    /// Output in bytes.
    pub(super) output_bytes: Option<u32>,
    /// Wall-clock time in milliseconds.
    pub(super) time_ms: Option<u32>,
}

/// A requester's signature.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequesterWanted {
    /// `ed25519:` and 64 hex digits.
    pub(super) requester: String,
    /// `ed25519:` and 128 hex digits.
    pub(super) signature: String,
}

/// `null` is an input too.
fn raw<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(reader).map(Some)
}
