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

    /// Reads a file.
    ///
    /// # Errors
    /// [`NotATranscript`] with the first line that this module would not have written so.
    pub fn read(text: &str) -> Result<Self, NotATranscript> {
        let mut recorder = Recorder::default();
        let mut rest = text;
        while !rest.is_empty() {
            let line = recorder.transcript.len() + 1;
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
        Ok(recorder.close())
    }
}

/// A transcript that grows until it is closed.
#[derive(Default)]
pub(super) struct Recorder {
    transcript: Transcript,
    /// Exchanges that are under way, and the bytes that are kept free for them.
    kept: Room,
    closed: bool,
}

/// Room for an exchange whose answer is not there yet: enough for the request with any error.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    exchanges: usize,
    bytes: usize,
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
        let request = serde_json::to_string(request).map_err(|_| Full::Full)?;
        let room = Room {
            exchanges: 1,
            bytes: request.len() + ERROR_BYTES_MAX,
        };
        if !self.has(room) {
            return Err(Full::Full);
        }
        self.kept.exchanges += room.exchanges;
        self.kept.bytes += room.bytes;
        Ok(room)
    }

    /// Records an exchange for which room was kept. An answer that is longer than what is left is recorded, and given, as an
    /// error.
    pub(super) fn record_kept(&mut self, room: Room, exchange: Exchange) -> Result<Exchange, Full> {
        self.kept.exchanges -= room.exchanges;
        self.kept.bytes -= room.bytes;
        match self.record(&exchange) {
            Err(Full::Full) => {
                let error = GatewayError::from(Full::Full);
                let short = Exchange {
                    answer: Err(error),
                    ..exchange
                };
                self.record(&short).map(|()| short)
            }
            recorded => recorded.map(|()| exchange),
        }
    }

    pub(super) fn record(&mut self, exchange: &Exchange) -> Result<(), Full> {
        if self.closed {
            return Err(Full::Closed);
        }
        let line = exchange.line().map_err(|_| Full::Full)?;
        let room = Room {
            exchanges: 1,
            bytes: line.len() + 1,
        };
        if !self.has(room) {
            return Err(Full::Full);
        }
        self.transcript
            .leaves
            .push(merkle::leaf_hash(line.as_bytes()));
        self.transcript.text.push_str(&line);
        self.transcript.text.push('\n');
        Ok(())
    }

    /// Whether there is so much beside what is kept.
    fn has(&self, room: Room) -> bool {
        self.transcript.len() + self.kept.exchanges + room.exchanges <= EXCHANGES_MAX
            && self.transcript.text.len() + self.kept.bytes + room.bytes <= TRANSCRIPT_BYTES_MAX
    }

    pub(super) fn close(&mut self) -> Transcript {
        self.closed = true;
        std::mem::take(&mut self.transcript)
    }
}
