//! Contract suites: what an implementation of one of this library's traits must do, as tests that anyone can run.
//!
//! Enters: an implementation, and what the suite needs to know of it. Leaves: nothing, or a panic that says what is not so.
//! Refuses: to test what only the implementer can know, such as whether a limit bites: that takes a program that tries.
//!
//! With the feature `testing`. Call them from a test of your own:
//!
//! ```no_run
//! # use tenzik::testing::{gateway, KnownTool};
//! # fn my_gateway() -> impl tenzik::gateway::ToolGateway { tenzik::gateway::direct::Direct::default() }
//! gateway(&my_gateway(), &KnownTool::new("text:echo", r#"{"a":1}"#, r#"{"a":1}"#));
//! ```

mod backend;
mod echo;
mod gateway;
#[cfg(unix)]
mod proxy;
mod router;

pub use backend::{Programs, backend};
pub use echo::Echo;
pub use gateway::{KnownTool, gateway};
#[cfg(unix)]
pub use proxy::{Connect, Served, Stream, proxy_client, proxy_server};
pub use router::router;
