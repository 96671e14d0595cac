//! Receipts of the node's log: hand one in, fetch one, its proof, a list.
//!
//! Enters: receipts, their ids, filters. Leaves: places, canonical receipts, `.tlog-proof` files, rows of the catalog.
//! Refuses: receipts that are no leaves of this log (422) or known under another signature (409), and proofs of what is not
//! published yet (409).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use tenzik_log::{LeafError, Place, Visibility};
use tenzik_receipt::{Blake3, PublicKey, RECEIPT_BYTES_MAX, ReceiptId, RequestId, Timestamp};
use tenzik_store::{CatalogRow, Filter};
use utoipa::{IntoParams, ToSchema};

use super::log::{readable, require_reader};
use super::{Segment, blocking};
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::log::{AddError, AppendError};
use crate::node::Node;
use crate::server::Intake;
use crate::system;

/// The rows of a list that does not say how many.
const LIMIT_DEFAULT: usize = 100;

/// Where a receipt is.
#[derive(Serialize, ToSchema)]
pub(super) struct AddedAnswer {
    /// 1.
    version: u8,
    /// The receipt.
    receipt: String,
    /// The log.
    origin: String,
    /// Its index there, counted from 0.
    index: u64,
    /// Whether it was there before.
    known: bool,
}

/// Takes a receipt of one of the log's nodes into the log. Needs the role `append`.
#[utoipa::path(post, path = "/v1/receipts", security(("bearer" = [])), request_body(content = String, content_type = "application/json"), responses(
    (status = 200, description = "It is durable, and will be in the tree.", body = AddedAnswer),
    (status = 409, description = "The log has it under another signature.", body = ErrorBody),
    (status = 422, description = "It is no leaf of this log.", body = ErrorBody),
    (status = "default", description = "It was not taken.", body = ErrorBody),
))]
pub(super) async fn add(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    caller.require(Role::Append)?;
    let log = node.log.as_ref().ok_or_else(ApiError::not_found)?;
    let received = intake
        .bytes("application/json", RECEIPT_BYTES_MAX as u32)
        .await?;
    let now = system::now().map_err(ApiError::internal)?;
    let (receipt, placed) = log.add(&received.value, now).await.map_err(refused)?;
    Ok(Json(AddedAnswer {
        version: 1,
        receipt: receipt.to_string(),
        origin: log.log().origin().to_string(),
        index: placed.index,
        known: placed.known,
    })
    .into_response())
}

fn refused(error: AddError) -> ApiError {
    match error {
        AddError::Append(AppendError::Busy) => ApiError::busy(),
        AddError::Append(error @ AppendError::OtherSignature) => ApiError::new(
            StatusCode::CONFLICT,
            "other_signature",
            error.to_string(),
            "GET /v1/receipts/{id} gives it as the log has it, and the proof is for that",
        ),
        AddError::Append(error) => ApiError::unavailable(error),
        AddError::Leaf(error) => {
            let code = match error {
                LeafError::Extension { .. } => "extension",
                LeafError::Form(_) => "form",
                LeafError::Future { .. } => "future",
                LeafError::Node { .. } => "foreign_node",
                LeafError::NotOptedIn => "not_opted_in",
                LeafError::OtherLog { .. } => "other_log",
                LeafError::Type { .. } => "type",
                _ => "signature",
            };
            let hint = "the log takes receipts of its own nodes, as they were signed";
            ApiError::unprocessable(code, crate::text::shown(&error.to_string()), hint)
        }
    }
}

/// Gives a receipt, byte for byte.
#[utoipa::path(get, path = "/v1/receipts/{id}", params(("id" = String, Path)), responses(
    (status = 200, description = "The canonical receipt.", body = String, content_type = "application/json"),
    (status = "default", description = "There is none.", body = ErrorBody),
))]
pub(super) async fn receipt(
    State(node): State<Node>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let log = readable(&node, &caller)?.clone();
    let id: ReceiptId = id.parse().map_err(|_| ApiError::not_found())?;
    let found = blocking(move || log.log().leaf(&id)).await?;
    let found = found.map_err(ApiError::unavailable)?;
    let (_, bytes) = found.ok_or_else(ApiError::not_found)?;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Gives the proof that a receipt is in the published log (c2sp.org/tlog-proof).
#[utoipa::path(get, path = "/v1/receipts/{id}/proof", params(("id" = String, Path)), responses(
    (status = 200, description = "A .tlog-proof file.", body = str, content_type = "text/plain; charset=utf-8"),
    (status = 409, description = "It is durable, and not in the published tree yet.", body = ErrorBody),
    (status = "default", description = "There is none.", body = ErrorBody),
))]
pub(super) async fn proof(
    State(node): State<Node>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Response, ApiError> {
    let log = readable(&node, &caller)?.clone();
    let id: ReceiptId = id.parse().map_err(|_| ApiError::not_found())?;
    let proof = blocking(move || match log.find(&id)? {
        None => Ok(Err(ApiError::not_found())),
        Some(Place::Pending(_)) => Ok(Err(pending())),
        Some(Place::Committed(index)) => Ok(log.log().proof(index)?.ok_or_else(pending)),
    });
    let proof: Result<_, tenzik_log::LogError> = proof.await?;
    let proof = proof.map_err(ApiError::unavailable)??;
    let content_type = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
    Ok((content_type, proof.to_bytes()).into_response())
}

fn pending() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "pending",
        "the receipt is durable, and not in the published tree yet",
        "ask again in a second; the receipt says by when it will be",
    )
    .retry_after(1)
}

