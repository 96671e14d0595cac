//! The witness: each status code by a request that has it, the order of the checks, the codecs.

use proptest::collection::vec;
use proptest::prelude::*;
use tenzik_receipt::merkle::{leaf_hash, root};

use super::*;
use crate::checkpoint::Checkpoint;
use crate::fixtures::{
    checkpoint, consistency_proof, cosigned, leaf_hashes, log_key, log_secret, mutated, origin,
    other_log_key, other_log_secret, signed, witness_key, witnessed,
};
use crate::lines::base64;
use crate::note::NoteError;

const REQUEST: &str = "old 2\n\
    qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=\n\
    \n\
    node.example/log\n\
    3\n\
    1Pksj7uJcg6ztVZ3x9fvrd/rENEaGoSguo8aIzN/qpU=\n\
    \n\
    \u{2014} node.example/log KmEV2i8YTNZc4Chcjwv4drzY6KJ7DI+nq8YILPUZhPwATvxfJ6hGn2c8gDo7ArhTocjG/94XnaN+AwRFXvpBQl6ZZAY=\n";

fn proof(old: usize, size: usize) -> Vec<Sha256> {
    if old == 0 {
        return Vec::new();
    }
    consistency_proof(old, &leaf_hashes(size))
}

fn request(old: usize, size: usize) -> AddCheckpoint {
    AddCheckpoint::new(old as u64, proof(old, size), &signed(size)).expect("of the form")
}

fn seen(size: usize) -> Seen {
    Seen {
        size: size as u64,
        root: root(&leaf_hashes(size)),
    }
}

/// The answer of a witness that knows one key of one log.
fn answer(request: &AddCheckpoint, latest: Option<Seen>) -> Result<Advance, Refused> {
    let keys = [log_key()];
    decide(
        request,
        |of| (*of == origin()).then_some(&keys[..]),
        latest.as_ref(),
    )
}

/// A checkpoint of this size over other leaves.
fn forked(size: u64) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(origin(), size, leaf_hash(b"fork"));
    checkpoint.sign(&log_secret()).expect("a log's key")
}

fn with_checkpoint(old: u64, proof: Vec<Sha256>, checkpoint: &SignedCheckpoint) -> AddCheckpoint {
    AddCheckpoint::new(old, proof, checkpoint).expect("of the form")
}

#[test]
fn what_is_consistent_advances() {
    for size in 0..20 {
        for old in 0..=size {
            let latest = Some(seen(old));
            let advance = answer(&request(old, size), latest).expect("consistent");
            assert_eq!((advance.old, advance.new), (latest, seen(size)));
            assert_eq!(advance.checkpoint, signed(size));
        }
        // A log that was never cosigned is as good as an empty one, and this is said by what must be stored still.
        let advance = answer(&request(0, size), None).expect("the first");
        assert_eq!((advance.old, advance.new), (None, seen(size)));
    }
}

#[test]
fn an_unknown_log_is_404_before_its_signature_is_looked_at() {
    let other = Checkpoint::peek(&signed(3).to_bytes()).expect("a checkpoint");
    let text = other
        .to_string()
        .replace("node.example/log", "other.example");
    let other: Checkpoint = text.parse().expect("a checkpoint");
    let other = other.sign(&other_log_secret()).expect("a log's key");
    let refused = answer(&with_checkpoint(9, Vec::new(), &other), Some(seen(2)));
    assert_eq!(refused, Err(Refused::UnknownOrigin));
    assert_eq!(Refused::UnknownOrigin.status(), 404);
}

#[test]
fn a_log_that_did_not_sign_is_403_before_its_sizes_are_looked_at() {
    let other = checkpoint(3)
        .sign(&other_log_secret())
        .expect("a log's key");
    let refused = answer(&with_checkpoint(9, Vec::new(), &other), Some(seen(2)));
    let refused = refused.expect_err("another key");
    assert_eq!(refused, Refused::NotSigned(CheckpointError::NotSigned));
    assert_eq!(refused.status(), 403);
    let text = signed(3).note().to_string().replacen("\n3\n", "\n4\n", 1);
    let body = format!("old 2\n\n{text}");
    let request = AddCheckpoint::from_bytes(body.as_bytes()).expect("of the form");
    assert_eq!(
        answer(&request, Some(seen(2))).map_err(|it| it.status()),
        Err(403)
    );
    // A log without keys, too.
    let none = decide(&request, |_| Some(&[]), None);
    assert_eq!(none.map_err(|refused| refused.status()), Err(403));
}

#[test]
fn an_old_size_above_the_checkpoint_is_400_before_the_latest_is_looked_at() {
    for latest in [None, Some(seen(2)), Some(seen(3)), Some(seen(4))] {
        let refused = answer(&with_checkpoint(4, Vec::new(), &signed(3)), latest);
        let refused = refused.expect_err("backwards");
        assert_eq!(refused, Refused::Backwards { old: 4, size: 3 });
        assert_eq!(refused.status(), 400);
        assert_eq!(refused.latest_size(), None);
    }
}

