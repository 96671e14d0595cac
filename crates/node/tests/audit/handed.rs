//! Receipts that anyone hands in, over HTTP.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tenzik_log::checkpoint::Origin;
use tenzik_log::evidence::Known;
use tenzik_node::audit::{AuditConfig, Audits, Handed};
use tenzik_node::blobs::Class;
use tenzik_node::federation::peers::AuditBudget;
use tenzik_receipt::SignedReceipt;

use crate::budgets::said_to_end;
use crate::common::{ALL, Answer, NONE, TestNode, base64, until};
use crate::world::{Mirrors, PeerNode, Told, World, echo};

/// A node that audits one peer, and answers for it.
pub fn serve(world: &World, told: &Arc<Told>, config: AuditConfig, mirrors: Mirrors) -> TestNode {
    serve_with(world, told, config, mirrors, "")
}

fn serve_with(
    world: &World,
    told: &Arc<Told>,
    config: AuditConfig,
    mirrors: Mirrors,
    sections: &str,
) -> TestNode {
    let auditor = Arc::new(world.auditor_with(told, config));
    let peers = Arc::new(world.peers.clone());
    let audits = Audits::new(auditor, world.evidence(), Arc::new(mirrors), move || {
        Arc::clone(&peers)
    });
    TestNode::start_with(
        sections,
        |parts| parts.audits = Some(Arc::new(audits)),
        |it| it,
    )
}

fn body(receipt: &SignedReceipt) -> String {
    let text = String::from_utf8(receipt.to_bytes()).expect("text");
    format!("{{\"receipt\":{text}}}")
}

fn with_content(receipt: &SignedReceipt, capsule: &[u8], input: &[u8]) -> String {
    let body = body(receipt);
    let body = body.strip_suffix('}').expect("an object");
    let (capsule, input) = (base64(capsule), base64(input));
    format!("{body},\"capsule_base64\":\"{capsule}\",\"input_base64\":\"{input}\"}}")
}

/// Bytes that are JSON or claim to be.
fn post(node: &TestNode, body: &str) -> Answer {
    let length = body.len();
    let head = format!(
        "POST /v1/audits HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    node.send(format!("{head}{body}").as_bytes())
}

/// What was found at last.
fn found(node: &TestNode, answer: &Answer) -> Value {
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    let mut finding = answer.json()["finding"].clone();
    until("found", || {
        if finding["outcome"] == "begun" {
            let answer = node.get(&format!("/v1/audits/{id}"));
            finding = answer.json()["finding"].clone();
        }
        finding["outcome"] != "begun"
    });
    finding
}

#[test]
fn anyone_may_hand_in_a_receipt_of_a_peers_node() {
    let peer = PeerNode::start("beta", 1);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let node = serve(&world, &told, AuditConfig::default(), Mirrors(Vec::new()));
    let honest = peer.run(&echo("1"));
    let answer = post(&node, &body(&honest));
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(found(&node, &answer), json!({"outcome": "same"}));
    // It is known now, and is not run again.
    let again = post(&node, &body(&honest));
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["finding"], json!({"outcome": "same"}));
    // The blobs are not the peer's to give; who hands it in has them.
    let order = echo("[2]");
    let lie = peer.forge_output(&peer.run_without_blobs(&order));
    let answer = post(&node, &body(&lie));
    assert_eq!(found(&node, &answer)["reason"], "blob_missing");
    let wrong = with_content(&lie, &order.capsule, b"[3]");
    assert_eq!(found(&node, &post(&node, &wrong))["reason"], "blob_missing");
    let whole = with_content(&lie, &order.capsule, &order.request.input);
    let answer = post(&node, &whole);
    // Strangers are told the outcome; peers what differs, and where the evidence is.
    assert_eq!(found(&node, &answer), json!({"outcome": "forged"}));
    let path = format!("/v1/audits/{}", lie.id());
    let finding = node.ask("GET", &path, Some(ALL), None).json()["finding"].clone();
    assert_eq!(
        (&finding["outcome"], &finding["member"]),
        (&"forged".into(), &"output".into())
    );
    assert_eq!(told.forged.lock().expect("a lock").len(), 1);
    // What cannot be run again is said at once.
    let private = peer.run_privately(&echo("4"));
    let answer = post(&node, &body(&private));
    assert_eq!(
        (answer.status, &answer.json()["finding"]["reason"]),
        (200, &"private".into())
    );
    evidence_is_for_peers(&node, finding["evidence"].as_str().expect("a digest"));
}