/// Which rows are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of this log.
    origin: Option<String>,
    /// `attested`, `refused` or `wasm`.
    kind: Option<String>,
    /// With this status.
    status: Option<String>,
    /// Of this capsule: `blake3:` and 64 digits.
    capsule: Option<String>,
    /// Signed by this key: `ed25519:` and 64 digits.
    node: Option<String>,
    /// Of this request: `request:` and 64 digits.
    request: Option<String>,
    /// Issued at this time or later.
    since: Option<String>,
    /// Issued before this time.
    until: Option<String>,
    /// Behind this log and index: the `next` of the answer before.
    after: Option<String>,
    /// At most so many, 1 to 1,000. Default 100.
    limit: Option<usize>,
}

/// A row of the catalog.
#[derive(Serialize, ToSchema)]
pub(super) struct Listed {
    origin: String,
    index: u64,
    receipt: String,
    request: String,
    claim: String,
    node: String,
    capsule: String,
    kind: String,
    status: String,
    issued_at: String,
    private: bool,
    replayable: bool,
}

/// Rows, and where the next ones begin.
#[derive(Serialize, ToSchema)]
pub(super) struct ListAnswer {
    /// 1.
    version: u8,
    /// In the order of log and index.
    receipts: Vec<Listed>,
    /// What `after` is for more; null if this was all.
    next: Option<String>,
}

/// Lists receipts of the node's log and of its peers'. Needs any role; those of peers whose log is private are shown to
/// admins, so a page may have fewer rows than its limit.
#[utoipa::path(get, path = "/v1/receipts", security(("bearer" = [])), params(Wanted), responses(
    (status = 200, description = "Rows of the catalog.", body = ListAnswer),
    (status = "default", description = "Nothing is listed.", body = ErrorBody),
))]
pub(super) async fn list(
    State(node): State<Node>,
    caller: Caller,
    wanted: Result<Query<Wanted>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    require_reader(&caller)?;
    let Query(wanted) = wanted.map_err(|_| bad("one of them is not known, or not of its form"))?;
    let filter = wanted.filter()?;
    let limit = filter.limit;
    // A search may read the whole catalog; a few at a time leave the database to the others.
    let searching = Arc::clone(&node.searches).try_acquire_owned();
    let searching = searching.map_err(|_| ApiError::busy())?;
    let catalog = node.catalog.clone();
    let rows = blocking(move || {
        let _searching = searching;
        catalog.select(&filter)
    });
    let rows = rows.await?.map_err(ApiError::unavailable)?;
    let last = rows.last().filter(|_| rows.len() == limit);
    let next = last.map(|row| format!("{}@{}", row.index, row.origin));
    Ok(Json(ListAnswer {
        version: 1,
        receipts: rows
            .into_iter()
            .filter(|row| caller.has(Role::Admin) || !node.is_private(&row.origin))
            .map(Listed::of)
            .collect(),
        next,
    })
    .into_response())
}

impl Node {
    /// Whether this is the log of a peer that does not show it to everybody.
    fn is_private(&self, origin: &str) -> bool {
        let mut peers = self.peers.iter();
        peers.any(|peer| {
            peer.origin().as_str() == origin && peer.rules.visibility() == Visibility::Private
        })
    }
}

impl Wanted {
    fn filter(self) -> Result<Filter, ApiError> {
        let after = self.after.map(|after| {
            let (index, origin) = after.split_once('@')?;
            Some((
                origin.to_owned(),
                index.parse().ok().filter(|index| *index < 1 << 62)?,
            ))
        });
        let after = match after {
            Some(None) => return Err(bad("after is the `next` of another answer")),
            other => other.flatten(),
        };
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=1_000).contains(&limit) {
            return Err(bad("limit is 1 to 1,000"));
        }
        Ok(Filter {
            origin: self.origin,
            kind: self.kind,
            status: self.status,
            capsule: read::<Blake3>(self.capsule, "capsule is blake3: and 64 digits")?,
            node: read::<PublicKey>(self.node, "node is ed25519: and 64 digits")?,
            request: read::<RequestId>(self.request, "request is request: and 64 digits")?,
            since: read::<Timestamp>(self.since, "since is a time such as 2026-11-20T08:00:00Z")?,
            until: read::<Timestamp>(self.until, "until is a time such as 2026-11-20T08:00:00Z")?,
            after,
            limit,
        })
    }
}

fn read<T: std::str::FromStr>(
    text: Option<String>,
    wanted: &'static str,
) -> Result<Option<T>, ApiError> {
    let read = text.map(|text| text.parse().map_err(|_| bad(wanted)));
    read.transpose()
}

fn bad(what: &'static str) -> ApiError {
    ApiError::bad_request("query", what, "see /openapi.json")
}

impl Listed {
    fn of(row: CatalogRow) -> Self {
        Self {
            index: row.index,
            receipt: row.receipt.to_string(),
            request: row.request.to_string(),
            claim: row.claim.to_string(),
            node: row.node.to_string(),
            capsule: row.capsule.to_string(),
            kind: row.kind,
            status: row.status,
            issued_at: row.issued_at.to_string(),
            private: row.private,
            replayable: row.replayable,
            origin: row.origin,
        }
    }
}
