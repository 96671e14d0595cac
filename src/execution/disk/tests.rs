//! What is refused at set-up, what is never loaded, and what a crash or another process may leave.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::*;
use crate::config::{Allocation, Optimization, RuntimeConfig};
use crate::execution::engine::{Stop, engine, fingerprint};
use crate::rules::Metering;

const BYTES_MAX: u64 = 1 << 20;

/// A directory of the mode that is wanted.
fn scratch() -> TempDir {
    let scratch = tempfile::tempdir().expect("a directory");
    set_mode(scratch.path(), 0o700);
    scratch
}

fn open(path: &Path) -> Disk {
    Disk::open(path, BYTES_MAX).unwrap_or_else(|error| panic!("{error}"))
}

fn on_demand() -> RuntimeConfig {
    RuntimeConfig {
        allocation: Allocation::OnDemand,
        ..RuntimeConfig::default()
    }
}

/// An engine and its fingerprint.
fn an_engine(
    runtime: &RuntimeConfig,
    metering: Metering,
    stop: Stop,
    pages: u32,
) -> (Engine, blake3::Hash) {
    let engine = engine(runtime, pages, metering, stop).expect("an engine");
    let fingerprint = fingerprint(&engine, runtime, metering, stop);
    (engine, fingerprint)
}

fn usual() -> (Engine, blake3::Hash) {
    an_engine(&on_demand(), Metering::Module, Stop::Fuel, 16)
}

/// A module that gives this number.
fn module(number: i32) -> Vec<u8> {
    let text = format!("(module (func (export \"run\") (result i32) (i32.const {number})))");
    wat::parse_str(text).expect("a module")
}

fn mode(path: &Path) -> u32 {
    let mode = fs::metadata(path).expect("a file").permissions().mode();
    mode & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
}

