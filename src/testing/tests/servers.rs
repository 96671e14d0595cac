//! Servers of the proxy that break a promise: ours, with something before it that does.

use std::io::{self, BufRead as _, BufReader, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::{assert_told, known, tools};
use crate::control::Control;
use crate::gateway::proxy::{Token, serve};
use crate::gateway::{Session, SessionLimits};
use crate::testing::proxy::proxy_server_within;
use crate::testing::{Served, Stream};

/// How long a case is waited for that never ends.
const CASE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// A call that was cancelled goes on.
    DeafToCancel,
    /// A frame is read to its end, however long it is.
    EndlessFrames,
    /// Whatever comes is taken, whoever reads the answers.
    EndlessCalls,
    /// It stays when its client is gone.
    Stays,
}

/// Lines, whole up to a bound, but for those that it leaves out.
struct Lines {
    from: BufReader<UnixStream>,
    line: io::Cursor<Vec<u8>>,
    leaves_out: &'static [u8],
    line_bytes_max: usize,
}

impl Read for Lines {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.line.position() == self.line.get_ref().len() as u64 {
            let mut line = Vec::new();
            let mut from = (&mut self.from).take(self.line_bytes_max as u64);
            if from.read_until(b'\n', &mut line)? == 0 {
                return Ok(0);
            }
            let is_out = !self.leaves_out.is_empty() && line.starts_with(self.leaves_out);
            self.line = io::Cursor::new(if is_out { Vec::new() } else { line });
        }
        self.line.read(into)
    }
}

/// Everything that comes, as soon as it comes.
struct Ahead {
    pieces: Receiver<Vec<u8>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Ahead {
    fn of(mut stream: UnixStream) -> Self {
        let (sender, pieces) = channel();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            pieces,
            piece: io::Cursor::default(),
        }
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.piece.position() == self.piece.get_ref().len() as u64 {
            match self.pieces.recv() {
                Ok(piece) => self.piece = io::Cursor::new(piece),
                Err(_) => return Ok(0),
            }
        }
        self.piece.read(into)
    }
}

fn session() -> Arc<Session> {
    let limits = SessionLimits {
        tool_calls: 300,
        chain_steps: 1,
    };
    Arc::new(Session::new(Arc::new(tools()), limits, Control::default()))
}

fn opened(session: &Arc<Session>, fault: Fault) -> Served {
    let token = Token::from_bytes([3; 32]);
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (session, its) = (Arc::clone(session), token.clone());
    let (tell, ended) = channel();
    thread::spawn(move || {
        let reader = ours.try_clone().expect("a clone");
        let lines = |leaves_out: &'static [u8], line_bytes_max| Lines {
            from: BufReader::new(ours.try_clone().expect("a clone")),
            line: io::Cursor::default(),
            leaves_out,
            line_bytes_max,
        };
        let reader: Box<dyn Read + Send> = match fault {
            Fault::DeafToCancel => Box::new(lines(b"{\"cancel\"", 64 * 1024)),
            Fault::EndlessFrames => Box::new(lines(b"", usize::MAX)),
            Fault::EndlessCalls => Box::new(Ahead::of(reader)),
            Fault::Stays => Box::new(reader),
        };
        serve(&session, &its, false, reader, &ours);
        // What reads ahead has the stream too.
        let _ = ours.shutdown(Shutdown::Both);
        if fault == Fault::Stays {
            thread::sleep(2 * CASE);
        }
        drop(tell);
    });
    Served {
        stream: Stream {
            reader: Box::new(theirs.try_clone().expect("a clone")),
            writer: Box::new(theirs),
        },
        token,
        ended: Some(ended),
    }
}

fn held(fault: Fault) {
    let session = session();
    proxy_server_within(CASE, &|| opened(&session, fault), &known());
}

#[test]
fn each_broken_promise_is_named() {
    thread::scope(|scope| {
        for (fault, promise) in [
            (
                Fault::DeafToCancel,
                "gateway::proxy, frames: many calls at once: the other end",
            ),
            (
                Fault::EndlessFrames,
                "gateway::proxy, frames: a frame that is too long: the other end",
            ),
            (
                Fault::EndlessCalls,
                "gateway::proxy, frames: a client that reads no answers",
            ),
            (
                Fault::Stays,
                "gateway::proxy, frames: a connection ends with its stream",
            ),
        ] {
            scope.spawn(move || assert_told(promise, || held(fault)));
        }
    });
}
