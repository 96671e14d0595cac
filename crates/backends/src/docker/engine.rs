//! An engine behind its Unix socket, asked one thing at a time.
//!
//! Enters: a question. Leaves: its answer. Refuses: to wait for an engine that says nothing, or longer than its run may; to
//! hold an answer without end, to take for an answer what is none, and engines that are older than what is asked of them.
//!
//! Six questions of the engine's HTTP interface are all that a run needs, so they are put with `hyper`, which the node has
//! anyway. Each run asks on a runtime of its own in the caller's thread: with the run all of it is gone.

use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tenzik::backend::{BackendError, Job};
use tenzik_receipt::Label;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use crate::supervise::{Stopped, TICK};

/// How long an engine may take for one answer. It makes a container in less than a second.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a start is waited for that no run waits for any more.
const STARTED_WITHIN: Duration = Duration::from_secs(600);
/// How long a run waits for the removal of its container, and before that for a start; and how often a removal is tried where the last
/// process is not taken from the kernel yet.
pub(super) const REMOVED_WITHIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(100);
/// The longest answer: one about a thousand containers is a fraction of it.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// The first version of the interface that has all that is asked here.
const WRITTEN_FOR: Api = Api(1, 41);

/// A version of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Api(u32, u32);

impl Api {
    fn read(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// What an engine says of itself.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    api: Api,
    /// Its version, for people.
    pub(super) version: Label,
    /// The executables of its runtimes by name, where it tells them.
    pub(super) runtimes: HashMap<String, PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    api_version: String,
    #[serde(default, rename = "MinAPIVersion")]
    min_api_version: Option<String>,
    #[serde(default)]
    version: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    runtimes: HashMap<String, Executable>,
}

#[derive(Deserialize)]
struct Executable {
    #[serde(default)]
    path: PathBuf,
}

/// What an engine says of a container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Told {
    pub(super) image: String,
    pub(super) state: State,
    #[serde(default)]
    pub(super) mounts: Vec<Mounted>,
}

/// How a container is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) running: bool,
    pub(super) pid: i32,
    pub(super) exit_code: i32,
    #[serde(rename = "OOMKilled")]
    pub(super) out_of_memory: bool,
}

/// What a container has mounted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Mounted {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    pub(super) destination: String,
}

/// A container in a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) id: String,
    #[serde(default)]
    pub(super) labels: HashMap<String, String>,
    pub(super) state: String,
    /// In seconds since 1970.
    pub(super) created: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Complaint {
    message: String,
}

/// What came of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Removed {
    /// It is gone.
    Done,
    /// There was none.
    NotThere,
    /// Somebody else removes it now.
    UnderWay,
}

/// A client for one run.
pub(super) struct Engine<'a> {
    runtime: Runtime,
    socket: PathBuf,
    prefix: String,
    /// For whom it asks; `None` is nobody who could want it to stop.
    job: Option<Job<'a>>,
    /// Whether an answer was not waited for, because the run was stopped.
    given_up: Cell<bool>,
    /// Whether there was no answer to something: what the engine does with that is not known.
    unanswered: Cell<bool>,
    /// Who waits for a start that was not waited for here.
    starting: Cell<Option<JoinHandle<()>>>,
}

impl<'a> Engine<'a> {
    /// A client that has not asked yet how an engine speaks.
    pub(super) fn new(socket: &Path, job: Option<Job<'a>>) -> Result<Self, BackendError> {
        Ok(Self {
            runtime: asking().map_err(|error| BackendError::failed("reach the engine", error))?,
            socket: socket.to_owned(),
            prefix: String::new(),
            job,
            given_up: Cell::new(false),
            unanswered: Cell::new(false),
            starting: Cell::new(None),
        })
    }

    /// From here on it speaks as an engine does.
    pub(super) fn speak(mut self, facts: &Facts) -> Self {
        let Api(major, minor) = facts.api;
        self.prefix = format!("/v{major}.{minor}");
        self
    }

    /// Whether an answer was not waited for, because the run was stopped.
    pub(super) fn has_given_up(&self) -> bool {
        self.given_up.get()
    }

