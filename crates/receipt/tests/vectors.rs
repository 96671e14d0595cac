//! `vectors/receipts.json`: exact receipts of fixed keys, for other implementations to run against.
//!
//! The file is held twice: it is what this crate makes, and what hashes and signatures made without this
//! crate's own functions say. With `TENZIK_WRITE` set, it is written anew; then read the diff.

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::{
    SECRET, attested, audience, ended, int, label, node, private, promise, receipt, refused,
    requester, sign, unrouted, verify_now, wasm,
};
use ed25519_dalek::{Signature as Ed25519, Signer as _, SigningKey, VerifyingKey};
use serde_json::{Value as Json, json};
use tenzik_receipt::{
    CLAIM_CONTEXT, CheckName, Claim, Expectations, Outcome, PrivateMember, RECEIPT_CONTEXT,
    REQUEST_CONTEXT, Receipt, RequestStatement, RunSecret, Signature, SignedReceipt, Status, Value,
    from_hex, to_hex,
};

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/receipts.json")
}

fn ascii(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("ASCII")
}

fn full() -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.audience = Some(audience());
    receipt.log = Some(promise());
    receipt.ext = BTreeMap::from([(
        label("example.list"),
        Value::List(vec![
            Value::Null,
            Value::Bool(true),
            Value::Int(int(9_007_199_254_740_991)),
        ]),
    )]);
    let statement = RequestStatement::of(&receipt);
    receipt.request = Some(
        requester()
            .sign_request(&statement)
            .expect("a requester key"),
    );
    receipt
}

fn receipts() -> Vec<(&'static str, SignedReceipt)> {
    let failed = ended(Status::Failed, Some("exit:3"));
    let mut samples = vec![
        ("a run that ended well", sign(receipt(Claim::Wasm(wasm())))),
        ("every optional part", sign(full())),
        ("a run that failed", sign(receipt(Claim::Wasm(failed)))),
        ("a private run", sign(receipt(Claim::Wasm(private())))),
        (
            "an attested run",
            sign(receipt(Claim::Attested(attested()))),
        ),
        ("a refusal", sign(receipt(Claim::Refused(refused())))),
        (
            "a router's refusal",
            sign(receipt(Claim::Refused(unrouted()))),
        ),
    ];
    let batch = [0, 1, 2].map(|seq| {
        let mut receipt = receipt(Claim::Wasm(wasm()));
        receipt.nonce.seq = int(seq);
        receipt
    });
    let batch = node().sign_batch(batch.to_vec()).expect("a batch of three");
    let names = [
        "first of a batch of three",
        "second of a batch of three",
        "third of a batch of three",
    ];
    samples.extend(names.into_iter().zip(batch));
    samples
}

fn vector(name: &str, signed: &SignedReceipt) -> Json {
    let root_or_single = match signed.signature() {
        Signature::Batch(batch) => batch.root_sig,
        Signature::Single(signature) => *signature,
        other => panic!("{other:?}"),
    };
    json!({
        "name": name,
        "receipt": ascii(&signed.to_bytes()),
        "payload": ascii(signed.payload()),
        "signed_bytes": ascii(&signed.signed_bytes()),
        "signature": root_or_single.to_string(),
        "claim_id": signed.claim().id().to_string(),
        "request_id": signed.claim().request_id().to_string(),
        "receipt_id": signed.id().to_string(),
    })
}

fn made() -> Json {
    let secret = RunSecret::from_bytes(SECRET);
    let commitment = |member: PrivateMember, name: &str, bytes: &[u8]| {
        json!({
            "member": name,
            "context": member.context(),
            "bytes": ascii(bytes),
            "commitment": secret.commit(member, bytes).to_string(),
        })
    };
    json!({
        "about": "Made by crates/receipt/tests/vectors.rs. Every text is ASCII: its bytes are what is hashed and signed.",
        "node_seed": to_hex(&[0x11; 32]),
        "requester_seed": to_hex(&[0x22; 32]),
        "run_secret": to_hex(&SECRET),
        "contexts": {
            "claim_id": CLAIM_CONTEXT,
            "receipt_id": RECEIPT_CONTEXT,
            "request_id": REQUEST_CONTEXT,
        },
        "payload_types": {
            "batch": tenzik_receipt::BATCH_PAYLOAD,
            "receipt": tenzik_receipt::RECEIPT_PAYLOAD,
            "request": tenzik_receipt::REQUEST_PAYLOAD,
        },
        "request_statement": ascii(&tenzik_receipt::Encode::to_canonical(&RequestStatement::of(&full()))),
        "commitments": [
            commitment(PrivateMember::Input, "input", common::INPUT),
            commitment(PrivateMember::Output, "output", common::OUTPUT),
            commitment(PrivateMember::Fuel, "fuel", b"12345"),
            commitment(PrivateMember::HostCalls, "host_calls", br#"{"hash_commit":2,"json_get":9}"#),
            commitment(PrivateMember::MemoryPagesPeak, "memory_pages_peak", b"2"),
            commitment(PrivateMember::Seed, "seed", format!("\"{}\"", "07".repeat(32)).as_bytes()),
        ],
        "receipts": receipts().iter().map(|(name, signed)| vector(name, signed)).collect::<Vec<_>>(),
    })
}

fn stored() -> Json {
    let bytes = std::fs::read(path()).expect("the vectors are committed");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn text<'a>(json: &'a Json, name: &str) -> &'a str {
    json[name].as_str().expect(name)
}

