//! What audits may cost.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;

use tenzik_node::audit::AuditConfig;
use tenzik_node::blobs::Class;
use tenzik_receipt::SignedReceipt;

use crate::world::{PeerNode, Told, World, echo, endless, now, numbered, words};

/// The findings of a peer's leaves under a budget, and what was spent.
fn under(peer: &PeerNode, budget: &str) -> (Vec<(u64, String)>, serde_json::Value, World) {
    let (world, told) = (World::of(peer, budget), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    let spent = world.spent("beta.test/log");
    (words(&audited), spent, world)
}

fn peer(leaves: u32) -> PeerNode {
    let peer = PeerNode::start("beta", 1);
    let receipts: Vec<_> = (0..leaves)
        .map(|number| peer.run(&echo(&number.to_string())))
        .collect();
    peer.append(&receipts);
    peer
}

#[test]
fn fuel_is_taken_by_the_limit_and_given_back() {
    let peer = peer(3);
    // A run is limited to 50 million and uses next to nothing, but costs a million.
    let (found, spent, _) = under(&peer, "fuel_per_day = 51999999");
    assert_eq!(found, numbered(&["same", "same", "over_budget"]));
    assert_eq!(spent["fuel"], 2_000_000);
    let (found, spent, _) = under(&peer, "fuel_per_day = 49999999");
    assert_eq!(found, numbered(&["over_budget"; 3]));
    assert_eq!((&spent["fuel"], &spent["bytes"]), (&0.into(), &0.into()));
}

#[test]
fn bytes_are_counted_by_request_too() {
    let peer = peer(3);
    // One request for the capsule, one for each input; each costs 4 KiB at least.
    let (found, spent, _) = under(&peer, "bytes_per_day = 12288");
    assert_eq!(found, numbered(&["same", "same", "over_budget"]));
    assert_eq!(spent["bytes"], 12_288);
    let peer = PeerNode::start("beta", 1);
    let large = format!("\"{}\"", "x".repeat(20_000));
    peer.append(&[peer.run(&echo(&large)), peer.run(&echo("1"))]);
    let (found, spent, _) = under(&peer, "bytes_per_day = 16384");
    assert_eq!(found[0].1, "over_budget");
    assert!(spent["bytes"].as_u64().is_some_and(|bytes| bytes <= 16_384));
}

#[test]
fn an_answer_that_breaks_off_costs_what_arrived() {
    let peer = peer(1);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", listener.local_addr().expect("an address"));
    // A megabyte is promised, and ten thousand bytes come.
    let answers = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = [0; 4_096];
        let read = stream.read(&mut request).expect("a request");
        assert!(read > 0);
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("a connection");
        stream.write_all(&[b'x'; 10_000]).expect("a connection");
    });
    let (world, told) = (World::at(&peer, &api, ""), Arc::new(Told::default()));
    let audited = world.audit(&world.auditor(&told), "beta", now());
    answers.join().expect("it answered");
    assert_eq!((audited.found.len(), audited.pending), (0, 1));
    assert_eq!(world.spent("beta.test/log")["bytes"], 10_000);
}

#[test]
fn each_new_capsule_counts_and_a_known_one_does_not() {
    let peer = PeerNode::start("beta", 1);
    let mut receipts = vec![peer.run(&echo("0"))];
    for number in 0..3_u32 {
        let text = format!(
            "(module (memory (export \"memory\") 1) (global (export \"g\") i32 (i32.const {number})) (func (export \"run\")))"
        );
        let mut order = echo("1");
        order.capsule = wat::parse_str(text).expect("a module").into();
        receipts.push(peer.run(&order));
    }
    receipts.push(peer.run(&echo("2")));
    peer.append(&receipts);
    let (found, spent, world) = under(&peer, "capsules_per_day = 2");
    let words: Vec<&str> = found.iter().map(|(_, word)| word.as_str()).collect();
    assert_eq!(words[0], "same");
    assert_eq!(
        words[2..],
        ["over_budget", "over_budget", "same"],
        "{words:?}"
    );
    assert_eq!(spent["capsules"], 2);
    // The next day there is as much again.
    peer.append(&[peer.run(&{
        let mut order = echo("3");
        let text = "(module (memory (export \"memory\") 2) (func (export \"run\")))";
        order.capsule = wat::parse_str(text).expect("a module").into();
        order
    })]);
    let auditor = world.auditor(&Arc::new(Told::default()));
    world.audit(&auditor, "beta", now().plus_seconds(86_400));
    assert_eq!(world.spent("beta.test/log")["capsules"], 1);
}

#[test]
fn a_run_without_end_costs_the_time_that_it_took() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[said_to_end(&peer)]);
    let world = World::of(&peer, "");
    let config = AuditConfig {
        time_ms_max: 50,
        ..AuditConfig::default()
    };
    let auditor = world.auditor_with(&Arc::new(Told::default()), config);
    let audited = world.audit(&auditor, "beta", now());
    // Its limit is more than any day has.
    assert_eq!(words(&audited), numbered(&["out_of_patience"]));
    let fuel = world.spent("beta.test/log")["fuel"].as_u64();
    let fuel = fuel.expect("a number");
    assert!((50_000_000..20_000_000_000).contains(&fuel), "{fuel}");
}

/// A run without end of which the node says that it ended well, which nobody can find out in time.
pub fn said_to_end(peer: &PeerNode) -> SignedReceipt {
    peer.forge(&peer.run(&endless()), |claim| {
        let fuel = tenzik_receipt::Int::new(7).expect("in range");
        claim.status = tenzik_receipt::Status::Ok;
        claim.detail = None;
        claim.output = Some(tenzik_receipt::Disclosed::Open(tenzik_receipt::Blake3::of(
            b"4",
        )));
        claim.fuel = Some(tenzik_receipt::Disclosed::Open(fuel));
        claim.host_calls = Some(tenzik_receipt::Disclosed::Open(Default::default()));
        let pages = tenzik_receipt::Int::new(1).expect("in range");
        claim.memory_pages_peak = Some(tenzik_receipt::Disclosed::Open(pages));
    })
}

#[test]
fn new_capsules_are_audited_beside_the_sample() {
    let peer = peer(20);
    peer.keep(b"unused", Class::Transcript);
    let (found, _, _) = under(&peer, "");
    assert_eq!(found.len(), 20);
    // One in a million, rounded up, and the first leaf for its capsule.
    let world = World::new(&|token| {
        peer.row("BASE", token, "")
            .replace("sample_ppm = 1000000", "sample_ppm = 1")
    });
    let told = Arc::new(Told::default());
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    assert!((1..=2).contains(&audited.found.len()));
    assert!(audited.found.iter().any(|(index, _)| *index == 0));
    let none = World::new(&|token| {
        peer.row("BASE", token, "")
            .replace("sample_ppm = 1000000", "sample_ppm = 0")
    });
    let auditor = none.auditor(&told);
    assert!(none.audit(&auditor, "beta", now()).found.is_empty());
}
