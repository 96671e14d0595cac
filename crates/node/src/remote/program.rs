//! A program at another node: begun once, followed to its end.
//!
//! Enters: a job with a program. Leaves: what the node's receipt says came of it. Refuses: answers that no receipt of the node's
//! stands behind, and to have it run twice.
//!
//! A program may have effects. The node is told an id, and which life of it is meant: whatever is sent again under the id is not run
//! again, and a node that was started anew refuses it. So a connection that breaks is made again, with growing pauses, and the answer
//! is had from there; where the node cannot say any more what came of it, the job is lost, and not tried again.
//!
//! A node that says nothing for [`SILENCE`] is asked again. One that is well says something every five seconds.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tenzik::backend::{Backend as _, BackendError, Ended, Job};
use tenzik::control::Phase;
use tenzik::router::Limit;

use super::answer::Unaccepted;
use super::elsewhere::{Waited, elsewhere, rest, unwanted, wait};
use super::ended::ProgramAnswered;
use super::lines::{Heard, hear};
use super::request::ProgramAsked;
use super::{ASK, PATIENCE, PAUSE, PAUSE_MAX, Remote, unaccepted};
use crate::federation::client::Asking;
use crate::text;

/// After how much silence a connection is taken for broken.
const SILENCE: Duration = Duration::from_secs(10);
/// As slow as a request may be sent.
const SENT_BYTES_PER_S_MIN: usize = 64 * 1024;
/// How long one connection is listened to, before another one is made.
const CONNECTION: Duration = Duration::from_secs(120);
/// How long the end of something that was cancelled is waited for.
const END: Duration = Duration::from_secs(8);

/// How it came to its end.
pub(super) struct Came {
    pub(super) ended: Ended,
    /// What the node's receipt says, if it gave one.
    pub(super) answered: Option<ProgramAnswered>,
}

/// One job at the node.
pub(super) struct Following<'a> {
    remote: &'a Remote,
    job: &'a Job<'a>,
    asked: ProgramAsked,
    /// The life of the node that it is sent to.
    boot: String,
    /// Whether the node has it, as far as is known.
    had: Had,
    /// When a node that does not answer is given up.
    until: Instant,
}

/// Whether the node has the job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Had {
    No,
    /// It was sent, and nothing was heard.
    Perhaps,
    Yes,
}

/// What comes of one connection.
enum Next {
    Again(String),
    Done(Box<Came>),
}

impl Next {
    fn done(came: Came) -> Self {
        Self::Done(Box::new(came))
    }
}

impl<'a> Following<'a> {
    /// Asks the node which life of it is meant.
    pub(super) fn new(remote: &'a Remote, job: &'a Job<'a>) -> Result<Self, BackendError> {
        let boot = remote.describe()?.boot;
        // What was claimed goes by an older word of the node's: its receipt would be about another request.
        let holds = remote.holds(Limit::Pids, job.code.language(), job.profile);
        if job.limits.get(Limit::Pids).is_some() && job.claimed.get(Limit::Pids).is_some() != holds
        {
            return Err(BackendError::failed(ASK, "what it can hold has changed"));
        }
        let asked = ProgramAsked::new(job, &remote.config.audience, &boot)
            .map_err(|error| BackendError::failed("make the request", error))?;
        Ok(Self {
            remote,
            job,
            asked,
            boot,
            had: Had::No,
            until: job.deadline.unwrap_or_else(|| Instant::now() + PATIENCE),
        })
    }

