//! A search for the capsule of at most 5 KiB that takes longest to compile, against an honest one of 4 KB.
//!
//! `cargo bench --bench compile -- --seconds 300`
//!
//! A candidate is a list of statements that leave the operand stack as it was, and how they are spread over functions. What is
//! accepted by validation is metered and compiled; what takes longer than the best so far is mutated further.

use std::time::{Duration, Instant};

use tenzik::metering::meter;
use tenzik::validation::{ValidatedCapsule, ValidationConfig, validate};
use wasmtime::{Config, Engine, Module};

/// `$i $j` are `i32`, `$l $m` `i64`, `$f $g` `f32`, `$d $e` `f64`; `{n}` is a number below 64.
const STATEMENTS: [&str; 40] = [
    "(local.set $i (i32.add (local.get $i) (i32.const {n})))",
    "(local.set $l (i64.mul (local.get $l) (local.get $m)))",
    "(local.set $i (i32.div_s (local.get $i) (local.get $j)))",
    "(local.set $l (i64.rem_u (local.get $l) (local.get $m)))",
    "(local.set $d (f64.add (local.get $d) (local.get $e)))",
    "(local.set $f (f32.min (local.get $f) (local.get $g)))",
    "(f64.store offset={n} (local.get $i) (f64.div (local.get $d) (local.get $e)))",
    "(f32.store offset={n} (local.get $i) (f32.sqrt (local.get $f)))",
    "(local.set $d (f64.nearest (local.get $d)))",
    "(local.set $e (f64.promote_f32 (f32.ceil (local.get $f))))",
    "(local.set $i (i32.trunc_f64_s (local.get $d)))",
    "(local.set $l (i64.trunc_f32_u (local.get $f)))",
    "(local.set $j (i32.trunc_sat_f64_u (local.get $e)))",
    "(local.set $d (f64.convert_i64_u (local.get $l)))",
    "(local.set $i (i32.popcnt (local.get $i)))",
    "(local.set $l (i64.ctz (local.get $l)))",
    "(local.set $i (select (local.get $i) (local.get $j) (i32.eqz (local.get $i))))",
    "(local.set $d (select (local.get $d) (local.get $e) (local.get $i)))",
    "(i32.store offset={n} (local.get $i) (local.get $j))",
    "(local.set $j (i32.load8_s offset={n} (local.get $i)))",
    "(global.set $global (i64.xor (global.get $global) (local.get $l)))",
    "(call $f0)",
    "(call_indirect (type $v) (local.get $i))",
    "(drop (call_indirect (type $w) (local.get $l) (local.get $d) (i32.const {n})))",
    "(drop (memory.grow (i32.const {n})))",
    "(memory.fill (local.get $i) (i32.const 0) (local.get $j))",
    "(memory.copy (local.get $i) (i32.const 8) (i32.const {n}))",
    "(if (local.get $i) (then (local.set $i (local.get $j))) (else (local.set $j (i32.const {n}))))",
    "(if (i32.eq (local.get $i) (i32.const {n})) (then (return)))",
    "(block (br_if 0 (local.get $i)) (local.set $l (i64.const {n})))",
    "(block (block (block (br_table 0 1 2 0 1 2 0 1 2 (local.get $i))) (local.set $i (i32.const {n}))) (local.set $j (local.get $i)))",
    "(loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))",
    "(loop (local.set $d (f64.mul (local.get $d) (local.get $e))) (br_if 0 (local.get $i)))",
    "(block (loop (br_if 1 (local.get $i)) (local.set $j (i32.add (local.get $j) (i32.const {n}))) (br 0)))",
    "(loop (loop (loop (br_if 2 (local.get $i)) (br_if 1 (local.get $j)) (br_if 0 (i32.eqz (local.get $i))))))",
    "(if (f64.lt (local.get $d) (local.get $e)) (then (local.set $f (f32.demote_f64 (local.get $d)))))",
    "(local.set $l (i64.extend_i32_s (i32.rotl (local.get $i) (local.get $j))))",
    "(local.set $d (f64.reinterpret_i64 (local.get $l)))",
    "(local.set $i (i32.wrap_i64 (i64.shr_s (local.get $l) (local.get $m))))",
    "(local.set $e (f64.copysign (f64.neg (local.get $d)) (f64.abs (local.get $e))))",
];

