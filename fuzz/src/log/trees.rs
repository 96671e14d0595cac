//! Proofs: made from tiles they hold, and changed they do not; of sizes that nobody has, they do not panic.

use arbitrary::{Arbitrary, Unstructured};
use tenzik_log::Frontier;
use tenzik_log::evidence::{Evidence, Finding, contradiction};
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::{TileKind, TilePath};
use tenzik_log::tree::{Tree, verify_consistency, verify_range};
use tenzik_log::witness::{AddCheckpoint, Refused, Seen, decide};
use tenzik_receipt::Sha256;
use tenzik_receipt::merkle::{leaf_hash, root_from_path};

use super::{LEAVES, POLICY, cosigned, leaf, log_key, read, root, shown, signed, signed_as, tree};

#[derive(Arbitrary, Debug)]
struct Script {
    check: Check,
    size: u32,
    old: u32,
    start: u32,
    count: u8,
    change: Change,
    wild: Wild,
}

/// What is checked: one thing for each input, because signatures are slow here.
#[derive(Arbitrary, Debug)]
enum Check {
    Consistency,
    Equivocation,
    Frontier,
    Inclusion,
    Range,
    Wild,
    Witness,
}

/// One change of a list.
#[derive(Arbitrary, Debug)]
struct Change {
    kind: Kind,
    at: u16,
    bit: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Double,
    Drop,
    Flip,
    Swap,
}

/// What a stranger may say.
#[derive(Arbitrary, Debug)]
struct Wild {
    sizes: [u64; 2],
    range: [u64; 2],
    level: u8,
    hashes: Vec<u8>,
}

/// What is proved holds, and nothing else does.
pub fn log_trees(bytes: &[u8]) {
    let Ok(script) = Unstructured::new(bytes).arbitrary::<Script>() else {
        return;
    };
    // A tree of one leaf at least, and an old one that may be empty.
    let size = u64::from(script.size) % LEAVES + 1;
    let old = u64::from(script.old) % (size + 1);
    let start = u64::from(script.start) % size;
    let count = (u64::from(script.count) + 1).min(size - start);
    match script.check {
        Check::Consistency => consistency(old, size, &script.change),
        Check::Equivocation => equivocation(old.max(1), size, script.change.bit),
        Check::Frontier => frontier(size, count),
        Check::Inclusion => inclusion(start, size, &script.change),
        Check::Range => range((start, count), size, &script.change),
        Check::Wild => wild(&script.wild),
        Check::Witness => witness(old, size, &script.change),
    }
}

fn consistency(old: u64, size: u64, change: &Change) {
    let proof = tree(size).consistency(old).expect("every tile is there");
    let (from, to) = (root(old), root(size));
    verify_consistency((old, &from), (size, &to), &proof).expect("it was made from the tiles");
    if old > 0 {
        let (other_from, other_to) = (flipped(from, change.bit), flipped(to, change.bit));
        assert!(verify_consistency((old, &other_from), (size, &to), &proof).is_err());
        assert!(verify_consistency((old, &from), (size, &other_to), &proof).is_err());
    }
    if let Some(changed) = changed(&proof, change, |hash| flipped(*hash, change.bit)) {
        assert!(verify_consistency((old, &from), (size, &to), &changed).is_err());
    }
}

/// What a witness that has seen the old tree says to a request for the new one.
fn witness(old: u64, size: u64, change: &Change) {
    let seen = Seen { size: old, root: root(old) };
    let (head, keys) = (signed(size), [log_key()]);
    let answer = |proof: Vec<Sha256>| {
        let request = AddCheckpoint::new(old, proof, &head).expect("a short proof");
        let request = AddCheckpoint::from_bytes(&request.to_bytes()).expect("it was written");
        decide(&request, |_| Some(&keys[..]), Some(&seen)).map(|advance| advance.new)
    };
    let proof = tree(size).consistency(old).expect("every tile is there");
    assert_eq!(answer(proof.clone()), Ok(Seen { size, root: root(size) }));
    if let Some(changed) = changed(&proof, change, |hash| flipped(*hash, change.bit)) {
        assert_eq!(answer(changed), Err(Refused::Inconsistent { old, size }));
    }
}

/// Two honest checkpoints show nothing, however old the one is; a lie shows itself.
fn equivocation(old: u64, size: u64, bit: u8) {
    let proof = tree(size).consistency(old).expect("every tile is there");
    let prefix = || (old < size).then(|| (root(old), proof.clone()));
    let newest = signed(size);
    assert_eq!(contradiction(&signed(old), &newest, prefix()), None);
    let lie = signed_as(old, flipped(root(old), bit));
    let evidence = contradiction(&newest, &lie, prefix()).expect("the log signed two trees");
    let evidence = Evidence::from_bytes(&evidence.to_bytes()).expect("it was written");
    assert_eq!(shown(&evidence).expect("it shows it"), Finding::Equivocation { size: old });
}

