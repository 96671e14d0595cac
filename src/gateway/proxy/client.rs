//! The half beside executed code: a gateway whose tools are at the other end of a stream.
//!
//! Enters: a stream and, where it was not inherited, a token. Leaves: a [`ToolGateway`]. Refuses: a server of another version;
//! every call once the connection is gone.
//!
//! Nothing is repeated: whether a call whose answer was lost had its effect cannot be known here.
//!
//! There is no thread of the client's own. Of those who wait for an answer one reads, and gives the others theirs; so a caller
//! who is alone is told by nobody else.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::frame::{FrameError, Frames, FromClient, FromServer, Piece, write};
use super::{Token, VERSION};
use crate::control::Control;
use crate::gateway::{
    Answer, Chain, ChainStep, DescribeLevel, GatewayError, GatewayErrorCode, Json, Operation,
    ToolDescription, ToolExample, ToolGateway, ToolId, ToolSummary,
};

/// How often a caller who waits looks at its control.
const TICK: Duration = Duration::from_millis(10);

/// For how long the answer to a call that was cancelled is still waited for.
const GRACE: Duration = Duration::from_secs(1);

type Reply = Result<Answer, GatewayError>;

/// What a client reads: a socket, a pipe, whatever can be waited for.
pub trait Readable: Read + AsFd + Send {}

impl<R: Read + AsFd + Send> Readable for R {}

/// A gateway at the other end of a stream. Share it.
pub struct Client {
    frames: Mutex<Frames<Box<dyn Readable>>>,
    writer: Mutex<Box<dyn Write + Send>>,
    calls: Mutex<Calls>,
    /// Told when an answer was read for somebody else, and when whoever read has stopped reading.
    changed: Condvar,
    next: AtomicU64,
}

#[derive(Default)]
struct Calls {
    /// Those that are under way, each with its answer once that is there.
    answers: HashMap<u64, Option<Reply>>,
    /// How many wait to be told.
    waiting: usize,
    /// Whether there will be no more answers.
    gone: bool,
}

