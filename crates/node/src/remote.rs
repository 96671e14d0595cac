//! A backend of the router: another node runs the code, and its receipt must hold.
//!
//! Enters: a job. Leaves: what the other node says came of it, if its receipt verifies under the key that its operator named, and is
//! about this very request: code, input, grants, limits, clock, seed, and a challenge made for it.
//! Refuses: answers that are too long or late, receipts of anything else. None of these is taken for a result.
//!
//! The receipt that the router signs is this node's word on the other's: it commits to the other's receipt by its id, in the
//! extension `remote`. Whoever wants more than that asks for the other's receipt and runs the capsule again.
//!
//! A capsule has no effect but its result, so a request whose answer was lost is sent again, with a new challenge, until the
//! run's time is over. A program may have some: it is begun once, and followed (see `program`).

mod answer;
mod described;
mod elsewhere;
mod ended;
mod lines;
mod program;
mod request;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tenzik::backend::{Attempt, Backend, BackendError, Ended, Isolation, Job, Readiness};
use tenzik::router::{Code, Held, Limit, PerLimit, WASM};
use tenzik_receipt::{Label, Profile, PublicKey, SignedReceipt, Trust, Value};

use crate::federation::client::{Client, ClientError, is_in_clear};
use answer::{Answered, Unaccepted};
use described::Known;
use elsewhere::{Waited, elsewhere, rest, wait};
use program::Following;
use request::Asked;

/// The longest answer: an output of 16 MiB as text, with its receipt.
const ANSWER_BYTES_MAX: u64 = 40 << 20;
/// The longest answer about the node itself.
const NODE_BYTES_MAX: u64 = 64 * 1024;
const ASK: &str = "ask the node";
/// The first pause before a request is sent again, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// For how long requests are sent again where the run has no limit by the clock.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which node, and by whose word.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The backend's name here, such as `remote`.
    pub kind: Label,
    /// Where the other node is, without a path.
    pub url: String,
    /// What it knows this node by; it needs the role `run` there.
    pub token: Option<String>,
    /// Its receipt key, as its operator told.
    pub node: PublicKey,
    /// The name that its receipts are for.
    pub audience: Label,
    /// What it runs beside capsules, such as `javascript`; it needs the role `execute` there. None is none.
    pub languages: Vec<Label>,
}

/// Another node.
#[derive(Debug)]
pub struct Remote {
    config: RemoteConfig,
    client: Client,
    trust: Trust,
    known: Known,
}

/// A configuration that could not work, or not safely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The token would go over the network in clear.
    #[error("a token would go to {url} in clear")]
    InClear {
        /// Where to.
        url: String,
    },
    /// The key is none, or weak.
    #[error("{node} is no key that receipts can be trusted under")]
    Key {
        /// The key.
        node: PublicKey,
    },
}

