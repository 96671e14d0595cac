//! What `tenzik_log::Storage` promises, asked of any storage.

use tenzik_log::tile::{TileKind, TilePath, changed};
use tenzik_log::{Storage, StorageError, Stored};

use super::{Make, commit, entries, grow, id, integrate, opened_again, tile_bytes, tiles};

/// `make` opens one place, which is new at the first call.
pub(crate) fn contract(make: Make<'_>) {
    a_new_one_is_empty(make);
    one_process_has_it(make);
    nothing_is_appended_before_it_is_open(make);
    appended_is_pending_until_committed(make);
    tiles_stay_as_they_are(make);
    narrower_tiles_come_from_full_ones(make);
    everything_is_there_again(make);
    nothing_is_written_after_a_failure(make);
}

fn opened(make: Make<'_>) -> (Box<dyn Storage>, Stored) {
    let storage = opened_again(make).expect("a storage");
    let stored = storage.open().expect("what it holds");
    (storage, stored)
}

fn a_new_one_is_empty(make: Make<'_>) {
    let (storage, stored) = opened(make);
    assert_eq!(stored, Stored::default());
    assert_eq!(storage.find(&id(0)).expect("found none"), None);
    for path in changed(0, 300) {
        assert_eq!(storage.tile(path).expect("no tile"), None);
    }
    storage.append(&[]).expect("nothing");
    storage.put_tiles(&[]).expect("nothing");
    drop(storage);
    assert_eq!(opened(make).1, Stored::default());
}

fn one_process_has_it(make: Make<'_>) {
    let first = opened_again(make).expect("a storage");
    assert!(matches!(make(), Err(StorageError::Locked { .. })));
    drop(first);
    opened_again(make).expect("it is free again");
}

fn nothing_is_appended_before_it_is_open(make: Make<'_>) {
    let storage = opened_again(make).expect("a storage");
    assert!(storage.append(&entries(0..1)).is_err());
    drop(storage);
    assert_eq!(opened(make).1, Stored::default());
}

/// Leaves a log of 5 entries, of which 3 are committed.
fn appended_is_pending_until_committed(make: Make<'_>) {
    let (storage, _) = opened(make);
    storage.append(&entries(0..2)).expect("appended");
    storage.append(&entries(2..5)).expect("appended");
    assert_eq!(storage.find(&id(1)).expect("not yet"), None);
    drop(storage);
    let (storage, stored) = opened(make);
    assert_eq!(stored.pending, entries(0..5));
    assert_eq!(stored.committed, None);
    integrate(&*storage, 0, 3);
    assert_eq!(storage.find(&id(2)).expect("committed"), Some(2));
    assert_eq!(storage.find(&id(3)).expect("pending"), None);
    drop(storage);
    let (_, stored) = opened(make);
    assert_eq!(stored.committed, Some(b"committed 3".to_vec()));
    assert_eq!(stored.signed, stored.committed);
    assert_eq!(stored.published, Some(b"published 3".to_vec()));
    assert_eq!(stored.pending, entries(3..5));
}

/// Leaves a log of 700 entries, all committed.
fn tiles_stay_as_they_are(make: Make<'_>) {
    let (storage, _) = opened(make);
    integrate(&*storage, 3, 5);
    grow(&*storage, 5, 700);
    for path in changed(0, 700) {
        assert_eq!(storage.tile(path).expect("a tile"), Some(tile_bytes(path)));
    }
    // What a crash repeats is no change.
    storage.put_tiles(&tiles(3, 700)).expect("the same");
    drop(storage);
    for (path, mut bytes) in tiles(0, 700) {
        let (storage, _) = opened(make);
        bytes[5] ^= 1;
        let refused = storage.put_tiles(&[(path, bytes)]);
        assert!(
            matches!(refused, Err(StorageError::Damaged { .. })),
            "{path}"
        );
        assert_eq!(storage.tile(path).expect("a tile"), Some(tile_bytes(path)));
    }
}

fn narrower_tiles_come_from_full_ones(make: Make<'_>) {
    let (storage, _) = opened(make);
    for kind in [TileKind::Entries, TileKind::Hashes(0)] {
        for width in 1..=256 {
            let path = TilePath::new(kind, 1, width).expect("a tile");
            assert_eq!(storage.tile(path).expect("a tile"), Some(tile_bytes(path)));
        }
        let beyond = TilePath::new(kind, 2, 700 - 512 + 1).expect("a tile");
        assert_eq!(storage.tile(beyond).expect("none"), None);
    }
}

/// Grows in steps of all sizes, opened anew between them. Leaves a log of 1,500 entries, 1,400 of them committed.
fn everything_is_there_again(make: Make<'_>) {
    for (from, to) in [(700, 701), (701, 768), (768, 1_023), (1_023, 1_400)] {
        let (storage, stored) = opened(make);
        assert_eq!(stored.committed, Some(commit(0, from).checkpoint));
        assert_eq!(stored.merge_by, commit(0, from).merge_by);
        assert_eq!(stored.pending, []);
        grow(&*storage, from, to);
        for path in changed(0, to) {
            assert_eq!(storage.tile(path).expect("a tile"), Some(tile_bytes(path)));
        }
    }
    let (storage, _) = opened(make);
    storage.append(&entries(1_400..1_500)).expect("appended");
    drop(storage);
    let (storage, stored) = opened(make);
    assert_eq!(stored.pending, entries(1_400..1_500));
    for index in 0..1_400 {
        assert_eq!(storage.find(&id(index)).expect("found"), Some(index));
    }
    storage.publish(b"with cosignatures").expect("published");
    drop(storage);
    let (_, stored) = opened(make);
    assert_eq!(stored.published, Some(b"with cosignatures".to_vec()));
    assert_eq!(stored.committed, Some(b"committed 1400".to_vec()));
}

fn nothing_is_written_after_a_failure(make: Make<'_>) {
    let (storage, before) = opened(make);
    assert!(storage.append(&entries(1_600..1_601)).is_err());
    assert!(storage.append(&entries(1_500..1_501)).is_err());
    assert!(storage.put_tiles(&tiles(1_400, 1_500)).is_err());
    assert!(storage.commit(&commit(1_400, 1_500)).is_err());
    assert!(storage.publish(b"anything").is_err());
    assert_eq!(storage.find(&id(7)).expect("reads go on"), Some(7));
    drop(storage);
    let (storage, after) = opened(make);
    assert_eq!(after, before);
    // A commit is all or nothing: receipt 7 has its index.
    let mut twice = commit(1_400, 1_450);
    twice.entries.push((id(7), 1_449));
    assert!(storage.commit(&twice).is_err());
    drop(storage);
    let (storage, after) = opened(make);
    assert_eq!(after, before);
    assert_eq!(storage.find(&id(1_400)).expect("not committed"), None);
}
