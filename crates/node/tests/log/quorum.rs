//! A log whose checkpoints need witnesses.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tenzik_log::note::VerifierKey;
use tenzik_node::NodeError;

use crate::common::{ALL, Receipts, TestNode, configured, opened, order_total, until};
use crate::harness::{
    FOLLOWING, LOG_SEED, LogNode, ORIGIN, directory, keys, log_key, log_sections, peer,
    witness_key, write_peers,
};
use crate::served::{Reply, Served};

fn name(number: u8) -> String {
    format!("w{number}.example/w")
}

fn key(number: u8) -> VerifierKey {
    witness_key(&name(number), 40 + number)
}

/// A witness of the log, which is nowhere to be pulled from.
fn witness(number: u8, directory: TempDir, port: u16) -> TestNode {
    keys(&directory, 60 + number, 40 + number);
    write_peers(
        &directory,
        &[peer(
            "log",
            &log_key(ORIGIN, LOG_SEED),
            "http://127.0.0.1:1/log",
            &[],
            "",
        )],
    );
    let sections = format!(
        "listen = \"127.0.0.1:{port}\"\n[keys]\nwitness = \"witness.key\"\n{FOLLOWING}witness_name = \"{}\"\nadd_checkpoint = {{ per_minute = 60000, burst = 10000 }}\n[quotas]\naddress_requests = {{ per_minute = 60000, burst = 10000 }}\n",
        name(number)
    );
    TestNode::start_in(directory, &sections, |_| {}, |routes| routes)
}

/// A policy of two of three witnesses at these addresses.
fn write_policy(directory: &TempDir, urls: [String; 3]) {
    let lines = (1..=3)
        .zip(urls)
        .map(|(number, url)| format!("witness w{number} {} {url}\n", key(number)));
    let policy = lines.collect::<String>() + "group two 2 w1 w2 w3\nquorum two\n";
    fs::write(directory.path().join("policy"), policy).expect("a file");
}

fn at(node: &TestNode) -> String {
    format!("http://{}/witness", node.address)
}

fn sections() -> String {
    log_sections(
        ORIGIN,
        "witness_policy = \"policy\"\n[federation]\nrequest_ms = 1000\n",
    )
}

const NOWHERE: &str = "http://127.0.0.1:1/witness";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for file in fs::read_dir(from).expect("files") {
        let file = file.expect("a file");
        let target = to.join(file.file_name());
        match file.file_type().expect("a type").is_dir() {
            true => copy(&file.path(), &target),
            false => drop(fs::copy(file.path(), target).expect("copied")),
        }
    }
}

#[test]
fn two_of_three_are_needed_and_enough() {
    let (first, second) = (witness(1, directory(), 0), witness(2, directory(), 0));
    let directory = directory();
    write_policy(&directory, [at(&first), at(&second), NOWHERE.to_owned()]);
    let log = LogNode::start_in(directory, &sections());
    log.grow(0..3);
    log.until_published(3);
    let head = log.published().expect("a checkpoint");
    let quorum = log.log.policy().check(&head).expect("two");
    assert_eq!(quorum.witnesses.len(), 2);

    // With one of them nothing is published, and receipts are answered all the same.
    let port = second.address.port();
    let files = second.stop();
    log.grow(3..5);
    until("it says why", || {
        let standing = log.log.standing();
        standing
            .failure
            .is_some_and(|failure| failure.contains("no quorum of witnesses"))
    });
    assert_eq!(log.published_size(), 3);
    let mut order = order_total();
    order["public"] = serde_json::json!(true);
    assert_eq!(log.node.run(&order).json()["log_index"], 5);
    assert_eq!(log.node.get("/readyz").status, 200);
    let fourth = Receipts::of(ORIGIN).signed(4).id();
    log.node
        .get(&format!("/v1/receipts/{fourth}/proof"))
        .refused(409, "pending");
    log.assert_proved(&Receipts::of(ORIGIN).signed(2).id().to_string(), 2);

    // It goes on when the second is back, on its port.
    let second = witness(2, files, port);
    log.until_published(6);
    until("it is well", || log.log.standing().failure.is_none());
    drop((first, second));
}

