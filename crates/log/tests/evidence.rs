//! Evidence holds where somebody lied, and nowhere else.

#[path = "../../receipt/tests/common/mod.rs"]
mod common;

use common::{CAPSULE, INPUT, at, label, node, receipt, secret_key, sign, wasm};
use tenzik_log::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tenzik_log::cosignature::cosign;
use tenzik_log::evidence::{
    BadLeaf, BrokenPromise, Equivocation, Evidence, EvidenceError, Finding, ForgedClaim, Known,
    contradiction,
};
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_log::policy::Policy;
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::TilePath;
use tenzik_log::tree::{ReadTiles, Tree};
use tenzik_log::{Frontier, LeafError, LeafRules, Tile, Visibility};
use tenzik_receipt::{Claim, KeyUse, LogPromise, Receipt, SecretKey, Sha256, SignedReceipt};

const ORIGIN: &str = "node.example/log";
const WITNESS: &str = "witness.example";
const MERGE_BY: &str = "2026-11-20T08:30:00Z";
/// When the evidence is read.
const LATER: &str = "2026-11-20T10:00:00Z";

fn origin() -> Origin {
    Origin::new(ORIGIN).expect("an origin")
}

fn log_secret() -> SecretKey {
    secret_key(0x33, KeyUse::Checkpoint)
}

fn verifier(name: &str, kind: SignatureType, secret: &SecretKey) -> VerifierKey {
    let name = KeyName::new(name).expect("a name");
    VerifierKey::new(name, kind, secret.public()).expect("a good key")
}

fn log_key() -> VerifierKey {
    verifier(ORIGIN, SignatureType::Ed25519, &log_secret())
}

fn witness_secret() -> SecretKey {
    secret_key(0x44, KeyUse::Witness)
}

fn witness_key() -> VerifierKey {
    verifier(WITNESS, SignatureType::Cosignature, &witness_secret())
}

fn policy() -> Policy {
    Policy::from_bytes(format!("witness w {}\nquorum w\n", witness_key()).as_bytes())
        .expect("a policy")
}

/// A tree of leaves, with its tiles.
struct Grown {
    head: SignedCheckpoint,
    tiles: Vec<Tile>,
}

fn grown<L: AsRef<[u8]>>(leaves: &[L]) -> Grown {
    let mut frontier = Frontier::new();
    let tiles = frontier
        .extend(leaves.iter().map(AsRef::as_ref))
        .expect("short leaves");
    Grown {
        head: signed(frontier.size(), frontier.root()),
        tiles,
    }
}

impl Grown {
    /// The tree as it was at a size.
    fn tree(&self, size: u64) -> Tree<impl ReadTiles + '_> {
        let read = |path: TilePath| {
            let same = |(at, _): &&Tile| at.kind() == path.kind() && at.index() == path.index();
            let tile = self.tiles.iter().find(same);
            Ok(tile.map(|(_, bytes)| bytes[..32 * usize::from(path.width())].to_vec()))
        };
        Tree::new(size, read)
    }

    fn proof(&self, index: u64) -> TlogProof {
        let mut tree = self.tree(self.head.checkpoint().size());
        let path = tree.inclusion(index).expect("tiles");
        TlogProof::new(None, index, path, &self.head).expect("a proof")
    }

    /// The root at a size, and the proof that this tree begins so.
    fn prefix(&self, size: u64) -> (Sha256, Vec<Sha256>) {
        let mut tree = self.tree(self.head.checkpoint().size());
        let proof = tree.consistency(size).expect("tiles");
        (self.tree(size).root().expect("tiles"), proof)
    }
}

fn signed(size: u64, root: Sha256) -> SignedCheckpoint {
    Checkpoint::new(origin(), size, root)
        .sign(&log_secret())
        .expect("a checkpoint key")
}

fn numbers(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("leaf {number}")).collect()
}

fn verify(evidence: &Evidence) -> Result<Finding, EvidenceError> {
    verify_under(&policy(), evidence)
}

