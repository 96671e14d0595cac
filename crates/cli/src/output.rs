//! Where words go: data to stdout, everything else to stderr.
//!
//! Enters: a verb's [`Reply`] or its [`Failure`]. Leaves: bytes on the two streams, and the exit code.
//! Refuses: to print more than one JSON object.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use serde_json::{Map, Value, json};

use crate::error::{Exit, Explain, Failure};

/// The version of every JSON answer. A member that changes its meaning makes a new one.
const JSON_VERSION: u32 = 1;

/// What a verb has to say when it is done.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// For stdout, without `--json`.
    pub(crate) data: Vec<u8>,
    /// For stdout, with `--json`: members of the one object.
    pub(crate) members: Map<String, Value>,
    /// What went wrong all the same.
    pub(crate) failure: Option<Failure>,
    /// Whether everything was printed as it came: then nothing is left to print but what went wrong.
    pub(crate) streamed: bool,
}

impl Reply {
    /// A reply of lines for people and members for programs. Anything but an object has no members.
    pub(crate) fn new(data: impl Into<Vec<u8>>, members: Value) -> Self {
        let members = match members {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            data: data.into(),
            members,
            failure: None,
            streamed: false,
        }
    }

    /// The end of what was printed as it came.
    pub(crate) fn streamed() -> Self {
        Self {
            streamed: true,
            ..Self::default()
        }
    }

    /// The same, with what went wrong.
    pub(crate) fn failing(mut self, failure: impl Into<Option<Failure>>) -> Self {
        self.failure = failure.into();
        self
    }
}

/// Stdout did not take the data.
#[derive(Debug, thiserror::Error)]
#[error("stdout took no more: {0}")]
pub(crate) struct OutputNotWritten(io::Error);

impl OutputNotWritten {
    /// What the system says.
    pub(crate) fn kind(&self) -> io::ErrorKind {
        self.0.kind()
    }
}

impl Explain for OutputNotWritten {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        "output_not_written"
    }

    fn hint(&self) -> Cow<'static, str> {
        "part of the output may be missing; run it again where stdout has room".into()
    }
}

/// The two streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Console {
    /// Whether the answer is one JSON object.
    pub(crate) json: bool,
}

impl Console {
    /// Writes data, all of it or an error.
    pub(crate) fn data(&self, bytes: &[u8]) -> Result<(), OutputNotWritten> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(OutputNotWritten)
    }

    /// Writes data, with a newline after it where a person is looking.
    pub(crate) fn output(&self, bytes: &[u8]) -> Result<(), OutputNotWritten> {
        self.data(bytes)?;
        if io::stdout().is_terminal() && !bytes.ends_with(b"\n") {
            self.data(b"\n")?;
        }
        Ok(())
    }

    /// Tells something that is no data. A stderr that takes nothing is no reason to stop.
    pub(crate) fn note(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Prints what a verb came to, and gives its exit code.
    pub(crate) fn finish(&self, result: Result<Reply, Failure>) -> Exit {
        let reply = result.unwrap_or_else(|failure| Reply::default().failing(failure));
        let exit = reply.failure.as_ref().map_or(Exit::Ok, |error| error.exit);
        let written = if reply.streamed && reply.failure.is_none() {
            Ok(())
        } else if self.json {
            self.data(&object(&reply))
        } else {
            self.tell(&reply)
        };
        match written {
            Ok(()) => exit,
            // Whoever reads with `head` has read enough; the exit code still says what it says.
            Err(OutputNotWritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => exit,
            Err(error) => {
                self.note(&Failure::from(error).to_string());
                if exit == Exit::Ok { Exit::Other } else { exit }
            }
        }
    }

    fn tell(&self, reply: &Reply) -> Result<(), OutputNotWritten> {
        let written = self.data(&reply.data);
        if let Some(failure) = &reply.failure {
            self.note(&failure.to_string());
        }
        written
    }
}

fn object(reply: &Reply) -> Vec<u8> {
    let mut members = Map::new();
    members.insert("version".to_owned(), json!(JSON_VERSION));
    members.extend(reply.members.clone());
    if let Some(failure) = &reply.failure {
        members.insert("error".to_owned(), failure.to_json());
    }
    format!("{}\n", Value::Object(members)).into_bytes()
}
