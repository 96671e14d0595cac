//! Many receipts under one signature: against none, against one each, on two threads, and verified together.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use criterion::Criterion;
use tenzik::outcome::Outcome;
use tenzik::receipts::{Circumstances, GatherConfig, Gatherer, Sealer, wasm_claim};
use tenzik_receipt::{
    Claim, Encode as _, Epoch, Expectations, Int, KeyUse, Nonce, Receipt, SecretKey, SignedReceipt,
    Trust, Verdict, Verifier, verify,
};

use crate::common::Row;
use crate::{SEED, Setup};

/// As many as share a signature.
const BATCH: usize = 256;
/// Calls of one thread where threads are compared: enough that starting them is nothing.
const CALLS: usize = 4 * BATCH;

pub(crate) const ROWS: [Row; 7] = [
    Row {
        what: "256 calls under one signature, against receipt bodies without any",
        ours: "bulk/list_256",
        floor: "bulk/unsigned_256",
        target: 1.3,
    },
    Row {
        what: "the same, through a gatherer",
        ours: "bulk/gathered_256",
        floor: "bulk/unsigned_256",
        target: 1.3,
    },
    Row {
        what: "256 calls under one signature, against one signature each",
        ours: "bulk/list_256",
        floor: "bulk/signed_256",
        target: 1.0 / 4.5,
    },
    Row {
        what: "256 receipts of a batch verified together, against each alone",
        ours: "bulk/verify_together_256",
        floor: "bulk/verify_alone_256",
        target: 0.2,
    },
    Row {
        what: "two threads against one: receipt bodies without signature",
        ours: "bulk/unsigned_2_threads",
        floor: "bulk/unsigned_1_thread",
        target: 1.0 / 1.8,
    },
    Row {
        what: "two threads against one: one signature each",
        ours: "bulk/signed_2_threads",
        floor: "bulk/signed_1_thread",
        target: 1.0 / 1.8,
    },
    Row {
        what: "two threads against one: a gatherer that both share",
        ours: "bulk/gathered_2_threads",
        floor: "bulk/gathered_1_thread",
        target: 1.0 / 1.8,
    },
];

pub(crate) fn bench(criterion: &mut Criterion, setup: &Setup, receipt: &SignedReceipt) {
    let body = Body {
        like: receipt.receipt(),
        next: AtomicU64::new(0),
    };
    let gatherer = gatherer();
    let mut bench = |name: &str, calls: &dyn Fn()| {
        criterion.bench_function(&format!("bulk/{name}"), |b| b.iter(calls));
    };
    bench("unsigned_256", &|| unsigned(setup, &body, BATCH));
    bench("signed_256", &|| signed(setup, BATCH));
    bench("list_256", &|| list(setup));
    bench("gathered_256", &|| gathered(setup, &gatherer, BATCH));
    verification(&mut bench, setup);
    for threads in [1, 2] {
        let name = |what| match threads {
            1 => format!("{what}_1_thread"),
            _ => format!("{what}_2_threads"),
        };
        let on = |calls: &(dyn Fn(usize) + Sync)| share(threads, calls);
        bench(&name("unsigned"), &|| on(&|n| unsigned(setup, &body, n)));
        bench(&name("signed"), &|| on(&|n| signed(setup, n)));
        bench(&name("gathered"), &|| {
            on(&|n| gathered(setup, &gatherer, n))
        });
    }
}

fn gatherer() -> Gatherer {
    let now = "2026-11-20T08:00:00Z".parse().expect("a time");
    let key = SecretKey::from_seed(&SEED, KeyUse::Receipt, now);
    let sealer = Sealer::new(key, Epoch::from_bytes([3; 16])).expect("a receipt key");
    Gatherer::new(sealer, &GatherConfig::default()).expect("a gatherer")
}

/// The same number of calls on one thread or shared by two.
fn share(threads: usize, calls: &(dyn Fn(usize) + Sync)) {
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| calls(CALLS / threads));
        }
    });
}

/// All of a receipt but the signature, by hand.
struct Body<'a> {
    like: &'a Receipt,
    next: AtomicU64,
}

impl Body<'_> {
    fn of(&self, outcome: &Outcome) -> Vec<u8> {
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        let receipt = Receipt {
            claim: Claim::Wasm(wasm_claim(outcome, None)),
            nonce: Nonce {
                seq: Int::new(seq).expect("below 2^53"),
                ..self.like.nonce.clone()
            },
            advisory: self.like.advisory.clone(),
            audience: None,
            backend: self.like.backend.clone(),
            crit: self.like.crit.clone(),
            ext: self.like.ext.clone(),
            log: None,
            request: None,
            ..*self.like
        };
        receipt.check().expect("a receipt of the form");
        receipt.to_canonical()
    }
}

fn unsigned(setup: &Setup, body: &Body<'_>, calls: usize) {
    for _ in 0..calls {
        black_box(body.of(&setup.run()));
    }
}

fn signed(setup: &Setup, calls: usize) {
    for _ in 0..calls {
        black_box(setup.seal(&setup.run()).into_bytes());
    }
}

fn list(setup: &Setup) {
    let runs = (0..BATCH).map(|_| (setup.run(), Circumstances::at(setup.now)));
    for receipt in setup.sealer.seal_all(runs) {
        black_box(receipt.expect("a receipt").into_bytes());
    }
}

/// Callers that have as many runs on their way as share a signature.
fn gathered(setup: &Setup, gatherer: &Gatherer, calls: usize) {
    let mut tickets = Vec::with_capacity(BATCH);
    for _ in 0..calls / BATCH {
        for _ in 0..BATCH {
            let ticket = gatherer.seal(&setup.run(), Circumstances::at(setup.now));
            tickets.push(ticket.expect("a receipt"));
        }
        gatherer.flush();
        for ticket in tickets.drain(..) {
            black_box(ticket.wait().expect("signed").into_bytes());
        }
    }
}

fn verification(bench: &mut dyn FnMut(&str, &dyn Fn()), setup: &Setup) {
    let trust = Trust::in_receipts_of(setup.sealer.node()).expect("a key");
    let runs = (0..BATCH).map(|_| (setup.run(), Circumstances::at(setup.now)));
    let receipts: Vec<_> = setup
        .sealer
        .seal_all(runs)
        .map(|receipt| receipt.expect("a receipt").into_bytes())
        .collect();
    let expected = Expectations::default();
    bench("verify_alone_256", &|| {
        for bytes in &receipts {
            let report = verify(black_box(bytes), &trust, setup.now, &expected);
            assert_eq!(report.verdict(), Verdict::Passed);
        }
    });
    bench("verify_together_256", &|| {
        let mut verifier = Verifier::default();
        for bytes in &receipts {
            let report = verifier.verify(black_box(bytes), &trust, setup.now, &expected);
            assert_eq!(report.verdict(), Verdict::Passed);
        }
    });
}
