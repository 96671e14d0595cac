//! Trust policies: which logs, which witnesses, and how many of them must have cosigned (c2sp.org/tlog-policy).
//!
//! Enters: a policy file's bytes, signed checkpoints. Leaves: a [`Policy`], a [`Quorum`].
//! Refuses: files with anything that the specification does not define, and checkpoints that too few witnesses cosigned.

mod name;
mod read;
#[cfg(test)]
mod tests;

use tenzik_receipt::Timestamp;

pub use name::PolicyName;
pub use read::{
    POLICY_BYTES_MAX, POLICY_GROUPS_MAX, POLICY_LOGS_MAX, POLICY_WITNESSES_MAX, PolicyFileError,
    PolicyFileProblem,
};

use crate::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use crate::cosignature::CosignatureError;
use crate::note::VerifierKey;

/// A log that a policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its name.
    pub origin: Origin,
    /// The key under which it signs, of type ed25519.
    pub key: VerifierKey,
    /// Where it is, as octets of which nothing is checked but that they are no whitespace.
    pub url: Option<Vec<u8>>,
}

/// A witness that a policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Its name in the policy, which may be another than its key's.
    pub name: PolicyName,
    /// The key under which it cosigns, of type cosignature.
    pub key: VerifierKey,
    /// Its submission prefix, as octets of which nothing is checked but that they are no whitespace.
    pub url: Option<Vec<u8>>,
}

/// Which checkpoints are valid: those that one of the logs signed and that the quorum cosigned.
///
/// ```text
/// log node.example/log+5bfe...
/// witness A a.example+0a31... https://a.example/
/// witness B b.example+77c0...
/// group both all A B
/// quorum both
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    /// Each is made of rules before it.
    rules: Vec<Rule>,
    /// The rule that decides; `None` if no cosignature is needed.
    quorum: Option<usize>,
}

/// When a name counts as having witnessed a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// If so many of these rules do, at least 1 and at most all.
    Group {
        threshold: usize,
        members: Vec<usize>,
    },
    /// If this witness cosigned.
    Witness(usize),
}

/// Why a checkpoint is not valid under a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The note is no checkpoint of one of the logs.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A witness's line does not verify.
    #[error(transparent)]
    Cosignature(#[from] CosignatureError),
    /// Too few witnesses.
    #[error("{cosigned} of {known} witnesses cosigned, which is no quorum")]
    NoQuorum {
        /// How many cosigned.
        cosigned: usize,
        /// How many the policy knows.
        known: usize,
    },
    /// None of the policy's logs.
    #[error("the policy does not know the log {origin} with this key")]
    UnknownLog {
        /// The log that the checkpoint names.
        origin: Origin,
    },
}

/// The witnesses that cosigned a checkpoint, enough for a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quorum {
    /// Who, in the policy's order, and when.
    pub witnesses: Vec<(PolicyName, Timestamp)>,
    dated: Option<Timestamp>,
    held_at: Option<Timestamp>,
}

impl Quorum {
    /// When the quorum was reached: the earliest time by which enough witnesses had seen the checkpoint. An entry of its
    /// tree was logged by then. `None` if the policy needs no witness.
    pub const fn dated(&self) -> Option<Timestamp> {
        self.dated
    }

    /// Until when a quorum held this for the log's largest tree: the latest time at or after which enough witnesses
    /// cosigned it. An entry that is not in its tree was not logged by then, unless [others](Policy::spared_after) were a
    /// quorum for a larger one. `None` if the policy needs no witness.
    pub const fn held_at(&self) -> Option<Timestamp> {
        self.held_at
    }
}

impl Policy {
    /// The logs, in the file's order. If there are none, the caller knows the log from elsewhere.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the file's order.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the witnesses for which `cosigned` is true are a quorum.
    pub fn satisfied_by(&self, cosigned: impl Fn(&VerifierKey) -> bool) -> bool {
        let cosigned: Vec<_> = self.witnesses.iter().map(|it| cosigned(&it.key)).collect();
        self.is_quorum(&cosigned)
    }

