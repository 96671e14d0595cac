//! Proofs from tiles against the recursive definitions of RFC 6962, which hold the whole tree.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tenzik_receipt::merkle;

use super::*;
use crate::frontier::Frontier;
use crate::tile::changed;

fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

type Tiles = BTreeMap<TilePath, Vec<u8>>;

/// The tiles of a tree that grew by the given steps.
fn grown(steps: &[u64]) -> (u64, Tiles, Frontier) {
    let mut frontier = Frontier::new();
    let mut tiles = Tiles::new();
    for step in steps {
        let size = frontier.size();
        let new = frontier
            .extend((size..size + step).map(leaf))
            .expect("short leaves");
        let paths: Vec<_> = new.iter().map(|(path, _)| *path).collect();
        let mut expected: Vec<_> = changed(size, size + step).collect();
        let mut sorted = paths.clone();
        sorted.sort();
        expected.sort();
        assert_eq!(sorted, expected, "what changes from {size} by {step}");
        tiles.extend(new);
    }
    (frontier.size(), tiles, frontier)
}

fn reader(tiles: &Tiles) -> impl ReadTiles + use<'_> {
    |path: TilePath| Ok(tiles.get(&path).cloned())
}

fn leaves(size: u64) -> Vec<Sha256> {
    (0..size).map(|index| leaf_hash(&leaf(index))).collect()
}

/// `SUBPROOF` as RFC 6962 section 2.1.2 writes it.
fn subproof(old: usize, leaves: &[Sha256], whole: bool) -> Vec<Sha256> {
    let size = leaves.len();
    if old == size {
        return if whole {
            Vec::new()
        } else {
            vec![merkle::root(leaves)]
        };
    }
    let middle = split(size as u64) as usize;
    let (left, right) = leaves.split_at(middle);
    let (mut proof, other) = if old <= middle {
        (subproof(old, left, whole), merkle::root(right))
    } else {
        (subproof(old - middle, right, false), merkle::root(left))
    };
    proof.push(other);
    proof
}

#[test]
fn a_grown_tree_has_the_root_and_the_paths_of_the_whole() {
    for steps in [
        &[1][..],
        &[7, 1, 200],
        &[255, 1],
        &[256],
        &[300, 300, 1],
        &[65_530, 10, 300],
    ] {
        let (size, tiles, frontier) = grown(steps);
        let whole = merkle::Tree::new(leaves(size));
        assert_eq!(frontier.root(), whole.root());
        let mut tree = Tree::new(size, reader(&tiles));
        assert_eq!(tree.root().expect("tiles"), whole.root());
        for index in [0, size / 3, size / 2, size - 1] {
            assert_eq!(
                tree.inclusion(index).expect("tiles"),
                whole.path(index as usize),
                "{index} of {size}"
            );
        }
    }
}

#[test]
fn the_empty_tree_has_the_root_of_nothing_and_no_proofs() {
    let tiles = Tiles::new();
    let mut tree = Tree::new(0, reader(&tiles));
    assert_eq!(tree.root().expect("no tile is needed"), Sha256::of(b""));
    assert_eq!(Frontier::new().root(), Sha256::of(b""));
    assert!(matches!(tree.inclusion(0), Err(TreeError::Range { .. })));
    assert!(matches!(tree.consistency(1), Err(TreeError::Range { .. })));
    assert!(matches!(tree.range(0, 0), Err(TreeError::Range { .. })));
}

#[test]
fn a_frontier_is_read_back_from_its_tiles_and_grows_on() {
    for size in [1, 255, 256, 257, 70_000] {
        let (_, mut tiles, _) = grown(&[size]);
        let mut frontier = Frontier::read(size, &mut reader(&tiles)).expect("tiles");
        tiles.extend(
            frontier
                .extend((size..size + 600).map(leaf))
                .expect("short leaves"),
        );
        assert_eq!(frontier.root(), merkle::root(&leaves(size + 600)));
        let again = Frontier::read(size + 600, &mut reader(&tiles)).expect("tiles");
        assert_eq!(again.root(), frontier.root());
    }
}

#[test]
fn a_frontier_is_not_read_from_missing_or_changed_tiles() {
    use crate::frontier::FrontierError;
    let (size, tiles, _) = grown(&[70_000]);
    for path in tiles.keys().filter(|path| !path.is_full()) {
        let mut damaged = tiles.clone();
        damaged.remove(path);
        let read = Frontier::read(size, &mut reader(&damaged));
        assert!(matches!(read, Err(FrontierError::Missing { .. })), "{path}");
    }
    let path = TilePath::in_tree(TileKind::Entries, 273, size).expect("the last bundle");
    let mut damaged = tiles.clone();
    let bundle = damaged.get_mut(&path).expect("it is there");
    bundle[3] ^= 1;
    let read = Frontier::read(size, &mut reader(&damaged));
    assert!(matches!(read, Err(FrontierError::Entry { index: 69_888 })));
}

