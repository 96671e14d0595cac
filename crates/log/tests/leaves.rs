//! What may be a leaf of a log, and what may not.

#[path = "../../receipt/tests/common/mod.rs"]
mod common;

use common::{
    INPUT, NOW, at, int, label, node, private, receipt, secret_key, sign, signed, wasm,
    with_signature,
};
use tenzik_log::checkpoint::Origin;
use tenzik_log::{Leaf, LeafError, LeafRules, Visibility};
use tenzik_receipt::{
    Claim, KeyUse, LogPromise, Receipt, Signature, Sorted, Status, Value, Verifier,
};

const ORIGIN: &str = "node.example/log";

fn rules(visibility: Visibility) -> LeafRules {
    let origin = Origin::new(ORIGIN).expect("an origin");
    LeafRules::new(origin, [node().public()], visibility).expect("a good key")
}

fn promised(origin: &str) -> Receipt {
    Receipt {
        log: Some(LogPromise {
            merge_by: at("2026-11-20T08:30:00Z"),
            origin: label(origin),
        }),
        ..receipt(Claim::Wasm(wasm()))
    }
}

fn read(rules: &LeafRules, bytes: &[u8]) -> Result<Leaf, LeafError> {
    rules
        .read(bytes, at(NOW), &mut Verifier::default())
        .map(|(leaf, _)| leaf)
}

#[test]
fn a_nodes_receipt_is_a_leaf_in_its_own_bytes() {
    let receipt = sign(promised(ORIGIN));
    let leaf = read(&rules(Visibility::Public), &receipt.to_bytes()).expect("a leaf");
    assert_eq!(leaf.bytes(), receipt.to_bytes());
    assert_eq!(leaf.id(), receipt.id());
    let sealed = rules(Visibility::Public).sealed(&receipt).expect("a leaf");
    assert_eq!(sealed.bytes(), leaf.bytes());
}

#[test]
fn a_receipt_of_a_batch_is_a_leaf_too() {
    let receipts = (0..3).map(|seq| {
        let mut receipt = promised(ORIGIN);
        receipt.nonce.seq = int(seq);
        receipt
    });
    let rules = rules(Visibility::Public);
    for receipt in node()
        .sign_batch(receipts.collect())
        .expect("the node's own")
    {
        read(&rules, &receipt.to_bytes()).expect("a leaf");
    }
}

#[test]
fn an_unkeyed_receipt_enters_a_public_log_only_with_its_requesters_consent() {
    let open = signed();
    let told = read(&rules(Visibility::Public), &open.to_bytes());
    assert_eq!(told, Err(LeafError::NotOptedIn));
    assert_eq!(
        rules(Visibility::Public).sealed(&open),
        Err(LeafError::NotOptedIn)
    );
    read(&rules(Visibility::Private), &open.to_bytes()).expect("nobody else reads it");
    let keyed = sign(receipt(Claim::Wasm(private())));
    read(&rules(Visibility::Public), &keyed.to_bytes()).expect("it names nothing to guess");
}

#[test]
fn another_nodes_receipt_and_another_logs_are_refused() {
    let stranger = secret_key(0x77, KeyUse::Receipt);
    let foreign = Receipt {
        node: stranger.public(),
        ..promised(ORIGIN)
    };
    let foreign = stranger.sign_receipt(foreign).expect("its own");
    let told = read(&rules(Visibility::Public), &foreign.to_bytes());
    assert!(
        matches!(&told, Err(LeafError::Node { node, .. }) if *node == stranger.public()),
        "{told:?}"
    );
    assert!(rules(Visibility::Public).sealed(&foreign).is_err());
    // Whoever signed it: a signature that does not hold is told as that.
    let text = String::from_utf8(foreign.to_bytes()).expect("text");
    let forged = text.replacen("\"fuel\":", "\"fuel\":1", 1);
    let told = read(&rules(Visibility::Public), forged.as_bytes());
    assert_eq!(told, Err(LeafError::Signature), "{forged}");
    let elsewhere = sign(promised("other.example/log"));
    let told = read(&rules(Visibility::Private), &elsewhere.to_bytes());
    assert_eq!(
        told,
        Err(LeafError::OtherLog {
            named: "other.example/log".to_owned()
        })
    );
}

