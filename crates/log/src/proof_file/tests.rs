//! Proof files: a fixed vector, spellings that are refused, proofs that do not hold.

use proptest::collection::vec;
use proptest::prelude::*;
use tenzik_receipt::merkle::Tree;

use super::*;
use crate::fixtures::{
    leaf, leaf_hashes, log_key, mutated, origin, signed, time, witness_key, witnessed,
};
use crate::note::NoteError;

const PROOF: &str = "c2sp.org/tlog-proof@v1\n\
    extra YWJvdXQ=\n\
    index 1\n\
    G7l9zCFjXUfiZj79/QoXRobZjdcBNS3SzQbotD/T0wU=\n\
    qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=\n\
    \n\
    node.example/log\n\
    3\n\
    1Pksj7uJcg6ztVZ3x9fvrd/rENEaGoSguo8aIzN/qpU=\n\
    \n\
    \u{2014} node.example/log KmEV2i8YTNZc4Chcjwv4drzY6KJ7DI+nq8YILPUZhPwATvxfJ6hGn2c8gDo7ArhTocjG/94XnaN+AwRFXvpBQl6ZZAY=\n\
    \u{2014} w0.example DSJlEQAAAABkGFDLbkYfVkQLMhxEWE3Gtc+yTDLE+b2xxhcCPHJpVREyqD1gE/3mkJr3xF3g8lhFbWm9gYTUX7tEPhC7kOiCQcwGCg==\n";
const TIME: u64 = 1_679_315_147;

fn policy() -> Policy {
    let text = format!(
        "log {}\nwitness W {}\nquorum W\n",
        log_key(),
        witness_key(0)
    );
    Policy::from_bytes(text.as_bytes()).expect("a policy")
}

fn proof_in(size: usize, index: usize, extra: Option<&[u8]>) -> TlogProof {
    let path = Tree::new(leaf_hashes(size)).path(index);
    let checkpoint = witnessed(size, &[(0, TIME)]);
    let extra = extra.map(<[u8]>::to_vec);
    TlogProof::new(extra, index as u64, path, &checkpoint).expect("of the form")
}

fn read(text: &str) -> Result<TlogProof, ProofFileError> {
    TlogProof::from_bytes(text.as_bytes())
}

