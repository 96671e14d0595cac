//! Trees of RFC 6962 as tiles hold them: subtree hashes, proofs, and their verification.
//!
//! Enters: tiles from a [`ReadTiles`], or proofs as others made them. Leaves: proofs, or that one holds.
//! Refuses: ranges that the tree does not have, and proofs with a hash too few or too many.

use tenzik_receipt::Sha256;
use tenzik_receipt::merkle::{leaf_hash, node_hash};

use crate::storage::StorageError;
use crate::tile::{TILE_WIDTH, TileKind, TilePath};

/// How many levels of the tree one tile spans.
const TILE_HEIGHT: u32 = 8;

/// Why a proof could not be made, or does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Differs,
    /// It has not the number of hashes that the sizes ask for.
    #[error("the proof has {got} hashes, and another number is needed")]
    Length {
        /// How many it has.
        got: usize,
    },
    /// A tile that the tree must have is not there, or has another length.
    #[error("{path} is missing or has the wrong length")]
    Missing {
        /// The tile.
        path: TilePath,
    },
    /// The tree has no such range.
    #[error("a tree of {size} has no leaves from {start} to {end}")]
    Range {
        /// The first leaf.
        start: u64,
        /// The leaf after the last.
        end: u64,
        /// The tree's size.
        size: u64,
    },
    /// The tiles cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Where tiles of hashes come from: a storage, or a log across the network.
pub trait ReadTiles {
    /// A tile's bytes, 32 to a hash; `None` if there is no such tile.
    ///
    /// # Errors
    /// [`StorageError`] if nobody knows.
    fn read_tile(&mut self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError>;
}

impl<F: FnMut(TilePath) -> Result<Option<Vec<u8>>, StorageError>> ReadTiles for F {
    fn read_tile(&mut self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        self(path)
    }
}

/// A tree of a known size, read tile by tile. A tile is read once.
pub struct Tree<R> {
    size: u64,
    reader: R,
    read: Vec<(TilePath, Vec<Sha256>)>,
}

impl<R: ReadTiles> Tree<R> {
    /// The tree of `size` leaves behind these tiles.
    pub const fn new(size: u64, reader: R) -> Self {
        Self {
            size,
            reader,
            read: Vec::new(),
        }
    }

    /// The root.
    ///
    /// # Errors
    /// [`TreeError::Missing`] and [`TreeError::Storage`].
    pub fn root(&mut self) -> Result<Sha256, TreeError> {
        self.subtree(0, self.size)
    }

    /// The root of the tree of its first `size` leaves. Only tiles of this tree are read: those of the smaller one need never
    /// have been stored.
    ///
    /// # Errors
    /// [`TreeError`]: the tree has fewer leaves, or a tile cannot be read.
    pub fn root_at(&mut self, size: u64) -> Result<Sha256, TreeError> {
        self.require(0, size)?;
        self.subtree(0, size)
    }

    /// The path from a leaf to the root, its sibling first (RFC 6962 section 2.1.1).
    ///
    /// # Errors
    /// [`TreeError`]: the tree has no such leaf, or a tile cannot be read.
    pub fn inclusion(&mut self, index: u64) -> Result<Vec<Sha256>, TreeError> {
        let size = self.size;
        if index >= size {
            let (start, end) = (index, index.saturating_add(1));
            return Err(TreeError::Range { start, end, size });
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                path.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// The proof that this tree begins with the tree of its first `old` leaves (RFC 6962 section 2.1.2); empty if
    /// `old` is 0 or all.
    ///
    /// # Errors
    /// [`TreeError`]: the tree has fewer leaves, or a tile cannot be read.
    pub fn consistency(&mut self, old: u64) -> Result<Vec<Sha256>, TreeError> {
        self.require(0, old)?;
        if old == 0 || old == self.size {
            return Ok(Vec::new());
        }
        let (mut start, mut end) = (0, self.size);
        let mut path = Vec::new();
        // Until the old tree's right edge is a whole subtree of this one.
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.subtree(middle, end)?);
                end = middle;
            } else {
                path.push(self.subtree(start, middle)?);
                start = middle;
            }
        }
        // A verifier that holds the old root knows this hash if the old tree is a whole subtree itself.
        if start > 0 {
            path.push(self.subtree(start, end)?);
        }
        path.reverse();
        Ok(path)
    }

