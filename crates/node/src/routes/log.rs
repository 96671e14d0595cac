//! The node's log, as c2sp.org/tlog-tiles has it: `/log/checkpoint` and `/log/tile/…`.
//!
//! Enters: paths of tiles, ranges of bytes. Leaves: the published checkpoint, tiles and bundles of its tree.
//! Refuses: what is not published yet, as if it were not there; a private log to strangers; more tiles at once than there is
//! room for (503). Callers without a name have a room of their own for them, so that a reader who is slow takes nothing from peers.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, StatusCode};
use tenzik_log::Visibility;
use tenzik_log::bundle::ENTRY_BYTES_MAX;
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::{Segment, blocking, held};
use crate::auth::Caller;
use crate::callers::Role;
use crate::error::{ApiError, ErrorBody};
use crate::log::LogService;
use crate::node::Node;

/// The most bytes of an entry in a bundle, its length before it.
const PLACE_BYTES_MAX: u64 = 2 + ENTRY_BYTES_MAX as u64;
/// The most bytes of a bundle.
pub(crate) const BUNDLE_BYTES_MAX: u64 = TILE_WIDTH * PLACE_BYTES_MAX;
/// The bytes of a hash in a tile.
const HASH_BYTES: u64 = 32;
/// How long a tile waits for room. Reading one takes some milliseconds, during which its room is that of the largest.
const WAIT: Duration = Duration::from_secs(1);

/// Gives the newest published checkpoint: a signed note, with its cosignatures.
#[utoipa::path(get, path = "/log/checkpoint", responses(
    (status = 200, description = "A checkpoint (c2sp.org/tlog-checkpoint).", body = str, content_type = "text/plain; charset=utf-8"),
    (status = "default", description = "There is no log, or nothing published.", body = ErrorBody),
))]
pub(super) async fn checkpoint(
    State(node): State<Node>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let log = readable(&node, &caller)?;
    let published = log.log().published().ok_or_else(ApiError::not_found)?;
    let headers = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, published.to_bytes()).into_response())
}

/// Gives a tile of hashes or a bundle of entries, or its bytes from one on.
#[utoipa::path(get, path = "/log/tile/{path}", params(
    ("path" = String, Path, description = "The rest of the tile's path, slashes included, such as entries/000.p/7."),
    ("range" = Option<String>, Header, description = "bytes=N-; other ranges are passed over."),
), responses(
    (status = 200, description = "A tile (c2sp.org/tlog-tiles).", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 206, description = "Its bytes from N on.", body = Vec<u8>, content_type = "application/octet-stream"),
    (status = 416, description = "It has no byte N."),
    (status = "default", description = "There is none.", body = ErrorBody),
))]
pub(super) async fn tile(
    State(node): State<Node>,
    headers: HeaderMap,
    caller: Caller,
    Segment(path): Segment,
) -> Result<Response, ApiError> {
    let log = readable(&node, &caller)?.clone();
    let visibility = log.rules().visibility();
    let path: Result<TilePath, _> = format!("tile/{path}").parse();
    let path = path.map_err(|_| ApiError::not_found())?;
    let room = room(&node, &caller, path).await?;
    let bytes = blocking(move || log.log().tile(path)).await?;
    let bytes = bytes.map_err(ApiError::unavailable)?;
    let bytes = bytes.ok_or_else(ApiError::not_found)?;
    Ok(ranged(bytes.into(), room, &headers, visibility))
}

/// Room for the tile, however large it may be: taken before it is read.
async fn room(
    node: &Node,
    caller: &Caller,
    path: TilePath,
) -> Result<OwnedSemaphorePermit, ApiError> {
    let limits = &node.config.limits;
    let (free, all) = match caller.name() {
        None => (&node.answers, limits.answers_bytes_max),
        Some(_) => (&node.bodies, limits.bodies_bytes_max),
    };
    let each = match path.kind() {
        TileKind::Entries => PLACE_BYTES_MAX,
        TileKind::Hashes(_) => HASH_BYTES,
    };
    let kib = (u64::from(path.width()) * each).div_ceil(1_024);
    // A room for bodies may be smaller than a bundle, which then goes alone.
    let kib = u32::try_from(kib.min(all / 1_024)).map_err(ApiError::internal)?;
    match timeout(WAIT, Arc::clone(free).acquire_many_owned(kib)).await {
        Ok(Ok(room)) => Ok(room),
        _ => Err(ApiError::busy()),
    }
}

/// The node's log, if the caller may read it.
pub(super) fn readable<'a>(node: &'a Node, caller: &Caller) -> Result<&'a LogService, ApiError> {
    let log = node.log.as_ref().ok_or_else(ApiError::not_found)?;
    if log.rules().visibility() == Visibility::Private {
        require_reader(caller)?;
    }
    Ok(log)
}

/// That the caller has a role with which the node's logs are read.
pub(super) fn require_reader(caller: &Caller) -> Result<(), ApiError> {
    caller.require_or(Role::Peer, &[Role::Admin, Role::Append, Role::Run])
}

/// The bytes, or those from the one that a range begins with (RFC 9110 section 14). A range of another kind is passed over,
/// which the RFC allows.
fn ranged(
    bytes: Bytes,
    room: OwnedSemaphorePermit,
    headers: &HeaderMap,
    visibility: Visibility,
) -> Response {
    let all = bytes.len();
    // A cache that callers share must not give a private log to those who may not read it (RFC 9111 section 3.5).
    let shared = match visibility {
        Visibility::Private => "private",
        Visibility::Public => "public",
    };
    let immutable = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            CACHE_CONTROL,
            format!("{shared}, max-age=31536000, immutable"),
        ),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let from = headers.get(RANGE).and_then(|range| range.to_str().ok());
    let from = from.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    // A sign is none of the digits that the RFC has there.
    let from = from.filter(|from| from.bytes().all(|byte| byte.is_ascii_digit()));
    let from = from.and_then(|from| from.parse::<usize>().ok());
    match from {
        None => (immutable, held::body(bytes, room)).into_response(),
        Some(from) if from < all => {
            let range = format!("bytes {from}-{}/{all}", all - 1);
            let rest = held::part(bytes, from, room);
            (
                StatusCode::PARTIAL_CONTENT,
                immutable,
                [(CONTENT_RANGE, range)],
                rest,
            )
                .into_response()
        }
        Some(_) => {
            let range = format!("bytes */{all}");
            (StatusCode::RANGE_NOT_SATISFIABLE, [(CONTENT_RANGE, range)]).into_response()
        }
    }
}
