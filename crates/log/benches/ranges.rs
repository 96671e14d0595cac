//! Verifying contiguous ranges of a log, against strict verification of each receipt's signature.
//!
//! `cargo bench -p tenzik-log --bench ranges`; `TENZIK_LEAVES` sets the size of the log: 1,000,000, or 5,000 in a test
//! run. It holds the log in memory, 1.5 KB a receipt.
//!
//! Each round measures everything once, and the ratios are those of one round; the medians are printed. Nothing is
//! asserted of time: a busy machine is no defect.

use std::collections::HashMap;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

use tenzik_log::Frontier;
use tenzik_log::tile::{TileKind, TilePath};
use tenzik_log::tree::{Tree, verify_range};
use tenzik_receipt::{
    Decode as _, Expectations, Int, KeyUse, Receipt, SecretKey, Sha256, Signature, SignedReceipt,
    Timestamp, Trust, Verdict, verify,
};

const ROUNDS: usize = 11;
/// Ranges of these lengths, and how many of each in a round.
const RANGES: [(usize, usize); 4] = [(1, 4096), (256, 64), (4096, 8), (65_536, 1)];
/// How many signatures are verified in a round.
const SIGNATURES: usize = 1024;
const TARGET: f64 = 30.0;

fn main() {
    let log = Log::new(leaves());
    let bytes: usize = log.leaves.iter().map(Vec::len).sum();
    let count = log.leaves.len();
    println!("{count} receipts of {} bytes", bytes / count);
    let lengths: Vec<_> = RANGES
        .iter()
        .filter(|(length, _)| *length <= count)
        .collect();
    let mut rounds = vec![Vec::new(); 2 + lengths.len()];
    for round in 0..ROUNDS {
        rounds[0].push(log.signatures(round));
        rounds[1].push(log.whole(round));
        for (at, &&(length, times)) in lengths.iter().enumerate() {
            rounds[2 + at].push(log.ranges(length, times, round));
        }
    }
    println!("strict signature, each: {:.2} µs", median(&rounds[0]));
    println!("whole receipt, each: {:.2} µs", median(&rounds[1]));
    println!(
        "\n| range | each receipt | of a signature | of a whole receipt | target |\n|---|---|---|---|---|"
    );
    for (&&(length, _), figures) in lengths.iter().zip(&rounds[2..]) {
        let times = |base: &[f64]| {
            let ratios: Vec<_> = base
                .iter()
                .zip(figures)
                .map(|(base, it)| base / it)
                .collect();
            median(&ratios)
        };
        let (signature, whole) = (times(&rounds[0]), times(&rounds[1]));
        let target = if length == 1 {
            "".to_owned()
        } else {
            format!("{TARGET:.0} times")
        };
        let each = median(figures);
        println!(
            "| {length} | {each:.3} µs | {signature:.1} times | {whole:.1} times | {target} |"
        );
    }
}

