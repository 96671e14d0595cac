//! `/v1/executions`: programs run, and what comes of them is told line by line.
//!
//! Enters: [`ExecutionRequest`]; ids of executions. Leaves: lines of JSON (`application/x-ndjson`): `queued`, `running`, `logging`,
//! one at least every `progress_ms`, and `end`, with the receipt. Refuses: what the profile list, the limits and the quotas do not allow; a second
//! request under one id; a node's former life.
//!
//! Who loses the connection asks again, with the same request or by the id: it runs once. Who leaves cancels nothing at once: an
//! execution that nobody waits for is cancelled after `abandoned_ms`, and at once by `DELETE`, also where its request comes later.

mod events;
mod request;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use tenzik_receipt::{Blake3, from_hex};
use utoipa::{IntoParams, ToSchema};

use super::Segment;
use super::blobs::bad_query;
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::executions::{Attached, Executions, Key, LimitsHeld, State as Progress};
use crate::node::Node;
use crate::server::{Intake, from_json};
use crate::system;

use request::ExecutionRequest;

/// How long `DELETE` waits for the end.
const END: Duration = Duration::from_secs(5);

/// What a node runs beside capsules.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExecutionsAnswer {
    /// 1.
    version: u8,
    /// Which life of the node this is: another one knows nothing of the executions of this one.
    boot: String,
    /// The profiles that may be asked for.
    profiles: Vec<&'static str>,
    /// The limits that programs can be held to, by profile and language. A language that nothing is ready to run at a profile is
    /// not there.
    #[schema(value_type = BTreeMap<String, BTreeMap<String, Vec<String>>>)]
    limits: LimitsHeld,
}

/// Whether an execution is over.
#[derive(Serialize, ToSchema)]
pub(crate) struct CancelAnswer {
    /// 1.
    version: u8,
    /// Whether nothing of it runs any more.
    ended: bool,
}

/// What is cancelled, beside its id.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CancelQuery {
    /// The life of the node that is meant. Default: whichever it is; then what a former life ran is told as cancelled before it began.
    boot: Option<String>,
}

/// Says which life of the node this is, at which profiles it runs programs, and what it can hold them to. Needs the role `execute`.
#[utoipa::path(get, path = "/v1/executions", security(("bearer" = [])), responses(
    (status = 200, body = ExecutionsAnswer),
    (status = "default", description = "It runs no programs, or not for this caller.", body = ErrorBody),
))]
pub(super) async fn describe(
    State(node): State<Node>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let executions = open(&node, &caller)?;
    let profiles = executions.config().profiles.iter();
    let answer = ExecutionsAnswer {
        version: 1,
        boot: executions.boot().to_owned(),
        profiles: profiles.map(|profile| profile.name()).collect(),
        limits: executions.limits_held().await,
    };
    Ok(Json(answer).into_response())
}

/// Runs a program. Needs the role `execute`.
#[utoipa::path(post, path = "/v1/executions", security(("bearer" = [])), request_body = ExecutionRequest, responses(
    (status = 200, description = "Lines of JSON; the last one is `end`.", content_type = "application/x-ndjson", body = crate::executions::End),
    (status = 409, description = "Another request has the id, or the node was started anew.", body = ErrorBody),
    (status = "default", description = "Nothing was run.", body = ErrorBody),
))]
pub(super) async fn begin(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    let executions = open(&node, &caller)?;
    node.quotas.run(&caller.who())?;
    let config = executions.config();
    let share = executions.share(&name(&caller));
    let received = intake
        .within(executions.room(&share))
        .bytes("application/json", config.body_bytes_max)
        .await?;
    let body = Blake3::of(&received.value);
    let asked: ExecutionRequest = from_json(&received.value)?;
    check_boot(asked.boot(), executions)?;
    let now = system::now().map_err(ApiError::internal)?;
    let sink = asked.sink(&node);
    let (id, order) = asked.resolve(&caller, config, now, sink, received.room)?;
    let attached = executions.begin(key(&caller, id), body, now, order)?;
    Ok(told(attached, executions))
}

