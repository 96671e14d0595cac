//! Frames: lines of JSON, read within a bound.
//!
//! Enters: bytes of a stranger, or frames. Leaves: the other. Refuses: a line that is longer than the bound, without reading
//! more of it than that; one that is not of the form.

use std::io::{self, BufRead as _, BufReader, Read, Write};

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

/// How much of a stream is read at a time.
const READ_BYTES: usize = 16 * 1024;

/// The frames of a stream, one after the other.
pub(super) struct Frames<R> {
    reader: BufReader<R>,
    /// A frame of which the end was not there yet.
    begun: Vec<u8>,
}

/// What one read comes to.
pub(super) enum Piece<F> {
    End,
    Frame(F),
    /// The frame goes on.
    Part,
}

impl<R: Read> Frames<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader: BufReader::with_capacity(READ_BYTES, reader),
            begun: Vec::new(),
        }
    }

    /// Waits for a frame; `None` at the stream's end.
    pub(super) fn next<F: for<'de> Deserialize<'de>>(&mut self) -> Result<Option<F>, FrameError> {
        loop {
            match self.piece()? {
                Piece::End => return Ok(None),
                Piece::Frame(frame) => return Ok(Some(frame)),
                Piece::Part => {}
            }
        }
    }

    /// Goes on with what was read, or reads once.
    pub(super) fn piece<F: for<'de> Deserialize<'de>>(&mut self) -> Result<Piece<F>, FrameError> {
        let read = match self.reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(Piece::Part),
            read => read?,
        };
        if read.is_empty() {
            return match self.begun.is_empty() {
                true => Ok(Piece::End),
                false => Err(FrameError::Torn),
            };
        }
        let end = memchr::memchr(b'\n', read);
        let count = end.unwrap_or(read.len());
        if self.begun.len() + count > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong);
        }
        // Most frames come in one piece, and are read where they are.
        let whole = end.is_some() && self.begun.is_empty();
        if !whole {
            self.begun.extend_from_slice(&read[..count]);
        }
        let frame = end.map(|_| match whole {
            true => parse(&read[..count]),
            false => parse(&std::mem::take(&mut self.begun)),
        });
        self.reader.consume(count + usize::from(end.is_some()));
        frame
            .transpose()
            .map(|frame| frame.map_or(Piece::Part, Piece::Frame))
    }

    /// Whether something is there that was read and not yet given.
    #[cfg(unix)]
    pub(super) fn has_read(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    #[cfg(unix)]
    pub(super) fn stream(&self) -> &R {
        self.reader.get_ref()
    }
}

fn parse<F: for<'de> Deserialize<'de>>(line: &[u8]) -> Result<F, FrameError> {
    serde_json::from_slice(line)
        .map_err(|error| FrameError::Form(error.to_string().chars().take(200).collect()))
}

/// Writes a frame in one piece.
pub(super) fn write(stream: &mut impl Write, frame: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    stream.flush()
}
