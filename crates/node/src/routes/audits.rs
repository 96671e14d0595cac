//! `/v1/audits`, `/v1/evidence`, `/v1/disputes`.
//!
//! Enters: receipts to be run again. Leaves: what became of them, of samples and of disputes; evidence. Refuses: to show audits and
//! evidence to others than peers and admins, but for a receipt that one hands in: whoever has its id has the receipt, and is told the
//! outcome and no more.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tenzik_log::LeafError;
use tenzik_receipt::{Blake3, ReceiptId, RequestId, SignedReceipt};
use utoipa::{IntoParams, ToSchema};

use super::blobs::bad_query;
use super::{Segment, blocking};
use crate::audit::dispute::Dispute;
use crate::audit::{
    self, Audit, AuditError, Audits, Exhibit, Finding, HandInError, Handed, Reason, Report,
};
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::federation::{Peer, Standing};
use crate::node::Node;
use crate::server::Intake;
use crate::{system, text};

/// The most rows of an answer.
const ROWS_MAX: usize = 100;

/// A receipt that is handed in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HandedBody {
    /// The receipt, in its canonical bytes.
    #[schema(value_type = Object)]
    receipt: Box<RawValue>,
    /// The capsule's bytes. Absent: the receipt's node is asked.
    #[serde(default)]
    capsule_base64: Option<String>,
    /// The input's bytes. Absent: the receipt's node is asked.
    #[serde(default)]
    input_base64: Option<String>,
}

/// What became of a receipt that was handed in.
#[derive(Serialize, ToSchema)]
pub(super) struct HandedAnswer {
    /// 1.
    version: u8,
    /// The receipt's id; `GET /v1/audits/{id}` says what was found.
    id: String,
    /// What was found so far.
    finding: Shown,
}

/// A finding as it is shown.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum Shown {
    /// To peers and admins: the whole.
    Whole(Finding),
    /// To others: what differs may be a piece of somebody's output, and the evidence's digest one of somebody's input.
    Word {
        /// `begun`, `forged`, `same` or `unaudited`.
        outcome: &'static str,
        /// Why it is unaudited; absent if it is not.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
    },
}

impl Shown {
    fn to(caller: &Caller, finding: Finding) -> Self {
        if require_peer(caller).is_ok() {
            return Self::Whole(finding);
        }
        Self::Word {
            outcome: match finding {
                Finding::Begun => "begun",
                Finding::Forged { .. } => "forged",
                Finding::Same => "same",
                Finding::Unaudited { .. } => "unaudited",
            },
            reason: finding.reason(),
        }
    }
}

/// Which audits are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditsQuery {
    /// The peer's name.
    peer: String,
    /// Behind this index.
    #[serde(default)]
    after: Option<u64>,
}

/// The audits of a peer.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditsAnswer {
    /// 1.
    version: u8,
    /// Its sums.
    report: Report,
    /// Single leaves, by index.
    audits: Vec<Audit>,
    /// What to give as `after` for more; absent if there is no more.
    next: Option<u64>,
}

/// Behind which one the list begins.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AfterQuery {
    /// The last one that is not wanted.
    #[serde(default)]
    after: Option<String>,
}

/// A piece of evidence with its digest.
#[derive(Serialize, ToSchema)]
pub(super) struct ExhibitAnswer {
    digest: String,
    #[serde(flatten)]
    exhibit: Exhibit,
}

/// The evidence.
#[derive(Serialize, ToSchema)]
pub(super) struct EvidenceAnswer {
    /// 1.
    version: u8,
    /// By digest.
    evidence: Vec<ExhibitAnswer>,
    /// What to give as `after` for more; absent if there is no more.
    next: Option<String>,
}

/// The disputes.
#[derive(Serialize, ToSchema)]
pub(super) struct DisputesAnswer {
    /// 1.
    version: u8,
    /// By request.
    disputes: Vec<Dispute>,
    /// What to give as `after` for more; absent if there is no more. A page may be empty and not the last.
    next: Option<String>,
}

