//! Notes and keys: fixed vectors, spellings that are refused, and what random changes do.

use proptest::collection::vec;
use proptest::prelude::*;
use tenzik_receipt::PublicKey;

use super::*;
use crate::fixtures::{log_key, mutated, name, signed, weak_key, witness_key};
use crate::lines::base64;

const LOG_KEY: &str = "node.example/log+2a6115da+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const WITNESS_KEY: &str = "w0.example+0d226511+BCvCgAszFuAJIJ/9dX2rGczwroS8eukGVOHoFxLScPZT";

/// The example of Go's `golang.org/x/mod/sumdb/note`.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\
    \n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn line(text: &str) -> Result<SignatureLine, NotASignatureLine> {
    text.parse()
}

fn note(text: &str) -> Result<Note, NoteError> {
    Note::from_bytes(text.as_bytes())
}

#[test]
fn keys_are_written_as_these_texts() {
    assert_eq!(log_key().to_string(), LOG_KEY);
    assert_eq!(witness_key(0).to_string(), WITNESS_KEY);
    assert_eq!(LOG_KEY.parse(), Ok(log_key()));
    assert_eq!(WITNESS_KEY.parse(), Ok(witness_key(0)));
}

#[test]
fn a_note_that_go_signed_verifies() {
    let key: VerifierKey = GO_KEY.parse().expect("a key");
    let note = note(GO_NOTE).expect("a note");
    let lines: Vec<_> = note.signatures_of(&key).collect();
    assert_eq!(lines.len(), 1);
    assert!(key.verifies(note.text(), lines[0]));
    assert!(!key.verifies("another text\n", lines[0]));
    assert_eq!(note.to_string(), GO_NOTE);
}

#[test]
fn texts_of_keys_have_one_spelling() {
    let (head, bytes) = LOG_KEY.rsplit_once('+').expect("three parts");
    let (name, id) = head.split_once('+').expect("three parts");
    let form = [
        String::new(),
        head.to_owned(),
        format!("{name}+{id}"),
        format!("+{id}+{bytes}"),
        format!("a b+{id}+{bytes}"),
        format!("{name}+{}+{bytes}", id.to_uppercase()),
        format!("{name}+0{id}+{bytes}"),
        format!("{name}+{}+{bytes}", &id[1..]),
        format!("{name}+{id}+{}", &bytes[..40]),
        format!("{name}+{id}+{bytes}="),
        format!("{name}+{id}+{bytes}\n"),
        format!(" {name}+{id}+{bytes}"),
        format!("{name}+{id}+"),
        format!("{name}+{id}+{}", "A".repeat(1 << 16)),
    ];
    for text in form {
        let read = text.parse::<VerifierKey>();
        assert_eq!(read, Err(VerifierKeyError::Form), "{text}");
    }
}

#[test]
fn an_id_that_is_not_the_keys_is_refused() {
    let (_, rest) = LOG_KEY.split_once('+').expect("three parts");
    let read = format!("other.example+{rest}").parse::<VerifierKey>();
    assert!(matches!(read, Err(VerifierKeyError::Id { got, .. }) if got == log_key().id()));
}

#[test]
fn other_types_and_weak_keys_are_refused() {
    let text = |signature_type: u8, key: &[u8]| {
        let mut bytes = vec![signature_type];
        bytes.extend_from_slice(key);
        format!("{}+00000000+{}", log_key().name(), base64(&bytes))
    };
    for got in [0, 2, 3, 5, 6, 0xff] {
        let read = text(got, &[7; 32]).parse::<VerifierKey>();
        assert_eq!(read, Err(VerifierKeyError::Type { got }));
    }
    let read = text(6, &[7; 1312]).parse::<VerifierKey>();
    assert_eq!(read, Err(VerifierKeyError::Type { got: 6 }));
    for signature_type in [1, 4] {
        let read = text(signature_type, weak_key().as_bytes()).parse::<VerifierKey>();
        assert_eq!(read, Err(VerifierKeyError::Weak));
        // No point of the curve has this for its y.
        let mut no_point = [0; 32];
        no_point[0] = 2;
        let read = text(signature_type, &no_point).parse::<VerifierKey>();
        assert_eq!(read, Err(VerifierKeyError::Weak));
    }
    let made = VerifierKey::new(name("a"), SignatureType::Ed25519, weak_key());
    assert_eq!(made, Err(VerifierKeyError::Weak));
}