fn verify_under(policy: &Policy, evidence: &Evidence) -> Result<Finding, EvidenceError> {
    let again = Evidence::from_bytes(&evidence.to_bytes()).expect("it was written");
    assert_eq!(again, *evidence);
    let rules =
        LeafRules::new(origin(), [node().public()], Visibility::Public).expect("a good key");
    let log = log_key();
    evidence.verify(Known {
        log: &log,
        rules: &rules,
        policy,
        at: at(LATER),
    })
}

fn text(checkpoint: &SignedCheckpoint) -> String {
    String::from_utf8(checkpoint.to_bytes()).expect("a note")
}

#[test]
fn two_roots_for_one_size_convict_a_log() {
    let (one, other) = (
        signed(5, Sha256::of(b"one")),
        signed(5, Sha256::of(b"other")),
    );
    let evidence = contradiction(&one, &other, None).expect("they contradict");
    assert_eq!(
        verify(&evidence).expect("it holds"),
        Finding::Equivocation { size: 5 }
    );
    assert_eq!(contradiction(&one, &one, None), None);
}

/// A log showed seven leaves, went back to five, and grew another one.
#[test]
fn a_rollback_convicts_by_the_prefix_of_the_other_tree() {
    let mut forked = numbers(5);
    forked.push("another".to_owned());
    let (seen, forked) = (grown(&numbers(7)), grown(&forked));
    let prefix = seen.prefix(6);
    let evidence =
        contradiction(&seen.head, &forked.head, Some(prefix.clone())).expect("they contradict");
    assert_eq!(
        verify(&evidence).expect("it holds"),
        Finding::Equivocation { size: 6 }
    );
    // The order in which they were seen is no matter.
    assert_eq!(
        contradiction(&forked.head, &seen.head, Some(prefix)),
        Some(evidence)
    );
}

#[test]
fn a_stale_checkpoint_convicts_nobody() {
    let (old, new) = (grown(&numbers(5)), grown(&numbers(9)));
    let (prefix, proof) = new.prefix(5);
    assert_eq!(
        contradiction(&new.head, &old.head, Some((prefix, proof.clone()))),
        None
    );
    let (one, other) = (text(&old.head), text(&new.head));
    let stale = Evidence::Equivocation(Equivocation {
        one,
        other,
        prefix: Some(prefix),
        proof,
    });
    assert!(matches!(verify(&stale), Err(EvidenceError::Consistent)));
}

#[test]
fn invented_contradictions_convict_nobody() {
    let (old, new) = (grown(&numbers(5)), grown(&numbers(9)));
    let (_, proof) = new.prefix(5);
    let prefix = Some(Sha256::of(b"no root of it"));
    let base = Equivocation {
        one: text(&old.head),
        other: text(&new.head),
        prefix,
        proof,
    };
    let told =
        |evidence: Equivocation| verify(&Evidence::Equivocation(evidence)).expect_err("invented");
    assert!(matches!(told(base.clone()), EvidenceError::Tree(_)));
    let swapped = Equivocation {
        one: base.other.clone(),
        other: base.one.clone(),
        ..base.clone()
    };
    assert!(matches!(told(swapped), EvidenceError::Consistent));
    let without = Equivocation {
        prefix: None,
        proof: Vec::new(),
        ..base.clone()
    };
    assert!(matches!(told(without), EvidenceError::Consistent));
    // From a tree of nothing any prefix could be told.
    let nothing = text(&signed(0, Sha256::of(b"")));
    let empty = Equivocation {
        one: nothing,
        proof: Vec::new(),
        ..base.clone()
    };
    assert!(matches!(told(empty), EvidenceError::Consistent));
    let stranger = secret_key(0x55, KeyUse::Checkpoint);
    let foreign = Checkpoint::new(origin(), 5, Sha256::of(b"x"))
        .sign(&stranger)
        .expect("a checkpoint key");
    let foreign = Equivocation {
        one: text(&foreign),
        ..base
    };
    assert!(matches!(told(foreign), EvidenceError::Checkpoint(_)));
}