    /// What [`verify_range`] needs beside the leaves: the largest subtrees outside of the range, from left to right.
    ///
    /// # Errors
    /// [`TreeError`]: the range is empty or not in the tree, or a tile cannot be read.
    pub fn range(&mut self, start: u64, end: u64) -> Result<Vec<Sha256>, TreeError> {
        self.require(start, end)?;
        if start == end {
            let size = self.size;
            return Err(TreeError::Range { start, end, size });
        }
        let mut outside = Vec::new();
        self.collect_outside((0, self.size), (start, end), &mut outside)?;
        Ok(outside)
    }

    fn collect_outside(
        &mut self,
        (low, high): (u64, u64),
        range: (u64, u64),
        outside: &mut Vec<Sha256>,
    ) -> Result<(), TreeError> {
        if is_apart((low, high), range) {
            outside.push(self.subtree(low, high)?);
        } else if !is_within((low, high), range) {
            let middle = low + split(high - low);
            self.collect_outside((low, middle), range, outside)?;
            self.collect_outside((middle, high), range, outside)?;
        }
        Ok(())
    }

    fn require(&self, start: u64, end: u64) -> Result<(), TreeError> {
        if start <= end && end <= self.size {
            return Ok(());
        }
        let size = self.size;
        Err(TreeError::Range { start, end, size })
    }

    /// The hash over leaves `start` to `end`, which are a subtree of the tree or its right edge.
    fn subtree(&mut self, start: u64, end: u64) -> Result<Sha256, TreeError> {
        let count = end - start;
        if count == 0 {
            return Ok(Sha256::of(b""));
        }
        if count.is_power_of_two() && start.is_multiple_of(count) {
            return self.node(count.ilog2(), start / count);
        }
        let middle = start + split(count);
        let left = self.subtree(start, middle)?;
        let right = self.subtree(middle, end)?;
        Ok(node_hash(&left, &right))
    }

    /// The hash of the whole subtree of `2^height` leaves.
    fn node(&mut self, height: u32, index: u64) -> Result<Sha256, TreeError> {
        let level = height / TILE_HEIGHT;
        let count = 1_u64 << (height % TILE_HEIGHT);
        let first = index * count;
        let kind = TileKind::Hashes(level as u8);
        let tile = self.tile(kind, first / TILE_WIDTH)?;
        let first = (first % TILE_WIDTH) as usize;
        Ok(tenzik_receipt::merkle::root(
            &tile[first..first + count as usize],
        ))
    }

    fn tile(&mut self, kind: TileKind, index: u64) -> Result<&[Sha256], TreeError> {
        let path = TilePath::in_tree(kind, index, self.size)
            .expect("a whole subtree of the tree has its tile in it");
        let known = self.read.iter().position(|(read, _)| *read == path);
        let at = match known {
            Some(at) => at,
            None => {
                let bytes = self.reader.read_tile(path)?;
                let hashes = bytes.and_then(|bytes| hashes(&bytes, path));
                self.read
                    .push((path, hashes.ok_or(TreeError::Missing { path })?));
                self.read.len() - 1
            }
        };
        Ok(&self.read[at].1)
    }
}

/// The hashes of a tile; `None` if the bytes have another length than its width asks for.
pub fn hashes(bytes: &[u8], path: TilePath) -> Option<Vec<Sha256>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let fits = rest.is_empty() && hashes.len() == usize::from(path.width());
    fits.then(|| hashes.iter().copied().map(Sha256::from_bytes).collect())
}

