//! A case of the published vectors.
//!
//! Enters: a file of `tests/vectors/host`. Leaves: [`Case`]s. Refuses: members that `tests/vectors/README.md` does not name.

use std::collections::BTreeSet;
use std::fs;

use serde::Deserialize;
use serde_json::Value;
use tenzik::capability::{IMPORTS, Import};

pub(crate) const FILES: [&str; 10] = [
    "base64", "hash", "io", "json", "number", "path", "pointers", "random", "text", "time",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) call: Call,
    pub(crate) fuel: u64,
    #[serde(default = "utf8")]
    pub(crate) text: u32,
    #[serde(default)]
    pub(crate) input_type: Option<String>,
    #[serde(default)]
    pub(crate) input: Blob,
    #[serde(default)]
    pub(crate) clock_ms: u64,
    #[serde(default)]
    pub(crate) seed: Option<String>,
    #[serde(default)]
    pub(crate) limits: Limits,
    #[serde(default = "one")]
    pub(crate) pages: u32,
    #[serde(default)]
    pub(crate) memory: Vec<Blob>,
    #[serde(default)]
    pub(crate) before: Vec<Call>,
    pub(crate) value: Option<Value>,
    pub(crate) result: Option<Blob>,
    #[serde(default)]
    pub(crate) after: Vec<Blob>,
    pub(crate) output: Option<Blob>,
    pub(crate) trap: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<Blob>,
}

const fn utf8() -> u32 {
    8
}

const fn one() -> u32 {
    1
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) output_bytes: Option<u32>,
    pub(crate) host_calls: Option<u32>,
}

/// Bytes, in one of three ways of writing them down.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Blob {
    #[serde(default)]
    pub(crate) at: u32,
    text: Option<String>,
    hex: Option<String>,
    pub(crate) repeat: Option<(String, usize)>,
}

impl Blob {
    /// The bytes, text as UTF-8.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.units(8)
    }

    /// The bytes, text in the capsule's form.
    pub(crate) fn units(&self, text: u32) -> Vec<u8> {
        match (&self.text, &self.hex, &self.repeat) {
            (Some(it), None, None) if text == 16 => {
                it.encode_utf16().flat_map(u16::to_le_bytes).collect()
            }
            (Some(it), None, None) => it.clone().into_bytes(),
            (None, Some(hex), None) => unhex(hex),
            (None, None, Some((unit, count))) => unhex(unit).repeat(*count),
            (None, None, None) => Vec::new(),
            _ => panic!("bytes are written down in one way"),
        }
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    tenzik_receipt::from_hex(digits).expect("hex")
}

/// A host function's name and its arguments.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Call(Vec<Value>);

impl Call {
    pub(crate) fn name(&self) -> &str {
        self.0[0].as_str().expect("a function's name")
    }

    pub(crate) fn args(&self) -> &[Value] {
        &self.0[1..]
    }

    pub(crate) fn import(&self) -> &'static Import {
        IMPORTS
            .iter()
            .find(|row| row.name == self.name())
            .unwrap_or_else(|| panic!("{} is no host function", self.name()))
    }
}

pub(crate) fn cases(file: &str) -> Vec<Case> {
    let path = format!(
        "{}/tests/vectors/host/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let file: File =
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{path}: {error}"));
    let names: BTreeSet<_> = file.cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), file.cases.len(), "{path}: names are unique");
    assert!(!file.about.is_empty());
    file.cases
}