#[test]
fn a_name_or_type_makes_another_id() {
    let key = PublicKey::from_bytes([7; 32]);
    let id = |text, signature_type| KeyId::of(&name(text), signature_type, key);
    let first = id("a", SignatureType::Ed25519);
    assert_ne!(first, id("b", SignatureType::Ed25519));
    assert_ne!(first, id("a", SignatureType::Cosignature));
}

#[test]
fn a_signature_is_one_keys_of_one_type() {
    let signed = signed(3);
    let (text, own) = (signed.note().text(), &signed.note().signatures()[0]);
    let key = log_key();
    assert!(key.verifies(text, own));
    let bytes = own.signature().to_vec();
    let line = |name: &KeyName, id| SignatureLine::new(name.clone(), id, bytes.clone());
    assert!(!key.verifies(text, &line(key.name(), KeyId::from_bytes([0; 4]))));
    assert!(!key.verifies(text, &line(&name("other.example"), key.id())));
    let cosigner = VerifierKey::new(key.name().clone(), SignatureType::Cosignature, key.public());
    let cosigner = cosigner.expect("a key");
    assert!(!cosigner.verifies(text, &line(cosigner.name(), cosigner.id())));
}

#[test]
fn names_without_a_form_are_refused() {
    let longest = "n".repeat(KEY_NAME_BYTES_MAX);
    for text in ["a", "node.example/log", "öffentlich.example", &longest] {
        assert!(KeyName::new(text).is_ok(), "{text}");
    }
    let longer = "n".repeat(KEY_NAME_BYTES_MAX + 1);
    for text in [
        "",
        " ",
        "a b",
        "a+b",
        "a\tb",
        "a\nb",
        "a\rb",
        "a\0",
        "a\u{7f}",
        "a\u{85}b",
        "a\u{a0}b",
        "a\u{2028}b",
        "a\u{3000}b",
        &longer,
    ] {
        assert_eq!(KeyName::new(text), Err(NotAKeyName), "{text:?}");
    }
}

#[test]
fn signature_lines_have_one_spelling() {
    assert!(line("\u{2014} a AAAAAAE=").is_ok());
    for text in [
        "",
        "\u{2014}",
        "\u{2014} ",
        "\u{2014} a",
        "\u{2014} a ",
        "\u{2014}  AAAAAAE=",
        "\u{2014}  a AAAAAAE=",
        "\u{2014} a  AAAAAAE=",
        "\u{2014} a AAAAAAE= ",
        "\u{2014} a AAAAAAE=\n",
        "\u{2014} a AAAAAAE=\r",
        "\u{2014}\u{a0}a AAAAAAE=",
        "\u{2014}a AAAAAAE=",
        "- a AAAAAAE=",
        "-- a AAAAAAE=",
        "\u{2013} a AAAAAAE=",
        "\u{2015} a AAAAAAE=",
        "\u{2212} a AAAAAAE=",
        " \u{2014} a AAAAAAE=",
        // Bits that say nothing, no padding, too much of it.
        "\u{2014} a AAAAAAF=",
        "\u{2014} a AAAAAAE",
        "\u{2014} a AAAAAAE==",
        // Nothing after the key id, and less than that.
        "\u{2014} a AAAAAA==",
        "\u{2014} a AAAA",
        "\u{2014} a+b AAAAAAE=",
    ] {
        assert_eq!(line(text), Err(NotASignatureLine), "{text:?}");
    }
}

#[test]
fn a_note_cut_anywhere_is_none() {
    let bytes = signed(3).to_bytes();
    for end in 0..bytes.len() {
        assert!(Note::from_bytes(&bytes[..end]).is_err(), "{end}");
    }
}

