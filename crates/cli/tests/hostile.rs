//! Bad input, bad files, bad disks: a typed error and its exit code, never a panic, never lost output.
#![cfg(unix)]

mod machine;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use machine::{Machine, capsule, json, mode};

#[test]
fn files_have_the_modes_that_they_should_have() {
    let machine = Machine::new();
    machine.exits(0, &["run", &capsule("echo"), "--receipt", "receipt.json"]);
    machine.exits(0, &["key", "gen", "--out", "node.key"]);
    assert_eq!(mode(&machine.path("node.key")), 0o600);
    assert_eq!(mode(&machine.path("receipt.json")), 0o644);
    assert_eq!(mode(&machine.path("home/data/keys/receipt.key")), 0o600);
    assert_eq!(mode(&machine.path("home/data/keys")), 0o700);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let machine = Machine::new();
    machine.exits(0, &["key", "gen", "--out", "node.key"]);
    for bits in [0o644, 0o640, 0o604, 0o620] {
        let permissions = fs::Permissions::from_mode(bits);
        fs::set_permissions(machine.path("node.key"), permissions).expect("a mode");
        let output = machine.exits(1, &["--json", "run", &capsule("echo"), "--key", "node.key"]);
        let error = &json(&output)["error"];
        assert_eq!(error["code"], "key_mode");
        assert!(
            error["hint"]
                .as_str()
                .is_some_and(|hint| hint.contains("chmod 600"))
        );
    }
}

#[test]
fn a_key_that_was_cut_or_changed_is_refused() {
    let machine = Machine::new();
    machine.exits(0, &["key", "gen", "--out", "node.key"]);
    let whole = fs::read(machine.path("node.key")).expect("the key");
    let refused = |bytes: &[u8]| {
        fs::write(machine.path("node.key"), bytes).expect("a file");
        let output = machine.exits(1, &["--json", "key", "show", "node.key"]);
        assert_eq!(json(&output)["error"]["code"], "key_form");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("secret\":\""));
    };
    for end in [0, 1, whole.len() / 2, whole.len() - 2] {
        refused(&whole[..end]);
    }
    for index in (0..whole.len()).step_by(7) {
        let mut changed = whole.clone();
        changed[index] ^= 1;
        if changed != whole && index + 1 < whole.len() && !in_date(&whole, index) {
            refused(&changed);
        }
    }
    refused(&[whole.clone(), vec![b'x'; 10_000]].concat());
}

/// A key file's date may be another: nothing hangs on it.
fn in_date(file: &[u8], index: usize) -> bool {
    let start = file.windows(14).position(|w| w == b"\"created_at\":\"");
    start.is_some_and(|start| (start + 14..start + 34).contains(&index))
}

#[test]
fn a_full_disk_costs_the_receipt_and_not_the_output() {
    let machine = Machine::new();
    let output = machine.exits(
        1,
        &[
            "run",
            &capsule("echo"),
            "--input",
            "[1]",
            "--receipt",
            "/dev/full",
        ],
    );
    assert_eq!(output.stdout, b"[1]");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("error[receipt_not_written]"), "{told}");
    assert!(told.contains("\"type\":\"tenzik/receipt/v1\""), "{told}");
    let output = machine.exits(
        1,
        &[
            "--json",
            "run",
            &capsule("echo"),
            "--input",
            "[1]",
            "--receipt",
            "/dev/full",
        ],
    );
    let answer = json(&output);
    assert_eq!(answer["output"], "[1]");
    assert_eq!(answer["error"]["code"], "receipt_not_written");
}

#[test]
fn a_limit_on_file_sizes_is_an_error_and_leaves_no_half_receipt() {
    let machine = Machine::new();
    machine.exits(0, &["init"]);
    for json in ["", "--json "] {
        let line = format!(
            "ulimit -f 0; exec {} {json}run {} --input '[1]' --receipt receipt.json",
            env!("CARGO_BIN_EXE_tenzik"),
            capsule("echo")
        );
        let output = Command::new("sh")
            .args(["-c", &line])
            .env("TENZIK_HOME", machine.path("home"))
            .current_dir(machine.0.path())
            .output()
            .expect("a shell");
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("[1]"));
        assert!(!machine.path("receipt.json").exists());
    }
}

#[test]
fn an_output_that_nobody_takes_still_has_a_receipt() {
    let machine = Machine::new();
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("a device");
    let output = machine
        .command(&[
            "run",
            &capsule("echo"),
            "--input",
            "[1]",
            "--receipt",
            "receipt.json",
        ])
        .stdout(full)
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("output_not_written"));
    machine.exits(0, &["verify", "receipt.json"]);
}