/// The names of the entries.
fn entries(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let names = files.map(|file| file.expect("a file").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.into_string().expect("a plain name"))
        .filter(|name| Name::is_file(name))
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_kept_is_found_by_the_next_and_everything_is_the_owners_alone() {
    let scratch = scratch();
    let directory = scratch.path().join("above").join("code");
    let (engine, fingerprint) = usual();
    let (module, name) = (module(1), Name::of(&fingerprint, &module(1)));
    let disk = open(&directory);
    assert!(disk.find(&name, &engine).is_none());
    let compiled = Module::new(&engine, &module).expect("a module");
    disk.keep(&name, &compiled).expect("there is room");
    let (other, _) = usual();
    assert!(open(&directory).find(&name, &other).is_some());
    assert_eq!(mode(&directory), 0o700);
    for file in ["code.key", "code.lock", &name.file()] {
        assert_eq!(mode(&directory.join(file)), 0o600, "{file}");
    }
    assert!(!directory.join("code.new").exists());
}

#[test]
fn an_entry_that_is_not_whole_and_ours_is_refused() {
    let (here, there) = (scratch(), scratch());
    let (disk, foreign) = (open(here.path()), open(there.path()));
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let name = Name::of(&fingerprint, &module(1));
    let entry = entry::seal(&compiled, &name, &disk.key).expect("an entry");
    let opens = |entry: &[u8], name: &Name| Authentic::open(entry, name, &disk.key).is_some();
    assert!(opens(&entry, &name));
    assert!(!opens(&entry, &Name::of(&fingerprint, &module(2))));
    assert!(Authentic::open(&entry, &name, &foreign.key).is_none());
    // Every byte of the head, and some of the code.
    for place in (0..64).chain((64..entry.len()).step_by(997)) {
        let mut changed = entry.clone();
        changed[place] ^= 1;
        assert!(!opens(&changed, &name), "byte {place}");
        assert!(!opens(&entry[..place], &name), "{place} bytes");
    }
    assert!(!opens(&[&entry[..], &[0]].concat(), &name));
    assert!(!opens(&[], &name));
}

#[test]
fn each_setting_has_code_of_its_own() {
    let mut seen = Vec::new();
    for optimization in [Optimization::None, Optimization::Speed] {
        for allocation in [Allocation::OnDemand, Allocation::Pooled] {
            for (metering, stop) in [
                (Metering::Module, Stop::Fuel),
                (Metering::Module, Stop::Clock),
                (Metering::EngineFuel, Stop::Clock),
            ] {
                let runtime = RuntimeConfig {
                    allocation,
                    instances_max: 1,
                    optimization,
                    ..RuntimeConfig::default()
                };
                let (_, first) = an_engine(&runtime, metering, stop, 16);
                let (_, again) = an_engine(&runtime, metering, stop, 16);
                assert_eq!(first, again, "{runtime:?}");
                assert!(!seen.contains(&first), "{runtime:?} {metering:?} {stop:?}");
                seen.push(first);
            }
        }
    }
}

/// The name keeps them apart; if it did not, wasmtime would.
#[test]
fn another_engines_code_is_not_taken_even_under_ones_own_name() {
    let scratch = scratch();
    let disk = open(scratch.path());
    let (engine, fingerprint) = usual();
    let name = Name::of(&fingerprint, &module(1));
    for (metering, stop) in [
        (Metering::Module, Stop::Clock),
        (Metering::EngineFuel, Stop::Clock),
    ] {
        let (other, _) = an_engine(&on_demand(), metering, stop, 16);
        let compiled = Module::new(&other, module(1)).expect("a module");
        disk.keep(&name, &compiled).expect("there is room");
        assert!(disk.find(&name, &other).is_some());
        assert!(disk.find(&name, &engine).is_none());
    }
}

#[test]
fn a_directory_that_others_can_get_at_is_refused() {
    let scratch = scratch();
    let refused = |path: &Path| {
        let error = check_code_dir(path).expect_err("refused");
        assert_eq!(Disk::open(path, BYTES_MAX).err(), Some(error.clone()));
        assert!(!error.remedy().is_empty());
        error
    };
    let directory = scratch.path().join("code");
    assert_eq!(check_code_dir(&directory), Ok(false));
    fs::create_dir(&directory).expect("a directory");
    for bits in [0o070, 0o007, 0o040, 0o020, 0o010, 0o004, 0o002, 0o001] {
        set_mode(&directory, 0o700 | bits);
        let path = directory.clone();
        assert_eq!(
            refused(&directory),
            CodeDirError::OpenToOthers { path, bits }
        );
    }
    set_mode(&directory, 0o700);
    assert_eq!(check_code_dir(&directory), Ok(true));
    let (link, file) = (scratch.path().join("link"), scratch.path().join("file"));
    symlink(&directory, &link).expect("a link");
    fs::write(&file, "").expect("a file");
    for path in [&link, &file] {
        assert!(matches!(refused(path), CodeDirError::Kind { .. }));
    }
    let relative = refused(Path::new("code"));
    assert!(matches!(relative, CodeDirError::Relative { .. }));
    // Only root can give things away.
    if std::os::unix::fs::chown(&directory, Some(12_345), None).is_ok() {
        let error = refused(&directory);
        assert!(matches!(
            error,
            CodeDirError::NotYours { owner: 12_345, .. }
        ));
    }
    assert!(entries(&directory).is_empty());
}

#[test]
fn a_key_that_others_can_get_at_or_that_was_cut_is_refused() {
    let refused = |change: &dyn Fn(&Path)| {
        let scratch = scratch();
        open(scratch.path());
        let key = scratch.path().join("code.key");
        change(&key);
        Disk::open(scratch.path(), BYTES_MAX).err()
    };
    assert_eq!(refused(&|_| ()), None);
    let open_to_others = refused(&|key| set_mode(key, 0o640));
    assert!(matches!(
        open_to_others,
        Some(CodeDirError::OpenToOthers { bits: 0o040, .. })
    ));
    for bytes in [0, 31, 33] {
        let cut = refused(&|key| fs::write(key, vec![7; bytes]).expect("it is ours"));
        let Some(CodeDirError::KeyLength { bytes: found, .. }) = cut else {
            panic!("{cut:?}");
        };
        assert_eq!(found, bytes as u64);
    }
    let linked = refused(&|key| {
        let other = key.with_extension("other");
        fs::rename(key, &other).expect("it is ours");
        symlink(&other, key).expect("a link");
    });
    assert!(matches!(linked, Some(CodeDirError::Kind { .. })));
    let no_file = refused(&|key| {
        fs::remove_file(key).expect("it is ours");
        fs::create_dir(key).expect("a directory");
    });
    assert!(matches!(no_file, Some(CodeDirError::Kind { .. })));
}

#[test]
fn many_who_begin_at_once_have_one_key() {
    for _ in 0..20 {
        let scratch = scratch();
        let directory = scratch.path().join("code");
        let (engine, fingerprint) = usual();
        let name = Name::of(&fingerprint, &module(1));
        let compiled = Module::new(&engine, module(1)).expect("a module");
        let entry = |disk: &Disk| entry::seal(&compiled, &name, &disk.key).expect("an entry");
        let made: Vec<_> = thread::scope(|scope| {
            let begin = || scope.spawn(|| entry(&open(&directory)));
            let threads: Vec<_> = (0..8).map(|_| begin()).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("an entry"))
                .collect()
        });
        assert!(made.iter().all(|entry| *entry == made[0]));
    }
}

/// Two that share a directory and write at once: what is there in the end is whole, and within the bound.
#[test]
fn many_who_write_at_once_leave_whole_entries_within_the_bound() {
    let scratch = scratch();
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let bytes = compiled.serialize().expect("code").len() as u64;
    let bound = 3 * bytes + bytes / 2;
    thread::scope(|scope| {
        for writer in 0..4 {
            let (path, engine, compiled) = (scratch.path(), &engine, &compiled);
            scope.spawn(move || {
                let disk = Disk::open(path, bound).expect("a directory");
                for number in 0..20 {
                    let name = Name::of(&fingerprint, &module(writer * 100 + number % 5));
                    disk.keep(&name, compiled);
                    let _ = disk.find(&name, engine);
                }
            });
        }
    });
    let left = entries(scratch.path());
    assert!((1..=3).contains(&left.len()), "{left:?}");
    assert!(!scratch.path().join("code.new").exists());
    for file in left {
        let entry = fs::read(scratch.path().join(&file)).expect("an entry");
        assert!(entry.len() as u64 > bytes, "{file}");
    }
}