fn evidence_is_for_peers(node: &TestNode, digest: &str) {
    let list = node.ask("GET", "/v1/evidence", Some(ALL), None);
    assert_eq!(list.json()["evidence"][0]["digest"], digest);
    assert_eq!(list.json()["evidence"][0]["kind"], "forged_claim");
    let path = format!("/v1/evidence/{digest}");
    let file = node.ask("GET", &path, Some(ALL), None);
    assert_eq!(file.json()["type"], "tenzik/evidence/v1");
    for path in [
        "/v1/evidence",
        &path,
        "/v1/disputes",
        "/v1/audits?peer=beta",
    ] {
        node.get(path).refused(401, "unauthorized");
        node.ask("GET", path, Some(NONE), None)
            .refused(403, "forbidden");
    }
    let absent = path.replace(&digest[7..17], "0123456789");
    node.ask("GET", &absent, Some(ALL), None)
        .refused(404, "not_found");
    node.ask("GET", "/v1/evidence/../x", Some(ALL), None)
        .refused(404, "not_found");
    node.ask("GET", "/v1/evidence?after=x", Some(ALL), None)
        .refused(400, "query");
}

#[test]
fn what_accuses_nobody_is_refused() {
    let (peer, stranger) = (PeerNode::start("beta", 1), PeerNode::start("gamma", 2));
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let node = serve(&world, &told, AuditConfig::default(), Mirrors(Vec::new()));
    let unknown = stranger.run(&echo("1"));
    post(&node, &body(&unknown)).refused(422, "unknown_node");
    let honest = peer.run(&echo("1"));
    let text = body(&honest);
    let at = text.find("\"signature\":\"ed25519:").expect("a signature") + 21;
    let mut broken = text.clone();
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    broken.replace_range(at..=at, digit);
    post(&node, &broken).refused(422, "signature");
    post(&node, &text.replace("{\"receipt\":{", "{\"receipt\":{ ")).refused(422, "not_a_receipt");
    post(&node, "{\"receipt\":null}").refused(422, "not_a_receipt");
    for body in [
        "",
        "[]",
        "{}",
        "{\"receipt\":{},\"more\":1}",
        "{\"receipt\":{}",
        "\u{0}",
    ] {
        post(&node, body).refused(400, "json");
    }
    assert!(told.forged.lock().expect("a lock").is_empty());
}

#[test]
fn a_lie_that_names_another_log_is_a_lie() {
    let peer = PeerNode::start("beta", 1);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let node = serve(&world, &told, AuditConfig::default(), Mirrors(Vec::new()));
    let elsewhere = Origin::new("elsewhere.test/log").expect("an origin");
    let lie = peer.forge_output(&peer.run(&echo("[1]")));
    let lie = peer.forge_log(&lie, &elsewhere);
    let answer = post(&node, &body(&lie));
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(found(&node, &answer)["outcome"], "forged");
    let told = told.forged.lock().expect("a lock");
    let [(name, evidence, _)] = &told[..] else {
        panic!("told once: {told:?}");
    };
    assert_eq!(name, "beta");
    // What was found is what others can check.
    let beta = world.peer("beta");
    let known = Known {
        log: &beta.log,
        rules: &beta.rules,
        policy: &beta.policy,
        at: crate::world::now(),
    };
    assert!(evidence.verify(known).is_ok());
}