/// Its followers would refuse the old one for as long as nobody appends.
#[test]
fn a_log_that_is_given_witnesses_publishes_anew_though_nothing_is_new() {
    let log = LogNode::start("");
    log.grow(0..2);
    log.until_published(2);
    let directory = log.stop();
    let (first, second) = (
        witness(1, self::directory(), 0),
        witness(2, self::directory(), 0),
    );
    write_policy(&directory, [at(&first), at(&second), NOWHERE.to_owned()]);
    let log = LogNode::start_in(directory, &sections());
    until("it counts", || {
        let head = log.published().expect("a checkpoint");
        assert_eq!(head.checkpoint().size(), 2);
        log.log.policy().check(&head).is_ok()
    });
    drop((first, second));
}

/// Integrated is not published: while witnesses are away each promise would be broken.
#[test]
fn a_log_whose_witnesses_stay_away_promises_nothing_more() {
    let (first, second) = (witness(1, directory(), 0), witness(2, directory(), 0));
    let directory = directory();
    write_policy(&directory, [at(&first), at(&second), NOWHERE.to_owned()]);
    let hasty = hasty();
    let log = LogNode::start_in(directory, &hasty);
    let mut order = order_total();
    order["public"] = serde_json::json!(true);
    assert_eq!(log.node.run(&order).json()["log_index"], 0);
    log.until_published(1);
    let port = second.address.port();
    let files = second.stop();
    assert_eq!(log.node.run(&order).json()["log_index"], 1);
    until("it is integrated", || log.log.log().pending().0 == 0);
    let is_late = |log: &LogNode| {
        // Before that it is only said that nothing can be published.
        until("it is late", || {
            let told = log.node.get("/readyz").json();
            told["parts"]["log"] == "what was promised to be in the log by now is not published"
        });
        log.node.run(&order).refused(503, "unavailable");
        assert_eq!(log.published_size(), 1);
    };
    is_late(&log);
    // What is handed in was promised elsewhere, or is late by itself.
    log.grow(7..8);
    let directory = log.stop();
    let log = LogNode::start_in(directory, &hasty);
    is_late(&log);

    let second = witness(2, files, port);
    log.until_published(3);
    until("it is ready", || log.node.get("/readyz").status == 200);
    assert_eq!(log.node.run(&order).json()["log_index"], 3);
    drop((first, second));
}

/// A delay that is soon over, with requests that have the time to compile a capsule.
fn hasty() -> String {
    sections().replace("[log]\n", "[log]\nmerge_delay_s = 10\n")
        + "[limits]\nrequest_timeout_ms = 4000\n[runs]\ntime_max_ms = 4000\n"
}

#[test]
fn a_log_that_cannot_publish_promises_nothing_before_it_is_late() {
    let directory = directory();
    write_policy(&directory, [(); 3].map(|()| NOWHERE.to_owned()));
    let log = LogNode::start_in(directory, &hasty());
    let mut order = order_total();
    order["public"] = serde_json::json!(true);
    // Nothing is overdue: nothing was ever promised.
    let unready = || log.node.get("/readyz").status == 503;
    until("it is not ready", unready);
    assert_eq!(log.log.log().pending().0, 0);
    let told = log.node.get("/readyz").json();
    let why = "nothing could be published for half of the merge delay";
    assert_eq!(told["parts"]["log"], why, "{told}");
    assert!(log.node.figure("tenzik_log_publish_failures_total") >= 1.0);
    assert!(log.node.figure("tenzik_log_unpublished_seconds ") >= 5.0);
    log.node.run(&order).refused(503, "unavailable");
    // What promises nothing is answered.
    assert_eq!(log.node.run(&order_total()).status, 200);
}

