//! Peers that lie, and peers that are only broken: each is told apart, and an honest one converges all the while.

use std::time::Duration;

use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::evidence::{Evidence, Finding};
use tenzik_log::tile::TilePath;

use crate::common::{ALL, Receipts, TestNode, until};
use crate::hand::{HAND, HandLog, hand_key, hand_node, hand_witness};
use crate::harness::{
    FOLLOWING, Following, LOG_SEED, LogNode, ORIGIN, forget, log_key, log_url, peer, shown,
};
use crate::served::{Asked, Reply, Served, honest};

/// A liar with an honest log of so many leaves so far, an honest node, and a third that follows both.
struct Three {
    liar: Served,
    honest: LogNode,
    third: Following,
    peers: [String; 2],
    grown: u64,
}

impl Three {
    fn start(log: &HandLog) -> Self {
        Self::start_with(log, "")
    }

    /// The same, and the liar's checkpoints count only with its witness.
    fn start_witnessed(log: &HandLog) -> Self {
        let witness = hand_witness();
        let policy = format!("policy = \"\"\"\nwitness w {witness}\nquorum w\n\"\"\"\n");
        Self::start_with(log, &policy)
    }

    fn start_with(log: &HandLog, more: &str) -> Self {
        let liar = Served::log(log.clone());
        let honest = LogNode::start("");
        let peers = [
            peer("liar", &hand_key(), &liar.url(), &[hand_node()], more),
            peer(
                "honest",
                &log_key(ORIGIN, LOG_SEED),
                &log_url(&honest.node),
                &[Receipts::of(ORIGIN).key()],
                "",
            ),
        ];
        let third = Following::start(&peers);
        third.until_entries("liar", log.size());
        let mut three = Self {
            liar,
            honest,
            third,
            peers,
            grown: 0,
        };
        three.converges();
        three
    }

    fn serve(&self, log: HandLog) {
        self.liar.becomes(move |asked| self::honest(&log, asked));
    }

    /// The third node ends and starts again.
    fn restarted(self) -> Self {
        let directory = self.third.node.stop();
        Self {
            third: Following::start_in(directory, &self.peers, FOLLOWING),
            ..self
        }
    }

    /// What the honest node has now comes to the third.
    #[track_caller]
    fn converges(&mut self) {
        self.honest.grow(self.grown..self.grown + 2);
        self.grown += 2;
        self.third.until_entries("honest", self.grown);
        assert_eq!(self.third.record("honest")["standing"], "active");
    }

    /// The liar is frozen, with evidence that holds, and stays so.
    #[track_caller]
    fn convicted(mut self, reason: &str) -> Finding {
        let record = self.third.until_frozen("liar");
        assert_eq!(record["reason"], reason);
        assert_eq!(record["evidence"].as_array().map(Vec::len), Some(1));
        let evidence = self.third.kept.of("liar");
        assert_eq!(evidence.len(), 1);
        self.converges();
        // It is not asked again.
        let asked = self.liar.asked.lock().expect("a lock").len();
        self.converges();
        assert_eq!(self.liar.asked.lock().expect("a lock").len(), asked);
        // After a restart neither.
        let mut again = self.restarted();
        again.converges();
        assert_eq!(again.third.record("liar")["standing"], "frozen");
        assert_eq!(again.liar.asked.lock().expect("a lock").len(), asked);
        shown(&evidence[0], &hand_key(), &[hand_node()])
    }

    /// The liar is not pulled, for this reason; it is accused of nothing, and once it is honest it is pulled again.
    #[track_caller]
    fn only_failed(&mut self, why: &str, log: &HandLog) {
        let record = self.third.until_failed("liar", why);
        assert_eq!(record["standing"], "active", "{record}");
        self.converges();
        assert!(self.third.kept.of("liar").is_empty());
        self.serve(log.clone());
        // Not as late as after so many failures: an operator says so.
        self.third
            .node
            .ask("POST", "/v1/peers/liar/resume", Some(ALL), None);
        self.third.until_entries("liar", log.size());
        until("it is well", || {
            self.third
                .node
                .ask("POST", "/v1/peers/liar/resume", Some(ALL), None);
            self.third.record("liar")["failure"].is_null()
        });
    }
}

const TWO_TREES: &str = "it signed two trees";

#[test]
fn a_split_view_of_one_size() {
    let three = Three::start(&HandLog::of(0..10));
    three.serve(HandLog::of(100..110));
    assert_eq!(
        three.convicted(TWO_TREES),
        Finding::Equivocation { size: 10 }
    );
}