impl Calls {
    /// Whether there is something to wait for.
    fn waits_for(&self, id: u64) -> bool {
        !self.gone && matches!(self.answers.get(&id), Some(None))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The stream failed.
    #[error("the stream to the gateway failed: {0}")]
    Io(#[from] io::Error),
    /// The other end does not speak as a gateway.
    #[error("the other end is no gateway: {0}")]
    NoGateway(String),
    /// No token was given, and none came.
    #[error("the gateway gives no token by this stream, and none was given")]
    NoToken,
    /// The gateway has another version.
    #[error("the gateway has version {got}, {VERSION} is known")]
    Version {
        /// Its version.
        got: u32,
    },
}

impl Client {
    /// Greets the other end. `token` may be left out where the stream was inherited.
    ///
    /// # Errors
    /// [`ConnectError`]. A token that is not the run's shows at the first call.
    pub fn connect(
        reader: impl Readable + 'static,
        writer: impl Write + Send + 'static,
        token: Option<&Token>,
    ) -> Result<Self, ConnectError> {
        let mut frames = Frames::new(Box::new(reader) as Box<dyn Readable>);
        let mut writer = Box::new(writer);
        let token = greeted(frames.next(), token)?;
        write(
            &mut writer,
            &FromClient::Hello {
                version: VERSION,
                token,
            },
        )?;
        Ok(Self {
            frames: Mutex::new(frames),
            writer: Mutex::new(writer),
            calls: Mutex::default(),
            changed: Condvar::new(),
            next: AtomicU64::new(0),
        })
    }

    fn call(&self, request: Operation, control: &Control) -> Reply {
        request.check()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.calls().answers.insert(id, None);
        let reply = self
            .send(&FromClient::Call { id, request })
            .and_then(|()| self.wait(id, control));
        // Nobody waits for that answer any more.
        self.calls().answers.remove(&id);
        reply
    }

    fn wait(&self, id: u64, control: &Control) -> Reply {
        let mut cancelled: Option<Instant> = None;
        loop {
            if let Some(reply) = self.reply(id)? {
                return reply;
            }
            self.read_or_wait(id);
            match cancelled {
                // The answer may still come: what was done before the call was cancelled is known only then.
                None if control.is_cancelled() => {
                    cancelled = Some(Instant::now());
                    self.send(&FromClient::Cancel { id })?;
                }
                Some(since) if since.elapsed() >= GRACE => return Err(GatewayError::cancelled()),
                _ => {}
            }
        }
    }

    /// The answer, if it is there.
    fn reply(&self, id: u64) -> Result<Option<Reply>, GatewayError> {
        let mut calls = self.calls();
        match calls.answers.get_mut(&id).and_then(Option::take) {
            None if calls.gone => Err(gone()),
            reply => Ok(reply),
        }
    }

    /// Reads until the answer is there, or waits for who reads; for a tick at most.
    fn read_or_wait(&self, id: u64) {
        let mut calls = self.calls();
        if !calls.waits_for(id) {
            return;
        }
        // Looked at with the calls locked: whoever stops reading locks them too before it tells of it, and so is heard.
        let mut frames = match self.frames.try_lock() {
            Ok(frames) => frames,
            Err(TryLockError::Poisoned(frames)) => frames.into_inner(),
            Err(TryLockError::WouldBlock) => {
                calls.waiting += 1;
                let waited = self.changed.wait_timeout(calls, TICK);
                waited.unwrap_or_else(PoisonError::into_inner).0.waiting -= 1;
                return;
            }
        };
        drop(calls);
        self.read(&mut frames, id);
        drop(frames);
        if self.calls().waiting > 0 {
            self.changed.notify_all();
        }
    }

    fn read(&self, frames: &mut Frames<Box<dyn Readable>>, id: u64) {
        let until = Instant::now() + TICK;
        while frames.has_read() || is_readable(&**frames.stream()) {
            let piece = frames.piece();
            let mut calls = self.calls();
            match piece {
                Ok(Piece::Frame(FromServer::Answer { id: of, answer })) => {
                    // An answer that nobody waits for is nobody's.
                    if let Some(call) = calls.answers.get_mut(&of) {
                        *call = Some(answer);
                    }
                    if of != id && calls.waiting > 0 {
                        self.changed.notify_all();
                    }
                }
                Ok(Piece::Part) => {}
                _ => calls.gone = true,
            }
            if !calls.waits_for(id) || Instant::now() >= until {
                return;
            }
        }
    }

    fn send(&self, frame: &FromClient) -> Result<(), GatewayError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut *writer, frame).map_err(|_| gone())
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token to show, if the first frame is a greeting.
fn greeted(
    first: Result<Option<FromServer>, FrameError>,
    token: Option<&Token>,
) -> Result<String, ConnectError> {
    match first {
        Ok(Some(FromServer::Gateway {
            version: VERSION,
            token: told,
        })) => token
            .map(Token::to_hex)
            .or(told)
            .ok_or(ConnectError::NoToken),
        Ok(Some(FromServer::Gateway { version, .. })) => {
            Err(ConnectError::Version { got: version })
        }
        Err(FrameError::Io(error)) => Err(error.into()),
        Err(error) => Err(ConnectError::NoGateway(error.to_string())),
        Ok(_) => Err(ConnectError::NoGateway("it does not greet".to_owned())),
    }
}

/// Whether a read would not wait, within a tick. A wait that failed or was interrupted is over.
fn is_readable(stream: &dyn Readable) -> bool {
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: TICK.subsec_nanos().into(),
    };
    let mut wanted = [PollFd::new(&stream, PollFlags::IN)];
    poll(&mut wanted, Some(&tick)).is_ok_and(|count| count > 0)
}

fn gone() -> GatewayError {
    GatewayError::new(
        GatewayErrorCode::Unavailable,
        "the connection to the gateway is gone",
    )
}

/// An answer of another kind than was asked for.
fn other() -> GatewayError {
    GatewayError::new(
        GatewayErrorCode::Unavailable,
        "the gateway answered something else",
    )
}

impl ToolGateway for Client {
    fn search_tools(
        &self,
        query: &str,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolSummary>, GatewayError> {
        let query = query.to_owned();
        match self.call(Operation::SearchTools { query, limit }, control)? {
            Answer::Tools(tools) => Ok(tools),
            _ => Err(other()),
        }
    }

    fn list_namespaces(&self, control: &Control) -> Result<Vec<String>, GatewayError> {
        match self.call(Operation::ListNamespaces {}, control)? {
            Answer::Namespaces(names) => Ok(names),
            _ => Err(other()),
        }
    }

    fn describe_tool(
        &self,
        tool: &ToolId,
        level: DescribeLevel,
        control: &Control,
    ) -> Result<ToolDescription, GatewayError> {
        let tool = tool.clone();
        match self.call(Operation::DescribeTool { tool, level }, control)? {
            Answer::Description(description) => Ok(*description),
            _ => Err(other()),
        }
    }

    fn list_tool_examples(
        &self,
        tool: &ToolId,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolExample>, GatewayError> {
        let tool = tool.clone();
        match self.call(Operation::ListToolExamples { tool, limit }, control)? {
            Answer::Examples(examples) => Ok(examples),
            _ => Err(other()),
        }
    }

    fn run_tool(
        &self,
        tool: &ToolId,
        arguments: &Json,
        control: &Control,
    ) -> Result<Json, GatewayError> {
        let (tool, arguments) = (tool.clone(), arguments.clone());
        match self.call(Operation::RunTool { tool, arguments }, control)? {
            Answer::Result(result) => Ok(result),
            _ => Err(other()),
        }
    }

    fn run_chain(&self, steps: &[ChainStep], control: &Control) -> Result<Chain, GatewayError> {
        let steps = steps.to_vec();
        match self.call(Operation::RunChain { steps }, control)? {
            Answer::Chain(chain) => Ok(chain),
            _ => Err(other()),
        }
    }
}