    /// Opens a checkpoint of one of the logs, and checks it.
    ///
    /// # Errors
    /// [`PolicyError`]. A policy without logs opens none.
    pub fn open(&self, bytes: &[u8]) -> Result<(SignedCheckpoint, Quorum), PolicyError> {
        let origin = Checkpoint::peek(bytes)?.origin().clone();
        let keys: Vec<_> = self
            .logs
            .iter()
            .filter(|log| log.origin == origin)
            .map(|log| log.key.clone())
            .collect();
        if keys.is_empty() {
            return Err(PolicyError::UnknownLog { origin });
        }
        let checkpoint = SignedCheckpoint::open_any(bytes, &keys)?;
        let quorum = self.check(&checkpoint)?;
        Ok((checkpoint, quorum))
    }

    /// Which of the witnesses cosigned, if they are a quorum, and the log is one of the policy's. A policy without logs
    /// leaves the log to the caller, who opened the checkpoint with its key.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn check(&self, checkpoint: &SignedCheckpoint) -> Result<Quorum, PolicyError> {
        let known = |log: &PolicyLog| log.key == *checkpoint.signer();
        if !self.logs.is_empty() && !self.logs.iter().any(known) {
            let origin = checkpoint.checkpoint().origin().clone();
            return Err(PolicyError::UnknownLog { origin });
        }
        let keys: Vec<_> = self.witnesses.iter().map(|it| it.key.clone()).collect();
        let found = checkpoint.cosignatures(&keys)?;
        let mut times = vec![None; keys.len()];
        for (index, time) in &found {
            times[*index] = Some(*time);
        }
        if !self.is_quorum(&times.iter().map(Option::is_some).collect::<Vec<_>>()) {
            return Err(PolicyError::NoQuorum {
                cosigned: found.len(),
                known: keys.len(),
            });
        }
        let named = |(index, time): (usize, _)| (self.witnesses[index].name.clone(), time);
        Ok(Quorum {
            dated: self.limits(&times, |time, limit| time <= limit).min(),
            held_at: self.limits(&times, |time, limit| time >= limit).max(),
            witnesses: found.into_iter().map(named).collect(),
        })
    }

    /// Whether witnesses that did not cosign this after that time are a quorum by themselves. They may have cosigned a larger
    /// tree before it, and those of `quorum` need not know: a policy such as `any` has quorums that share no witness.
    pub fn spared_after(&self, quorum: &Quorum, time: Timestamp) -> bool {
        let spared = |witness: &PolicyWitness| {
            let mut held = quorum.witnesses.iter();
            !held.any(|(name, cosigned)| *name == witness.name && *cosigned > time)
        };
        self.is_quorum(&self.witnesses.iter().map(spared).collect::<Vec<_>>())
    }

    /// The times for which those witnesses are a quorum whose own time is on the right side of it; none if the quorum
    /// needs no witness.
    fn limits(
        &self,
        times: &[Option<Timestamp>],
        counts: impl Fn(Timestamp, Timestamp) -> bool,
    ) -> impl Iterator<Item = Timestamp> {
        let needed = self.quorum.is_some();
        times.iter().copied().flatten().filter(move |limit| {
            let counted = |time: &Option<Timestamp>| time.is_some_and(|time| counts(time, *limit));
            needed && self.is_quorum(&times.iter().map(counted).collect::<Vec<_>>())
        })
    }

    /// Whether these witnesses, each by its place, are a quorum. Every rule is looked at once, those it is made of before it.
    fn is_quorum(&self, cosigned: &[bool]) -> bool {
        let mut holds = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            holds.push(match rule {
                Rule::Group { threshold, members } => {
                    members.iter().filter(|member| holds[**member]).count() >= *threshold
                }
                Rule::Witness(index) => cosigned[*index],
            });
        }
        self.quorum.is_none_or(|rule| holds[rule])
    }
}