fn promised() -> SignedReceipt {
    let log = LogPromise {
        merge_by: at(MERGE_BY),
        origin: label(ORIGIN),
    };
    sign(Receipt {
        log: Some(log),
        ..receipt(Claim::Wasm(wasm()))
    })
}

fn canonical(receipt: &SignedReceipt) -> String {
    String::from_utf8(receipt.to_bytes()).expect("ASCII")
}

fn cosigned(head: &SignedCheckpoint, time: &str) -> SignedCheckpoint {
    cosigned_by(WITNESS, &witness_secret(), head, time)
}

fn cosigned_by(
    name: &str,
    secret: &SecretKey,
    head: &SignedCheckpoint,
    time: &str,
) -> SignedCheckpoint {
    let key = verifier(name, SignatureType::Cosignature, secret);
    let name = KeyName::new(name).expect("a name");
    let line = cosign(head.checkpoint(), secret, &name, at(time)).expect("a witness key");
    let mut head = head.clone();
    head.add_signatures(&[line], &[key]).expect("one more");
    head
}

#[test]
fn a_receipt_missing_from_the_tree_that_witnesses_saw_convicts_unless_it_is_shown() {
    let receipt = promised();
    let with = grown(&[b"other".to_vec(), receipt.to_bytes()]);
    let seen = cosigned(&with.head, "2026-11-20T08:30:01Z");
    let promise = BrokenPromise {
        checkpoint: text(&seen),
        receipt: canonical(&receipt),
    };
    let found = verify(&Evidence::BrokenPromise(promise.clone())).expect("it holds until refuted");
    let (merge_by, seen) = (at(MERGE_BY), at("2026-11-20T08:30:01Z"));
    assert_eq!(
        found,
        Finding::BrokenPromise {
            merge_by,
            seen,
            size: 2
        }
    );
    let leaf = receipt.to_bytes();
    promise
        .refuted_by(&leaf, &with.proof(1), &log_key())
        .expect("there it is");
    promise
        .refuted_by(&leaf, &with.proof(0), &log_key())
        .expect_err("that is another leaf");
    // Signed anew with others, it is the same receipt, and the one that the log has.
    let anew = node().sign_batch(vec![
        receipt.receipt().clone(),
        common::signed().receipt().clone(),
    ]);
    let anew = anew.expect("the node's own")[0].to_bytes();
    let signed_first = BrokenPromise {
        receipt: String::from_utf8(anew.clone()).expect("ASCII"),
        ..promise.clone()
    };
    assert_ne!(anew, leaf);
    signed_first
        .refuted_by(&leaf, &with.proof(1), &log_key())
        .expect("there it is");
    promise
        .refuted_by(&anew, &with.proof(1), &log_key())
        .expect_err("those are not the bytes in the tree");
    let other = common::signed().to_bytes();
    promise
        .refuted_by(&other, &with.proof(1), &log_key())
        .expect_err("that is another receipt");
    let later = grown(&[b"other".to_vec(), receipt.to_bytes(), b"more".to_vec()]);
    promise
        .refuted_by(&leaf, &later.proof(1), &log_key())
        .expect_err("not the tree that they saw");
}

