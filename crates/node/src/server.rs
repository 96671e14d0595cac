//! The listening side: connections in, answers out, and an end in order.
//!
//! Enters: a [`Node`] and its routes. Leaves: answers. Refuses: more connections than the bound (they wait in the system's
//! backlog) or than one address may have (they are closed), heads and bodies that come too slowly (408), handlers that take too long (503).
//!
//! The end: `/readyz` says 503, for `drain_ms` nothing else changes; then no connection is taken, and no further request on those
//! that are open; requests that are under way have `grace_ms`; the rest is cut; then the parts' closing steps are taken.

mod around;
mod connection;
mod intake;
mod paced;
mod places;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::node::Node;
use crate::routes::{self, Routes};

use places::{Place, Places};

pub use intake::{Intake, Received, Room};
pub(crate) use intake::{from_json, room};
pub use tls::TlsError;

/// After the system refused a connection, most often for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The address cannot be had.
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Connections that were cut because their requests took longer than the grace.
    pub cut: usize,
}

/// A node that listens, and does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What each connection needs.
struct Shared {
    node: Node,
    app: Router,
    tls: Option<TlsAcceptor>,
}

/// What a node answers, without a listener: for a program that has its own, and for tests. The request's extensions need a
/// [`Peer`](crate::Peer). Slow and oversized heads are the listener's to refuse.
pub fn service(node: Node, routes: Routes) -> Router {
    around::layered(routes::finish(routes), node)
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn bind(node: Node, routes: Routes) -> Result<Self, ServerError> {
        let address = node.config.listen;
        let failed = |error| ServerError::Listen { address, error };
        let tls = node.config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let app = service(node.clone(), routes);
        Ok(Self {
            listener,
            address,
            shared: Arc::new(Shared { node, app, tls }),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then ends in order.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Ended {
        let (stopping, told) = watch::channel(false);
        let mut connections = JoinSet::new();
        let node = self.shared.node.clone();
        let draining = async {
            stop.await;
            tracing::info!("stopping");
            node.begin_stopping();
            sleep(ms(node.config.limits.drain_ms)).await;
        };
        tokio::select! {
            () = draining => {}
            () = accept(&self.listener, &self.shared, &told, &mut connections) => {}
        }
        drop(self.listener);
        // Every connection holds a receiver until it ends; where there is none, nobody is to be told.
        let _ = stopping.send(true);
        let all = async { while connections.join_next().await.is_some() {} };
        let grace = ms(node.config.limits.grace_ms);
        // Programs are ended in time for their callers to be told.
        let told = node.executions.clone().map(|executions| {
            tokio::spawn(async move {
                sleep(grace / 2).await;
                executions.cancel_all();
            })
        });
        let in_time = timeout(grace, all).await.is_ok();
        told.iter().for_each(tokio::task::JoinHandle::abort);
        let cut = if in_time { 0 } else { connections.len() };
        // Dropping a request cancels its run.
        connections.shutdown().await;
        node.close().await;
        tracing::info!(cut, "stopped");
        Ended { cut }
    }
}

/// Takes connections for ever.
async fn accept(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    told: &watch::Receiver<bool>,
    connections: &mut JoinSet<()>,
) {
    let limits = &shared.node.config.limits;
    let room = Arc::new(Semaphore::new(limits.connections_max as usize));
    let places = Places::new(limits.connections_per_address_max);
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, address)) => {
                // Closed without a word: what is written to one who floods is one more thing to wait for.
                let Some(own) = places.take(address.ip()) else {
                    tracing::debug!(%address, "more connections than one address may have");
                    shared.node.metrics.cut.inc();
                    continue;
                };
                let shared = Arc::clone(shared);
                let held = (own, place);
                connections.spawn(hold(shared, stream, address, told.clone(), held));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection");
                sleep(PAUSE).await;
            }
        }
    }
}

/// A connection, with the places it takes. It is no longer counted when another can take them: arguments are dropped last.
async fn hold(
    shared: Arc<Shared>,
    stream: TcpStream,
    address: SocketAddr,
    told: watch::Receiver<bool>,
    _held: (Place, OwnedSemaphorePermit),
) {
    let _counted = Counted::new(&shared.node);
    connection::serve(&shared, stream, address, told).await;
}

/// Counts an open connection, also where its task is cut.
struct Counted(Node);

impl Counted {
    fn new(node: &Node) -> Self {
        node.metrics.connections.inc();
        Self(node.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

const fn ms(ms: u32) -> Duration {
    Duration::from_millis(ms as u64)
}