#[test]
fn an_old_size_that_is_not_the_latest_is_409_with_the_latest() {
    for (old, size, latest) in [(0, 3, 2), (2, 3, 3), (1, 3, 2), (2, 3, 9), (3, 3, 2)] {
        let refused = answer(&request(old, size), Some(seen(latest)));
        let refused = refused.expect_err("not the latest");
        assert_eq!(refused.status(), 409);
        assert_eq!(refused.latest_size(), Some(latest as u64));
    }
    let refused = answer(&request(2, 3), None).expect_err("never cosigned");
    assert_eq!((refused.status(), refused.latest_size()), (409, Some(0)));
    // Before the proof is looked at.
    let refused = answer(&with_checkpoint(1, Vec::new(), &signed(3)), Some(seen(2)));
    assert_eq!(refused, Err(Refused::NotLatest { old: 1, latest: 2 }));
}

#[test]
fn another_root_at_the_same_size_is_409_without_a_size() {
    for hashes in [Vec::new(), proof(2, 3)] {
        let refused = answer(&with_checkpoint(3, hashes, &forked(3)), Some(seen(3)));
        let refused = refused.expect_err("a fork");
        assert_eq!(refused, Refused::Conflict { size: 3 });
        assert_eq!((refused.status(), refused.latest_size()), (409, None));
    }
    let refused = answer(&with_checkpoint(0, Vec::new(), &forked(0)), None);
    assert_eq!(refused, Err(Refused::Conflict { size: 0 }));
}

#[test]
fn a_proof_that_does_not_lead_there_is_422() {
    let refuse = |old: usize, size: usize, hashes: Vec<Sha256>| {
        let request = with_checkpoint(old as u64, hashes, &signed(size));
        let refused = answer(&request, Some(seen(old))).expect_err("inconsistent");
        let (old, size) = (old as u64, size as u64);
        assert_eq!(refused, Refused::Inconsistent { old, size });
        assert_eq!(refused.status(), 422);
    };
    refuse(2, 3, Vec::new());
    refuse(2, 3, proof(1, 3));
    refuse(2, 3, [proof(2, 3), proof(2, 3)].concat());
    refuse(2, 3, vec![leaf_hash(b"x"); 63]);
    // From nothing, and to the same, nothing is to be proved.
    refuse(0, 3, proof(2, 3));
    refuse(3, 3, proof(2, 3));
    let request = with_checkpoint(2, proof(2, 3), &forked(3));
    let refused = answer(&request, Some(seen(2)));
    assert_eq!(refused, Err(Refused::Inconsistent { old: 2, size: 3 }));
}

#[test]
fn a_request_of_another_form_is_400() {
    let refused = Refused::from(AddCheckpointError::OldSize);
    assert_eq!((refused.status(), refused.latest_size()), (400, None));
}

#[test]
fn a_log_may_sign_with_keys_that_are_not_known() {
    let keys = [log_key(), other_log_key()];
    let advance = decide(&request(2, 3), |_| Some(&keys), Some(&seen(2)));
    assert!(advance.is_ok());
    let request = with_checkpoint(2, proof(2, 3), &witnessed(3, &[(0, 5)]));
    let advance = answer(&request, Some(seen(2))).expect("consistent");
    assert_eq!(advance.checkpoint.to_bytes(), request.note());
}

#[test]
fn a_request_is_these_bytes() {
    let request = request(2, 3);
    assert_eq!(
        String::from_utf8(request.to_bytes()).expect("text"),
        REQUEST
    );
    assert_eq!(AddCheckpoint::from_bytes(REQUEST.as_bytes()), Ok(request));
}

#[test]
fn a_request_has_one_spelling() {
    let hash = "qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=";
    for (from, to, error) in [
        ("old 2", "old 02", AddCheckpointError::OldSize),
        ("old 2", "old +2", AddCheckpointError::OldSize),
        ("old 2", "old  2", AddCheckpointError::OldSize),
        ("old 2", "old 2 ", AddCheckpointError::OldSize),
        ("old 2\n", "old 2\r\n", AddCheckpointError::OldSize),
        ("old 2", "Old 2", AddCheckpointError::OldSize),
        ("old 2", "old ", AddCheckpointError::OldSize),
        (
            "old 2",
            "old 18446744073709551616",
            AddCheckpointError::OldSize,
        ),
        ("old 2\n", "", AddCheckpointError::OldSize),
        ("old 2", "\nold 2", AddCheckpointError::OldSize),
        (hash, &hash[..43], AddCheckpointError::Hash { line: 0 }),
        (
            hash,
            "qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3x=",
            AddCheckpointError::Hash { line: 0 },
        ),
        (
            hash,
            " qze6NNHf4pAV3nF6bVdkqPsCnDp6D1tkuTtUNRiFv3w=",
            AddCheckpointError::Hash { line: 0 },
        ),
    ] {
        let changed = REQUEST.replacen(from, to, 1);
        assert_ne!(changed, REQUEST);
        assert_eq!(
            AddCheckpoint::from_bytes(changed.as_bytes()),
            Err(error),
            "{to}"
        );
    }
    for end in 0..REQUEST.len() {
        let read = AddCheckpoint::from_bytes(&REQUEST.as_bytes()[..end]);
        assert!(read.is_err(), "{end}");
    }
    for more in ["\n", "x", "\n\n", "\0"] {
        let longer = format!("{REQUEST}{more}");
        assert!(
            AddCheckpoint::from_bytes(longer.as_bytes()).is_err(),
            "{more:?}"
        );
    }
}