#[test]
fn the_oldest_goes_first_and_only_what_is_ours() {
    let scratch = scratch();
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let name = |number| Name::of(&fingerprint, &module(number));
    let path = |number| scratch.path().join(name(number).file());
    let entry = entry::seal(&compiled, &name(0), &open(scratch.path()).key).expect("an entry");
    let bytes = entry.len() as u64;
    let bound = 3 * bytes + bytes / 2;
    let disk = Disk::open(scratch.path(), bound).expect("a directory");
    let others = scratch.path().join("notes.code");
    fs::write(&others, vec![0; 2 * bound as usize]).expect("a file");
    for (number, age) in [(1, 20), (2, 30), (3, 10)] {
        disk.keep(&name(number), &compiled).expect("there is room");
        let written = SystemTime::now() - Duration::from_secs(age);
        let file = File::options().write(true).open(path(number));
        file.expect("kept")
            .set_modified(written)
            .expect("it is ours");
    }
    disk.keep(&name(4), &compiled).expect("room is made");
    assert_eq!(
        [1, 2, 3, 4].map(|number| path(number).exists()),
        [true, false, true, true]
    );
    let tight = Disk::open(scratch.path(), bytes - 1).expect("a directory");
    assert!(tight.keep(&name(5), &compiled).is_none());
    assert!(tight.find(&name(4), &engine).is_none());
    // What does not fit at all drives nothing else out.
    assert_eq!(entries(scratch.path()).len(), 3);
    assert!(others.exists());
}

/// The sum is a help; what is there decides.
#[test]
fn a_sum_that_was_lost_or_is_wrong_is_found_again() {
    let scratch = scratch();
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let name = |number| Name::of(&fingerprint, &module(number));
    let entry = entry::seal(&compiled, &name(0), &open(scratch.path()).key).expect("an entry");
    let disk = Disk::open(scratch.path(), 4 * entry.len() as u64).expect("a directory");
    let sum = scratch.path().join("code.lock");
    for wrong in [&[0; 8][..], &[0xff; 8], b"", b"nonsense", &[1; 7]] {
        for number in 0..2 {
            disk.keep(&name(number), &compiled).expect("there is room");
        }
        fs::write(&sum, wrong).expect("it is ours");
        disk.keep(&name(2), &compiled).expect("there is room");
        assert_eq!(entries(scratch.path()).len(), 3, "{wrong:?}");
        let counted = fs::read(&sum).expect("it is ours");
        assert_eq!(counted.len(), 8);
        fs::remove_file(scratch.path().join(name(2).file())).expect("it is ours");
    }
    for number in 3..40 {
        disk.keep(&name(number), &compiled).expect("room is made");
        assert!(entries(scratch.path()).len() <= 4);
    }
}

#[test]
fn what_a_crash_left_is_removed_and_a_lock_that_is_held_stops_nobody() {
    let scratch = scratch();
    let disk = open(scratch.path());
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let name = Name::of(&fingerprint, &module(1));
    let half = scratch.path().join("code.new");
    fs::write(&half, "half of something").expect("a file");
    {
        let _held = Lock::take(scratch.path(), 1)
            .expect("a lock")
            .expect("free");
        assert!(disk.keep(&name, &compiled).is_none());
        assert!(disk.find(&name, &engine).is_none());
        // Whoever has the key needs no lock.
        open(scratch.path());
    }
    disk.keep(&name, &compiled).expect("the lock is free");
    assert!(!half.exists());
    assert!(disk.find(&name, &engine).is_some());
    // A torn entry, as a loss of power leaves it, is replaced.
    let path = scratch.path().join(name.file());
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(100))
        .expect("it is ours");
    assert!(disk.find(&name, &engine).is_none());
    disk.keep(&name, &compiled).expect("there is room");
    assert!(disk.find(&name, &engine).is_some());
}

#[test]
fn a_directory_that_is_gone_or_full_of_nonsense_fails_nothing() {
    let scratch = scratch();
    let directory = scratch.path().join("code");
    let disk = Arc::new(open(&directory));
    let (engine, fingerprint) = usual();
    let compiled = Module::new(&engine, module(1)).expect("a module");
    let name = Name::of(&fingerprint, &module(1));
    fs::create_dir(directory.join(name.file())).expect("a directory");
    assert!(disk.find(&name, &engine).is_none());
    assert!(disk.keep(&name, &compiled).is_none());
    fs::remove_dir_all(&directory).expect("it is ours");
    let shelf = Shelf::new(disk, fingerprint);
    shelf.keep(&module(1), &compiled);
    assert!(shelf.find(&engine, &module(1)).is_none());
}
