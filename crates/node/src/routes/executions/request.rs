//! A request to run a program, as it is written and as it is meant.
//!
//! Enters: JSON. Leaves: an [`Order`] under an id. Refuses: members that are not known, paths that leave the tree, profiles and limits
//! beyond the node's, a request that has expired or would be known for too long.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use tenzik::router::{
    Code, CodeTree, ExecuteRequest, File, InvalidLimits, Limit, LimitsAsked, Program, WASM,
};
use tenzik_receipt::{Audience, Blake3, Label, Profile, Sha256, Timestamp};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::config::ExecutionsConfig;
use crate::error::ApiError;
use crate::executions::Order;
use crate::node::Node;
use crate::routes::wanted::{
    AudienceWanted, Kind, Secret, digits, field, from_base64, label, parsed,
};
use crate::server::Room;
use crate::sink::ReceiptSink;

/// What a caller wants run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExecutionRequest {
    /// 64 hex digits that the caller has used for nothing else. What comes again under them is not run again.
    id: String,
    /// The life of the node that is meant, as `GET /v1/executions` tells it. Default: whichever it is; then a request that comes
    /// again after a restart runs again.
    #[serde(default)]
    boot: Option<String>,
    /// What it is written in, such as `javascript` or `shell`.
    language: String,
    /// Its files by path.
    files: BTreeMap<String, FileWanted>,
    /// The path of the file that is run.
    entrypoint: String,
    /// Arguments, behind the entrypoint.
    #[serde(default)]
    arguments: Vec<String>,
    /// Environment variables.
    #[serde(default)]
    environment: BTreeMap<String, String>,
    /// The image that it runs in: `sha256:` and 64 hex digits.
    #[serde(default)]
    image: Option<String>,
    /// The input's bytes.
    input_base64: String,
    /// What input and output are: `json` or `bytes`. Default `json`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    input_type: Kind,
    /// Limits by name. What is absent is the profile's default; 0 is none, at `dev` alone.
    #[serde(default)]
    limits: BTreeMap<String, i64>,
    /// What it must at least be isolated like: `dev`, `standard` or `hardened`.
    profile: String,
    /// The backend. Default: the first that can.
    #[serde(default)]
    backend: Option<String>,
    /// For whom of the caller's own tenants it runs. What is kept warm for one serves no other.
    #[serde(default)]
    tenant: Option<String>,
    /// Whom the receipt is for, and until when the request is meant.
    audience: AudienceWanted,
    /// 64 hex digits. Given, the run is private: the receipt commits to input, output and figures by this secret.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
    /// Whether the receipt may stand in the node's public log although it is not private. Default no.
    #[serde(default)]
    public: bool,
}

/// One file of a program.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FileWanted {
    /// What is in it.
    base64: String,
    /// Whether it may be executed. Default no.
    #[serde(default)]
    executable: bool,
}

impl ExecutionRequest {
    /// Where its receipt goes before its caller gets it.
    pub(super) fn sink(&self, node: &Node) -> Option<Arc<dyn ReceiptSink>> {
        node.sink_for(self.secret.is_some(), self.public)
    }

    /// Which life of the node it is for.
    pub(super) fn boot(&self) -> Option<&str> {
        self.boot.as_deref()
    }

    /// Reads every text, and holds what is asked against what the node allows.
    pub(super) fn resolve(
        self,
        caller: &Caller,
        config: &ExecutionsConfig,
        now: Timestamp,
        sink: Option<Arc<dyn ReceiptSink>>,
        room: Room,
    ) -> Result<([u8; 32], Order), ApiError> {
        let id = digits("id", &self.id)?;
        let profile = allowed_profile(&self.profile, config)?;
        let limits = limits(&self.limits, profile, config)?;
        let audience = audience(self.audience, config, now)?;
        let mut program =
            Program::new(language(self.language)?, tree(self.files, self.entrypoint)?);
        program.image = self
            .image
            .map(|text| parsed::<Sha256>("image", &text))
            .transpose()?;
        program.arguments = self.arguments;
        program.environment = self.environment;
        let input = from_base64("input_base64", &self.input_base64)?;
        let mut request = ExecuteRequest::new(Code::Program(program), input, profile);
        request.input_type = self.input_type.into();
        request.limits = limits;
        request.backend = self
            .backend
            .map(|name| label("backend", name))
            .transpose()?;
        request.tenant = Some(tenant(caller, self.tenant)?);
        let secret = self.secret.map(Secret::resolve);
        let order = Order {
            request,
            audience,
            secret: secret.transpose()?,
            sink,
            room,
        };
        Ok((id, order))
    }
}

