//! The half beside the tools: one connection, served until it ends.
//!
//! Enters: a stream, a session, a token. Leaves: answers. Refuses: a client without the token, frames of no known form, more
//! calls at once than [`CALLS_AT_ONCE_MAX`]. Each refusal ends the connection: a client that sends such a thing is not ours.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use super::frame::{FrameError, Frames, FromClient, FromServer, write};
use super::turns::{LOOK, Next, Turn, Turns, Watch};
use super::{Token, VERSION};
use crate::control::Control;
use crate::gateway::{Operation, Session};

/// How many calls of one connection are answered at once. A client that sends more is not waited for.
pub const CALLS_AT_ONCE_MAX: usize = 16;

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
        writer: Mutex::new(writer),
        calls: Mutex::new(HashMap::new()),
        frames: Mutex::new(Frames::new(reader)),
        turns: Mutex::new(Turns::default()),
        changed: Condvar::new(),
    };
    let ended = connection.serve(token, inherited);
    if let Ended::Refused(reason) = &ended {
        let reason = reason.clone();
        // It may be gone already, and then needs no reason.
        let _ = connection.send(&FromServer::Refused { reason });
    }
    ended
}

/// A connection's threads are alike: whoever reads a call makes it and answers it, so that an answer waits for no other thread.
///
/// While a call is made somebody else has to read. One that is alone is most often over before another thread has woken, so
/// the stream is left to nobody; a thread that watches takes it if the call is still under way at its next look. Where
/// calls come together the next thread is woken at once.
struct Connection<R, W> {
    session: Arc<Session>,
    writer: Mutex<W>,
    /// The calls that are under way.
    calls: Mutex<HashMap<u64, Control>>,
    frames: Mutex<Frames<R>>,
    turns: Mutex<Turns>,
    /// Told when somebody is to look at the turns.
    changed: Condvar,
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
        match self.frames().next() {
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
        // The first reads, and is a thread of the connection like the others.
        let first = self.turns().first();
        thread::scope(|scope| self.take_turns(scope, Some(first)));
        self.turns().ended.take().unwrap_or(Ended::Closed)
    }

    /// What a thread does until the connection is over.
    fn take_turns<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, first: Option<Turn>) {
        let mut turn = first;
        while let Some(own) = turn.or_else(|| self.wait_for_a_turn()) {
            turn = self.read_and_call(scope, own);
        }
    }

    /// Reads up to a call, makes it and answers it; then it is this thread's turn again, if nobody reads. `None` also when the
    /// connection is over.
    fn read_and_call<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        turn: Turn,
    ) -> Option<Turn> {
        let (id, request, control) = match self.next_call() {
            Ok(call) => call,
            Err(ended) => return self.end(ended),
        };
        if let Err(error) = self.leave_the_stream(scope, turn) {
            return self.end(Ended::Failed(format!("no thread for a call: {error}")));
        }
        let answer = self.session.call_controlled(&request, &control);
        // The id is free again when the client can know of it.
        self.calls().remove(&id);
        // A client that is gone wants no answer.
        let _ = self.send(&FromServer::Answer { id, answer });
        self.turns().back_from_a_call()
    }

    fn next_call(&self) -> Result<(u64, Operation, Control), Ended> {
        let mut frames = self.frames();
        loop {
            match frames.next() {
                Ok(Some(FromClient::Call { id, request })) => {
                    let control = Control::default();
                    self.begin(id, &control).map_err(Ended::Refused)?;
                    return Ok((id, request, control));
                }
                Ok(Some(FromClient::Cancel { id })) => {
                    if let Some(control) = self.calls().get(&id) {
                        control.cancel();
                    }
                }
                Ok(Some(FromClient::Hello { .. })) => {
                    return Err(Ended::Refused("hello comes once".to_owned()));
                }
                other => return Err(ended(other)),
            }
        }
    }

    fn end(&self, ended: Ended) -> Option<Turn> {
        self.turns().ended = Some(ended);
        // Nobody waits for what is under way.
        self.calls().values().for_each(Control::cancel);
        self.changed.notify_all();
        None
    }

    /// This thread has a call. At the bound on threads nobody is left to read, until a client that reads no answers has read one.
    fn leave_the_stream<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        turn: Turn,
    ) -> io::Result<()> {
        let mut turns = self.turns();
        match turns.leave(turn) {
            Next::Nobody => {}
            Next::Waiting => self.changed.notify_one(),
            Next::Another => {
                thread::Builder::new().spawn_scoped(scope, || self.take_turns(scope, None))?;
                turns.all += 1;
            }
        }
        Ok(())
    }

    fn wait_for_a_turn(&self) -> Option<Turn> {
        let mut turns = self.turns();
        let mut watch = Watch::default();
        loop {
            if turns.ended.is_some() {
                return None;
            }
            if let Some(turn) = turns.take(&mut watch) {
                return Some(turn);
            }
            turns = match watch.is_on() {
                true => {
                    let waited = self.changed.wait_timeout(turns, LOOK);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                false => {
                    let waited = self.changed.wait(turns);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
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

    fn frames(&self) -> MutexGuard<'_, Frames<R>> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
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
