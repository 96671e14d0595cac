//! What the journal gives back after everything that can happen to its files.

use super::*;
use proptest::prelude::*;
use tempfile::TempDir;
use tenzik_receipt::ReceiptId;

fn entry(index: u64, leaf_bytes: usize) -> Entry {
    let mut id = [0xa5; 32];
    id[..8].copy_from_slice(&index.to_le_bytes());
    Entry {
        index,
        id: ReceiptId::from_bytes(id),
        leaf: vec![index as u8 | 0x80; leaf_bytes],
        handed: index % 3 == 1,
    }
}

fn entries(indexes: std::ops::Range<u64>, leaf_bytes: usize) -> Vec<Entry> {
    indexes.map(|index| entry(index, leaf_bytes)).collect()
}

fn open(folder: &TempDir, size: u64) -> (Journal, Vec<Entry>) {
    Journal::open(folder.path(), size).expect("a journal")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn append(journal: &mut Journal, entries: &[Entry]) {
    journal.append(entries).expect("an append");
}

fn files(folder: &TempDir) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    files.sort();
    files
}

/// The bytes of a frame without what fills its last block.
fn frame_bytes(entries: &[Entry]) -> usize {
    let entry = |entry: &Entry| 36 + entry.leaf.len();
    40 + entries.iter().map(entry).sum::<usize>()
}

#[test]
fn what_was_appended_is_there_again() {
    let folder = folder();
    let (mut journal, pending) = open(&folder, 0);
    assert_eq!(pending, []);
    append(&mut journal, &entries(0..3, 10));
    append(&mut journal, &[]);
    append(&mut journal, &entries(3..4, 5_000));
    let (mut journal, pending) = open(&folder, 0);
    assert_eq!(pending, [entries(0..3, 10), entries(3..4, 5_000)].concat());
    append(&mut journal, &entries(4..5, 0));
    let (_, pending) = open(&folder, 4);
    assert_eq!(pending, entries(4..5, 0));
}

#[test]
fn a_last_frame_cut_or_changed_at_any_byte_ends_the_journal() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..2, 10));
    append(&mut journal, &entries(2..4, 7));
    let path = folder.path().join(name(0));
    let whole = fs::read(&path).expect("a segment");
    for byte in 0..frame_bytes(&entries(2..4, 7)) {
        let mut changed = whole.clone();
        changed[BLOCK_BYTES + byte] ^= 0x10;
        fs::write(&path, &changed).expect("written");
        assert_eq!(open(&folder, 0).1, entries(0..2, 10), "changed at {byte}");
        fs::write(&path, &whole[..BLOCK_BYTES + byte]).expect("written");
        assert_eq!(open(&folder, 0).1, entries(0..2, 10), "cut at {byte}");
        changed[BLOCK_BYTES + byte..].fill(0);
        changed[BLOCK_BYTES..][..byte].copy_from_slice(&whole[BLOCK_BYTES..][..byte]);
        if changed != whole {
            fs::write(&path, &changed).expect("written");
            assert_eq!(open(&folder, 0).1, entries(0..2, 10), "zeroes from {byte}");
        }
    }
}

#[test]
fn after_a_crash_the_journal_goes_on_behind_the_broken_frame() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..2, 10));
    append(&mut journal, &entries(2..4, 7));
    let path = folder.path().join(name(0));
    let mut bytes = fs::read(&path).expect("a segment");
    bytes[BLOCK_BYTES + 50] ^= 1;
    fs::write(&path, &bytes).expect("written");
    let (mut journal, pending) = open(&folder, 0);
    assert_eq!(pending, entries(0..2, 10));
    append(&mut journal, &entries(2..3, 9));
    assert_eq!(
        open(&folder, 0).1,
        [entries(0..2, 10), entries(2..3, 9)].concat()
    );
}

#[test]
fn a_broken_frame_before_another_is_damage() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    for index in 0..3 {
        append(&mut journal, &entries(index..index + 1, 10));
    }
    let path = folder.path().join(name(0));
    let whole = fs::read(&path).expect("a segment");
    for byte in 0..frame_bytes(&entries(1..2, 10)) {
        let mut bytes = whole.clone();
        bytes[BLOCK_BYTES + byte] ^= 0x80;
        fs::write(&path, &bytes).expect("written");
        let refused = Journal::open(folder.path(), 0).map(|(_, pending)| pending);
        assert!(
            matches!(refused, Err(StorageError::Damaged { .. })),
            "{byte}: {refused:?}"
        );
    }
}

#[test]
fn a_broken_frame_before_a_later_segment_is_damage() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..2, 10));
    append(&mut open(&folder, 0).0, &entries(2..4, 10));
    let path = folder.path().join(name(0));
    let whole = fs::read(&path).expect("a segment");
    let mut bytes = whole.clone();
    bytes[60] ^= 1;
    fs::write(&path, &bytes).expect("written");
    assert!(Journal::open(folder.path(), 0).is_err());
    fs::remove_file(&path).expect("removed");
    assert!(Journal::open(folder.path(), 0).is_err());
    // Of what is committed the journal need not know anything.
    assert_eq!(open(&folder, 2).1, entries(2..4, 10));
}

