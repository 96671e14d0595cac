//! What went through a run's gateway, and its root.
//!
//! Enters: requests with their answers, in the order in which they were answered; or a transcript file.
//! Leaves: lines of JSON, one an exchange, and the Merkle root that a receipt has. Refuses: more than a bound of either.
//!
//! ```json
//! {"request":{"run_tool":{"tool":"a:b","arguments":{}}},"answer":{"ok":{"result":1}}}
//! ```
//!
//! A leaf of the tree (RFC 6962, SHA-256) is a line without its newline, byte for byte.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tenzik_receipt::{Sha256, merkle};

use super::message::outcome;
use super::{Answer, GatewayError, GatewayErrorCode, MESSAGE_CHARS_MAX, Operation};

/// The most exchanges of one run: those of the largest limit on calls, and as many questions about tools.
pub const EXCHANGES_MAX: usize = 131_072;
/// The longest transcript: what a run's host must hold in memory.
pub const TRANSCRIPT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What was asked.
    pub request: Operation,
    /// What was answered.
    #[serde(with = "outcome")]
    pub answer: Result<Answer, GatewayError>,
}

impl Exchange {
    fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// An exchange whose request was written before.
#[derive(Serialize)]
struct Written<'a> {
    request: &'a RawValue,
    #[serde(serialize_with = "outcome::serialize")]
    answer: &'a Result<Answer, GatewayError>,
}

/// All that went through a run's gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    text: String,
    leaves: Vec<Sha256>,
}

/// A file that is no transcript.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the transcript: {reason}")]
pub struct NotATranscript {
    /// The line, counted from 1.
    pub line: usize,
    /// Why, in at most 200 characters.
    pub reason: String,
}

impl Transcript {
    /// The file: each exchange in a line that ends with a newline.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// How many exchanges there are.
    pub fn len(&self) -> usize {
        self.leaves.len()
    }

    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// The root that a receipt has; `None` of no exchange.
    pub fn root(&self) -> Option<Sha256> {
        (!self.is_empty()).then(|| merkle::root(&self.leaves))
    }

    /// The exchanges, in order.
    pub fn exchanges(&self) -> impl Iterator<Item = Exchange> + '_ {
        // Each line was written or read by this module.
        self.text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
    }

    /// Of lines that were written or read by this module.
    pub(super) fn of(text: String) -> Self {
        let leaves = text
            .split_terminator('\n')
            .map(|line| merkle::leaf_hash(line.as_bytes()))
            .collect();
        Self { text, leaves }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`NotATranscript`] with the first line that this module would not have written so.
    pub fn read(text: &str) -> Result<Self, NotATranscript> {
        let mut recorder = Recorder::default();
        let mut rest = text;
        while !rest.is_empty() {
            let line = recorder.exchanges + 1;
            let refused = |reason: String| NotATranscript {
                line,
                reason: reason.chars().take(200).collect(),
            };
            let (first, behind) = rest
                .split_once('\n')
                .ok_or_else(|| refused("no newline at its end".to_owned()))?;
            let exchange: Exchange =
                serde_json::from_str(first).map_err(|error| refused(error.to_string()))?;
            let written = exchange
                .line()
                .map_err(|error| refused(error.to_string()))?;
            if written != first {
                return Err(refused("not in the form that is written".to_owned()));
            }
            recorder
                .record(&exchange)
                .map_err(|full| refused(GatewayError::from(full).message))?;
            rest = behind;
        }
        Ok(Self::of(recorder.close()))
    }
}

/// A transcript that grows until it is closed. It is hashed then: while it grows, a call waits for what is done here.
#[derive(Default)]
pub(super) struct Recorder {
    text: String,
    exchanges: usize,
    /// Exchanges that are under way, and the bytes that are kept free for them.
    kept_exchanges: usize,
    kept_bytes: usize,
    closed: bool,
}

/// Room for an exchange whose answer is not there yet: enough for the request, as it is written, with any error.
#[derive(Debug)]
pub(super) struct Room(Box<RawValue>);

