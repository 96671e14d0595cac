//! What programs can be held to here, told without waiting for what is slow.
//!
//! Enters: a question that may block, since it probes backends. Leaves: its last answer. Refuses: to ask twice at once, and to keep
//! whoever wants to know longer than [`WAIT`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik::router::{Limit, Router};
use tenzik_receipt::Profile;
use tokio::sync::{Semaphore, watch};

/// By profile and language.
pub(crate) type LimitsHeld = BTreeMap<&'static str, BTreeMap<String, Vec<&'static str>>>;

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_secs(2);
/// For how long one holds.
const FRESH_FOR: Duration = Duration::from_secs(5);

/// The last answer.
pub(super) struct Held {
    told: watch::Sender<Option<(Instant, LimitsHeld)>>,
    asking: Arc<Semaphore>,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            told: watch::Sender::new(None),
            asking: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Held {
    /// The last answer, or a new one if that comes soon; nothing before the first.
    pub(super) async fn told(
        &self,
        ask: impl FnOnce() -> LimitsHeld + Send + 'static,
    ) -> LimitsHeld {
        let mut answers = self.told.subscribe();
        let is_fresh = |told: &Option<(Instant, LimitsHeld)>| {
            told.as_ref()
                .is_some_and(|(at, _)| at.elapsed() < FRESH_FOR)
        };
        let known = is_fresh(&answers.borrow());
        if let (false, Ok(only)) = (known, Arc::clone(&self.asking).try_acquire_owned()) {
            let told = self.told.clone();
            tokio::task::spawn_blocking(move || {
                let limits = ask();
                told.send_replace(Some((Instant::now(), limits)));
                drop(only);
            });
        }
        // Late is no error: what was known before is told.
        let _ = tokio::time::timeout(WAIT, answers.wait_for(is_fresh)).await;
        let last = answers.borrow();
        last.as_ref()
            .map(|(_, limits)| limits.clone())
            .unwrap_or_default()
    }
}

/// Asks a router.
pub(super) fn ask(router: &Router, profiles: &[Profile]) -> LimitsHeld {
    let names = |limits: Vec<Limit>| limits.into_iter().map(Limit::name).collect();
    let by_language = |profile: &Profile| {
        let held = router.limits_held(*profile).into_iter();
        let held = held.map(|(language, limits)| (language.to_string(), names(limits)));
        (profile.name(), held.collect())
    };
    profiles.iter().map(by_language).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(word: &'static str) -> LimitsHeld {
        BTreeMap::from([(word, BTreeMap::new())])
    }

    /// A backend that does not say whether it is ready kept every caller from learning which life of the node it speaks to.
    #[tokio::test]
    async fn a_question_that_blocks_is_asked_once_and_holds_nobody_up() {
        let held = Held::default();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let slow = move || {
            let _ = gone.recv();
            answer("slow")
        };
        assert_eq!(held.told(slow).await, LimitsHeld::new());
        let never = || panic!("it is being asked");
        assert_eq!(held.told(never).await, LimitsHeld::new());
        drop(go);
        let mut answers = held.told.subscribe();
        answers.wait_for(Option::is_some).await.expect("an answer");
        assert_eq!(held.told(|| panic!("it is known")).await, answer("slow"));
    }
}
