//! Peers: how each stands, signs of life from them, and the operator's word.
//!
//! Enters: announcements, heartbeats, farewells, decisions. Leaves: states and statistics. Refuses: a peer that speaks for
//! another one; a peer that would lift its own freeze.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Segment, blocking};
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::federation::{FollowError, PeerName, PeerRecord};
use crate::node::Node;
use crate::server::Intake;
use crate::{system, text};

/// What announcements of nodes that are no peers are kept under, by caller.
const ANNOUNCED: &str = "announced";
/// How many of them are shown.
const ANNOUNCED_MAX: usize = 256;
/// What a peer is told of another's failed turn.
const NOT_PULLED: &str = "it could not be pulled";
/// The most bytes of an announcement.
const ANNOUNCEMENT_BYTES_MAX: u32 = 16 * 1024;

/// A peer, as this node knows it.
#[derive(Serialize, ToSchema)]
pub(super) struct PeerAnswer {
    /// What it is called here.
    name: String,
    /// Its log.
    origin: String,
    /// Where its log is.
    url: String,
    /// How it stands, and what it has done.
    #[serde(flatten)]
    record: PeerRecord,
}

/// All peers.
#[derive(Serialize, ToSchema)]
pub(super) struct PeersAnswer {
    /// 1.
    version: u8,
    /// In the order of the peers file.
    peers: Vec<PeerAnswer>,
    /// What nodes that are no peers said of themselves, by the callers that said it. Shown to the role `admin` alone.
    announced: Vec<AnnouncedAnswer>,
}

/// An announcement, and who sent it.
#[derive(Serialize, ToSchema)]
pub(super) struct AnnouncedAnswer {
    /// The caller's name.
    caller: String,
    /// What it said, and when.
    #[serde(flatten)]
    announced: Announced,
}

/// Lists the peers. Needs the role `admin` or `peer`.
#[utoipa::path(get, path = "/v1/peers", security(("bearer" = [])), responses(
    (status = 200, description = "Each peer's state and statistics.", body = PeersAnswer),
    (status = "default", description = "Nothing is shown.", body = ErrorBody),
))]
pub(super) async fn list(State(node): State<Node>, caller: Caller) -> Result<Response, ApiError> {
    caller.require_or(Role::Peer, &[Role::Admin])?;
    let follower = node.follower.clone();
    // A state is held while it is written.
    let records = blocking(move || follower.map(|follower| follower.records()));
    let peers = records.await?.unwrap_or_default().into_iter();
    let is_admin = caller.has(Role::Admin);
    let peers = peers.filter_map(|(name, mut record)| {
        if !is_admin && record.failure.is_some() {
            // The reason may name files and addresses of this node's.
            record.failure = Some(NOT_PULLED.to_owned());
        }
        let peer = node.peers.named(name.as_str())?;
        Some(PeerAnswer {
            name: name.to_string(),
            origin: peer.origin().to_string(),
            url: peer.url.clone(),
            record,
        })
    });
    let peers = peers.collect();
    let announced = match is_admin {
        true => announced(&node).await?,
        false => Vec::new(),
    };
    Ok(Json(PeersAnswer {
        version: 1,
        peers,
        announced,
    })
    .into_response())
}

async fn announced(node: &Node) -> Result<Vec<AnnouncedAnswer>, ApiError> {
    let records = node.records.clone();
    let kept = blocking(move || records.list(ANNOUNCED, "", ANNOUNCED_MAX)).await?;
    let kept = kept.map_err(ApiError::unavailable)?;
    let read = |(caller, document): (String, Vec<u8>)| {
        let announced = serde_json::from_slice(&document).map_err(ApiError::internal)?;
        Ok(AnnouncedAnswer { caller, announced })
    };
    kept.into_iter().map(read).collect()
}

/// What a node says of itself. Nothing of it is believed; an operator reads it.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Announcement {
    /// Its log's key.
    log: String,
    /// Where its log is.
    url: String,
    /// Whose receipts are in it.
    nodes: Vec<String>,
}

/// What a node that is no peer announced.
#[derive(Deserialize, Serialize, ToSchema)]
pub(super) struct Announced {
    /// When.
    at: String,
    /// What.
    announcement: Announcement,
}

/// What became of a sign of life.
#[derive(Serialize, ToSchema)]
pub(super) struct HeardAnswer {
    /// 1.
    version: u8,
    /// Whether the caller is a peer here; if not, an operator has to make it one.
    peer: bool,
}

/// Takes a node's announcement. Needs the role `peer`; a caller of a peer's name speaks for that peer.
#[utoipa::path(post, path = "/v1/peers/announce", security(("bearer" = [])), request_body = Announcement, responses(
    (status = 200, description = "Heard.", body = HeardAnswer),
    (status = "default", description = "Not heard.", body = ErrorBody),
))]
pub(super) async fn announce(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    let name = speaker(&caller)?;
    let received = intake.json::<Announcement>(ANNOUNCEMENT_BYTES_MAX).await?;
    if let Some(peer) = own_peer(&node, &name) {
        return heard(node, peer, |record, now| record.seen(now)).await;
    }
    let at = system::now().map_err(ApiError::internal)?.to_string();
    let announced = Announced {
        at,
        announcement: received.value,
    };
    let document = serde_json::to_vec(&announced).map_err(ApiError::internal)?;
    let records = node.records.clone();
    // One for each caller: the newest takes the place of the one before.
    let kept = blocking(move || records.put(ANNOUNCED, &name, &document)).await?;
    kept.map_err(ApiError::unavailable)?;
    Ok(Json(HeardAnswer {
        version: 1,
        peer: false,
    })
    .into_response())
}