impl Room {
    fn bytes(&self) -> usize {
        self.0.get().len() + ERROR_BYTES_MAX
    }

    fn line(&self, answer: &Result<Answer, GatewayError>) -> Result<String, Full> {
        let written = Written {
            request: &self.0,
            answer,
        };
        serde_json::to_string(&written).map_err(|_| Full::Full)
    }
}

/// The longest error, each character of its message as long as it can be, with what stands around request and answer.
const ERROR_BYTES_MAX: usize = 6 * MESSAGE_CHARS_MAX + 256;

/// Why an exchange was not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    Closed,
    Full,
}

impl From<Full> for GatewayError {
    fn from(full: Full) -> Self {
        match full {
            Full::Closed => Self::cancelled(),
            Full::Full => Self::new(GatewayErrorCode::LimitReached, "the transcript is full"),
        }
    }
}

impl Recorder {
    /// Keeps room for a request before anything is done for it: what was done must be in the transcript.
    pub(super) fn keep_room(&mut self, request: &Operation) -> Result<Room, Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        let room = Room(to_raw_value(request).map_err(|_| Full::Full)?);
        if !self.has(room.bytes()) {
            return Err(Full::Full);
        }
        self.kept_exchanges += 1;
        self.kept_bytes += room.bytes();
        Ok(room)
    }

    /// Records an exchange for which room was kept. An answer that is longer than what is left is recorded, and given, as an
    /// error.
    pub(super) fn record_kept(
        &mut self,
        room: &Room,
        mut exchange: Exchange,
    ) -> Result<Exchange, Full> {
        self.kept_exchanges -= 1;
        self.kept_bytes -= room.bytes();
        let recorded = room
            .line(&exchange.answer)
            .and_then(|line| self.push(&line));
        if recorded == Err(Full::Full) {
            exchange.answer = Err(GatewayError::from(Full::Full));
            let line = room.line(&exchange.answer)?;
            return self.push(&line).map(|()| exchange);
        }
        recorded.map(|()| exchange)
    }

    pub(super) fn record(&mut self, exchange: &Exchange) -> Result<(), Full> {
        let line = exchange.line().map_err(|_| Full::Full)?;
        self.push(&line)
    }

    fn push(&mut self, line: &str) -> Result<(), Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        if !self.has(line.len() + 1) {
            return Err(Full::Full);
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.exchanges += 1;
        Ok(())
    }

    /// Whether there is room for one exchange of so many bytes beside what is kept.
    fn has(&self, bytes: usize) -> bool {
        self.exchanges + self.kept_exchanges < EXCHANGES_MAX
            && self.text.len() + self.kept_bytes + bytes <= TRANSCRIPT_BYTES_MAX
    }

    /// The lines of a [`Transcript`].
    pub(super) fn close(&mut self) -> String {
        self.closed = true;
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{Json, ToolId};

    #[test]
    fn what_room_was_kept_for_is_written_as_it_is_read() {
        let request = Operation::RunTool {
            tool: ToolId::new("a:b").expect("an id"),
            arguments: Json::new(r#"{"a":1.50}"#).expect("JSON"),
        };
        let result = Answer::Result(Json::new("[ 1 ]").expect("JSON"));
        for answer in [Ok(result), Err(GatewayError::cancelled())] {
            let exchange = Exchange {
                request: request.clone(),
                answer,
            };
            let mut recorder = Recorder::default();
            let room = recorder.keep_room(&request).expect("room");
            let recorded = recorder.record_kept(&room, exchange.clone());
            assert_eq!(recorded, Ok(exchange.clone()));
            assert_eq!((recorder.kept_exchanges, recorder.kept_bytes), (0, 0));
            let transcript = Transcript::of(recorder.close());
            assert_eq!(
                Transcript::read(transcript.as_str()),
                Ok(transcript.clone())
            );
            assert_eq!(transcript.exchanges().collect::<Vec<_>>(), [exchange]);
        }
    }
}
