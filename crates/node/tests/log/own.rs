//! A node's own log: runs in it, its tiles over HTTP, its restart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;
use tenzik_log::bundle;
use tenzik_log::tile::TilePath;
use tenzik_log::tree::Tree;
use tenzik_node::{NodeError, Parts};
use tenzik_receipt::Verifier;
use tenzik_receipt::merkle::leaf_hash;

use crate::common::{
    ALL, Answer, NONE, Receipts, TestNode, configured, opened, order_total, until,
};
use crate::harness::{LogNode, ORIGIN, directory, log_sections};

fn ranged(node: &TestNode, path: &str, range: &str) -> Answer {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\nrange: {range}\r\n\r\n");
    node.send(request.as_bytes())
}

#[test]
fn a_public_run_is_answered_with_its_place_and_comes_to_its_proof() {
    let log = LogNode::start("merge_delay_s = 92\n");
    let mut order = order_total();
    let answer = log.node.run(&order).json();
    // An open run that does not say so is nobody else's to see.
    assert_eq!(answer["log_index"], json!(null));
    assert_eq!(answer["receipt"]["log"], json!(null));
    let id = answer["id"].as_str().expect("an id");
    log.node
        .get(&format!("/v1/receipts/{id}"))
        .refused(404, "not_found");
    order["public"] = json!(true);
    for index in 0..3 {
        let answer = log.node.run(&order).json();
        assert_eq!(answer["log_index"], index, "{answer}");
        assert_eq!(answer["receipt"]["log"]["origin"], ORIGIN);
        let time = |text: &serde_json::Value| {
            let text = text.as_str().expect("a time");
            text.parse::<tenzik_receipt::Timestamp>().expect("a time")
        };
        let issued = time(&answer["receipt"]["issued_at"]);
        let merge_by = time(&answer["receipt"]["log"]["merge_by"]);
        assert!(merge_by > issued && merge_by <= issued.plus_seconds(94));
        log.assert_proved(answer["id"].as_str().expect("an id"), index);
    }
    // A private run needs nobody's leave: its receipt shows nothing.
    let mut private = order_total();
    private["secret"] = json!("5e".repeat(32));
    assert_eq!(log.node.run(&private).json()["log_index"], 3);
}

/// The least room is that of one full bundle, and each tile gives back what it took.
#[test]
fn tiles_have_a_room_that_is_given_back() {
    let limits = "[limits]\nanswers_bytes_max = 8389632\nbodies_bytes_max = 8388608\n";
    let log = LogNode::start(limits);
    log.grow(0..3);
    log.until_published(3);
    let path = "/log/tile/entries/000.p/3";
    let whole = log.node.get(path);
    for _ in 0..20 {
        // Room for a full bundle is taken before it is known that there is none.
        log.node
            .get("/log/tile/entries/000")
            .refused(404, "not_found");
        assert_eq!(log.node.get(path).body, whole.body);
        assert_eq!(ranged(&log.node, path, "bytes=9-").body, whole.body[9..]);
        assert_eq!(ranged(&log.node, path, "bytes=999999-").status, 416);
        // It is more than there is room for bodies, in which a named caller's tiles are.
        let named = log
            .node
            .ask("GET", "/log/tile/entries/000", Some(ALL), None);
        named.refused(404, "not_found");
    }
}

#[test]
fn a_proof_is_not_there_before_its_checkpoint() {
    let directory = directory();
    // A witness that is not there: nothing is published.
    let witness = crate::harness::witness_key("w.example", 9);
    let policy = format!("witness w {witness} http://127.0.0.1:1\nquorum w\n");
    std::fs::write(directory.path().join("policy"), policy).expect("a file");
    let log = LogNode::start_in(
        directory,
        &log_sections(ORIGIN, "witness_policy = \"policy\"\n"),
    );
    let answer = log.append(&Receipts::of(ORIGIN).bytes(0)).json();
    let id = answer["receipt"].as_str().expect("an id");
    let proof = log.node.get(&format!("/v1/receipts/{id}/proof"));
    proof.refused(409, "pending");
    assert!(proof.head.contains("retry-after: 1"), "{}", proof.head);
    // The receipt itself is there.
    let receipt = log.node.get(&format!("/v1/receipts/{id}"));
    assert_eq!(receipt.body, Receipts::of(ORIGIN).bytes(0));
    let unknown = Receipts::of(ORIGIN).signed(99).id();
    log.node
        .get(&format!("/v1/receipts/{unknown}/proof"))
        .refused(404, "not_found");
}

