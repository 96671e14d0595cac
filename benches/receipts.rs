//! Signing and verifying, against the bare primitives over the same bytes.
//!
//! `cargo bench --bench receipts`

mod bulk;
mod common;

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::execution::Executor;
use tenzik::outcome::{Outcome, Request};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::sandbox::{BoundCapsule, Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};
use tenzik_receipt::{
    Epoch, Expectations, KeyUse, SecretKey, SignedReceipt, Timestamp, Trust, Verdict, verify,
};

const ECHO: &[u8] = include_bytes!("../capsules/echo/echo.wasm");
const INPUT: &[u8] = br#"{"sku":"A-1","qty":3}"#;
const SEED: [u8; 32] = [7; 32];

struct Setup {
    executor: Executor,
    bound: BoundCapsule,
    request: Request,
    sealer: Sealer,
    now: Timestamp,
}

impl Setup {
    fn new() -> Self {
        let (security, runtime) = (SecurityConfig::default(), RuntimeConfig::default());
        let now = "2026-11-20T08:00:00Z".parse().expect("a time");
        let key = SecretKey::from_seed(&SEED, KeyUse::Receipt, now);
        let capsule = validate(ECHO, &ValidationConfig::default()).expect("valid");
        Self {
            executor: Executor::new(&security, &runtime).expect("an engine"),
            bound: Sandbox::new(&security, &runtime)
                .bind(capsule, &Terms::default())
                .expect("bound"),
            request: Request::json(INPUT),
            sealer: Sealer::new(key, Epoch::from_bytes([1; 16])).expect("a receipt key"),
            now,
        }
    }

    fn run(&self) -> Outcome {
        self.executor
            .execute(&self.bound, &self.request)
            .expect("a run")
    }

    fn seal(&self, outcome: &Outcome) -> SignedReceipt {
        self.sealer
            .seal(outcome, Circumstances::at(self.now))
            .expect("a receipt")
    }
}

fn main() {
    let table = common::Table::start();
    let setup = Setup::new();
    let receipt = setup.seal(&setup.run());
    println!("receipt of {} bytes", receipt.to_bytes().len());
    let mut criterion = Criterion::default().configure_from_args();
    signed_call(&mut criterion, &setup, &receipt);
    encoding(&mut criterion, &receipt);
    verification(&mut criterion, &setup, &receipt);
    bulk::bench(&mut criterion, &setup, &receipt);
    table.print(&[
        common::Row {
            what: "signed call, against call + BLAKE3 + Ed25519",
            ours: "receipts/signed_call",
            floor: "receipts/floor_signed_call",
            target: 1.15,
        },
        common::Row {
            what: "canonical form, against a general crate for it",
            ours: "receipts/encode",
            floor: "receipts/floor_encode",
            target: 1.0,
        },
        common::Row {
            what: "verification, against strict Ed25519 alone",
            ours: "receipts/verify",
            floor: "receipts/floor_verify",
            target: 1.2,
        },
    ]);
    table.print(&bulk::ROWS);
    criterion.final_summary();
}

fn signed_call(criterion: &mut Criterion, setup: &Setup, receipt: &SignedReceipt) {
    criterion.bench_function("receipts/signed_call", |b| {
        b.iter(|| setup.seal(&setup.run()).to_bytes());
    });
    let key = SigningKey::from_bytes(&SEED);
    let message = receipt.signed_bytes();
    criterion.bench_function("receipts/floor_signed_call", |b| {
        b.iter(|| {
            let outcome = setup.run();
            let digests = [INPUT, outcome.output().unwrap_or_default()].map(blake3::hash);
            (digests, key.sign(black_box(&message)))
        });
    });
}

fn encoding(criterion: &mut Criterion, receipt: &SignedReceipt) {
    use tenzik_receipt::Encode as _;
    criterion.bench_function("receipts/encode", |b| {
        b.iter(|| black_box(receipt.receipt()).to_canonical());
    });
    let value: Value = serde_json::from_slice(receipt.payload()).expect("JSON");
    assert_eq!(
        serde_json_canonicalizer::to_vec(&value).expect("canonical"),
        receipt.payload()
    );
    criterion.bench_function("receipts/floor_encode", |b| {
        b.iter(|| serde_json_canonicalizer::to_vec(black_box(&value)).expect("canonical"));
    });
}

fn verification(criterion: &mut Criterion, setup: &Setup, receipt: &SignedReceipt) {
    let trust = Trust::in_receipts_of(setup.sealer.node()).expect("a key");
    let bytes: Arc<[u8]> = Arc::from(receipt.to_bytes());
    criterion.bench_function("receipts/verify", |b| {
        b.iter(|| {
            let report = verify(
                black_box(&bytes),
                &trust,
                setup.now,
                &Expectations::default(),
            );
            assert_eq!(report.verdict(), Verdict::Passed);
        });
    });
    let key = SigningKey::from_bytes(&SEED);
    let (message, public) = (receipt.signed_bytes(), key.verifying_key());
    let signature = key.sign(&message);
    criterion.bench_function("receipts/floor_verify", |b| {
        b.iter(|| {
            public
                .verify_strict(black_box(&message), &signature)
                .expect("it holds")
        });
    });
}
