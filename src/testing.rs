//! Contract suites: what an implementation of one of this library's traits must do, as tests that anyone can run.
//!
//! Enters: an implementation, and what the suite needs to know of it. Leaves: nothing, or a panic that says what is not so.
//! Refuses: to test what only the implementer can know, such as whether a limit bites: that takes a program that tries.
//!
//! What a suite needs and not everybody has is an [`Option`]; its docs say which promise is not checked where it is `None`. A
//! panic begins with the promise that is broken, by the trait and the words of its docs: `Backend, Empty values: …`. No check
//! waits for ever, and none measures time.
//!
//! With the feature `testing`. Call them from a test of your own:
//!
//! ```no_run
//! # use tenzik::testing::{gateway, KnownTool};
//! # fn my_gateway() -> impl tenzik::gateway::ToolGateway { tenzik::gateway::direct::Direct::default() }
//! gateway(&my_gateway(), &KnownTool::new("text:echo", r#"{"a":1}"#, r#"{"a":1}"#));
//! ```

/// Holds an implementation to a promise of its trait's docs.
macro_rules! holds {
    ($promise:expr, $holds:expr, $($told:tt)+) => {
        assert!($holds, "{}: {}", $promise, format_args!($($told)+))
    };
}

use std::panic::resume_unwind;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

mod backend;
mod echo;
mod gateway;
#[cfg(unix)]
mod proxy;
mod router;

pub use backend::{Leftovers, Look, Programs, backend};
pub use echo::Echo;
pub use gateway::{KnownTool, gateway};
#[cfg(unix)]
pub use proxy::{Connect, Served, Stream, proxy_client, proxy_server};
pub use router::router;

/// What a thread came to. A check that failed there fails here, in the same words.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|told| resume_unwind(told))
}

/// How long something may take that must come, before a check fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the kernel may take to end what was killed.
const KERNEL: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(5);

/// Whether something comes to be so in time.
fn soon(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + patience;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests;
