//! The transcripts in `cmd/`: one for each behaviour, each played on a fresh machine.
//!
//! `TRYCMD=overwrite cargo test -p tenzik-cli --test transcripts` writes what the commands give now; read the difference,
//! and put `[..]` where digests stand: capsules and rules may change.
#![cfg(unix)]

mod machine;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use machine::ASK;
use tenzik_receipt::{KeyUse, SecretKey};

/// Plays one transcript, in a directory of its own that has the capsules in it.
fn play(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let transcript = root.join("tests/cmd").join(format!("{name}.trycmd"));
    let scratch = tempfile::tempdir().expect("a directory");
    let copy = scratch.path().join(format!("{name}.trycmd"));
    fs::copy(&transcript, &copy).expect("the transcript");
    let inside = scratch.path().join(format!("{name}.in"));
    fs::create_dir(&inside).expect("a directory");
    symlink(root.join("../../capsules"), inside.join("capsules")).expect("a link");
    symlink(root.join("tests/debugging"), inside.join("debugging")).expect("a link");
    fs::write(inside.join("spin.wasm"), SPIN).expect("a file");
    fs::write(inside.join("main.sh"), PROGRAM).expect("a file");
    fs::write(
        inside.join("ask.wasm"),
        wat::parse_str(ASK).expect("a module"),
    )
    .expect("a file");
    let named = "(module (memory (export \"memory\") 1) (func $peek (drop (i32.load (i32.const -1)))) (func (export \"run\") (call $peek)))";
    fs::write(
        inside.join("named.wasm"),
        wat::parse_str(named).expect("a module"),
    )
    .expect("a file");
    fs::write(inside.join("tools.json"), TOOLS).expect("a file");
    fs::write(inside.join("broken.wasm"), b"not a module").expect("a file");
    write_keys(&inside);
    write_folders(&inside);
    let home = scratch.path().join("home");
    trycmd::TestCases::new()
        .env("TENZIK_HOME", home.to_string_lossy())
        .register_bin("tenzik", PathBuf::from(env!("CARGO_BIN_EXE_tenzik")))
        .case(&copy)
        .run();
    if std::env::var_os("TRYCMD").is_some() {
        fs::copy(&copy, &transcript).expect("the transcript");
    }
}

/// Folders of capsules that are not what they should be.
fn write_folders(inside: &Path) {
    let copy = wat::parse_str(ECHO).expect("a module");
    for (name, description) in [
        ("tested", TESTED),
        ("leading-out", LEADING_OUT),
        ("unbuilt", UNBUILT),
        ("misspelt", MISSPELT),
    ] {
        let folder = inside.join(name);
        fs::create_dir(&folder).expect("a directory");
        fs::write(folder.join("capsule.json"), description).expect("a file");
        fs::write(folder.join("input.json"), r#"{"a":[1,{"b":2}]}"#).expect("a file");
        fs::write(folder.join("output.json"), r#"{"a":[1,{"b":3}],"c":null}"#).expect("a file");
        fs::write(folder.join("copy.wasm"), &copy).expect("a file");
        fs::write(folder.join("misspelt.wat"), "(module (fun))").expect("a file");
    }
}

/// Keys that are the same each time, so that a transcript can name their public halves, and policies with them.
fn write_keys(inside: &Path) {
    let created_at = "2026-11-20T08:00:00Z".parse().expect("a time");
    for (seed, key_use) in [
        (1, KeyUse::Checkpoint),
        (2, KeyUse::Witness),
        (3, KeyUse::Receipt),
    ] {
        let key = SecretKey::from_seed(&[seed; 32], key_use, created_at);
        let path = inside.join(format!("{}.key", key_use.name()));
        fs::write(&path, key.to_file()).expect("a key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    let policies = [
        ("own.policy", format!("log {LOG}\nquorum none\n")),
        ("other.policy", format!("log {OTHER_LOG}\nquorum none\n")),
        (
            "witnessed.policy",
            format!("log {LOG}\nwitness w {WITNESS}\nquorum w\n"),
        ),
    ];
    for (name, policy) in policies {
        fs::write(inside.join(name), policy).expect("a policy");
    }
}

/// What `tenzik log key checkpoint.key a.example/log` prints.
const LOG: &str = "a.example/log+99092c5d+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
/// The same key under another name.
const OTHER_LOG: &str = "b.example/log+4a40019b+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
/// What `tenzik log key witness.key w.example` prints.
const WITNESS: &str = "w.example+a26f2ad7+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";

/// A program that tells people something and gives its input back.
const PROGRAM: &str = r#"echo 'this is for people'
printf '{"ok":{"input":%s}}\n' "$(cat)" >&3
"#;

/// Gives its input back.
const ECHO: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $len (result i32)))
  (import "tenzik_v1" "input_read" (func $read (param i32)))
  (import "tenzik_v1" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "run")
    (call $read (i32.const 0))
    (call $write (i32.const 0) (call $len))))"#;

/// Runs that pass and runs that do not, in a form that no printer would give.
const TESTED: &str = r#"{ "name": "copy", "description": "Gives its input back.", "grants": [], "input_type": "json",
  "example": { "input": "input.json", "output": "output.json" },
  "cases": [
    {"name":"a number", "input":"1",   "output":"2"},
    {"name":"as it is", "input":"[ ]", "output":"[ ]"},
    {"name":"little fuel", "input":"1", "limits":{"fuel":2000}, "status":"out_of_fuel"},
    {"name":"no trap", "input":"1", "status":"trapped", "code":"memory"} ] }
"#;

/// A description that would have a file outside of its folder overwritten.
const LEADING_OUT: &str = r#"{"name":"copy","description":"A stranger's","grants":[],"input_type":"json","example":{"input":"input.json","output":"../spin.wasm"}}"#;

/// A description without its module.
const UNBUILT: &str = r#"{"name":"none","description":"Not built yet","grants":[],"input_type":"json","example":{"input":"input.json","output":"output.json"}}"#;

/// A description whose source is no WebAssembly text.
const MISSPELT: &str = r#"{"name":"misspelt","description":"It does not build","language":"wat","grants":[],"input_type":"json","example":{"input":"input.json","output":"output.json"}}"#;

/// A command of every Unix system.
const TOOLS: &str =
    r#"{"tools":[{"id":"text:echo","summary":"Gives its arguments","command":["/bin/cat"]}]}"#;

/// `(module (memory (export "memory") 1) (func (export "run") (loop (br 0))))`
const SPIN: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

macro_rules! transcripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                play(stringify!($name));
            }
        )*

        #[test]
        fn every_transcript_is_played() {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd");
            let mut found: Vec<String> = fs::read_dir(directory)
                .expect("the transcripts")
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
                .collect();
            found.sort();
            let mut played = vec![$(concat!(stringify!($name), ".trycmd")),*];
            played.sort_unstable();
            assert_eq!(found, played);
        }
    };
}

transcripts! {
    bench build check config debug denied exec failed help init inspect json keys audit limits log log_proof new peers receipts receipts_ls refused replay run serve test tools trust usage verify
}