    /// Whether there was no answer to something: what the engine does with that is not known.
    pub(super) fn has_not_answered(&self) -> bool {
        self.unanswered.get()
    }

    /// The run was stopped: what the engine is at is not waited for.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
    }

    /// Asks an engine who it is.
    pub(super) fn facts(&self) -> Result<Facts, BackendError> {
        let operation = "ask the engine";
        let failed = |reason: &str| BackendError::failed(operation, reason);
        let engine = self;
        let version: Version = engine.get(operation, "/version")?;
        let read = |text: &str| Api::read(text).ok_or_else(|| failed("its version is none"));
        let newest = read(&version.api_version)?;
        let oldest = version.min_api_version.as_deref().map(read).transpose()?;
        let api = oldest.map_or(WRITTEN_FOR, |oldest| oldest.max(WRITTEN_FOR));
        if newest < api {
            return Err(failed("it is older than what is asked of it, 1.41"));
        }
        let info: Info = engine.get(operation, "/info")?;
        let runtimes = info.runtimes.into_iter();
        Ok(Facts {
            api,
            version: Label::new(format!("docker {}", version.version))
                .unwrap_or(Label::constant("docker")),
            runtimes: runtimes
                .map(|(name, runtime)| (name, runtime.path))
                .collect(),
        })
    }

    /// Makes a container and gives its id. What the engine refuses is denied: it would refuse it again.
    pub(super) fn create(&self, name: &str, body: &Value) -> Result<String, BackendError> {
        let operation = "create the container";
        let path = format!("/containers/create?name={name}");
        let (status, answer) = self.ask(operation, Method::POST, &path, Some(body))?;
        match status {
            StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
                Err(BackendError::denied(operation, complaint(status, &answer)))
            }
            _ => read::<Made>(operation, status, &answer).map(|made| made.id),
        }
    }

    /// Starts a container. An engine whose client leaves while it starts one loses what it has begun: it forgets the container,
    /// and its shim stays for ever. So the answer is waited for in a thread, also by nobody else.
    pub(super) fn start(&self, id: &str) -> Result<(), BackendError> {
        let operation = "start the container";
        let failed = |error: std::io::Error| BackendError::failed(operation, error);
        let exchange = self.exchange(Method::POST, &format!("/containers/{id}/start"), None);
        let (sender, answers) = mpsc::channel();
        let runtime = asking().map_err(failed)?;
        let thread = std::thread::Builder::new().name("docker start".to_owned());
        let waiting = thread.spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(bounded(&runtime, operation, STARTED_WITHIN, exchange));
        });
        let waiting = waiting.map_err(failed)?;
        let until = Instant::now() + ANSWER;
        loop {
            match answers.recv_timeout(TICK) {
                Ok(answer) => {
                    self.unanswered
                        .set(self.unanswered.get() || answer.is_err());
                    return answer.and_then(|(status, body)| done(operation, status, &body));
                }
                Err(RecvTimeoutError::Timeout) if !self.is_stopped() && Instant::now() < until => {}
                Err(_) => {
                    self.give_up();
                    self.starting.set(Some(waiting));
                    return Err(BackendError::failed(
                        operation,
                        "the engine did not answer in time",
                    ));
                }
            }
        }
    }

    /// Waits for a start that the run does not wait for any more; not for long, and then gives it back.
    pub(super) fn started(&self) -> Result<(), JoinHandle<()>> {
        let Some(starting) = self.starting.take() else {
            return Ok(());
        };
        let until = Instant::now() + REMOVED_WITHIN;
        while !starting.is_finished() {
            if Instant::now() >= until {
                return Err(starting);
            }
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    pub(super) fn inspect(&self, id: &str) -> Result<Told, BackendError> {
        self.get("look at the container", &format!("/containers/{id}/json"))
    }

    /// Ends a container and removes it with its volumes: within 5 s, or not here. Whoever removes does not give up.
    pub(super) fn remove(&self, name: &str) -> Result<Removed, BackendError> {
        let operation = "remove the container";
        let path = format!("/containers/{name}?force=1&v=1");
        let until = Instant::now() + REMOVED_WITHIN;
        loop {
            let exchange = self.exchange(Method::DELETE, &path, None);
            let left = until.saturating_duration_since(Instant::now());
            let (status, body) = bounded(&self.runtime, operation, left, exchange)?;
            match status {
                StatusCode::NOT_FOUND => return Ok(Removed::NotThere),
                StatusCode::CONFLICT => return Ok(Removed::UnderWay),
                // Its last process has ended, and whoever is to take that from the kernel has not yet.
                StatusCode::INTERNAL_SERVER_ERROR if Instant::now() < until => {
                    std::thread::sleep(PAUSE);
                }
                _ => return done(operation, status, &body).map(|()| Removed::Done),
            }
        }
    }

    /// Every container with a label of a plain name, also those that do not run.
    pub(super) fn labelled(&self, label: &str) -> Result<Vec<Listed>, BackendError> {
        // `{"label":["…"]}`, as a query has it.
        let path =
            format!("/containers/json?all=1&filters=%7B%22label%22%3A%5B%22{label}%22%5D%7D");
        self.get("list containers", &path)
    }

    fn get<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
    ) -> Result<T, BackendError> {
        let (status, answer) = self.ask(operation, Method::GET, path, None)?;
        read(operation, status, &answer)
    }

    fn ask(
        &self,
        operation: &'static str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), BackendError> {
        let exchange = self.exchange(method, path, body);
        let answer = bounded(&self.runtime, operation, ANSWER, async {
            tokio::select! {
                answer = exchange => answer,
                () = self.stopped() => {
                    self.give_up();
                    Err("the run was stopped".into())
                }
            }
        });
        self.unanswered
            .set(self.unanswered.get() || answer.is_err());
        answer
    }

    fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> impl Future<Output = Answered> + use<> {
        let target = format!("{}{path}", self.prefix);
        let body = body.map(Value::to_string).unwrap_or_default();
        exchange(self.socket.clone(), method, target, body)
    }

    /// Until the run is to stop.
    async fn stopped(&self) {
        while !self.is_stopped() {
            tokio::time::sleep(TICK).await;
        }
    }

    /// Whether whoever it asks for is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        let stopped = self.job.as_ref().and_then(Stopped::of);
        stopped.is_some()
    }
}

