//! This node as a witness of other logs (c2sp.org/tlog-witness, the server's side).
//!
//! Enters: bodies of `add-checkpoint`. Leaves: cosignatures, or the status that the specification has.
//! Refuses: what [`witness::decide`] refuses. The new state is durable before anything is signed.

use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::cosignature::cosign;
use tenzik_log::evidence::{self, Evidence};
use tenzik_log::note::{KeyName, SignatureType, VerifierKey, VerifierKeyError};
use tenzik_log::witness::{
    self, AddCheckpoint, Advance, LATEST_SIZE_TYPE, Refused, Seen, write_cosignatures,
};
use tenzik_receipt::{KeyUse, SecretKey, SignError, Timestamp};
use tenzik_store::{Records, RecordsError};

use super::peers::Peers;

/// What the records of witnessed logs are kept under.
const KIND: &str = "witnessed";
/// How often a decision is made anew because another request came between.
const TRIES_MAX: usize = 8;

/// A witness: its key, and the last checkpoint of each log that it cosigned.
pub struct Witness {
    name: KeyName,
    key: SecretKey,
    verifier: VerifierKey,
    records: Records,
}

/// Why there is no witness.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The key is weak.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// The key is for another use.
    #[error("a witness signs with a witness key, this one is for use as {got}")]
    Use {
        /// The key's use.
        got: KeyUse,
    },
}

/// What is answered.
#[derive(Debug)]
pub struct WitnessAnswer {
    /// The status.
    pub status: u16,
    /// The body's type.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// What the request has shown about its log: it is to be kept, and the log's peer to be frozen.
    pub evidence: Option<Box<Evidence>>,
}

/// Why a witness cannot answer: the host's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessFailure {
    /// Other requests for the same log came between again and again.
    #[error("too many requests for one log at once")]
    Busy,
    /// What is stored is not a checkpoint.
    #[error("the record of a witnessed log is damaged")]
    Damaged,
    /// The records cannot be read or written.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Nothing could be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The log comes too often: its own fault.
    #[error("the log comes too often")]
    TooOften {
        /// When to come again.
        after_s: u64,
    },
}

impl Witness {
    /// A witness of this name.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn new(name: KeyName, key: SecretKey, records: Records) -> Result<Self, WitnessError> {
        if key.key_use() != KeyUse::Witness {
            return Err(WitnessError::Use { got: key.key_use() });
        }
        let verifier = VerifierKey::new(name.clone(), SignatureType::Cosignature, key.public())?;
        Ok(Self {
            name,
            key,
            verifier,
            records,
        })
    }

    /// The key that its cosignatures verify with.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Answers an `add-checkpoint` request. Blocks on the records.
    ///
    /// `charge` counts against the log of this origin, and says after how many seconds to come again if it is too much. It
    /// is called for a new checkpoint that the log has signed, and for one that contradicts what it signed before; for
    /// nothing that an honest log's enemies can send.
    ///
    /// # Errors
    /// [`WitnessFailure`]; then nothing was signed.
    pub fn add_checkpoint(
        &self,
        body: &[u8],
        peers: &Peers,
        now: Timestamp,
        charge: impl Fn(&str) -> Result<(), u64>,
    ) -> Result<WitnessAnswer, WitnessFailure> {
        let request = match AddCheckpoint::from_bytes(body) {
            Ok(request) => request,
            Err(error) => return Ok(refused(&Refused::Form(error), None)),
        };
        let origin = request.checkpoint().origin().as_str().to_owned();
        for _ in 0..TRIES_MAX {
            let stored = self.records.get(KIND, &origin)?;
            let latest = stored.as_deref().map(seen).transpose()?;
            let known = |origin: &_| {
                let peer = peers.of_log(origin).filter(|peer| peer.witness);
                peer.map(|peer| std::slice::from_ref(&peer.log))
            };
            let advance = match witness::decide(&request, known, latest.as_ref()) {
                Ok(advance) => advance,
                Err(refusal) => {
                    let evidence = contradiction(&request, stored.as_deref(), peers);
                    if evidence.is_some() {
                        // Whatever is left of the rate, the answer is the specification's, and a first lie is not missed.
                        let _ = charge(&origin);
                    }
                    return Ok(refused(&refusal, evidence));
                }
            };
            if advance.old != Some(advance.new) {
                charge(&origin).map_err(|after_s| WitnessFailure::TooOften { after_s })?;
            }
            if self.advance(&origin, stored.as_deref(), &advance)? {
                return self.cosigned(&advance, now);
            }
        }
        Err(WitnessFailure::Busy)
    }

    /// Puts the new checkpoint into the place of the one that was decided by. `false` if that is no longer there.
    fn advance(
        &self,
        origin: &str,
        stored: Option<&[u8]>,
        advance: &Advance,
    ) -> Result<bool, WitnessFailure> {
        // Cosigning the same tree again changes nothing but the time.
        if advance.old == Some(advance.new) {
            return Ok(true);
        }
        let bytes = advance.checkpoint.to_bytes();
        // A crash after this and before the answer: the log asks again, is told the new size, and gets its cosignature.
        Ok(self.records.put_if(KIND, origin, stored, &bytes)?)
    }

    fn cosigned(&self, advance: &Advance, now: Timestamp) -> Result<WitnessAnswer, WitnessFailure> {
        let line = cosign(advance.checkpoint.checkpoint(), &self.key, &self.name, now)?;
        Ok(WitnessAnswer {
            status: 200,
            content_type: "text/plain; charset=utf-8",
            body: write_cosignatures(&[line]),
            evidence: None,
        })
    }
}

/// Two checkpoints of one size and different roots, both signed by the log, are evidence at once, whatever else is wrong
/// with the request that shows the second.
fn contradiction(
    request: &AddCheckpoint,
    stored: Option<&[u8]>,
    peers: &Peers,
) -> Option<Box<Evidence>> {
    let peer = peers.of_log(request.checkpoint().origin())?;
    let held = SignedCheckpoint::open(stored?, &peer.log).ok()?;
    if held.checkpoint().size() != request.checkpoint().size() {
        return None;
    }
    let shown = SignedCheckpoint::open(request.note(), &peer.log).ok()?;
    evidence::contradiction(&held, &shown, None).map(Box::new)
}

fn seen(stored: &[u8]) -> Result<Seen, WitnessFailure> {
    let checkpoint = tenzik_log::checkpoint::Checkpoint::peek(stored);
    let checkpoint = checkpoint.map_err(|_| WitnessFailure::Damaged)?;
    Ok(Seen {
        size: checkpoint.size(),
        root: checkpoint.root(),
    })
}

fn refused(refusal: &Refused, evidence: Option<Box<Evidence>>) -> WitnessAnswer {
    let (content_type, body) = match refusal.latest_size() {
        Some(size) => (LATEST_SIZE_TYPE, format!("{size}\n")),
        None => ("text/plain; charset=utf-8", format!("{refusal}\n")),
    };
    WitnessAnswer {
        status: refusal.status(),
        content_type,
        body: body.into_bytes(),
        evidence,
    }
}
