//! An execution as lines of JSON.
//!
//! Enters: somebody who is attached. Leaves: `{"event":"queued"|"running","elapsed_ms":N}` at once, at each change and at least once in
//! every interval, then the line that the execution ended with. Refuses nothing.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::time::timeout;

use crate::executions::{Attached, State};

/// The lines, each as it comes. Dropping them leaves the execution.
pub(super) fn lines(
    attached: Attached,
    interval: Duration,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    unfold(
        (Some(attached), true),
        move |(attached, first)| async move {
            let mut attached = attached?;
            if !first {
                // Either way it is told how far it is.
                let _ = timeout(interval, attached.changed()).await;
            }
            let elapsed_ms = attached.elapsed().as_millis();
            let (line, rest) = match attached.state() {
                State::Queued => (line("queued", elapsed_ms), Some(attached)),
                State::Running => (line("running", elapsed_ms), Some(attached)),
                State::Ended(Some(end)) => (Bytes::from_owner(end), None),
                // It is not let go while somebody is attached.
                State::Ended(None) => return None,
            };
            Some((Ok(line), (rest, false)))
        },
    )
}

fn line(event: &str, elapsed_ms: u128) -> Bytes {
    format!("{{\"event\":\"{event}\",\"elapsed_ms\":{elapsed_ms}}}\n").into()
}
