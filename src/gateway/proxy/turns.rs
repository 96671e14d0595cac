//! Who of a connection's threads reads.
//!
//! Enters: what the threads do. Leaves: a [`Turn`] for one of them at a time. Refuses: more threads than a bound.

use std::time::Duration;

use super::server::{CALLS_AT_ONCE_MAX, Ended};

/// How many threads a connection has at once: those of its calls, as many whose answers the client has not read yet, and the
/// one that reads.
pub(super) const THREADS_MAX: usize = 2 * CALLS_AT_ONCE_MAX + 1;
/// How often it is looked whether a call is still under way while nobody reads.
pub(super) const LOOK: Duration = Duration::from_millis(2);
/// After so many looks without a call nobody watches any longer, and the next call wakes whoever does.
const LOOKS_IDLE_MAX: u32 = 25;

/// The right to read. There is one.
#[derive(Debug)]
pub(super) struct Turn(());

/// Who is to read now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A new thread is needed.
    Another,
    /// Whoever watches will see to it, or nobody is left.
    Nobody,
    /// One that waits is to be woken.
    Waiting,
}

#[derive(Debug)]
pub(super) struct Turns {
    pub(super) all: usize,
    /// Threads that have a call, or an answer left to write.
    calling: usize,
    /// Whether one reads.
    reads: bool,
    /// Whether one of those that wait looks again by itself.
    watched: bool,
    /// Calls so far.
    calls: u64,
    pub(super) ended: Option<Ended>,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            all: 1,
            calling: 0,
            reads: false,
            watched: false,
            calls: 0,
            ended: None,
        }
    }
}

/// What a thread that waits has seen.
#[derive(Debug, Default)]
pub(super) struct Watch {
    on: bool,
    calls: u64,
    idle: u32,
}

impl Watch {
    /// Whether it looks again by itself.
    pub(super) const fn is_on(&self) -> bool {
        self.on
    }
}

impl Turns {
    /// The turn of the first thread.
    pub(super) fn first(&mut self) -> Turn {
        self.reads = true;
        Turn(())
    }

    /// Whoever reads has a call.
    pub(super) fn leave(&mut self, Turn(()): Turn) -> Next {
        self.reads = false;
        self.calling += 1;
        self.calls += 1;
        let waits = self.all > self.calling;
        match (waits, self.calling > 1 || !self.watched) {
            (true, true) => Next::Waiting,
            (true, false) => Next::Nobody,
            (false, _) if self.all < THREADS_MAX => Next::Another,
            (false, _) => Next::Nobody,
        }
    }

    /// A call is over. Its thread reads again, if no other does.
    pub(super) fn back_from_a_call(&mut self) -> Option<Turn> {
        self.calling -= 1;
        self.turn()
    }

    /// The turn for one that waits, if it has one now.
    pub(super) fn take(&mut self, watch: &mut Watch) -> Option<Turn> {
        let is_new = watch.calls != self.calls;
        // One call alone is given until the next look.
        if !self.reads && (self.calling > 1 || (watch.on && !is_new)) {
            self.watched &= !watch.on;
            return self.turn();
        }
        watch.idle = match is_new {
            true => 0,
            false => watch.idle + 1,
        };
        watch.calls = self.calls;
        let watches = watch.idle < LOOKS_IDLE_MAX && (watch.on || !self.watched);
        self.watched = (self.watched && !watch.on) || watches;
        watch.on = watches;
        None
    }

    fn turn(&mut self) -> Option<Turn> {
        let is_free = !self.reads && self.ended.is_none();
        self.reads |= is_free;
        is_free.then_some(Turn(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Threads of which one reads or none, some have calls, and the others wait.
    #[derive(Default)]
    struct Threads {
        turns: Turns,
        reading: Option<Turn>,
        waiting: Vec<Watch>,
    }

    impl Threads {
        fn reads_a_call(&mut self) {
            let Some(turn) = self.reading.take() else {
                return;
            };
            match self.turns.leave(turn) {
                Next::Nobody => {}
                Next::Another => {
                    self.turns.all += 1;
                    self.waiting.push(Watch::default());
                    self.looks(self.waiting.len() - 1);
                }
                Next::Waiting => self.looks(0),
            }
        }

        fn ends_a_call(&mut self) {
            if self.turns.calling == 0 {
                return;
            }
            match self.turns.back_from_a_call() {
                Some(turn) => assert!(self.reading.replace(turn).is_none(), "two read"),
                None => {
                    self.waiting.push(Watch::default());
                    self.looks(self.waiting.len() - 1);
                }
            }
        }

        fn looks(&mut self, index: usize) {
            let Some(watch) = self.waiting.get_mut(index) else {
                return;
            };
            if let Some(turn) = self.turns.take(watch) {
                assert!(self.reading.replace(turn).is_none(), "two read");
                self.waiting.remove(index);
            }
        }
    }

    proptest! {
        /// Whatever comes, one reads at most; and where a call goes on and a thread is left, one reads after two looks of those
        /// that look by themselves.
        #[test]
        fn a_stream_is_read_by_one_and_left_to_nobody_for_long(
            deeds in proptest::collection::vec((0..3_u8, 0..40_usize), 0..200),
        ) {
            let mut threads = Threads::default();
            threads.reading = Some(threads.turns.first());
            for (deed, index) in deeds {
                match deed {
                    0 => threads.reads_a_call(),
                    1 => threads.ends_a_call(),
                    _ if threads.waiting.get(index).is_some_and(Watch::is_on) => threads.looks(index),
                    _ => {}
                }
                let watching = threads.waiting.iter().filter(|watch| watch.is_on()).count();
                prop_assert!(watching <= 1, "{watching} watch");
                prop_assert!(threads.turns.all <= THREADS_MAX);
            }
            for _ in 0..2 {
                if let Some(index) = threads.waiting.iter().position(Watch::is_on) {
                    threads.looks(index);
                }
            }
            prop_assert!(threads.reading.is_some() || threads.waiting.is_empty(), "nobody reads");
        }
    }
}
