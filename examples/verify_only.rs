//! Verifies a receipt with nothing but `tenzik-receipt`: no engine, and no network.
//!
//! `cargo run --example verify_only -- RECEIPT KEY [INPUT [OUTPUT]]`; the key is `ed25519:` and 64 hex digits, and comes
//! from somewhere else than the receipt. `cargo run --example minimal -- receipt.json` makes a receipt and says its key.

use std::error::Error;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use tenzik_receipt::{Expectations, PublicKey, Timestamp, Trust, Verdict, verify};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [receipt, key, files @ ..] = &arguments[..] else {
        eprintln!("usage: verify_only RECEIPT KEY [INPUT [OUTPUT]]");
        return Ok(ExitCode::from(2));
    };
    let files = files.iter().map(std::fs::read);
    let files = files.collect::<Result<Vec<_>, _>>()?;
    let expected = Expectations {
        input: files.first().map(Vec::as_slice),
        output: files.get(1).map(Vec::as_slice),
        ..Expectations::default()
    };
    let trust = Trust::in_receipts_of(key.parse::<PublicKey>()?)?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = Timestamp::from_unix_seconds(since.as_secs())?;

    let report = verify(&std::fs::read(receipt)?, &trust, now, &expected);
    for check in report.checks() {
        println!("{check}");
    }
    // A passed report alone becomes a `VerifiedReceipt`; code that relies on a receipt should ask for that type.
    Ok(match report.verdict() {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Failed => ExitCode::from(3),
        Verdict::CannotTell => ExitCode::from(4),
    })
}