/// The size that was asked for.
fn leaves() -> usize {
    let asked = std::env::var("TENZIK_LEAVES").ok();
    let asked = asked.map(|text| text.parse().expect("TENZIK_LEAVES is a number"));
    // Cargo says `--bench` when it runs benches, and nothing when it tests them.
    let default = match std::env::args().any(|argument| argument == "--bench") {
        true => 1_000_000,
        false => 5_000,
    };
    asked.unwrap_or(default)
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Microseconds for each of `count`.
fn each(count: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    start.elapsed().as_secs_f64() * 1e6 / count as f64
}

struct Log {
    node: SecretKey,
    trust: Trust,
    now: Timestamp,
    leaves: Vec<Vec<u8>>,
    tiles: HashMap<TilePath, Vec<u8>>,
    root: Sha256,
}

impl Log {
    fn new(count: usize) -> Self {
        let node = SecretKey::from_seed(&[0x11; 32], KeyUse::Receipt, Timestamp::EPOCH);
        let first = first();
        let leaves = sign_all(&node, &first, count);
        let mut frontier = Frontier::new();
        let mut tiles = HashMap::new();
        // Step by step, because the bundles are dropped and would take as much memory as the leaves.
        for step in leaves.chunks(1 << 16) {
            let grown = frontier.extend(step).expect("receipts are short");
            let hashes = grown
                .into_iter()
                .filter(|(path, _)| path.kind() != TileKind::Entries);
            tiles.extend(hashes);
        }
        Self {
            trust: Trust::in_receipts_of(node.public()).expect("a key"),
            now: first.issued_at,
            node,
            leaves,
            tiles,
            root: frontier.root(),
        }
    }

    /// Signatures alone: the messages are ready.
    fn signatures(&self, round: usize) -> f64 {
        let signed: Vec<_> = self.some(round).map(read).collect();
        each(signed.len(), || {
            for (message, signature) in &signed {
                let Signature::Single(signature) = signature else {
                    panic!("each receipt was signed alone");
                };
                assert!(self.node.public().verifies(black_box(message), signature));
            }
        })
    }

    /// Receipts as they come: read, and every check made.
    fn whole(&self, round: usize) -> f64 {
        let receipts: Vec<_> = self.some(round).collect();
        each(receipts.len(), || {
            for bytes in receipts {
                let report = verify(
                    black_box(bytes),
                    &self.trust,
                    self.now,
                    &Expectations::default(),
                );
                assert_eq!(report.verdict(), Verdict::Passed);
            }
        })
    }

    /// Receipts from another place in each round.
    fn some(&self, round: usize) -> impl Iterator<Item = &[u8]> {
        let count = SIGNATURES.min(self.leaves.len());
        let start = (self.leaves.len() - count) * round / ROUNDS;
        self.leaves[start..start + count].iter().map(Vec::as_slice)
    }

    /// Ranges that lie apart from each other, at other places in each round. The proofs are ready.
    fn ranges(&self, length: usize, times: usize, round: usize) -> f64 {
        let room = self.leaves.len() - length;
        let size = self.leaves.len() as u64;
        let mut tree = Tree::new(size, |path| Ok(self.tiles.get(&path).cloned()));
        let proofs: Vec<_> = (0..times)
            .map(|at| {
                let start = room * (at * ROUNDS + round) / (times * ROUNDS);
                let end = (start + length) as u64;
                (
                    start,
                    tree.range(start as u64, end).expect("every tile is there"),
                )
            })
            .collect();
        each(length * times, || {
            for (start, outside) in &proofs {
                let leaves = &self.leaves[*start..*start + length];
                verify_range(
                    black_box(leaves),
                    *start as u64,
                    (size, &self.root),
                    outside,
                )
                .expect("the range is in the log");
            }
        })
    }
}

/// A receipt of the published vectors, whose node has the key of [`Log::new`].
fn first() -> Receipt {
    let vectors = include_str!("../../receipt/tests/vectors/receipts.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
    let payload = vectors["receipts"][0]["payload"]
        .as_str()
        .expect("a receipt");
    Receipt::from_canonical(payload.as_bytes()).expect("a receipt")
}

/// Receipts that differ in their sequence numbers.
fn sign_all(node: &SecretKey, first: &Receipt, count: usize) -> Vec<Vec<u8>> {
    let signed = |index: usize| {
        let mut receipt = first.clone();
        receipt.nonce.seq = Int::new(index as u64).expect("below 2^53");
        let signed = node.sign_receipt(receipt).expect("the node's own");
        signed.to_bytes()
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let step = count.div_ceil(threads).max(1);
    let mut leaves = vec![Vec::new(); count];
    thread::scope(|scope| {
        for (part, leaves) in leaves.chunks_mut(step).enumerate() {
            scope.spawn(move || {
                for (at, leaf) in leaves.iter_mut().enumerate() {
                    *leaf = signed(part * step + at);
                }
            });
        }
    });
    leaves
}

fn read(bytes: &[u8]) -> (Vec<u8>, Signature) {
    let receipt = SignedReceipt::from_bytes(bytes).expect("it was signed");
    (receipt.signed_bytes(), receipt.signature().clone())
}
