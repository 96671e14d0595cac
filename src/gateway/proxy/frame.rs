//! Frames: lines of JSON, read within a bound.
//!
//! Enters: bytes of a stranger, or frames. Leaves: the other. Refuses: a line that is longer than the bound, without reading
//! more of it than that; one that is not of the form.

use std::io::{self, BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use crate::gateway::message::outcome;
use crate::gateway::{Answer, GatewayError, Operation};

/// The longest frame: the longest JSON text twice (a chain has arguments and results), with what stands around it.
pub const FRAME_BYTES_MAX: usize = 2 * crate::json::TEXT_BYTES_MAX + 64 * 1024;

/// A frame of the server's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FromServer {
    Answer {
        id: u64,
        #[serde(with = "outcome")]
        answer: Result<Answer, GatewayError>,
    },
    Gateway {
        version: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    Refused {
        reason: String,
    },
}

/// A frame of the client's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum FromClient {
    Call { id: u64, request: Operation },
    Cancel { id: u64 },
    Hello { version: u32, token: String },
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("the frame is not of a known form: {0}")]
    Form(String),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the frame has more than {FRAME_BYTES_MAX} bytes")]
    TooLong,
    #[error("the last frame has no end")]
    Torn,
}

/// Reads a frame; `None` at the stream's end.
pub(super) fn read<F: for<'de> Deserialize<'de>>(
    stream: &mut impl BufRead,
) -> Result<Option<F>, FrameError> {
    let mut line = Vec::new();
    stream
        .take(FRAME_BYTES_MAX as u64 + 1)
        .read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => serde_json::from_slice(&line)
            .map(Some)
            .map_err(|error| FrameError::Form(error.to_string().chars().take(200).collect())),
        Some(_) if line.len() >= FRAME_BYTES_MAX => Err(FrameError::TooLong),
        Some(_) => Err(FrameError::Torn),
    }
}

/// Writes a frame in one piece.
pub(super) fn write(stream: &mut impl Write, frame: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.flush()
}
