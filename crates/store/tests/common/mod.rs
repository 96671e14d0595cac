//! What the tests of storages share: entries and tiles to keep, and what every storage must do with them.

#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]

mod contract;
mod server;

pub(crate) use contract::contract;
pub(crate) use server::Server;

use std::thread;
use std::time::Duration;

use tenzik_log::bundle;
use tenzik_log::tile::{TileKind, TilePath, changed};
use tenzik_log::{Commit, Entry, Storage, StorageError};
use tenzik_receipt::{ReceiptId, SignedReceipt, Timestamp};

/// Opens the same place again and again.
pub(crate) type Make<'a> = &'a dyn Fn() -> Result<Box<dyn Storage>, StorageError>;

/// Opens what was open before, where another thread may be about to start a process: until that is another program, it has
/// this one's files open, locked ones too.
pub(crate) fn opened_again<T>(
    open: impl Fn() -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    for _ in 0..1_500 {
        match open() {
            Err(StorageError::Locked { .. }) => thread::sleep(Duration::from_millis(20)),
            other => return other,
        }
    }
    open()
}

pub(crate) fn id(index: u64) -> ReceiptId {
    let mut id = [0x17; 32];
    // The low byte first: neighbours in the log are none in the table.
    id[..8].copy_from_slice(&index.to_le_bytes());
    ReceiptId::from_bytes(id)
}

pub(crate) fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index} ")
        .repeat(1 + index as usize % 7)
        .into_bytes()
}

pub(crate) fn entries(indexes: std::ops::Range<u64>) -> Vec<Entry> {
    indexes
        .map(|index| Entry {
            index,
            id: id(index),
            leaf: leaf(index),
            handed: index % 3 == 1,
        })
        .collect()
}

/// Now and then nothing is promised.
pub(crate) fn merge_by(size: u64) -> Option<Timestamp> {
    let promised = size % 2 == 1;
    Timestamp::from_unix_seconds(size).ok().filter(|_| promised)
}

pub(crate) fn commit(from: u64, to: u64) -> Commit {
    Commit {
        checkpoint: format!("committed {to}").into_bytes(),
        size: to,
        entries: (from..to).map(|index| (id(index), index)).collect(),
        merge_by: merge_by(to),
    }
}

/// A bundle of our leaves, or hashes that are none: storages do not look at them.
pub(crate) fn tile_bytes(path: TilePath) -> Vec<u8> {
    let first = path.index() * 256;
    let indexes = first..first + u64::from(path.width());
    let mut bytes = Vec::new();
    for index in indexes {
        match path.kind() {
            TileKind::Entries => bundle::push(&mut bytes, &leaf(index)).expect("a leaf"),
            TileKind::Hashes(level) => {
                bytes.extend([level; 24]);
                bytes.extend(index.to_be_bytes());
            }
        }
    }
    bytes
}

pub(crate) fn tiles(from: u64, to: u64) -> Vec<(TilePath, Vec<u8>)> {
    changed(from, to)
        .map(|path| (path, tile_bytes(path)))
        .collect()
}

/// All that a log does to go from one size to the next, the publishing too.
pub(crate) fn grow(storage: &dyn Storage, from: u64, to: u64) {
    storage.append(&entries(from..to)).expect("appended");
    integrate(storage, from, to);
}

pub(crate) fn integrate(storage: &dyn Storage, from: u64, to: u64) {
    storage.put_tiles(&tiles(from, to)).expect("kept");
    storage.commit(&commit(from, to)).expect("committed");
    let published = format!("published {to}");
    storage.publish(published.as_bytes()).expect("published");
}

/// The published vectors of receipts: every kind, some of them private.
pub(crate) fn receipts() -> Vec<SignedReceipt> {
    let vectors = include_str!("../../../receipt/tests/vectors/receipts.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("JSON");
    let vectors = vectors["receipts"].as_array().expect("a list");
    let read = |vector: &serde_json::Value| {
        let receipt = vector["receipt"].as_str().expect("a text");
        SignedReceipt::from_bytes(receipt.as_bytes()).expect("a receipt")
    };
    vectors.iter().map(read).collect()
}
