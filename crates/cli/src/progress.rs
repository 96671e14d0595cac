//! What a person is told who waits: nothing for a second, then what is being done.
//!
//! Enters: what is being done. Leaves: a line on stderr after a second, and one every ten seconds from then. Refuses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long nothing is said.
const FIRST: Duration = Duration::from_secs(1);
/// How long between two lines.
const NEXT: Duration = Duration::from_secs(10);

/// Something that goes on. It is over when this is dropped.
pub(crate) struct Progress {
    end: Option<Sender<()>>,
    teller: Option<JoinHandle<()>>,
    counts: Arc<[AtomicUsize; 2]>,
}

impl Progress {
    /// Begins to wait.
    pub(crate) fn begin(what: impl Into<String>) -> Self {
        let what = what.into();
        Self::telling(move || what.clone())
    }

    /// The same, for what changes meanwhile.
    pub(crate) fn telling(what: impl Fn() -> String + Send + 'static) -> Self {
        let (end, ended) = channel::<()>();
        let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let shared = Arc::clone(&counts);
        let teller = std::thread::spawn(move || {
            let began = Instant::now();
            let mut wait = FIRST;
            while ended.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                let seconds = began.elapsed().as_secs();
                eprintln!("{}{}: {seconds} s", what(), counted(&shared));
                wait = NEXT;
            }
        });
        Self {
            end: Some(end),
            teller: Some(teller),
            counts,
        }
    }

    /// Says how much is done.
    pub(crate) fn at(&self, done: usize, all: usize) {
        self.counts[0].store(done, Ordering::Relaxed);
        self.counts[1].store(all, Ordering::Relaxed);
    }
}

fn counted(counts: &[AtomicUsize; 2]) -> String {
    let [done, all] = [0, 1].map(|index: usize| counts[index].load(Ordering::Relaxed));
    match all {
        0 => String::new(),
        all => format!(", {done} of {all}"),
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(teller) = self.teller.take() {
            // It panics only where stderr is gone, and then there is nobody to tell.
            let _ = teller.join();
        }
    }
}