/// The log published with one witness in time, and the other was shown an old tree.
#[test]
fn a_promise_may_have_been_kept_with_the_witnesses_that_were_not_asked() {
    let other = secret_key(0x45, KeyUse::Witness);
    let other_key = verifier("other.example", SignatureType::Cosignature, &other);
    let policy = |quorum: &str| {
        let witness = witness_key();
        let text = format!("witness w {witness}\nwitness o {other_key}\n{quorum}\n");
        Policy::from_bytes(text.as_bytes()).expect("a policy")
    };
    let (any, all) = (
        policy("group either any w o\nquorum either"),
        policy("group both all w o\nquorum both"),
    );
    let old = grown(&numbers(3)).head;
    let late = cosigned(&old, "2026-11-20T09:00:00Z");
    let also = |time| cosigned_by("other.example", &other, &late, time);
    let told = |policy: &Policy, head: &SignedCheckpoint| {
        let promise = BrokenPromise {
            checkpoint: text(head),
            receipt: canonical(&promised()),
        };
        verify_under(policy, &Evidence::BrokenPromise(promise))
    };
    for head in [&late, &also("2026-11-20T08:00:00Z")] {
        let told = told(&any, head);
        assert!(matches!(told, Err(EvidenceError::Kept { .. })), "{told:?}");
    }
    // Both saw it late: nobody is left who can have helped to keep the promise.
    for policy in [&any, &all] {
        let found = told(policy, &also("2026-11-20T08:30:01Z"));
        assert!(
            matches!(found, Ok(Finding::BrokenPromise { size: 3, .. })),
            "{found:?}"
        );
    }
}

#[test]
fn a_promise_is_not_broken_before_its_time_or_without_witnesses() {
    let kept = |receipt: &SignedReceipt, head: &SignedCheckpoint| {
        let promise = BrokenPromise {
            checkpoint: text(head),
            receipt: canonical(receipt),
        };
        verify(&Evidence::BrokenPromise(promise)).expect_err("kept")
    };
    let head = grown(&numbers(3)).head;
    // Neither a date at the last moment nor one that has not come yet.
    for time in [MERGE_BY, "2026-11-20T10:00:01Z"] {
        let told = kept(&promised(), &cosigned(&head, time));
        assert!(matches!(told, EvidenceError::Kept { .. }), "{told:?}");
    }
    assert!(matches!(kept(&promised(), &head), EvidenceError::Policy(_)));
    let none = sign(receipt(Claim::Wasm(common::private())));
    let told = kept(&none, &cosigned(&head, "2026-11-20T09:00:00Z"));
    assert!(matches!(told, EvidenceError::Kept { .. }), "{told:?}");
}

#[test]
fn a_leaf_that_may_not_be_there_convicts_and_a_lawful_one_does_not() {
    let stranger = secret_key(0x77, KeyUse::Receipt);
    let foreign = Receipt {
        node: stranger.public(),
        ..receipt(Claim::Wasm(wasm()))
    };
    let foreign = stranger.sign_receipt(foreign).expect("its own").to_bytes();
    let lawful = promised().to_bytes();
    let tree = grown(&[lawful.clone(), foreign.clone(), b"\xff".to_vec()]);
    let told = |leaf: &[u8], index| {
        let proof = String::from_utf8(tree.proof(index).to_bytes()).expect("a proof file");
        verify(&Evidence::BadLeaf(BadLeaf {
            leaf: leaf.to_vec(),
            proof,
        }))
    };
    let found = told(&foreign, 1);
    // Whose list of nodes is old accuses nobody by it.
    assert!(matches!(found, Err(EvidenceError::Lawful)), "{found:?}");
    let found = told(b"\xff", 2);
    assert!(matches!(
        found,
        Ok(Finding::BadLeaf {
            index: 2,
            error: LeafError::Form(_)
        })
    ));
    assert!(matches!(told(&lawful, 0), Err(EvidenceError::Lawful)));
    assert!(matches!(told(b"planted", 1), Err(EvidenceError::Tree(_))));
}