#[test]
fn a_split_view_of_a_larger_size() {
    let three = Three::start(&HandLog::of(0..10));
    three.serve(HandLog::of(100..300));
    assert_eq!(
        three.convicted(TWO_TREES),
        Finding::Equivocation { size: 10 }
    );
}

#[test]
fn a_split_view_whose_entries_do_not_fit_where_the_others_end() {
    let three = Three::start(&HandLog::of(0..10));
    // One number is longer than the others: from where this node's bundle ends it is not even of the form.
    three.serve(HandLog::new(
        (0..20)
            .map(|number| Receipts::of(HAND).bytes(1 << (2 * number)))
            .collect(),
    ));
    assert_eq!(
        three.convicted(TWO_TREES),
        Finding::Equivocation { size: 10 }
    );
}

#[test]
fn a_rollback_to_another_tree() {
    let three = Three::start(&HandLog::of(0..300));
    three.serve(HandLog::of(100..370));
    assert_eq!(
        three.convicted(TWO_TREES),
        Finding::Equivocation { size: 270 }
    );
}

#[test]
fn a_split_view_without_its_witnesses() {
    // Of one size, of a larger, and of a smaller one: that it does not count hides nothing.
    for (held, shown, size) in [(10, 100..110, 10), (10, 100..300, 10), (300, 100..370, 270)] {
        let three = Three::start_witnessed(&HandLog::of(0..held).witnessed());
        three.serve(HandLog::of(shown));
        assert_eq!(three.convicted(TWO_TREES), Finding::Equivocation { size });
    }
}

#[test]
fn a_second_tree_of_which_nothing_is_given_is_not_forgotten() {
    let fork = HandLog::of(100..400);
    // Entries that lead nowhere, and nothing that the two could be compared by; or nothing at all.
    for (without, why) in [
        ("tile/0/", "the entries from 10"),
        ("tile/", "is not there"),
    ] {
        let mut three = Three::start(&HandLog::of(0..10));
        let shown = fork.clone();
        three.liar.becomes(move |asked| match asked.path {
            path if path.starts_with(without) => Reply::NotThere,
            _ => honest(&shown, asked),
        });
        let failed = three.third.until_failed("liar", why);
        assert_eq!(failed["standing"], "active");
        three.converges();
        let three = three.restarted();
        three.serve(HandLog::of(0..310));
        assert_eq!(
            three.convicted(TWO_TREES),
            Finding::Equivocation { size: 300 }
        );
    }
}

#[test]
fn a_second_tree_whose_entries_are_not_given() {
    let three = Three::start(&HandLog::of(0..10));
    let fork = HandLog::of(100..400);
    three.liar.becomes(move |asked| match asked.path {
        path if path.starts_with("tile/entries") => Reply::NotThere,
        _ => honest(&fork, asked),
    });
    assert_eq!(
        three.convicted(TWO_TREES),
        Finding::Equivocation { size: 10 }
    );
}

#[test]
fn what_failed_once_and_is_of_the_same_tree_accuses_nobody() {
    let mut three = Three::start(&HandLog::of(0..10));
    for size in 11..22 {
        let log = HandLog::of(0..size);
        three.liar.becomes(move |asked| match asked.path {
            "checkpoint" => honest(&log, asked),
            _ => Reply::NotThere,
        });
        three.third.until_failed("liar", &format!("000.p/{size}"));
        let resume = "/v1/peers/liar/resume";
        three.third.node.ask("POST", resume, Some(ALL), None);
    }
    three.only_failed("is not there", &HandLog::of(0..300));
    three.converges();
    assert_eq!(three.third.record("liar")["standing"], "active");
}

#[test]
fn what_does_not_count_yet_accuses_nobody() {
    let mut three = Three::start_witnessed(&HandLog::of(0..10).witnessed());
    three.serve(HandLog::of(0..300));
    three.only_failed(
        "the checkpoint does not count yet",
        &HandLog::of(0..300).witnessed(),
    );
}

#[test]
fn a_stale_checkpoint_accuses_nobody() {
    let log = HandLog::of(0..300);
    let mut three = Three::start(&log);
    three.serve(HandLog::of(0..270));
    three.only_failed(
        "a stale checkpoint of 270 entries; 300 are held",
        &HandLog::of(0..310),
    );
    assert!(three.third.record("liar")["stale_total"].as_u64() >= Some(1));
    three.serve(HandLog::of(0..0));
    three.only_failed("a stale checkpoint of 0 entries", &HandLog::of(0..312));
}

