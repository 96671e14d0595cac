//! Logs that lie, are cut or are damaged, and evidence: a typed error with its exit code, never a panic, never "ok".
#![cfg(unix)]

mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use machine::{Machine, capsule, json};
use tenzik_log::Frontier;
use tenzik_log::checkpoint::{Checkpoint, Origin};
use tenzik_log::evidence::{Evidence, contradiction};
use tenzik_log::note::{SignatureType, VerifierKey};
use tenzik_receipt::{
    Blake3, Claim, Disclosed, KeyUse, SecretKey, Sha256, SignedReceipt, Timestamp,
};

const ORIGIN: &str = "a.example/log";

/// A machine with a log of three receipts, and the log's key as others have it.
fn with_log() -> (Machine, String) {
    let machine = Machine::new();
    for name in ["1", "2", "3"] {
        let receipt = format!("{name}.json");
        machine.exits(
            0,
            &[
                "run",
                &capsule("echo"),
                "--input",
                name,
                "--receipt",
                &receipt,
            ],
        );
    }
    machine.exits(
        0,
        &["key", "gen", "--use", "checkpoint", "--out", "log.key"],
    );
    machine.exits(
        0,
        &[
            "log", "append", "--dir", "log", "--key", "log.key", "--origin", ORIGIN, "1.json",
            "2.json", "3.json",
        ],
    );
    let output = machine.exits(0, &["--json", "log", "key", "log.key", ORIGIN]);
    let key = json(&output)["key"].as_str().expect("a key").to_owned();
    (machine, key)
}

fn own_key(machine: &Machine) -> String {
    let output = machine.exits(0, &["--json", "key", "show"]);
    json(&output)["key"].as_str().expect("a key").to_owned()
}

fn files(machine: &Machine) -> Vec<PathBuf> {
    let files = [
        "log/log/checkpoint",
        "log/log/tile/0/000.p/3",
        "log/log/tile/entries/000.p/3",
    ];
    files.iter().map(|name| machine.path(name)).collect()
}

#[test]
fn a_byte_that_is_changed_anywhere_in_a_log_is_found() {
    let (machine, key) = with_log();
    let node = own_key(&machine);
    let verify = [
        "log", "verify", "--dir", "log", "--log", &key, "--node", &node,
    ];
    machine.exits(0, &verify);
    for path in files(&machine) {
        let whole = fs::read(&path).expect("a file");
        for index in (0..whole.len()).step_by(whole.len() / 12) {
            let mut changed = whole.clone();
            changed[index] ^= 1;
            fs::write(&path, &changed).expect("a file");
            let code = machine.run(&verify).status.code();
            assert!(
                matches!(code, Some(3 | 4)),
                "{} at {index}: {code:?}",
                path.display()
            );
        }
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..end]).expect("a file");
            machine.exits(3, &verify);
        }
        fs::write(&path, vec![b'x'; 20 << 20]).expect("a file");
        machine.exits(3, &verify);
        fs::write(&path, &whole).expect("a file");
    }
    machine.exits(0, &verify);
}

#[test]
fn a_range_is_checked_by_the_tiles_beside_it() {
    let (machine, key) = with_log();
    let verify = [
        "log", "verify", "--dir", "log", "--log", &key, "--from", "1", "--to", "2",
    ];
    machine.exits(0, &verify);
    let tile = machine.path("log/log/tile/0/000.p/3");
    let mut changed = fs::read(&tile).expect("a tile");
    changed[0] ^= 1;
    fs::write(&tile, changed).expect("a tile");
    machine.exits(3, &verify);
    fs::remove_file(&tile).expect("it was there");
    machine.exits(3, &verify);
}