/// What is kept warm for one caller serves no other, and none of a caller's tenants another.
fn tenant(caller: &Caller, named: Option<String>) -> Result<Label, ApiError> {
    let named = named.map(|name| label("tenant", name)).transpose()?;
    let own = caller.name().unwrap_or_default();
    // Names have no zero byte, so no two pairs are written alike.
    let both = format!("{own}\0{}", named.as_ref().map_or("", Label::as_str));
    Label::new(Blake3::of(both.as_bytes()).to_string()).map_err(ApiError::internal)
}

fn allowed_profile(name: &str, config: &ExecutionsConfig) -> Result<Profile, ApiError> {
    let profile = Profile::from_name(name)
        .ok_or_else(|| field("profile", "dev, standard and hardened are"))?;
    match config.profiles.contains(&profile) {
        true => Ok(profile),
        false => Err(ApiError::unprocessable(
            "profile",
            "this node runs nothing at this profile",
            "ask for one that /v1/executions names",
        )),
    }
}

/// The limits, none of them beyond the node's.
fn limits(
    wanted: &BTreeMap<String, i64>,
    profile: Profile,
    config: &ExecutionsConfig,
) -> Result<LimitsAsked, ApiError> {
    let mut asked = LimitsAsked::default();
    for (name, number) in wanted {
        let limit =
            Limit::from_name(name).ok_or_else(|| field("limits", "there is no such limit"))?;
        asked = asked.with(limit, Some(*number));
    }
    let invalid = |error: InvalidLimits| {
        ApiError::unprocessable("invalid_limits", error.to_string(), "see docs/backends.md")
    };
    let resolved = asked.resolve(profile).map_err(invalid)?;
    let beyond = |limit: &Limit| {
        let most = config.limits_max.get(*limit);
        match (asked.get(*limit), resolved.get(*limit)) {
            // What has no limit by default may say so.
            (Some(_), None) => limit.default_at(profile).is_some(),
            (Some(_), Some(number)) => number > most,
            // What the node's own defaults are is its own affair.
            (None, _) => false,
        }
    };
    match Limit::ALL.iter().find(|limit| beyond(limit)) {
        Some(limit) => {
            let (name, most) = (limit.name(), config.limits_max.get(*limit));
            let message = format!("the limit {name} is more than this node gives: {most}");
            Err(ApiError::unprocessable("limit", message, "ask for less"))
        }
        None => Ok(asked),
    }
}

fn audience(
    wanted: AudienceWanted,
    config: &ExecutionsConfig,
    now: Timestamp,
) -> Result<Audience, ApiError> {
    let audience = wanted.resolve()?;
    let expires_at = audience.expires_at;
    if expires_at <= now || expires_at > config.expires_max(now) {
        return Err(ApiError::expired());
    }
    Ok(audience)
}

fn language(name: String) -> Result<Label, ApiError> {
    let language = label("language", name)?;
    match language == WASM {
        true => Err(field("language", "capsules are run by /v1/runs")),
        false => Ok(language),
    }
}

fn tree(wanted: BTreeMap<String, FileWanted>, entrypoint: String) -> Result<CodeTree, ApiError> {
    let mut files = BTreeMap::new();
    for (path, file) in wanted {
        let content = from_base64("files", &file.base64)?.into();
        let executable = file.executable;
        files.insert(
            path,
            File {
                content,
                executable,
            },
        );
    }
    CodeTree::new(files, entrypoint).map_err(|error| field("files", error))
}