#[test]
fn a_missing_tile_is_named() {
    let (size, mut tiles, _) = grown(&[600]);
    let gone = TilePath::new(TileKind::Hashes(0), 1, 256).expect("a tile");
    tiles.remove(&gone);
    let told = Tree::new(size, reader(&tiles)).inclusion(300);
    assert!(matches!(told, Err(TreeError::Missing { path }) if path == gone));
}

#[test]
fn the_last_numbers_are_no_leaves() {
    let (size, root) = (u64::MAX, leaf_hash(&leaf(0)));
    for start in [u64::MAX - 1, u64::MAX] {
        let refused = verify_range(&[leaf(0), leaf(1)], start, (size, &root), &[root; 80]);
        assert!(matches!(refused, Err(TreeError::Range { .. })), "{start}");
    }
    let zeros = |path: TilePath| Ok(Some(vec![0; 32 * usize::from(path.width())]));
    let mut tree = Tree::new(size, zeros);
    assert_eq!(tree.inclusion(size - 1).expect("a leaf").len(), 63);
    let refused = tree.inclusion(size);
    assert!(matches!(refused, Err(TreeError::Range { .. })));
}

proptest! {
    #[test]
    fn consistency_is_that_of_the_recursive_definition(old in 0..700_u64, more in 0..700_u64) {
        let size = old + more;
        let (_, tiles, _) = grown(&[old, more]);
        let proof = Tree::new(size, reader(&tiles)).consistency(old).expect("tiles");
        let all = leaves(size);
        if old > 0 {
            prop_assert_eq!(&proof, &subproof(old as usize, &all, true));
        }
        let old_root = merkle::root(&all[..old as usize]);
        let new_root = merkle::root(&all);
        let verified = |proof: &[Sha256]| verify_consistency((old, &old_root), (size, &new_root), proof);
        prop_assert!(verified(&proof).is_ok());
        // One hash more, one less, one changed: each is refused.
        let mut longer = proof.clone();
        longer.push(new_root);
        prop_assert!(verified(&longer).is_err());
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at] = Sha256::of(b"another");
            prop_assert!(verified(&changed).is_err());
            let mut shorter = proof.clone();
            shorter.remove(at);
            prop_assert!(verified(&shorter).is_err());
        }
        if old > 0 {
            let other = Sha256::of(b"another");
            prop_assert!(verify_consistency((old, &other), (size, &new_root), &proof).is_err());
            prop_assert!(verify_consistency((old, &old_root), (size, &other), &proof).is_err());
        }
    }

    #[test]
    fn a_range_is_verified_and_no_other(size in 1..1200_u64, at: prop::sample::Index, length: prop::sample::Index) {
        let start = at.index(size as usize) as u64;
        let end = start + 1 + length.index((size - start) as usize) as u64;
        let (_, tiles, frontier) = grown(&[size]);
        let root = frontier.root();
        let outside = Tree::new(size, reader(&tiles)).range(start, end).expect("tiles");
        let mut range: Vec<_> = (start..end).map(leaf).collect();
        prop_assert!(verify_range(&range, start, (size, &root), &outside).is_ok());
        if end < size {
            prop_assert!(verify_range(&range, start + 1, (size, &root), &outside).is_err());
        }
        let mut longer = outside.clone();
        longer.push(root);
        prop_assert!(verify_range(&range, start, (size, &root), &longer).is_err());
        if !outside.is_empty() {
            prop_assert!(verify_range(&range, start, (size, &root), &outside[1..]).is_err());
        }
        let changed = range.len() / 2;
        range[changed].push(b'!');
        prop_assert!(verify_range(&range, start, (size, &root), &outside).is_err());
        prop_assert!(verify_range::<Vec<u8>>(&[], start, (size, &root), &outside).is_err());
    }

    #[test]
    fn any_sizes_and_any_proof_are_answered(
        old: u64, new: u64, proof in prop::collection::vec(prop::array::uniform32(any::<u8>()), 0..70),
    ) {
        let proof: Vec<_> = proof.into_iter().map(Sha256::from_bytes).collect();
        let root = Sha256::of(b"a root");
        if verify_consistency((old, &root), (new, &root), &proof).is_ok() {
            prop_assert!(old == 0 || old == new);
            prop_assert!(proof.is_empty());
        }
        prop_assert!(verify_range(&[b"leaf"], old, (new, &root), &proof).is_err());
    }
}

#[test]
fn a_smaller_trees_root_needs_no_tiles_of_its_own() {
    let (_, tiles, _) = grown(&[600]);
    let leaves = leaves(600);
    let mut tree = Tree::new(600, reader(&tiles));
    for size in [1, 2, 255, 256, 257, 270, 511, 512, 599, 600] {
        let led = tree.root_at(size).expect("its root");
        assert_eq!(led, merkle::root(&leaves[..size as usize]), "{size}");
    }
    assert_eq!(tree.root_at(0).expect("nothing's"), Sha256::of(b""));
    assert!(tree.root_at(601).is_err());
}