#[test]
fn a_log_that_contradicts_what_it_signed_before_is_found() {
    let (machine, key) = with_log();
    let checkpoint = machine.path("log/log/checkpoint");
    fs::copy(&checkpoint, machine.path("old")).expect("a copy");
    machine.exits(
        0,
        &[
            "run",
            &capsule("echo"),
            "--input",
            "4",
            "--receipt",
            "4.json",
        ],
    );
    let append = [
        "log", "append", "--dir", "log", "--key", "log.key", "--origin", ORIGIN, "4.json",
    ];
    machine.exits(0, &append);
    let verify = [
        "log", "verify", "--dir", "log", "--log", &key, "--old", "old",
    ];
    machine.exits(0, &verify);
    let newer = fs::read(&checkpoint).expect("a checkpoint");
    fs::copy(machine.path("old"), &checkpoint).expect("a copy");
    machine.file("old", newer);
    let output = machine.exits(
        3,
        &[
            "--json", "log", "verify", "--dir", "log", "--log", &key, "--old", "old",
        ],
    );
    assert_eq!(json(&output)["checks"][2]["outcome"], "failed");
    // The records are ahead of this: the log goes on.
    machine.exits(0, &append);
    let secret =
        SecretKey::from_file(&fs::read(machine.path("log.key")).expect("a key")).expect("a key");
    let other = Checkpoint::new(
        Origin::new(ORIGIN).expect("an origin"),
        2,
        Sha256::of(b"another"),
    );
    machine.file("old", other.sign(&secret).expect("a log's key").to_bytes());
    machine.exits(3, &verify);
}

#[test]
fn a_proof_that_is_cut_changed_or_huge_is_refused() {
    let (machine, key) = with_log();
    let log = ["--dir", "log", "--log", &key, "--out", "proof"];
    machine.exits(0, &[&["log", "proof", "2.json"], &log[..]].concat());
    let whole = fs::read(machine.path("proof")).expect("a proof");
    let verify = ["verify", "2.json", "--proof", "proof", "--log", &key];
    machine.exits(0, &verify);
    for end in (0..whole.len()).step_by(37) {
        machine.file("proof", &whole[..end]);
        machine.exits(3, &verify);
    }
    for index in (0..whole.len()).step_by(11) {
        let mut changed = whole.clone();
        changed[index] ^= 1;
        machine.file("proof", changed);
        let code = machine.run(&verify).status.code();
        assert!(matches!(code, Some(3 | 4)), "at {index}: {code:?}");
    }
    machine.file("proof", vec![b'\n'; 200_000]);
    machine.exits(3, &verify);
    machine.file("proof", vec![b'\n'; 2_000_000]);
    machine.exits(3, &verify);
}

#[test]
fn a_log_is_not_gone_on_with_by_a_copy_that_is_behind() {
    let (machine, _) = with_log();
    let copied = std::process::Command::new("cp")
        .args(["-r", "log", "copy"])
        .current_dir(machine.0.path())
        .status();
    assert!(copied.expect("cp starts").success());
    machine.exits(
        0,
        &[
            "run",
            &capsule("echo"),
            "--input",
            "4",
            "--receipt",
            "4.json",
        ],
    );
    let append = |directory| {
        [
            "log", "append", "--dir", directory, "--key", "log.key", "--origin", ORIGIN, "4.json",
        ]
    };
    machine.exits(0, &append("log"));
    fs::copy(
        machine.path("log/log/checkpoint"),
        machine.path("copy/log/checkpoint"),
    )
    .expect("a copy");
    let output = machine.exits(3, &[&["--json"], &append("copy")[..]].concat());
    assert_eq!(json(&output)["error"]["code"], "log_behind");
}

/// The receipt with another output, signed by its own key.
fn forge(machine: &Machine) {
    let read = |name: &str| fs::read(machine.path(name)).expect("a file");
    let receipt = SignedReceipt::from_bytes(&read("1.json")).expect("a receipt");
    let mut receipt = receipt.receipt().clone();
    if let Claim::Wasm(claim) = &mut receipt.claim {
        claim.output = Some(Disclosed::Open(Blake3::of(b"a lie")));
    }
    let key = SecretKey::from_file(&read("home/data/keys/receipt.key")).expect("a key");
    let signed = key.sign_receipt(receipt).expect("a receipt of the key's");
    machine.file("forged.json", signed.to_bytes());
}

