//! Blobs over HTTP: who may do what, and what nobody learns.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;
use tenzik_node::blobs::{Blobs, BlobsConfig, HeldCapsules};
use tenzik_receipt::Blake3;
use tenzik_store::{DiskStorage, Records};

use crate::common::{ALL, Answer, NONE, TestNode, capsule_file, order_total};

const ADA: &str = "token-of-ada-who-leaves-blobs-0000000001";
const BOB: &str = "token-of-bob-who-leaves-blobs-0000000002";
const PEER: &str = "token-of-a-peer-that-audits-000000000003";
const ADMIN: &str = "token-of-an-admin-without-more-000000004";
const RUNNER: &str = "token-of-one-who-runs-capsules-000000005";

const BYTES: &[u8] = b"{\"name\":\"Ada\"}";

struct Home {
    node: TestNode,
    files: std::path::PathBuf,
    _storage: DiskStorage,
}

fn home() -> Home {
    let directory = TempDir::new().expect("a directory");
    let row = |name: &str, token: &str, roles: &str| {
        let digest = Blake3::of(token.as_bytes());
        format!("[[caller]]\nname = \"{name}\"\ntokens = [\"{digest}\"]\nroles = [{roles}]\n")
    };
    let callers = row("ada", ADA, "\"blobs\", \"run\"")
        + &row("bob", BOB, "\"blobs\", \"run\"")
        + &row("peer", PEER, "\"peer\"")
        + &row("admin", ADMIN, "\"admin\"")
        + &row("runner", RUNNER, "\"run\"");
    std::fs::write(directory.path().join("more-callers.toml"), callers).expect("callers");
    let storage = DiskStorage::at(directory.path().join("store")).expect("a storage");
    let records = Records::new(storage.database()).expect("records");
    let config = BlobsConfig {
        blob_bytes_max: 100_000,
        owner_bytes_max: 200_000,
        ..BlobsConfig::default()
    };
    let files = directory.path().join("blobs");
    let blobs = Arc::new(Blobs::open(files.clone(), records, config).expect("blobs"));
    let parts = |parts: &mut tenzik_node::Parts| {
        parts.blobs = Some(Arc::clone(&blobs));
        parts.capsules = Some(Arc::new(HeldCapsules(blobs)));
    };
    let node = TestNode::start_in(directory, "", parts, |routes| routes);
    Home {
        node,
        files,
        _storage: storage,
    }
}

impl Home {
    fn put(&self, token: Option<&str>, digest: &str, query: &str, bytes: &[u8]) -> Answer {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let head = format!(
            "PUT /v1/blobs/{digest}{query} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{}content-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
            token.unwrap_or_default(),
            bytes.len()
        );
        self.node.send(&[head.as_bytes(), bytes].concat())
    }

    fn keep(&self, token: &str, bytes: &[u8]) -> Answer {
        let digest = Blake3::of(bytes).to_string();
        self.put(Some(token), &digest, "?class=input&keep_s=60", bytes)
    }

    fn get(&self, token: Option<&str>, digest: &str) -> Answer {
        self.node
            .ask("GET", &format!("/v1/blobs/{digest}"), token, None)
    }

    fn is_file(&self, digest: &str) -> bool {
        self.files.join(&digest[7..]).exists()
    }
}

/// An answer without its date.
fn told(answer: &Answer) -> (u16, Vec<String>, Vec<u8>) {
    let head = answer
        .head
        .lines()
        .filter(|line| !line.starts_with("date:"));
    let varies =
        |line: &&str| !line.starts_with("x-request-id") && !line.starts_with("traceparent");
    let head = head.filter(varies).map(str::to_owned).collect();
    (answer.status, head, answer.body.clone())
}