#[test]
fn a_journal_that_begins_after_the_committed_size_is_damage() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 5);
    append(&mut journal, &entries(5..7, 10));
    assert!(Journal::open(folder.path(), 4).is_err());
    assert_eq!(open(&folder, 5).1, entries(5..7, 10));
}

#[test]
fn entries_that_do_not_follow_are_refused() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..2, 10));
    for wrong in [entries(1..2, 1), entries(3..4, 1)] {
        assert!(journal.append(&wrong).is_err());
    }
    let with_a_gap = [entries(2..3, 1), entries(4..5, 1)].concat();
    assert!(journal.append(&with_a_gap).is_err());
}

#[test]
fn passed_segments_are_used_again_and_what_they_held_is_not_read() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    // A frame is a block, a segment 16 of them.
    for index in 0..40 {
        append(&mut journal, &entries(index..index + 1, 100));
    }
    assert_eq!(files(&folder), [name(0), name(16), name(32)]);
    journal.release(33).expect("released");
    assert_eq!(files(&folder), [name(32), SPARE.to_owned()]);
    for index in 40..50 {
        append(&mut journal, &entries(index..index + 1, 100));
    }
    assert_eq!(files(&folder), [name(32), name(48)]);
    assert_eq!(open(&folder, 33).1, entries(33..50, 100));
    let (_, pending) = open(&folder, 50);
    assert_eq!(pending, []);
    assert_eq!(files(&folder), [SPARE]);
}

#[test]
fn an_append_larger_than_a_segment_has_one_of_its_own() {
    let folder = folder();
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..1, 10));
    append(&mut journal, &entries(1..9, 30_000));
    append(&mut journal, &entries(9..10, 10));
    let all = [entries(0..1, 10), entries(1..9, 30_000), entries(9..10, 10)].concat();
    assert_eq!(open(&folder, 0).1, all);
    assert_eq!(files(&folder), [name(0), name(1), name(9)]);
}

#[test]
fn what_a_crash_left_of_a_new_segment_is_no_hindrance() {
    let folder = folder();
    fs::write(folder.path().join(UNREADY), [0; 100]).expect("written");
    fs::write(folder.path().join("notes.txt"), "not the journal's").expect("written");
    let (mut journal, _) = open(&folder, 0);
    append(&mut journal, &entries(0..1, 10));
    fs::write(folder.path().join(name(1)), vec![0; SEGMENT_BYTES]).expect("written");
    let (mut journal, pending) = open(&folder, 0);
    assert_eq!(pending, entries(0..1, 10));
    append(&mut journal, &entries(1..2, 10));
    assert_eq!(open(&folder, 0).1, entries(0..2, 10));
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64, usize),
    Release(u64),
    Reopen,
    /// Reopen after the last append was torn at this part of its blocks.
    Tear(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1..6_u64, 0..9_000_usize).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        2 => (0..8_u64).prop_map(Step::Release),
        1 => Just(Step::Reopen),
        1 => (0..8_usize).prop_map(Step::Tear),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Zeroes a block of the frame that was written last.
fn tear(journal: &Journal, frame: usize, block: usize) {
    let active = journal.active.as_ref().expect("there was an append");
    let path = journal.path(*journal.segments.last().expect("a segment"));
    let mut bytes = fs::read(&path).expect("a segment");
    let blocks = frame.div_ceil(BLOCK_BYTES);
    let start = active.offset - (blocks - block % blocks) * BLOCK_BYTES;
    bytes[start..start + BLOCK_BYTES].fill(0);
    fs::write(&path, &bytes).expect("written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn it_holds_what_it_should_after_any_steps(steps in steps()) {
        let folder = folder();
        let (mut journal, _) = open(&folder, 0);
        let (mut size, mut held) = (0, Vec::new());
        let mut last: Vec<Entry> = Vec::new();
        for step in steps {
            match step {
                Step::Append(count, bytes) => {
                    let next = size + held.len() as u64;
                    last = entries(next..next + count, bytes);
                    append(&mut journal, &last);
                    held.extend(last.clone());
                }
                Step::Release(count) => {
                    // A tree takes in what was appended, and an append that was torn was in none.
                    size = (size + count).min(size + held.len() as u64);
                    held.retain(|entry: &Entry| entry.index >= size);
                    journal.release(size).expect("released");
                }
                Step::Tear(block) if last.first().is_some_and(|first| first.index >= size) => {
                    tear(&journal, frame_bytes(&last), block);
                    held.truncate(held.len() - last.len());
                    let (opened, pending) = open(&folder, size);
                    prop_assert!(pending == held);
                    journal = opened;
                    last.clear();
                }
                Step::Reopen | Step::Tear(_) => {
                    let (opened, pending) = open(&folder, size);
                    prop_assert!(pending == held);
                    journal = opened;
                    last.clear();
                }
            }
        }
        prop_assert!(open(&folder, size).1 == held);
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
        let folder = folder();
        fs::write(folder.path().join(name(0)), bytes).expect("written");
        prop_assert_eq!(open(&folder, 0).1, []);
    }
}
