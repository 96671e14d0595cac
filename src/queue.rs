//! Orders that wait for a worker: a bounded queue in front of a [`Pipeline`].
//!
//! Enters: orders, from any number of threads. Leaves: a [`Ticket`] for each, which waits for its run, tells its progress and
//! cancels it; or a call when its run is over, for callers that no thread may wait for. Refuses: an order for which there is no room, at once ([`Queue::submit`]) or by letting its caller wait
//! ([`Queue::submit_waiting`]).
//!
//! Orders are begun in the order in which they came, and end in any. A queue that is dropped takes no more, ends what it
//! took, and then lets its workers go.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::control::{Control, Phase, Progress};
use crate::pipeline::{Order, Pipeline, Run, RunError};
use crate::receipts::Circumstances;

/// The stack of a worker: what a run may use of it, and as much again for the host.
const STACK_BYTES: usize = 2 * 1024 * 1024;

/// How a queue is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// How many runs at once. Default: as many as there are cores.
    pub workers: NonZeroUsize,
    /// How many orders may wait. Default 1,024; with 0 an order is taken only by a worker that is free.
    pub waiting_max: usize,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            workers: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            waiting_max: 1_024,
        }
    }
}

/// No worker could be started.
#[derive(Debug, thiserror::Error)]
#[error("no thread for a worker: {0}")]
pub struct QueueError(#[from] std::io::Error);

/// There is no room. The order comes back.
#[derive(Debug, thiserror::Error)]
#[error("the queue is full: {waiting} orders wait")]
pub struct Full {
    /// How many wait.
    pub waiting: usize,
    /// What was to be run.
    pub order: Box<Order>,
    /// What was to stand in its receipt.
    pub circumstances: Box<Circumstances>,
}

/// Workers, and the orders that wait for them. Share one; all methods take `&self`.
pub struct Queue {
    /// `None` once the queue is being dropped.
    jobs: Option<Sender<Job>>,
    workers: Vec<JoinHandle<()>>,
}

struct Job {
    order: Order,
    circumstances: Circumstances,
    control: Control,
    answer: Answer,
}

/// Who is told the result, on the worker's thread.
type Answer = Box<dyn FnOnce(Result<Run, RunError>) + Send>;

/// An order that was taken. Dropping it lets the run go on, and its result be lost.
#[derive(Debug)]
pub struct Ticket {
    control: Control,
    answer: Receiver<Result<Run, RunError>>,
}

impl Queue {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`QueueError`] if the system gives no thread; those that were started end again.
    pub fn new(pipeline: Arc<Pipeline>, config: QueueConfig) -> Result<Self, QueueError> {
        let (jobs, waiting) = crossbeam_channel::bounded(config.waiting_max);
        let mut queue = Self {
            jobs: Some(jobs),
            workers: Vec::new(),
        };
        for number in 0..config.workers.get() {
            let (pipeline, waiting) = (Arc::clone(&pipeline), waiting.clone());
            let worker = thread::Builder::new()
                .name(format!("tenzik-worker-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || work(&pipeline, &waiting))?;
            queue.workers.push(worker);
        }
        Ok(queue)
    }

    /// Takes an order if there is room.
    ///
    /// # Errors
    /// [`Full`] if there is none.
    pub fn submit(&self, order: Order, circumstances: Circumstances) -> Result<Ticket, Full> {
        let (job, ticket) = job(order, circumstances);
        self.send(job).map(|()| ticket)
    }

    /// Takes an order if there is room, and has `then` called with its result. It is called on a worker's thread, once, and must
    /// not block: no other order is begun there before it returns. If it panics, nobody is told.
    ///
    /// # Errors
    /// [`Full`] if there is no room; `then` is not called.
    pub fn submit_then(
        &self,
        order: Order,
        circumstances: Circumstances,
        then: impl FnOnce(Result<Run, RunError>) + Send + 'static,
    ) -> Result<Control, Full> {
        let control = Control::default();
        let job = Job {
            order,
            circumstances,
            control: control.clone(),
            answer: Box::new(then),
        };
        self.send(job).map(|()| control)
    }

    /// Takes an order, and waits for room if there is none: whoever submits faster than the workers work is slowed down to
    /// their pace.
    ///
    /// # Errors
    /// [`Full`] if no worker is left.
    pub fn submit_waiting(
        &self,
        order: Order,
        circumstances: Circumstances,
    ) -> Result<Ticket, Full> {
        let (job, ticket) = job(order, circumstances);
        let Some(jobs) = &self.jobs else {
            return Err(full(job, 0));
        };
        match jobs.send(job) {
            Ok(()) => Ok(ticket),
            Err(error) => Err(full(error.into_inner(), jobs.len())),
        }
    }

    fn send(&self, job: Job) -> Result<(), Full> {
        let Some(jobs) = &self.jobs else {
            return Err(full(job, 0));
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => full(job, jobs.len()),
        })
    }

    /// How many orders wait now.
    pub fn waiting(&self) -> usize {
        self.jobs.as_ref().map_or(0, Sender::len)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Without a sender the workers end once nothing waits any more.
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A worker does not panic; if it did, there would be nobody here to tell.
            let _ = worker.join();
        }
    }
}

impl Ticket {
    /// Waits for the run.
    ///
    /// # Errors
    /// [`RunError`]; [`RunError::Cancelled`] if it never began.
    pub fn wait(self) -> Result<Run, RunError> {
        self.answer.recv().unwrap_or(Err(RunError::Lost))
    }

    /// Waits for the run at most this long. Gives the ticket back if it is not over.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), inside.
    pub fn wait_timeout(self, patience: Duration) -> Result<Result<Run, RunError>, Self> {
        match self.answer.recv_timeout(patience) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(RunError::Lost)),
        }
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        self.control.progress()
    }

    /// Asks the run to stop; see [`Control::cancel`].
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// The run's control, to keep where the ticket goes elsewhere.
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

fn job(order: Order, circumstances: Circumstances) -> (Job, Ticket) {
    let control = Control::default();
    let (sender, answer) = crossbeam_channel::bounded(1);
    let job = Job {
        order,
        circumstances,
        control: control.clone(),
        // Nobody may be waiting any more.
        answer: Box::new(move |run| drop(sender.send(run))),
    };
    (job, Ticket { control, answer })
}

fn full(job: Job, waiting: usize) -> Full {
    Full {
        waiting,
        order: Box::new(job.order),
        circumstances: Box::new(job.circumstances),
    }
}

fn work(pipeline: &Pipeline, waiting: &Receiver<Job>) {
    for job in waiting {
        let Job {
            order,
            circumstances,
            control,
            answer,
        } = job;
        // A panic loses this run and must not lose the worker.
        let run = catch_unwind(AssertUnwindSafe(|| match control.is_cancelled() {
            true => Err(RunError::Cancelled),
            false => pipeline.run_controlled(&order, circumstances, &control),
        }));
        control.enter(Phase::Over);
        let run = run.unwrap_or(Err(RunError::Lost));
        // What a caller does with its result must not lose the worker either.
        let _ = catch_unwind(AssertUnwindSafe(|| answer(run)));
    }
}
