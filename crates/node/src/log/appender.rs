//! Group commit: what waits is written at once, and each caller is answered when its group is durable.
//!
//! Enters: leaves with someone who waits. Leaves: their places. Refuses: everything once the log has stopped.

use crossbeam_channel::Receiver;
use tenzik_log::{Leaf, Log, LogError, Placed};
use tokio::sync::oneshot;

/// The most leaves of a group: more do not make a write cheaper, and the first of them waits for the last.
const GROUP_MAX: usize = 1_024;

/// A leaf, and who waits for it.
pub(super) struct Job {
    pub(super) leaf: Leaf,
    pub(super) answer: oneshot::Sender<Result<Placed, AppendError>>,
}

/// Why a leaf was not appended, or nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Too many appends wait, or too much waits for its tree. Nothing was taken; try again later.
    #[error("the log is busy")]
    Busy,
    /// The node is going down.
    #[error("the node is going down")]
    Lost,
    /// The log has the receipt already, under another signature. Nothing was taken.
    #[error("the log has this receipt under another signature")]
    OtherSignature,
    /// The log has stopped, and whether the leaf is durable is known after its restart.
    #[error("the log has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// Whether the log has it already cannot be read now. Nothing was taken; the log goes on.
    #[error("the log cannot be read now: {reason}")]
    Unread {
        /// Why.
        reason: String,
    },
}

impl From<LogError> for AppendError {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Full { .. } => Self::Busy,
            LogError::Tree(error) => Self::Unread {
                reason: error.to_string(),
            },
            other => Self::Stopped {
                reason: other.to_string(),
            },
        }
    }
}

/// Appends until nobody can send any more.
pub(super) fn run(log: &Log, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(GROUP_MAX - 1));
        append(log, group);
    }
}

/// Appends a group. Those of its leaves that are known otherwise are answered so, and the others once more without them.
fn append(log: &Log, mut group: Vec<Job>) {
    loop {
        let leaves = group.iter().map(|job| job.leaf.clone()).collect();
        // A crash here: nobody was answered. What reached the disk is in the log after the restart, which is no harm.
        let done = match log.append(leaves) {
            Err(LogError::OtherSignature { places }) => {
                // From behind, so that the places before stay.
                for place in places.into_iter().rev() {
                    let refused = group.remove(place);
                    let _ = refused.answer.send(Err(AppendError::OtherSignature));
                }
                continue;
            }
            done => done,
        };
        return answer(group, done);
    }
}

fn answer(group: Vec<Job>, done: Result<Vec<Placed>, LogError>) {
    let answers = group.into_iter().map(|job| job.answer);
    match done {
        Ok(placed) => {
            for (answer, placed) in answers.zip(placed) {
                // Whoever went away does not want to know; the leaf stays.
                let _ = answer.send(Ok(placed));
            }
        }
        Err(error) => {
            let error = AppendError::from(error);
            for answer in answers {
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}
