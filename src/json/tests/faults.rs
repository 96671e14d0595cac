//! Which fault is named and where; and texts made to cost more than they should.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::JsonErrorKind::*;
use super::super::{Document, Handle, Kind, NumberError, TEXT_BYTES_MAX, check};
use super::document;

#[test]
fn faults_are_named_with_their_place() {
    let cases: &[(&[u8], _, usize)] = &[
        (b"", UnexpectedEnd, 0),
        (b"  ", UnexpectedEnd, 2),
        (b"\xEF\xBB\xBF1", ByteOrderMark, 0),
        (b"\"ab\xFFcd\"", BadUtf8, 3),
        (b"[1,\"\\ud800\"]", LoneSurrogate, 4),
        (b"[1,\"a\\q\"]", BadEscape, 5),
        (b"\"\\u12", UnexpectedEnd, 5),
        (b"\"ab", UnexpectedEnd, 3),
        (b"\"a\nb\"", ControlCharacter { byte: b'\n' }, 2),
        (b"[01]", BadNumber, 1),
        (b"[1.e]", BadNumber, 1),
        (b"-", BadNumber, 0),
        (b"1 2", TrailingData, 2),
        (b"[1 2]", UnexpectedByte { byte: b'2' }, 3),
        (b"{\"a\" 1}", UnexpectedByte { byte: b'1' }, 5),
        (b"{1:1}", UnexpectedByte { byte: b'1' }, 1),
        (b"nul", UnexpectedEnd, 3),
        (b"nulx", UnexpectedByte { byte: b'x' }, 3),
        (b"[1,]", UnexpectedByte { byte: b']' }, 3),
        (b"[1\0]", UnexpectedByte { byte: 0 }, 2),
        (b"{\"a\":1,\"b\":2,\"\\u0061\":3}", DoubledKey, 13),
    ];
    for (text, kind, offset) in cases {
        let error = check(text).expect_err("a fault");
        assert_eq!((error.kind, error.offset), (*kind, *offset), "{error}");
    }
}

/// Strings are scanned eight bytes at a time; no byte may slip through at any place of the eight.
#[test]
fn each_byte_is_seen_at_each_place_of_a_string() {
    for (byte, place) in (0..0x80_u8).flat_map(|byte| (1..25).map(move |place| (byte, place))) {
        let mut text = [b'x'; 26];
        (text[0], text[25], text[place]) = (b'"', b'"', byte);
        let expected = match byte {
            0..0x20 => Err((ControlCharacter { byte }, place)),
            b'"' => Err((TrailingData, place + 1)),
            b'\\' if place == 24 => Err((UnexpectedEnd, 26)),
            b'\\' => Err((BadEscape, place)),
            _ => Ok(()),
        };
        let verdict = check(&text).map_err(|e| (e.kind, e.offset));
        assert_eq!(verdict, expected, "byte {byte:#04x} at {place}");
    }
}

#[test]
fn the_first_doubled_name_of_many_is_named() {
    let names: Vec<String> = (0..100).map(|i| format!("\"n{i}\":0,")).collect();
    let text = format!("{{{}\"n70\":0,\"n3\":0}}", names.concat());
    let error = check(text.as_bytes()).expect_err("doubled names");
    assert_eq!(
        (error.kind, error.offset),
        (DoubledKey, text.find("\"n70\":0,\"n3").unwrap_or(0))
    );
}

#[test]
fn depth_is_refused_on_a_small_stack() {
    let run = || {
        for (text, depth) in [("[", 10_000), ("{\"a\":", 10_000), ("[[{\"a\":", 1_000_000)] {
            let error = check(text.repeat(depth).as_bytes()).expect_err("too deep");
            assert_eq!(
                error.kind,
                Depth {
                    got: 129,
                    allowed: 128
                }
            );
        }
        let deepest = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert_eq!(document(&deepest).values(), 128);
    };
    let small = thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(run)
        .expect("a thread");
    small.join().expect("the stack was enough");
}

