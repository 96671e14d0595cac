//! Merkle trees as RFC 6962 section 2.1 has them, with SHA-256.
//!
//! Enters: leaves in order, or a leaf with its path. Leaves: roots and paths.
//! Refuses: a path of another length than index and size ask for.

use alloc::vec::Vec;

use sha2::{Digest as _, Sha256 as Hasher};

use crate::digest::Sha256;

/// The hash of a leaf: SHA-256 over a zero byte and the leaf.
pub fn leaf_hash(leaf: &[u8]) -> Sha256 {
    hash([&[0], leaf])
}

/// The hash of a leaf that lies in two pieces.
pub(crate) fn leaf_hash_of(head: &[u8], rest: &[u8]) -> Sha256 {
    hash([&[0], head, rest])
}

/// The hash of an inner node: SHA-256 over a byte 1 and the hashes of its two sides.
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    hash([&[1], left.as_bytes(), right.as_bytes()])
}

fn hash<const PIECES: usize>(pieces: [&[u8]; PIECES]) -> Sha256 {
    let mut hasher = Hasher::new();
    for piece in pieces {
        hasher.update(piece);
    }
    Sha256::from_bytes(hasher.finalize().into())
}

/// The root over leaf hashes. Of no leaves, it is SHA-256 of nothing.
pub fn root(leaves: &[Sha256]) -> Sha256 {
    Tree::new(leaves.to_vec()).root()
}

/// A whole tree, kept to hand out paths: its levels, leaves first.
#[derive(Clone, Debug)]
pub struct Tree {
    levels: Vec<Vec<Sha256>>,
}

impl Tree {
    /// Builds the tree over leaf hashes.
    ///
    /// RFC 6962 splits at the largest power of two, which is the same as pairing from the left
    /// and carrying an odd last node up as it is.
    pub fn new(leaves: Vec<Sha256>) -> Self {
        let mut levels = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let above = level
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => node_hash(left, right),
                    single => single[0],
                })
                .collect();
            levels.push(core::mem::replace(&mut level, above));
        }
        levels.push(level);
        Self { levels }
    }

    /// The root.
    pub fn root(&self) -> Sha256 {
        let top = self.levels.last().and_then(|level| level.first());
        top.copied().unwrap_or_else(|| Sha256::of(b""))
    }

    /// The path from leaf `index` to the root, nearest sibling first; empty if there is no such leaf.
    pub fn path(&self, index: usize) -> Vec<Sha256> {
        if self
            .levels
            .first()
            .is_none_or(|leaves| index >= leaves.len())
        {
            return Vec::new();
        }
        let mut path = Vec::with_capacity(self.levels.len());
        path.extend(
            self.levels
                .iter()
                .enumerate()
                .filter_map(|(height, level)| level.get((index >> height) ^ 1)),
        );
        path
    }
}

/// The root that a leaf hash and its path lead to in a tree of `size`.
///
/// `None` if `index` is not below `size` or the path has another length than they ask for.
pub fn root_from_path(leaf: Sha256, index: u64, size: u64, path: &[Sha256]) -> Option<Sha256> {
    if index >= size {
        return None;
    }
    // RFC 9162 section 2.1.3.2: `last` is the index of the tree's last leaf on each level.
    let (mut index, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in path {
        if last == 0 {
            return None;
        }
        if index % 2 == 1 || index == last {
            hash = node_hash(sibling, &hash);
            // Levels on which this node has no sibling are passed over.
            while index % 2 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        index >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    fn leaves(count: usize) -> Vec<Sha256> {
        (0..count)
            .map(|leaf| leaf_hash(format!("leaf {leaf}").as_bytes()))
            .collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_proves_its_own_place_only() {
        for size in 1..=33 {
            let leaves = leaves(size);
            let tree = Tree::new(leaves.clone());
            let root = tree.root();
            for (index, leaf) in leaves.iter().enumerate() {
                let path = tree.path(index);
                for other in 0..size {
                    let led = root_from_path(*leaf, other as u64, size as u64, &path);
                    assert_eq!(
                        led == Some(root),
                        other == index,
                        "{index} as {other} of {size}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_path_that_is_too_long_or_too_short_leads_nowhere() {
        let leaves = leaves(7);
        let mut path = Tree::new(leaves.clone()).path(3);
        path.push(leaves[0]);
        assert_eq!(root_from_path(leaves[3], 3, 7, &path), None);
        path.truncate(2);
        assert_eq!(root_from_path(leaves[3], 3, 7, &path), None);
        assert_eq!(root_from_path(leaves[3], 7, 7, &path), None);
    }

    #[test]
    fn the_root_of_nothing_is_that_of_rfc_6962() {
        let text = alloc::string::ToString::to_string(&root(&[]));
        assert_eq!(
            text,
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