/// Tells how far an execution is, to its end. Needs the role `execute`; each caller knows its own ones alone.
#[utoipa::path(get, path = "/v1/executions/{id}", security(("bearer" = [])), params(("id" = String, Path)), responses(
    (status = 200, description = "Lines of JSON; the last one is `end`.", content_type = "application/x-ndjson", body = crate::executions::End),
    (status = 410, description = "It is over, and its answer is no longer kept.", body = ErrorBody),
    (status = "default", description = "There is none.", body = ErrorBody),
))]
pub(super) async fn follow(
    State(node): State<Node>,
    caller: Caller,
    id: Segment,
) -> Result<Response, ApiError> {
    let executions = open(&node, &caller)?;
    let live = executions.find(&read(&caller, &id)?);
    let live = live.ok_or_else(ApiError::not_found)?;
    Ok(told(live.attach()?, executions))
}

/// Cancels an execution, and waits for its end for a while. A request that comes after that under an id that was not known is over,
/// and never runs. Needs the role `execute`.
#[utoipa::path(delete, path = "/v1/executions/{id}", security(("bearer" = [])), params(("id" = String, Path), CancelQuery), responses(
    (status = 200, body = CancelAnswer),
    (status = 409, description = "The node was started anew.", body = ErrorBody),
    (status = 429, description = "The caller has cancelled too many that never came.", body = ErrorBody),
    (status = "default", description = "Nothing was cancelled.", body = ErrorBody),
))]
pub(super) async fn cancel(
    State(node): State<Node>,
    caller: Caller,
    id: Segment,
    query: Result<Query<CancelQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let executions = open(&node, &caller)?;
    let Query(query) = query.map_err(|_| bad_query())?;
    check_boot(query.boot.as_deref(), executions)?;
    let now = system::now().map_err(ApiError::internal)?;
    let live = executions.cancel(&read(&caller, &id)?, now)?;
    let ended = match live.attach() {
        Ok(attached) => tokio::time::timeout(END, over(attached)).await.is_ok(),
        Err(_) => true,
    };
    Ok(Json(CancelAnswer { version: 1, ended }).into_response())
}

fn open<'a>(node: &'a Node, caller: &Caller) -> Result<&'a Arc<Executions>, ApiError> {
    caller.require(Role::Execute)?;
    node.executions.as_ref().ok_or_else(ApiError::not_found)
}

/// Whether this life of the node is meant.
fn check_boot(meant: Option<&str>, executions: &Executions) -> Result<(), ApiError> {
    match meant {
        Some(meant) if meant != executions.boot() => Err(ApiError::conflict(
            "other_boot",
            "the node was started anew, and does not know whether this ran",
            "ask /v1/executions which life of the node this is; what was sent to another may have run",
        )),
        _ => Ok(()),
    }
}

fn name(caller: &Caller) -> Arc<str> {
    caller.name().unwrap_or_default().into()
}

fn key(caller: &Caller, id: [u8; 32]) -> Key {
    let caller = name(caller);
    Key { caller, id }
}

/// The key in a path; what is no id is the id of nothing.
fn read(caller: &Caller, id: &Segment) -> Result<Key, ApiError> {
    let id = from_hex(&id.0).and_then(|bytes| bytes.try_into().ok());
    let id = id.ok_or_else(ApiError::not_found)?;
    Ok(key(caller, id))
}

/// Until nothing of it runs.
async fn over(mut attached: Attached) {
    while matches!(attached.state(), Progress::Queued | Progress::Running) {
        attached.changed().await;
    }
}

fn told(attached: Attached, executions: &Executions) -> Response {
    let progress = Duration::from_millis(executions.config().progress_ms.into());
    let lines = events::lines(attached, progress);
    (
        [(CONTENT_TYPE, "application/x-ndjson")],
        Body::from_stream(lines),
    )
        .into_response()
}