#[test]
fn text_beyond_the_cap_is_refused_and_the_longest_is_read() {
    let mut text = vec![b' '; TEXT_BYTES_MAX];
    text[TEXT_BYTES_MAX - 1] = b'1';
    let longest = Document::parse(Arc::from(text.as_slice())).expect("the longest text");
    assert_eq!(
        longest.span(Handle::ROOT),
        (TEXT_BYTES_MAX - 1, TEXT_BYTES_MAX)
    );
    text.push(b' ');
    let error = check(&text).expect_err("too large");
    assert_eq!(
        error.kind,
        TooLarge {
            got: TEXT_BYTES_MAX + 1,
            allowed: TEXT_BYTES_MAX
        }
    );
}

/// Names that only differ at their end, escaped ones among them: what would be slow if every
/// name were compared with every other.
#[test]
fn hostile_names_stay_cheap() {
    let prefix = "x".repeat(200);
    let plain: Vec<String> = (0..20_000)
        .map(|i| format!("\"{prefix}{i:05}y\":0"))
        .collect();
    let escaped: Vec<String> = (0..20_000)
        .map(|i| format!("\"\\u0061{i:05}\":0"))
        .collect();
    let begun = Instant::now();
    for names in [plain, escaped] {
        let text = format!("{{{}}}", names.join(","));
        let doc = document(&text);
        assert_eq!(doc.members(Handle::ROOT), 20_000);
    }
    // Generous for a debug build; comparing all with all takes minutes.
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_document_answers_as_the_abi_has_it() {
    let doc = document(r#" { "a" : [ 1 , -0, 1e999 ], "b\n": "x\u0041", "c": {}, "d": null } "#);
    let root = Handle::ROOT;
    let at = |h, i| doc.at(h, i).expect("a child");
    let list = at(root, 0);
    assert_eq!(
        (doc.kind(root), doc.len(root), doc.members(root)),
        (Some(Kind::Object), Some(4), 4)
    );
    assert_eq!(
        (doc.kind(list), doc.len(list), doc.members(list)),
        (Some(Kind::Array), Some(3), 0)
    );
    assert_eq!(doc.raw(list), "[ 1 , -0, 1e999 ]");
    assert_eq!(doc.get(root, "a"), Some(list));
    assert_eq!(doc.get(root, "b\n").map(Handle::number), Some(5));
    assert_eq!(doc.get(root, "b\\n"), None);
    assert_eq!(doc.get(list, "a"), None);
    assert_eq!(doc.key(root, 1), Some("b\n"));
    assert_eq!(
        (doc.key_source_bytes(root, 1), doc.key_source_bytes(root, 4)),
        (5, 0)
    );
    assert_eq!(
        (doc.key(list, 0), doc.at(root, 4), doc.at(list, 3)),
        (None, None, None)
    );
    assert_eq!(doc.string(at(root, 1)).as_deref(), Some("xA"));
    assert_eq!(doc.string(list), None);
    assert_eq!(
        doc.number(at(list, 1)).map(f64::to_bits),
        Ok((-0.0_f64).to_bits())
    );
    assert_eq!(doc.number(at(list, 2)), Err(NumberError::Overflow));
    assert_eq!(doc.number(root), Err(NumberError::NotANumber));
    assert_eq!((doc.handle(7).is_some(), doc.handle(8)), (true, None));
    assert_eq!(
        (doc.len(at(root, 2)), doc.len(at(root, 3))),
        (Some(0), None)
    );
}

#[test]
fn a_foreign_handle_is_answered_as_for_nothing() {
    let foreign = document("[[],[]]").handle(2).expect("a handle");
    let doc = document("1");
    assert_eq!(
        (doc.kind(foreign), doc.len(foreign), doc.members(foreign)),
        (None, None, 0)
    );
    assert_eq!((doc.raw(foreign), doc.raw_bytes(foreign)), ("", 0));
    assert_eq!(
        (
            doc.at(foreign, 0),
            doc.get(foreign, ""),
            doc.string(foreign)
        ),
        (None, None, None)
    );
    assert_eq!(doc.number(foreign), Err(NumberError::NotANumber));
}
