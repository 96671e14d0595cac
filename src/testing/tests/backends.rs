//! Backends that break a promise.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tenzik_receipt::{Label, Profile};

use super::{assert_told, told};
use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::control::Control;
use crate::gateway::{Answer, Json, Operation, Session, ToolId};
use crate::router::{Code, CodeTree, Held, Limit, PerLimit};
use crate::testing::{Leftovers, Look, Programs, backend};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// A job that was cancelled before it began is run.
    BeginsCancelled,
    /// A tool that failed is called again.
    CallsTwice,
    /// A limit that is none is reported as applied.
    InventsALimit,
    /// The input is kept.
    KeepsInput,
    /// A tool's call goes on when the job was cancelled.
    LeavesCall,
    /// A process goes on.
    LeavesProcess,
    /// An empty input is none.
    NoEmptyInput,
    /// No output is an empty one.
    SilenceIsEmpty,
}

/// "Runs" a program by the name of its entrypoint.
struct Liar {
    fault: Fault,
    kept: Mutex<Vec<Arc<[u8]>>>,
    process: Arc<AtomicBool>,
}

fn failed(code: &'static str) -> Ended {
    Ended::Failed {
        code: Label::constant(code),
        message: None,
    }
}

/// How a job ends that is to be stopped.
fn stopped(job: &Job<'_>) -> Option<Ended> {
    let code = Label::constant("cancelled");
    let late = || {
        job.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
    };
    match job.control.is_cancelled() {
        true => Some(Ended::Aborted { code }),
        false => late().then_some(Ended::LimitReached(Limit::WallMs)),
    }
}

fn wait(job: &Job<'_>, time: Duration) -> Option<Ended> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if let Some(ended) = stopped(job) {
            return Some(ended);
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

impl Liar {
    fn end(&self, program: &str, job: &Job<'_>) -> Ended {
        match program {
            "echoes_bytes" if job.input.is_empty() && self.fault == Fault::NoEmptyInput => {
                failed("no_input")
            }
            "echoes" | "echoes_bytes" => Ended::Ok(Arc::clone(job.input)),
            "prints" => Ended::Ok((*b"1").into()),
            "sleeps" => wait(job, Duration::from_secs(60)).unwrap_or(failed("late")),
            "says_nothing" if self.fault == Fault::SilenceIsEmpty => Ended::Ok((*b"").into()),
            "calls_tool" => job
                .gateway
                .map_or(failed("no_tools"), |session| self.call(session, job)),
            "leaves" => {
                self.process.store(true, Ordering::SeqCst);
                let ended = wait(job, Duration::from_millis(300));
                let stays = self.fault == Fault::LeavesProcess;
                self.process.store(stays, Ordering::SeqCst);
                ended.unwrap_or(Ended::Ok((*b"1").into()))
            }
            _ => failed("exit:3"),
        }
    }

    fn call(&self, session: &Arc<Session>, job: &Job<'_>) -> Ended {
        let operation = Operation::RunTool {
            tool: ToolId::new("text:echo").expect("an id"),
            arguments: Json::new(String::from_utf8_lossy(job.input)).expect("JSON"),
        };
        let control = Control::default();
        let (own, theirs) = (control.clone(), Arc::clone(session));
        let again = self.fault == Fault::CallsTwice;
        let call = thread::spawn(move || {
            let first = theirs.call_controlled(&operation, &own);
            match first {
                Err(error) if error.retryable && again => theirs.call_controlled(&operation, &own),
                first => first,
            }
        });
        while !call.is_finished() {
            if let Some(ended) = stopped(job) {
                if self.fault != Fault::LeavesCall {
                    control.cancel();
                    call.join().expect("no panic").expect_err("cancelled");
                }
                // Else it ends when its session does, which nobody waits for.
                return ended;
            }
            thread::sleep(Duration::from_millis(1));
        }
        match call.join().expect("no panic") {
            Ok(Answer::Result(result)) => Ended::Ok(result.as_str().as_bytes().into()),
            _ => failed("own:tool"),
        }
    }
}

impl Backend for Liar {
    fn kind(&self) -> Label {
        Label::constant("liar")
    }

    fn profile_max(&self) -> Profile {
        Profile::Dev
    }

    fn languages(&self) -> Vec<Label> {
        vec![Label::constant("names")]
    }

    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        limit == Limit::WallMs
    }

    fn probe(&self) -> Readiness {
        Readiness::Ready {
            version: Label::constant("liar 1"),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let name = match job.code {
            Code::Program(program) if program.language == self.languages()[0] => {
                program.tree.entrypoint()
            }
            _ => return Err(BackendError::denied("run", "it has names alone")),
        };
        if self.fault == Fault::KeepsInput {
            self.kept
                .lock()
                .expect("no panic")
                .push(Arc::clone(job.input));
        }
        let early = match self.fault {
            Fault::BeginsCancelled => None,
            _ => stopped(job),
        };
        let begun = early.is_none() && self.fault == Fault::BeginsCancelled;
        let ended = match (early, begun && job.control.is_cancelled()) {
            (Some(ended), _) => ended,
            (None, true) => failed("begun"),
            (None, false) => self.end(name, job),
        };
        let mut attempt = Attempt::new(ended, Label::constant("liar 1"), Duration::ZERO);
        let wall = job.limits.get(Limit::WallMs);
        let invented = (self.fault == Fault::InventsALimit).then_some(1);
        let held = wall.or(invented).map(|wall| Held::enforced(wall, None));
        attempt.limits =
            PerLimit::all(Held::default()).with(Limit::WallMs, held.unwrap_or_default());
        Ok(attempt)
    }
}

fn held(fault: Fault) {
    let tree = |name: &str| CodeTree::single(name, *b"-").expect("a tree");
    let process = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&process);
    let programs = Programs {
        language: Label::constant("names"),
        echoes: tree("echoes"),
        fails: tree("fails"),
        prints: tree("prints"),
        sleeps: tree("sleeps"),
        echoes_bytes: Some(tree("echoes_bytes")),
        says_nothing: Some(tree("says_nothing")),
        calls_tool: Some(tree("calls_tool")),
        leaves: Some(Leftovers {
            program: tree("leaves"),
            looks: vec![Look::new("process", move || seen.load(Ordering::SeqCst))],
        }),
    };
    let liar = Liar {
        fault,
        kept: Mutex::default(),
        process,
    };
    backend(&liar, &programs);
}

#[test]
fn a_backend_that_keeps_every_promise_is_one() {
    assert_eq!(told(|| held(Fault::None)), "nothing");
}

#[test]
fn each_broken_promise_is_named() {
    let broken = BTreeMap::from([
        (
            "Backend, Cancellation: a job that was cancelled before",
            Fault::BeginsCancelled,
        ),
        (
            "Backend, Errors and retry: `run` never tries again",
            Fault::CallsTwice,
        ),
        (
            "Backend, Empty values: a limit that is `None`",
            Fault::InventsALimit,
        ),
        (
            "Backend, Ownership: the job is lent, and its input",
            Fault::KeepsInput,
        ),
        (
            "Backend, Ownership: the job is lent, and its way to tools",
            Fault::LeavesCall,
        ),
        (
            "Backend, Ownership: nothing of a job outlives",
            Fault::LeavesProcess,
        ),
        ("Backend, Empty values: an empty input", Fault::NoEmptyInput),
        (
            "Backend, Empty values: no output is not",
            Fault::SilenceIsEmpty,
        ),
    ]);
    thread::scope(|scope| {
        for (promise, fault) in broken {
            scope.spawn(move || assert_told(promise, || held(fault)));
        }
    });
}