#[test]
fn the_limits_are_the_limits() {
    let line = format!("{}\n", base64(&[7; 32]));
    let of = |count: usize| format!("old 2\n{}\n{}", line.repeat(count), signed(3).note());
    let most = AddCheckpoint::from_bytes(of(63).as_bytes()).expect("of the form");
    assert_eq!(most.proof().len(), 63);
    let more = AddCheckpoint::from_bytes(of(64).as_bytes());
    assert_eq!(more, Err(AddCheckpointError::Proof));
    let made = AddCheckpoint::new(2, vec![leaf_hash(b"x"); 64], &signed(3));
    assert_eq!(made, Err(AddCheckpointError::Proof));
    let bytes = ADD_CHECKPOINT_BYTES_MAX + 1;
    let read = AddCheckpoint::from_bytes(&vec![b'x'; bytes]);
    assert_eq!(read, Err(AddCheckpointError::Size { bytes }));
}

#[test]
fn an_answer_is_one_line_or_more() {
    let lines = [
        cosigned(&checkpoint(3), 0, 5),
        cosigned(&checkpoint(3), 1, 6),
    ];
    let body = write_cosignatures(&lines);
    assert_eq!(read_cosignatures(&body), Ok(lines.to_vec()));
    let mut signed = signed(3);
    let read = read_cosignatures(&body).expect("it was written");
    assert_eq!(signed.add_signatures(&read, &[witness_key(1)]), Ok(1));
    let first = body.len() / 2;
    for end in 0..body.len() {
        assert_eq!(
            read_cosignatures(&body[..end]).is_ok(),
            end == first,
            "{end}"
        );
    }
    assert_eq!(read_cosignatures(b""), Err(NoteError::Unended));
    assert_eq!(read_cosignatures(b"\n"), Err(NoteError::Line { line: 0 }));
    let crlf = String::from_utf8(body).expect("text").replace('\n', "\r\n");
    assert!(matches!(
        read_cosignatures(crlf.as_bytes()),
        Err(NoteError::Control { .. })
    ));
    let signatures = 65;
    let many = write_cosignatures(&vec![lines[0].clone(); signatures]);
    assert_eq!(
        read_cosignatures(&many),
        Err(NoteError::Signatures { signatures })
    );
    let long = vec![b'x'; 1 << 20];
    assert!(matches!(
        read_cosignatures(&long),
        Err(NoteError::Size { .. })
    ));
}

#[test]
fn an_answer_with_the_latest_size_is_a_number_and_a_newline() {
    assert_eq!(read_latest_size(b"0\n"), Some(0));
    assert_eq!(read_latest_size(b"18446744073709551615\n"), Some(u64::MAX));
    for body in [
        b"".as_slice(),
        b"\n",
        b"1",
        b"01\n",
        b"1\n\n",
        b"1\r\n",
        b" 1\n",
        b"+1\n",
        b"18446744073709551616\n",
        b"000000000000000000000\n",
        b"\xff\n",
    ] {
        assert_eq!(read_latest_size(body), None, "{body:?}");
    }
}

proptest! {
    #[test]
    fn a_request_reads_as_what_it_was(old: u64, hashes in vec(any::<[u8; 32]>(), 0..=63)) {
        let hashes = hashes.into_iter().map(Sha256::from_bytes).collect();
        let request = with_checkpoint(old, hashes, &signed(3));
        prop_assert_eq!(AddCheckpoint::from_bytes(&request.to_bytes()), Ok(request));
    }

    #[test]
    fn a_changed_request_never_moves_to_another_tree(bytes in mutated(REQUEST.into())) {
        if let Ok(request) = AddCheckpoint::from_bytes(&bytes) {
            prop_assert_eq!(request.to_bytes(), bytes);
            if let Ok(advance) = answer(&request, Some(seen(2))) {
                prop_assert_eq!(advance.new, seen(3));
            }
        }
    }

    #[test]
    fn a_changed_answer_is_refused_or_is_another(bytes in mutated(write_cosignatures(&[cosigned(&checkpoint(3), 0, 5)]))) {
        if let Ok(lines) = read_cosignatures(&bytes) {
            prop_assert_eq!(write_cosignatures(&lines), bytes);
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(AddCheckpoint::from_bytes(&bytes).is_err());
        prop_assert!(read_cosignatures(&bytes).is_err());
        let _ = read_latest_size(&bytes);
    }
}