#[test]
fn a_forged_output_is_found_and_its_evidence_holds_for_others() {
    let (machine, key) = with_log();
    machine.file("input", "1");
    let echo = capsule("echo");
    let audit = |receipt| {
        [
            "--json",
            "audit",
            receipt,
            "--capsule",
            &echo,
            "--input",
            "input",
        ]
    };
    let output = machine.exits(0, &audit("1.json"));
    assert_eq!(json(&output)["finding"]["outcome"], "same");
    machine.exits(3, &audit("2.json"));
    forge(&machine);
    let output = machine.exits(3, &audit("forged.json"));
    let answer = json(&output);
    assert_eq!(answer["error"]["code"], "forged");
    assert_eq!(answer["finding"]["member"], "output");
    let file = answer["evidence"].as_str().expect("a file").to_owned();
    let node = own_key(&machine);
    let verify = ["audit", "--evidence", &file, "--log", &key, "--node", &node];
    machine.exits(0, &verify);
    let stranger = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    machine.exits(
        3,
        &[
            "audit",
            "--evidence",
            &file,
            "--log",
            &key,
            "--node",
            stranger,
        ],
    );
    let whole = fs::read(machine.path(&file)).expect("evidence");
    for end in [0, 1, whole.len() / 2, whole.len() - 1] {
        machine.file(&file, &whole[..end]);
        machine.exits(3, &verify);
    }
    let Ok(Evidence::ForgedClaim(mut honest)) = Evidence::from_bytes(&whole) else {
        panic!("it is of a forged claim");
    };
    honest.receipt = fs::read_to_string(machine.path("1.json")).expect("a receipt");
    machine.file(&file, Evidence::ForgedClaim(honest).to_bytes());
    machine.exits(3, &verify);
}

#[test]
fn two_trees_of_one_size_are_evidence_against_their_log_alone() {
    let machine = Machine::new();
    let secret = |seed| {
        let created_at = "2026-11-20T08:00:00Z".parse().expect("a time");
        SecretKey::from_seed(&[seed; 32], KeyUse::Checkpoint, created_at)
    };
    let signed = |root: &[u8]| {
        let origin = Origin::new(ORIGIN).expect("an origin");
        let checkpoint = Checkpoint::new(origin, 5, Sha256::of(root));
        checkpoint.sign(&secret(1)).expect("a log's key")
    };
    let (one, other) = (signed(b"one"), signed(b"other"));
    let evidence = contradiction(&one, &other, None).expect("they contradict each other");
    machine.file("evidence", evidence.to_bytes());
    machine.exits(
        0,
        &["key", "gen", "--use", "checkpoint", "--out", "other.key"],
    );
    let output = machine.exits(0, &["--json", "log", "key", "other.key", ORIGIN]);
    let other = json(&output)["key"].as_str().expect("a key").to_owned();
    let node = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    let verify = |key| {
        [
            "--json",
            "audit",
            "--evidence",
            "evidence",
            "--log",
            key,
            "--node",
            node,
        ]
    };
    let own = one.signer().to_string();
    assert_eq!(
        json(&machine.exits(0, &verify(&own)))["kind"],
        "equivocation"
    );
    machine.exits(3, &verify(&other));
}

