//! Asking witnesses for their cosignatures (c2sp.org/tlog-witness, the client's side).
//!
//! Enters: a checkpoint that this node's log has committed. Leaves: the same with cosignatures that verify.
//! Refuses: lines of keys that the policy does not name, and lines that do not verify.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::thread;

use crossbeam_channel::{Receiver, Sender};
use tenzik_log::Log;
use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::note::{NOTE_BYTES_MAX, SignatureLine, VerifierKey};
use tenzik_log::policy::{Policy, PolicyWitness};
use tenzik_log::tree::TreeError;
use tenzik_log::witness::{AddCheckpoint, LATEST_SIZE_TYPE, read_cosignatures, read_latest_size};

use crate::federation::{Client, ClientError};

/// How often a witness is asked for one checkpoint: the first time may only tell where it stands.
const ASKED_MAX: usize = 3;

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It has cosigned a larger tree of this log, or another one of this size.
    #[error("it has cosigned another tree, or one of {size} entries")]
    Ahead {
        /// The size that it names.
        size: u64,
    },
    /// It does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What it answers has not the form.
    #[error("its answer has not the form")]
    Form,
    /// The log was closed.
    #[error("the log was closed")]
    Over,
    /// Asking it panicked.
    #[error("asking it panicked")]
    Panicked,
    /// It refuses.
    #[error("it refuses with status {status}")]
    Refused {
        /// The status.
        status: u16,
    },
    /// It answers with another size each time.
    #[error("it does not say the same twice")]
    Restless,
    /// No proof could be made for it.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// What a witness said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WitnessWord {
    /// It cosigned the tree of this size.
    Cosigned(u64),
    /// It did not, for this reason.
    Not(String),
}

pub(super) struct Witnesses {
    client: Client,
    known: Vec<Known>,
    answers: (Sender<Answered>, Receiver<Answered>),
}

struct Known {
    who: PolicyWitness,
    /// Away while it is asked.
    asker: Option<Asker>,
    /// Whether it said last that it has seen more of this log than there is here.
    ahead: bool,
    word: Option<WitnessWord>,
}

/// Asks one witness, on a thread of its own.
struct Asker {
    url: String,
    /// The size that it cosigned last, as far as is known here.
    size: u64,
}

/// An asker that came back.
struct Answered {
    place: usize,
    asker: Asker,
    size: u64,
    answer: Result<Vec<SignatureLine>, AskError>,
}

impl Witnesses {
    /// Those of the policy that have a URL.
    pub(super) fn new(policy: &Policy, client: Client) -> Self {
        let with_url = policy.witnesses().iter().filter_map(|who| {
            let url = String::from_utf8(who.url.clone()?).ok()?;
            Some(Known {
                who: who.clone(),
                asker: Some(Asker {
                    url: url.trim_end_matches('/').to_owned(),
                    size: 0,
                }),
                ahead: false,
                word: None,
            })
        });
        Self {
            client,
            known: with_url.collect(),
            answers: crossbeam_channel::unbounded(),
        }
    }

    /// Asks all at once, and adds what they sign until it is enough. One that is slow is not waited for then, so that it
    /// cannot hold up the others' word; it is asked again when it has come back.
    pub(super) fn cosign(
        &mut self,
        log: &Arc<Log>,
        mut checkpoint: SignedCheckpoint,
        enough: impl Fn(&SignedCheckpoint) -> bool,
    ) -> SignedCheckpoint {
        while let Ok(late) = self.answers.1.try_recv() {
            self.take(late, &mut checkpoint);
        }
        for place in 0..self.known.len() {
            if let Some(asker) = self.known[place].asker.take() {
                self.send(place, asker, log, &checkpoint);
            }
        }
        while !enough(&checkpoint) && self.known.iter().any(|known| known.asker.is_none()) {
            let answered = self.answers.1.recv();
            // This end of the channel has the other one too.
            self.take(answered.expect("it is never cut"), &mut checkpoint);
        }
        checkpoint
    }

