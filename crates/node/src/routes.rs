//! What the node answers.
//!
//! Enters: handlers, each with its `#[utoipa::path]`. Leaves: the router, and the document at `/openapi.json` made of the same.
//! Refuses: every other path with 404, every other method with 405.
//!
//! To add a route, write a handler in a file of its own and add its line to [`all`]:
//!
//! ```text
//! #[utoipa::path(get, path = "/checkpoint", responses((status = 200)))]
//! pub(super) async fn checkpoint(State(node): State<Node>, caller: Caller) -> Result<Response, ApiError> { … }
//! ```
//!
//! The order of a handler: the caller's role, its quota, then the body.

mod audits;
mod blobs;
mod executions;
mod health;
mod held;
mod log;
mod metrics;
mod peers;
mod receipts;
mod runs;
mod wanted;
mod witness;

use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::ApiError;
use crate::node::Node;

pub(crate) use log::BUNDLE_BYTES_MAX;

/// Routes with their descriptions.
pub type Routes = OpenApiRouter<Node>;

/// Every route of a node.
pub fn all() -> Routes {
    Routes::with_openapi(Described::openapi())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(runs::run))
        .routes(routes!(executions::describe, executions::begin))
        .routes(routes!(executions::follow, executions::cancel))
        .routes(routes!(receipts::add, receipts::list))
        .routes(routes!(receipts::receipt))
        .routes(routes!(receipts::proof))
        .routes(routes!(log::checkpoint))
        .route("/log/tile/{*path}", get(log::tile))
        .routes(routes!(witness::add_checkpoint))
        .routes(routes!(peers::list))
        .routes(routes!(peers::announce))
        .routes(routes!(peers::heartbeat))
        .routes(routes!(peers::leave))
        .routes(routes!(peers::resume))
        .routes(routes!(peers::freeze))
        .routes(routes!(blobs::put, blobs::get, blobs::delete))
        .routes(routes!(blobs::put_readers))
        .routes(routes!(audits::list, audits::hand_in))
        .routes(routes!(audits::handed))
        .routes(routes!(audits::evidence_list))
        .routes(routes!(audits::evidence))
        .routes(routes!(audits::disputes))
        .routes(routes!(audits::settle))
}

/// The router, with the document and with what is answered elsewhere.
pub(crate) fn finish(routes: Routes) -> Router<Node> {
    let (router, document) = routes.split_for_parts();
    // It is made of constants; a test reads it.
    let document = document.to_json().unwrap_or_default();
    let answer =
        move || std::future::ready(([(CONTENT_TYPE, "application/json")], document.clone()));
    router
        .route("/openapi.json", get(answer))
        .fallback(async || ApiError::not_found().into_response())
        .method_not_allowed_fallback(async || ApiError::method_not_allowed().into_response())
}

/// The part of a path that a route leaves open. As an argument it stands behind the caller, so that the request of one who
/// sends what cannot be read is counted too.
struct Segment(String);

impl FromRequestParts<Node> for Segment {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, node: &Node) -> Result<Self, ApiError> {
        let read = Path::<String>::from_request_parts(head, node).await;
        let Path(text) = read.map_err(|_| {
            let message = "the path is not UTF-8 in percent-encoding";
            ApiError::bad_request("path", message, "see /openapi.json")
        })?;
        Ok(Self(text))
    }
}

/// Does work that blocks, on a thread that may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(ApiError::internal)
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Tenzik node", description = "Runs capsules, and programs where it may, and answers with their receipts."),
    // The document has no word for the rest of a path, so this one is not made of its route.
    paths(log::tile),
    modifiers(&Bearer)
)]
struct Described;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}
