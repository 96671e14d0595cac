//! A request's body, read only when the handler wants it, and within bounds.
//!
//! Enters: a body of any length and pace. Leaves: [`Received`] bytes or JSON, with the room that they take. Refuses: other types
//! (415), too many bytes (413, at once where the length is declared), too slow (408), JSON with unknown or doubled members (400),
//! and more bytes than the node has room for over all requests (503). Callers without a name have a room of their own, and a
//! smaller bound: what they send takes nothing from those who have one. A route may have a room of its own, too.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::ms;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::node::Node;
use crate::text;

/// The type of JSON bodies.
const JSON: &str = "application/json";

/// A body that was not read yet. The last argument of a handler.
pub struct Intake {
    headers: HeaderMap,
    body: Body,
    node: Node,
    /// The room that it counts against, where that is not the one of all named callers.
    room: Option<Room>,
    bytes_max: u32,
}

/// What was read, and the room that it takes: keep both as long as either is needed.
pub struct Received<T> {
    /// What was read.
    pub value: T,
    /// Its room, given back when dropped.
    pub room: Room,
}

/// Room for the bytes of a body: the same number of bytes of each of its parts.
pub struct Room(Vec<Part>);

struct Part {
    free: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
    /// What is said where it is full.
    full: fn() -> ApiError,
}

impl FromRequest<Node> for Intake {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, node: &Node) -> Result<Self, Self::Rejection> {
        let (head, body) = request.into_parts();
        Ok(Self {
            headers: head.headers,
            body,
            node: node.clone(),
            room: None,
            bytes_max: u32::MAX,
        })
    }
}

impl Intake {
    /// The same as this caller's: a route that takes bodies of callers without a name says so before it reads.
    #[must_use]
    pub fn of(self, caller: &Caller) -> Self {
        match caller.name() {
            Some(_) => self,
            None => Self {
                bytes_max: self.node.config.limits.stranger_body_bytes_max,
                room: Some(Room::of(&self.node.strangers, ApiError::busy)),
                ..self
            },
        }
    }

    /// The same, in a room of the route's own.
    pub(crate) fn within(self, room: Room) -> Self {
        let room = Some(room);
        Self { room, ..self }
    }

    /// Reads JSON. `T` denies unknown members by `#[serde(deny_unknown_fields)]`; doubled ones are refused for it.
    ///
    /// # Errors
    /// [`ApiError`] as above.
    pub async fn json<T: DeserializeOwned>(self, bytes_max: u32) -> Result<Received<T>, ApiError> {
        let Received { value, room } = self.bytes(JSON, bytes_max).await?;
        let value = from_json(&value)?;
        Ok(Received { value, room })
    }

    /// Reads bytes of a media type.
    ///
    /// # Errors
    /// [`ApiError`] as above, but for JSON's.
    pub async fn bytes(
        self,
        media_type: &'static str,
        bytes_max: u32,
    ) -> Result<Received<Bytes>, ApiError> {
        if !is_of(&self.headers, media_type) {
            return Err(ApiError::media_type(media_type));
        }
        self.any(bytes_max).await
    }

    /// Reads bytes, whatever they are said to be.
    ///
    /// # Errors
    /// [`ApiError`] as above, but for JSON's and the type's.
    pub async fn any(self, bytes_max: u32) -> Result<Received<Bytes>, ApiError> {
        let bytes_max = bytes_max.min(self.bytes_max);
        if self.body.size_hint().lower() > bytes_max.into() {
            return Err(ApiError::too_large(bytes_max.into()));
        }
        let patience = ms(self.node.config.limits.body_timeout_ms);
        let named = || Room::of(&self.node.bodies, ApiError::busy);
        let room = self.room.unwrap_or_else(named);
        timeout(patience, collect(self.body, bytes_max, room))
            .await
            .unwrap_or_else(|_| Err(ApiError::too_slow()))
    }
}

/// A body that was read as bytes, as JSON.
///
/// # Errors
/// [`ApiError`] 400.
pub(crate) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message = format!("the body is not the JSON that is taken here: {error}");
        ApiError::bad_request("json", text::shown(&message), "see /openapi.json")
    })
}

async fn collect(
    mut body: Body,
    bytes_max: u32,
    mut room: Room,
) -> Result<Received<Bytes>, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let hint = "send it again, whole";
            ApiError::bad_request("body", "the body was cut short or malformed", hint)
                .caused_by(text::shown(&error.to_string()))
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if bytes.len() + data.len() > bytes_max as usize {
            return Err(ApiError::too_large(bytes_max.into()));
        }
        room.hold(bytes.len() + data.len())?;
        bytes.extend_from_slice(&data);
    }
    let value = bytes.freeze();
    Ok(Received { value, room })
}

/// Room for so many bytes, counted in KiB.
pub(crate) fn room(bytes: u64) -> Arc<Semaphore> {
    let kib = usize::try_from(bytes / 1_024).unwrap_or(usize::MAX);
    Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS)))
}

impl Room {
    /// None yet, of what is free here. `full` is what is said where nothing is.
    pub(crate) fn of(free: &Arc<Semaphore>, full: fn() -> ApiError) -> Self {
        Self(Vec::new()).and(free, full)
    }

    /// And as much of what is free there.
    pub(crate) fn and(mut self, free: &Arc<Semaphore>, full: fn() -> ApiError) -> Self {
        self.0.push(Part {
            free: Arc::clone(free),
            taken: None,
            full,
        });
        self
    }

    /// Takes room for so many bytes in all.
    fn hold(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.0.iter_mut().try_for_each(|part| part.hold(bytes))
    }
}

impl Part {
    fn hold(&mut self, bytes: usize) -> Result<(), ApiError> {
        let held = self
            .taken
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits);
        let more = bytes.div_ceil(1_024).saturating_sub(held);
        let more = u32::try_from(more).map_err(|_| (self.full)())?;
        let permit = Arc::clone(&self.free)
            .try_acquire_many_owned(more)
            .map_err(|_| (self.full)())?;
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        Ok(())
    }
}

/// Whether the body has this type, with any parameters, and is not packed.
fn is_of(headers: &HeaderMap, media_type: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let essence = value
        .to_str()
        .ok()
        .and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(media_type))
        && !headers.contains_key(CONTENT_ENCODING)
}