#[test]
fn what_stands_around_a_note_is_refused() {
    let bytes = signed(3).to_bytes();
    for more in ["\n", " ", "x", "x\n", "\r\n", "\n\n", "\0"] {
        let longer = [&bytes, more.as_bytes()].concat();
        assert!(Note::from_bytes(&longer).is_err(), "{more:?}");
    }
    let text = String::from_utf8(bytes).expect("text");
    let crlf = text.replace('\n', "\r\n");
    assert!(matches!(note(&crlf), Err(NoteError::Control { .. })));
    for control in ["\t", "\0", "\u{1b}", "\u{1f}"] {
        let at = 2;
        let text = format!("ab{control}{text}");
        assert_eq!(note(&text), Err(NoteError::Control { at }));
    }
    assert_eq!(note(&text.replace("\n\n", "\n")), Err(NoteError::Unsigned));
    let mut bytes = text.into_bytes();
    bytes[0] = 0xff;
    assert_eq!(Note::from_bytes(&bytes), Err(NoteError::Utf8 { at: 0 }));
}

#[test]
fn the_last_empty_line_ends_the_text() {
    let read = note("one\n\n\ntwo\n\n\u{2014} a AAAAAAE=\n").expect("a note");
    assert_eq!(read.text(), "one\n\n\ntwo\n");
    let read = note("\n\n\u{2014} a AAAAAAE=\n").expect("a note");
    assert_eq!(read.text(), "\n");
    let read = note("x\n\n\u{2014} a AAAAAAE=\n\n\u{2014} a AAAAAAE=\n").expect("a note");
    assert_eq!(read.signatures().len(), 1);
}

#[test]
fn the_limits_are_the_limits() {
    let of = |count: usize| format!("x\n\n{}", "\u{2014} a AAAAAAE=\n".repeat(count));
    assert_eq!(note(&of(0)), Err(NoteError::Signatures { signatures: 0 }));
    assert_eq!(note(&of(64)).expect("a note").signatures().len(), 64);
    assert_eq!(note(&of(65)), Err(NoteError::Signatures { signatures: 65 }));
    let rest = "\n\n\u{2014} a AAAAAAE=\n";
    let fits = "x".repeat(NOTE_BYTES_MAX - rest.len());
    let longest = note(&format!("{fits}{rest}")).expect("a note");
    let bytes = NOTE_BYTES_MAX + 1;
    assert_eq!(
        note(&format!("x{fits}{rest}")),
        Err(NoteError::Size { bytes })
    );
    let made = Note::new(format!("x{fits}\n"), longest.signatures().to_vec());
    assert_eq!(made, Err(NoteError::Size { bytes }));
    for text in ["", "x", "x\r\n"] {
        assert!(Note::new(text.to_owned(), longest.signatures().to_vec()).is_err());
    }
    let made = Note::new("x\n".to_owned(), Vec::new());
    assert_eq!(made, Err(NoteError::Signatures { signatures: 0 }));
}

fn any_line() -> impl Strategy<Value = SignatureLine> {
    ("[a-z/.ö-]{1,20}", any::<[u8; 4]>(), vec(any::<u8>(), 1..90)).prop_map(
        |(name, id, signature)| {
            let name = KeyName::new(&name).expect("of the form");
            SignatureLine::new(name, KeyId::from_bytes(id), signature)
        },
    )
}

proptest! {
    #[test]
    fn a_note_reads_as_what_it_was(text in "([ -~ö\u{2014}]{0,30}\n){1,6}", lines in vec(any_line(), 1..6)) {
        let note = Note::new(text, lines).expect("of the form");
        prop_assert_eq!(Note::from_bytes(&note.to_bytes()), Ok(note));
    }

    #[test]
    fn a_key_reads_as_what_it_was(text in "[!-*,-~]{1,40}", seed: [u8; 32], cosignature: bool) {
        let signature_type = if cosignature { SignatureType::Cosignature } else { SignatureType::Ed25519 };
        if let Ok(key) = VerifierKey::new(name(&text), signature_type, PublicKey::from_bytes(seed)) {
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }
    }

    #[test]
    fn a_changed_note_is_refused_or_is_another(bytes in mutated(signed(3).to_bytes())) {
        if let Ok(note) = Note::from_bytes(&bytes) {
            prop_assert_eq!(note.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_key_is_refused(bytes in mutated(log_key().to_string().into_bytes())) {
        if let Ok(key) = String::from_utf8_lossy(&bytes).parse::<VerifierKey>() {
            prop_assert_eq!(key, log_key());
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(Note::from_bytes(&bytes).is_err());
    }
}