#[test]
fn what_an_old_file_or_version_does_not_know_accuses_nobody() {
    let mut three = Three::start(&HandLog::of(0..3));
    let unlisted = Receipts::signed_by(0x77, Some(HAND)).bytes(0);
    let later = b"{\"new\":1,\"type\":\"tenzik/receipt/v2\"}".to_vec();
    three.serve(HandLog::of(0..5).and(unlisted).and(later));
    three.third.until_entries("liar", 7);
    let record = three.third.record("liar");
    assert_eq!(
        (&record["standing"], &record["unsure"], &record["bad"]),
        (&"active".into(), &2.into(), &0.into()),
        "{record}"
    );
    assert!(three.third.kept.of("liar").is_empty());
    three.converges();
}

#[test]
fn what_was_unsure_is_judged_again() {
    let three = Three::start(&HandLog::of(0..3));
    let stranger = Receipts::signed_by(0x77, Some(HAND));
    let log = HandLog::of(0..5).and(stranger.bytes(0));
    three.serve(
        log.clone()
            .and(Receipts::signed_by(0x78, Some(HAND)).bytes(0)),
    );
    three.third.until_entries("liar", 7);
    until("they are unsure", || {
        three.third.record("liar")["unsure"] == 2
    });
    let Three {
        liar,
        honest,
        third,
        mut peers,
        ..
    } = three;
    let directory = third.node.stop();
    // An operator brings the list of its nodes up to date, with one of the two.
    peers[0] = peer(
        "liar",
        &hand_key(),
        &liar.url(),
        &[hand_node(), stranger.key()],
        "",
    );
    let third = Following::start_in(directory, &peers, FOLLOWING);
    until("one is judged", || third.record("liar")["unsure"] == 1);
    let query = format!("/v1/receipts?limit=100&origin={}", HAND.replace('/', "%2F"));
    let listed = third.node.ask("GET", &query, Some(ALL), None).json();
    let rows = listed["receipts"].as_array().expect("rows");
    let places: Vec<_> = rows.iter().map(|row| row["index"].as_u64()).collect();
    assert_eq!(places, (0..6).map(Some).collect::<Vec<_>>(), "{listed}");
    assert_eq!(third.record("liar")["standing"], "active");
    drop(honest);
}

#[test]
fn a_leaf_that_was_promised_to_another_log() {
    let three = Three::start(&HandLog::of(0..3));
    let elsewhere = Receipts::of(ORIGIN).bytes(0);
    three.serve(HandLog::of(0..5).and(elsewhere));
    assert!(matches!(
        three.convicted("entry 5 may not be in its log"),
        Finding::BadLeaf { index: 5, .. }
    ));
}

#[test]
fn an_open_leaf_that_nobody_let_be_shown() {
    let three = Three::start(&HandLog::of(0..3));
    let open = Receipts::signed_by(0x11, None).bytes(0);
    three.serve(HandLog::of(0..5).and(open));
    assert!(matches!(
        three.convicted("entry 5 may not be in its log"),
        Finding::BadLeaf { index: 5, .. }
    ));
}

#[test]
fn a_leaf_whose_signature_does_not_hold() {
    let three = Three::start(&HandLog::of(0..3));
    let text = String::from_utf8(Receipts::of(HAND).bytes(8)).expect("text");
    let forged = text.replace("\"fuel\":12345", "\"fuel\":12346");
    three.serve(
        HandLog::of(0..4)
            .and(forged.into_bytes())
            .and(Receipts::of(HAND).bytes(9)),
    );
    assert!(matches!(
        three.convicted("entry 4 may not be in its log"),
        Finding::BadLeaf { index: 4, .. }
    ));
}

#[test]
fn a_leaf_that_is_no_receipt() {
    let three = Three::start(&HandLog::of(0..3));
    three.serve(HandLog::of(0..3).and(b"not a receipt".to_vec()));
    assert!(matches!(
        three.convicted("entry 3 may not be in its log"),
        Finding::BadLeaf { index: 3, .. }
    ));
}

