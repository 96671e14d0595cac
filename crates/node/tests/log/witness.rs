//! The node as a witness (c2sp.org/tlog-witness).

use std::sync::Arc;
use std::thread;

use tempfile::TempDir;
use tenzik_log::cosignature::cosign;
use tenzik_log::evidence::Finding;
use tenzik_log::note::VerifierKey;
use tenzik_log::witness::{AddCheckpoint, read_cosignatures};
use tenzik_receipt::{KeyUse, SecretKey, Timestamp};

use crate::common::{ALL, Answer, TestNode};
use crate::hand::{HandLog, hand_key, hand_node};
use crate::harness::{Following, Kept, WITNESS_SEED, directory, peer, shown, witness_key};

const NAME: &str = "witness.example/w";
const SECTIONS: &str = "witness = \"witness.key\"\n[federation]\npeers = \"peers.toml\"\npull_ms = 60000\nwitness_name = \"witness.example/w\"\n";

fn key() -> VerifierKey {
    witness_key(NAME, WITNESS_SEED)
}

fn start_in(directory: TempDir, more: &str) -> Following {
    // Where its tiles would be nobody is.
    let peers = [
        peer(
            "hand",
            &hand_key(),
            "http://127.0.0.1:1/log",
            &[hand_node()],
            "",
        ),
        peer(
            "unwitnessed",
            &crate::harness::log_key("other.example/log", 5),
            "http://127.0.0.1:1/log",
            &[],
            "witness = false\n",
        ),
    ];
    Following::start_in(directory, &peers, &format!("{SECTIONS}{more}"))
}

fn start() -> Following {
    start_in(directory(), "")
}

fn add(node: &TestNode, body: &[u8]) -> Answer {
    node.post("/witness/add-checkpoint", None, "text/plain", body)
}

/// That the answer is a cosignature of this size.
#[track_caller]
fn assert_cosigned(answer: &Answer, log: &HandLog, size: u64) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let lines = read_cosignatures(&answer.body).expect("lines");
    let mut head = log.signed(size);
    assert_eq!(
        head.add_signatures(&lines, &[key()]).expect("they verify"),
        1
    );
}

#[track_caller]
fn assert_latest(answer: &Answer, size: u64) {
    assert_eq!(answer.status, 409);
    assert!(
        answer.head.contains("content-type: text/x.tlog.size"),
        "{}",
        answer.head
    );
    assert_eq!(answer.text(), format!("{size}\n"));
}

#[test]
fn every_answer_has_the_status_of_the_specification() {
    let witness = start();
    let log = HandLog::of(0..20);
    let node = &witness.node;
    // Nothing is known of it yet.
    assert_latest(&add(node, &log.request(3, 5)), 0);
    assert_cosigned(&add(node, &log.request(0, 5)), &log, 5);
    assert_latest(&add(node, &log.request(0, 7)), 5);
    assert_latest(&add(node, &log.request(4, 7)), 5);
    assert_cosigned(&add(node, &log.request(5, 7)), &log, 7);
    // The same tree again has a new date, and nothing changes.
    assert_cosigned(&add(node, &log.request(7, 7)), &log, 7);
    // Backwards.
    assert_latest(&add(node, &log.request(5, 5)), 7);
    let backwards = AddCheckpoint::new(7, Vec::new(), &log.signed(5)).expect("a request");
    assert_eq!(add(node, &backwards.to_bytes()).status, 400);
    // A proof that does not hold.
    let mut proof = log.consistency(7, 12);
    proof.reverse();
    let inconsistent = AddCheckpoint::new(7, proof, &log.signed(12)).expect("a request");
    assert_eq!(add(node, &inconsistent.to_bytes()).status, 422);
    // Nobody's, and somebody's who is not witnessed.
    let other = HandLog::of(0..20).with_seed(99);
    assert_eq!(add(node, &other.request(7, 12)).status, 403);
    let unknown = String::from_utf8(log.request(7, 12)).expect("text");
    for origin in ["unknown.example/log", "other.example/log"] {
        let unknown = unknown.replace("hand.example/log", origin);
        assert_eq!(add(node, unknown.as_bytes()).status, 404, "{origin}");
    }
    for body in [
        "",
        "old 7\n",
        "old 07\n\n",
        "old -1\n\nx\n",
        &unknown.replace("old 7", "old 7 "),
        "\u{0}",
    ] {
        assert_eq!(add(node, body.as_bytes()).status, 400, "{body:?}");
    }
    assert_eq!(add(node, &[0xff; 3_000]).status, 400);
    assert_eq!(add(node, &vec![b'x'; 1 << 20]).status, 413);
    assert_eq!(node.get("/witness/add-checkpoint").status, 405);
    assert_cosigned(&add(node, &log.request(7, 20)), &log, 20);
    assert!(witness.kept.of("hand").is_empty());
    assert_eq!(witness.record("hand")["standing"], "active");
}