impl Remote {
    /// A backend that asks this node.
    ///
    /// # Errors
    /// [`RemoteError`].
    pub fn new(config: RemoteConfig, client: Client) -> Result<Self, RemoteError> {
        if config.token.is_some() && is_in_clear(&config.url) {
            return Err(RemoteError::InClear { url: config.url });
        }
        let node = config.node;
        let key = |_| RemoteError::Key { node };
        // Capsules need no word of what else runs there.
        let mut config = config;
        config.languages.retain(|language| *language != WASM);
        Ok(Self {
            trust: Trust::in_receipts_of(node).map_err(key)?,
            client,
            config,
            known: Known::default(),
        })
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.config.url.trim_end_matches('/'))
    }

    /// Asks, again and again where that may help, until there is an answer or the time is over.
    fn ask(&self, job: &Job<'_>) -> Result<Came, BackendError> {
        let until = job.deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
        let mut pause = PAUSE;
        loop {
            let asked = Asked::new(job, &self.config.audience)
                .map_err(|error| BackendError::failed("make the request", error))?;
            let error = match self.send(job, asked.body.clone(), until)? {
                Sent::Stopped(ended) => return Ok(Came::Stopped(ended)),
                Sent::Answer(status @ (200 | 422), body) => {
                    let answered = Answered::read(&body, status, &asked, job, &self.trust);
                    return answered
                        .map(|answered| Came::Answered(Box::new(answered)))
                        .map_err(unaccepted);
                }
                Sent::Answer(429 | 503, _) => "it has no room".to_owned(),
                Sent::Answer(status, _) => {
                    let reason = format!("the node answers with status {status}");
                    return Err(BackendError::denied(ASK, reason));
                }
                Sent::Failed(error) => error,
            };
            if Instant::now() + pause >= until {
                return Err(BackendError::failed(ASK, error));
            }
            rest(job, pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Sends a request and waits for its answer, the caller's wish to stop, or the end of the time.
    fn send(&self, job: &Job<'_>, body: Vec<u8>, until: Instant) -> Result<Sent, BackendError> {
        let (client, token) = (self.client.clone(), self.config.token.clone());
        let url = self.url("/v1/runs");
        let answers = elsewhere(move |sender| {
            let token = token.as_deref();
            let answer = client.post(&url, token, "application/json", &body, ANSWER_BYTES_MAX);
            // Nobody may be waiting any more.
            let _ = sender.send(answer);
        })?;
        Ok(match wait(job, &answers, until) {
            Waited::Came(Ok(answer)) => Sent::Answer(answer.status, answer.body),
            Waited::Came(Err(error @ ClientError::Oversized { .. })) => {
                return Err(BackendError::denied(ASK, error));
            }
            Waited::Came(Err(error)) => Sent::Failed(error.to_string()),
            Waited::Late => Sent::Stopped(Ended::LimitReached(Limit::WallMs)),
            Waited::Lost => Sent::Failed("it was lost".to_owned()),
            Waited::Unwanted(ended) => Sent::Stopped(ended),
        })
    }
}

enum Sent {
    Answer(u16, Vec<u8>),
    Failed(String),
    Stopped(Ended),
}

enum Came {
    Answered(Box<Answered>),
    Stopped(Ended),
}

/// A node that answers so is not asked again: it lies, or is another than was named. But for a refusal that it signed, it may
/// have run what it was sent.
fn unaccepted(error: Unaccepted) -> BackendError {
    let operation = "accept the node's receipt";
    match error {
        Unaccepted::Refused(_) => BackendError::denied(operation, error),
        _ => BackendError::lost(operation, error),
    }
}

fn label(text: &'static str) -> Label {
    Label::constant(text)
}

impl Backend for Remote {
    fn kind(&self) -> Label {
        self.config.kind.clone()
    }

    fn profile_max(&self) -> Profile {
        Profile::Hardened
    }

    fn languages(&self) -> Vec<Label> {
        let programs = self.config.languages.iter().cloned();
        std::iter::once(WASM.clone()).chain(programs).collect()
    }

    /// Whatever a limit is, it is in the request that the other node's receipt must be about. A capsule can make no process and
    /// no file. Of a program a result is taken only if the receipt says of each limit that it was enforced; `pids` alone may be
    /// missing, where the node says that nothing there can hold it, as it is with gVisor. A node that does not say is asked for it
    /// all the same, and refuses by itself.
    fn holds(&self, limit: Limit, language: &Label, profile: Profile) -> bool {
        *language == WASM
            || limit != Limit::Pids
            || self
                .limits(language, profile)
                .is_none_or(|held| held.contains(&limit))
    }

    fn probe(&self) -> Readiness {
        let ready = Readiness::Ready {
            version: label("tenzik over HTTP"),
        };
        if !self.config.languages.is_empty() {
            return self
                .describe()
                .map_or_else(|error| unavailable(&error.reason), |_| ready);
        }
        let health = self.url("/healthz");
        match self.client.get(&health, None, 0, NODE_BYTES_MAX) {
            Ok(Some(_)) => ready,
            Ok(None) => unavailable("there is no node at its address"),
            Err(error) => unavailable(&error.to_string()),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        if job.gateway.is_some() {
            return Err(BackendError::denied(
                ASK,
                "it has no way to this node's tools",
            ));
        }
        let started = Instant::now();
        match job.code {
            Code::Capsule(_) => {
                let came = self.ask(job)?;
                Ok(of_capsule(came, job, started.elapsed()))
            }
            Code::Program(_) => {
                let came = Following::new(self, job)?.run()?;
                Ok(of_program(came, job, started.elapsed()))
            }
        }
    }
}

fn of_capsule(came: Came, job: &Job<'_>, wall: Duration) -> Attempt {
    match came {
        Came::Stopped(ended) => attempt(ended, job, wall),
        Came::Answered(answered) => {
            let Answered { ended, receipt } = *answered;
            let mut attempt = told_by(attempt(ended, job, wall), &receipt);
            let held = |name, unit| held(&receipt, name, unit);
            // A capsule can make no file and no process, wherever it runs.
            let none = |limit| {
                let applied = job.limits.get(limit);
                applied.map_or_else(Held::default, |applied| Held::enforced(applied, Some(0)))
            };
            attempt.limits = attempt
                .limits
                .with(Limit::CpuMs, held("time_ms", 1))
                .with(Limit::DiskBytes, none(Limit::DiskBytes))
                .with(
                    Limit::MemoryBytes,
                    held("memory_pages", request::PAGE_BYTES),
                )
                .with(Limit::OutputBytes, held("output_bytes", 1))
                .with(Limit::Pids, none(Limit::Pids));
            attempt
        }
    }
}

fn of_program(came: program::Came, job: &Job<'_>, wall: Duration) -> Attempt {
    let attempt = attempt(came.ended, job, wall);
    let Some(answered) = came.answered else {
        return attempt;
    };
    let mut attempt = told_by(attempt, &answered.receipt);
    attempt.stdout = answered.stdout;
    attempt.stderr = answered.stderr;
    let its = [
        Limit::CpuMs,
        Limit::DiskBytes,
        Limit::MemoryBytes,
        Limit::OutputBytes,
        Limit::Pids,
    ];
    for limit in its {
        let held = held(&answered.receipt, limit.name(), 1);
        attempt.limits = attempt.limits.with(limit, held);
    }
    attempt
}

/// A run of which this node saw its end and its time.
fn attempt(ended: Ended, job: &Job<'_>, wall: Duration) -> Attempt {
    let mut attempt = Attempt::new(ended, label("tenzik over HTTP"), wall);
    attempt.limits = own_clock(job, wall);
    attempt
}

/// The run with the receipt that stands behind it.
fn told_by(mut attempt: Attempt, receipt: &SignedReceipt) -> Attempt {
    attempt.isolation = Isolation {
        seen: [label("remote_receipt")].into_iter().collect(),
        ..Isolation::default()
    };
    attempt.ext = BTreeMap::from([(label("remote"), told(receipt))]);
    attempt
}

fn unavailable(reason: &str) -> Readiness {
    Readiness::Unavailable {
        reason: reason.to_owned(),
        remedy: "start the other node, or correct its address".to_owned(),
    }
}

/// What this node's receipt says of the other's.
fn told(receipt: &SignedReceipt) -> Value {
    let text = |text: String| Label::new(text).map_or(Value::Null, Value::Text);
    Value::Object(BTreeMap::from([
        (label("claim"), text(receipt.claim().id().to_string())),
        (label("node"), text(receipt.receipt().node.to_string())),
        (label("receipt"), text(receipt.id().to_string())),
    ]))
}

fn own_clock(job: &Job<'_>, wall: Duration) -> PerLimit<Held> {
    let held = PerLimit::all(Held::default());
    let observed = u64::try_from(wall.as_millis()).ok();
    match job.limits.get(Limit::WallMs) {
        Some(applied) => held.with(Limit::WallMs, Held::enforced(applied, observed)),
        None => held,
    }
}

/// What the other's receipt says of a limit, in the unit of this node's.
fn held(receipt: &SignedReceipt, name: &str, unit: u64) -> Held {
    let mut entries = receipt.receipt().backend.enforced.iter();
    let entry = entries.find(|entry| entry.limit.as_str() == name);
    entry.map_or_else(Held::default, |entry| Held {
        applied: entry.applied.map(|number| number.get() * unit),
        enforced: entry.enforced,
        observed: entry.observed.map(|number| number.get() * unit),
    })
}