#[test]
fn what_is_absent_and_what_is_forbidden_look_the_same() {
    let home = home();
    assert_eq!(home.keep(ADA, BYTES).status, 201);
    let held = Blake3::of(BYTES).to_string();
    let absent = Blake3::of(b"nobody left this").to_string();
    let readers = |token: &str, digest: &str| {
        let path = format!("/v1/blobs/{digest}/readers");
        let body = json!({"readers": ["peer"], "peers": true});
        home.node.ask("PUT", &path, Some(token), Some(&body))
    };
    let erase = |token: &str, digest: &str| {
        let path = format!("/v1/blobs/{digest}");
        home.node.ask("DELETE", &path, Some(token), None)
    };
    for token in [BOB, PEER, ADMIN, RUNNER, NONE, ALL] {
        let [one, other] = [&held, &absent].map(|digest| home.get(Some(token), digest));
        one.refused(404, "not_found");
        assert_eq!(told(&one), told(&other));
        let [one, other] = [&held, &absent].map(|digest| readers(token, digest));
        assert_eq!(told(&one), told(&other));
        one.refused(404, "not_found");
    }
    for token in [BOB, PEER, RUNNER, NONE] {
        let [one, other] = [&held, &absent].map(|digest| erase(token, digest));
        one.refused(404, "not_found");
        assert_eq!(told(&one), told(&other));
    }
    let [one, other] = [&held, &absent].map(|digest| home.get(None, digest));
    one.refused(401, "unauthorized");
    assert_eq!(told(&one), told(&other));
    let read = home.get(Some(ADA), &held);
    assert_eq!((read.status, &read.body[..]), (200, BYTES));
    for header in [
        "application/octet-stream",
        "cache-control: no-store",
        "nosniff",
    ] {
        assert!(read.head.contains(header), "{}", read.head);
    }
    for digest in [
        "x",
        "blake3:",
        "sha256:00",
        &held.to_uppercase(),
        "%2e%2e%2fx",
    ] {
        home.get(Some(ADA), digest).refused(404, "not_found");
    }
}

#[test]
fn an_owner_names_readers_and_takes_it_back() {
    let home = home();
    home.keep(ADA, BYTES);
    let digest = Blake3::of(BYTES).to_string();
    let path = format!("/v1/blobs/{digest}/readers");
    let set = |body: serde_json::Value| home.node.ask("PUT", &path, Some(ADA), Some(&body));
    let readers = |expected: [u16; 4]| {
        let tokens = [BOB, PEER, ADMIN, RUNNER];
        let statuses = tokens.map(|token| home.get(Some(token), &digest).status);
        assert_eq!(statuses, expected);
    };
    readers([404; 4]);
    assert_eq!(set(json!({"readers": ["bob", "runner"]})).status, 204);
    readers([200, 404, 404, 200]);
    assert_eq!(set(json!({"peers": true})).status, 204);
    readers([404, 200, 404, 404]);
    set(json!({"readers": ["\n"]})).refused(422, "readers");
    set(json!({"readers": "bob"})).refused(400, "json");
    set(json!({"owner": "bob"})).refused(400, "json");
    readers([404, 200, 404, 404]);
    // An admin does not read, and erases.
    let path = format!("/v1/blobs/{digest}");
    assert_eq!(
        home.node.ask("DELETE", &path, Some(ADMIN), None).status,
        204
    );
    assert!(!home.is_file(&digest));
    home.get(Some(ADA), &digest).refused(404, "not_found");
}

#[test]
fn two_owners_of_one_blob_do_not_learn_of_each_other() {
    let home = home();
    let digest = Blake3::of(BYTES).to_string();
    let [first, second] = [ADA, BOB].map(|token| home.keep(token, BYTES));
    assert_eq!(told(&first), told(&second));
    assert_eq!(home.keep(ADA, BYTES).status, 200, "her own, again");
    let path = format!("/v1/blobs/{digest}");
    assert_eq!(home.node.ask("DELETE", &path, Some(ADA), None).status, 204);
    home.get(Some(ADA), &digest).refused(404, "not_found");
    assert_eq!(home.get(Some(BOB), &digest).body, BYTES);
    assert_eq!(home.node.ask("DELETE", &path, Some(BOB), None).status, 204);
    assert!(!home.is_file(&digest), "gone before the answer");
}