#[test]
fn a_second_tree_of_a_size_is_kept_and_freezes() {
    let witness = start();
    let log = HandLog::of(0..8);
    assert_cosigned(&add(&witness.node, &log.request(0, 8)), &log, 8);
    let second = HandLog::of(100..108);
    let request = AddCheckpoint::new(8, Vec::new(), &second.head()).expect("a request");
    let answer = add(&witness.node, &request.to_bytes());
    assert_eq!(answer.status, 409);
    assert!(!answer.head.contains("text/x.tlog.size"), "{}", answer.head);
    let evidence = witness.kept.of("hand");
    assert_eq!(evidence.len(), 1);
    assert_eq!(
        shown(&evidence[0], &hand_key(), &[hand_node()]),
        Finding::Equivocation { size: 8 }
    );
    let record = witness.until_frozen("hand");
    assert_eq!(
        record["reason"],
        "it asked for a cosignature of a second tree"
    );
    assert_eq!(record["evidence"], serde_json::json!(["evidence-1"]));
    // What was cosigned is what stays.
    assert_latest(&add(&witness.node, &log.request(0, 8)), 8);
    let resumed = witness
        .node
        .ask("POST", "/v1/peers/hand/resume", Some(ALL), None);
    assert_eq!(resumed.json()["standing"], "active");
}

#[test]
fn a_second_tree_is_one_from_whatever_size_it_is_said_to_lead() {
    for old in [0, 5, 9] {
        let witness = start();
        let log = HandLog::of(0..8);
        assert_cosigned(&add(&witness.node, &log.request(0, 8)), &log, 8);
        let second = HandLog::of(100..108);
        let request = AddCheckpoint::new(old, Vec::new(), &second.head()).expect("a request");
        let status = if old > 8 { 400 } else { 409 };
        let answer = add(&witness.node, &request.to_bytes());
        assert_eq!(answer.status, status, "{old}");
        assert_eq!(witness.kept.of("hand").len(), 1, "{old}");
        witness.until_frozen("hand");
    }
}

#[test]
fn a_liar_is_kept_once_however_often_it_is_shown() {
    let rate = "add_checkpoint = { per_minute = 1, burst = 12 }\n";
    let witness = start_in(directory(), rate);
    let log = HandLog::of(0..8);
    assert_cosigned(&add(&witness.node, &log.request(0, 8)), &log, 8);
    for number in 0..10 {
        // Another tree each time, or the same with another line of somebody's below it.
        let mut second = HandLog::of(100 + number / 2..108 + number / 2).head();
        let stranger = witness_key("stranger.example/w", number as u8);
        let secret = SecretKey::from_seed(&[number as u8; 32], KeyUse::Witness, Timestamp::EPOCH);
        let line = cosign(
            second.checkpoint(),
            &secret,
            stranger.name(),
            Timestamp::EPOCH,
        );
        let line = line.expect("a witness's key");
        second
            .add_signatures(&[line], &[stranger])
            .expect("it fits");
        let request = AddCheckpoint::new(8, Vec::new(), &second).expect("a request");
        assert_eq!(add(&witness.node, &request.to_bytes()).status, 409);
    }
    let evidence = witness.kept.of("hand");
    assert_eq!(evidence.len(), 1);
    let text = String::from_utf8(evidence[0].to_bytes()).expect("text");
    assert!(!text.contains("stranger.example"), "{text}");
    // Each of them was charged to the log.
    assert_cosigned(&add(&witness.node, &log.request(8, 8)), &log, 8);
    let log = HandLog::of(0..12);
    assert_cosigned(&add(&witness.node, &log.request(8, 9)), &log, 9);
    add(&witness.node, &log.request(9, 10)).refused(429, "quota");
}

