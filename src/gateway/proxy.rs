//! A gateway at the other end of a stream: both halves, and the frames between them.
//!
//! Enters: a stream in two directions (a Unix socket, a pair of pipes, a virtual socket), and a [`Session`](super::Session) on one side.
//! Leaves: a [`ToolGateway`](super::ToolGateway) on the other. Refuses: another version, another token, a frame that is too
//! long or of no known form, more calls at once than a bound.
//!
//! A frame is a line of JSON that ends with a newline:
//!
//! | from | frame | |
//! |---|---|---|
//! | server | `{"gateway":{"version":1,"token":"…"}}` | first. The token stands in it only where the stream itself was inherited |
//! | client | `{"hello":{"version":1,"token":"…"}}` | first; anything else ends the connection |
//! | client | `{"call":{"id":7,"request":{…}}}` | an [`Operation`](super::Operation) |
//! | server | `{"answer":{"id":7,"answer":{"ok":{…}}}}` | in the order in which they are ready |
//! | client | `{"cancel":{"id":7}}` | the call's answer comes all the same, most often `cancelled` |
//! | server | `{"refused":{"reason":"…"}}` | last: why the connection ends |
//!
//! A token is 32 random bytes of one run. It goes to executed code by an inherited descriptor, never by environment or
//! arguments, and is worth nothing when the run is over.

#[cfg(unix)]
mod client;
mod frame;
mod server;
mod turns;

use std::fmt;

use tenzik_receipt::{from_hex, to_hex};

#[cfg(unix)]
pub use client::{Client, ConnectError, Readable};
pub use frame::FRAME_BYTES_MAX;
pub use server::{CALLS_AT_ONCE_MAX, Ended, serve};

/// The version of the frames.
pub const VERSION: u32 = 1;

/// What proves that a client belongs to a run.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// A token of 32 bytes that nobody can guess: this library takes no chance of its own.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hex digits.
    pub fn from_hex(digits: &str) -> Option<Self> {
        from_hex(digits)?.try_into().ok().map(Self)
    }

    /// As it stands in frames.
    pub fn to_hex(&self) -> String {
        to_hex(&self.0)
    }

    /// Whether they are the same. The time that it takes tells nothing of where they differ.
    fn is(&self, digits: &str) -> bool {
        // Digests compare in constant time, and digits that are none have another.
        blake3::hash(self.to_hex().as_bytes()) == blake3::hash(digits.as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(all(test, unix))]
mod tests;