#[test]
fn bodies_are_held_against_digest_and_bounds() {
    let home = home();
    let digest = Blake3::of(BYTES).to_string();
    let query = "?class=input&keep_s=60";
    home.put(None, &digest, query, BYTES)
        .refused(401, "unauthorized");
    home.put(Some(RUNNER), &digest, query, BYTES)
        .refused(403, "forbidden");
    home.put(Some(ADA), &digest, query, b"other bytes")
        .refused(422, "digest");
    home.put(Some(ADA), "blake3:00", query, BYTES)
        .refused(400, "digest");
    for query in [
        "",
        "?class=input",
        "?class=other&keep_s=1",
        "?class=input&keep_s=-1",
        "?class=input&keep_s=1&more=1",
        "?class=input&keep_s=1&keep_s=2",
        "?class=input&keep_s=1&peers=perhaps",
        "?%00",
    ] {
        home.put(Some(ADA), &digest, query, BYTES)
            .refused(400, "query");
    }
    for keep_s in ["0", "18446744073709551615"] {
        let query = format!("?class=input&keep_s={keep_s}");
        home.put(Some(ADA), &digest, &query, BYTES)
            .refused(422, "keep_s");
    }
    let large = vec![7; 100_001];
    let name = Blake3::of(&large).to_string();
    home.put(Some(ADA), &name, query, &large)
        .refused(413, "body_too_large");
    for number in 0..2_u8 {
        assert_eq!(home.keep(ADA, &[number; 100_000]).status, 201);
    }
    home.keep(ADA, BYTES).refused(507, "full");
    assert!(!home.is_file(&digest));
    assert_eq!(home.keep(BOB, BYTES).status, 201, "he has room of his own");
}

#[test]
fn a_run_keeps_what_it_is_told_to_and_capsules_run_by_digest() {
    let home = home();
    let capsule = Blake3::of(&capsule_file("order-total/order-total.wasm")).to_string();
    let input = Blake3::of(&capsule_file("order-total/example.json")).to_string();
    let run = |token: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut body = order_total();
        change(&mut body);
        home.node.ask("POST", "/v1/runs", Some(token), Some(&body))
    };
    let keep = json!({"capsule": true, "input": true, "keep_s": 60, "peers": true});
    run(RUNNER, &|body| body["keep"] = keep.clone()).refused(403, "forbidden");
    run(ADA, &|body| {
        body["keep"] = keep.clone();
        body["secret"] = "00".repeat(32).into();
    })
    .refused(400, "field");
    run(ADA, &|body| body["keep"] = json!({"keep_s": 60, "more": 1})).refused(400, "json");
    run(ADA, &|body| {
        body["keep"] = json!({"capsule": true, "keep_s": 0})
    })
    .refused(422, "keep_s");
    assert_eq!(
        home.get(Some(ADA), &capsule).status,
        404,
        "nothing was kept so far"
    );
    let by_digest = |body: &mut serde_json::Value| {
        body.as_object_mut()
            .expect("an object")
            .remove("capsule_base64");
        body["capsule"] = capsule.clone().into();
    };
    run(ADA, &by_digest).refused(404, "not_found");
    assert_eq!(run(ADA, &|body| body["keep"] = keep.clone()).status, 200);
    assert_eq!(run(ADA, &by_digest).json()["status"], "ok");
    run(BOB, &by_digest).refused(404, "not_found");
    for digest in [&capsule, &input] {
        assert_eq!(home.get(Some(PEER), digest).status, 200);
        home.get(Some(BOB), digest).refused(404, "not_found");
    }
    // What may be read and is no capsule is not run.
    run(ADA, &|body| {
        by_digest(body);
        body["capsule"] = input.clone().into();
    })
    .refused(404, "not_found");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_path_or_query_makes_the_node_fail(text in "[ -~]{0,40}", query in "[!-~]{0,40}") {
        static HOME: std::sync::OnceLock<Home> = std::sync::OnceLock::new();
        let home = HOME.get_or_init(home);
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let read = home.get(Some(ADA), &encoded);
        prop_assert!((400..500).contains(&read.status), "{}", read.head);
        let put = home.put(Some(ADA), &encoded, &format!("?{}", query.replace('#', "")), BYTES);
        prop_assert!((400..500).contains(&put.status), "{}", put.head);
    }
}