    /// To the end, over as many connections as it takes.
    pub(super) fn run(mut self) -> Result<Came, BackendError> {
        let mut pause = PAUSE;
        loop {
            let why = match self.connect()? {
                Next::Done(came) => return Ok(*came),
                Next::Again(why) => why,
            };
            if let Some(ended) = unwanted(self.job) {
                return self.end(ended);
            }
            // What the node may have is waited for as long as the run may take.
            let patient = self.had != Had::No && self.job.deadline.is_some();
            if !patient && Instant::now() + pause >= self.until {
                return self.give_up(&why);
            }
            rest(self.job, pause.min(self.left()));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// One connection: begins the job, or follows one that the node has.
    fn connect(&mut self) -> Result<Next, BackendError> {
        if let Some(ended) = unwanted(self.job) {
            return self.end(ended).map(Next::done);
        }
        let body = (self.had != Had::Yes).then(|| self.asked.body.clone());
        let url = match body {
            Some(_) => self.remote.url("/v1/executions"),
            None => self.url(),
        };
        // A long request takes its time before anything can be answered.
        let sending = body.as_ref().map_or(0, Vec::len) / SENT_BYTES_PER_S_MIN;
        let heard = self.listen(url, body, CONNECTION)?;
        let mut until = Instant::now() + SILENCE + Duration::from_secs(sending as u64);
        let why = loop {
            match wait(self.job, &heard, until) {
                Waited::Came(heard) => {
                    until = Instant::now() + SILENCE;
                    if let Some(next) = self.heard(heard)? {
                        return Ok(next);
                    }
                }
                Waited::Late => break "it says nothing",
                Waited::Lost => break "the connection was lost",
                Waited::Unwanted(ended) => {
                    self.sent();
                    return self.end(ended).map(Next::done);
                }
            }
        };
        self.sent();
        Ok(Next::Again(why.to_owned()))
    }

    /// Asks how far it is, or with a body begins it. The time is that for all of it.
    fn listen(
        &self,
        url: String,
        body: Option<Vec<u8>>,
        patience: Duration,
    ) -> Result<Receiver<Heard>, BackendError> {
        let (client, token) = (self.remote.client.clone(), self.remote.config.token.clone());
        elsewhere(move |sender| {
            let asking = body.as_deref().map_or(Asking::Get, Asking::Post);
            hear(
                client.open(asking, &url, token.as_deref(), patience),
                sender,
            );
        })
    }

    /// What follows from something that was heard; nothing if more is to come.
    fn heard(&mut self, heard: Heard) -> Result<Option<Next>, BackendError> {
        match heard {
            Heard::Alive => Ok(None),
            Heard::Queued | Heard::Running => {
                self.had = Had::Yes;
                let phase = match heard {
                    Heard::Queued => Phase::Waiting,
                    _ => Phase::Running,
                };
                self.job.control.enter(phase);
                if self.job.deadline.is_none() {
                    self.until = Instant::now() + PATIENCE;
                }
                Ok(None)
            }
            Heard::End(line) => {
                let answered =
                    ProgramAnswered::read(&line, &self.asked, self.job, &self.remote.trust);
                let answered = answered.map_err(|error| {
                    self.sent();
                    self.cancel();
                    unaccepted(error)
                })?;
                Ok(Some(Next::done(Came {
                    ended: answered.ended.clone(),
                    answered: Some(answered),
                })))
            }
            Heard::Broken(why) => {
                self.sent();
                Ok(Some(Next::Again(why)))
            }
            Heard::Nonsense(why) => {
                self.cancel();
                Err(BackendError::lost(ASK, text::shown(&why)))
            }
            Heard::Status(status, body) => self.refused(status, &body),
        }
    }

    /// What follows from a refusal. Only one by the node's own word that nothing was begun leaves the job where it was: whoever
    /// stands before the node may have passed the request on.
    fn refused(&mut self, status: u16, body: &[u8]) -> Result<Option<Next>, BackendError> {
        let code = code(body);
        let began_nothing = matches!(
            (status, code.as_str()),
            (429, "quota") | (503, "busy" | "unavailable")
        );
        if matches!(status, 408 | 429 | 500..) {
            if !began_nothing {
                self.sent();
            }
            return Ok(Some(Next::Again(format!("status {status}"))));
        }
        match (status, self.had) {
            // Of a request that may have arrived, the first answer was lost, and this one is about another life or id.
            (_, Had::Yes | Had::Perhaps) => Err(BackendError::lost(
                ASK,
                format!("the node does not know any more what came of it: {status} {code}"),
            )),
            (409, Had::No) => Err(BackendError::failed(ASK, format!("{status} {code}"))),
            (_, Had::No) => Err(BackendError::denied(
                ASK,
                format!("the node answers with status {status}: {code}"),
            )),
        }
    }

    /// The job may have arrived.
    fn sent(&mut self) {
        if self.had == Had::No {
            self.had = Had::Perhaps;
        }
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Nothing is heard of it for too long.
    fn give_up(&self, why: &str) -> Result<Came, BackendError> {
        match self.had {
            Had::No => Err(BackendError::failed(ASK, why)),
            _ => {
                self.cancel();
                Err(BackendError::lost(ASK, why))
            }
        }
    }

    /// Has it cancelled, and takes the receipt that the node gives for its end, if there is one in time. A node that cannot be told
    /// cancels it by itself, when nobody has asked for it for a while.
    ///
    /// # Errors
    /// [`BackendError::failed`] where its time was over before it had a place at the node: nothing ran.
    fn end(&self, ended: Ended) -> Result<Came, BackendError> {
        let mut answered = None;
        if self.had != Had::No {
            self.cancel();
            answered = match self.last() {
                Some(Ok(answered)) => Some(answered),
                Some(Err(Unaccepted::NoReceipt(code)))
                    if code == "cancelled" && matches!(ended, Ended::LimitReached(_)) =>
                {
                    return Err(BackendError::failed(ASK, "it had no place for it in time"));
                }
                _ => None,
            };
        }
        Ok(Came { ended, answered })
    }

    /// Has the node end it, on a thread of its own. What it answers changes nothing. Another life of the node would take it for
    /// something that is still to come, and say that it never ran.
    fn cancel(&self) {
        let url = format!("{}?boot={}", self.url(), self.boot);
        let client = self.remote.client.clone();
        let token = self.remote.config.token.clone();
        let ask = move |_: &_| drop(client.open(Asking::Delete, &url, token.as_deref(), END));
        // Without a thread the node finds out by itself that nobody waits.
        drop(elsewhere::<()>(ask));
    }

    /// The node's word on what was cancelled; nothing if it does not come in time.
    fn last(&self) -> Option<Result<ProgramAnswered, Unaccepted>> {
        let until = Instant::now() + END;
        let heard = self.listen(self.url(), None, END).ok()?;
        loop {
            let left = until.checked_duration_since(Instant::now())?;
            match heard.recv_timeout(left).ok()? {
                Heard::Alive | Heard::Queued | Heard::Running => {}
                Heard::End(line) => {
                    let (asked, trust) = (&self.asked, &self.remote.trust);
                    return Some(ProgramAnswered::read(&line, asked, self.job, trust));
                }
                _ => return None,
            }
        }
    }

    fn url(&self) -> String {
        self.remote
            .url(&format!("/v1/executions/{}", self.asked.id))
    }
}

fn code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
    }
    serde_json::from_slice::<Body>(body).map_or_else(
        |_| "no reason".to_owned(),
        |body| text::shown(&body.error.code),
    )
}