#[test]
fn two_requests_at_once_never_go_back() {
    let witness = start_in(
        directory(),
        "add_checkpoint = { per_minute = 100000, burst = 10000 }\n[quotas]\naddress_requests = { per_minute = 100000, burst = 10000 }\n",
    );
    let log = Arc::new(HandLog::of(0..120));
    assert_cosigned(&add(&witness.node, &log.request(0, 1)), &log, 1);
    let mut size = 1;
    for round in 0..20 {
        let (larger, smaller) = (size + 5, size + 1 + round % 4);
        let answers: Vec<(u64, Answer)> = thread::scope(|scope| {
            let asked: Vec<_> = [larger, smaller, larger, smaller]
                .into_iter()
                .map(|to| {
                    let (node, body) = (&witness.node, log.request(size, to));
                    scope.spawn(move || (to, add(node, &body)))
                })
                .collect();
            asked
                .into_iter()
                .map(|asked| asked.join().expect("an answer"))
                .collect()
        });
        let mut reached = size;
        for (to, answer) in &answers {
            match answer.status {
                200 => {
                    assert_cosigned(answer, &log, *to);
                    reached = reached.max(*to);
                }
                409 => assert!(
                    [larger, smaller]
                        .iter()
                        .any(|to| answer.text() == format!("{to}\n"))
                ),
                status => panic!("{status}: {}", answer.text()),
            }
        }
        // From one size only one step was taken: the others were told of it.
        let sizes: std::collections::BTreeSet<_> = answers
            .iter()
            .filter(|(_, answer)| answer.status == 200)
            .map(|(to, _)| to)
            .collect();
        assert_eq!(sizes.len(), 1, "round {round}");
        assert_latest(&add(&witness.node, &log.request(0, 1)), reached);
        size = reached;
    }
}

#[test]
fn what_was_cosigned_survives_a_restart() {
    let log = HandLog::of(0..9);
    let witness = start();
    assert_cosigned(&add(&witness.node, &log.request(0, 6)), &log, 6);
    let witness = start_in(witness.node.stop(), "");
    assert_latest(&add(&witness.node, &log.request(0, 9)), 6);
    let second = HandLog::of(50..56);
    let request = AddCheckpoint::new(6, Vec::new(), &second.head()).expect("a request");
    assert_eq!(add(&witness.node, &request.to_bytes()).status, 409);
    assert_eq!(witness.kept.of("hand").len(), 1);
    // Frozen it stays, too.
    let witness = start_in(witness.node.stop(), "");
    assert_eq!(witness.record("hand")["standing"], "frozen");
    assert_cosigned(&add(&witness.node, &log.request(6, 9)), &log, 9);
}

#[test]
fn a_log_asks_as_often_as_its_rate_allows() {
    let witness = start_in(
        directory(),
        "add_checkpoint = { per_minute = 1, burst = 3 }\n",
    );
    let log = HandLog::of(0..9);
    for size in 1..4 {
        assert_cosigned(
            &add(&witness.node, &log.request(size - 1, size)),
            &log,
            size,
        );
    }
    let refused = add(&witness.node, &log.request(3, 4));
    refused.refused(429, "quota");
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    // Others are not held up by it.
    let unknown = String::from_utf8(log.request(0, 4))
        .expect("text")
        .replace("hand.", "unknown.");
    assert_eq!(add(&witness.node, unknown.as_bytes()).status, 404);
    let _: &Arc<Kept> = &witness.kept;
}
