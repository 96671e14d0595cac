//! In: the vectors of `tests/vectors/json`, hand-made texts, and made-up ones. Out: agreement with
//! what is published, with other people's readers, and with a slow reader of our own rules.

mod faults;
mod oracle;
mod paths;
mod properties;
mod vectors;

use std::sync::Arc;

use super::Document;

fn document(text: &str) -> Document {
    Document::parse(Arc::from(text.as_bytes())).expect("the test's text is strict JSON")
}
