//! A request for a run, as it is meant.
//!
//! Enters: [`RunRequest`]. Leaves: [`Asked`]: a seed and a clock of the system's where none was given. Refuses: two capsules or
//! inputs, or none; texts that are no digest, time or number of digits; capabilities that do not exist.

use std::fmt::Display;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use tenzik::capability::{Capability, Grants};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::sandbox::Terms;
use tenzik_log::Visibility;
use tenzik_receipt::{
    Audience, Blake3, Challenge, InputType, Int, Label, RequestSignature, RunSecret, Seed, from_hex,
};
use zeroize::Zeroizing;

use super::request::{
    AudienceWanted, KeepWanted, Kind, LimitsWanted, RequesterWanted, RunRequest, Secret,
};
use crate::error::ApiError;
use crate::system;

/// The capsule that is meant.
pub(super) enum CapsuleAsked {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// One that the node holds.
    Held(Blake3),
}

/// A request as it is meant.
pub(super) struct Asked {
    pub(super) capsule: CapsuleAsked,
    pub(super) terms: Terms,
    pub(super) request: Request,
    pub(super) audience: Option<Audience>,
    pub(super) requester: Option<RequestSignature>,
    pub(super) secret: Option<RunSecret>,
    pub(super) keep: Option<KeepWanted>,
    public: bool,
}

impl Asked {
    /// Whether the receipt may stand in a log that is read by these. In a public one an open receipt needs the requester's leave;
    /// in a private one every run is found, also one that somebody would rather not have there.
    pub(super) const fn may_be_logged(&self, visibility: Visibility) -> bool {
        match visibility {
            Visibility::Private => true,
            Visibility::Public => self.public || self.secret.is_some(),
        }
    }
}

impl RunRequest {
    /// Reads every text.
    pub(super) fn resolve(self) -> Result<Asked, ApiError> {
        let input = input(self.input, self.input_base64, self.input_type)?;
        let request = Request {
            input,
            input_type: match self.input_type {
                Kind::Bytes => InputType::Bytes,
                Kind::Json => InputType::Json,
            },
            clock_ms: match self.clock_ms {
                Some(ms) => Int::new(ms).map_err(|error| field("clock_ms", error))?,
                None => system::now_ms().map_err(ApiError::internal)?,
            },
            seed: match self.seed {
                Some(digits) => parsed("seed", &digits)?,
                None => Seed::from_bytes(*system::random().map_err(ApiError::internal)?),
            },
        };
        let policy = self.policy.map(|text| parsed("policy", &text));
        Ok(Asked {
            capsule: capsule(self.capsule, self.capsule_base64)?,
            terms: Terms {
                grants: grants(&self.grants)?,
                limits: self.limits.resolve(),
                policy: policy.transpose()?,
                tools: None,
            },
            request,
            audience: self.audience.map(AudienceWanted::resolve).transpose()?,
            requester: self.request.map(RequesterWanted::resolve).transpose()?,
            secret: self.secret.map(Secret::resolve).transpose()?,
            keep: self.keep,
            public: self.public,
        })
    }
}

impl LimitsWanted {
    const fn resolve(self) -> LimitsAsked {
        LimitsAsked {
            fuel: self.fuel,
            host_calls: self.host_calls,
            memory_pages: self.memory_pages,
            output_bytes: self.output_bytes,
            time_ms: self.time_ms,
        }
    }
}

impl AudienceWanted {
    fn resolve(self) -> Result<Audience, ApiError> {
        let name = Label::new(self.name).map_err(|error| field("audience.name", error))?;
        let challenge = Challenge::from_hex(&self.challenge)
            .map_err(|error| field("audience.challenge", error))?;
        Ok(Audience {
            challenge,
            expires_at: parsed("audience.expires_at", &self.expires_at)?,
            name,
        })
    }
}

impl RequesterWanted {
    fn resolve(self) -> Result<RequestSignature, ApiError> {
        Ok(RequestSignature {
            requester: parsed("request.requester", &self.requester)?,
            signature: parsed("request.signature", &self.signature)?,
        })
    }
}

impl Secret {
    fn resolve(self) -> Result<RunSecret, ApiError> {
        from_hex(&self.0)
            .map(Zeroizing::new)
            .and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok())
            .map(RunSecret::from_bytes)
            .ok_or_else(|| field("secret", "64 lower-case hex digits are one"))
    }
}

fn capsule(digest: Option<String>, bytes: Option<String>) -> Result<CapsuleAsked, ApiError> {
    match (digest, bytes) {
        (Some(digest), None) => parsed("capsule", &digest).map(CapsuleAsked::Held),
        (None, Some(text)) => {
            let bytes = from_base64("capsule_base64", &text)?;
            Ok(CapsuleAsked::Bytes(bytes.into()))
        }
        _ => Err(field(
            "capsule",
            "exactly one of capsule and capsule_base64 is given",
        )),
    }
}

fn input(
    value: Option<Box<RawValue>>,
    bytes: Option<String>,
    kind: Kind,
) -> Result<Arc<[u8]>, ApiError> {
    match (value, bytes) {
        (Some(_), None) if kind == Kind::Bytes => {
            Err(field("input", "bytes are given as input_base64"))
        }
        (Some(value), None) => Ok(value.get().as_bytes().into()),
        (None, Some(text)) => from_base64("input_base64", &text).map(Into::into),
        _ => Err(field(
            "input",
            "exactly one of input and input_base64 is given",
        )),
    }
}

fn grants(names: &[String]) -> Result<Grants, ApiError> {
    names
        .iter()
        .map(|name| name.parse::<Capability>())
        .collect::<Result<_, _>>()
        // The name in the error is cut, and JSON escapes it.
        .map_err(|error| field("grants", error))
}

fn from_base64(name: &'static str, text: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD.decode(text).map_err(|error| field(name, error))
}

fn parsed<T: std::str::FromStr<Err: Display>>(
    name: &'static str,
    text: &str,
) -> Result<T, ApiError> {
    text.parse().map_err(|error| field(name, error))
}

/// A member that cannot be taken. The error says what is wanted, and never what was got if it may be secret.
fn field(name: &'static str, error: impl Display) -> ApiError {
    ApiError::bad_request("field", format!("{name}: {error}"), "see /openapi.json")
}
