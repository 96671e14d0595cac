//! Two nodes and a load, killed at random, for as long as is asked.
//!
//! `cargo run -p tenzik-node --example soak -- SECONDS [SEED]`
//!
//! Enters: how long, and where chance begins. Leaves: figures, and an exit status. Refuses to succeed if a receipt that was
//! answered for is not in A's log with a proof that verifies, or not in B's mirror, if A ever signed two trees, or if what B
//! cosigned ever went back.
//!
//! A keeps a log and publishes only what B has cosigned; B follows A. Each is a process of its own, and so is the load: eight
//! connections that run capsules at A and hand in receipts.

#[path = "../../tests/common/mod.rs"]
mod common;
mod load;
mod nodes;
mod verify;
mod watch;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nodes::{Nodes, Which};
use watch::Watched;

/// A receipt that was answered for.
pub(crate) struct Answered {
    id: String,
    index: u64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["node", config] => nodes::serve(Path::new(config)),
        ["load", address, seconds, seed] => load::run(address, number(seconds), number(seed)),
        [seconds] => soak(number(seconds), 1),
        [seconds, seed] => soak(number(seconds), number(seed)),
        _ => panic!("usage: soak SECONDS [SEED]"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn soak(seconds: u64, seed: u64) {
    let directory = tempfile::TempDir::new().expect("a directory");
    let mut nodes = Nodes::start(directory.path());
    nodes.wait();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = {
        let (stop, seen) = (Arc::clone(&stop), nodes.seen());
        thread::spawn(move || watch::run(&seen, &stop))
    };
    let mut load = start_load(&nodes, seconds, seed);
    let output = BufReader::new(load.stdout.take().expect("a pipe"));
    let reader = thread::spawn(move || output.lines().map(answered).collect::<Vec<_>>());

    let kills = kill_at_random(&mut nodes, seconds, seed);
    assert!(load.wait().expect("an end").success(), "the load failed");
    let answered = reader.join().expect("the answers");
    stop.store(true, Ordering::Relaxed);
    let watched: Watched = watcher.join().expect("nothing that contradicts");
    println!(
        "{seconds} s, seed {seed}: {} answered, {kills} kills, {} checkpoints seen, B asked {} times",
        answered.len(),
        watched.roots.len(),
        watched.asked
    );
    verify::all(&mut nodes, &answered, &watched);
}

fn start_load(nodes: &Nodes, seconds: u64, seed: u64) -> Child {
    let (address, seconds, seed) = (
        nodes.address(Which::A),
        seconds.to_string(),
        seed.to_string(),
    );
    Command::new(std::env::current_exe().expect("this program"))
        .args(["load", &address, &seconds, &seed])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process")
}

fn answered(line: std::io::Result<String>) -> Answered {
    let line = line.expect("a line");
    let (id, index) = line.split_once(' ').expect("an id and an index");
    Answered {
        id: id.to_owned(),
        index: number(index),
    }
}

/// Kills one node or both, again and again, now and then while they start. How often.
fn kill_at_random(nodes: &mut Nodes, seconds: u64, seed: u64) -> u32 {
    let mut chance = Chance(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut kills = 0;
    while Instant::now() < end {
        thread::sleep(Duration::from_millis(500 + chance.below(4_000)));
        let which: &[Which] = match chance.below(4) {
            0 => &[Which::A, Which::B],
            1 => &[Which::B],
            _ => &[Which::A],
        };
        for which in which {
            nodes.kill(*which);
            kills += 1;
        }
        thread::sleep(Duration::from_millis(chance.below(800)));
        for which in which {
            nodes.restart(*which);
            if chance.below(4) == 0 {
                thread::sleep(Duration::from_millis(chance.below(150)));
                nodes.kill(*which);
                kills += 1;
                nodes.restart(*which);
            }
        }
        nodes.wait();
    }
    kills
}

/// The same numbers for the same seed (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
