//! Every file and body of a log, from any bytes.
//!
//! Each reader gets the same bytes. What it reads is written as the same bytes again, and what verifies is what log,
//! witness and node of the fixture signed.

use std::fmt::Display;

use tenzik_log::bundle;
use tenzik_log::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tenzik_log::evidence::{Evidence, Finding};
use tenzik_log::note::{KeyName, Note, SignatureLine, VerifierKey};
use tenzik_log::policy::Policy;
use tenzik_log::proof_file::TlogProof;
use tenzik_log::tile::TilePath;
use tenzik_log::witness::{
    AddCheckpoint, Seen, decide, read_cosignatures, read_latest_size, write_cosignatures,
};

use super::{
    FORK_SIZE, POLICY, assert_ours, cosigned, cosigned_at, fork_root, leaf, log_key, origin, root, shown,
    witness_key,
};
use crate::key;

/// What is read is written back byte for byte, and nothing passes that was not signed.
pub fn log_files(bytes: &[u8]) {
    notes(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        texts(text);
    }
    bundles(bytes);
    proof_files(bytes);
    policies(bytes);
    requests(bytes);
    answers(bytes);
    evidence(bytes);
}

/// A refusal is an answer, of bounded length.
fn read<T, E: Display>(result: Result<T, E>) -> Option<T> {
    if let Err(error) = &result {
        assert!(error.to_string().len() < 4096, "a message without bound");
    }
    result.ok()
}

fn notes(bytes: &[u8]) {
    let note = read(Note::from_bytes(bytes));
    if let Some(note) = &note {
        assert_eq!(note.to_bytes(), bytes);
        let again = Note::new(note.text().to_owned(), note.signatures().to_vec());
        assert_eq!(again.as_ref(), Ok(note));
    }
    if let Some(checkpoint) = read(Checkpoint::peek(bytes)) {
        let note = note.expect("a checkpoint is a note");
        assert_eq!(checkpoint.to_string(), note.text());
    }
    let Some(signed) = read(SignedCheckpoint::open(bytes, &log_key())) else {
        return;
    };
    assert_ours(signed.checkpoint());
    assert_eq!(signed.to_bytes(), bytes);
    for (_, time) in read(signed.cosignatures(&[witness_key()])).unwrap_or_default() {
        assert_eq!(time, cosigned_at(), "a forged cosignature");
    }
}

fn texts(text: &str) {
    if let Some(checkpoint) = read(text.parse::<Checkpoint>()) {
        assert_eq!(checkpoint.to_string(), text);
    }
    if let Some(key) = read(text.parse::<VerifierKey>()) {
        assert_eq!(key.to_string(), text);
        assert!(key.public().is_usable(), "a weak key");
    }
    if let Some(line) = read(text.parse::<SignatureLine>()) {
        assert_eq!(line.to_string(), text);
    }
    if let Some(path) = read(text.parse::<TilePath>()) {
        assert_eq!(path.to_string(), text);
    }
    if let Some(origin) = read(Origin::new(text)) {
        assert_eq!(origin.label().as_str(), text);
        assert!(KeyName::new(text).is_ok(), "an origin is a key's name");
    }
}

fn bundles(bytes: &[u8]) {
    for width in [0, 1, 2, 3, 256] {
        let Some(entries) = read(bundle::read(bytes, width)) else {
            continue;
        };
        assert_eq!(entries.len(), width);
        let mut again = Vec::new();
        for entry in entries {
            bundle::push(&mut again, entry).expect("it was read");
        }
        assert_eq!(again, bytes);
    }
}

fn proof_files(bytes: &[u8]) {
    let Some(proof) = read(TlogProof::from_bytes(bytes)) else {
        return;
    };
    assert_eq!(proof.to_bytes(), bytes);
    assert!(proof.verify(b"no leaf", &POLICY).is_err(), "a forged leaf");
    let own = leaf(proof.index());
    if let Some(included) = read(proof.verify(&own, &POLICY)) {
        assert_eq!(included.index, proof.index());
        assert!(included.index < included.size);
        assert_eq!(included.quorum.dated(), Some(cosigned_at()));
    }
    for index in (0..16).filter(|index| *index != proof.index()) {
        assert!(proof.verify(&leaf(index), &POLICY).is_err(), "leaf {index} at another place");
    }
}

fn policies(bytes: &[u8]) {
    let Some(policy) = read(Policy::from_bytes(bytes)) else {
        return;
    };
    // A rule asks for at most all of its members.
    assert!(policy.satisfied_by(|_| true), "a quorum that nobody can reach");
    let Some((signed, quorum)) = read(policy.open(&cosigned(3).to_bytes())) else {
        return;
    };
    assert!(policy.logs().iter().any(|log| log.key == *signed.signer()));
    assert!(policy.satisfied_by(|key| *key == witness_key()));
    assert!(quorum.witnesses.len() <= 1, "a witness that did not cosign");
    assert_eq!(quorum.dated(), quorum.held_at());
}

fn requests(bytes: &[u8]) {
    let Some(request) = read(AddCheckpoint::from_bytes(bytes)) else {
        return;
    };
    assert_eq!(request.to_bytes(), bytes);
    let keys = [log_key()];
    for latest in [None, Some(3), Some(FORK_SIZE)] {
        let seen = latest.map(|size| Seen { size, root: root(size) });
        let decided = decide(&request, |of| (*of == origin()).then_some(&keys[..]), seen.as_ref());
        if let Err(refused) = &decided {
            assert!(matches!(refused.status(), 400 | 403 | 404 | 409 | 422));
        }
        let Some(advance) = read(decided) else {
            continue;
        };
        assert_ours(advance.checkpoint.checkpoint());
        assert_eq!(advance.old, seen);
        assert!(advance.new.size >= latest.unwrap_or(0), "a step back");
        let forked = advance.new.root == fork_root();
        assert!(!forked || latest != Some(FORK_SIZE), "a split view was cosigned");
    }
}

fn answers(bytes: &[u8]) {
    if let Some(lines) = read(read_cosignatures(bytes)) {
        assert_eq!(write_cosignatures(&lines), bytes);
        let mut signed = super::signed(3);
        if read(signed.add_signatures(&lines, &[witness_key()])).is_some() {
            let times = signed.cosignatures(&[witness_key()]).expect("they were taken");
            assert!(times.iter().all(|(_, time)| *time == cosigned_at()), "a forged cosignature");
        }
    }
    if let Some(size) = read_latest_size(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes);
    }
}

/// JSON has many spellings of one file; what is read from one is what is read from our own.
fn evidence(bytes: &[u8]) {
    let Some(evidence) = read(Evidence::from_bytes(bytes)) else {
        return;
    };
    assert_eq!(read(Evidence::from_bytes(&evidence.to_bytes())), Some(evidence.clone()));
    let Some(finding) = read(shown(&evidence)) else {
        return;
    };
    match (finding, &evidence) {
        (Finding::Equivocation { size }, Evidence::Equivocation(_)) => assert_eq!(size, FORK_SIZE),
        // No leaf of this log is a receipt.
        (Finding::BadLeaf { index, .. }, Evidence::BadLeaf(it)) => assert_eq!(it.leaf, leaf(index)),
        (Finding::BrokenPromise { merge_by, seen, .. }, Evidence::BrokenPromise(_)) => {
            assert_eq!(seen, cosigned_at());
            assert!(merge_by < seen, "a promise that was kept");
        }
        (Finding::Claimed { node, .. }, Evidence::ForgedClaim(_)) => assert_eq!(node, key().public()),
        (finding, evidence) => panic!("{evidence:?} shows {finding:?}"),
    }
}
