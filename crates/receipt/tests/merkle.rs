//! The tree against the recursive definition of RFC 6962, written here a second time.

use sha2::{Digest as _, Sha256 as Hasher};
use tenzik_receipt::{Sha256, merkle};

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// The largest power of two below `size`.
fn split(size: usize) -> usize {
    let mut half = 1;
    while half * 2 < size {
        half *= 2;
    }
    half
}

/// RFC 6962 section 2.1: MTH.
fn root(leaves: &[Vec<u8>]) -> [u8; 32] {
    match leaves {
        [] => hash(&[]),
        [leaf] => hash(&[&[0], leaf]),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            hash(&[&[1], &root(left), &root(right)])
        }
    }
}

/// RFC 6962 section 2.1.1: PATH.
fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let half = split(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut path, other) = if index < half {
        (path(index, left), root(right))
    } else {
        (path(index - half, right), root(left))
    };
    path.push(other);
    path
}

fn leaves(size: usize) -> Vec<Vec<u8>> {
    (0..size)
        .map(|leaf| format!("leaf {leaf}").into_bytes())
        .collect()
}

fn hashed(leaves: &[Vec<u8>]) -> Vec<Sha256> {
    leaves.iter().map(|leaf| merkle::leaf_hash(leaf)).collect()
}

#[test]
fn roots_and_paths_are_those_of_the_definition() {
    for size in 0..=70 {
        let leaves = leaves(size);
        let tree = merkle::Tree::new(hashed(&leaves));
        let expected = Sha256::from_bytes(root(&leaves));
        assert_eq!(tree.root(), expected, "{size} leaves");
        assert_eq!(merkle::root(&hashed(&leaves)), expected);
        for index in 0..size {
            let steps: Vec<_> = path(index, &leaves)
                .into_iter()
                .map(Sha256::from_bytes)
                .collect();
            assert_eq!(tree.path(index), steps, "leaf {index} of {size}");
            let leaf = merkle::leaf_hash(&leaves[index]);
            let led = merkle::root_from_path(leaf, index as u64, size as u64, &steps);
            assert_eq!(led, Some(expected), "leaf {index} of {size}");
        }
        assert!(tree.path(size).is_empty(), "there is no such leaf");
    }
}

#[test]
fn a_path_leads_to_its_root_from_no_other_place_of_any_size() {
    for size in 1..=12 {
        let leaves = leaves(size);
        let tree = merkle::Tree::new(hashed(&leaves));
        for (index, leaf) in hashed(&leaves).into_iter().enumerate() {
            let path = tree.path(index);
            for other in 0..16 {
                let led = merkle::root_from_path(leaf, other, size as u64, &path);
                assert_eq!(led == Some(tree.root()), other == index as u64);
            }
        }
    }
}

/// Why the size is signed beside the root: the path alone fits more than one.
#[test]
fn one_path_may_fit_two_sizes() {
    let leaves = leaves(5);
    let tree = merkle::Tree::new(hashed(&leaves));
    let (leaf, path) = (merkle::leaf_hash(&leaves[0]), tree.path(0));
    for size in 5..=8 {
        assert_eq!(
            merkle::root_from_path(leaf, 0, size, &path),
            Some(tree.root())
        );
    }
}

#[test]
fn a_node_does_not_pass_for_a_leaf() {
    let leaves = leaves(4);
    let tree = merkle::Tree::new(hashed(&leaves));
    let pair = [*tree.path(0)[0].as_bytes(), *tree.path(1)[0].as_bytes()].concat();
    let led = merkle::root_from_path(merkle::leaf_hash(&pair), 0, 2, &tree.path(0)[1..]);
    assert_ne!(led, Some(tree.root()));
}

#[test]
fn places_outside_the_tree_and_extreme_numbers_lead_nowhere() {
    let leaf = merkle::leaf_hash(b"leaf");
    let long = vec![leaf; 64];
    for (index, size) in [(0, 0), (1, 1), (7, 7), (u64::MAX, u64::MAX), (u64::MAX, 0)] {
        assert_eq!(
            merkle::root_from_path(leaf, index, size, &[]),
            None,
            "{index} of {size}"
        );
        assert_eq!(
            merkle::root_from_path(leaf, index, size, &long),
            None,
            "{index} of {size}"
        );
    }
    assert_eq!(merkle::root_from_path(leaf, 0, 1, &[]), Some(leaf));
    assert!(merkle::root_from_path(leaf, 0, u64::MAX, &long).is_some());
}
