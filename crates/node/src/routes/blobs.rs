//! `/v1/blobs/{digest}`: capsules, inputs and transcripts.
//!
//! Enters: bytes, and who may read them. Leaves: the bytes. Refuses: with one 404 what is not here and what is not for this caller.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use serde::{Deserialize, Serialize};
use tenzik_receipt::Blake3;
use utoipa::{IntoParams, ToSchema};

use super::{Segment, blocking, held};
use crate::auth::Caller;
use crate::blobs::{BlobError, Blobs, Class, Reader, Wanted};
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::node::Node;
use crate::server::Intake;
use crate::system;

const BYTES: &str = "application/octet-stream";
/// The most bytes of a list of readers.
const READERS_BYTES_MAX: u32 = 64 * 1024;

/// What is done with a blob.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PutQuery {
    /// What it is.
    #[param(inline)]
    class: Class,
    /// For how many seconds it is kept.
    keep_s: u64,
    /// Whether callers with the role `peer` may read it, for audits. Default no.
    #[serde(default)]
    peers: bool,
}

/// A blob that is kept.
#[derive(Serialize, ToSchema)]
pub(super) struct PutAnswer {
    /// 1.
    version: u8,
    /// Its digest.
    digest: String,
    /// Its bytes.
    bytes: u64,
}

/// Who may read a blob, beside its owner.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadersWanted {
    /// Callers' names, at most 64.
    #[serde(default)]
    readers: BTreeSet<String>,
    /// Whether callers with the role `peer` may read it, for audits. Default no.
    #[serde(default)]
    peers: bool,
}

/// Keeps a blob. Needs the role `blobs`; the caller is its owner.
#[utoipa::path(put, path = "/v1/blobs/{digest}", security(("bearer" = [])), params(("digest" = String, Path), PutQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, description = "The caller had left it before.", body = PutAnswer),
    (status = 201, description = "It is kept.", body = PutAnswer),
    (status = "default", description = "It is not kept.", body = ErrorBody),
))]
pub(super) async fn put(
    State(node): State<Node>,
    caller: Caller,
    Segment(digest): Segment,
    query: Result<Query<PutQuery>, QueryRejection>,
    intake: Intake,
) -> Result<Response, ApiError> {
    caller.require(Role::Blobs)?;
    let blobs = blobs(&node)?;
    let digest = digest.parse::<Blake3>().map_err(|_| {
        let message = "blake3: and 64 lower-case hex digits are a digest";
        ApiError::bad_request("digest", message, "see /openapi.json")
    })?;
    let Query(query) = query.map_err(|_| bad_query())?;
    let received = intake.bytes(BYTES, blobs.config().blob_bytes_max).await?;
    let now = system::now().map_err(ApiError::internal)?;
    let work = move || {
        let wanted = Wanted {
            digest,
            owner: caller.name().unwrap_or_default(),
            class: query.class,
            peers: query.peers,
            keep_s: query.keep_s,
        };
        let kept = blobs.put(&wanted, &received.value, now);
        kept.map(|is_new| (is_new, received.value.len() as u64))
    };
    let (is_new, bytes) = blocking(work).await?.map_err(refused)?;
    let answer = PutAnswer {
        version: 1,
        digest: digest.to_string(),
        bytes,
    };
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    Ok((status, Json(answer)).into_response())
}

/// Gives a blob to those who may read it.
#[utoipa::path(get, path = "/v1/blobs/{digest}", security(("bearer" = [])), params(("digest" = String, Path)), responses(
    (status = 200, description = "The bytes.", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 404, description = "It is not here, or not for this caller.", body = ErrorBody),
    (status = "default", description = "It is not given.", body = ErrorBody),
))]
pub(super) async fn get(
    State(node): State<Node>,
    caller: Caller,
    Segment(digest): Segment,
) -> Result<Response, ApiError> {
    require_name(&caller)?;
    let blobs = blobs(&node)?;
    let digest: Blake3 = digest.parse().map_err(|_| ApiError::not_found())?;
    let now = system::now().map_err(ApiError::internal)?;
    // Room for the largest one is taken before it is known whether there is any: who may not read it learns nothing by this either.
    let kib = blobs.config().blob_bytes_max.div_ceil(1_024);
    let room = Arc::clone(&node.bodies)
        .try_acquire_many_owned(kib)
        .map_err(|_| ApiError::busy())?;
    let read = move || blobs.read(&digest, &Reader::of(&caller), None, now);
    let bytes = blocking(read)
        .await?
        .map_err(ApiError::unavailable)?
        .ok_or_else(ApiError::not_found)?;
    let headers = [
        (CONTENT_TYPE, BYTES),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, held::body(bytes.into(), room)).into_response())
}

