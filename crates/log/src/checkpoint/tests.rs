//! Checkpoints: a fixed vector, spellings that are refused, signatures that do not count.

use proptest::prelude::*;
use tenzik_receipt::SecretKey;

use super::*;
use crate::fixtures::{
    checkpoint, cosigned, log_key, log_secret, mutated, name, origin, other_log_key,
    other_log_secret, signed, witness_key, witness_secret, witnessed,
};
use crate::lines::base64;
use crate::note::KeyName;

const SIGNED: &str = "node.example/log\n\
    3\n\
    1Pksj7uJcg6ztVZ3x9fvrd/rENEaGoSguo8aIzN/qpU=\n\
    \n\
    \u{2014} node.example/log KmEV2i8YTNZc4Chcjwv4drzY6KJ7DI+nq8YILPUZhPwATvxfJ6hGn2c8gDo7ArhTocjG/94XnaN+AwRFXvpBQl6ZZAY=\n";

/// A note with this text, signed as the log by a key.
fn note_by(text: &str, key: &SecretKey) -> Note {
    let signature = key.sign_checkpoint(text).expect("a log's key");
    let id = KeyId::of(
        &name("node.example/log"),
        SignatureType::Ed25519,
        key.public(),
    );
    let line = line("node.example/log", id, signature.as_bytes());
    Note::new(text.to_owned(), vec![line]).expect("a note")
}

fn line(text: &str, id: KeyId, signature: &[u8]) -> SignatureLine {
    SignatureLine::new(name(text), id, signature.to_vec())
}

fn with_lines(lines: Vec<SignatureLine>) -> Vec<u8> {
    let note = Note::new(checkpoint(3).to_string(), lines).expect("a note");
    note.to_bytes()
}

#[test]
fn a_signed_checkpoint_is_these_bytes() {
    let signed = signed(3);
    assert_eq!(signed.note().to_string(), SIGNED);
    let opened = SignedCheckpoint::open(SIGNED.as_bytes(), &log_key());
    assert_eq!(opened, Ok(signed));
    assert_eq!(Checkpoint::peek(SIGNED.as_bytes()), Ok(checkpoint(3)));
}

#[test]
fn a_checkpoint_has_one_spelling() {
    let root = base64(&[7; 32]);
    let (bits, short, long) = (
        root.replace("Bwc=", "Bwd="),
        base64(&[7; 31]),
        base64(&[7; 33]),
    );
    let size = CheckpointError::Size;
    let cases = [
        (format!("o\n\n{root}\n"), size.clone()),
        (format!("o\n01\n{root}\n"), size.clone()),
        (format!("o\n+1\n{root}\n"), size.clone()),
        (format!("o\n-1\n{root}\n"), size.clone()),
        (format!("o\n 1\n{root}\n"), size.clone()),
        (format!("o\n18446744073709551616\n{root}\n"), size.clone()),
        (format!("o\n{}\n{root}\n", "9".repeat(1000)), size),
        ("o\n1\n\n".to_owned(), CheckpointError::Root),
        (format!("o\n1\n{bits}\n"), CheckpointError::Root),
        (format!("o\n1\n{short}\n"), CheckpointError::Root),
        (format!("o\n1\n{long}\n"), CheckpointError::Root),
        (format!("o\n1\n{root} \n"), CheckpointError::Root),
        (format!("o\n1\n{}\n", &root[..43]), CheckpointError::Root),
        (
            format!("o\n1\n{root}\n\n"),
            CheckpointError::Extension { line: 0 },
        ),
        (
            format!("o\n1\n{root}\nx\n\ny\n"),
            CheckpointError::Extension { line: 1 },
        ),
        (
            format!("o\n1\n{root}"),
            CheckpointError::Note(NoteError::Unended),
        ),
        ("o\n1\n".to_owned(), CheckpointError::Lines { lines: 2 }),
        (String::new(), CheckpointError::Note(NoteError::Unended)),
    ];
    assert!(format!("o\n1\n{root}\n").parse::<Checkpoint>().is_ok());
    for (text, error) in cases {
        assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
    }
}

