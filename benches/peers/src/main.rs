//! A call of a fresh instance, against others that could do the job: Extism, Node and a process.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml`, with `node` in the path. The others change places with us
//! every few milliseconds, so what else the machine does weighs on all of them. Only the ratios are meant; nothing asserts them.
//!
//! Everyone copies 21 bytes in and the same out. We alone hold them against the grammar of JSON, price, count and limit
//! everything; nobody signs. Each peer starts from what it can prepare ahead: compiled code.

mod extism_peer;
mod node;

use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::Executor;
use tenzik::outcome::Request;
use tenzik::sandbox::{Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};

const ECHO: &[u8] = include_bytes!("../../../capsules/echo/echo.wasm");
const INPUT: &[u8] = br#"{"sku":"A-1","qty":3}"#;
const ROUNDS: usize = 400;
/// Rounds that do not count: caches fill, and Node's compiler makes up its mind.
const ROUNDS_WARM: usize = 20;

/// Makes so many calls, and says how long they took together.
type Batch<'a> = Box<dyn FnMut(u32) -> Duration + 'a>;

struct Peer<'a> {
    what: String,
    /// How many times faster we want to be.
    target: Option<f64>,
    /// Calls in a round: less than a millisecond of them, so that most rounds are nobody else's.
    calls: u32,
    batch: Batch<'a>,
}

fn main() {
    let mut peers = vec![
        ours(),
        extism_peer::plain(),
        extism_peer::limited(),
        extism_peer::pooled(),
        spawn(),
    ];
    match node::start(ECHO, INPUT) {
        Ok(node) => peers.insert(4, node),
        Err(error) => println!("no node: {error}"),
    }
    let medians = measure(&mut peers);
    println!("| what | µs a call | ours is faster | target |\n|---|---|---|---|");
    for (peer, ns) in peers.iter().zip(&medians) {
        let target = peer
            .target
            .map_or(String::new(), |target| format!("{target} ×"));
        let times = ns / medians[0];
        println!(
            "| {} | {:.2} | {times:.1} × | {target} |",
            peer.what,
            ns / 1e3
        );
    }
}

/// The median of the rounds for each peer, in nanoseconds a call. Each round begins with another peer, and a peer's first
/// calls of a round, which find the other's data in the caches, do not count.
fn measure(peers: &mut [Peer<'_>]) -> Vec<f64> {
    let mut rounds = vec![Vec::new(); peers.len()];
    for round in 0..ROUNDS_WARM + ROUNDS {
        for turn in 0..peers.len() {
            let number = (round + turn) % peers.len();
            let peer = &mut peers[number];
            (peer.batch)(peer.calls.div_ceil(4));
            let took = (peer.batch)(peer.calls).as_nanos() as f64 / f64::from(peer.calls);
            if round >= ROUNDS_WARM {
                rounds[number].push(took);
            }
        }
    }
    rounds.into_iter().map(median).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// A peer whose call stands in this process.
fn here<'a>(what: &str, target: Option<f64>, calls: u32, mut call: impl FnMut() + 'a) -> Peer<'a> {
    let batch = move |calls| {
        let started = Instant::now();
        (0..calls).for_each(|_| call());
        started.elapsed()
    };
    Peer {
        what: what.to_owned(),
        target,
        calls,
        batch: Box::new(batch),
    }
}

fn ours() -> Peer<'static> {
    let security = SecurityConfig::default();
    let runtime = RuntimeConfig {
        engines: Engines::Wasmtime,
        ..RuntimeConfig::default()
    };
    let executor = Executor::new(&security, &runtime).expect("an engine");
    let capsule = validate(ECHO, &ValidationConfig::default()).expect("valid");
    let sandbox = Sandbox::new(&security, &runtime);
    let bound = sandbox.bind(capsule, &Terms::default()).expect("bound");
    let request = Request::json(INPUT);
    here(
        "tenzik, fresh instance, all limits, unsigned",
        None,
        100,
        move || {
            let outcome = executor
                .execute(&bound, black_box(&request))
                .expect("a run");
            assert_eq!(outcome.output(), Some(INPUT));
        },
    )
}

fn spawn() -> Peer<'static> {
    here("a process: /bin/true", Some(200.0), 1, || {
        let status = Command::new("/bin/true").status().expect("a process");
        assert!(status.success());
    })
}
