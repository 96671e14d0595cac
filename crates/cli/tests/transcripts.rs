//! The transcripts in `cmd/`: one for each behaviour, each played on a fresh machine.
//!
//! `TRYCMD=overwrite cargo test -p tenzik-cli --test transcripts` writes what the commands give now; read the difference,
//! and put `[..]` where digests stand: capsules and rules may change.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

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
    fs::write(inside.join("spin.wasm"), SPIN).expect("a file");
    fs::write(inside.join("broken.wasm"), b"not a module").expect("a file");
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
    check config denied failed help init inspect json keys limits receipts refused replay run trust usage verify
}