/// That `proof` leads from an old tree to a new one that begins with it (RFC 9162 section 2.1.4.2).
///
/// # Errors
/// [`TreeError::Differs`], [`TreeError::Length`], and [`TreeError::Range`] if the old tree is the larger one.
pub fn verify_consistency(
    (old_size, old_root): (u64, &Sha256),
    (new_size, new_root): (u64, &Sha256),
    proof: &[Sha256],
) -> Result<(), TreeError> {
    let got = proof.len();
    if old_size > new_size {
        return Err(TreeError::Range {
            start: 0,
            end: old_size,
            size: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        let same = old_size == 0 || old_root == new_root;
        return match (got, same) {
            (0, true) => Ok(()),
            (0, false) => Err(TreeError::Differs),
            _ => Err(TreeError::Length { got }),
        };
    }
    let mut hashes = proof.iter();
    // A whole subtree's hash is left out of the proof: the verifier has it.
    let first = match old_size.is_power_of_two() {
        true => old_root,
        false => hashes.next().ok_or(TreeError::Length { got })?,
    };
    let (mut index, mut last) = (old_size - 1, new_size - 1);
    while index & 1 == 1 {
        index >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return Err(TreeError::Length { got });
        }
        if index & 1 == 1 || index == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, hash);
        }
        index >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(TreeError::Length { got });
    }
    match old == *old_root && new == *new_root {
        true => Ok(()),
        false => Err(TreeError::Differs),
    }
}

/// That these leaves are the ones from `start` on in the tree of this size and root: each one's inclusion, at the price
/// of hashing it and of about two nodes a leaf.
///
/// # Errors
/// [`TreeError::Differs`] if a leaf is another, [`TreeError::Length`], and [`TreeError::Range`] if the tree has no such
/// range or there is no leaf.
pub fn verify_range<L: AsRef<[u8]>>(
    leaves: &[L],
    start: u64,
    (size, root): (u64, &Sha256),
    outside: &[Sha256],
) -> Result<(), TreeError> {
    let end = start.checked_add(leaves.len() as u64);
    let Some(end) = end.filter(|end| !leaves.is_empty() && *end <= size) else {
        let end = end.unwrap_or(u64::MAX);
        return Err(TreeError::Range { start, end, size });
    };
    let mut range = Range {
        leaves,
        start,
        end,
        outside: outside.iter(),
    };
    let length = TreeError::Length { got: outside.len() };
    let Some(led) = range.root(0, size) else {
        return Err(length);
    };
    if range.outside.len() > 0 {
        return Err(length);
    }
    if led != *root {
        return Err(TreeError::Differs);
    }
    Ok(())
}

struct Range<'a, L> {
    leaves: &'a [L],
    start: u64,
    end: u64,
    outside: std::slice::Iter<'a, Sha256>,
}

impl<L: AsRef<[u8]>> Range<'_, L> {
    /// The hash over leaves `low` to `high`, from the leaves at hand and the hashes that were handed in. The depth is at
    /// most 64.
    fn root(&mut self, low: u64, high: u64) -> Option<Sha256> {
        if is_apart((low, high), (self.start, self.end)) {
            return self.outside.next().copied();
        }
        if high - low == 1 {
            let leaf = &self.leaves[(low - self.start) as usize];
            return Some(leaf_hash(leaf.as_ref()));
        }
        let middle = low + split(high - low);
        let left = self.root(low, middle)?;
        let right = self.root(middle, high)?;
        Some(node_hash(&left, &right))
    }
}

fn is_apart((low, high): (u64, u64), (start, end): (u64, u64)) -> bool {
    high <= start || end <= low
}

fn is_within((low, high): (u64, u64), (start, end): (u64, u64)) -> bool {
    start <= low && high <= end
}

/// The largest power of two below `count`, which is at least 2 (RFC 6962 section 2.1).
const fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
