//! What requests for runs and for programs have in common.
//!
//! Enters: members as they are written. Leaves: what they mean. Refuses: texts that are no digest, time, label or number of digits.

use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use tenzik_receipt::{Audience, Challenge, InputType, Label, RunSecret, from_hex};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::error::ApiError;

/// What input and output are.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Any bytes.
    Bytes,
    /// Strict JSON.
    #[default]
    Json,
}

impl From<Kind> for InputType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bytes => Self::Bytes,
            Kind::Json => Self::Json,
        }
    }
}

/// Whom a receipt is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AudienceWanted {
    /// The verifier's random bytes: 32 to 128 hex digits.
    pub(super) challenge: String,
    /// Such as `2026-11-20T08:00:00Z`.
    pub(super) expires_at: String,
    /// The verifier's name.
    pub(super) name: String,
}

impl AudienceWanted {
    pub(super) fn resolve(self) -> Result<Audience, ApiError> {
        let name = label("audience.name", self.name)?;
        let challenge = Challenge::from_hex(&self.challenge)
            .map_err(|error| field("audience.challenge", error))?;
        Ok(Audience {
            challenge,
            expires_at: parsed("audience.expires_at", &self.expires_at)?,
            name,
        })
    }
}

/// Hex digits of a secret, erased when dropped.
pub(super) struct Secret(Zeroizing<String>);

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader).map(|digits| Self(Zeroizing::new(digits)))
    }
}

impl Secret {
    pub(super) fn resolve(self) -> Result<RunSecret, ApiError> {
        digits("secret", &self.0).map(RunSecret::from_bytes)
    }
}

/// 32 bytes as hex digits, erased when they were read.
pub(super) fn digits(name: &'static str, text: &str) -> Result<[u8; 32], ApiError> {
    from_hex(text)
        .map(Zeroizing::new)
        .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
        .ok_or_else(|| field(name, "64 lower-case hex digits are one"))
}

pub(super) fn label(name: &'static str, text: String) -> Result<Label, ApiError> {
    Label::new(text).map_err(|error| field(name, error))
}

pub(super) fn from_base64(name: &'static str, text: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD.decode(text).map_err(|error| field(name, error))
}

pub(super) fn parsed<T: FromStr<Err: Display>>(
    name: &'static str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse().map_err(|error| field(name, error))
}

/// A member that cannot be taken. The error says what is wanted, and never what was got if it may be secret.
pub(super) fn field(name: &'static str, error: impl Display) -> ApiError {
    ApiError::bad_request("field", format!("{name}: {error}"), "see /openapi.json")
}
