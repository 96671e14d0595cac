//! `/witness/add-checkpoint` (c2sp.org/tlog-witness). The log's signature is all the authentication that there is.
//!
//! Enters: a log's checkpoint with a consistency proof. Leaves: this node's cosignature, or the specification's status.
//! Refuses: more new checkpoints of one log than its rate (429), and to keep a second lie of a peer that is frozen.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tenzik_log::evidence::Evidence;
use tenzik_log::witness::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint};

use super::blocking;
use crate::auth::Caller;
use crate::error::{ApiError, ErrorBody};
use crate::federation::{Standing, WitnessFailure};
use crate::node::Node;
use crate::server::Intake;
use crate::system;

/// Cosigns a checkpoint.
#[utoipa::path(post, path = "/witness/add-checkpoint", request_body(content = String, content_type = "text/plain"), responses(
    (status = 200, description = "Cosignature lines.", body = str, content_type = "text/plain; charset=utf-8"),
    (status = 400, description = "The request has not the form, or goes backwards."),
    (status = 403, description = "None of the log's keys signed it."),
    (status = 404, description = "The log is not witnessed here."),
    (status = 409, description = "Not from the latest size, which is the body (text/x.tlog.size); or another tree of it."),
    (status = 422, description = "The consistency proof does not hold."),
    (status = "default", description = "Nothing was signed.", body = ErrorBody),
))]
pub(super) async fn add_checkpoint(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    let witness = node.witness.clone().ok_or_else(ApiError::not_found)?;
    let received = intake.of(&caller).any(ADD_CHECKPOINT_BYTES_MAX as u32);
    let received = received.await?;
    let now = system::now().map_err(ApiError::internal)?;
    let tended = node.clone();
    let answer = blocking(move || {
        let charge = |origin: &str| tended.witnessed.take(&origin.to_owned());
        let answer = witness.add_checkpoint(&received.value, &tended.peers, now, charge)?;
        if let Some(evidence) = &answer.evidence {
            tended.convict(&received.value, evidence);
        }
        Ok::<_, WitnessFailure>(answer)
    });
    let answer = answer.await?.map_err(|failure| match failure {
        WitnessFailure::TooOften { after_s } => ApiError::quota(after_s),
        other => ApiError::unavailable(other),
    })?;
    let status = StatusCode::from_u16(answer.status).map_err(ApiError::internal)?;
    Ok((status, [(CONTENT_TYPE, answer.content_type)], answer.body).into_response())
}

impl Node {
    /// Two trees under one signature: kept, and the peer is frozen. Anybody can show them again and again, so against a peer
    /// that is frozen nothing more is kept, and what an operator has looked at freezes nobody a second time.
    fn convict(&self, body: &[u8], evidence: &Evidence) {
        let Ok(request) = AddCheckpoint::from_bytes(body) else {
            return;
        };
        let origin = request.checkpoint().origin();
        let (Some(peer), Some(follower)) = (self.peers.of_log(origin), &self.follower) else {
            return;
        };
        let record = follower.record(&peer.name).unwrap_or_default();
        if record.standing == Standing::Frozen {
            return;
        }
        let kept = self.findings.keep(peer, evidence);
        if kept
            .as_ref()
            .is_ok_and(|name| record.evidence.contains(name))
        {
            return;
        }
        let reason = "it asked for a cosignature of a second tree";
        tracing::error!(peer = %peer.name, reason, evidence = ?kept, "the peer is frozen");
        let now = system::now().ok();
        let frozen = follower.change(&peer.name, |record| record.freeze(reason, kept.ok(), now));
        if let Err(error) = frozen {
            tracing::error!(peer = %peer.name, %error, "its state was not written");
        }
    }
}