#[test]
fn a_bad_leaf_freezes_once() {
    let mut three = Three::start(&HandLog::of(0..3));
    let bad = HandLog::of(0..3).and(b"not a receipt".to_vec());
    three.serve(bad.clone());
    three.third.until_frozen("liar");
    // An operator has looked at it, and follows it further.
    let resumed = three
        .third
        .node
        .ask("POST", "/v1/peers/liar/resume", Some(ALL), None);
    assert_eq!(resumed.json()["standing"], "active");
    let more = bad.and(Receipts::of(HAND).bytes(50));
    three.serve(more.clone());
    three.third.until_entries("liar", 5);
    let record = three.third.record("liar");
    assert_eq!(
        (&record["standing"], &record["bad"]),
        (&"active".into(), &1.into()),
        "{record}"
    );
    three.serve(more.and(b"another".to_vec()));
    assert_eq!(
        three.third.until_frozen("liar")["reason"],
        "entry 5 may not be in its log"
    );
    three.converges();
}

#[test]
fn a_bad_leaf_is_not_forgotten_in_a_crash() {
    let three = Three::start(&HandLog::of(0..3));
    three.serve(HandLog::of(0..3).and(b"not a receipt".to_vec()));
    three.third.until_frozen("liar");
    let Three {
        liar,
        honest,
        third,
        ..
    } = three;
    let directory = third.node.stop();
    // As if it had ended after the mirror was written, and before the peer's record was.
    forget(&directory, "liar");
    let peers = [peer("liar", &hand_key(), &liar.url(), &[hand_node()], "")];
    let third = Following::start_in(directory, &peers, FOLLOWING);
    let record = third.until_frozen("liar");
    assert_eq!((&record["bad"], &record["entries"]), (&1.into(), &4.into()));
    drop(honest);
}

