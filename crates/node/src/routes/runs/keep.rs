//! Keeps capsule and input of a run.
//!
//! Enters: an order that was not run yet. Leaves: blobs of the caller's. Refuses: callers without the role `blobs`, peers as readers
//! of a private run, and what [`Blobs`](crate::blobs::Blobs) refuses; then nothing is run.
//!
//! A crash, or a refusal of the run, after this: what was kept stays, with its owner and its time.

use std::sync::Arc;

use tenzik::pipeline::Order;
use tenzik_receipt::Blake3;

use super::request::KeepWanted;
use crate::auth::Caller;
use crate::blobs::{Class, Wanted};
use crate::callers::Role;
use crate::error::ApiError;
use crate::node::Node;
use crate::routes::blobs::refused;
use crate::routes::blocking;
use crate::system;

/// Keeps what is wanted; durable when it returns.
pub(super) async fn keep(
    node: &Node,
    caller: &Caller,
    wanted: KeepWanted,
    order: &Order,
    is_private: bool,
) -> Result<(), ApiError> {
    caller.require(Role::Blobs)?;
    if is_private && wanted.peers {
        let message = "keep.peers: what a private run hides is not shown to peers";
        return Err(ApiError::bad_request("field", message, "leave out peers"));
    }
    let Some(blobs) = node.blobs.clone() else {
        let message = "this node keeps no blobs";
        return Err(ApiError::unprocessable(
            "no_blobs",
            message,
            "leave out keep",
        ));
    };
    let parts = [
        (wanted.capsule, Class::Capsule, &order.capsule),
        (wanted.input, Class::Input, &order.request.input),
    ];
    for (is_wanted, class, bytes) in parts {
        if !is_wanted {
            continue;
        }
        let (blobs, bytes) = (Arc::clone(&blobs), Arc::clone(bytes));
        let owner = caller.name().unwrap_or_default().to_owned();
        let now = system::now().map_err(ApiError::internal)?;
        let put = move || {
            let wanted = Wanted {
                digest: Blake3::of(&bytes),
                owner: &owner,
                class,
                peers: wanted.peers,
                keep_s: wanted.keep_s,
            };
            blobs.put(&wanted, &bytes, now)
        };
        blocking(put).await?.map_err(refused)?;
    }
    Ok(())
}