/// Hands in a receipt to be run again. Anyone may; the node's receipts must be those of a peer.
#[utoipa::path(post, path = "/v1/audits", request_body = HandedBody, responses(
    (status = 200, description = "It is known what comes of it.", body = HandedAnswer),
    (status = 202, description = "It will be run again.", body = HandedAnswer),
    (status = 422, description = "It is no receipt of a peer's node.", body = ErrorBody),
    (status = "default", description = "It is not taken.", body = ErrorBody),
))]
pub(super) async fn hand_in(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    let audits = audits(&node)?;
    audits.handed.take(&caller.who()).map_err(ApiError::quota)?;
    let received = intake
        .of(&caller)
        .json::<HandedBody>(node.config.limits.run_body_bytes_max)
        .await?;
    let handed = received.value.resolve()?;
    let now = system::now().map_err(ApiError::internal)?;
    let accept = {
        let (audits, node) = (Arc::clone(&audits), node.clone());
        move || {
            let peers = (audits.peers)();
            let receipt = SignedReceipt::from_bytes(&handed.receipt).ok();
            let peer = receipt.and_then(|receipt| audit::accused(&peers, &receipt));
            if peer.is_some_and(|peer| node.is_frozen(peer)) {
                return Err(frozen());
            }
            // Its log may be late with it, whatever its claim is worth.
            if let Some(follower) = &node.follower {
                follower.hold_to(&handed.receipt, now);
            }
            // A place is kept until the run is over. It is not held while a body drips in.
            let place = peer.map(|peer| audits.place(peer).ok_or_else(ApiError::busy));
            let place = place.transpose()?;
            let taken = audits.auditor.accept(&peers, handed, now);
            let (id, accepted) = taken.map_err(not_taken)?;
            Ok((id, accepted, place))
        }
    };
    let (id, accepted, place) = blocking(accept).await??;
    let (status, finding) = match accepted {
        Ok(Finding::Begun) => (StatusCode::ACCEPTED, Finding::Begun),
        Ok(finding) => (StatusCode::OK, finding),
        Err(accepted) => {
            // Nobody waits for it: it goes on if the caller goes away. A crash leaves it begun, which is shown as interrupted.
            drop(tokio::task::spawn_blocking(move || {
                let _held = (place, received.room);
                if let Err(error) = audits.auditor.finish(accepted, now) {
                    tracing::error!(%error, "a receipt that was handed in is not audited");
                }
            }));
            (StatusCode::ACCEPTED, Finding::Begun)
        }
    };
    let answer = HandedAnswer {
        version: 1,
        id: id.to_string(),
        finding: Shown::to(&caller, finding),
    };
    Ok((status, Json(answer)).into_response())
}

/// What became of a receipt that was handed in.
#[utoipa::path(get, path = "/v1/audits/{id}", params(("id" = String, Path)), responses(
    (status = 200, description = "What was found so far.", body = HandedAnswer),
    (status = 404, description = "It was not handed in, or that is more than a week ago.", body = ErrorBody),
    (status = "default", description = "Not now.", body = ErrorBody),
))]
pub(super) async fn handed(
    State(node): State<Node>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<HandedAnswer>, ApiError> {
    let audits = audits(&node)?;
    let id: ReceiptId = id.parse().map_err(|_| ApiError::not_found())?;
    let audit = blocking(move || audits.auditor.handed_in(&id)).await?;
    let audit = audit.map_err(failed)?.ok_or_else(ApiError::not_found)?;
    Ok(Json(HandedAnswer {
        version: 1,
        id: id.to_string(),
        finding: Shown::to(&caller, audit.finding),
    }))
}

/// The audits of a peer's log, with its report. Needs the role `peer` or `admin`.
#[utoipa::path(get, path = "/v1/audits", security(("bearer" = [])), params(AuditsQuery), responses(
    (status = 200, description = "The report, and leaves in their order.", body = AuditsAnswer),
    (status = 404, description = "There is no such peer.", body = ErrorBody),
    (status = "default", description = "Not shown.", body = ErrorBody),
))]
pub(super) async fn list(
    State(node): State<Node>,
    caller: Caller,
    query: Result<Query<AuditsQuery>, QueryRejection>,
) -> Result<Json<AuditsAnswer>, ApiError> {
    require_peer(&caller)?;
    let audits = audits(&node)?;
    let Query(query) = query.map_err(|_| bad_query())?;
    let peers = (audits.peers)();
    let peer = peers.named(&query.peer).cloned();
    let peer = peer.ok_or_else(ApiError::not_found)?;
    let read = move || {
        let origin = peer.origin().as_str();
        let rows = audits.auditor.audits(origin, query.after, ROWS_MAX)?;
        Ok((audits.auditor.report(&peer)?, rows))
    };
    let (report, audits) = blocking(read).await?.map_err(failed)?;
    let next = audits.last().and_then(|audit| audit.index);
    Ok(Json(AuditsAnswer {
        version: 1,
        report,
        next: next.filter(|_| audits.len() == ROWS_MAX),
        audits,
    }))
}

