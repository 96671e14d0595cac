//! A key signs for its one use, is kept in one form, and never shows its secret by accident.

mod common;

use common::{at, node, receipt, secret_key, signed, wasm};
use tenzik_receipt::export::{ExportError, to_in_toto};
use tenzik_receipt::{
    Claim, KeyUse, ReadError, RequestStatement, RunSecret, SecretKey, SignError, to_hex,
};

#[test]
fn each_use_signs_its_own_thing_and_nothing_else() {
    for &key_use in KeyUse::ALL {
        let key = secret_key(0x11, key_use);
        let receipt = receipt(Claim::Wasm(wasm()));
        let statement = RequestStatement::of(&receipt);
        let refusal = |wanted| SignError::Use {
            got: key_use,
            wanted,
        };
        let refused = [
            (KeyUse::Receipt, key.sign_receipt(receipt.clone()).err()),
            (KeyUse::Receipt, key.sign_batch(vec![receipt]).err()),
            (KeyUse::Requester, key.sign_request(&statement).err()),
            (KeyUse::Exporter, key.sign_statement(b"{}").err()),
            (
                KeyUse::Exporter,
                to_in_toto(&signed(), &key).err().map(|error| match error {
                    ExportError::Sign(error) => error,
                    other => panic!("{other}"),
                }),
            ),
        ];
        for (wanted, error) in refused {
            let expected = (wanted != key_use).then(|| refusal(wanted));
            assert_eq!(
                error, expected,
                "a {key_use} key where a {wanted} key belongs"
            );
        }
    }
}

#[test]
fn a_key_signs_only_receipts_that_name_it() {
    let other = secret_key(0x33, KeyUse::Receipt);
    let refused = other.sign_receipt(receipt(Claim::Wasm(wasm())));
    let expected = SignError::Node {
        key: other.public(),
        named: node().public(),
    };
    assert_eq!(refused, Err(expected));
}

#[test]
fn a_receipt_that_contradicts_itself_is_not_signed() {
    let mut claim = wasm();
    claim.output = None;
    let refused = node().sign_receipt(receipt(Claim::Wasm(claim)));
    assert!(matches!(
        refused,
        Err(SignError::Form(ReadError::Contradiction { .. }))
    ));
}

#[test]
fn debug_shows_no_secret() {
    let key = SecretKey::from_seed(&[0xab; 32], KeyUse::Receipt, at(common::NOW));
    let secret = RunSecret::from_bytes([0xab; 32]);
    for shown in [
        format!("{key:?} {key:#?}"),
        format!("{secret:?} {secret:#?}"),
    ] {
        let shown = shown.to_lowercase();
        for form in ["abab", "171, 171", "ab, ab", "0xab"] {
            assert!(!shown.contains(form), "{form} stands in {shown}");
        }
    }
    assert!(format!("{key:?}").contains(&key.public().to_string()));
}

fn file() -> Vec<u8> {
    node().to_file().to_vec()
}

#[test]
fn a_key_file_reads_back_with_one_newline_or_none() {
    let file = file();
    let text = String::from_utf8(file.clone()).expect("ASCII");
    let expected = format!(
        "{{\"created_at\":\"2026-11-01T00:00:00Z\",\"public\":\"{}\",\"secret\":\"{}\",\"use\":\"receipt\",\"version\":1}}",
        node().public(),
        to_hex(&[0x11; 32]),
    );
    assert_eq!(text, expected);
    for (ending, reads) in [
        ("", true),
        ("\n", true),
        ("\n\n", false),
        ("\r\n", false),
        (" ", false),
    ] {
        let read = SecretKey::from_file(&[&file, ending.as_bytes()].concat());
        assert_eq!(read.is_ok(), reads, "{ending:?}");
    }
    let read = SecretKey::from_file(&file).expect("a key file");
    assert_eq!(read.public(), node().public());
    assert_eq!(read.key_use(), KeyUse::Receipt);
    assert_eq!(read.created_at(), node().created_at());
    assert_eq!(*read.to_file(), file);
}

#[test]
fn a_key_file_cut_anywhere_is_refused() {
    let file = file();
    for length in 0..file.len() {
        assert!(
            SecretKey::from_file(&file[..length]).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn a_digit_changed_in_either_half_of_a_key_is_noticed() {
    let file = file();
    let text = String::from_utf8(file.clone()).expect("ASCII");
    for (member, digits) in [("\"public\":\"ed25519:", 64), ("\"secret\":\"", 64)] {
        let start = text.find(member).expect("the member") + member.len();
        for at in start..start + digits {
            let mut changed = file.clone();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(SecretKey::from_file(&changed).is_err(), "byte {at}");
        }
    }
}

#[test]
fn other_versions_uses_and_members_of_a_key_file_are_refused() {
    let text = String::from_utf8(file()).expect("ASCII");
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":0"),
        ("\"use\":\"receipt\"", "\"use\":\"anything\""),
        ("\"use\":\"receipt\"", "\"use\":\"Receipt\""),
        ("\"secret\":\"11", "\"secret\":\"1"),
        ("\"secret\":\"11", "\"secret\":\"0x11"),
        ("\"public\":", "\"public\": "),
        (",\"version\":1", ""),
        ("}", ",\"x\":1}"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        assert!(SecretKey::from_file(changed.as_bytes()).is_err(), "{to}");
    }
}

#[test]
fn an_error_about_a_key_file_does_not_repeat_it() {
    let text = String::from_utf8(file()).expect("ASCII");
    let changed = text.replacen("\"secret\":\"11", "\"secret\":\"1g", 1);
    let error = SecretKey::from_file(changed.as_bytes()).expect_err("no digit");
    assert!(!format!("{error} {error:?}").contains("1111"));
}
