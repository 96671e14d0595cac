//! A request for a run, as it is meant.
//!
//! Enters: [`RunRequest`]. Leaves: [`Asked`]: a seed and a clock of the system's where none was given. Refuses: two capsules or
//! inputs, or none; texts that are no digest, time or number of digits; capabilities that do not exist.

use std::sync::Arc;

use serde_json::value::RawValue;
use tenzik::capability::{Capability, Grants};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::sandbox::Terms;
use tenzik_receipt::{Audience, Blake3, Int, RequestSignature, RunSecret, Seed};

use super::request::{KeepWanted, LimitsWanted, RequesterWanted, RunRequest};
use crate::error::ApiError;
use crate::routes::wanted::{AudienceWanted, Kind, Secret, field, from_base64, parsed};
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
    pub(super) public: bool,
}

impl RunRequest {
    /// Reads every text.
    pub(super) fn resolve(self) -> Result<Asked, ApiError> {
        let input = input(self.input, self.input_base64, self.input_type)?;
        let request = Request {
            input,
            input_type: self.input_type.into(),
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

impl RequesterWanted {
    fn resolve(self) -> Result<RequestSignature, ApiError> {
        Ok(RequestSignature {
            requester: parsed("request.requester", &self.requester)?,
            signature: parsed("request.signature", &self.signature)?,
        })
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
