//! A run's way to its tools: one end of a socket for the child, the other served on a thread.
//!
//! Enters: a session. Leaves: the child's end, and what ends it all when it is dropped. Refuses: what the proxy refuses.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use tenzik::backend::BackendError;
use tenzik::gateway::Session;
use tenzik::gateway::proxy::{Token, serve};

/// The host's end, while it is served.
pub(crate) struct Tools {
    stream: UnixStream,
    server: Option<JoinHandle<()>>,
}

/// A socket pair, and a token that goes by it alone: nobody but the child can have its end.
pub(crate) fn open(session: &Arc<Session>) -> Result<(Tools, OwnedFd), BackendError> {
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    Ok((on(session, ours)?, theirs.into()))
}

/// Serves a session on a stream whose other end is the program's alone.
pub(crate) fn on(session: &Arc<Session>, ours: UnixStream) -> Result<Tools, BackendError> {
    let mut chance = [0; 32];
    getrandom::fill(&mut chance)
        .map_err(|error| BackendError::failed("open the gateway", error))?;
    let token = Token::from_bytes(chance);
    let (reader, writer) = (
        ours.try_clone().map_err(failed)?,
        ours.try_clone().map_err(failed)?,
    );
    let session = Arc::clone(session);
    let ended = ours.try_clone().map_err(failed)?;
    let server = Builder::new().name("gateway".to_owned()).spawn(move || {
        // However it ended, the transcript has what was asked and answered.
        drop(serve(&session, &token, true, reader, writer));
        // The child learns that there is no more; it may be gone already.
        let _ = ended.shutdown(Shutdown::Both);
    });
    Ok(Tools {
        stream: ours,
        server: Some(server.map_err(failed)?),
    })
}

fn failed(error: std::io::Error) -> BackendError {
    BackendError::failed("open the gateway", error)
}

impl Drop for Tools {
    /// Cancels calls that are under way, and waits for them: nothing of a run outlives it.
    fn drop(&mut self) {
        // The child's end may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}
