//! The half beside executed code: a gateway whose tools are at the other end of a stream.
//!
//! Enters: a stream and, where it was not inherited, a token. Leaves: a [`ToolGateway`]. Refuses: a server of another version;
//! every call once the connection is gone.
//!
//! Nothing is repeated: whether a call whose answer was lost had its effect cannot be known here.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::frame::{FrameError, FromClient, FromServer, read, write};
use super::{Token, VERSION};
use crate::control::Control;
use crate::gateway::{
    Answer, Chain, ChainStep, DescribeLevel, GatewayError, GatewayErrorCode, Json, Operation,
    ToolDescription, ToolExample, ToolGateway, ToolId, ToolSummary,
};

/// How often a caller who waits looks at its control.
const TICK: Duration = Duration::from_millis(10);

/// For how many of these the answer to a call that was cancelled is still waited for.
const GRACE_TICKS: u32 = 100;

type Reply = Result<Answer, GatewayError>;

/// A gateway at the other end of a stream. Share it.
pub struct Client {
    writer: Mutex<Box<dyn Write + Send>>,
    shared: Arc<Shared>,
    next: AtomicU64,
}

#[derive(Default)]
struct Shared {
    /// Who waits, by call; `None` once the connection is gone.
    waiting: Mutex<Option<HashMap<u64, Sender<Reply>>>>,
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
    /// Greets the other end. `token` may be left out where the stream was inherited. Answers are read on a thread of their
    /// own, which ends with the stream.
    ///
    /// # Errors
    /// [`ConnectError`]. A token that is not the run's shows at the first call.
    pub fn connect(
        reader: impl Read + Send + 'static,
        writer: impl Write + Send + 'static,
        token: Option<&Token>,
    ) -> Result<Self, ConnectError> {
        let mut reader = BufReader::new(reader);
        let (mut writer, given) = (Box::new(writer), token.map(Token::to_hex));
        let token = match read(&mut reader) {
            Ok(Some(FromServer::Gateway {
                version: VERSION,
                token,
            })) => given.or(token),
            Ok(Some(FromServer::Gateway { version, .. })) => {
                return Err(ConnectError::Version { got: version });
            }
            Err(FrameError::Io(error)) => return Err(error.into()),
            Err(error) => return Err(ConnectError::NoGateway(error.to_string())),
            Ok(_) => return Err(ConnectError::NoGateway("it does not greet".to_owned())),
        };
        let token = token.ok_or(ConnectError::NoToken)?;
        write(
            &mut writer,
            &FromClient::Hello {
                version: VERSION,
                token,
            },
        )?;
        let shared = Arc::new(Shared {
            waiting: Mutex::new(Some(HashMap::new())),
        });
        let answers = Arc::clone(&shared);
        thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || answers.take_all(&mut reader))?;
        Ok(Self {
            writer: Mutex::new(writer),
            shared,
            next: AtomicU64::new(0),
        })
    }

    fn call(&self, request: Operation, control: &Control) -> Reply {
        request.check()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.shared.wait_for(id).ok_or_else(gone)?;
        self.send(&FromClient::Call { id, request })?;
        self.wait(id, &answer, control)
    }

    fn wait(&self, id: u64, answer: &Receiver<Reply>, control: &Control) -> Reply {
        let mut cancelled: Option<u32> = None;
        loop {
            match (answer.recv_timeout(TICK), &mut cancelled) {
                (Ok(reply), _) => return reply,
                (Err(RecvTimeoutError::Disconnected), _) => return Err(gone()),
                // The answer may still come: what was done before the call was cancelled is known only then.
                (Err(RecvTimeoutError::Timeout), None) if control.is_cancelled() => {
                    cancelled = Some(0);
                    self.send(&FromClient::Cancel { id })?;
                }
                (Err(RecvTimeoutError::Timeout), Some(ticks)) if *ticks >= GRACE_TICKS => {
                    self.shared.forget(id);
                    return Err(GatewayError::cancelled());
                }
                (Err(RecvTimeoutError::Timeout), Some(ticks)) => *ticks += 1,
                (Err(RecvTimeoutError::Timeout), None) => {}
            }
        }
    }

    fn send(&self, frame: &FromClient) -> Result<(), GatewayError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        write(&mut *writer, frame).map_err(|_| gone())
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Option<HashMap<u64, Sender<Reply>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for(&self, id: u64) -> Option<Receiver<Reply>> {
        let (sender, receiver) = channel();
        self.waiting().as_mut()?.insert(id, sender);
        Some(receiver)
    }

    /// Nobody waits for that answer any more.
    fn forget(&self, id: u64) {
        if let Some(waiting) = self.waiting().as_mut() {
            waiting.remove(&id);
        }
    }

    /// Gives answers to whoever waits for them, until there are no more; then nobody waits any longer.
    fn take_all(&self, reader: &mut impl io::BufRead) {
        while let Ok(Some(FromServer::Answer { id, answer })) = read(reader) {
            let waiting = self
                .waiting()
                .as_mut()
                .and_then(|waiting| waiting.remove(&id));
            if let Some(sender) = waiting {
                // A caller that is gone wants no answer.
                let _ = sender.send(answer);
            }
        }
        *self.waiting() = None;
    }
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