#[test]
fn a_receipt_with_one_bit_changed_anywhere_does_not_pass() {
    let machine = Machine::new();
    machine.exits(0, &["run", &capsule("echo"), "--receipt", "receipt.json"]);
    let whole = fs::read(machine.path("receipt.json")).expect("the receipt");
    for bit in (0..whole.len() * 8).step_by(8).map(|bit| bit + bit / 8 % 8) {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        machine.file("changed.json", &changed);
        let code = machine.run(&["verify", "changed.json"]).status.code();
        assert!(matches!(code, Some(3 | 4)), "bit {bit}: {code:?}");
    }
    for end in [0, 1, whole.len() / 2, whole.len() - 1] {
        machine.file("changed.json", &whole[..end]);
        machine.exits(3, &["verify", "changed.json"]);
    }
    machine.file("changed.json", [whole.as_slice(), b"\n"].concat());
    machine.exits(3, &["verify", "changed.json"]);
}

#[test]
fn modules_of_any_bytes_are_refused_with_a_receipt() {
    let machine = Machine::new();
    let honest = fs::read(capsule("order-total")).expect("the capsule");
    machine.file("half.wasm", &honest[..honest.len() / 2]);
    machine.file(
        "noise.wasm",
        (0..4_000_u32)
            .map(|n| (n * n % 251) as u8)
            .collect::<Vec<_>>(),
    );
    File::create(machine.path("huge.wasm"))
        .and_then(|file| file.set_len(100 * 1024 * 1024))
        .expect("a sparse file");
    for name in ["half.wasm", "noise.wasm", "huge.wasm"] {
        machine.exits(6, &["check", name]);
        machine.exits(6, &["inspect", name]);
        machine.exits(6, &["run", name, "--receipt", "receipt.json"]);
        machine.exits(
            0,
            &["verify", "receipt.json", "--require", "status=refused"],
        );
    }
    machine.exits(6, &["check", "/dev/zero"]);
}

#[test]
fn json_that_is_not_strict_is_refused() {
    let machine = Machine::new();
    let deep = [vec![b'['; 10_000], vec![b']'; 10_000]].concat();
    let deep = format!("@{}", machine.file("deep.json", deep));
    for input in [
        deep.as_str(),
        r#"{"a":1,"a":2}"#,
        r#""\ud800""#,
        "",
        "nul",
        "[1,]",
    ] {
        let output = machine.exits(2, &["--json", "run", &capsule("echo"), "--input", input]);
        let answer = json(&output);
        assert_eq!(answer["error"]["code"], "input_json", "{input}");
        assert_eq!(answer["status"], "refused");
        assert_eq!(answer["receipt"]["claim"]["kind"], "refused");
    }
    machine.exits(8, &["run", &capsule("echo"), "--input", "@/dev/zero"]);
}

#[test]
fn large_integers_pass_through_unchanged() {
    let machine = Machine::new();
    for input in [
        "9007199254740993",
        "[1e400,-0,123456789012345678901234567890]",
    ] {
        let output = machine.exits(0, &["run", &capsule("echo"), "--input", input]);
        assert_eq!(output.stdout, input.as_bytes());
    }
}

#[test]
fn stdin_is_read_for_one_thing() {
    let machine = Machine::new();
    let output = machine.fed(&["run", &capsule("echo"), "--input", "-"], b"[7]");
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(0), &b"[7]"[..])
    );
    let module = fs::read(capsule("echo")).expect("the capsule");
    let output = machine.fed(
        &["run", "-", "--input", "[8]", "--receipt", "r.json"],
        &module,
    );
    assert_eq!(output.stdout, b"[8]");
    let receipt = fs::read(machine.path("r.json")).expect("the receipt");
    let output = machine.fed(&["verify", "-", "--capsule", &capsule("echo")], &receipt);
    assert_eq!(output.status.code(), Some(0));
    machine.exits(2, &["verify", "-", "--input", "-"]);
}

#[test]
fn bytes_that_are_no_text_come_out_as_they_are_and_in_base64() {
    let machine = Machine::new();
    let input = format!("@{}", machine.file("input.bin", b"\xff\0\x80"));
    let args = [
        "run",
        &capsule("echo"),
        "--input-type",
        "bytes",
        "--input",
        &input,
    ];
    assert_eq!(machine.exits(0, &args).stdout, b"\xff\0\x80");
    let answer = json(&machine.exits(0, &[&args[..], &["--json"]].concat()));
    assert_eq!(
        (&answer["output"], &answer["output_encoding"]),
        (&"/wCA".into(), &"base64".into())
    );
    assert_eq!(answer["version"], 1);
}

#[test]
fn the_receipt_in_a_json_answer_is_the_receipt() {
    let machine = Machine::new();
    let args = [
        "run",
        &capsule("echo"),
        "--json",
        "--receipt",
        "receipt.json",
    ];
    let answer = json(&machine.exits(0, &args));
    let file = fs::read(machine.path("receipt.json")).expect("the receipt");
    assert_eq!(answer["receipt"].to_string().as_bytes(), file);
}