/// Today's reader does not accuse a log that takes tomorrow's receipts.
#[test]
fn a_leaf_that_a_later_reader_may_know_convicts_nobody() {
    let lawful = String::from_utf8(promised().to_bytes()).expect("ASCII");
    let with = |from: &str, to: &str| {
        assert!(lawful.contains(from), "{from}");
        lawful.replace(from, to)
    };
    let cases = [
        (with("tenzik/receipt/v1", "tenzik/receipt/v2"), true),
        (with("\"status\":\"ok\"", "\"status\":\"paused\""), true),
        (with("\"hardened\"", "\"sealed\""), true),
        (r#"{"new":1,"type":"tenzik/receipt/v2"}"#.to_owned(), true),
        (r#"{"type":"tenzik/statement/v1"}"#.to_owned(), false),
        (r#"{"type":"tenzik/receipt/v1"}"#.to_owned(), false),
        (with("\"status\":\"ok\"", "\"status\":7"), false),
        (with("blake3:", "blake4:"), false),
        (with("tenzik/receipt/v1\"", "tenzik/receipt/v2\","), false),
        ("tenzik/receipt/v2".to_owned(), false),
    ];
    let leaves: Vec<_> = cases.iter().map(|(leaf, _)| leaf.as_bytes()).collect();
    let tree = grown(&leaves);
    for ((leaf, unsure), index) in cases.iter().zip(0..) {
        let proof = String::from_utf8(tree.proof(index).to_bytes()).expect("a proof file");
        let leaf = leaf.as_bytes().to_vec();
        let told = verify(&Evidence::BadLeaf(BadLeaf { leaf, proof }));
        match told {
            Err(EvidenceError::Lawful) => assert!(unsure, "{index}"),
            Ok(Finding::BadLeaf { .. }) => assert!(!unsure, "{index}"),
            other => panic!("{index}: {other:?}"),
        }
    }
}

#[test]
fn a_claim_comes_with_its_own_capsule_and_input() {
    let (capsule, input) = (CAPSULE.to_vec(), INPUT.to_vec());
    let claim = ForgedClaim {
        capsule,
        input,
        receipt: canonical(&promised()),
    };
    let found = verify(&Evidence::ForgedClaim(claim.clone())).expect("to be run again");
    assert!(matches!(found, Finding::Claimed { node: by, .. } if by == node().public()));
    // A false claim need not be in the log.
    let handed = ForgedClaim {
        receipt: canonical(&common::signed()),
        ..claim.clone()
    };
    verify(&Evidence::ForgedClaim(handed)).expect("to be run again");
    let told = |claim| verify(&Evidence::ForgedClaim(claim)).expect_err("not the claim's");
    let other = ForgedClaim {
        capsule: b"other".to_vec(),
        ..claim.clone()
    };
    assert!(matches!(told(other), EvidenceError::Content { .. }));
    let other = ForgedClaim {
        input: b"{}".to_vec(),
        ..claim
    };
    assert!(matches!(told(other), EvidenceError::Content { .. }));
}

#[test]
fn files_that_are_not_evidence_are_refused() {
    let good = contradiction(
        &signed(5, Sha256::of(b"one")),
        &signed(5, Sha256::of(b"other")),
        None,
    );
    let good = String::from_utf8(good.expect("they contradict").to_bytes()).expect("JSON");
    let with = |proof: &str| good.replacen("\"proof\":[]", proof, 1);
    let hash = format!("\"{}\"", Sha256::of(b""));
    let many = with(&format!(
        "\"proof\":[{}{hash}]",
        format!("{hash},").repeat(64)
    ));
    let twice = with("\"proof\":[],\"proof\":[]");
    let more = with("\"proof\":[],\"x\":1");
    let version = good.replace("evidence/v1", "evidence/v2");
    for bad in [
        "",
        "{}",
        "[]",
        &good[1..],
        &twice,
        &more,
        &many,
        &version,
        &format!("{good} x"),
        &format!("{good}\n"),
        &good.replacen(':', ": ", 1),
        &good.replacen("node.example", "n\\u006fde.example", 1),
    ] {
        let told = Evidence::from_bytes(bad.as_bytes());
        assert!(matches!(told, Err(EvidenceError::File { .. })), "{bad}");
    }
    let huge = vec![b' '; tenzik_log::evidence::EVIDENCE_BYTES_MAX + 1];
    assert!(matches!(
        Evidence::from_bytes(&huge),
        Err(EvidenceError::File { .. })
    ));
}
