//! `/metrics`: the node's figures, for callers with the role `metrics`.
//!
//! Enters: nothing. Leaves: OpenMetrics text. Refuses: everybody else; figures tell who runs how much.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use super::blocking;
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::ApiError;
use crate::log::LogService;
use crate::node::Node;
use crate::system;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Gives the node's figures as OpenMetrics text. Needs the role `metrics`.
#[utoipa::path(get, path = "/metrics", security(("bearer" = [])), responses(
    (status = 200, description = "OpenMetrics text.", body = str),
))]
pub(super) async fn metrics(
    State(node): State<Node>,
    caller: Caller,
) -> Result<Response, ApiError> {
    caller.require(Role::Metrics)?;
    node.metrics.waiting.set(node.runner.waiting() as u64);
    node.metrics.bodies_bytes.set(node.bodies_bytes());
    node.log.iter().for_each(LogService::recount);
    let now = system::now().map_err(ApiError::internal)?;
    let counted = node.clone();
    // A state is held while it is written.
    let peers = blocking(move || {
        let follower = counted.follower.as_deref();
        follower.map(|follower| counted.figures.recount(follower, now))
    });
    peers.await?;
    let text = node.metrics.text().map_err(ApiError::internal)?;
    Ok(([(CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}