#[test]
fn forged_cut_and_padded_receipts_are_refused() {
    let rules = rules(Visibility::Public);
    let good = sign(promised(ORIGIN)).to_bytes();
    let zeros = format!("\"ed25519:{}\"", "00".repeat(64));
    let forged = with_signature(&promised(ORIGIN), &zeros);
    assert_eq!(read(&rules, &forged), Err(LeafError::Signature));
    // A good signature, of another key over another receipt.
    let stranger = secret_key(0x77, KeyUse::Receipt);
    let other = Receipt {
        node: stranger.public(),
        ..promised(ORIGIN)
    };
    let other = stranger.sign_receipt(other).expect("its own");
    let Signature::Single(signature) = other.signature() else {
        panic!("a single one");
    };
    let forged = with_signature(&promised(ORIGIN), &format!("\"{signature}\""));
    assert_eq!(read(&rules, &forged), Err(LeafError::Signature));
    for cut in [0, 1, good.len() / 2, good.len() - 1] {
        assert!(
            matches!(read(&rules, &good[..cut]), Err(LeafError::Form(_))),
            "{cut}"
        );
    }
    let mut longer = good.clone();
    longer.push(b'\n');
    assert!(matches!(read(&rules, &longer), Err(LeafError::Form(_))));
    assert!(matches!(read(&rules, INPUT), Err(LeafError::Form(_))));
}

#[test]
fn a_receipt_from_the_future_and_one_that_cannot_be_understood_are_told_apart() {
    let rules = rules(Visibility::Public);
    let later = Receipt {
        issued_at: at("2026-11-20T09:00:00Z"),
        ..promised(ORIGIN)
    };
    assert!(matches!(
        read(&rules, &sign(later).to_bytes()),
        Err(LeafError::Future { .. })
    ));
    let mut strange = promised(ORIGIN);
    strange.ext.insert(label("x"), Value::Null);
    strange.crit = [label("x")].into_iter().collect::<Sorted<_>>();
    assert!(matches!(
        read(&rules, &sign(strange).to_bytes()),
        Err(LeafError::Extension { .. })
    ));
}

#[test]
fn how_a_run_ended_is_no_matter_of_the_logs() {
    let aborted = Claim::Wasm(common::ended(Status::Aborted, Some("abort")));
    for claim in [aborted, Claim::Refused(common::refused())] {
        let receipt = sign(Receipt {
            claim,
            ..promised(ORIGIN)
        });
        read(&rules(Visibility::Public), &receipt.to_bytes()).expect("a leaf");
    }
}

#[test]
fn a_type_of_another_version_is_told_from_what_is_no_receipt() {
    let rules = rules(Visibility::Public);
    for named in ["tenzik/receipt/v2", "tenzik/receipt/v1.1"] {
        let later = format!("{{\"new\":[1,2],\"type\":\"{named}\"}}");
        let told = read(&rules, later.as_bytes()).expect_err("not known");
        assert_eq!(
            told,
            LeafError::Type {
                named: named.to_owned()
            }
        );
        assert!(!told.accuses(later.as_bytes()));
    }
    let spaced = "{\"a\":1,\"type\":\"a b\"}";
    let own = "{\"a\":1,\"type\":\"tenzik/receipt/v1\"}";
    let another = "{\"a\":1,\"type\":\"another\"}";
    for nothing in ["", "{}", "\",\"type\":\"x\"}", spaced, own, another] {
        let told = read(&rules, nothing.as_bytes()).expect_err("no receipt");
        assert!(
            matches!(told, LeafError::Form(_)) && told.accuses(nothing.as_bytes()),
            "{nothing}"
        );
    }
}
