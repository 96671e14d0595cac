//! Containers that are to go and are there still.
//!
//! Enters: a container's name, with what it mounts. Leaves: nothing of it at the engine, as soon as that can be. Refuses: to hold
//! up a run for it.
//!
//! An engine may take minutes to remove a container of which every process has ended: the shim of one that had very many hears of
//! each end by itself, a second after the other, and until then the engine does not answer about that container.
//!
//! An engine that does not find what a container is to mount, while it starts it, forgets the container, and its shim stays for ever;
//! and a launcher that finds no other end of its pipes is not ended by a signal under gVisor. So all of that is there until the
//! container is not, and a start is waited for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::Files;
use super::engine::{Engine, Facts, Removed};
use crate::supervise::TICK;

/// How long a container is looked for that an engine may make after nobody waits for it.
const MADE_WITHIN: Duration = Duration::from_secs(60);
/// For how long a thread tries one. The next run has it tried again.
const PATIENCE: Duration = Duration::from_secs(600);
/// Beyond this nothing runs until some are gone: each has its files, and whoever cancels runs makes one.
const CONTAINERS_MAX: usize = 64;
/// The first pause between two tries, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Those of one engine.
#[derive(Clone, Debug, Default)]
pub(super) struct Removals(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<String, ToRemove>,
    /// Whether a thread is at it.
    working: bool,
}

/// One that is to go.
#[derive(Debug)]
pub(super) struct ToRemove {
    /// What it mounts. It is held, and not read.
    _files: Option<Files>,
    /// Who waits for its start.
    starting: Option<JoinHandle<()>>,
    /// Until when the engine may make it yet.
    comes_until: Option<Instant>,
    /// Until when it is tried.
    tried_until: Instant,
}

impl Default for ToRemove {
    fn default() -> Self {
        Self {
            _files: None,
            starting: None,
            comes_until: None,
            tried_until: Instant::now() + PATIENCE,
        }
    }
}

impl ToRemove {
    /// One that the engine has made.
    pub(super) fn of(files: Files) -> Self {
        Self {
            _files: Some(files),
            ..Self::default()
        }
    }

    /// One that the engine may make yet.
    pub(super) fn coming(files: Files, starting: Option<JoinHandle<()>>) -> Self {
        Self {
            _files: Some(files),
            starting,
            comes_until: Some(Instant::now() + MADE_WITHIN),
            ..Self::default()
        }
    }

    /// Whether there is nothing to wait for any more, after this answer.
    fn is_gone(&self, removed: Removed) -> bool {
        match removed {
            Removed::Done => true,
            Removed::NotThere => self.comes_until.is_none_or(|until| Instant::now() >= until),
            Removed::UnderWay => false,
        }
    }
}

impl Removals {
    /// Has it removed, by a thread.
    pub(super) fn add(&self, name: String, container: ToRemove, socket: &Path, facts: &Facts) {
        self.state().containers.insert(name, container);
        self.work(socket, facts);
    }

    /// Sees to it that a thread is at it, if there is anything to do.
    pub(super) fn work(&self, socket: &Path, facts: &Facts) {
        let mut state = self.state();
        if state.working || state.containers.is_empty() {
            return;
        }
        for container in state.containers.values_mut() {
            container.tried_until = Instant::now() + PATIENCE;
        }
        let (all, socket, facts) = (self.clone(), socket.to_owned(), facts.clone());
        let thread = Builder::new().name("docker removal".to_owned());
        // Without one the next run tries again.
        let begun = thread.spawn(move || match Engine::new(&socket, None) {
            Ok(engine) => all.remove_all(&engine.speak(&facts)),
            Err(_) => all.state().working = false,
        });
        state.working = begun.is_ok();
    }

    /// Whether there are so many that nothing more may run.
    pub(super) fn is_full(&self) -> bool {
        self.state().containers.len() >= CONTAINERS_MAX
    }

    /// Waits until all are gone, or for so long.
    pub(super) fn wait(&self, within: Duration, goes_on: impl Fn() -> bool) {
        let until = Instant::now() + within;
        while !self.state().containers.is_empty() && Instant::now() < until && goes_on() {
            std::thread::sleep(TICK);
        }
    }

    fn remove_all(&self, engine: &Engine<'_>) {
        let _ends = EndsWithThread(self);
        let mut pause = PAUSE;
        loop {
            for name in self.due() {
                let removed = engine.remove(&name);
                self.heard(&name, removed.unwrap_or(Removed::UnderWay));
            }
            let mut state = self.state();
            let now = Instant::now();
            if state.containers.values().all(|one| now >= one.tried_until) {
                // Under the lock: whoever adds one now has another thread begin.
                state.working = false;
                return;
            }
            drop(state);
            std::thread::sleep(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    /// Those that are still tried and whose start is over.
    fn due(&self) -> Vec<String> {
        let (state, now) = (self.state(), Instant::now());
        let is_due = |container: &ToRemove| {
            let starting = container.starting.as_ref();
            now < container.tried_until && starting.is_none_or(JoinHandle::is_finished)
        };
        let due = state.containers.iter();
        due.filter(|(_, container)| is_due(container))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn heard(&self, name: &str, removed: Removed) {
        let mut state = self.state();
        if state
            .containers
            .get(name)
            .is_some_and(|container| container.is_gone(removed))
        {
            state.containers.remove(name);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole between statements, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After a panic another thread may begin.
struct EndsWithThread<'a>(&'a Removals);

impl Drop for EndsWithThread<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.state().working = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_may_come_yet_is_looked_for_until_it_cannot() {
        let mut container = ToRemove::default();
        assert!(container.is_gone(Removed::NotThere) && container.is_gone(Removed::Done));
        assert!(!container.is_gone(Removed::UnderWay));
        container.comes_until = Some(Instant::now() + MADE_WITHIN);
        assert!(!container.is_gone(Removed::NotThere) && container.is_gone(Removed::Done));
        container.comes_until = Some(Instant::now());
        assert!(container.is_gone(Removed::NotThere));
    }

    #[test]
    fn there_is_a_bound_behind_which_nothing_runs() {
        let all = Removals::default();
        for name in 0..CONTAINERS_MAX {
            assert!(!all.is_full(), "{name}");
            let mut state = all.state();
            state
                .containers
                .insert(name.to_string(), ToRemove::default());
        }
        assert!(all.is_full());
        all.heard("0", Removed::Done);
        assert!(!all.is_full());
    }

    #[test]
    fn what_is_being_started_is_not_removed_yet() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let starting = std::thread::spawn(move || receiver.into_iter().for_each(drop));
        let all = Removals::default();
        let container = ToRemove {
            starting: Some(starting),
            ..ToRemove::default()
        };
        all.state().containers.insert("one".to_owned(), container);
        assert!(all.due().is_empty());
        drop(sender);
        while all.due().is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(all.due(), ["one"]);
    }
}