#[test]
fn tiles_and_checkpoint_are_those_of_the_specification() {
    let log = LogNode::start("");
    log.grow(0..300);
    log.until_published(300);
    let checkpoint = log.node.get("/log/checkpoint");
    assert!(
        checkpoint
            .head
            .contains("content-type: text/plain; charset=utf-8")
    );
    assert!(checkpoint.head.contains("cache-control: no-cache"));

    let receipts = Receipts::of(ORIGIN);
    for (path, numbers) in [
        ("entries/000", 0..256),
        ("entries/001.p/44", 256..300),
        ("entries/000.p/7", 0..7),
    ] {
        let answer = log.node.get(&format!("/log/tile/{path}"));
        assert_eq!(answer.status, 200, "{path}");
        assert!(
            answer
                .head
                .contains("cache-control: public, max-age=31536000, immutable")
        );
        let width = (numbers.end - numbers.start) as usize;
        let leaves = bundle::read(&answer.body, width).expect("a bundle");
        let wanted: Vec<_> = numbers.map(|number| receipts.bytes(number)).collect();
        assert_eq!(leaves, wanted, "{path}");
    }
    let read = |path: TilePath| {
        let answer = log.node.get(&format!("/log/{path}"));
        Ok((answer.status == 200).then_some(answer.body))
    };
    let mut tree = Tree::new(300, read);
    let root = log.published().expect("a checkpoint").checkpoint().root();
    assert_eq!(tree.root().expect("all tiles"), root);
    let hashes = tree.range(290, 300).expect("a proof");
    let leaves: Vec<_> = (290..300)
        .map(|number| leaf_hash(&receipts.bytes(number)))
        .collect();
    assert!(!hashes.is_empty() && leaves.len() == 10);
    for path in [
        "entries/001",
        "entries/001.p/45",
        "entries/002",
        "entries/000.p/256",
        "entries/000.p/0",
        "entries/1",
        "0/001",
        "0/001.p/45",
        "1/000",
        "64/000",
        "x/000",
        "entries/000.p/07",
        "",
        "..%2fcheckpoint",
        "entries/../../checkpoint",
        "entries/x000/000",
    ] {
        let answer = log.node.get(&format!("/log/tile/{path}"));
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.head.contains("immutable"), "{path}");
    }
}

#[test]
fn ranges_begin_where_they_are_asked_to() {
    let log = LogNode::start("");
    log.grow(0..5);
    log.until_published(5);
    let path = "/log/tile/entries/000.p/5";
    let whole = log.node.get(path).body;
    for from in [0, 1, 700, whole.len() - 1] {
        let answer = ranged(&log.node, path, &format!("bytes={from}-"));
        assert_eq!(answer.status, 206);
        assert_eq!(answer.body, whole[from..]);
        let range = format!(
            "content-range: bytes {from}-{}/{}",
            whole.len() - 1,
            whole.len()
        );
        assert!(answer.head.contains(&range), "{}", answer.head);
    }
    for from in [whole.len(), usize::MAX] {
        let answer = ranged(&log.node, path, &format!("bytes={from}-"));
        assert_eq!(answer.status, 416, "{from}");
        assert!(
            answer
                .head
                .contains(&format!("content-range: bytes */{}", whole.len()))
        );
    }
    for other in [
        "bytes=0-5",
        "bytes=-5",
        "bytes=1-2,4-5",
        "bytes=+1-",
        "lines=1-",
        "bytes=",
        "bytes=x-",
        "bytes=99999999999999999999-",
    ] {
        let answer = ranged(&log.node, path, other);
        assert!(answer.status == 200 && answer.body == whole, "{other}");
    }
}