#[test]
fn an_origin_can_stand_in_a_receipt_and_in_a_signature() {
    assert_eq!(origin().label().as_str(), "node.example/log");
    assert!(Origin::new(&"o".repeat(256)).is_ok());
    let longer = "o".repeat(257);
    for text in [
        "", " ", "a b", "a+b", "a\"b", "a\\b", "ö", "a\tb", "a\u{7f}", &longer,
    ] {
        assert_eq!(Origin::new(text), Err(NotAnOrigin), "{text:?}");
        let text = format!("{text}\n1\n{}\n", base64(&[7; 32]));
        let read = text.parse::<Checkpoint>();
        assert_eq!(read, Err(CheckpointError::Origin(NotAnOrigin)));
    }
}

#[test]
fn extension_lines_of_others_are_carried() {
    let text = format!("{}one\ntwo = 2\n", checkpoint(3));
    let bytes = note_by(&text, &log_secret()).to_bytes();
    let opened = SignedCheckpoint::open(&bytes, &log_key()).expect("signed");
    assert_eq!(opened.checkpoint().extensions(), ["one", "two = 2"]);
    assert_eq!(opened.checkpoint().to_string(), text);
    assert_eq!(opened.to_bytes(), bytes);
    assert!(checkpoint(3).extensions().is_empty());
}

#[test]
fn the_key_of_another_log_opens_nothing() {
    let key = VerifierKey::new(
        KeyName::new("other.example").expect("a name"),
        SignatureType::Ed25519,
        log_secret().public(),
    )
    .expect("a key");
    let opened = SignedCheckpoint::open(&signed(3).to_bytes(), &key);
    assert_eq!(opened, Err(CheckpointError::OtherOrigin { got: origin() }));
    let opened = SignedCheckpoint::open(&signed(3).to_bytes(), &witness_key(0));
    let got = SignatureType::Cosignature;
    assert_eq!(opened, Err(CheckpointError::KeyType { got }));
}

#[test]
fn another_key_of_the_same_name_is_not_the_logs() {
    let bytes = note_by(&checkpoint(3).to_string(), &other_log_secret()).to_bytes();
    let opened = SignedCheckpoint::open(&bytes, &log_key());
    assert_eq!(opened, Err(CheckpointError::NotSigned));
    assert!(SignedCheckpoint::open(&bytes, &other_log_key()).is_ok());
}

#[test]
fn a_line_of_the_logs_key_must_verify() {
    let id = log_key().id();
    let own = signed(3).note().signatures()[0].clone();
    let of_another = note_by(&checkpoint(3).to_string(), &other_log_secret());
    let of_another = of_another.signatures()[0].signature();
    let mut changed = own.signature().to_vec();
    changed[5] ^= 1;
    let cut = &own.signature()[..63];
    let longer = [own.signature(), &[0]].concat();
    for signature in [of_another, &changed, cut, &longer, &[0; 64]] {
        let bytes = with_lines(vec![line("node.example/log", id, signature)]);
        let opened = SignedCheckpoint::open(&bytes, &log_key());
        assert_eq!(opened, Err(CheckpointError::Signature { id }));
    }
}

#[test]
fn the_right_signature_under_another_id_or_name_does_not_count() {
    let own = signed(3).note().signatures()[0].clone();
    let other_id = KeyId::from_bytes([0, 1, 2, 3]);
    for (text, id) in [
        ("node.example/log", other_id),
        ("other.example", log_key().id()),
    ] {
        let bytes = with_lines(vec![line(text, id, own.signature())]);
        let opened = SignedCheckpoint::open(&bytes, &log_key());
        assert_eq!(opened, Err(CheckpointError::NotSigned));
        // Beside the log's own line it is kept, and ignored.
        let bytes = with_lines(vec![line(text, id, own.signature()), own.clone()]);
        let opened = SignedCheckpoint::open(&bytes, &log_key()).expect("signed");
        assert_eq!(opened.to_bytes(), bytes);
    }
}