fn bytes32(digits: &str) -> [u8; 32] {
    let digits = digits.rsplit(':').next().expect("digits");
    from_hex(digits).expect("hex").try_into().expect("32 bytes")
}

#[test]
fn the_vectors_are_what_is_made_today() {
    let made = made();
    if std::env::var_os("TENZIK_WRITE").is_some() {
        let mut bytes = serde_json::to_vec_pretty(&made).expect("JSON");
        bytes.push(b'\n');
        std::fs::write(path(), bytes).expect("the file is written");
    }
    assert_eq!(
        stored(),
        made,
        "a change here breaks every receipt that was ever made"
    );
}

#[test]
fn every_vectors_signature_passes() {
    for vector in stored()["receipts"].as_array().expect("a list") {
        let report = verify_now(text(vector, "receipt").as_bytes(), &Expectations::default());
        let signature = common::outcome(&report, CheckName::Signature);
        assert_eq!(signature, Outcome::Passed, "{}", vector["name"]);
    }
}

/// Nothing of this crate but hex digits is used here.
#[test]
fn ids_and_signatures_follow_from_the_texts_alone() {
    let stored = stored();
    let contexts = &stored["contexts"];
    let id =
        |context: &str, bytes: &str| blake3::derive_key(text(contexts, context), bytes.as_bytes());
    let signing = SigningKey::from_bytes(&bytes32(text(&stored, "node_seed")));
    for vector in stored["receipts"].as_array().expect("a list") {
        let payload = text(vector, "payload");
        let json: Json = serde_json::from_str(payload).expect("JSON");
        let kind = text(&stored["payload_types"], "receipt");
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        assert_eq!(message, text(vector, "signed_bytes"));
        assert_eq!(
            id("receipt_id", payload),
            bytes32(text(vector, "receipt_id"))
        );
        let claim = serde_json_canonicalizer::to_string(&json["claim"]).expect("JSON");
        assert!(payload.contains(&format!("\"claim\":{claim}")));
        assert_eq!(id("claim_id", &claim), bytes32(text(vector, "claim_id")));
        let request =
            serde_json_canonicalizer::to_string(&request_of(&json["claim"])).expect("JSON");
        assert_eq!(
            id("request_id", &request),
            bytes32(text(vector, "request_id"))
        );
        let whole: Json = serde_json::from_str(text(vector, "receipt")).expect("JSON");
        if whole["signature"].is_string() {
            let signature = signing.sign(message.as_bytes()).to_bytes();
            assert_eq!(
                format!("ed25519:{}", to_hex(&signature)),
                text(vector, "signature")
            );
            assert_eq!(whole["signature"], vector["signature"]);
        }
    }
}

/// The claim's input side: its own member where there is one, else the named members of the claim.
fn request_of(claim: &Json) -> Json {
    if claim["request"].is_object() {
        return claim["request"].clone();
    }
    const SIDE: [&str; 11] = [
        "abi",
        "capsule",
        "clock_ms",
        "grants",
        "input",
        "input_type",
        "limits",
        "metering",
        "policy",
        "rules",
        "seed",
    ];
    SIDE.iter()
        .map(|name| (String::from(*name), claim[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn requests_and_commitments_follow_from_the_texts_alone() {
    let stored = stored();
    let statement = text(&stored, "request_statement");
    let kind = text(&stored["payload_types"], "request");
    let message = format!(
        "DSSEv1 {} {kind} {} {statement}",
        kind.len(),
        statement.len()
    );
    let whole: Json = serde_json::from_str(text(&stored["receipts"][1], "receipt")).expect("JSON");
    let digits = text(&whole["request"], "signature").trim_start_matches("ed25519:");
    let signature = Ed25519::from_slice(&from_hex(digits).expect("hex")).expect("64 bytes");
    let key =
        VerifyingKey::from_bytes(&bytes32(text(&whole["request"], "requester"))).expect("a key");
    assert!(key.verify_strict(message.as_bytes(), &signature).is_ok());
    let secret = bytes32(text(&stored, "run_secret"));
    for commitment in stored["commitments"].as_array().expect("a list") {
        let key = blake3::derive_key(text(commitment, "context"), &secret);
        let expected = blake3::keyed_hash(&key, text(commitment, "bytes").as_bytes());
        assert_eq!(
            expected.as_bytes(),
            &bytes32(text(commitment, "commitment"))
        );
    }
}