#[test]
fn a_private_run_is_opened_by_its_secret_alone() {
    let machine = Machine::new();
    machine.file("secret", "11".repeat(32));
    fs::set_permissions(machine.path("secret"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let (echo, seed) = (capsule("echo"), "22".repeat(32));
    machine.file("input.json", "[1]");
    let secret = ["--secret", "secret", "--seed", &seed];
    let run = [
        "run",
        &echo,
        "--input",
        "@input.json",
        "--receipt",
        "r.json",
    ];
    machine.exits(0, &[&run[..], &secret].concat());
    let receipt = fs::read_to_string(machine.path("r.json")).expect("the receipt");
    assert!(receipt.contains("blake3-keyed:") && !receipt.contains(&seed));
    let verify = ["verify", "r.json", "--input", "input.json"];
    machine.exits(4, &verify);
    machine.exits(0, &[&verify[..], &secret[..2]].concat());
    let replay = [
        "replay",
        "r.json",
        "--capsule",
        &echo,
        "--input",
        "input.json",
    ];
    machine.exits(4, &replay);
    machine.exits(0, &[&replay[..], &secret].concat());
}

#[test]
fn a_request_can_be_signed_and_answers_a_challenge() {
    let machine = Machine::new();
    let made = machine.exits(0, &["key", "gen", "--use", "requester", "--out", "me.key"]);
    let key = String::from_utf8(made.stdout).expect("text");
    let challenge = "ab".repeat(16);
    machine.exits(
        0,
        &[
            "run",
            &capsule("echo"),
            "--requester",
            "me.key",
            "--audience",
            "me",
            "--challenge",
            &challenge,
            "--expires",
            "2999-01-01T00:00:00Z",
            "--receipt",
            "r.json",
        ],
    );
    machine.exits(0, &["key", "trust", key.trim(), "--use", "requester"]);
    let verify = ["verify", "r.json", "--audience", "me", "--challenge"];
    let output = machine.exits(0, &[&verify[..], &[&challenge]].concat());
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(
        told.contains("signed by its requester, seed and clock included"),
        "{told}"
    );
    machine.exits(3, &[&verify[..], &["cd".repeat(16).as_str()]].concat());
}

#[test]
fn an_older_trust_file_is_refused() {
    let machine = Machine::new();
    machine.exits(0, &["run", &capsule("echo"), "--receipt", "r.json"]);
    let trust = machine.path("home/config/trust.json");
    let older = fs::read(&trust).expect("the trust file");
    let key = machine.exits(0, &["key", "show"]).stdout;
    let key = String::from_utf8(key).expect("text");
    machine.exits(0, &["key", "revoke", key.trim()]);
    machine.exits(3, &["verify", "r.json"]);
    fs::write(&trust, older).expect("the trust file");
    let output = machine.exits(4, &["--json", "verify", "r.json"]);
    assert_eq!(json(&output)["error"]["code"], "trust_rolled_back");
}

#[test]
fn a_key_that_is_trusted_later_counts_for_what_it_signed_before() {
    let machine = Machine::new();
    machine.exits(0, &["key", "gen", "--out", "node.key"]);
    let key = machine.exits(0, &["key", "show", "node.key"]).stdout;
    let key = String::from_utf8(key).expect("text");
    let run = ["run", &capsule("echo"), "--key", "node.key"];
    machine.exits(0, &[&run[..], &["--receipt", "r.json"]].concat());
    let trust = ["key", "trust", key.trim(), "--trust", "t.json"];
    machine.exits(0, &trust);
    machine.exits(0, &["verify", "r.json", "--trust", "t.json"]);
    let later = ["--from", "2999-01-01T00:00:00Z"];
    machine.exits(0, &[&trust[..], &later].concat());
    let output = machine.exits(3, &["--json", "verify", "r.json", "--trust", "t.json"]);
    let hint = json(&output)["error"]["hint"].to_string();
    assert!(hint.contains("--from TIME"), "{hint}");
}

#[test]
fn a_revoked_key_of_ones_own_is_told() {
    let machine = Machine::new();
    machine.exits(0, &["init"]);
    let key = machine.exits(0, &["key", "show"]).stdout;
    let key = String::from_utf8(key).expect("text");
    machine.exits(0, &["key", "revoke", key.trim()]);
    let output = machine.exits(1, &["--json", "doctor"]);
    let parts = json(&output)["parts"].clone();
    let part = parts.as_array().expect("parts").iter();
    let part = part.clone().find(|part| part["name"] == "key");
    assert_eq!(part.expect("the key")["state"], "not_ready");
    let output = machine.exits(0, &["run", &capsule("echo")]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("was revoked at"), "{told}");
}

#[test]
fn a_newline_after_a_receipt_is_told_from_what_is_no_receipt() {
    let machine = Machine::new();
    machine.exits(0, &["run", &capsule("echo"), "--receipt", "r.json"]);
    let mut bytes = fs::read(machine.path("r.json")).expect("the receipt");
    bytes.push(b'\n');
    for (bytes, words) in [
        (bytes.as_slice(), "nothing may follow"),
        (b"{}", "expected a receipt"),
    ] {
        machine.file("other.json", bytes);
        let output = machine.exits(3, &["--json", "receipts", "show", "other.json"]);
        let message = json(&output)["error"]["message"].to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn an_error_names_its_run_and_a_private_inputs_digest_stays_on_stderr() {
    let machine = Machine::new();
    machine.file("secret", "11".repeat(32));
    fs::set_permissions(machine.path("secret"), fs::Permissions::from_mode(0o600)).expect("a mode");
    let run = ["--json", "run", &capsule("echo"), "--fuel", "1"];
    let error = json(&machine.exits(8, &run))["error"].clone();
    assert!(error["capsule"].is_string() && error["input"].is_string());
    let output = machine.exits(8, &[&run[..], &["--secret", "secret"]].concat());
    let error = json(&output)["error"].clone();
    assert!(error["capsule"].is_string() && error["input"].is_null());
}

#[test]
fn configuration_is_layered_and_strict() {
    let machine = Machine::new();
    fs::create_dir_all(machine.path("home/config")).expect("a directory");
    machine.file(
        "home/config/config.toml",
        "preset = \"production\"\n[limits]\nfuel = 7\n",
    );
    let show = ["config", "show", "--origin", "--json"];
    let settings = json(&machine.exits(0, &show))["settings"].clone();
    assert_eq!(settings["preset"]["value"], "production");
    assert_eq!(settings["security.input_bytes_max"]["value"], 4_194_304);
    machine.file("tenzik.toml", "[limits]\nfuel = 8\n");
    let settings = json(&machine.exits(0, &show))["settings"].clone();
    assert_eq!(
        settings["limits.fuel"],
        serde_json::json!({"value": 8, "origin": "tenzik.toml"})
    );
    machine.exits(8, &["run", &capsule("echo")]);
    // A ceiling below a default lowers it.
    let output = machine
        .command(&show)
        .env("TENZIK_SECURITY_LIMITS_MAX_FUEL", "6")
        .output()
        .expect("it starts");
    assert_eq!(json(&output)["settings"]["limits.fuel"]["value"], 6);
    let output = machine
        .command(&["run", &capsule("echo")])
        .env("TENZIK_LIMITS_FUEL", "100000")
        .output()
        .expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    for wrong in [
        "fuel = 8",
        "[limits]\nfule = 8",
        "[limits]\nfuel = 0",
        "[limits]\nfuel = \"8\"",
        "preset = \"dev\"",
        "trust = \"mine.json\"",
        "key = \"mine.key\"",
        "[[",
        "\u{1b}[2J = 1",
        "limits = 3",
        "[preset]\na = 1",
    ] {
        machine.file("tenzik.toml", wrong);
        let output = machine.exits(2, &["--json", "config", "show"]);
        assert_eq!(json(&output)["error"]["code"], "config", "{wrong}");
        assert!(!output.stdout.contains(&0x1b));
    }
}

#[test]
fn a_capsules_words_cannot_steer_a_terminal() {
    let machine = Machine::new();
    // Calls `fail` with an escape sequence that clears the screen.
    let module = b"\0asm\x01\0\0\0\x01\x09\x02\x60\x02\x7f\x7f\0\x60\0\0\x02\x12\x01\x09tenzik_v1\x04fail\0\0\
        \x03\x02\x01\x01\x05\x03\x01\0\x01\x07\x10\x02\x06memory\x02\0\x03run\0\x01\
        \x0a\x0a\x01\x08\0\x41\0\x41\x06\x10\0\x0b\x0b\x0c\x01\0\x41\0\x0b\x06\x1b[2J\xc2\x9b";
    machine.file("rude.wasm", module);
    let output = machine.exits(7, &["run", "rude.wasm"]);
    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&0x9b));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\\u{1b}[2J"));
    let output = machine.exits(7, &["--json", "run", "rude.wasm"]);
    assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&0x9b));
}

#[test]
fn pages_and_completions_are_made() {
    let machine = Machine::new();
    fs::create_dir(machine.path("man")).expect("a directory");
    machine.exits(0, &["man", "--dir", "man"]);
    assert!(machine.path("man/tenzik-run.1").exists());
    assert!(machine.path("man/tenzik-key-gen.1").exists());
    machine.exits(9, &["man", "--dir", "nowhere"]);
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(!machine.exits(0, &["completions", shell]).stdout.is_empty());
    }
}