#[test]
fn a_log_that_is_followed_shows_what_comes_and_may_not_become_shorter() {
    let (machine, _) = with_log();
    let checkpoint = machine.path("log/log/checkpoint");
    let old = fs::read(&checkpoint).expect("a checkpoint");
    let mut following = machine
        .command(&[
            "--json", "log", "tail", "--dir", "log", "--lines", "1", "--follow",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let mut lines = BufReader::new(following.stdout.take().expect("a pipe")).lines();
    let mut next = || -> serde_json::Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["index"], 2);
    machine.exits(
        0,
        &[
            "run",
            &capsule("echo"),
            "--input",
            "4",
            "--receipt",
            "4.json",
        ],
    );
    machine.exits(
        0,
        &[
            "log", "append", "--dir", "log", "--key", "log.key", "--origin", ORIGIN, "4.json",
        ],
    );
    assert_eq!(next()["index"], 3);
    fs::write(&checkpoint, old).expect("a checkpoint");
    assert_eq!(next()["error"]["code"], "log_behind");
    assert_eq!(following.wait().expect("it ends").code(), Some(3));
}

/// A log whose entries are as long as they may be, behind a URL: more than is held at once.
fn long_log() -> (String, String) {
    const SIZE: usize = 1_100;
    let key = SecretKey::from_seed(&[9; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
    let origin = Origin::new(ORIGIN).expect("an origin");
    let leaves: Vec<_> = (0..SIZE)
        .map(|number| format!("{number:032767}").into_bytes())
        .collect();
    let mut frontier = Frontier::new();
    let tiles = frontier.extend(&leaves).expect("leaves");
    let head = Checkpoint::new(origin.clone(), SIZE as u64, frontier.root());
    let head = head.sign(&key).expect("a log's key");
    let name = origin.name().clone();
    let verifier = VerifierKey::new(name, SignatureType::Ed25519, key.public()).expect("a key");
    let mut files: BTreeMap<_, _> = tiles
        .into_iter()
        .map(|(path, bytes)| (format!("/log/{path}"), bytes))
        .collect();
    files.insert("/log/checkpoint".to_owned(), head.to_bytes());
    (serve(files), verifier.to_string())
}

/// Serves files until the test ends.
fn serve(files: BTreeMap<String, Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let mut lines = BufReader::new(stream.try_clone().expect("a clone")).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            // The rest of the head is read, or closing would take back the answer.
            lines
                .by_ref()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .for_each(drop);
            let path = first.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match files.get(path) {
                Some(body) => ("200 OK", body.as_slice()),
                None => ("404 Not Found", &[][..]),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    url
}

#[test]
fn what_was_taken_before_the_network_broke_is_told() {
    let (machine, _) = with_log();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        // It takes the first, and goes away before the second is answered.
        for number in 0..2 {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 16_384];
            let read = stream.read(&mut request).expect("a request");
            assert!(read > 0);
            if number == 0 {
                let body = "{\"index\":7,\"known\":false}";
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).expect("an answer");
            }
        }
    });
    let append = ["--json", "log", "append", "1.json", "2.json", "3.json"];
    let output = machine.exits(1, &[&append[..], &["--url", &url]].concat());
    let told = json(&output);
    assert_eq!(told["error"]["code"], "network");
    assert_eq!(told["entries"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["entries"][0]["index"], 7);
}

#[test]
fn a_step_that_is_shorter_than_was_asked_for_leaves_nothing_out() {
    let machine = Machine::new();
    let (url, key) = long_log();
    let verify = ["--json", "log", "verify", "--url", &url, "--log", &key];
    // What is no receipt fails; the tree is another check.
    let output = machine.exits(3, &[&verify[..], &["--from", "1"]].concat());
    let checks = json(&output)["checks"].clone();
    let tree = checks
        .as_array()
        .into_iter()
        .flatten()
        .find(|check| check["name"] == "tree");
    let tree = tree.expect("a check of the tree");
    assert_eq!(tree["outcome"], "passed", "{tree}");
    let output = machine.exits(0, &["log", "tail", "--url", &url, "--lines", "2000"]);
    let shown = String::from_utf8(output.stdout).expect("text");
    let indexes: Vec<_> = shown
        .lines()
        .map(|line| line.split(' ').next().expect("an index"))
        .collect();
    let all: Vec<_> = (0..1_100).map(|index| index.to_string()).collect();
    assert_eq!(indexes, all);
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_receipts_beside_it() {
    let machine = Machine::new();
    machine.exits(0, &["run", &capsule("echo"), "--input", "1"]);
    let name = format!("home/data/receipts/{}.json", "0".repeat(64));
    machine.file(&name, vec![b' '; 2 << 20]);
    let output = machine.exits(0, &["--json", "receipts", "ls"]);
    assert_eq!(json(&output)["receipts"].as_array().map(Vec::len), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("left out"));
}