#[test]
fn of_two_peers_with_one_node_the_one_that_was_promised_answers() {
    let (peer, twin) = (PeerNode::start("beta", 1), PeerNode::start("gamma", 1));
    let rows = |token: &Path| peer.row("BASE", token, "") + &twin.row("BASE", token, "");
    let (world, told) = (World::new(&rows), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let hand_in = |receipt: &SignedReceipt| {
        let handed = Handed {
            receipt: receipt.to_bytes(),
            ..Handed::default()
        };
        let found = auditor.hand_in(&world.peers, handed, crate::world::now());
        let (id, finding) = found.expect("a receipt");
        let audit = auditor.handed_in(&id).expect("a disk").expect("it is kept");
        (crate::world::word(&finding), audit.origin)
    };
    let lie = twin.forge_output(&twin.run(&echo("[1]")));
    let expected = ("forged".to_owned(), "gamma.test/log".to_owned());
    assert_eq!(hand_in(&lie), expected);
    let honest = peer.run(&echo("[2]"));
    let expected = ("same".to_owned(), "beta.test/log".to_owned());
    assert_eq!(hand_in(&honest), expected);
}

#[test]
fn hand_ins_are_counted_by_who_brings_them() {
    let peer = PeerNode::start("beta", 1);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let node = serve(&world, &told, AuditConfig::default(), Mirrors(Vec::new()));
    for _ in 0..10 {
        post(&node, "{}").refused(400, "json");
    }
    let refused = post(&node, "{}");
    refused.refused(429, "quota");
    assert!(refused.head.contains("retry-after:"));
    // A named caller has a quota of its own.
    let answer = node.ask("POST", "/v1/audits", Some(ALL), Some(&json!({})));
    answer.refused(400, "json");
    for path in ["/v1/audits/x", "/v1/audits/blake3:00", "/v1/audits/%00"] {
        assert_eq!(node.get(path).status, 404, "{path}");
    }
}

#[test]
fn hand_ins_tell_nothing_of_what_this_node_holds() {
    let peer = PeerNode::start("beta", 1);
    let order = echo("[1]");
    peer.append(&[peer.run(&order)]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let own = PeerNode::start("alpha", 3);
    // This node's own blobs, which its peers may read.
    own.keep(&order.capsule, Class::Capsule);
    own.keep(b"[2]", Class::Input);
    let auditor = world.auditor_of(&told, AuditConfig::default(), Some(own.blobs.clone()));
    // A sample has put the capsule at hand.
    world.audit(&auditor, "beta", crate::world::now());
    peer.erase(&order.capsule);
    let hand_in = |capsule: Option<&[u8]>, input: Option<&[u8]>| {
        let handed = Handed {
            receipt: peer.run_without_blobs(&echo("[2]")).to_bytes(),
            capsule: capsule.map(Arc::from),
            input: input.map(Arc::from),
        };
        let found = auditor.hand_in(&world.peers, handed, crate::world::now());
        crate::world::word(&found.expect("a receipt").1)
    };
    assert_eq!(hand_in(None, Some(b"[2]")), "blob_missing");
    assert_eq!(hand_in(Some(&order.capsule), None), "blob_missing");
    assert_eq!(hand_in(Some(&order.capsule), Some(b"[2]")), "same");
    // A sample may use what is here.
    peer.append(&[peer.run_without_blobs(&echo("[2]"))]);
    let audited = world.audit(&auditor, "beta", crate::world::now());
    assert_eq!(crate::world::words(&audited), [(1, "same".to_owned())]);
}

#[test]
fn one_peers_places_are_not_anothers() {
    let (peer, other) = (PeerNode::start("beta", 1), PeerNode::start("gamma", 2));
    // It takes connections, and answers nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", silent.local_addr().expect("an address"));
    let rows = |token: &Path| peer.row(&api, token, "") + &other.row("BASE", token, "");
    let (world, told) = (World::new(&rows), Arc::new(Told::default()));
    let node = serve(&world, &told, AuditConfig::default(), Mirrors(Vec::new()));
    let hand_in = |peer: &PeerNode, input: u32| {
        let receipt = peer.run(&echo(&input.to_string()));
        post(&node, &body(&receipt))
    };
    let begun: Vec<_> = (0..4).map(|input| hand_in(&peer, input)).collect();
    assert!(begun.iter().all(|answer| answer.status == 202));
    hand_in(&peer, 4).refused(503, "busy");
    // What is busy was not begun.
    let receipt = peer.run(&echo("4"));
    let path = format!("/v1/audits/{}", receipt.id());
    node.get(&path).refused(404, "not_found");
    let answer = hand_in(&other, 5);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(found(&node, &answer), json!({"outcome": "same"}));
    drop(silent);
    for answer in &begun {
        assert_eq!(found(&node, answer)["reason"], "unreachable");
    }
    assert_eq!(hand_in(&peer, 6).status, 202, "there are places again");
}

#[test]
fn a_liar_does_not_use_up_what_is_spent_on_hand_ins() {
    let (liar, honest) = (PeerNode::start("beta", 1), PeerNode::start("gamma", 2));
    let rows = |token: &Path| liar.row("BASE", token, "") + &honest.row("BASE", token, "");
    let (world, told) = (World::new(&rows), Arc::new(Told::default()));
    let config = AuditConfig {
        time_ms_max: 2_000,
        ..AuditConfig::default()
    };
    let auditor = world.auditor_with(&told, config);
    let hand_in = |receipt: SignedReceipt| {
        let handed = Handed {
            receipt: receipt.to_bytes(),
            ..Handed::default()
        };
        let found = auditor.hand_in(&world.peers, handed, crate::world::now());
        crate::world::word(&found.expect("a receipt").1)
    };
    // Its limit is many times what a day has.
    assert_eq!(hand_in(said_to_end(&liar)), "out_of_patience");
    let lie = liar.forge_output(&liar.run(&echo("[1]")));
    assert_eq!(hand_in(lie), "forged", "its own lies are still found");
    assert_eq!(hand_in(honest.run(&echo("[2]"))), "same");
    let fuel = |origin: &str| world.spent(&format!("handed in {origin}"))["fuel"].clone();
    assert_eq!(fuel("gamma.test/log"), 1_000_000);
    assert!(fuel("beta.test/log").as_u64() > Some(2_000_000_000));
}

#[test]
fn strangers_take_no_room_from_those_who_have_a_name() {
    use std::io::Write;
    let peer = PeerNode::start("beta", 1);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let sections = "[limits]\nrun_body_bytes_max = 1048576\nbodies_bytes_max = 1048576\n\
                    stranger_body_bytes_max = 131072\nstrangers_bytes_max = 262144\n";
    let mirrors = Mirrors(Vec::new());
    let node = serve_with(&world, &told, AuditConfig::default(), mirrors, sections);
    let length = 131_072;
    let head = format!(
        "POST /v1/audits HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    // Each sends all but the last byte, and waits.
    let part = [head.as_bytes(), &vec![b' '; length - 1]].concat();
    let mut waiting: Vec<TcpStream> = Vec::new();
    for number in 1..=2_u32 {
        let mut stream = node.connect();
        stream.write_all(&part).expect("a connection");
        waiting.push(stream);
        until("held", || {
            node.figure("tenzik_bodies_bytes ") >= f64::from(131_072 * number)
        });
    }
    post(&node, "{}").refused(503, "busy");
    // A named caller has its room still: all of it.
    let long = format!("{{}}{}", " ".repeat(1_000_000));
    let answer = node.post("/v1/audits", Some(ALL), "application/json", long.as_bytes());
    answer.refused(400, "json");
    drop(waiting);
    until("room again", || post(&node, "{}").status == 400);
    // What a stranger sends is bounded more narrowly.
    post(&node, &long).refused(413, "body_too_large");
}

#[test]
fn strangers_have_a_budget_of_their_own() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[peer.run(&echo("0"))]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let config = AuditConfig {
        strangers: AuditBudget {
            fuel_per_day: 50_000_000,
            ..AuditBudget::default()
        },
        ..AuditConfig::default()
    };
    let mirror = world.pull("beta");
    let auditor = world.auditor_with(&told, config);
    let at = crate::world::now();
    let hand_in = |order| {
        let handed = Handed {
            receipt: peer.run(&order).to_bytes(),
            ..Handed::default()
        };
        let (_, finding) = auditor
            .hand_in(&world.peers, handed, at)
            .expect("a receipt");
        crate::world::word(&finding)
    };
    assert_eq!(hand_in(echo("1")), "same");
    assert_eq!(hand_in(echo("2")), "over_budget");
    // What is spent on samples is untouched.
    let audited = crate::world::audit(&auditor, &mirror, at).expect("an audit");
    assert_eq!(
        crate::world::words(&audited),
        crate::world::numbered(&["same"])
    );
    assert_eq!(
        auditor.sweep(at.plus_seconds(7 * 86_400)).expect("a disk"),
        2
    );
}
