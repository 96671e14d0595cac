//! Entry bundles: up to 256 entries, each with its length before it (c2sp.org/tlog-tiles, "Log entries").
//!
//! Enters: entries, or a bundle's foreign bytes. Leaves: the other. Refuses: bundles that are cut, longer than their
//! width asks for, or hold an entry above [`ENTRY_BYTES_MAX`].

use std::ops::Range;

use tenzik_receipt::RECEIPT_BYTES_MAX;

use crate::storage::StorageError;
use crate::tile::{TILE_WIDTH, TileKind, TilePath};
use crate::tree::TreeError;

/// The most bytes of an entry: those of a receipt, half of what the two bytes of its length could say.
pub const ENTRY_BYTES_MAX: usize = RECEIPT_BYTES_MAX;
/// The most bytes of a bundle.
pub const BUNDLE_BYTES_MAX: usize = TILE_WIDTH as usize * (2 + ENTRY_BYTES_MAX);

/// Why bytes are no entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The bytes end within an entry, or before the last one.
    #[error("the bundle ends within entry {entry}")]
    Cut {
        /// The entry, counted from 0.
        entry: usize,
    },
    /// An entry is empty or longer than a receipt can be.
    #[error("entry {entry} has {bytes} bytes, 1 to {ENTRY_BYTES_MAX} are allowed")]
    EntrySize {
        /// The entry, counted from 0.
        entry: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// More follows than the width says.
    #[error("{bytes} bytes follow the last of {width} entries")]
    Longer {
        /// How many entries there should be.
        width: usize,
        /// How many bytes follow.
        bytes: usize,
    },
}

/// Adds an entry to a bundle's bytes.
///
/// # Errors
/// [`BundleError::EntrySize`], and then nothing is added.
pub fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length = length(entry.len(), 0)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of exactly `width` that these bytes hold.
///
/// # Errors
/// [`BundleError`] at the first entry that is not as it must be.
pub fn read(bytes: &[u8], width: usize) -> Result<Vec<&[u8]>, BundleError> {
    let mut rest = bytes;
    // The width may be a stranger's word, the bytes are here.
    let mut entries = Vec::with_capacity(width.min(TILE_WIDTH as usize));
    for entry in 0..width {
        let (head, after) = rest.split_first_chunk().ok_or(BundleError::Cut { entry })?;
        let bytes = length(usize::from(u16::from_be_bytes(*head)), entry)?;
        let (read, after) = after
            .split_at_checked(usize::from(bytes))
            .ok_or(BundleError::Cut { entry })?;
        entries.push(read);
        rest = after;
    }
    match rest.len() {
        0 => Ok(entries),
        bytes => Err(BundleError::Longer { width, bytes }),
    }
}

/// The entries of a range of a stored tree of `size`, each bundle read once.
///
/// # Errors
/// [`TreeError::Range`] if the tree has no such range, [`TreeError::Missing`] if a bundle is not there or damaged.
pub fn entries(
    range: Range<u64>,
    size: u64,
    mut read_tile: impl FnMut(TilePath) -> Result<Option<Vec<u8>>, StorageError>,
) -> Result<Vec<Vec<u8>>, TreeError> {
    let Range { start, end } = range;
    if start > end || end > size {
        return Err(TreeError::Range { start, end, size });
    }
    let mut entries = Vec::new();
    let mut next = start;
    while next < end {
        let path = TilePath::in_tree(TileKind::Entries, next / TILE_WIDTH, size);
        let path = path.expect("an entry below the size is in a bundle");
        let bytes = read_tile(path)?.ok_or(TreeError::Missing { path })?;
        let bundle = read(&bytes, usize::from(path.width()));
        let bundle = bundle.map_err(|_| TreeError::Missing { path })?;
        let from = (next % TILE_WIDTH) as usize;
        let wanted = bundle.len().min(from + (end - next) as usize);
        entries.extend(bundle[from..wanted].iter().map(|entry| entry.to_vec()));
        next += (wanted - from) as u64;
    }
    Ok(entries)
}

fn length(bytes: usize, entry: usize) -> Result<u16, BundleError> {
    let refused = BundleError::EntrySize { entry, bytes };
    if bytes == 0 || bytes > ENTRY_BYTES_MAX {
        return Err(refused);
    }
    u16::try_from(bytes).map_err(|_| refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn the_length_comes_first_and_is_big_endian() {
        let mut bundle = Vec::new();
        push(&mut bundle, b"abc").expect("an entry");
        assert_eq!(bundle, b"\x00\x03abc");
    }

    #[test]
    fn what_is_cut_long_empty_or_huge_is_refused() {
        assert_eq!(read(b"\x00", 1), Err(BundleError::Cut { entry: 0 }));
        assert_eq!(read(b"\x00\x02a", 1), Err(BundleError::Cut { entry: 0 }));
        assert_eq!(read(b"\x00\x01a", 2), Err(BundleError::Cut { entry: 1 }));
        assert_eq!(
            read(b"\x00\x01ab", 1),
            Err(BundleError::Longer { width: 1, bytes: 1 })
        );
        assert_eq!(
            read(b"\x00\x00", 1),
            Err(BundleError::EntrySize { entry: 0, bytes: 0 })
        );
        let huge = vec![0xff; 70_000];
        assert_eq!(
            read(&huge, 1),
            Err(BundleError::EntrySize {
                entry: 0,
                bytes: 65_535
            })
        );
        assert_eq!(
            push(&mut Vec::new(), &huge),
            Err(BundleError::EntrySize {
                entry: 0,
                bytes: 70_000
            })
        );
    }

    proptest! {
        #[test]
        fn a_bundle_reads_as_what_it_was(entries in vec(vec(any::<u8>(), 1..300), 0..40)) {
            let mut bundle = Vec::new();
            for entry in &entries {
                push(&mut bundle, entry).expect("an entry");
            }
            prop_assert_eq!(read(&bundle, entries.len()), Ok(entries.iter().map(Vec::as_slice).collect()));
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..600), width in 0..300_usize) {
            if let Ok(entries) = read(&bytes, width) {
                let mut again = Vec::new();
                for entry in entries {
                    push(&mut again, entry).expect("it was read");
                }
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
