//! A node as it is put together: what its audits find freezes the peer, and no crash forgives it.

use tenzik_log::checkpoint::Origin;
use tenzik_receipt::{
    Blake3, Claim, Disclosed, KeyUse, LogPromise, SecretKey, SignedReceipt, Timestamp,
};

use crate::common::{ALL, TestNode, capsule_file, order_total, until};
use crate::hand::{HAND, HandLog, hand_key, hand_node};
use crate::harness::{FOLLOWING, LogNode, directory, forget, peer, write_peers};
use crate::served::{Reply, Served, honest};

/// A run that took place, with another output, signed by the hand's node.
fn forged() -> Vec<u8> {
    let log = LogNode::start("");
    let mut order = order_total();
    order["public"] = true.into();
    let receipt = log.node.run(&order).json()["receipt"].take();
    let receipt = serde_json::to_vec(&receipt).expect("JSON");
    let receipt = SignedReceipt::from_bytes(&receipt).expect("a receipt");
    let mut receipt = receipt.receipt().clone();
    receipt.node = hand_node();
    receipt.log = Some(LogPromise {
        merge_by: receipt.log.expect("a promise").merge_by,
        origin: Origin::new(HAND).expect("an origin").label(),
    });
    let Claim::Wasm(claim) = &mut receipt.claim else {
        panic!("a run's claim");
    };
    claim.output = Some(Disclosed::Open(Blake3::of(b"a lie")));
    let key = SecretKey::from_seed(&[0x11; 32], KeyUse::Receipt, Timestamp::EPOCH);
    key.sign_receipt(receipt).expect("its own").to_bytes()
}

/// The log, and beside it the capsule and the input of [`order_total`].
fn served(log: HandLog) -> Served {
    let blobs = ["order-total/order-total.wasm", "order-total/example.json"].map(capsule_file);
    Served::start(move |asked| match asked.path.strip_prefix("v1/blobs/") {
        Some(digest) => {
            let mut blobs = blobs.iter();
            let blob = blobs.find(|blob| Blake3::of(blob).to_string() == digest);
            blob.map_or(Reply::NotThere, |blob| Reply::Bytes(blob.clone()))
        }
        None => honest(&log, asked),
    })
}

#[test]
fn a_forged_claim_freezes_and_still_does_after_a_crash() {
    let liar = served(HandLog::new(vec![forged()]));
    let directory = directory();
    let api = format!("api = \"http://{}/log\"\n", liar.address);
    write_peers(
        &directory,
        &[peer("liar", &hand_key(), &liar.url(), &[hand_node()], &api)],
    );
    let start = |directory| TestNode::start_in(directory, FOLLOWING, |_| {}, |routes| routes);
    let frozen = |node: &TestNode| {
        let record = || node.ask("GET", "/v1/peers", Some(ALL), None).json()["peers"][0].take();
        until("it is frozen", || record()["standing"] == "frozen");
        record()
    };
    let node = start(directory);
    let record = frozen(&node);
    assert_eq!(record["reason"], "a node of its signed a false claim");
    let evidence = record["evidence"].clone();
    assert_eq!(evidence.as_array().map(Vec::len), Some(1), "{record}");

    // As if it had ended after the evidence was kept, and before the peer's record was written.
    let directory = node.stop();
    forget(&directory, "liar");
    let node = start(directory);
    let record = frozen(&node);
    assert_eq!(record["reason"], "evidence against it was kept");
    assert_eq!(record["evidence"], evidence);

    // What an operator has looked at does not freeze it at the next start.
    let resumed = node.ask("POST", "/v1/peers/liar/resume", Some(ALL), None);
    assert_eq!(resumed.json()["standing"], "active");
    let node = start(node.stop());
    let peers = node.ask("GET", "/v1/peers", Some(ALL), None).json();
    assert_eq!(peers["peers"][0]["standing"], "active", "{peers}");
}
