//! What is around every handler: a span, a time limit, a net for panics, a count and a log line.
//!
//! Enters: requests. Leaves: responses. Refuses: what takes too long, with 503.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::Method;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, Span};

use super::ms;
use crate::error::{ApiError, Logged};
use crate::metrics::Answered;
use crate::node::Node;
use crate::telemetry;

/// The routes with all that is around them.
pub(super) fn layered(routes: Router<Node>, node: Node) -> Router {
    let panics = node.metrics.panics.clone();
    let caught = move |_: Box<dyn Any + Send>| {
        panics.inc();
        ApiError::internal("a handler panicked").into_response()
    };
    routes
        .layer(CatchPanicLayer::custom(caught))
        .layer(middleware::from_fn_with_state(node.clone(), around))
        .with_state(node)
}

async fn around(State(node): State<Node>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let span = telemetry::request_span(method, &route, request.headers());
    let patience = ms(node.config.limits.request_timeout_ms);
    let answer = timeout(patience, next.run(request)).instrument(span.clone());
    let response = answer
        .await
        .unwrap_or_else(|_| ApiError::timeout().into_response());
    let status = response.status().as_u16();
    let answered = Answered {
        method,
        route,
        status,
    };
    node.metrics.answers.get_or_create(&answered).inc();
    node.metrics.seconds.observe(began.elapsed().as_secs_f64());
    telemetry::end(&span, status);
    log(&span, &response, began.elapsed());
    response
}

fn log(span: &Span, response: &Response, took: Duration) {
    let status = response.status().as_u16();
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let logged = response.extensions().get::<Logged>();
    let code = logged.map(|logged| logged.code.as_ref());
    let cause = logged.and_then(|logged| logged.cause.as_deref());
    let _inside = span.enter();
    match status {
        500.. => tracing::error!(status, ms, code, cause, "answered"),
        _ => tracing::info!(status, ms, code, cause, "answered"),
    }
}

/// A client may invent methods; figures have none of those.
fn known(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    KNOWN
        .into_iter()
        .find(|known| *known == method.as_str())
        .unwrap_or("other")
}