const BYTES_MAX: usize = 5 * 1024;

/// A number and its statement; how many of them make a function; how deep they are nested in blocks and loops.
#[derive(Clone)]
struct Candidate {
    statements: Vec<(u8, u8)>,
    a_function: usize,
    nesting: usize,
    params: bool,
}

/// A small generator of numbers (xorshift): the search is the same for the same seed, up to what is measured.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

impl Candidate {
    fn random(random: &mut Random) -> Self {
        // A few kinds of statement in each: what is slow is slow many times.
        let kinds: Vec<_> = (0..1 + random.below(4))
            .map(|_| random.below(STATEMENTS.len()) as u8)
            .collect();
        let statements = (0..1_200)
            .map(|_| (kinds[random.below(kinds.len())], random.below(64) as u8))
            .collect();
        Self {
            statements,
            a_function: 1 << random.below(11),
            nesting: random.below(12),
            params: random.below(4) == 0,
        }
    }

    fn mutated(&self, random: &mut Random) -> Self {
        let mut other = self.clone();
        match random.below(6) {
            0 => other.a_function = 1 + random.below(1_200),
            1 => other.nesting = random.below(24),
            2 => other.params = !other.params,
            3 => {
                let kind = random.below(STATEMENTS.len()) as u8;
                let (from, count) = (random.below(1_200), random.below(400));
                let all = other.statements.iter_mut().skip(from).take(count);
                all.for_each(|statement| statement.0 = kind);
            }
            4 => {
                let (from, to) = (random.below(1_200), random.below(1_200));
                let count = random.below(200).min(1_200 - from.max(to));
                let (source, target) = (from..from + count, to);
                other.statements.copy_within(source, target);
            }
            _ => {
                for _ in 0..1 + random.below(60) {
                    let place = random.below(1_200);
                    let kind = random.below(STATEMENTS.len()) as u8;
                    other.statements[place] = (kind, random.below(64) as u8);
                }
            }
        }
        other
    }

