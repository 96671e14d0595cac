//! The half beside the tools: one connection, served until it ends.
//!
//! Enters: a stream, a session, a token. Leaves: answers. Refuses: a client without the token, frames of no known form, more
//! calls at once than [`CALLS_AT_ONCE_MAX`]. Each refusal ends the connection: a client that sends such a thing is not ours.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::frame::{FrameError, FromClient, FromServer, read, write};
use super::{Token, VERSION};
use crate::control::Control;
use crate::gateway::Session;

/// How many calls of one connection are answered at once. A client that sends more is not waited for.
pub const CALLS_AT_ONCE_MAX: usize = 16;

/// How many threads a connection has at once: those of its calls, and as many whose answers the client has not read yet.
pub(super) const THREADS_MAX: usize = 2 * CALLS_AT_ONCE_MAX;

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
    reader: impl Read,
    writer: impl Write + Send,
) -> Ended {
    let connection = Connection {
        session: Arc::clone(session),
        writer: Mutex::new(writer),
        calls: Mutex::new(HashMap::new()),
        threads: Mutex::new(0),
        one_less: Condvar::new(),
    };
    let ended = connection.serve(token, inherited, reader);
    if let Ended::Refused(reason) = &ended {
        let reason = reason.clone();
        // It may be gone already, and then needs no reason.
        let _ = connection.send(&FromServer::Refused { reason });
    }
    ended
}

struct Connection<W> {
    session: Arc<Session>,
    writer: Mutex<W>,
    /// The calls that are under way.
    calls: Mutex<HashMap<u64, Control>>,
    /// How many threads there are, those included that only have an answer left to write.
    threads: Mutex<usize>,
    /// Told when there is one less.
    one_less: Condvar,
}

impl<W: Write + Send> Connection<W> {
    fn serve(&self, token: &Token, inherited: bool, reader: impl Read) -> Ended {
        let mut reader = BufReader::new(reader);
        let greeting = FromServer::Gateway {
            version: VERSION,
            token: inherited.then(|| token.to_hex()),
        };
        if let Err(error) = self.send(&greeting) {
            return Ended::Failed(error.to_string());
        }
        match read(&mut reader) {
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
        thread::scope(|scope| {
            let ended = loop {
                match read(&mut reader) {
                    Ok(Some(FromClient::Call { id, request })) => {
                        let control = Control::default();
                        if let Err(reason) = self.begin(id, &control) {
                            break Ended::Refused(reason);
                        }
                        // A client that reads no answers is not read either.
                        self.wait_for_a_thread();
                        let answering = move || {
                            let answer = self.session.call_controlled(&request, &control);
                            // The id is free again when the client can know of it.
                            self.calls().remove(&id);
                            // A client that is gone wants no answer.
                            let _ = self.send(&FromServer::Answer { id, answer });
                            self.end_a_thread();
                        };
                        if let Err(error) = thread::Builder::new().spawn_scoped(scope, answering) {
                            break Ended::Failed(format!("no thread for a call: {error}"));
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
            // Nobody waits for what is under way.
            self.calls().values().for_each(Control::cancel);
            ended
        })
    }

    fn wait_for_a_thread(&self) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut threads = self
            .one_less
            .wait_while(threads, |threads| *threads >= THREADS_MAX)
            .unwrap_or_else(PoisonError::into_inner);
        *threads += 1;
    }

    fn end_a_thread(&self) {
        *self.threads.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.one_less.notify_one();
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
