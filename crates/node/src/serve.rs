//! A node from its configuration to its end.
//!
//! Enters: a configuration; SIGTERM or SIGINT to end, SIGHUP to read the callers file again. Leaves: how it ended. Refuses: what
//! cannot be set up, before anything is served.

use std::sync::Arc;

use tenzik::backend::Backend;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::NodeConfig;
use crate::node::{Node, NodeError, Parts};
use crate::routes;
use crate::server::{Ended, Server, ServerError};
use crate::system;
use crate::telemetry::{Telemetry, TelemetryError};

/// Files that a node has open beside its connections: the log's and the database's, peers and witnesses that are asked.
const FILES_RESERVE: u64 = 256;

/// Why a node did not serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The listening side.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The system gives no threads or signals.
    #[error("the system gives no threads or signals: {0}")]
    System(#[from] std::io::Error),
    /// Logs or traces.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
}

/// Serves until the process is told to stop by SIGTERM or SIGINT, then ends in order. A second signal ends the process at once.
/// Blocks; sets the process's logger. `backends` run programs, if the configuration says that any are run.
///
/// # Errors
/// [`ServeError`], before anything was served.
pub fn serve(config: NodeConfig, backends: Vec<Arc<dyn Backend>>) -> Result<Ended, ServeError> {
    let telemetry = Telemetry::install(&config.telemetry)?;
    provide_files(config.limits.connections_max);
    let runtime = Builder::new_multi_thread()
        .worker_threads(config.limits.threads as usize)
        .thread_name("tenzik-serve")
        .enable_all()
        .build()?;
    let mut parts = Parts::open(config)?;
    parts.execute_on(backends)?;
    parts.follow()?;
    let node = Node::new(parts);
    let ended = runtime.block_on(serve_until_told(node.clone()));
    // Database clients may not be dropped where an asynchronous runtime runs.
    drop(runtime);
    drop(node);
    // The last spans are those of the requests that were waited for.
    telemetry.shutdown();
    ended
}

/// Raises the limit of open files, and tells the operator if it is too low all the same.
fn provide_files(connections_max: u32) {
    let needed = u64::from(connections_max) + FILES_RESERVE;
    if let Some(allowed) = system::raise_open_files().filter(|allowed| *allowed < needed) {
        tracing::warn!(
            allowed,
            needed,
            "too few files may be open for limits.connections_max"
        );
    }
}

async fn serve_until_told(node: Node) -> Result<Ended, ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        told(&mut terminate, &mut interrupt).await;
        drop(stop);
        told(&mut terminate, &mut interrupt).await;
        tracing::error!("told twice: not waiting");
        std::process::exit(1);
    });
    let mut hangup = signal(SignalKind::hangup())?;
    let reloaded = node.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match reloaded.reload_callers() {
                Ok(()) => tracing::info!("callers read again"),
                Err(error) => tracing::error!(%error, "callers stay as they were"),
            }
        }
    });
    let server = Server::bind(node, routes::all()).await?;
    tracing::info!(address = %server.address(), "serving");
    let stop = async {
        // The other end is dropped at the first signal.
        let _: Result<(), _> = stopped.await;
    };
    Ok(server.run(stop).await)
}

async fn told(
    terminate: &mut tokio::signal::unix::Signal,
    interrupt: &mut tokio::signal::unix::Signal,
) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