fn range((start, count): (u64, u64), size: u64, change: &Change) {
    let end = start + count;
    let outside = tree(size).range(start, end).expect("every tile is there");
    let leaves: Vec<_> = (start..end).map(leaf).collect();
    let head = root(size);
    let holds = |leaves: &[Vec<u8>], start, outside: &[Sha256]| {
        verify_range(leaves, start, (size, &head), outside).is_ok()
    };
    assert!(holds(&leaves, start, &outside));
    assert!(!holds(&leaves, start + 1, &outside), "one place too late");
    assert!(start == 0 || !holds(&leaves, start - 1, &outside), "one place too early");
    let other = changed(&outside, change, |hash| flipped(*hash, change.bit));
    assert!(other.is_none_or(|other| !holds(&leaves, start, &other)), "another proof");
    let flip = |leaf: &Vec<u8>| {
        let mut leaf = leaf.clone();
        let at = usize::from(change.bit / 8) % leaf.len();
        leaf[at] ^= 1 << (change.bit % 8);
        leaf
    };
    let other = changed(&leaves, change, flip);
    assert!(other.is_none_or(|other| !holds(&other, start, &outside)), "other leaves");
}

fn inclusion(index: u64, size: u64, change: &Change) {
    let path = tree(size).inclusion(index).expect("every tile is there");
    let proof = |path| TlogProof::new(None, index, path, &cosigned(size)).expect("a short path");
    let file = proof(path.clone()).to_bytes();
    let read = TlogProof::from_bytes(&file).expect("it was written");
    read.verify(&leaf(index), &POLICY).expect("it was made from the tiles");
    assert!(read.verify(&leaf(index + 1), &POLICY).is_err());
    if let Some(changed) = changed(&path, change, |hash| flipped(*hash, change.bit)) {
        assert!(proof(changed).verify(&leaf(index), &POLICY).is_err());
    }
}

/// A frontier that was read grows as one that was never written.
fn frontier(size: u64, more: u64) {
    let mut frontier = Frontier::read(size, &mut read).expect("every tile is there");
    assert_eq!(frontier.root(), root(size));
    let grown = (size + more).min(LEAVES);
    let tiles = frontier.extend((size..grown).map(leaf)).expect("short leaves");
    assert_eq!((frontier.size(), frontier.root()), (grown, root(grown)));
    for (path, bytes) in tiles {
        assert_eq!(read(path).expect("in memory"), Some(bytes), "{path}");
    }
}

/// Sizes without a tree. Refusals are answers; so are proofs of nothing.
fn wild(wild: &Wild) {
    let [one, other] = wild.sizes;
    let [start, end] = wild.range;
    let hashes: Vec<_> = wild.hashes.iter().map(|octet| Sha256::from_bytes([*octet; 32])).collect();
    let head = root(9);
    let leaves = vec![leaf(0); hashes.len().min(4)];
    assert!(verify_range(&leaves, start, (one, &head), &hashes).is_err());
    let consistent = verify_consistency((one, &head), (other, &head), &hashes).is_ok();
    assert!(!consistent || hashes.is_empty() && (one == 0 || one == other));
    let led = root_from_path(leaf_hash(&leaf(0)), start, one, &hashes);
    assert_ne!(led, Some(head));
    let zeros = |path: TilePath| Ok(Some(vec![0; 32 * usize::from(path.width())]));
    let mut tree = Tree::new(one, zeros);
    assert!(tree.root().is_ok());
    assert_eq!(tree.inclusion(start).is_ok(), start < one);
    assert_eq!(tree.consistency(start).is_ok(), start <= one);
    assert_eq!(tree.range(start, end).is_ok(), start < end && end <= one);
    let path = TilePath::in_tree(TileKind::Hashes(wild.level), start, one);
    assert!(path.is_none_or(|path| path.to_string().parse() == Ok(path)));
    assert_eq!(Frontier::read(one, &mut { zeros }).is_ok(), one % 256 == 0);
}

fn flipped(hash: Sha256, bit: u8) -> Sha256 {
    let mut bytes = *hash.as_bytes();
    bytes[usize::from(bit / 8)] ^= 1 << (bit % 8);
    Sha256::from_bytes(bytes)
}

/// The list with one change; `None` if there is nothing to change, or the change changes nothing.
fn changed<T: Clone + PartialEq>(list: &[T], change: &Change, flip: impl Fn(&T) -> T) -> Option<Vec<T>> {
    let at = usize::from(change.at).checked_rem(list.len())?;
    let mut changed = list.to_vec();
    match change.kind {
        Kind::Double => changed.insert(at, list[at].clone()),
        Kind::Drop => drop(changed.remove(at)),
        Kind::Flip => changed[at] = flip(&list[at]),
        Kind::Swap => changed.swap(at, 0),
    }
    (changed != list).then_some(changed)
}