    /// The module of the first so many statements.
    fn module(&self, count: usize) -> Vec<u8> {
        let functions: String = self.statements[..count]
            .chunks(self.a_function)
            .enumerate()
            .map(|(number, statements)| self.function(number, statements))
            .collect();
        let text = format!(
            "(module (type $v (func)) (type $w (func (param i64 f64) (result i32)))
              (memory (export \"memory\") 1) (table 4 funcref) (elem (i32.const 0) $f0)
              (global $global (mut i64) (i64.const 0)) {functions} (func (export \"run\") (call $f0)))"
        );
        wat::parse_str(text).expect("well formed")
    }

    fn function(&self, number: usize, statements: &[(u8, u8)]) -> String {
        let body: String = statements
            .iter()
            .map(|(kind, n)| STATEMENTS[usize::from(*kind)].replace("{n}", &n.to_string()))
            .collect();
        let open = ["(block ", "(loop "];
        let opened: String = (0..self.nesting).map(|depth| open[depth % 2]).collect();
        let load = if self.params {
            "(local.set $i (i32.load (i32.const 0))) (local.set $d (f64.load (i32.const 8))) (local.set $l (i64.load (i32.const 16)))"
        } else {
            ""
        };
        format!(
            "(func $f{number} (local $i i32) (local $j i32) (local $l i64) (local $m i64)
              (local $f f32) (local $g f32) (local $d f64) (local $e f64) {load} {opened} {body} {})",
            ")".repeat(self.nesting)
        )
    }

    /// The largest module that fits and is accepted.
    fn capsule(&self) -> Option<ValidatedCapsule> {
        let (mut fits, mut beyond) = (0, self.statements.len() + 1);
        let mut best = None;
        while fits + 1 < beyond {
            let middle = fits.midpoint(beyond).max(1);
            match accepted(self.module(middle)) {
                Some(capsule) => (fits, best) = (middle, Some(capsule)),
                None => beyond = middle,
            }
            if beyond == 1 {
                break;
            }
        }
        best
    }
}

fn accepted(module: Vec<u8>) -> Option<ValidatedCapsule> {
    let config = ValidationConfig {
        capsule_bytes_max: BYTES_MAX as u32,
    };
    validate(module, &config).ok()
}

fn compile(engine: &Engine, capsule: &ValidatedCapsule, times: usize) -> Duration {
    let once = || {
        let started = Instant::now();
        let metered = meter(capsule).expect("valid");
        Module::new(engine, metered.bytes()).expect("it compiles");
        started.elapsed()
    };
    (0..times).map(|_| once()).min().unwrap_or_default()
}

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--seconds");
    let seconds = arguments.nth(1).and_then(|seconds| seconds.parse().ok());
    // Run as a test, it only shows that it works.
    let patience = Duration::from_secs(seconds.unwrap_or(1));
    let mut config = Config::new();
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(1));
    let engine = Engine::new(&config).expect("an engine");
    let honest = include_bytes!("../capsules/sbom-licenses/sbom-licenses.wasm");
    let honest = accepted(honest.to_vec()).expect("an honest capsule");
    // To 4 KB in proportion.
    let scale = 4_096.0 / honest.bytes().len() as f64;
    let honest = compile(&engine, &honest, 20).as_secs_f64() * scale;
    if std::env::var_os("TENZIK_KINDS").is_some() {
        kinds(&engine, honest);
    }
    let (best, tried) = search(&engine, patience);
    let worst = compile(&engine, &best, 5).as_secs_f64();
    println!("{tried} candidates in {} s", patience.as_secs());
    println!(
        "| an honest capsule, as if of 4 KB | the worst that was found | ratio (at most 3) |\n|---|---|---|"
    );
    println!(
        "| {:.1} ms | {:.1} ms, {} bytes, cost {} | {:.2} |",
        honest * 1e3,
        worst * 1e3,
        best.bytes().len(),
        best.shape().compile_cost,
        worst / honest
    );
    if let Some(file) = std::env::var_os("TENZIK_WORST") {
        std::fs::write(file, &best.bytes()[..]).expect("the file can be written");
    }
}

/// Each statement by itself, as often as is accepted: in one function, and in many.
fn kinds(engine: &Engine, honest: f64) {
    for (kind, statement) in STATEMENTS.iter().enumerate() {
        let ratios = [1_200, 40, 1].map(|a_function| {
            let candidate = Candidate {
                statements: vec![(kind as u8, 7); 1_200],
                a_function,
                nesting: 0,
                params: false,
            };
            let capsule = candidate.capsule().expect("one is accepted");
            compile(engine, &capsule, 3).as_secs_f64() / honest
        });
        println!("{ratios:.2?} {statement}");
    }
}

/// Hill climbing from several starts at once: the best sixteen are mutated, now and then a new one comes in.
fn search(engine: &Engine, patience: Duration) -> (ValidatedCapsule, usize) {
    let (mut random, started, mut tried) = (Random(0x9e37_79b9_7f4a_7c15), Instant::now(), 0);
    let mut best: Vec<(Duration, Candidate, ValidatedCapsule)> = Vec::new();
    while started.elapsed() < patience || best.is_empty() {
        let candidate = match random.below(8) {
            1.. if best.len() == 16 => best[random.below(16)].1.mutated(&mut random),
            _ => Candidate::random(&mut random),
        };
        let Some(capsule) = candidate.capsule() else {
            continue;
        };
        tried += 1;
        let mut time = compile(engine, &capsule, 1);
        if best.len() == 16 && time > best[15].0 {
            // A busy machine makes anything look slow once.
            time = time.min(compile(engine, &capsule, 3));
        }
        best.push((time, candidate, capsule));
        best.sort_by_key(|(time, ..)| std::cmp::Reverse(*time));
        best.truncate(16);
    }
    let (_, _, worst) = best.swap_remove(0);
    (worst, tried)
}
