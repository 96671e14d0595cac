//! Nodes that follow each other.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tenzik_log::evidence::Evidence;
use tenzik_node::federation::{Findings, Mirror, Peer};
use tenzik_receipt::Blake3;

use crate::common::{ALL, Receipts, TestNode, order_total, secret, until};
use crate::hand::{HandLog, hand_key, hand_node};
use crate::harness::{
    FOLLOWING, Following, LOG_SEED, LogNode, ORIGIN, directory, keys, log_key, log_sections,
    log_url, peer, write_peers,
};
use crate::served::{Reply, Served, honest};

/// The token of a node that is no peer yet.
const NEWCOMER: &str = "token-of-a-node-that-is-no-peer-yet-004";

fn of(log: &LogNode) -> String {
    peer(
        "log",
        &log_key(ORIGIN, LOG_SEED),
        &log_url(&log.node),
        &[Receipts::of(ORIGIN).key(), log.node.key],
        "",
    )
}

/// The ids that a node lists of a log, in order.
fn listed(node: &TestNode, origin: &str) -> Vec<String> {
    let query = format!(
        "/v1/receipts?limit=1000&origin={}",
        origin.replace('/', "%2F")
    );
    let answer = node.ask("GET", &query, Some(ALL), None).json();
    let rows = answer["receipts"].as_array().expect("rows").clone();
    rows.iter()
        .map(|row| row["receipt"].as_str().expect("an id").to_owned())
        .collect()
}

#[test]
fn three_nodes_converge_and_stay_so() {
    let log = LogNode::start("");
    let followers = [Following::start(&[of(&log)]), Following::start(&[of(&log)])];
    let mut size = 0;
    for step in [1, 5, 250, 1, 40] {
        log.grow(size..size + step);
        size += step;
        for follower in &followers {
            follower.until_entries("log", size);
        }
    }
    let wanted: Vec<_> = (0..size)
        .map(|number| Receipts::of(ORIGIN).signed(number).id().to_string())
        .collect();
    for node in [&followers[0].node, &followers[1].node, &log.node] {
        until("it is listed", || listed(node, ORIGIN) == wanted);
    }
    for follower in &followers {
        let record = follower.record("log");
        assert_eq!(
            (&record["bad"], &record["unsure"], &record["failure"]),
            (&0.into(), &0.into(), &Value::Null)
        );
        assert!(follower.kept.of("log").is_empty());
    }
}

#[test]
fn little_more_is_pulled_than_what_is_new() {
    let mut log = HandLog::of(0..100);
    let served = Served::log(log.clone());
    let peers = [peer("hand", &hand_key(), &served.url(), &[hand_node()], "")];
    // Nothing but the test makes it pull.
    let sections = FOLLOWING.replace("pull_ms = 50", "pull_ms = 3600000");
    let mut following = Following::start_in(directory(), &peers, &sections);
    following.until_entries("hand", 100);
    for (size, restart) in [
        (101, false),
        (102, true),
        (255, false),
        (256, true),
        (257, false),
        (700, true),
        (2_000, false),
        (2_001, true),
    ] {
        let before = following.record("hand")["received_bytes"]
            .as_u64()
            .expect("a number");
        let old = log.size();
        log = HandLog::of(0..size);
        let shown = log.clone();
        served.becomes(move |asked| honest(&shown, asked));
        if restart {
            following = Following::start_in(following.node.stop(), &peers, &sections);
        }
        following
            .node
            .ask("POST", "/v1/peers/hand/resume", Some(ALL), None);
        following.until_entries("hand", size);
        until("its turn is over", || {
            following.record("hand")["received_bytes"].as_u64() > Some(before)
        });
        let pulled = following.record("hand")["received_bytes"]
            .as_u64()
            .expect("a number")
            - before;
        let own = log.bytes_from(old) as u64;
        println!(
            "{} new receipts of {own} bytes: {pulled} bytes pulled",
            size - old
        );
        assert!(
            pulled as f64 <= 1.02 * own as f64 + 4_096.0,
            "{old} to {size}: {pulled} for {own}"
        );
    }
}

