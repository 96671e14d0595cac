//! Answers that take room until they are sent.
//!
//! Enters: bytes, and the room that was taken for them. Leaves: a body. Refuses: nothing; who takes the room does.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// A body that gives back its room when it is sent, or its connection is cut. Of the room, in KiB, only what the bytes take is
/// kept until then.
pub(super) fn body(bytes: Bytes, room: OwnedSemaphorePermit) -> Body {
    part(bytes, 0, room)
}

/// The same of the bytes from one on; all of them are in memory, and take their room.
pub(super) fn part(bytes: Bytes, from: usize, mut room: OwnedSemaphorePermit) -> Body {
    let kib = bytes.len().div_ceil(1_024).min(room.num_permits());
    let room = room.split(kib);
    let bytes = Some(bytes.slice(from..));
    Body::new(Held { bytes, _room: room })
}

/// Bytes with the room that they take, until they are sent.
struct Held {
    bytes: Option<Bytes>,
    _room: Option<OwnedSemaphorePermit>,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn a_body_keeps_what_it_takes_until_it_is_dropped() {
        let free = Arc::new(Semaphore::new(8));
        let take = |kib| Arc::clone(&free).try_acquire_many_owned(kib).expect("room");
        let held = body(Bytes::from(vec![0; 2_049]), take(8));
        assert_eq!(free.available_permits(), 5);
        // Less may have been taken than there are bytes; it is kept all the same.
        let large = body(Bytes::from(vec![0; 1 << 20]), take(5));
        assert_eq!(free.available_permits(), 0);
        drop((held, large));
        assert_eq!(free.available_permits(), 8);
    }
}
