//! Answers that are kept, within a bound.
//!
//! Enters: how long an answer is. Leaves: [`Space`] for it, once there is some. Refuses nothing: who finds none waits until there
//! is, which is no longer than readers have time.
//!
//! Bytes count from before an answer is kept until it is let go, whoever reads it: readers hold no more of it than a piece. So what
//! is let go is free at once. What nobody reads goes first, the oldest before the others; then what its readers have had their
//! time for. A caller's own answers make room within its share, so that its slow readers keep nobody else waiting.

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::sleep;

use super::live::Live;
use super::share::Share;
use crate::config::ExecutionsConfig;

/// How often it is looked whether there is space by now.
const LOOK: Duration = Duration::from_millis(50);

/// Bytes that are held; a figure of `/metrics` for all, and one number for each caller.
pub(super) type Bytes = Gauge<u64, AtomicU64>;

/// All answers that are kept.
pub(super) struct Kept {
    /// The oldest first.
    answers: Mutex<VecDeque<Answer>>,
    bytes: Bytes,
    bytes_max: u64,
    caller_bytes_max: u64,
    /// How long an answer's readers have it for sure.
    patience: Duration,
    /// Whoever waits for the node's space waits in turn: none is overtaken for ever.
    turn: tokio::sync::Mutex<()>,
}

struct Answer {
    live: Arc<Live>,
    space: Space,
}

/// Space for an answer, given back when dropped.
pub(super) struct Space {
    share: Arc<Share>,
    all: Bytes,
    bytes: u64,
}

impl Kept {
    pub(super) fn new(config: &ExecutionsConfig, bytes: Bytes) -> Self {
        Self {
            answers: Mutex::default(),
            bytes,
            bytes_max: config.kept_bytes_max,
            caller_bytes_max: config.share_of(config.kept_bytes_max, 0),
            patience: Duration::from_millis(config.read_ms.into()),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Waits for space. One answer of a caller's at a time waits, and one that is larger than all there is has it alone.
    pub(super) async fn space(&self, share: &Arc<Share>, bytes: u64) -> Space {
        let _own = share.turn.lock().await;
        while !self.make(bytes, Some(share)) {
            sleep(LOOK).await;
        }
        let _turn = self.turn.lock().await;
        while !self.make(bytes, None) {
            sleep(LOOK).await;
        }
        Space::taken(share, &self.bytes, bytes)
    }

    /// Keeps an answer, and tells who waits for it.
    pub(super) fn end(&self, live: &Arc<Live>, line: Arc<[u8]>, space: Space) {
        let mut answers = self.lock();
        live.ended(line);
        let live = Arc::clone(live);
        answers.push_back(Answer { live, space });
    }

    /// Lets go what may be, until so many bytes fit beside the caller's own, or beside all.
    fn make(&self, bytes: u64, share: Option<&Arc<Share>>) -> bool {
        let (held, most) = match share {
            Some(share) => (&share.kept, self.caller_bytes_max),
            None => (&self.bytes, self.bytes_max),
        };
        let mut answers = self.lock();
        loop {
            let held = held.get();
            if held == 0 || held.saturating_add(bytes) <= most {
                return true;
            }
            let is_its =
                |answer: &Answer| share.is_none_or(|share| Arc::ptr_eq(share, &answer.space.share));
            let gone = |patience| {
                let mut places = answers.iter();
                places.position(|answer| is_its(answer) && answer.live.forget(patience))
            };
            let Some(place) = gone(None).or_else(|| gone(Some(self.patience))) else {
                return false;
            };
            answers.remove(place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        // Answers come and go whole.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Space {
    fn taken(share: &Arc<Share>, all: &Bytes, bytes: u64) -> Self {
        share.kept.inc_by(bytes);
        all.inc_by(bytes);
        let (share, all) = (Arc::clone(share), all.clone());
        Self { share, all, bytes }
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.share.kept.dec_by(self.bytes);
        self.all.dec_by(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::executions::share::Shares;

    fn config(lines: &str) -> ExecutionsConfig {
        toml::from_str(&format!("backends = [\"sandbox\"]\n{lines}")).expect("a section")
    }

    fn kept(config: &ExecutionsConfig) -> (Kept, Shares) {
        (Kept::new(config, Bytes::default()), Shares::new(config))
    }

    /// Space that there is at once.
    fn space(kept: &Kept, share: &Arc<Share>, bytes: u64) -> Option<Space> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async { kept.space(share, bytes).now_or_never() })
    }

    /// An answer of so many bytes, if there is space at once.
    fn keep(kept: &Kept, share: &Arc<Share>, bytes: usize) -> Option<Arc<Live>> {
        let space = space(kept, share, bytes as u64)?;
        let live = Arc::new(Live::new());
        kept.end(&live, vec![0; bytes].into(), space);
        Some(live)
    }

    #[test]
    fn what_readers_hold_counts_and_what_nobody_reads_goes_first() {
        let (kept, shares) = kept(&config("kept_bytes_max = 100\ncaller_percent = 100\n"));
        let share = shares.of(&"a".into());
        let first = keep(&kept, &share, 40).expect("space");
        let reader = first.attach().expect("it is kept");
        let second = keep(&kept, &share, 40).expect("space");
        let third = keep(&kept, &share, 60).expect("the second one's");
        assert_eq!(kept.bytes.get(), 100);
        assert!(second.attach().is_err() && third.attach().is_ok());
        let third = third.attach().expect("it is kept");
        assert!(keep(&kept, &share, 1).is_none(), "both are being read");
        assert_eq!(reader.piece(0).map(|piece| piece.len()), Some(40));
        drop(reader);
        assert!(keep(&kept, &share, 1).is_some());
        assert!(third.piece(0).is_some() && first.attach().is_err());
        assert_eq!((kept.bytes.get(), share.kept.get()), (61, 61));
    }

    #[test]
    fn a_reader_that_had_its_time_is_cut_where_space_is_wanted() {
        let (kept, shares) = kept(&config("kept_bytes_max = 100\nread_ms = 0\n"));
        let share = shares.of(&"a".into());
        let live = keep(&kept, &share, 50).expect("space");
        let reader = live.attach().expect("it is kept");
        let other = shares.of(&"b".into());
        assert!(
            keep(&kept, &other, 50).is_some(),
            "there is space beside it"
        );
        assert!(reader.piece(0).is_some());
        assert!(keep(&kept, &share, 10).is_some());
        assert!(reader.piece(0).is_none(), "its caller wanted the space");
        assert_eq!((kept.bytes.get(), share.kept.get()), (60, 10));
    }

    #[test]
    fn what_is_larger_than_all_is_kept_alone_and_until_the_next() {
        let (kept, shares) = kept(&config("kept_bytes_max = 0\n"));
        let share = shares.of(&"a".into());
        let first = keep(&kept, &share, 9).expect("there is nothing beside it");
        let reader = first.attach().expect("it is kept");
        let other = shares.of(&"b".into());
        assert!(keep(&kept, &other, 1).is_none());
        drop(reader);
        assert!(keep(&kept, &other, 1).is_some());
        assert!(first.attach().is_err());
        assert_eq!(kept.bytes.get(), 1);
    }

    #[test]
    fn space_that_is_not_used_is_given_back() {
        let (kept, shares) = kept(&config("kept_bytes_max = 10\n"));
        let share = shares.of(&"a".into());
        let taken = space(&kept, &share, 5).expect("space");
        assert_eq!(kept.bytes.get(), 5);
        assert!(space(&kept, &share, 1).is_none());
        drop(taken);
        assert_eq!((kept.bytes.get(), share.kept.get()), (0, 0));
    }
}
