//! Seeds for `log_files`: one file of each kind, and files of the fixture that contradict each other.

use tenzik_log::evidence::{BadLeaf, BrokenPromise, Equivocation, Evidence, ForgedClaim};
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::{TileKind, TilePath};
use tenzik_log::witness::{AddCheckpoint, write_cosignatures};
use tenzik_receipt::{Decode as _, LogPromise, Receipt, SignedReceipt};

use super::{
    FORK_SIZE, POLICY, cosigned, fork_root, leaf, log_key, origin, read, root, shown, signed, signed_as,
    tree, witness_key,
};
use crate::key;

/// Each seed's name and bytes, the same in each run.
pub fn log_files() -> Vec<(&'static str, Vec<u8>)> {
    let cosigned = cosigned(3);
    let entries = TilePath::new(TileKind::Entries, 0, 3).expect("a bundle");
    let mut seeds = vec![
        ("bundle", read(entries).expect("in memory").expect("a bundle")),
        ("checkpoint", cosigned.to_bytes()),
        ("checkpoint-of-nothing", signed(0).to_bytes()),
        ("checkpoint-of-the-fork", signed_as(FORK_SIZE, fork_root()).to_bytes()),
        ("cosignatures", write_cosignatures(&cosigned.note().signatures()[1..])),
        ("latest-size", b"20852163\n".to_vec()),
        ("log.vkey", log_key().to_string().into_bytes()),
        ("path-of-a-bundle", b"tile/entries/x001/234.p/17".to_vec()),
        ("path-of-a-tile", b"tile/2/x001/x234/067".to_vec()),
        ("policy", policy()),
        ("witness.vkey", witness_key().to_string().into_bytes()),
    ];
    seeds.extend(proofs());
    seeds.extend(evidence());
    seeds
}

/// Seeds for `log_trees`: bytes without meaning, enough for a script.
pub fn log_trees() -> Vec<(&'static str, Vec<u8>)> {
    let stream = |name: &'static str, length: usize| {
        let mut bytes = vec![0; length];
        blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
        (name, bytes)
    };
    vec![stream("stream-64", 64), stream("stream-128", 128), stream("stream-256", 256)]
}

fn policy() -> Vec<u8> {
    let text = format!(
        "# who counts\nlog {} https://node.example/log/\nwitness w1 {}\ngroup all all w1\nquorum all\n",
        log_key(),
        witness_key()
    );
    text.into_bytes()
}

fn proof(index: u64) -> TlogProof {
    let path = tree(3).inclusion(index).expect("every tile is there");
    TlogProof::new(Some(b"extra".to_vec()), index, path, &cosigned(3)).expect("a short path")
}

fn proofs() -> Vec<(&'static str, Vec<u8>)> {
    let request = |old: u64, size: u64| {
        let proof = tree(size).consistency(old).expect("every tile is there");
        let request = AddCheckpoint::new(old, proof, &signed(size)).expect("a short proof");
        request.to_bytes()
    };
    let proof = proof(1);
    proof.verify(&leaf(1), &POLICY).expect("it holds");
    vec![
        ("add-checkpoint-0-3", request(0, 3)),
        ("add-checkpoint-3-7", request(3, 7)),
        ("add-checkpoint-7-20", request(7, 20)),
        ("leaf.tlog-proof", proof.to_bytes()),
    ]
}

fn evidence() -> Vec<(&'static str, Vec<u8>)> {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let equivocation = Evidence::Equivocation(Equivocation {
        one: text(signed_as(FORK_SIZE, fork_root()).to_bytes()),
        other: text(signed(20).to_bytes()),
        prefix: Some(root(FORK_SIZE)),
        proof: tree(20).consistency(FORK_SIZE).expect("every tile is there"),
    });
    let bad_leaf = Evidence::BadLeaf(BadLeaf { leaf: leaf(1), proof: text(proof(1).to_bytes()) });
    let promise = Evidence::BrokenPromise(BrokenPromise {
        checkpoint: text(cosigned(3).to_bytes()),
        receipt: text(receipt().to_bytes()),
    });
    let claim = Evidence::ForgedClaim(ForgedClaim {
        capsule: b"\0asm\x01\0\0\0".to_vec(),
        input: br#"{"items":[{"price":1250,"quantity":2}]}"#.to_vec(),
        receipt: text(receipt().to_bytes()),
    });
    let files = [
        ("evidence-bad-leaf.json", bad_leaf),
        ("evidence-broken-promise.json", promise),
        ("evidence-equivocation.json", equivocation),
        ("evidence-forged-claim.json", claim),
    ];
    let file = |(name, evidence): (_, Evidence)| {
        shown(&evidence).expect("it shows something");
        (name, evidence.to_bytes())
    };
    files.into_iter().map(file).collect()
}

/// A receipt of the published vectors, by the fuzz targets' node, promised to the log before it was cosigned.
fn receipt() -> SignedReceipt {
    let vector = include_bytes!("../../corpus/receipt/a-run-that-ended-well.json");
    let vector = SignedReceipt::from_bytes(vector).expect("a receipt");
    let mut receipt = Receipt::from_canonical(vector.payload()).expect("a receipt");
    receipt.node = key().public();
    receipt.log = Some(LogPromise {
        merge_by: "2026-11-20T08:30:00Z".parse().expect("a time"),
        origin: origin().label(),
    });
    key().sign_receipt(receipt).expect("the node's own")
}
