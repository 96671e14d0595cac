//! What both storages do with tiles: checking a stored one, and cutting it to a lesser width.
//!
//! Enters: a stored tile's bytes. Leaves: those of the width that was asked for. Refuses: stored bytes that are not as long as
//! their path says.

use tenzik_log::StorageError;
use tenzik_log::tile::{TileKind, TilePath};

const HASH_BYTES: usize = 32;

/// The first `width` hashes or entries of a stored tile that has at least so many.
pub(crate) fn cut(
    stored: TilePath,
    mut bytes: Vec<u8>,
    width: u16,
) -> Result<Vec<u8>, StorageError> {
    let end = |width| end_of(stored.kind(), &bytes, width);
    if end(stored.width()) != Some(bytes.len()) {
        return Err(damaged(stored, "has not the length its path says"));
    }
    let kept = end(width).ok_or_else(|| damaged(stored, "is not as wide as was asked"))?;
    bytes.truncate(kept);
    Ok(bytes)
}

/// Two tiles of one path must be equal.
pub(crate) fn same(path: TilePath, stored: &[u8], given: &[u8]) -> Result<(), StorageError> {
    if stored == given {
        return Ok(());
    }
    Err(damaged(path, "is there already with other bytes"))
}

fn damaged(path: TilePath, what: &str) -> StorageError {
    StorageError::Damaged {
        what: format!("{path} {what}"),
    }
}

/// Where the first `width` hashes or entries end, if the bytes reach so far.
fn end_of(kind: TileKind, bytes: &[u8], width: u16) -> Option<usize> {
    let width = usize::from(width);
    let end = match kind {
        TileKind::Hashes(_) => HASH_BYTES * width,
        TileKind::Entries => (0..width).try_fold(0, |start, _| {
            let length = bytes.get(start..)?.first_chunk()?;
            Some(start + 2 + usize::from(u16::from_be_bytes(*length)))
        })?,
    };
    (end <= bytes.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tenzik_log::bundle;

    fn path(kind: TileKind, width: u16) -> TilePath {
        TilePath::new(kind, 3, width).expect("a tile")
    }

    proptest! {
        #[test]
        fn a_bundle_cut_is_the_narrower_bundle(
            entries in vec(vec(any::<u8>(), 1..50), 1..=256),
            width in 1..=256_u16,
        ) {
            let width = width.min(entries.len() as u16);
            let bundle_of = |entries: &[Vec<u8>]| {
                let mut bytes = Vec::new();
                for entry in entries {
                    bundle::push(&mut bytes, entry).expect("an entry");
                }
                bytes
            };
            let stored = path(TileKind::Entries, entries.len() as u16);
            let whole = bundle_of(&entries);
            let narrow = bundle_of(&entries[..usize::from(width)]);
            prop_assert_eq!(cut(stored, whole, width).expect("cut"), narrow);
        }

        #[test]
        fn bytes_of_another_length_are_damage(bytes in vec(any::<u8>(), 0..600), width in 1..=16_u16) {
            let hashes = path(TileKind::Hashes(0), width);
            prop_assert_eq!(cut(hashes, bytes.clone(), 1).is_ok(), bytes.len() == 32 * usize::from(width));
            let entries = path(TileKind::Entries, width);
            let whole = end_of(TileKind::Entries, &bytes, width) == Some(bytes.len());
            prop_assert_eq!(cut(entries, bytes, 1).is_ok(), whole);
        }
    }
}
