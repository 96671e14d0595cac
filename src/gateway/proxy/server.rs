//! The half beside the tools: one connection, served until it ends.
//!
//! Enters: a stream, a session, a token. Leaves: answers. Refuses: a client without the token, frames of no known form, more
//! calls at once than [`CALLS_AT_ONCE_MAX`]. Each refusal ends the connection: a client that sends such a thing is not ours.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use super::frame::{FrameError, Frames, FromClient, FromServer, write};
use super::{Token, VERSION};
use crate::control::Control;
use crate::gateway::{Operation, Session};

/// How many calls of one connection are answered at once. A client that sends more is not waited for.
pub const CALLS_AT_ONCE_MAX: usize = 16;

/// How many threads a connection has at once: those of its calls, as many whose answers the client has not read yet, and the
/// one that reads.
pub(super) const THREADS_MAX: usize = 2 * CALLS_AT_ONCE_MAX + 1;

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// The client closed it, or the run is over.
    Closed,
    /// The stream failed.
    Failed(String),
    /// The client was refused; it was told why.
    Refused(String),
}

/// Serves a connection to its end, on this thread and one more for each call that is under way.
///
/// `inherited` says that nobody but the run's own code can have the stream's other end, so that the token goes by it.
/// To end it from outside, shut the stream down. It returns when all calls have.
pub fn serve(
    session: &Arc<Session>,
    token: &Token,
    inherited: bool,
    reader: impl Read + Send,
    writer: impl Write + Send,
) -> Ended {
    let connection = Connection {
        session: Arc::clone(session),
        stream: Mutex::new(Stream {
            frames: Frames::new(reader),
            ended: None,
        }),
        writer: Mutex::new(writer),
        calls: Mutex::new(HashMap::new()),
        threads: Mutex::new(Threads { all: 1, calling: 0 }),
    };
    let ended = connection.serve(token, inherited);
    if let Ended::Refused(reason) = &ended {
        let reason = reason.clone();
        // It may be gone already, and then needs no reason.
        let _ = connection.send(&FromServer::Refused { reason });
    }
    ended
}

/// A connection's threads are alike. One of them reads; when it has a call it leaves the stream to the next, makes the call and
/// answers it itself. So an answer waits for no other thread, and a call that takes long keeps nobody from being read.
struct Connection<R, W> {
    session: Arc<Session>,
    stream: Mutex<Stream<R>>,
    writer: Mutex<W>,
    /// The calls that are under way.
    calls: Mutex<HashMap<u64, Control>>,
    threads: Mutex<Threads>,
}

struct Stream<R> {
    frames: Frames<R>,
    /// Set by the thread that read the last frame.
    ended: Option<Ended>,
}

struct Threads {
    all: usize,
    /// Those that have a call, or an answer left to write.
    calling: usize,
}

impl<R: Read + Send, W: Write + Send> Connection<R, W> {
    fn serve(&self, token: &Token, inherited: bool) -> Ended {
        let greeting = FromServer::Gateway {
            version: VERSION,
            token: inherited.then(|| token.to_hex()),
        };
        if let Err(error) = self.send(&greeting) {
            return Ended::Failed(error.to_string());
        }
        match self.stream().frames.next() {
            Ok(Some(FromClient::Hello {
                version: VERSION,
                token: shown,
            })) if token.is(&shown) => {}
            Ok(Some(FromClient::Hello {
                version: VERSION, ..
            })) => {
                return Ended::Refused("the token is not this run's".to_owned());
            }
            Ok(Some(FromClient::Hello { version, .. })) => {
                return Ended::Refused(format!("version {version} is not known, {VERSION} is"));
            }
            Ok(Some(_)) => return Ended::Refused("the first frame is hello".to_owned()),
            other => return ended(other),
        }
        thread::scope(|scope| self.take_turns(scope));
        self.stream().ended.take().unwrap_or(Ended::Closed)
    }

    fn take_turns<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        while let Some((id, request, control)) = self.next_call(scope) {
            let answer = self.session.call_controlled(&request, &control);
            // The id is free again when the client can know of it.
            self.calls().remove(&id);
            // A client that is gone wants no answer.
            let _ = self.send(&FromServer::Answer { id, answer });
            self.threads().calling -= 1;
        }
    }

    /// Waits for its turn, and reads up to a call; `None` when the connection is over.
    fn next_call<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> Option<(u64, Operation, Control)> {
        let mut stream = self.stream();
        if stream.ended.is_some() {
            return None;
        }
        let ended = loop {
            match stream.frames.next() {
                Ok(Some(FromClient::Call { id, request })) => {
                    let control = Control::default();
                    if let Err(reason) = self.begin(id, &control) {
                        break Ended::Refused(reason);
                    }
                    match self.leave_the_stream(scope) {
                        Ok(()) => return Some((id, request, control)),
                        Err(error) => {
                            break Ended::Failed(format!("no thread for a call: {error}"));
                        }
                    }
                }
                Ok(Some(FromClient::Cancel { id })) => {
                    if let Some(control) = self.calls().get(&id) {
                        control.cancel();
                    }
                }
                Ok(Some(FromClient::Hello { .. })) => {
                    break Ended::Refused("hello comes once".to_owned());
                }
                other => break ended(other),
            }
        };
        stream.ended = Some(ended);
        // Nobody waits for what is under way.
        self.calls().values().for_each(Control::cancel);
        None
    }

    /// This thread has a call. If no other is left to read, one more is begun; at the bound none is, and the stream is read
    /// again when a client that reads no answers has read one.
    fn leave_the_stream<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) -> io::Result<()> {
        let mut threads = self.threads();
        if threads.calling + 1 == threads.all && threads.all < THREADS_MAX {
            thread::Builder::new().spawn_scoped(scope, || self.take_turns(scope))?;
            threads.all += 1;
        }
        threads.calling += 1;
        Ok(())
    }

    fn begin(&self, id: u64, control: &Control) -> Result<(), String> {
        let mut calls = self.calls();
        if calls.len() >= CALLS_AT_ONCE_MAX {
            return Err(format!("more than {CALLS_AT_ONCE_MAX} calls at once"));
        }
        if calls.contains_key(&id) {
            return Err(format!("the call {id} is under way"));
        }
        calls.insert(id, control.clone());
        Ok(())
    }

    fn stream(&self) -> MutexGuard<'_, Stream<R>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<u64, Control>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, frame: &FromServer) -> io::Result<()> {
        write(
            &mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner),
            frame,
        )
    }
}

/// The end that a stream came to.
fn ended(read: Result<Option<FromClient>, FrameError>) -> Ended {
    match read {
        Ok(_) => Ended::Closed,
        Err(FrameError::Io(error)) => Ended::Failed(error.to_string()),
        Err(error) => Ended::Refused(error.to_string()),
    }
}
