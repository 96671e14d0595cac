//! Compiled code on the disk: the next process begins with it, and nobody can put other code in its place.
//!
//! A pipeline of both engines interprets what it has not seen before. If its very first run of a short capsule was native,
//! the code came from the disk.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tenzik::config::{Engines, Optimization, RuntimeConfig, SecurityConfig};
use tenzik::execution::{CodeDirError, EngineError, Executor};
use tenzik::pipeline::Pipeline;
use tenzik_receipt::Claim;

use crate::common::pipeline_with;
use crate::support::{Story, few_slots, import, lenient, with};

const INTERPRETED: &str = "wasmi 1.1.0";
const NATIVE: &str = "wasmtime 48.0.8";

struct Kept(TempDir);

impl Kept {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    /// It is made by whoever comes first.
    fn directory(&self) -> PathBuf {
        self.0.path().join("code")
    }

    fn runtime(&self, engines: Engines) -> RuntimeConfig {
        RuntimeConfig {
            code_dir: Some(self.directory()),
            engines,
            ..few_slots()
        }
    }

    /// A process that has seen nothing yet.
    fn fresh(&self, engines: Engines) -> Pipeline {
        pipeline_with(&lenient(), &self.runtime(engines))
    }

    /// The claim of a process's first run of it, and what ran it.
    fn first(&self, story: &Story) -> (Claim, String) {
        ran(story, &self.fresh(Engines::Both))
    }

    /// Runs on native code, compiled if need be.
    fn compile(&self, story: &Story) -> Claim {
        ran(story, &self.fresh(Engines::Wasmtime)).0
    }

    fn entries(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.directory()).expect("a directory");
        let paths = files.map(|file| file.expect("a file").path());
        let mut entries: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|ending| ending == "code"))
            .collect();
        entries.sort();
        entries
    }
}

fn ran(story: &Story, pipeline: &Pipeline) -> (Claim, String) {
    let run = story.run_on(pipeline);
    let engine = run.receipt.receipt().advisory.engine.to_string();
    (run.receipt.claim().clone(), engine)
}

/// A capsule of its own for each text.
fn says(text: &str) -> Story {
    let before = format!("{} (data (i32.const 0) \"{text}\")", import("output_write"));
    let body = format!(
        "(call $output_write (i32.const 0) (i32.const {}))",
        text.len()
    );
    with(&before, &body)
}

#[test]
fn the_next_process_does_not_compile_and_does_not_interpret() {
    let kept = Kept::new();
    let story = says("hello");
    let claim = kept.compile(&story);
    assert_eq!(
        Kept::new().first(&story),
        (claim.clone(), INTERPRETED.to_owned())
    );
    let [entry] = &kept.entries()[..] else {
        panic!("{:?}", kept.entries());
    };
    let written = fs::metadata(entry).and_then(|entry| entry.modified());
    assert_eq!(kept.first(&story), (claim.clone(), NATIVE.to_owned()));
    assert_eq!(kept.compile(&story), claim);
    // It was read, and not written again.
    let after = fs::metadata(entry).and_then(|entry| entry.modified());
    assert_eq!(written.expect("a time"), after.expect("a time"));
    assert_eq!(kept.first(&says("others")).1, INTERPRETED);
}

#[test]
fn what_the_compiler_made_while_a_run_was_interpreted_is_kept_too() {
    let kept = Kept::new();
    let rounds = "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get 0) (i32.const 60000000))))";
    let mut story = with("", rounds).fuel(900_000_000);
    story.0.terms.limits.time_ms = Some(10_000);
    let (claim, engine) = kept.first(&story);
    assert_eq!(engine, NATIVE);
    assert_eq!(kept.entries().len(), 1);
    // With too little fuel to be still running when a compiler is done.
    let short = story.clone().fuel(10_000);
    assert_eq!(kept.first(&short).1, NATIVE);
    assert_eq!(kept.compile(&story), claim);
}

/// Changes the entries in some way; the code must not be used, the claim must be the same, and the entry must be mended.
#[track_caller]
fn assert_refused(what: &str, change: impl Fn(&Kept, &Path)) {
    let kept = Kept::new();
    let story = says("hello");
    let claim = kept.compile(&story);
    let entry = kept.entries().remove(0);
    change(&kept, &entry);
    assert_eq!(
        kept.first(&story),
        (claim.clone(), INTERPRETED.to_owned()),
        "{what}"
    );
    assert_eq!(kept.compile(&story), claim, "{what}");
    assert_eq!(
        kept.first(&story),
        (claim, NATIVE.to_owned()),
        "{what}, and mended"
    );
}

