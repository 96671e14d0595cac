//! A call's way to its tools: frames between the worker's lines and the gateway's stream.
//!
//! Enters: a session. Leaves: lines for the worker. Refuses: what the gateway refuses. Stream and token are of this call alone;
//! the worker has neither, and what it asks for after its call finds nobody.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use serde::Deserialize;
use tenzik::backend::BackendError;
use tenzik::gateway::Session;

use crate::supervise::{CHUNK, unblock};
use crate::tools::{self, Tools};

/// The gateway's first frame.
#[derive(Deserialize)]
struct Greeting {
    gateway: Greeted,
}

#[derive(Deserialize)]
struct Greeted {
    version: u32,
    token: String,
}

pub(super) struct Relay {
    pub(super) stream: File,
    /// What the gateway has still to be told, from `asked` on.
    pub(super) asking: Vec<u8>,
    asked: usize,
    /// What it said, up to the end of a line.
    saying: Vec<u8>,
    unanswered: u64,
    pub(super) closed: bool,
    /// Dropped last: with it what is under way is cancelled.
    _tools: Tools,
}

impl Relay {
    pub(super) fn open(session: &Arc<Session>) -> Result<Self, BackendError> {
        let failed = |error| BackendError::failed("open the gateway", error);
        let (tools, theirs) = tools::open(session)?;
        let stream = UnixStream::from(theirs);
        // A stream of our own, which is answered by our own thread: this waits for nobody else.
        let mut line = String::new();
        BufReader::new(&stream)
            .read_line(&mut line)
            .map_err(failed)?;
        let Greeting { gateway } =
            serde_json::from_str(&line).map_err(|error| failed(error.into()))?;
        let hello =
            serde_json::json!({"hello": {"version": gateway.version, "token": gateway.token}});
        (&stream)
            .write_all(format!("{hello}\n").as_bytes())
            .map_err(failed)?;
        if !unblock(stream.as_fd()) {
            return Err(failed(std::io::Error::last_os_error()));
        }
        Ok(Self {
            stream: File::from(std::os::fd::OwnedFd::from(stream)),
            asking: Vec::new(),
            asked: 0,
            saying: Vec::new(),
            unanswered: 0,
            closed: false,
            _tools: tools,
        })
    }

    /// Takes a frame of the worker's. A gateway that has hung up is asked nothing.
    pub(super) fn ask(&mut self, frame: &[u8]) {
        self.unanswered += 1;
        if self.closed {
            return;
        }
        self.asking.extend_from_slice(frame);
        self.asking.push(b'\n');
    }

    /// Whether every frame of the worker's was answered, and it was not refused.
    pub(super) const fn is_settled(&self) -> bool {
        self.unanswered == 0 && !self.closed && self.asking.is_empty()
    }

    /// Moves what can be moved now. Gives the frames that are whole, for the worker.
    pub(super) fn serve(&mut self) -> Vec<Vec<u8>> {
        self.tell();
        let mut buffer = [0; CHUNK];
        let mut bytes: &[u8] = match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.closed = true;
                &[]
            }
            Ok(count) => &buffer[..count],
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                &[]
            }
            Err(_) => {
                self.closed = true;
                &[]
            }
        };
        if self.closed {
            // What it did not read nobody will: the worker is listened to again.
            self.asking.clear();
            self.asked = 0;
        }
        let mut frames = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut frame = std::mem::take(&mut self.saying);
            frame.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.unanswered = self.unanswered.saturating_sub(1);
            frames.push(frame);
        }
        self.saying.extend_from_slice(bytes);
        frames
    }

    fn tell(&mut self) {
        if self.asking.is_empty() {
            return;
        }
        match self.stream.write(&self.asking[self.asked..]) {
            Ok(count) => self.asked += count,
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It hangs up on whom it refuses.
            Err(_) => self.asked = self.asking.len(),
        }
        if self.asked == self.asking.len() {
            self.asking.clear();
            self.asked = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use tenzik::control::Control;
    use tenzik::gateway::SessionLimits;
    use tenzik::gateway::direct::Direct;

    use super::*;

    /// What was asked of a gateway that had hung up waited for it without end, and while it did the worker was not heard.
    #[test]
    fn a_gateway_that_has_hung_up_keeps_nobody_waiting() {
        let limits = SessionLimits {
            tool_calls: 1,
            chain_steps: 1,
        };
        let gateway = Arc::new(Direct::new([]).expect("no tools"));
        let session = Arc::new(Session::new(gateway, limits, Control::default()));
        let mut relay = Relay::open(&session).expect("a relay");
        relay.ask(b"nonsense");
        let closed = (0..1_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            relay.serve();
            relay.closed
        });
        assert!(closed && relay.asking.is_empty());
        relay.ask(b"more");
        assert!(relay.asking.is_empty() && !relay.is_settled());
    }
}
