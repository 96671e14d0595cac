//! What a node spends on connections, requests and callers.
//!
//! Enters and leaves: plain structs. Refuses: nothing here; `check.rs` holds the ranges.

use std::num::NonZeroU32;

use serde::Deserialize;

/// What is spent on connections and requests.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Threads that serve; runs have their own. Default 2.
    pub threads: u32,
    /// Connections at once; further ones wait in the system's backlog. Default 1,024.
    pub connections_max: u32,
    /// Connections at once of one IPv4 address or one IPv6 /64; further ones are closed. A proxy is one address, and so is all of
    /// this machine: where all come from there, as many as `connections_max`. Default 256.
    pub connections_per_address_max: u32,
    /// From the first moment of a connection or the last answer to the end of the next request's head, and of a TLS handshake.
    /// Default 10,000 ms.
    pub header_timeout_ms: u32,
    /// From a head to the end of its body. Default 20,000 ms.
    pub body_timeout_ms: u32,
    /// From a head to its answer, runs included. Default 60,000 ms.
    pub request_timeout_ms: u32,
    /// How long a client may take nothing of an answer. Default 20,000 ms.
    pub write_timeout_ms: u32,
    /// From the first byte of an answer to the last that the client takes: what it reads a byte at a time is cut, too. The largest
    /// answers want a client that reads as fast. Default 60,000 ms.
    pub answer_timeout_ms: u32,
    /// The most bytes of a request's head. Default 16 KiB.
    pub header_bytes_max: u32,
    /// The most fields of a request's head. Default 64.
    pub headers_max: u32,
    /// The most bytes of a body for `/v1/runs`. Default 8 MiB.
    pub run_body_bytes_max: u32,
    /// The most bytes of all bodies that are read or worked on, of callers with a name. Default 256 MiB.
    pub bodies_bytes_max: u64,
    /// The most bytes of a body of a caller without a name. Default 2 MiB.
    pub stranger_body_bytes_max: u32,
    /// The most bytes of all bodies of callers without a name: a room of their own, so that they take nothing from the others'.
    /// Default 32 MiB.
    pub strangers_bytes_max: u64,
    /// The most bytes of tiles on their way to callers without a name, a room of their own too; further ones wait for a second and
    /// are then told that the node is busy. Those of named callers are counted among the bodies. Default 128 MiB.
    pub answers_bytes_max: u64,
    /// How long the node still takes connections after it was told to stop, while `/readyz` says 503, so that a balancer finds out.
    /// Default 0 ms: none are taken.
    pub drain_ms: u32,
    /// How long requests that are under way may go on after that. Default 20,000 ms; then they are cut.
    pub grace_ms: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            threads: 2,
            connections_max: 1_024,
            connections_per_address_max: 256,
            header_timeout_ms: 10_000,
            body_timeout_ms: 20_000,
            request_timeout_ms: 60_000,
            write_timeout_ms: 20_000,
            answer_timeout_ms: 60_000,
            header_bytes_max: 16 * 1024,
            headers_max: 64,
            run_body_bytes_max: 8 * 1024 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            stranger_body_bytes_max: 2 * 1024 * 1024,
            strangers_bytes_max: 32 * 1024 * 1024,
            answers_bytes_max: 128 * 1024 * 1024,
            drain_ms: 0,
            grace_ms: 20_000,
        }
    }
}

/// How often something may be done: `per_minute` evenly, and up to `burst` at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// On the whole.
    pub per_minute: NonZeroU32,
    /// At once.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate.
    ///
    /// # Panics
    /// If one of them is 0: for constants.
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        Self {
            per_minute: NonZeroU32::new(per_minute).expect("a rate is not 0"),
            burst: NonZeroU32::new(burst).expect("a burst is not 0"),
        }
    }
}

/// How often a caller may ask. Requests for `/healthz`, `/readyz` and `/openapi.json` are not counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QuotasConfig {
    /// Requests of one named caller. Default 6,000 a minute, 1,000 at once.
    pub caller_requests: Rate,
    /// Runs of one named caller. Default 3,000 a minute, 500 at once.
    pub caller_runs: Rate,
    /// Requests without a name, and those with a wrong one, from one IPv4 address or one IPv6 /64. Default 1,200 a minute, 300 at
    /// once.
    pub address_requests: Rate,
    /// How many callers and addresses are remembered; who was not seen for longest is forgotten first. Default 65,536.
    pub entries_max: u32,
}

impl Default for QuotasConfig {
    fn default() -> Self {
        Self {
            caller_requests: Rate::new(6_000, 1_000),
            caller_runs: Rate::new(3_000, 500),
            address_requests: Rate::new(1_200, 300),
            entries_max: 65_536,
        }
    }
}