/// Takes a sign of life: the peer is pulled now. Needs the role `peer`.
#[utoipa::path(post, path = "/v1/peers/heartbeat", security(("bearer" = [])), responses(
    (status = 200, description = "Heard.", body = HeardAnswer),
    (status = "default", description = "Not heard.", body = ErrorBody),
))]
pub(super) async fn heartbeat(
    State(node): State<Node>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let name = speaker(&caller)?;
    let peer = own_peer(&node, &name).ok_or_else(ApiError::not_found)?;
    heard(node, peer, |record, now| record.seen(now)).await
}

/// Takes a farewell: the peer is followed no longer, until it announces itself and an operator resumes it. Needs the role
/// `peer`.
#[utoipa::path(post, path = "/v1/peers/leave", security(("bearer" = [])), responses(
    (status = 200, description = "Heard.", body = HeardAnswer),
    (status = "default", description = "Not heard.", body = ErrorBody),
))]
pub(super) async fn leave(State(node): State<Node>, caller: Caller) -> Result<Response, ApiError> {
    let name = speaker(&caller)?;
    let peer = own_peer(&node, &name).ok_or_else(ApiError::not_found)?;
    heard(node, peer, |record, now| record.leave(now)).await
}

/// An operator's decision.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    /// Why; it is shown with the peer. At most 200 characters are kept.
    reason: Option<String>,
}

/// Follows a peer again. Needs the role `admin`.
#[utoipa::path(post, path = "/v1/peers/{name}/resume", params(("name" = String, Path)), security(("bearer" = [])), responses(
    (status = 200, description = "It is followed.", body = PeerRecord),
    (status = "default", description = "Nothing was changed.", body = ErrorBody),
))]
pub(super) async fn resume(
    State(node): State<Node>,
    caller: Caller,
    Segment(name): Segment,
) -> Result<Response, ApiError> {
    caller.require(Role::Admin)?;
    let record = change(node, &name, |record, now| record.resume(now)).await?;
    Ok(Json(record).into_response())
}

/// Stops following a peer. Needs the role `admin`.
#[utoipa::path(post, path = "/v1/peers/{name}/freeze", params(("name" = String, Path)), security(("bearer" = [])), request_body = Decision, responses(
    (status = 200, description = "It is not followed.", body = PeerRecord),
    (status = "default", description = "Nothing was changed.", body = ErrorBody),
))]
pub(super) async fn freeze(
    State(node): State<Node>,
    caller: Caller,
    Segment(name): Segment,
    intake: Intake,
) -> Result<Response, ApiError> {
    caller.require(Role::Admin)?;
    let received = intake.json::<Decision>(ANNOUNCEMENT_BYTES_MAX).await?;
    let reason = received
        .value
        .reason
        .unwrap_or_else(|| "the operator said so".to_owned());
    let reason: String = text::shown(&reason).chars().take(200).collect();
    let record = change(node, &name, move |record, now| {
        record.freeze(&reason, None, Some(now));
    });
    Ok(Json(record.await?).into_response())
}

/// Who speaks: a caller with the role `peer`.
fn speaker(caller: &Caller) -> Result<String, ApiError> {
    caller.require(Role::Peer)?;
    let name = caller.name().ok_or_else(ApiError::unauthorized)?;
    Ok(name.to_owned())
}

/// The peer that a caller speaks for: the one of its own name.
fn own_peer(node: &Node, name: &str) -> Option<PeerName> {
    node.peers.named(name).map(|peer| peer.name.clone())
}

async fn heard(
    node: Node,
    peer: PeerName,
    note: impl FnOnce(&mut PeerRecord, tenzik_receipt::Timestamp) + Send + 'static,
) -> Result<Response, ApiError> {
    change(node, peer.as_str(), note).await?;
    Ok(Json(HeardAnswer {
        version: 1,
        peer: true,
    })
    .into_response())
}

async fn change(
    node: Node,
    name: &str,
    change: impl FnOnce(&mut PeerRecord, tenzik_receipt::Timestamp) + Send + 'static,
) -> Result<PeerRecord, ApiError> {
    let now = system::now().map_err(ApiError::internal)?;
    let name = PeerName::new(name).ok_or_else(ApiError::not_found)?;
    let follower = node.follower.clone().ok_or_else(ApiError::not_found)?;
    let changed = blocking(move || follower.change(&name, |record| change(record, now))).await?;
    changed.map_err(|error| match error {
        FollowError::NoSuchPeer => ApiError::not_found(),
        other => ApiError::unavailable(other),
    })
}