#[test]
fn two_nodes_follow_each_other_and_say_that_they_live() {
    let second_origin = "second.example/log";
    // Each has to know the other's address: the second one's is known first, and it follows from its restart on.
    let directories = [directory(), directory()];
    keys(&directories[1], 13, 14);
    let [first_directory, second_directory] = directories;
    let second = LogNode::start_in(second_directory, &log_sections(second_origin, ""));
    let port = second.node.address.port();
    let second_url = log_url(&second.node);
    let second_directory = second.stop();

    fs::write(first_directory.path().join("token"), ALL).expect("a file");
    secret(&first_directory.path().join("token"));
    let second_peer = peer(
        "second",
        &log_key(second_origin, 13),
        &second_url,
        &[Receipts::of(second_origin).key()],
        // From where the peers file is.
        &format!("api = \"http://127.0.0.1:{port}\"\ntoken_file = \"token\"\n"),
    );
    write_peers(&first_directory, &[second_peer]);
    let following = format!("{}{FOLLOWING}heartbeat_ms = 50\n", log_sections(ORIGIN, ""));
    let first = LogNode::start_in(first_directory, &following);
    // The caller that it shows is called `all` there.
    let first_peer = of(&first).replace("name = \"log\"", "name = \"all\"");
    write_peers(&second_directory, &[first_peer]);
    let sections = format!(
        "listen = \"127.0.0.1:{port}\"\n{}{FOLLOWING}",
        log_sections(second_origin, "")
    );
    let second = LogNode::start_in(second_directory, &sections);
    first.grow(0..9);
    second.grow(0..4);
    let record =
        |node: &TestNode| node.ask("GET", "/v1/peers", Some(ALL), None).json()["peers"][0].take();
    until("the second has the first's", || {
        record(&second.node)["entries"] == 9
    });
    until("the first has the second's", || {
        first
            .node
            .ask("POST", "/v1/peers/second/resume", Some(ALL), None);
        record(&first.node)["entries"] == 4
    });
    until("the second has heard", || {
        record(&second.node)["seen_at"].is_string()
    });
    // A farewell ends it, until an operator resumes it.
    assert_eq!(
        second
            .node
            .ask("POST", "/v1/peers/leave", Some(ALL), None)
            .status,
        200
    );
    assert_eq!(record(&second.node)["standing"], "left");
    first.grow(9..12);
    first.until_published(12);
    assert_eq!(record(&second.node)["entries"], 9);
    second
        .node
        .ask("POST", "/v1/peers/all/resume", Some(ALL), None);
    until("it is followed again", || {
        record(&second.node)["entries"] == 12
    });
}

#[test]
fn what_a_node_announces_is_listed_for_the_operator() {
    let directory = directory();
    let more = format!(
        "[[caller]]\nname = \"newcomer\"\nroles = [\"peer\"]\ntokens = [\"{}\"]\n",
        Blake3::of(NEWCOMER.as_bytes())
    );
    fs::write(directory.path().join("more-callers.toml"), more).expect("a file");
    let following = Following::start_in(directory, &[], FOLLOWING);
    let said = json!({"log": "n.example/log+x", "url": "https://n.example/log", "nodes": []});
    let path = "/v1/peers/announce";
    let answer = following
        .node
        .ask("POST", path, Some(NEWCOMER), Some(&said));
    assert_eq!(answer.json()["peer"], false);
    let listed = |token| {
        following
            .node
            .ask("GET", "/v1/peers", Some(token), None)
            .json()
    };
    let announced = &listed(ALL)["announced"];
    assert_eq!(announced[0]["caller"], "newcomer");
    assert_eq!(announced[0]["announcement"], said);
    assert!(announced[0]["at"].is_string());
    // Others are none of a peer's business.
    assert_eq!(listed(NEWCOMER)["announced"], json!([]));
}

#[test]
fn a_token_that_cannot_be_read_does_not_stop_the_pull_of_a_public_log() {
    let served = Served::log(HandLog::of(0..5));
    let more = "api = \"http://127.0.0.1:1\"\ntoken_file = \"nothing.token\"\n";
    let peers = [peer(
        "hand",
        &hand_key(),
        &served.url(),
        &[hand_node()],
        more,
    )];
    Following::start(&peers).until_entries("hand", 5);
}

#[test]
fn a_policy_of_witnesses_counts_for_followers_too() {
    let log = HandLog::of(0..5);
    let served = Served::log(log);
    let policy = format!(
        "policy = \"\"\"\nwitness w {}\nquorum w\n\"\"\"\n",
        crate::harness::witness_key("w.example", 8)
    );
    let following = Following::start(&[peer(
        "hand",
        &hand_key(),
        &served.url(),
        &[hand_node()],
        &policy,
    )]);
    let record = following.until_failed("hand", "the checkpoint does not count yet");
    assert_eq!(
        (&record["standing"], &record["entries"]),
        (&"active".into(), &0.into())
    );
}

