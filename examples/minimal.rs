//! Embeds the engine: a key, a pipeline, a run, a verification, a replay.
//!
//! `cargo run --example minimal`, or with a path to keep the receipt: `cargo run --example minimal -- receipt.json`

use std::error::Error;
use std::fs::{self, File};
use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tenzik::capability::Capability;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::outcome::Request;
use tenzik::pipeline::{Order, Pipeline};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::replay::{Evidence, Replay, Replayer};
use tenzik::sandbox::Terms;
use tenzik_receipt::{Epoch, Expectations, KeyUse, SecretKey, Timestamp, Trust, verify};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/capsules/order-total");
    let capsule = fs::read(format!("{folder}/order-total.wasm"))?;
    let input = fs::read(format!("{folder}/example.json"))?;
    let now = now()?;

    // A node has one key for receipts, and keeps it: `SecretKey::to_file` gives what goes into a file of mode 0600.
    let key = SecretKey::from_seed(&random()?, KeyUse::Receipt, now);
    let node = key.public();
    let sealer = Sealer::new(key, Epoch::from_bytes(random()?))?;
    let (security, runtime) = (SecurityConfig::production(), RuntimeConfig::development());
    let pipeline = Pipeline::new(&security, &runtime, sealer)?;

    // One pipeline serves every thread and capsule. An order says what to run, on what, and what it may use.
    let order = Order {
        capsule: capsule.clone().into(),
        terms: Terms {
            grants: Capability::Json.into(),
            ..Terms::default()
        },
        request: Request::json(input.clone()),
    };
    let run = pipeline.run(&order, Circumstances::at(now))?;
    let output = run.outcome.output().ok_or("the capsule did not end well")?;
    println!("output     {}", String::from_utf8_lossy(output));
    println!("node       {node}");

    // Whoever trusts the node's key can check the receipt; that needs no engine.
    let receipt = run.receipt.to_bytes();
    let expected = Expectations {
        capsule: Some(&capsule),
        input: Some(&input),
        output: Some(output),
        ..Expectations::default()
    };
    let report = verify(&receipt, &Trust::in_receipts_of(node)?, now, &expected);
    for check in report.checks() {
        println!("{check}");
    }
    let verified = report.into_verified().map_err(|_| "it does not pass")?;

    // Whoever holds capsule and input can run it again, and need not trust the node at all.
    let evidence = Evidence {
        capsule: &capsule,
        input: &input,
        secret: None,
        seed: None,
        transcript: None,
    };
    let claim = verified.receipt().claim();
    match Replayer::new(10_000)?.replay(claim, &evidence)? {
        Replay::Same => println!("replay     the same claim, byte for byte"),
        Replay::Differs(difference) => println!("replay     {difference}"),
    }
    if let Some(path) = std::env::args_os().nth(1) {
        fs::write(path, receipt)?;
    }
    Ok(())
}

/// The time of the receipts. The engine never asks for it.
fn now() -> Result<Timestamp, Box<dyn Error>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Timestamp::from_unix_seconds(since.as_secs())?)
}

/// The system's random bytes, on Unix; the crate `getrandom` has them everywhere.
fn random<const LEN: usize>() -> std::io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
