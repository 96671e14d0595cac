//! A process that is killed at any point loses nothing that it was answered for.
//!
//! The test starts itself as another process, which grows a log as fast as it can and says so, and kills it.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use common::{entries, id, integrate, tile_bytes};
use tenzik_log::tile::changed;
use tenzik_log::{Storage, Stored};
use tenzik_store::DiskStorage;

const FOLDER: &str = "TENZIK_STORE_KILLED";
const ROUNDS: usize = 20;

#[test]
fn what_was_answered_for_is_there_after_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut total = 0;
    for round in 0..ROUNDS {
        // At another line each time, within the first rounds of appends and after many.
        let answered = grow_and_kill(folder.path(), 1 + (round * 37) % 60);
        let storage = DiskStorage::at(folder.path()).expect("a storage");
        let stored = storage.open().expect("what it holds");
        let (size, end) = sizes(&stored);
        assert!(answered.appended <= end, "{answered:?}, there are {end}");
        assert!(answered.published <= published(&stored), "{answered:?}");
        assert!(published(&stored) <= size);
        assert_eq!(stored.pending, entries(size..end));
        for path in changed(total, size) {
            assert_eq!(storage.tile(path).expect("a tile"), Some(tile_bytes(path)));
        }
        for index in total..size {
            assert_eq!(storage.find(&id(index)).expect("found"), Some(index));
        }
        total = size;
    }
    assert!(total > 0);
}

/// Not a test by itself: what the other process does.
#[test]
#[ignore = "runs until it is killed"]
fn grows_until_it_is_killed() {
    let folder = std::env::var_os(FOLDER).expect("a folder");
    let storage = DiskStorage::at(Path::new(&folder)).expect("a storage");
    let (mut size, mut end) = sizes(&storage.open().expect("what it holds"));
    loop {
        for more in [1, 20, 3] {
            storage.append(&entries(end..end + more)).expect("appended");
            end += more;
            println!("\nappended {end}");
        }
        integrate(&storage, size, end);
        size = end;
        println!("\npublished {size}");
    }
}

/// What the process said before it was killed.
#[derive(Debug, Default)]
struct Answered {
    appended: u64,
    published: u64,
}

fn grow_and_kill(folder: &Path, lines: usize) -> Answered {
    let mut process = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "grows_until_it_is_killed",
            "--ignored",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let output = process.stdout.take().expect("its output");
    let mut answered = Answered::default();
    let mut said = 0;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // The last line may be cut; a number that lost digits is a smaller one.
        let number = |name| {
            line.strip_prefix(name)
                .and_then(|number| number.parse().ok())
        };
        let appended: Option<u64> = number("appended ");
        let published: Option<u64> = number("published ");
        said += usize::from(appended.or(published).is_some());
        answered.appended = answered.appended.max(appended.unwrap_or_default());
        answered.published = answered.published.max(published.unwrap_or_default());
        if said == lines {
            process.kill().expect("killed");
        }
    }
    process.wait().expect("it ended");
    assert!(said >= lines, "it ended by itself");
    answered
}

/// The committed size, and that with what is pending.
fn sizes(stored: &Stored) -> (u64, u64) {
    let size = number(stored.committed.as_deref(), "committed ");
    (size, size + stored.pending.len() as u64)
}

fn published(stored: &Stored) -> u64 {
    number(stored.published.as_deref(), "published ")
}

fn number(checkpoint: Option<&[u8]>, name: &str) -> u64 {
    let Some(checkpoint) = checkpoint else {
        return 0;
    };
    let text = std::str::from_utf8(checkpoint).expect("text");
    let digits = text.strip_prefix(name).expect("a checkpoint of ours");
    digits.parse().expect("a number")
}