/// Findings that panic as long as they are told to.
struct Panics(AtomicBool);

impl Findings for Panics {
    fn keep(&self, _: &Peer, _: &Evidence) -> Result<String, String> {
        Ok("evidence".to_owned())
    }

    fn grown(&self, mirror: &Mirror, _: u64) {
        let is_hand = mirror.peer().name.as_str() == "hand";
        assert!(!is_hand || !self.0.load(Ordering::Relaxed), "told to");
    }
}

#[test]
fn a_panic_ends_a_turn_and_no_thread() {
    let log = LogNode::start("");
    let served = Served::log(HandLog::of(0..5));
    let directory = directory();
    write_peers(
        &directory,
        &[
            peer("hand", &hand_key(), &served.url(), &[hand_node()], ""),
            of(&log),
        ],
    );
    let findings = Arc::new(Panics(AtomicBool::new(true)));
    let told = Arc::clone(&findings);
    let sections = format!("{FOLLOWING}at_once = 1\n");
    let node = TestNode::start_in(
        directory,
        &sections,
        |parts| parts.findings = told,
        |routes| routes,
    );
    let record = |name: &str| {
        let peers = node.ask("GET", "/v1/peers", Some(ALL), None).json()["peers"].take();
        let peers = peers.as_array().expect("a list").clone();
        peers
            .into_iter()
            .find(|peer| peer["name"] == name)
            .expect("it")
    };
    until("it is told", || {
        record("hand")["failures_total"].as_u64() >= Some(2)
    });
    assert_eq!(record("hand")["failure"], "this node's own fault: a panic");
    assert_eq!(record("hand")["standing"], "active");
    log.grow(0..3);
    until("the other goes on", || record("log")["entries"] == 3);
    let ready = node.get("/readyz").json();
    assert_eq!(ready["parts"]["peers"], "ready", "{ready}");

    findings.0.store(false, Ordering::Relaxed);
    node.ask("POST", "/v1/peers/hand/resume", Some(ALL), None);
    until("it is well", || {
        node.ask("POST", "/v1/peers/hand/resume", Some(ALL), None);
        record("hand")["failure"].is_null()
    });
    assert_eq!(record("hand")["entries"], 5);
    assert_eq!(listed(&node, crate::hand::HAND).len(), 5);
    let freeze = serde_json::json!({"reason": "a test"});
    node.ask("POST", "/v1/peers/hand/freeze", Some(ALL), Some(&freeze));
    let text = node.ask("GET", "/metrics", Some(ALL), None).text();
    for figure in [
        "tenzik_peers_frozen 1\n",
        "tenzik_peers_opaque 0\n",
        "tenzik_follow_threads 1\n",
        "tenzik_peer_pull_age_seconds{peer=\"log\"} ",
    ] {
        assert!(text.contains(figure), "{figure}: {text}");
    }
}

#[test]
fn blobs_that_come_slowly_hold_up_neither_a_pull_nor_the_end() {
    let log = LogNode::start("");
    let mut order = order_total();
    order["public"] = true.into();
    for index in 0..60 {
        assert_eq!(log.node.run(&order).json()["log_index"], index);
    }
    log.until_published(60);
    let blobs = Served::start(|_| {
        thread::sleep(Duration::from_millis(500));
        Reply::NotThere
    });
    let other = Served::log(HandLog::of(0..3));
    let directory = directory();
    // All of its leaves are run again: half a minute of waiting.
    let audited = format!(
        "api = \"http://{}/log\"\n[peer.audit]\nsample_ppm = 1000000\n",
        blobs.address
    );
    write_peers(
        &directory,
        &[
            of(&log) + &audited,
            peer("hand", &hand_key(), &other.url(), &[hand_node()], ""),
        ],
    );
    let sections = format!("{FOLLOWING}at_once = 1\n");
    let node = TestNode::start_in(directory, &sections, |_| {}, |routes| routes);
    let asked = || blobs.asked.lock().expect("a lock").len();
    until("it is audited", || asked() >= 2);
    let record =
        |at: usize| node.ask("GET", "/v1/peers", Some(ALL), None).json()["peers"][at].take();
    other.becomes(|asked| honest(&HandLog::of(0..9), asked));
    until("the other is pulled", || record(1)["entries"] == 9);
    let began = Instant::now();
    drop(node.stop());
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(asked() < 50, "the audit was over before");
}
