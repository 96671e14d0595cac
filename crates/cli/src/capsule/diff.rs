//! Where an output differs from what it should be, by path.
//!
//! Enters: two texts, JSON or not. Leaves: [`Difference`]s, each with what was expected and what was got. Refuses nothing; of
//! many differences it gives the first [`DIFFERENCES_MAX`].

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::text;

/// How many differences of one output are told.
pub(crate) const DIFFERENCES_MAX: usize = 20;
/// How many characters of a value are shown.
const VALUE_CHARS_MAX: usize = 200;
/// How many bytes around a difference are shown of what is no JSON.
const AROUND_BYTES: usize = 24;

/// One place where two things differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// A JSON Pointer, or in words what is compared.
    pub(crate) at: String,
    /// What should be there; nothing if nothing should.
    pub(crate) expected: Option<String>,
    /// What is there.
    pub(crate) got: Option<String>,
}

impl Difference {
    /// A difference that has no path.
    pub(crate) fn of(at: &str, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            at: at.to_owned(),
            expected: Some(expected.into()),
            got: Some(got.into()),
        }
    }

    /// Lines for people.
    pub(crate) fn lines(&self) -> String {
        let shown = |value: &Option<String>| match value {
            Some(value) => text::shown(value, VALUE_CHARS_MAX),
            None => "nothing".to_owned(),
        };
        format!(
            "  at       {}\n  expected {}\n  got      {}\n",
            text::shown(&self.at, VALUE_CHARS_MAX),
            shown(&self.expected),
            shown(&self.got)
        )
    }

    /// The member of a JSON answer.
    pub(crate) fn to_json(&self) -> Value {
        json!({"at": self.at, "expected": self.expected, "got": self.got})
    }
}

/// Every place where the outputs differ, to a number; none if they are the same bytes.
pub(crate) fn differences(expected: &[u8], got: &[u8]) -> Vec<Difference> {
    if expected == got {
        return Vec::new();
    }
    let mut found = Vec::new();
    let parsed = |bytes| serde_json::from_slice::<Value>(bytes).ok();
    if let (Some(expected), Some(got)) = (parsed(expected), parsed(got)) {
        compare("", &expected, &got, &mut found);
    }
    if found.is_empty() {
        found.push(bytes(expected, got));
    }
    found
}

fn compare(at: &str, expected: &Value, got: &Value, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let names: BTreeSet<&String> = expected.keys().chain(got.keys()).collect();
            for name in names {
                let at = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                one(&at, expected.get(name), got.get(name), found);
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            for index in 0..expected.len().max(got.len()) {
                let at = format!("{at}/{index}");
                one(&at, expected.get(index), got.get(index), found);
            }
        }
        (expected, got) if expected == got => {}
        (expected, got) => one_differs(at, Some(expected), Some(got), found),
    }
}

fn one(at: &str, expected: Option<&Value>, got: Option<&Value>, found: &mut Vec<Difference>) {
    match (expected, got) {
        (Some(expected), Some(got)) => compare(at, expected, got, found),
        (expected, got) => one_differs(at, expected, got, found),
    }
}

fn one_differs(
    at: &str,
    expected: Option<&Value>,
    got: Option<&Value>,
    found: &mut Vec<Difference>,
) {
    if found.len() < DIFFERENCES_MAX {
        found.push(Difference {
            at: if at.is_empty() { "the whole" } else { at }.to_owned(),
            expected: expected.map(Value::to_string),
            got: got.map(Value::to_string),
        });
    }
}

/// The first byte that differs, with what stands around it.
fn bytes(expected: &[u8], got: &[u8]) -> Difference {
    let same = expected.iter().zip(got).take_while(|(a, b)| a == b).count();
    let around = |bytes: &[u8]| {
        let from = same.saturating_sub(AROUND_BYTES);
        let to = bytes.len().min(same + AROUND_BYTES);
        let part = bytes.get(from..to).unwrap_or_default();
        let mark = |cut, mark| if cut { mark } else { "" };
        format!(
            "{}{}{} ({} in all)",
            mark(from > 0, "…"),
            String::from_utf8_lossy(part),
            mark(to < bytes.len(), "…"),
            text::counted(bytes.len(), "byte")
        )
    };
    Difference::of(&format!("byte {same}"), around(expected), around(got))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expected: &str, got: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let found = differences(expected.as_bytes(), got.as_bytes());
        let parts = |found: Difference| (found.at, found.expected, found.got);
        found.into_iter().map(parts).collect()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_place_has_its_pointer() {
        assert_eq!(
            told(
                r#"{"a":[1,{"b/c":2}],"d":"x"}"#,
                r#"{"a":[1,{"b/c":3},4],"e":"x"}"#
            ),
            [
                ("/a/1/b~1c".to_owned(), some("2"), some("3")),
                ("/a/2".to_owned(), None, some("4")),
                ("/d".to_owned(), some("\"x\""), None),
                ("/e".to_owned(), None, some("\"x\"")),
            ]
        );
        assert_eq!(
            told("1", "[1]"),
            [("the whole".to_owned(), some("1"), some("[1]"))]
        );
        assert_eq!(
            told("1", "1.0"),
            [("the whole".to_owned(), some("1"), some("1.0"))]
        );
    }

    #[test]
    fn the_same_json_in_other_bytes_is_told_by_its_bytes() {
        let found = told(r#"{"a":1}"#, r#"{"a": 1}"#);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "byte 5");
        assert_eq!(found[0].1, some("{\"a\":1} (7 bytes in all)"));
    }

    #[test]
    fn of_many_differences_some_are_told() {
        let many = serde_json::to_string(&vec![1; 100]).expect("json");
        let other = serde_json::to_string(&vec![2; 100]).expect("json");
        assert_eq!(told(&many, &other).len(), DIFFERENCES_MAX);
    }

    #[test]
    fn what_is_no_json_is_told_by_its_bytes() {
        assert_eq!(told("", "x")[0].0, "byte 0");
        assert!(differences(&[0xff], &[0xff]).is_empty());
        assert_eq!(differences(&[0xff, 1], &[0xff, 2])[0].at, "byte 1");
        let long = "a".repeat(100);
        assert_eq!(told(&long, "a")[0].2, some("a (1 byte in all)"));
    }
}