/// Erases the caller's grant; with the role `admin`, everybody's. With the last grant the bytes are gone for good.
#[utoipa::path(delete, path = "/v1/blobs/{digest}", security(("bearer" = [])), params(("digest" = String, Path)), responses(
    (status = 204, description = "It is erased."),
    (status = 404, description = "It is not here, or not this caller's.", body = ErrorBody),
    (status = "default", description = "It is not erased.", body = ErrorBody),
))]
pub(super) async fn delete(
    State(node): State<Node>,
    caller: Caller,
    Segment(digest): Segment,
) -> Result<StatusCode, ApiError> {
    require_name(&caller)?;
    let blobs = blobs(&node)?;
    let digest: Blake3 = digest.parse().map_err(|_| ApiError::not_found())?;
    let now = system::now().map_err(ApiError::internal)?;
    let erase = move || blobs.erase(&digest, &Reader::of(&caller), now);
    match blocking(erase).await?.map_err(ApiError::unavailable)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found()),
    }
}

/// Says who may read a blob. For its owner.
#[utoipa::path(put, path = "/v1/blobs/{digest}/readers", security(("bearer" = [])), params(("digest" = String, Path)),
    request_body = ReadersWanted, responses(
    (status = 204, description = "From now on these may read it."),
    (status = 404, description = "It is not here, or not this caller's.", body = ErrorBody),
    (status = "default", description = "Nothing is changed.", body = ErrorBody),
))]
pub(super) async fn put_readers(
    State(node): State<Node>,
    caller: Caller,
    Segment(digest): Segment,
    intake: Intake,
) -> Result<StatusCode, ApiError> {
    require_name(&caller)?;
    let blobs = blobs(&node)?;
    let digest: Blake3 = digest.parse().map_err(|_| ApiError::not_found())?;
    let ReadersWanted { readers, peers } = intake.json(READERS_BYTES_MAX).await?.value;
    let now = system::now().map_err(ApiError::internal)?;
    let set = move || {
        let owner = caller.name().unwrap_or_default();
        blobs.set_readers(&digest, owner, readers, peers, now)
    };
    match blocking(set).await?.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found()),
    }
}

fn blobs(node: &Node) -> Result<Arc<Blobs>, ApiError> {
    node.blobs.clone().ok_or_else(ApiError::not_found)
}

fn require_name(caller: &Caller) -> Result<(), ApiError> {
    caller.name().map(drop).ok_or_else(ApiError::unauthorized)
}

/// What the caller is told of a blob that is not kept.
pub(super) fn refused(error: BlobError) -> ApiError {
    let message = error.to_string();
    match error {
        BlobError::Content { .. } => {
            let hint = "send the bytes that have the digest";
            ApiError::unprocessable("digest", message, hint)
        }
        BlobError::Full { .. } => {
            let hint = "erase what is not needed, or ask the node's operator for more";
            ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "full", message, hint)
        }
        BlobError::Keep { .. } => ApiError::unprocessable("keep_s", message, "keep it for less"),
        BlobError::Readers => ApiError::unprocessable("readers", message, "name fewer"),
        BlobError::Size { allowed, .. } => ApiError::too_large(allowed),
        error => ApiError::unavailable(error),
    }
}

/// The query as it should be, without what was sent.
pub(super) fn bad_query() -> ApiError {
    let message = "the query is not what is taken here";
    ApiError::bad_request("query", message, "see /openapi.json")
}