/// What evidence there is. Needs the role `peer` or `admin`.
#[utoipa::path(get, path = "/v1/evidence", security(("bearer" = [])), params(AfterQuery), responses(
    (status = 200, description = "By digest.", body = EvidenceAnswer),
    (status = "default", description = "Not shown.", body = ErrorBody),
))]
pub(super) async fn evidence_list(
    State(node): State<Node>,
    caller: Caller,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<EvidenceAnswer>, ApiError> {
    require_peer(&caller)?;
    let audits = audits(&node)?;
    let after = after::<Blake3>(query)?;
    let rows = blocking(move || audits.evidence.list(after.as_ref(), ROWS_MAX)).await?;
    let rows = rows.map_err(ApiError::unavailable)?;
    let next = rows.last().map(|(digest, _)| digest.to_string());
    Ok(Json(EvidenceAnswer {
        version: 1,
        next: next.filter(|_| rows.len() == ROWS_MAX),
        evidence: rows
            .into_iter()
            .map(|(digest, exhibit)| ExhibitAnswer {
                digest: digest.to_string(),
                exhibit,
            })
            .collect(),
    }))
}

/// A file of evidence. Needs the role `peer` or `admin`: it may hold an input that its owner shows to peers alone.
#[utoipa::path(get, path = "/v1/evidence/{digest}", security(("bearer" = [])), params(("digest" = String, Path)), responses(
    (status = 200, description = "The file, as `docs/log.md` describes it.", body = Object),
    (status = 404, description = "There is none.", body = ErrorBody),
    (status = "default", description = "Not shown.", body = ErrorBody),
))]
pub(super) async fn evidence(
    State(node): State<Node>,
    caller: Caller,
    Segment(digest): Segment,
) -> Result<Response, ApiError> {
    require_peer(&caller)?;
    let audits = audits(&node)?;
    let digest: Blake3 = digest.parse().map_err(|_| ApiError::not_found())?;
    let bytes = blocking(move || audits.evidence.read(&digest)).await?;
    let bytes = bytes.map_err(ApiError::unavailable)?;
    let bytes = bytes.ok_or_else(ApiError::not_found)?;
    Ok(([(CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// Receipts that contradict each other. Needs the role `peer` or `admin`.
#[utoipa::path(get, path = "/v1/disputes", security(("bearer" = [])), params(AfterQuery), responses(
    (status = 200, description = "By request.", body = DisputesAnswer),
    (status = "default", description = "Not shown.", body = ErrorBody),
))]
pub(super) async fn disputes(
    State(node): State<Node>,
    caller: Caller,
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Json<DisputesAnswer>, ApiError> {
    require_peer(&caller)?;
    let audits = audits(&node)?;
    let after = after::<RequestId>(query)?;
    let read = move || audits.auditor.disputes(&*audits.places, after, ROWS_MAX);
    let (disputes, next) = blocking(read).await?.map_err(failed)?;
    Ok(Json(DisputesAnswer {
        version: 1,
        disputes,
        next: next.map(|request| request.to_string()),
    }))
}

/// Runs the sides of a dispute again. Needs the role `admin`. Waits until it is done.
#[utoipa::path(post, path = "/v1/disputes/{request}/settle", security(("bearer" = [])), params(("request" = String, Path)),
    responses(
    (status = 200, description = "What was found of each side.", body = Dispute),
    (status = 404, description = "This request is in no dispute.", body = ErrorBody),
    (status = "default", description = "Not settled.", body = ErrorBody),
))]
pub(super) async fn settle(
    State(node): State<Node>,
    caller: Caller,
    Segment(request): Segment,
) -> Result<Json<Dispute>, ApiError> {
    caller.require(Role::Admin)?;
    let audits = audits(&node)?;
    let request: RequestId = request.parse().map_err(|_| ApiError::not_found())?;
    let now = system::now().map_err(ApiError::internal)?;
    let settle = move || {
        let (places, peers) = (&*audits.places, (audits.peers)());
        audits.auditor.settle(places, &peers, request, now)
    };
    let dispute = blocking(settle).await?.map_err(failed)?;
    dispute.map(Json).ok_or_else(ApiError::not_found)
}

impl HandedBody {
    fn resolve(self) -> Result<Handed, ApiError> {
        let bytes = |name: &'static str, text: Option<String>| {
            let bytes = text.map(|text| STANDARD.decode(text)).transpose();
            bytes.map(|bytes| bytes.map(Arc::from)).map_err(|_| {
                let message = format!("{name} is not base64");
                ApiError::bad_request("field", message, "see /openapi.json")
            })
        };
        Ok(Handed {
            receipt: self.receipt.get().as_bytes().to_vec(),
            capsule: bytes("capsule_base64", self.capsule_base64)?,
            input: bytes("input_base64", self.input_base64)?,
        })
    }
}