    fn send(&self, place: usize, mut asker: Asker, log: &Arc<Log>, head: &SignedCheckpoint) {
        // It does not keep the log open when that is closed.
        let (log, head) = (Arc::downgrade(log), head.clone());
        let (client, answers) = (self.client.clone(), self.answers.0.clone());
        thread::spawn(move || {
            let asked = panic::catch_unwind(AssertUnwindSafe(|| asker.ask(&client, &log, &head)));
            let answer = asked.unwrap_or(Err(AskError::Panicked));
            let size = head.checkpoint().size();
            // Nobody may wait any more.
            let _ = answers.send(Answered {
                place,
                asker,
                size,
                answer,
            });
        });
    }

    /// Notes what a witness said, and adds its cosignature if it is of this checkpoint.
    fn take(&mut self, answered: Answered, checkpoint: &mut SignedCheckpoint) {
        let known = &mut self.known[answered.place];
        let keys = std::slice::from_ref(&known.who.key);
        known.asker = Some(answered.asker);
        known.ahead = matches!(answered.answer, Err(AskError::Ahead { .. }));
        let is_late = answered.size != checkpoint.checkpoint().size();
        known.word = Some(match answered.answer {
            Err(error) => WitnessWord::Not(error.to_string()),
            Ok(_) if is_late => WitnessWord::Cosigned(answered.size),
            Ok(lines) => match checkpoint.add_signatures(&lines, keys) {
                Err(error) => WitnessWord::Not(error.to_string()),
                Ok(0) => WitnessWord::Not("it did not sign with the key of the policy".to_owned()),
                Ok(_) => WitnessWord::Cosigned(answered.size),
            },
        });
    }

    /// Whether a witness said last that it has seen more of this log than this log has.
    pub(super) fn is_ahead(&self, key: &VerifierKey) -> bool {
        self.known
            .iter()
            .any(|known| known.who.key == *key && known.ahead)
    }

    pub(super) fn words(&self) -> Vec<(String, WitnessWord)> {
        let said = self
            .known
            .iter()
            .filter_map(|known| Some((known.who.name.to_string(), known.word.clone()?)));
        said.collect::<BTreeMap<_, _>>().into_iter().collect()
    }
}

impl Asker {
    fn ask(
        &mut self,
        client: &Client,
        log: &Weak<Log>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Vec<SignatureLine>, AskError> {
        let size = checkpoint.checkpoint().size();
        let url = format!("{}/add-checkpoint", self.url);
        for _ in 0..ASKED_MAX {
            if self.size > size {
                return self.is_now_ahead();
            }
            let log = log.upgrade().ok_or(AskError::Over)?;
            let proof = log.consistency(self.size, size)?;
            drop(log);
            let request = AddCheckpoint::new(self.size, proof, checkpoint);
            let body = request.map_err(|_| AskError::Form)?.to_bytes();
            let answer = client.post(
                &url,
                None,
                "text/plain; charset=utf-8",
                &body,
                NOTE_BYTES_MAX as u64,
            )?;
            let media_type = answer.content_type.as_deref();
            let media_type = media_type
                .and_then(|kind| kind.split(';').next())
                .map(str::trim);
            match (answer.status, media_type) {
                (200, _) => {
                    self.size = size;
                    return read_cosignatures(&answer.body).map_err(|_| AskError::Form);
                }
                (409, Some(LATEST_SIZE_TYPE)) => {
                    self.size = read_latest_size(&answer.body).ok_or(AskError::Form)?;
                }
                (409, _) => return self.is_now_ahead(),
                (status, _) => return Err(AskError::Refused { status }),
            }
        }
        Err(AskError::Restless)
    }

    fn is_now_ahead(&mut self) -> Result<Vec<SignatureLine>, AskError> {
        // It is asked from the beginning the next time: a witness that erred, or was restored, says where it is now.
        let size = std::mem::take(&mut self.size);
        Err(AskError::Ahead { size })
    }
}