#[test]
fn the_logs_line_stands_once() {
    let own = signed(3).note().signatures()[0].clone();
    let id = log_key().id();
    let bad = line("node.example/log", id, &[0; 64]);
    for lines in [
        vec![own.clone(), own.clone()],
        vec![own.clone(), bad.clone()],
        vec![bad, own],
    ] {
        let opened = SignedCheckpoint::open(&with_lines(lines), &log_key());
        assert_eq!(opened, Err(CheckpointError::SignedTwice { id }));
    }
}

#[test]
fn a_signature_over_another_checkpoint_does_not_count() {
    let text = signed(3).note().to_string();
    for (from, to) in [
        ("node.example/log\n3\n", "node.example/log\n4\n"),
        ("\n\n", "\nextension\n\n"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        let opened = SignedCheckpoint::open(changed.as_bytes(), &log_key());
        let id = log_key().id();
        assert_eq!(opened, Err(CheckpointError::Signature { id }));
    }
}

#[test]
fn a_log_that_changes_its_key_signs_with_both() {
    let keys = [log_key(), other_log_key()];
    let old = signed(3).note().signatures()[0].clone();
    let new = note_by(&checkpoint(3).to_string(), &other_log_secret());
    let new = new.signatures()[0].clone();
    for (lines, signer) in [
        (vec![old.clone()], log_key()),
        (vec![new.clone()], other_log_key()),
        (vec![new.clone(), old.clone()], log_key()),
    ] {
        let opened = SignedCheckpoint::open_any(&with_lines(lines), &keys).expect("signed");
        assert_eq!(*opened.signer(), signer);
    }
    let id = other_log_key().id();
    let bad = line("node.example/log", id, old.signature());
    let opened = SignedCheckpoint::open_any(&with_lines(vec![old, bad]), &keys);
    assert_eq!(opened, Err(CheckpointError::Signature { id }));
    let opened = SignedCheckpoint::open_any(&with_lines(vec![new]), &[]);
    assert_eq!(opened, Err(CheckpointError::NotSigned));
}

#[test]
fn only_a_checkpoint_key_signs() {
    let made = checkpoint(3).sign(&witness_secret(0));
    assert!(matches!(
        made,
        Err(CheckpointError::Sign(SignError::Use { .. }))
    ));
}

#[test]
fn other_lines_are_kept_in_their_order() {
    let bytes = witnessed(3, &[(0, 5), (1, 6)]).to_bytes();
    let opened = SignedCheckpoint::open(&bytes, &log_key()).expect("signed");
    assert_eq!(opened.note().signatures().len(), 3);
    assert_eq!(
        opened.note().signatures()[2],
        cosigned(&checkpoint(3), 1, 6)
    );
    assert_eq!(opened.to_bytes(), bytes);
}

proptest! {
    #[test]
    fn a_checkpoint_reads_as_what_it_was(size: u64, root: [u8; 32], origin in "[!#-*,-\\[\\]-~]{1,40}") {
        let origin = Origin::new(&origin).expect("of the form");
        let checkpoint = Checkpoint::new(origin, size, Sha256::from_bytes(root));
        prop_assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
    }

    #[test]
    fn what_is_read_is_written_again(bytes in mutated(checkpoint(3).to_string().into_bytes())) {
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Ok(read) = text.parse::<Checkpoint>()
        {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn a_changed_note_opens_as_the_same_checkpoint_or_not_at_all(bytes in mutated(witnessed(3, &[(0, 5)]).to_bytes())) {
        if let Ok(opened) = SignedCheckpoint::open(&bytes, &log_key()) {
            prop_assert_eq!(opened.checkpoint(), &checkpoint(3));
            prop_assert_eq!(opened.to_bytes(), bytes);
        }
    }
}