fn audits(node: &Node) -> Result<Arc<Audits>, ApiError> {
    node.audits.clone().ok_or_else(ApiError::not_found)
}

fn require_peer(caller: &Caller) -> Result<(), ApiError> {
    caller.require_or(Role::Peer, &[Role::Admin])
}

fn after<T: std::str::FromStr>(
    query: Result<Query<AfterQuery>, QueryRejection>,
) -> Result<Option<T>, ApiError> {
    let Query(query) = query.map_err(|_| bad_query())?;
    let after = query.after.map(|after| after.parse()).transpose();
    after.map_err(|_| bad_query())
}

fn failed(error: AuditError) -> ApiError {
    ApiError::unavailable(error)
}

impl Node {
    /// Whether a peer was found out already: more evidence against it would only fill the disk.
    fn is_frozen(&self, peer: &Peer) -> bool {
        let Some(follower) = &self.follower else {
            return false;
        };
        let records = follower.records();
        let record = records.iter().find(|(name, _)| *name == peer.name);
        record.is_some_and(|(_, record)| record.standing == Standing::Frozen)
    }
}

fn frozen() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "peer_frozen",
        "the peer whose node signed it is frozen already",
        "hand it in when an operator has resumed the peer",
    )
}

fn not_taken(error: HandInError) -> ApiError {
    let message = text::shown(&error.to_string());
    let (code, hint) = match error {
        HandInError::Audit(error) => return failed(error),
        HandInError::UnknownNode { .. } => (
            "unknown_node",
            "hand it in at a node that has the receipt's node as a peer",
        ),
        HandInError::Leaf(LeafError::Form(_)) => (
            "not_a_receipt",
            "send the receipt's canonical bytes as they are",
        ),
        HandInError::Leaf(LeafError::Future { .. }) => {
            ("future", "try again when its time has come")
        }
        HandInError::Leaf(LeafError::Extension { .. }) => {
            ("extension", "this node does not understand the receipt")
        }
        _ => (
            "signature",
            "a receipt that its node did not sign accuses nobody",
        ),
    };
    ApiError::unprocessable(code, message, hint)
}
