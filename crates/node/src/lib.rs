//! A Tenzik node: an HTTP server that runs capsules and answers with their receipts.
//!
//! Enters: a [`NodeConfig`], then requests. Leaves: answers; a receipt with each run. Refuses: callers it does not know, bodies
//! over their bounds, clients that are slow, and more than it can do at once.
//!
//! | to | use |
//! |---|---|
//! | serve until the process is told to stop | [`serve`] |
//! | put a node together | [`Parts::open`], [`Parts::follow`], then [`Node::new`] and [`Server::bind`] |
//! | add a route | a function with `#[utoipa::path]`, and its line in [`routes::all`] |
//! | read a request's body within bounds | [`Intake`] |
//! | know who asks, and require a role | [`Caller`], [`Role`] |
//! | refuse | [`ApiError`] |
//! | keep receipts before they are handed out | [`ReceiptSink`] |
//! | say whether a part is ready, or end it in order | [`Parts::readiness`], [`Parts::on_closing`] |
//! | run programs too | [`Parts::execute_on`] |
//! | have capsules and programs run at another node, through the router | [`remote::Remote`] |
//! | count | [`Metrics::register`] |
//!
//! The engine is synchronous: it runs on its own threads (`tenzik::queue`), never on those that serve.

#![forbid(unsafe_code)]

pub mod audit;
mod auditing;
mod auth;
pub mod blobs;
mod callers;
pub mod config;
mod documents;
mod durable;
mod error;
mod executions;
pub mod federation;
mod files;
mod keys;
pub mod log;
mod metrics;
mod node;
mod quota;
pub mod remote;
pub mod routes;
mod runner;
mod serve;
mod server;
mod setup;
mod sink;
mod system;
mod telemetry;
mod text;
mod tidings;

pub use auth::{Caller, Peer};
pub use callers::{Callers, CallersError, KnownCaller, Role};
pub use config::{ConfigError, NodeConfig};
pub use error::ApiError;
pub use executions::{Executions, ExecutionsError};
pub use files::FileError;
pub use keys::{KeyError, Keys};
pub use metrics::Metrics;
pub use node::{Node, NodeError, Parts};
pub use quota::{Limiter, Quotas, Who};
pub use runner::{RunFailure, Runner, RunnerError};
pub use serve::{ServeError, serve};
pub use server::{Ended, Intake, Received, Room, Server, ServerError, TlsError, service};
pub use setup::SetupError;
pub use sink::{BoxFuture, CapsuleSource, Placed, ReceiptSink, SinkError};
pub use system::SystemError;
pub use telemetry::{Telemetry, TelemetryError};
