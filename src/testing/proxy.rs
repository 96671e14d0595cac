//! What both halves of a gateway's proxy must do: frames as [`crate::gateway::proxy`] has them, written out here.

mod calls;
mod client;
mod server;

use std::io::{BufRead, BufReader, Write};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::KnownTool;
use crate::gateway::ToolId;
use crate::gateway::proxy::{Readable, Token};

pub use client::{Connect, proxy_client};
pub use server::proxy_server;
#[cfg(test)]
pub(super) use server::proxy_server_within;

const FRAMES: &str = "gateway::proxy, frames";

/// A stream's two directions.
pub struct Stream {
    /// What the other end writes.
    pub reader: Box<dyn Readable>,
    /// What the other end reads.
    pub writer: Box<dyn Write + Send>,
}

/// A fresh connection to a server, for each time that one is asked for.
pub struct Served {
    /// The client's end. Dropped, it is closed.
    pub stream: Stream,
    /// The run's token, which the server told nobody by this stream.
    pub token: Token,
    /// Tells when nothing of the server serves this connection any more, by a message or by its sender's end. `None` where
    /// nobody knows: then it is not checked that a connection ends with its stream.
    pub ended: Option<Receiver<()>>,
}

/// The client's end, frame by frame.
struct Frames {
    reader: BufReader<Box<dyn Readable>>,
    writer: Box<dyn Write + Send>,
}

impl Frames {
    fn of(stream: Stream) -> Self {
        Self {
            reader: BufReader::new(stream.reader),
            writer: stream.writer,
        }
    }

    fn next(&mut self) -> Option<Value> {
        next(&mut self.reader)
    }

    fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string());
    }

    /// A frame, in pieces: where a stream cuts makes no difference.
    fn send_text(&mut self, frame: &str) {
        for piece in format!("{frame}\n").as_bytes().chunks(7) {
            let sent = self.writer.write_all(piece);
            // A server that has refused already reads no more.
            if sent.and_then(|()| self.writer.flush()).is_err() {
                return;
            }
        }
    }

    /// The server's last word, which it says before it ends the connection.
    fn is_refused(&mut self) -> bool {
        let last = std::iter::from_fn(|| self.next()).last();
        let reason = last.and_then(|frame| Some(frame.get("refused")?.get("reason")?.is_string()));
        reason == Some(true)
    }
}

fn next(reader: &mut impl BufRead) -> Option<Value> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).unwrap_or(0);
    (read > 0).then(|| {
        let frame = serde_json::from_str(&line);
        frame.unwrap_or_else(|error| panic!("{FRAMES}: a line of JSON each: {error}: {line:?}"))
    })
}

fn call(id: u64, tool: &ToolId, arguments: &Value) -> Value {
    json!({"call": {"id": id, "request": {"run_tool": {
        "tool": tool.as_str(), "arguments": arguments,
    }}}})
}

fn known_call(id: u64, known: &KnownTool) -> Value {
    call(id, known.tool(), &known.arguments().to_value())
}

/// Does one case on a thread of its own: an end that says nothing holds up nobody for longer than this.
fn bounded<T: Send + 'static>(
    patience: Duration,
    what: &str,
    case: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, is_done) = channel();
    let case = thread::spawn(move || {
        let came = case();
        // Whoever waits may have given up.
        let _ = done.send(());
        came
    });
    if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
        panic!("{FRAMES}: {what}: the other end neither answers nor ends");
    }
    case.join().unwrap_or_else(|told| resume_unwind(told))
}
