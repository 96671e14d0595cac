//! Runs for callers that no thread may wait for.
//!
//! Enters: orders, from async code. Leaves: runs. Refuses: orders for which there is no room. A caller that goes away cancels its
//! run: dropping the future of [`Runner::run`] is enough.

use std::sync::Arc;

use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::control::Control;
use tenzik::execution::EngineError;
use tenzik::pipeline::{Order, Pipeline, Run, RunError};
use tenzik::queue::{Queue, QueueConfig, QueueError};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik_receipt::{PublicKey, RunSecret, WasmRequest};
use tokio::sync::oneshot;

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunFailure {
    /// As many orders wait as may.
    #[error("{waiting} orders wait already")]
    Full {
        /// How many.
        waiting: usize,
    },
    /// The pipeline has none.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Why there is no runner.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// The engine cannot be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The workers cannot be had.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

/// The engine with its threads. Dropping it waits for the runs that have begun.
pub struct Runner {
    pipeline: Arc<Pipeline>,
    queue: Queue,
}

impl Runner {
    /// Starts the engine and its threads.
    ///
    /// # Errors
    /// [`RunnerError`].
    pub fn new(
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
        queue: QueueConfig,
        sealer: Sealer,
    ) -> Result<Self, RunnerError> {
        let pipeline = Arc::new(Pipeline::new(security, runtime, sealer)?);
        let queue = Queue::new(Arc::clone(&pipeline), queue)?;
        Ok(Self { pipeline, queue })
    }

    /// The engine, for a router that signs with the same key.
    pub fn pipeline(&self) -> Arc<Pipeline> {
        Arc::clone(&self.pipeline)
    }

    /// The key that signs.
    pub fn node(&self) -> PublicKey {
        self.pipeline.node()
    }

    /// The request as its receipt will name it.
    pub fn request(&self, order: &Order, secret: Option<&RunSecret>) -> WasmRequest {
        self.pipeline.request(order, secret)
    }

    /// How many orders wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// Runs an order.
    ///
    /// # Errors
    /// [`RunFailure`].
    pub async fn run(&self, order: Order, circumstances: Circumstances) -> Result<Run, RunFailure> {
        let (sender, answer) = oneshot::channel();
        let then = move |run| drop(sender.send(run));
        let control = self
            .queue
            .submit_then(order, circumstances, then)
            .map_err(|full| RunFailure::Full {
                waiting: full.waiting,
            })?;
        // A run that is over is not changed by its control.
        let _cancelled_when_dropped = Cancel(control);
        Ok(answer.await.unwrap_or(Err(RunError::Lost))?)
    }
}

struct Cancel(Control);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