#[test]
fn one_witness_that_lies_or_hangs_does_not_stop_the_log() {
    let (first, second) = (witness(1, directory(), 0), witness(2, directory(), 0));
    let size = "HTTP/1.1 409 Conflict\r\ncontent-type: text/x.tlog.size\r\ncontent-length: 5\r\nconnection: close\r\n\r\n9999\n";
    let replies: [fn() -> Reply; 5] = [
        || {
            Reply::Raw(
                b"HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
            )
        },
        || Reply::Endless("HTTP/1.1 200 OK\r\n\r\n", 1, Duration::from_millis(50)),
        || Reply::Endless("HTTP/1.1 200 OK\r\n\r\n", 1 << 20, Duration::ZERO),
        || {
            Reply::Raw(
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnone".to_vec(),
            )
        },
        || Reply::Raw(b"nonsense".to_vec()),
    ];
    let liar = Served::start(move |_| Reply::Raw(size.as_bytes().to_vec()));
    let directory = directory();
    let lying = format!("http://{}/log", liar.address);
    write_policy(&directory, [at(&first), at(&second), lying]);
    // Whoever waited for it would wait longer than this test does.
    let patient = sections()
        .replace("request_ms = 1000", "request_ms = 600000")
        .replace("[log]\n", "[log]\nmerge_delay_s = 700\n");
    let log = LogNode::start_in(directory, &patient);
    log.grow(0..2);
    log.until_published(2);
    for (number, reply) in (2..).zip(replies) {
        liar.becomes(move |_| reply());
        log.grow(number..number + 1);
        log.until_published(number + 1);
    }
    assert_eq!(log.node.get("/readyz").status, 200);
}

#[test]
fn a_log_from_a_backup_is_stopped_by_its_witnesses() {
    let witnesses: Vec<_> = (1..=3)
        .map(|number| witness(number, directory(), 0))
        .collect();
    let directory = directory();
    write_policy(
        &directory,
        [at(&witnesses[0]), at(&witnesses[1]), at(&witnesses[2])],
    );
    let log = LogNode::start_in(directory, &sections());
    log.grow(0..5);
    log.until_published(5);
    let directory = log.stop();
    // All of it is copied, the published checkpoint too: nothing here tells that it is old.
    let backup = TempDir::new().expect("a directory");
    copy(&directory.path().join("data"), backup.path());
    let log = LogNode::start_in(directory, &sections());
    log.grow(5..9);
    log.until_published(9);
    let directory = log.stop();
    fs::remove_dir_all(directory.path().join("data")).expect("removed");
    let data = directory.path().join("data");
    copy(backup.path(), &data);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("a mode");

    let log = LogNode::start_in(directory, &sections());
    until("it has stopped", || log.node.get("/readyz").status == 503);
    // Everybody may read that; why it stopped is told to the operator.
    let told = log.node.get("/readyz").json();
    assert_eq!(told["parts"]["log"], "the log has stopped", "{told}");
    let reason = log.log.standing().failure.expect("a failure");
    assert!(reason.contains("quorum of witnesses"), "{reason}");
    let mut order = order_total();
    order["public"] = serde_json::json!(true);
    log.node.run(&order).refused(503, "unavailable");
    log.append(&Receipts::of(ORIGIN).bytes(77))
        .refused(503, "unavailable");
    // Nothing was signed: the tree is the one of the backup.
    assert_eq!(log.log.log().committed().checkpoint().size(), 5);
    assert_eq!(log.published_size(), 5);
    // A run that nobody else may see is none of the log's.
    assert_eq!(
        log.node
            .ask("POST", "/v1/runs", Some(ALL), Some(&order_total()))
            .status,
        200
    );
}

#[test]
fn a_database_from_a_backup_is_stopped_by_the_published_checkpoint() {
    let log = LogNode::start("");
    log.grow(0..5);
    log.until_published(5);
    let directory = log.stop();
    let store = directory.path().join("data/store");
    let backup = TempDir::new().expect("a directory");
    for file in ["node.db", "node.db-wal", "journal"] {
        let (from, to) = (store.join(file), backup.path().join(file));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(from, to)),
        }
    }
    let log = LogNode::start_in(directory, &log_sections(ORIGIN, ""));
    log.grow(5..9);
    log.until_published(9);
    let directory = log.stop();
    for file in ["node.db", "node.db-wal", "node.db-shm"] {
        let _ = fs::remove_file(store.join(file));
    }
    fs::remove_dir_all(store.join("journal")).expect("removed");
    copy(backup.path(), &store);
    let config = configured(directory.path(), &log_sections(ORIGIN, ""));
    let refused = match opened(config) {
        Err(NodeError::Setup(error)) => error.to_string(),
        other => panic!("{:?}", other.map(drop)),
    };
    assert!(
        refused.contains("end at 5 entries, but a checkpoint of 9 was published"),
        "{refused}"
    );
}
