//! What an author sees of a run: fuel by function, the calls of the host, and where it trapped.
//!
//! Enters: what an observed run recorded. Leaves: plain figures of bounded size, the same on every machine.
//! Refuses: nothing. None of this is in a claim.

use crate::capability::HostFunction;

/// The import of a module that is built for debugging. Only a run that is looked at, and gets no receipt, has it.
pub const TRACE: (&str, &str) = ("env", "trace");

/// How many lines of `trace` are kept. Those after them are counted.
pub const TRACES_MAX: usize = 1_000;
/// How deep calls are told apart. What is deeper counts for [`Place::More`].
pub const DEPTH_MAX: usize = 256;
/// How many chains of calls are told apart; those met later count for [`Place::More`].
pub const NODES_MAX: usize = 16_384;
/// How many host calls are listed. Those after them are counted.
pub const CALLS_MAX: usize = 10_000;
/// How much of each text that a host call was given or gave is kept.
pub const SEEN_BYTES_MAX: usize = 96;
/// How many open calls are told where a run trapped, the innermost first.
pub const FRAMES_MAX: usize = 64;

/// What fuel went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The check of the output.
    Check,
    /// A function of the capsule, by its index.
    Function(u32),
    /// A host function.
    Host(HostFunction),
    /// Calls that are not told apart.
    More,
    /// The price of the start.
    Start,
}

/// A chain of open calls, and what was spent at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The chain without its last call. It stands before this one.
    pub parent: Option<usize>,
    /// The last call.
    pub place: Place,
    /// The fuel spent there itself, not in what it called.
    pub fuel: u64,
}

/// Bytes that a host call was given or gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How many there are.
    pub bytes: usize,
    /// The first of them, as text; hex digits where they are none.
    pub begins: String,
}

/// A call of the host.
#[derive(Clone, Debug, PartialEq)]
pub struct HostCall {
    /// What was called.
    pub function: HostFunction,
    /// The index of the function that called it.
    pub caller: Option<u32>,
    /// The fuel that was used before it.
    pub fuel_before: u64,
    /// What it cost.
    pub fuel: u64,
    /// Its numbers, by name.
    pub arguments: Vec<(&'static str, f64)>,
    /// What its pointers led to, after the call.
    pub memory: Vec<Seen>,
    /// What it gave.
    pub answer: Option<f64>,
    /// What it put into the result buffer.
    pub result: Option<Seen>,
    /// Whether the run ended with it.
    pub ended_run: bool,
}

/// An open call where a run trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The function's index.
    pub function: u32,
    /// The byte of the capsule at which it was; none where it had only begun.
    pub offset: Option<usize>,
}

/// What was recorded of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Each chain of calls once; a parent stands before its children.
    pub nodes: Vec<Node>,
    /// The host calls in their order.
    pub calls: Vec<HostCall>,
    /// How many there were beyond them.
    pub calls_more: u64,
    /// Where the run trapped, the innermost call first; empty if it did not.
    pub frames: Vec<Frame>,
    /// What the capsule passed to `env.trace`, line by line: its own words, as they are.
    pub traces: Vec<String>,
    /// How many lines there were beyond them.
    pub traces_more: u64,
    /// What the capsule passed to `env.abort`.
    pub abort: Option<String>,
}

impl Observation {
    /// All the fuel that was used. Of a run that trapped, the claim has the limit instead.
    pub fn fuel(&self) -> u64 {
        self.nodes.iter().map(|node| node.fuel).sum()
    }
}