fn changed(entry: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(entry).expect("an entry");
    change(&mut bytes);
    fs::write(entry, bytes).expect("it is ours");
}

#[test]
fn code_that_was_tampered_with_is_never_loaded() {
    for (what, place) in [("magic", 0), ("mac", 16), ("length", 48), ("code", 56)] {
        assert_refused(what, |_, entry| changed(entry, |bytes| bytes[place] ^= 1));
    }
    assert_refused("the last byte", |_, entry| {
        changed(entry, |bytes| {
            bytes
                .iter_mut()
                .last()
                .into_iter()
                .for_each(|byte| *byte ^= 0x80)
        });
    });
    for length in [0, 15, 55, 56, 5_000] {
        assert_refused("truncated", |_, entry| {
            changed(entry, |bytes| bytes.truncate(length));
        });
    }
    assert_refused("longer", |_, entry| changed(entry, |bytes| bytes.push(0)));
}

#[test]
fn entries_of_another_capsule_and_of_another_key_are_never_loaded() {
    assert_refused("swapped", |kept, entry| {
        kept.compile(&says("somebody else's"));
        let other = kept.entries().into_iter().find(|path| path != entry);
        fs::copy(other.expect("a second entry"), entry).expect("it is ours");
    });
    assert_refused("of another directory", |_, entry| {
        let foreign = Kept::new();
        foreign.compile(&says("hello"));
        fs::copy(foreign.entries().remove(0), entry).expect("it is ours");
    });
    assert_refused("another key", |kept, _| {
        fs::write(kept.directory().join("code.key"), [7; 32]).expect("it is ours");
    });
}

#[test]
fn other_settings_have_entries_of_their_own() {
    let kept = Kept::new();
    let story = says("hello");
    kept.compile(&story);
    let unoptimised = |engines| {
        let runtime = RuntimeConfig {
            optimization: Optimization::None,
            ..kept.runtime(engines)
        };
        ran(&story, &pipeline_with(&lenient(), &runtime)).1
    };
    assert_eq!(unoptimised(Engines::Both), INTERPRETED);
    assert_eq!(unoptimised(Engines::Wasmtime), NATIVE);
    // So much fuel that the clock is looked at.
    let clock = story.clone().fuel(1_000_000_000);
    assert_eq!(kept.first(&clock).1, INTERPRETED);
    kept.compile(&clock);
    assert_eq!(kept.entries().len(), 3);
    assert_eq!(unoptimised(Engines::Both), NATIVE);
    assert_eq!(kept.first(&clock).1, NATIVE);
    assert_eq!(kept.first(&story).1, NATIVE);
}

/// What a trap's place is found by is kept with the code.
#[test]
fn a_trap_is_told_of_code_from_the_disk_as_of_code_just_compiled() {
    let kept = Kept::new();
    let story = with("", "(drop (i32.load (i32.const 65533)))");
    let security = SecurityConfig {
        enable_debugging: true,
        ..lenient()
    };
    let told = [Engines::Wasmtime, Engines::Both].map(|engines| {
        let run = story.run_on(&pipeline_with(&security, &kept.runtime(engines)));
        let engine = run.receipt.receipt().advisory.engine.to_string();
        assert_eq!(engine, NATIVE);
        run.outcome.diagnostics().trap_offset
    });
    assert!(told[0].is_some());
    assert_eq!(told[0], told[1]);
}

#[test]
fn a_directory_that_others_can_get_at_is_an_error_at_set_up_with_a_remedy() {
    let kept = Kept::new();
    fs::create_dir(kept.directory()).expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o750);
    fs::set_permissions(kept.directory(), mode).expect("it is ours");
    for engines in [Engines::Both, Engines::Wasmtime] {
        let error = Executor::new(&lenient(), &kept.runtime(engines)).err();
        let Some(error @ EngineError::CodeDir(CodeDirError::OpenToOthers { bits: 0o050, .. })) =
            error
        else {
            panic!("{error:?}");
        };
        assert!(error.remedy().contains("chmod go="), "{}", error.remedy());
    }
    // It would never be used.
    assert!(Executor::new(&lenient(), &kept.runtime(Engines::Wasmi)).is_ok());
}
