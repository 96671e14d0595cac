//! Paths beyond the vectors: limits, the meter, and the crate `jsonpath-rust` as another opinion.

use std::thread;

use jsonpath_rust::parser::parse_json_path;
use proptest::prelude::*;

use super::super::path::{Meter, Path, SelectError};
use super::document;
use super::vectors::{Count, PRICE};

/// Pays until it is empty.
struct Purse(u64);

impl Meter for Purse {
    type Error = u64;

    fn charge(&mut self, fuel: u64) -> Result<(), u64> {
        self.0 = self.0.checked_sub(fuel).ok_or(fuel)?;
        Ok(())
    }
}

#[test]
fn the_meter_stops_the_walk_before_the_step() {
    let doc = document(r#"{"a":1,"b":[22]}"#);
    let path = Path::parse("$['a','b'][*]").expect("a path");
    // Names 28 each, wildcards 20 each, one child 20, its source 2 and its bracket 1.
    let steps = [28, 20, 28, 20, 20, 3];
    let all: u64 = steps.iter().sum();
    let mut paid = 0;
    for step in steps {
        let purse = &mut Purse(paid + step - 1);
        assert_eq!(
            path.select(&doc, &PRICE, 99, purse),
            Err(SelectError::Meter(step))
        );
        paid += step;
    }
    assert_eq!(
        path.select(&doc, &PRICE, 99, &mut Purse(all)).as_deref(),
        Ok(&b"[22]"[..])
    );
}

#[test]
fn the_cap_holds_for_the_whole_result() {
    let doc = document("[10,20,30]");
    let path = Path::parse("$[*]").expect("a path");
    let result = path.select(&doc, &PRICE, 10, &mut Count::default());
    assert_eq!(result.as_deref(), Ok(&b"[10,20,30]"[..]));
    let mut fuel = Count::default();
    let refused = path.select(&doc, &PRICE, 9, &mut fuel);
    assert_eq!(refused, Err(SelectError::TooLarge { allowed: 9 }));
    // The node that does not fit has been paid for.
    assert_eq!(fuel.0, 20 + 3 * (20 + 3));
}

#[test]
fn the_deepest_walk_fits_a_small_stack() {
    let run = || {
        let doc = document(&format!("{}1{}", "[".repeat(128), "]".repeat(128)));
        for query in [
            format!("${}", "[0]".repeat(128)),
            format!("${}", "..*".repeat(2)),
        ] {
            let path = Path::parse(&query).expect("a path");
            let result = path.select(&doc, &PRICE, 1 << 24, &mut Count::default());
            assert!(result.expect("no limit").starts_with(b"["));
        }
        let path = Path::parse(&format!("${}", "..*".repeat(341))).expect("a path");
        let stopped = path.select(&doc, &PRICE, 1 << 24, &mut Purse(10_000_000));
        assert!(matches!(stopped, Err(SelectError::Meter(_))));
    };
    let small = thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(run)
        .expect("a thread");
    small.join().expect("the stack was enough");
}

/// Pieces that make queries which are nearly right, or right.
fn query() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        ".",
        "..",
        "[",
        "]",
        "*",
        "a",
        "_b",
        "é",
        "0",
        "1",
        "-1",
        "-",
        "01",
        ":",
        ",",
        " ",
        "\t",
        "\n",
        "'",
        "\"",
        "'a'",
        "\"b\"",
        "\\",
        "\\n",
        "\\u0061",
        "\\ud83d",
        "\\ude00",
        "['a']",
        "[0]",
        "[1:2]",
        "[::-1]",
        "[*]",
        ".a",
        "..a",
        "9007199254740991",
        "9007199254740992",
    ];
    let piece = proptest::sample::select(PIECES);
    proptest::collection::vec(piece, 0..10).prop_map(|pieces| format!("${}", pieces.concat()))
}

/// Where `jsonpath-rust` is known to stray from RFC 9535: it takes white space within and behind
/// a shorthand name, and strips it, even where it belongs to the name.
fn strays(query: &str) -> bool {
    query.contains(char::is_whitespace)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn another_parser_agrees_on_what_is_a_query(query in query()) {
        let ours = Path::parse(&query);
        let theirs = parse_json_path(&query).is_ok();
        // Where it strays it is laxer, never stricter.
        let agree = if strays(&query) { theirs || ours.is_err() } else { theirs == ours.is_ok() };
        prop_assert!(agree, "{}: {:?}, they: {}", query, ours, theirs);
    }

    #[test]
    fn any_text_is_read_or_refused(query in "\\PC{0,40}") {
        let _ = Path::parse(&query);
    }
}
