//! Exports as another system sees them: JSON parsed by serde_json, signatures checked without this crate.

mod common;

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{attested, node, private, receipt, refused, secret_key, sign, wasm};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use tenzik_receipt::export::{ExportError, PREDICATE_TYPE, to_dsse, to_in_toto};
use tenzik_receipt::{Claim, Decode, KeyUse, PublicKey, Receipt, SecretKey, SignedReceipt};

fn exporter() -> SecretKey {
    secret_key(0x77, KeyUse::Exporter)
}

fn samples() -> Vec<SignedReceipt> {
    let claims = [
        Claim::Wasm(wasm()),
        Claim::Wasm(private()),
        Claim::Attested(attested()),
        Claim::Refused(refused()),
    ];
    claims
        .into_iter()
        .map(|claim| sign(receipt(claim)))
        .collect()
}

fn batch() -> SignedReceipt {
    let receipts = vec![receipt(Claim::Wasm(wasm())); 2];
    node().sign_batch(receipts).expect("a batch").swap_remove(0)
}

/// An envelope's payload type, payload, key id and signature.
struct Opened {
    payload_type: String,
    payload: Vec<u8>,
    key_id: String,
    signature: [u8; 64],
}

fn open(envelope: &[u8]) -> Opened {
    let json: Value = serde_json::from_slice(envelope).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let bytes = |value: &Value| STANDARD.decode(text(value)).expect("base64");
    assert_eq!(json.as_object().expect("an object").len(), 3);
    let signatures = json["signatures"].as_array().expect("a list");
    assert_eq!(signatures.len(), 1);
    Opened {
        payload_type: text(&json["payloadType"]),
        payload: bytes(&json["payload"]),
        key_id: text(&signatures[0]["keyid"]),
        signature: bytes(&signatures[0]["sig"]).try_into().expect("64 bytes"),
    }
}

impl Opened {
    /// DSSE's encoding, written a second time.
    fn message(&self) -> Vec<u8> {
        let (kind, payload) = (&self.payload_type, &self.payload);
        let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
        [head.as_bytes(), payload].concat()
    }

    fn holds_for(&self, key: PublicKey) -> bool {
        let key = VerifyingKey::from_bytes(key.as_bytes()).expect("a key");
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(&self.message(), &signature).is_ok()
    }
}

#[test]
fn a_dsse_envelope_carries_the_receipt_and_its_own_signature() {
    for signed in samples() {
        let opened = open(&to_dsse(&signed).expect("it was signed alone"));
        assert_eq!(
            opened.payload_type,
            "application/vnd.tenzik.receipt.v1+json"
        );
        assert_eq!(opened.key_id, node().public().to_string());
        assert_eq!(opened.payload, signed.payload());
        assert_eq!(opened.message(), signed.signed_bytes());
        assert_eq!(
            Receipt::from_canonical(&opened.payload).as_ref(),
            Ok(signed.receipt())
        );
        assert!(opened.holds_for(node().public()));
        assert!(!opened.holds_for(exporter().public()));
    }
}

#[test]
fn a_batch_receipt_is_not_wrapped() {
    assert_eq!(to_dsse(&batch()), Err(ExportError::Batch));
}

#[test]
fn a_statement_embeds_the_whole_receipt_and_is_signed_by_the_exporter() {
    for signed in samples().into_iter().chain([batch()]) {
        let opened = open(&to_in_toto(&signed, &exporter()).expect("an exporter key"));
        assert_eq!(opened.payload_type, "application/vnd.in-toto+json");
        assert_eq!(opened.key_id, exporter().public().to_string());
        assert!(opened.holds_for(exporter().public()));
        assert!(!opened.holds_for(node().public()), "never the receipt key");
        let statement: Value = serde_json::from_slice(&opened.payload).expect("JSON");
        assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(statement["predicateType"], PREDICATE_TYPE);
        let digest = signed.claim().code().to_string();
        let subject = &statement["subject"][0];
        assert_eq!(
            subject["digest"]["blake3"],
            digest.trim_start_matches("blake3:")
        );
        let predicate = serde_json_canonicalizer::to_vec(&statement["predicate"]);
        assert_eq!(predicate.expect("JSON"), signed.to_bytes());
        let again = serde_json_canonicalizer::to_vec(&statement).expect("JSON");
        assert_eq!(again, opened.payload, "the statement is canonical too");
    }
}

#[test]
fn openssl_verifies_an_envelopes_signature() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: openssl is not installed");
        return;
    }
    let opened = open(&to_dsse(&samples()[0]).expect("it was signed alone"));
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("openssl");
    std::fs::create_dir_all(&folder).expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).expect("a file");
        path
    };
    // RFC 8410: what stands before an Ed25519 key in a SubjectPublicKeyInfo.
    let info = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    let key = write(
        "key.der",
        &[info.as_slice(), node().public().as_bytes()].concat(),
    );
    let message = write("message", &opened.message());
    let verify = |signature: &[u8; 64]| {
        let signature = write("signature", signature);
        let mut command = Command::new("openssl");
        command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER"]);
        command.arg("-inkey").arg(&key).arg("-in").arg(&message);
        command.arg("-sigfile").arg(&signature);
        command.output().expect("openssl runs").status.success()
    };
    assert!(verify(&opened.signature));
    let mut changed = opened.signature;
    changed[0] ^= 1;
    assert!(!verify(&changed));
}
