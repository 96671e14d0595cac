//! After the end: is everything there that was answered for?
//!
//! Enters: the nodes, what the load was told, what was watched. Panics if something is missing or does not verify.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};
use tenzik_log::tree::Tree;
use tenzik_log::{Storage, bundle};
use tenzik_receipt::SignedReceipt;
use tenzik_store::DiskStorage;

use crate::Answered;
use crate::common::{ALL, until};
use crate::nodes::{Nodes, Which};
use crate::watch::Watched;

pub(crate) fn all(nodes: &mut Nodes, answered: &[Answered], watched: &Watched) {
    let began = Instant::now();
    let places: BTreeMap<&str, u64> = answered
        .iter()
        .map(|answered| (answered.id.as_str(), answered.index))
        .collect();
    for Answered { id, index } in answered {
        assert_eq!(places[id.as_str()], *index, "{id} has two places");
    }
    let indexes: BTreeSet<u64> = places.values().copied().collect();
    assert_eq!(indexes.len(), places.len(), "two receipts in one place");
    let last = indexes.last().copied().expect("something was answered");
    let peer = until_all_is_there(nodes, last);
    proofs(nodes, &places);
    let size = entries(nodes, &places, watched);
    println!(
        "{} receipts, {size} entries: each proof verifies, B has them all; B: {} bytes received, {} failed turns; checked in {} s",
        places.len(),
        peer["received_bytes"],
        peer["failures_total"],
        began.elapsed().as_secs()
    );
}

/// Until B has what A published, and A published all. What B says of A.
fn until_all_is_there(nodes: &Nodes, last: u64) -> Value {
    let mut peer = Value::Null;
    until("B has everything", || {
        let peers = get(&format!("{}/v1/peers", nodes.address(Which::B)));
        peer = serde_json::from_slice::<Value>(&peers).expect("JSON")["peers"][0].take();
        assert_eq!(peer["standing"], "active", "{peer}");
        assert_eq!(
            (&peer["bad"], &peer["unsure"]),
            (&0.into(), &0.into()),
            "{peer}"
        );
        peer["entries"].as_u64().expect("a number") > last
    });
    peer
}

fn proofs(nodes: &Nodes, places: &BTreeMap<&str, u64>) {
    let seen = nodes.seen();
    for (id, index) in places {
        let leaf = get(&format!("{}/v1/receipts/{id}", seen.a));
        let receipt = SignedReceipt::from_bytes(&leaf).expect("a receipt");
        assert_eq!(receipt.id().to_string(), **id);
        let proof = get(&format!("{}/v1/receipts/{id}/proof", seen.a));
        let proof = TlogProof::from_bytes(&proof).expect("a proof");
        let included = proof.verify(&leaf, &seen.policy).expect("it verifies");
        assert_eq!(included.index, *index);
    }
}

/// A's entries and B's mirror of them, read from their files. How many.
fn entries(nodes: &mut Nodes, places: &BTreeMap<&str, u64>, watched: &Watched) -> u64 {
    nodes.kill(Which::A);
    nodes.kill(Which::B);
    let own = DiskStorage::at(nodes.home(Which::A).join("data/store")).expect("A's storage");
    let mirror = DiskStorage::at(nodes.home(Which::B).join("data/peers/a")).expect("B's mirror");
    let head = own
        .open()
        .expect("it opens")
        .published
        .expect("a checkpoint");
    let head = tenzik_log::checkpoint::Checkpoint::peek(&head).expect("a checkpoint");
    let size = head.size();
    for (size, root) in &watched.roots {
        let led = Tree::new(*size, |path: TilePath| own.tile(path)).root();
        assert_eq!(
            led.expect("a tree"),
            *root,
            "the tree of {size} is another one"
        );
    }
    let mut ids = BTreeMap::new();
    for number in 0..size.div_ceil(TILE_WIDTH) {
        let path = TilePath::in_tree(TileKind::Entries, number, size).expect("a bundle");
        let bytes = own.tile(path).expect("it is read").expect("A's bundle");
        assert_eq!(
            mirror.tile(path).expect("it is read"),
            Some(bytes.clone()),
            "{path}"
        );
        let leaves = bundle::read(&bytes, usize::from(path.width())).expect("a bundle");
        for (index, leaf) in (number * TILE_WIDTH..).zip(leaves) {
            let id = SignedReceipt::from_bytes(leaf).expect("a receipt").id();
            assert_eq!(ids.insert(id.to_string(), index), None, "it is there twice");
        }
    }
    for (id, index) in places {
        assert_eq!(ids.get(*id), Some(index), "{id}");
    }
    size
}

fn get(url: &str) -> Vec<u8> {
    let answer = ureq::get(url)
        .header("authorization", format!("Bearer {ALL}"))
        .call();
    let mut answer = answer.unwrap_or_else(|error| panic!("{url}: {error}"));
    answer.body_mut().read_to_vec().expect("a body")
}
