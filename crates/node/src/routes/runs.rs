//! `POST /v1/runs`: a capsule runs, and its receipt is the answer.
//!
//! Enters: [`RunRequest`]. Leaves: with 200 a [`RunAnswer`] for every run that took place, however it ended: a capsule that failed,
//! trapped or was stopped has a receipt that says so, and so has the answer. With 422 the same for what the node's engine refused,
//! with the reason as `error`, and a receipt of kind `refused`. Refuses: everything else without a receipt, because nothing was
//! signed: 400, 401, 403, 404, 408, 413, 415, 429, 500, 503.
//!
//! The log takes a receipt before the answer is given, if there is a log and the receipt may stand in it: a keyed one always may,
//! an open one if the request says `public`, and each of them if the log is private: nobody else sees it there. If the log cannot take it there is no answer.

mod answer;
mod keep;
mod order;
mod request;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use tenzik::pipeline::Order;
use tenzik::receipts::Circumstances;
use tenzik_receipt::{Encode, REQUEST_PAYLOAD, RequestStatement, pae};
use tracing::Instrument;

use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::node::Node;
use crate::server::Intake;
use crate::sink::ReceiptSink;
use crate::{system, telemetry};

use answer::{Came, RefusedAnswer, RunAnswer};
use order::{Asked, CapsuleAsked};
use request::RunRequest;

/// Runs a capsule. Needs the role `run`.
#[utoipa::path(post, path = "/v1/runs", security(("bearer" = [])), request_body = RunRequest, responses(
    (status = 200, description = "It ran; `status` says how it ended.", body = RunAnswer),
    (status = 422, description = "The engine refused it. Where a request's own signature does not hold, there is no receipt.", body = RefusedAnswer),
    (status = "default", description = "Nothing was run, or no receipt can be given.", body = ErrorBody),
))]
pub(super) async fn run(
    State(node): State<Node>,
    caller: Caller,
    intake: Intake,
) -> Result<Response, ApiError> {
    caller.require(Role::Run)?;
    node.quotas.run(&caller.who())?;
    let bytes_max = node.config.limits.run_body_bytes_max;
    let received = intake.json::<RunRequest>(bytes_max).await?;
    let asked = received.value.resolve()?;
    let sink = node.sink_for(asked.secret.is_some(), asked.public);
    let (order, circumstances) = prepare(&node, &caller, asked, sink.as_deref()).await?;
    let seed = circumstances.secret.is_some().then_some(order.request.seed);
    let span = telemetry::run_span();
    let run = node
        .runner
        .run(order, circumstances)
        .instrument(span.clone());
    let came = Came::of(run.await)?;
    came.count(&node, &span);
    let placed = match sink {
        // A crash or an error here: the receipt is in the log or not, and nobody else has it.
        Some(sink) => Some(
            sink.accept(came.receipt())
                .await
                .map_err(ApiError::unavailable)?,
        ),
        None => None,
    };
    came.answer(placed, seed)
}

/// All that the pipeline needs. The promise is made last: nothing can be refused after it but by the pipeline.
async fn prepare(
    node: &Node,
    caller: &Caller,
    asked: Asked,
    sink: Option<&dyn ReceiptSink>,
) -> Result<(Order, Circumstances), ApiError> {
    let order = Order {
        capsule: capsule(node, caller, asked.capsule).await?,
        terms: asked.terms,
        request: asked.request,
    };
    let now = system::now().map_err(ApiError::internal)?;
    let mut circumstances = Circumstances {
        audience: asked.audience,
        request: asked.requester,
        secret: asked.secret,
        ..Circumstances::at(now)
    };
    check_requester(node, &order, &circumstances)?;
    if let Some(wanted) = asked.keep {
        let is_private = circumstances.secret.is_some();
        keep::keep(node, caller, wanted, &order, is_private).await?;
    }
    circumstances.log = sink
        .map(|sink| sink.promise(now))
        .transpose()
        .map_err(ApiError::unavailable)?;
    Ok((order, circumstances))
}

async fn capsule(node: &Node, caller: &Caller, asked: CapsuleAsked) -> Result<Arc<[u8]>, ApiError> {
    let digest = match asked {
        CapsuleAsked::Bytes(bytes) => return Ok(bytes),
        CapsuleAsked::Held(digest) => digest,
    };
    let source = node.capsules.as_ref().ok_or_else(ApiError::not_found)?;
    let found = source.capsule(digest, caller).await;
    found
        .map_err(ApiError::unavailable)?
        .ok_or_else(ApiError::not_found)
}

/// A signature that does not hold would make a receipt that does not verify.
fn check_requester(node: &Node, order: &Order, around: &Circumstances) -> Result<(), ApiError> {
    let Some(signed) = &around.request else {
        return Ok(());
    };
    let statement = RequestStatement {
        audience: around.audience.clone(),
        node: node.receipt_key(),
        request_id: node.runner.request(order, around.secret.as_ref()).id(),
    };
    let message = pae(REQUEST_PAYLOAD, &statement.to_canonical());
    if signed.requester.verifies(&message, &signed.signature) {
        return Ok(());
    }
    let told = "the requester's signature does not belong to this request";
    let hint = "sign the audience, this node's key, and the request's id with seed and clock given";
    Err(ApiError::unprocessable("request_signature", told, hint))
}