/// A runtime in the caller's thread.
fn asking() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn bounded(
    runtime: &Runtime,
    operation: &'static str,
    most: Duration,
    exchange: impl Future<Output = Answered>,
) -> Result<(StatusCode, Bytes), BackendError> {
    let answered = runtime.block_on(async { tokio::time::timeout(most, exchange).await });
    match answered {
        Ok(answer) => answer.map_err(|error| BackendError::failed(operation, error)),
        Err(_) => Err(BackendError::failed(
            operation,
            format!("the engine said nothing for {} s", most.as_secs()),
        )),
    }
}

type Answered = Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>>;

async fn exchange(socket: PathBuf, method: Method, target: String, body: String) -> Answered {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It moves the bytes while the answer is waited for, and ends with the runtime.
    let moving = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, "docker")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let answer = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
    let answer = answer.collect().await?.to_bytes();
    moving.abort();
    Ok((status, answer))
}

fn read<T: DeserializeOwned>(
    operation: &'static str,
    status: StatusCode,
    answer: &[u8],
) -> Result<T, BackendError> {
    done(operation, status, answer)?;
    serde_json::from_slice(answer).map_err(|error| BackendError::failed(operation, error))
}

fn done(operation: &'static str, status: StatusCode, answer: &[u8]) -> Result<(), BackendError> {
    match status.is_success() {
        true => Ok(()),
        false => Err(BackendError::failed(operation, complaint(status, answer))),
    }
}

fn complaint(status: StatusCode, answer: &[u8]) -> String {
    match serde_json::from_slice::<Complaint>(answer) {
        Ok(complaint) => complaint.message,
        Err(_) => format!("the engine answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_two_numbers_in_order() {
        assert!(Api::read("1.9") < Api::read("1.41") && Api::read("1.41") == Some(WRITTEN_FOR));
        for text in ["", "1", "1.", "1.x", "-1.2"] {
            assert_eq!(Api::read(text), None, "{text}");
        }
    }
}