#[test]
fn a_proof_is_these_bytes() {
    let proof = proof_in(3, 1, Some(b"about"));
    assert_eq!(String::from_utf8(proof.to_bytes()).expect("text"), PROOF);
    assert_eq!(read(PROOF), Ok(proof));
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_no_other() {
    for size in 1..12 {
        for index in 0..size {
            let proof = proof_in(size, index, None);
            let proof = TlogProof::from_bytes(&proof.to_bytes()).expect("it was written");
            let included = proof.verify(&leaf(index), &policy()).expect("it holds");
            assert_eq!(included.origin, origin());
            assert_eq!((included.index, included.size), (index as u64, size as u64));
            assert_eq!(included.quorum.dated(), Some(time(TIME)));
            let other = proof.verify(&leaf(index + 1), &policy());
            let (index, size) = (index as u64, size as u64);
            assert_eq!(other, Err(ProofError::Path { index, size }));
        }
    }
}

#[test]
fn a_path_for_another_place_does_not_hold() {
    let proof = proof_in(5, 2, None);
    let size = 5;
    for index in [0, 1, 3, 4, 5, u64::MAX] {
        let moved = TlogProof {
            index,
            ..proof.clone()
        };
        let refused = Err(ProofError::Path { index, size });
        assert_eq!(moved.verify(&leaf(2), &policy()), refused);
    }
    let mut longer = proof.clone();
    longer.path.push(leaf_hashes(1)[0]);
    assert!(longer.verify(&leaf(2), &policy()).is_err());
    let mut shorter = proof;
    shorter.path.pop();
    assert!(shorter.verify(&leaf(2), &policy()).is_err());
}

#[test]
fn nothing_is_in_an_empty_tree() {
    let proof = TlogProof::new(None, 0, Vec::new(), &witnessed(0, &[(0, TIME)]));
    let refused = proof.expect("of the form").verify(b"", &policy());
    assert_eq!(refused, Err(ProofError::Path { index: 0, size: 0 }));
}

#[test]
fn a_checkpoint_without_quorum_proves_nothing() {
    let path = Tree::new(leaf_hashes(3)).path(1);
    let proof = TlogProof::new(None, 1, path, &signed(3)).expect("of the form");
    let (cosigned, known) = (0, 1);
    let refused = PolicyError::NoQuorum { cosigned, known };
    let read = proof.verify(&leaf(1), &policy());
    assert_eq!(read, Err(ProofError::Policy(refused)));
}

#[test]
fn a_proof_has_one_spelling() {
    let hash = "qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=";
    let cases = [
        ("@v1\n", "@v2\n", ProofFileError::Header),
        ("c2sp", "\nc2sp", ProofFileError::Header),
        ("c2sp", "\u{feff}c2sp", ProofFileError::Header),
        ("@v1\n", "@v1\r\n", ProofFileError::Header),
        ("@v1\n", "@v1 \n", ProofFileError::Header),
        ("extra YWJvdXQ=", "extra YWJvdXR=", ProofFileError::Extra),
        ("extra YWJvdXQ=", "extra YWJvdXQ", ProofFileError::Extra),
        ("extra YWJvdXQ=", "extra  YWJvdXQ=", ProofFileError::Extra),
        ("extra YWJvdXQ=", "extra ", ProofFileError::Extra),
        ("extra YWJvdXQ=", "extra", ProofFileError::Index),
        ("extra YWJvdXQ=", "Extra YWJvdXQ=", ProofFileError::Index),
        (
            "extra YWJvdXQ=",
            "extra YWJvdXQ=\nextra YWJvdXQ=",
            ProofFileError::Index,
        ),
        (
            "extra YWJvdXQ=\nindex 1",
            "index 1\nextra YWJvdXQ=",
            ProofFileError::Hash { line: 0 },
        ),
        ("index 1", "index 01", ProofFileError::Index),
        ("index 1", "index +1", ProofFileError::Index),
        ("index 1", "index  1", ProofFileError::Index),
        ("index 1", "index 1 ", ProofFileError::Index),
        ("index 1", "index -1", ProofFileError::Index),
        (
            "index 1",
            "index 18446744073709551616",
            ProofFileError::Index,
        ),
        ("index 1\n", "", ProofFileError::Index),
        (
            hash,
            "qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3x=",
            ProofFileError::Hash { line: 1 },
        ),
        (hash, &hash[..43], ProofFileError::Hash { line: 1 }),
        (hash, "AAAA", ProofFileError::Hash { line: 1 }),
    ];
    for (from, to, error) in cases {
        let changed = PROOF.replacen(from, to, 1);
        assert_ne!(changed, PROOF);
        assert_eq!(read(&changed), Err(error), "{to}");
    }
    let unsigned = CheckpointError::Note(NoteError::Unsigned);
    let changed = PROOF.replacen("\n\n", "\n", 1);
    assert_eq!(read(&changed), Err(ProofFileError::Checkpoint(unsigned)));
}

#[test]
fn a_proof_cut_anywhere_is_none() {
    // After the log's line comes the witness's: what ends between them is a note, of which no quorum is left.
    let between = PROOF.rfind('\u{2014}').expect("two lines");
    for end in 0..PROOF.len() {
        let read = TlogProof::from_bytes(&PROOF.as_bytes()[..end]);
        let holds = read.is_ok_and(|proof| {
            assert_eq!(end, between);
            proof.verify(&leaf(1), &policy()).is_ok()
        });
        assert!(!holds, "{end}");
    }
    for more in ["\n", "x", "\n\n", "\0", "\u{2014}"] {
        assert!(read(&format!("{PROOF}{more}")).is_err(), "{more:?}");
    }
}

#[test]
fn the_limits_are_the_limits() {
    let hashes = |count| vec![leaf_hashes(1)[0]; count];
    let extra = |count| Some(vec![7; count]);
    let checkpoint = signed(3);
    let largest = TlogProof::new(extra(EXTRA_BYTES_MAX), u64::MAX, hashes(63), &checkpoint);
    let largest = largest.expect("of the form");
    assert_eq!(TlogProof::from_bytes(&largest.to_bytes()), Ok(largest));
    for count in [0, EXTRA_BYTES_MAX + 1] {
        let made = TlogProof::new(extra(count), 0, Vec::new(), &checkpoint);
        assert_eq!(made, Err(ProofFileError::Extra));
    }
    let made = TlogProof::new(None, 0, hashes(64), &checkpoint);
    assert_eq!(made, Err(ProofFileError::Path));
    let line = "qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=\n";
    let longer = PROOF.replacen(line, &line.repeat(63), 1);
    assert_eq!(read(&longer), Err(ProofFileError::Path));
    let bytes = PROOF_FILE_BYTES_MAX + 1;
    let read = TlogProof::from_bytes(&vec![b'x'; bytes]);
    assert_eq!(read, Err(ProofFileError::Size { bytes }));
    // A checkpoint of the largest size fits beside the longest path and the most extra bytes.
    let head = "c2sp.org/tlog-proof@v1\nextra \nindex 18446744073709551615\n\n".len();
    let most = head + EXTRA_BYTES_MAX.div_ceil(3) * 4 + 63 * 45 + crate::note::NOTE_BYTES_MAX;
    assert!(most <= PROOF_FILE_BYTES_MAX);
}

proptest! {
    #[test]
    fn a_proof_reads_as_what_it_was(
        extra in proptest::option::of(vec(any::<u8>(), 1..90)),
        index: u64,
        path in vec(any::<[u8; 32]>(), 0..=63),
    ) {
        let path = path.into_iter().map(Sha256::from_bytes).collect();
        let proof = TlogProof::new(extra, index, path, &signed(3)).expect("of the form");
        prop_assert_eq!(TlogProof::from_bytes(&proof.to_bytes()), Ok(proof));
    }

    #[test]
    fn a_changed_proof_is_refused_or_is_another(bytes in mutated(PROOF.into())) {
        if let Ok(proof) = TlogProof::from_bytes(&bytes) {
            prop_assert_eq!(proof.to_bytes(), bytes);
            // Whatever was changed, only this leaf can be shown to be in this tree.
            prop_assert!(proof.verify(&leaf(2), &policy()).is_err());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(TlogProof::from_bytes(&bytes).is_err());
    }
}
