//! An execution as lines of JSON.
//!
//! Enters: somebody who is attached. Leaves: `{"event":"queued"|"running"|"logging","elapsed_ms":N}` at once, at each change and at least once in
//! every interval, then the line that the execution ended with, piece by piece. Refuses: to go on where that line was let go before
//! its reader had all of it; the connection is cut, so that nobody takes a part for the whole.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{Stream, unfold};
use tokio::time::timeout;

use crate::executions::{Attached, State};

/// The answer is no longer kept.
#[derive(Debug, thiserror::Error)]
#[error("the answer was let go before it was read")]
pub(super) struct LetGo;

/// What is told next.
#[derive(Clone, Copy)]
enum Next {
    /// How far it is, at once.
    Now,
    /// How far it is, when that changes or the interval is over.
    Later,
    /// Its last line, from a byte on.
    End(usize),
    Nothing,
}

/// The lines, each as it comes. Dropping them leaves the execution.
pub(super) fn lines(
    attached: Attached,
    interval: Duration,
) -> impl Stream<Item = Result<Bytes, LetGo>> {
    unfold(
        (attached, Next::Now),
        move |(mut attached, next)| async move {
            if matches!(next, Next::Later) {
                // Either way it is told how far it is.
                let _ = timeout(interval, attached.changed()).await;
            }
            let (told, next) = tell(&mut attached, next)?;
            Some((told, (attached, next)))
        },
    )
}

fn tell(attached: &mut Attached, next: Next) -> Option<(Result<Bytes, LetGo>, Next)> {
    let from = match next {
        Next::Now | Next::Later => match name(attached.state()) {
            Some(event) => {
                let line = line(event, attached.elapsed().as_millis());
                return Some((Ok(line), Next::Later));
            }
            None => 0,
        },
        Next::End(from) => from,
        Next::Nothing => return None,
    };
    match attached.piece(from) {
        Some(piece) if piece.is_empty() => None,
        Some(piece) => {
            let from = from + piece.len();
            Some((Ok(piece), Next::End(from)))
        }
        None => Some((Err(LetGo), Next::Nothing)),
    }
}

fn name(state: State) -> Option<&'static str> {
    match state {
        State::Queued => Some("queued"),
        State::Running => Some("running"),
        State::Logging => Some("logging"),
        State::Ended => None,
    }
}

fn line(event: &str, elapsed_ms: u128) -> Bytes {
    format!("{{\"event\":\"{event}\",\"elapsed_ms\":{elapsed_ms}}}\n").into()
}