#[test]
fn a_private_log_is_for_callers() {
    let log = LogNode::start("visibility = \"private\"\n");
    // An open receipt needs no leave here.
    let receipt = Receipts::signed_by(0x11, None);
    let answer = log.append(&receipt.bytes(0)).json();
    let id = answer["receipt"].as_str().expect("an id").to_owned();
    // So every run is in it, with its promise.
    let run = log.node.run(&order_total()).json();
    assert_eq!(run["log_index"], 1, "{run}");
    assert_eq!(run["receipt"]["log"]["origin"], ORIGIN);
    for path in [
        "/log/checkpoint".to_owned(),
        "/log/tile/entries/000.p/2".to_owned(),
        format!("/v1/receipts/{id}"),
        format!("/v1/receipts/{id}/proof"),
    ] {
        log.node.get(&path).refused(401, "unauthorized");
        log.node
            .ask("GET", &path, Some(NONE), None)
            .refused(403, "forbidden");
        crate::common::until("it is there", || {
            log.node.ask("GET", &path, Some(ALL), None).status == 200
        });
        let answer = log.node.ask("GET", &path, Some(ALL), None);
        // A cache that is shared would give it to strangers.
        assert!(
            !answer.head.contains("cache-control: public"),
            "{}",
            answer.head
        );
    }
}

#[test]
fn a_restart_keeps_everything() {
    let mut log = LogNode::start("");
    for round in 0..4 {
        log.grow(round * 90..round * 90 + 90);
        // Whether it is published or not.
        log = LogNode::start_in(log.stop(), &log_sections(ORIGIN, ""));
        log.until_published(round * 90 + 90);
        let head = log.published().expect("a checkpoint");
        let receipts = Receipts::of(ORIGIN);
        let hashes: Vec<_> = (0..round * 90 + 90)
            .map(|number| leaf_hash(&receipts.bytes(number)))
            .collect();
        assert_eq!(
            tenzik_receipt::merkle::root(&hashes),
            head.checkpoint().root()
        );
        let again = log.append(&receipts.bytes(7)).json();
        assert_eq!(
            (&again["index"], &again["known"]),
            (&json!(7), &json!(true))
        );
    }
    log.assert_proved(&Receipts::of(ORIGIN).signed(359).id().to_string(), 359);
}

#[test]
fn two_nodes_do_not_have_one_directory() {
    let log = LogNode::start("");
    let config = configured(log.node.directory.path(), &log_sections(ORIGIN, ""));
    assert!(matches!(Parts::open(config), Err(NodeError::InUse { .. })));
    log.grow(0..1);
}

#[test]
fn another_key_does_not_go_on_with_a_log() {
    let log = LogNode::start("");
    log.grow(0..3);
    let directory = log.stop();
    crate::harness::keys(&directory, 77, 78);
    let config = configured(directory.path(), &log_sections(ORIGIN, ""));
    let refused = opened(config).map(drop).expect_err("another key");
    assert!(refused.to_string().contains("not this log's"), "{refused}");
    crate::harness::keys(&directory, 3, 4);
    let config = configured(directory.path(), &log_sections("other.example/log", ""));
    assert!(opened(config).is_err());
    LogNode::start_in(directory, &log_sections(ORIGIN, "")).grow(3..4);
}

#[test]
fn appends_that_never_pause_are_published_all_the_while() {
    let log = LogNode::start("");
    let done = AtomicBool::new(false);
    let append = |numbers: std::ops::Range<u64>| {
        let receipts = Receipts::of(ORIGIN);
        let at = "2026-01-01T00:00:00Z".parse().expect("a time");
        for number in numbers {
            let bytes = receipts.bytes(number);
            let mut verifier = Verifier::remembering(0);
            let leaf = log.log.rules().read(&bytes, at, &mut verifier);
            let (leaf, _) = leaf.expect("a leaf");
            // A group is written while the next one gathers: something is always pending.
            let placed = log.log.append(leaf).expect("there is room");
            if number % 4 == 0 {
                placed.blocking_recv().expect("an answer").expect("a place");
            }
            if done.load(Ordering::Relaxed) {
                return;
            }
        }
        panic!("nothing was published while {} came in", 1 << 16);
    };
    thread::scope(|scope| {
        for writer in 0..4 {
            let append = &append;
            scope.spawn(move || append(writer << 16..(writer + 1) << 16));
        }
        for _ in 0..5 {
            let before = log.published_size();
            until("more is published", || log.published_size() > before);
        }
        done.store(true, Ordering::Relaxed);
    });
}
