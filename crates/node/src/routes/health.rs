//! `/healthz` and `/readyz`: for balancers and supervisors. Nobody's quota counts.
//!
//! Enters: nothing. Leaves: whether the process lives, and whether each part can do its work. Refuses nothing.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::node::Node;

/// What `/readyz` says.
#[derive(Serialize, ToSchema)]
pub(super) struct Readiness {
    /// 1.
    version: u8,
    /// Whether all parts are ready.
    ready: bool,
    /// Each part: `ready`, or why it is not.
    parts: BTreeMap<&'static str, String>,
}

/// Says that the process lives.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "The process lives.", body = str)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Says whether each part can do its work, or why not.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "Every part is ready.", body = Readiness),
    (status = 503, description = "A part is not, or the node is stopping.", body = Readiness),
))]
pub(super) async fn readyz(State(node): State<Node>) -> Response {
    let parts = node.ready();
    let ready = parts.iter().all(|(_, state)| state.is_ok());
    let told = |state: Result<(), String>| state.err().unwrap_or_else(|| "ready".to_owned());
    let readiness = Readiness {
        version: 1,
        ready,
        parts: parts
            .into_iter()
            .map(|(part, state)| (part, told(state)))
            .collect(),
    };
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}