type Break = Box<dyn Fn(&HandLog, &Asked<'_>) -> Reply + Send>;

/// What is said of each, and what is answered.
fn breaks() -> Vec<(&'static str, Break)> {
    vec![
        (
            "the checkpoint: ",
            Box::new(|log, asked| {
                with_checkpoint(log, asked, |_, log| {
                    log.clone().with_seed(99).head().to_bytes()
                })
            }),
        ),
        (
            "the checkpoint: ",
            Box::new(|log, asked| with_checkpoint(log, asked, |_, _| b"nonsense".to_vec())),
        ),
        (
            "the checkpoint: ",
            Box::new(|log, asked| {
                with_checkpoint(log, asked, |bytes, _| [bytes.as_slice(), b"\n"].concat())
            }),
        ),
        (
            "the checkpoint: ",
            Box::new(|log, asked| {
                with_checkpoint(log, asked, |bytes, _| bytes[..bytes.len() - 2].to_vec())
            }),
        ),
        (
            "the answer has more than",
            Box::new(|log, asked| with_checkpoint(log, asked, |_, _| vec![b'x'; 2 << 20])),
        ),
        (
            "checkpoint is not there",
            Box::new(|log, asked| match asked.path {
                "checkpoint" => Reply::NotThere,
                _ => honest(log, asked),
            }),
        ),
        (
            "entries/001.p",
            Box::new(|log, asked| with_entries(log, asked, |_| Reply::NotThere)),
        ),
        (
            "the entries from",
            Box::new(|log, asked| {
                with_entries(log, asked, |bytes| {
                    Reply::Bytes(bytes[..bytes.len() - 3].to_vec())
                })
            }),
        ),
        (
            "the entries from",
            Box::new(|log, asked| {
                with_entries(log, asked, |bytes| {
                    Reply::Bytes([bytes, b"garbage".to_vec()].concat())
                })
            }),
        ),
        (
            "do not lead to the root",
            Box::new(|log, asked| {
                with_entries(log, asked, |mut bytes| {
                    let last = bytes.len() - 1;
                    bytes[last] ^= 1;
                    Reply::Bytes(bytes)
                })
            }),
        ),
        (
            "status 500",
            Box::new(|_, _| raw("500 Internal Server Error", "", b"oops")),
        ),
        (
            "status 302",
            Box::new(|_, _| {
                raw(
                    "302 Found",
                    "location: http://127.0.0.1:1/elsewhere\r\n",
                    b"",
                )
            }),
        ),
        (
            "another range",
            Box::new(|log, asked| {
                with_entries(log, asked, |bytes| {
                    raw(
                        "206 Partial Content",
                        "content-range: bytes 7-8/9\r\n",
                        &bytes,
                    )
                })
            }),
        ),
        (
            "another range",
            Box::new(|log, asked| {
                with_entries(log, asked, |bytes| raw("206 Partial Content", "", &bytes))
            }),
        ),
        (
            "the answer has more than",
            Box::new(|log, asked| with_entries(log, asked, |_| endless(1 << 20, 0))),
        ),
        (
            "no complete answer in time",
            Box::new(|log, asked| with_entries(log, asked, |_| endless(1, 20))),
        ),
        (
            "no complete answer in time",
            Box::new(|_, _| Reply::Endless("HTTP/1.1 200 OK\r\nx: ", 1, Duration::from_millis(20))),
        ),
        (
            "no connection, or it broke",
            Box::new(|_, _| Reply::Raw(b"nonsense\r\n\r\n".to_vec())),
        ),
        (
            "no connection, or it broke",
            Box::new(|_, _| {
                Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nshort".to_vec())
            }),
        ),
    ]
}

#[test]
fn what_is_broken_is_no_lie() {
    let held = HandLog::of(0..260);
    let mut three = Three::start(&held);
    let mut size = 260;
    for (why, broken) in breaks() {
        size += 3;
        let log = HandLog::of(0..size);
        let shown = log.clone();
        three.liar.becomes(move |asked| broken(&shown, asked));
        three.only_failed(why, &log);
    }
    let record = three.third.record("liar");
    assert_eq!(
        (&record["bad"], &record["unsure"]),
        (&0.into(), &0.into()),
        "{record}"
    );
}

fn with_checkpoint(
    log: &HandLog,
    asked: &Asked<'_>,
    change: impl Fn(Vec<u8>, &HandLog) -> Vec<u8>,
) -> Reply {
    match honest(log, asked) {
        Reply::Bytes(bytes) if asked.path == "checkpoint" => Reply::Bytes(change(bytes, log)),
        other => other,
    }
}

/// Changes what is sent of bundles: for raw answers, from where it was asked for.
fn with_entries(log: &HandLog, asked: &Asked<'_>, change: impl Fn(Vec<u8>) -> Reply) -> Reply {
    match honest(log, asked) {
        Reply::Bytes(bytes) if asked.path.contains("entries") => change(bytes),
        other => other,
    }
}

fn raw(status: &str, more: &str, body: &[u8]) -> Reply {
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    Reply::Raw([head.as_bytes(), body].concat())
}

fn endless(piece: usize, pause_ms: u64) -> Reply {
    Reply::Endless(
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
        piece,
        Duration::from_millis(pause_ms),
    )
}

#[test]
fn tiles_that_lie_do_not_accuse() {
    // Held in part only, so that proofs come from the peer's tiles: it may not accuse itself falsely, nor be believed.
    let log = HandLog::of(0..260);
    let mut three = Three::start(&log);
    let longer = HandLog::of(0..270);
    let shown = longer.clone();
    three.liar.becomes(move |asked| {
        let path: Result<TilePath, _> = asked.path.parse();
        match honest(&shown, asked) {
            Reply::Bytes(mut bytes) if path.is_ok() => {
                bytes.reverse();
                Reply::Bytes(bytes)
            }
            other => other,
        }
    });
    three.only_failed("the entries from 260 on are not those of the log", &longer);
    let head = SignedCheckpoint::open(&longer.head().to_bytes(), &hand_key()).expect("its own");
    assert_eq!(head.checkpoint().size(), 270);
}

fn hand_in(node: &TestNode, receipt: &[u8]) {
    let receipt = std::str::from_utf8(receipt).expect("text");
    let body = format!("{{\"receipt\":{receipt}}}");
    let answer = node.post("/v1/audits", Some(ALL), "application/json", body.as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
}

#[test]
fn a_promise_that_was_not_kept() {
    let three = Three::start_witnessed(&HandLog::of(0..10).witnessed());
    // One that is in the log, and one that is not and was to be.
    let receipts = Receipts::of(HAND);
    hand_in(&three.third.node, &receipts.bytes(5));
    assert!(three.third.kept.of("liar").is_empty());
    hand_in(&three.third.node, &receipts.bytes(50));
    let record = three.third.until_frozen("liar");
    assert_eq!(record["reason"], "it broke a promise");
    let [Evidence::BrokenPromise(broken)] = &three.third.kept.of("liar")[..] else {
        panic!("a broken promise");
    };
    assert_eq!(broken.receipt.as_bytes(), receipts.bytes(50));
    let restarted = three.restarted();
    assert_eq!(restarted.third.record("liar")["standing"], "frozen");
}

#[test]
fn a_promise_that_no_witness_dates_accuses_nobody() {
    let mut three = Three::start(&HandLog::of(0..10));
    hand_in(&three.third.node, &Receipts::of(HAND).bytes(50));
    three.converges();
    assert_eq!(three.third.record("liar")["standing"], "active");
    assert!(three.third.kept.of("liar").is_empty());
}
