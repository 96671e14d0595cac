//! Backends that come and go while requests run.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tenzik_receipt::{Label, Profile};

use super::{ORDER, OWNERSHIP, PATIENCE, Suite, joined};
use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::router::{AlreadyRegistered, ExecuteRequest, Execution, Limit, RouteError, WASM};

const REGISTER: &str = "Router::register";
const UNREGISTER: &str = "Router::unregister";
const NAME: Label = Label::constant("suite-stand-in");

/// Gives the input back when it is told to.
struct StandIn {
    name: Label,
    language: Label,
    begun: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl Backend for StandIn {
    fn kind(&self) -> Label {
        self.name.clone()
    }

    fn profile_max(&self) -> Profile {
        Profile::Hardened
    }

    fn languages(&self) -> Vec<Label> {
        vec![self.language.clone()]
    }

    fn holds(&self, _: Limit, _: &Label, _: Profile) -> bool {
        true
    }

    fn probe(&self) -> Readiness {
        Readiness::Ready { version: NAME }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        // The suite may have given up.
        let _ = self.begun.send(());
        let go_on = self.go_on.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = go_on.recv_timeout(PATIENCE);
        let ended = Ended::Ok(Arc::clone(job.input));
        Ok(Attempt::new(ended, NAME, Duration::ZERO))
    }
}

/// A backend, what tells that it has begun, and what lets it end.
fn stand_in(name: Label, language: &Label) -> (Arc<StandIn>, Receiver<()>, Sender<()>) {
    let ((begun, is_begun), (go, go_on)) = (channel(), channel());
    let backend = StandIn {
        name,
        language: language.clone(),
        begun,
        go_on: Mutex::new(go_on),
    };
    (Arc::new(backend), is_begun, go)
}

impl Suite<'_> {
    pub(super) fn backends_come_and_go(&self) {
        let (backend, begun, go) = stand_in(NAME, &self.programs.language);
        let registered = self.router.register(Arc::clone(&backend) as _);
        holds!(
            REGISTER,
            registered.is_ok(),
            "a new name is registered: {registered:?}"
        );
        self.names_are_taken_once();
        self.the_first_is_asked_first();
        let mut named = self.request(&self.programs.echoes, "[9]");
        named.backend = Some(NAME);
        let came = self.taken_out_while_it_runs(&named, &begun, &go);
        let value = came.map(|execution| execution.value().map(<[u8]>::to_vec));
        holds!(
            UNREGISTER,
            matches!(&value, Ok(Some(value)) if value == b"[9]"),
            "what runs on it runs to its end: {value:?}"
        );
        holds!(
            UNREGISTER,
            !self.router.unregister(&NAME),
            "what is not there is not taken out"
        );
        self.is_refused("runtime_unavailable", &named);
        holds!(
            OWNERSHIP,
            Arc::strong_count(&backend) == 1,
            "a backend that was taken out is not held any more"
        );
    }

    fn names_are_taken_once(&self) {
        for name in [NAME, WASM.clone()] {
            let (twice, _, _) = stand_in(name.clone(), &self.programs.language);
            let told = self.router.register(twice);
            holds!(
                REGISTER,
                told == Err(AlreadyRegistered(name.clone())),
                "a name is one backend's, and {name} is taken: {told:?}"
            );
        }
        let standing = self.router.backends();
        let kinds: Vec<_> = standing.iter().map(|it| it.kind.clone()).collect();
        holds!(
            "Router::backends",
            kinds.last() == Some(&NAME),
            "they stand in the order in which they are asked: {kinds:?}"
        );
    }

    fn the_first_is_asked_first(&self) {
        let came = self.run(&self.request(&self.programs.echoes, "[8]"));
        let by = came.as_ref().map(|execution| execution.backend.clone());
        holds!(
            ORDER,
            by.as_ref().is_ok_and(|kind| *kind != NAME),
            "of several that could run it, the first that was registered does: {by:?}"
        );
    }

    fn taken_out_while_it_runs(
        &self,
        request: &ExecuteRequest,
        begun: &Receiver<()>,
        go: &Sender<()>,
    ) -> Result<Execution, RouteError> {
        thread::scope(|scope| {
            let run = scope.spawn(|| self.run(request));
            let begun = begun.recv_timeout(PATIENCE);
            let was_there = self.router.unregister(&NAME);
            // It may have given up.
            let _ = go.send(());
            holds!(
                UNREGISTER,
                begun.is_ok() && was_there,
                "it says that the backend was there, though a request runs on it"
            );
            joined(run)
        })
    }
}
