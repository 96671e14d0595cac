//! What the integration tests share: pipelines with a fixed key, and receipts that are verified on the spot.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod second;

use std::path::PathBuf;
use std::sync::Arc;

use tenzik::capability::Grants;
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::outcome::Request;
use tenzik::pipeline::{Order, Pipeline};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::sandbox::Terms;
use tenzik_receipt::{
    Epoch, Expectations, KeyUse, SecretKey, SignedReceipt, Timestamp, Trust, Verdict, verify,
};

/// A file of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// A file's bytes.
pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The time of every test receipt.
pub(crate) fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().expect("a time")
}

/// A key that only tests have.
pub(crate) fn key(byte: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[byte; 32], key_use, now())
}

/// A sealer with a fixed key.
pub(crate) fn sealer() -> Sealer {
    Sealer::new(key(1, KeyUse::Receipt), Epoch::from_bytes([2; 16])).expect("a receipt key")
}

/// Trust in the sealer's key.
pub(crate) fn trust() -> Trust {
    Trust::in_receipts_of(sealer().node()).expect("a key")
}

/// A pipeline with these settings and the fixed key.
pub(crate) fn pipeline_with(security: &SecurityConfig, runtime: &RuntimeConfig) -> Pipeline {
    Pipeline::new(security, runtime, sealer()).expect("an engine")
}

/// A pipeline for tests: the defaults, with few slots, and native code from the first run on.
pub(crate) fn pipeline() -> Pipeline {
    let runtime = RuntimeConfig {
        engines: Engines::Wasmtime,
        instances_max: 8,
        ..RuntimeConfig::default()
    };
    pipeline_with(&SecurityConfig::default(), &runtime)
}

/// An order for a capsule with these grants, by name.
pub(crate) fn order(capsule: Vec<u8>, grants: &[&str], request: Request) -> Order {
    let grants: Grants = grants
        .iter()
        .map(|name| name.parse().expect("a capability"))
        .collect();
    Order {
        capsule: Arc::from(capsule),
        terms: Terms {
            grants,
            ..Terms::default()
        },
        request,
    }
}

/// Nothing but the time.
pub(crate) fn circumstances() -> Circumstances {
    Circumstances::at(now())
}

/// A module from its text.
pub(crate) fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Asserts that the receipt passes, whatever its status.
pub(crate) fn assert_verifies(receipt: &SignedReceipt) {
    let status = receipt.claim().status();
    let expected = Expectations {
        status: Some(status),
        ..Expectations::default()
    };
    let report = verify(&receipt.to_bytes(), &trust(), now(), &expected);
    assert_eq!(report.verdict(), Verdict::Passed, "{:?}", report.checks());
}
