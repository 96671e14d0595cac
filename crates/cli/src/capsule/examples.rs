//! The examples in a capsule's manifest, as the SDK's compiler writes them (`capsules/sdk/transform/manifest.js`).
//!
//! Enters: a folder, and the manifest beside its module. Leaves: the manifest with the examples that the folder has now, and all
//! else in it to the byte. Refuses: nothing; what has no examples stays as it is.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Folder, description, files};
use crate::error::Failure;

/// How many examples a manifest has.
const EXAMPLES_MAX: usize = 16;
/// How many bytes input and output of the example have together.
const EXAMPLE_BYTES_MAX: usize = 65_536;
/// How many bytes input and output of a case have together.
const CASE_BYTES_MAX: usize = 1024;

/// Writes the folder's manifest anew if its examples are of before. A manifest inside of the module stays: it is part of it.
pub(crate) fn refresh_manifest(folder: &Folder) -> Result<(), Failure> {
    let name = format!("{}.manifest.json", folder.name);
    let Some(bytes) = files::read_if_there(folder, Path::new(&name))? else {
        return Ok(());
    };
    let text = String::from_utf8(bytes).unwrap_or_default();
    match renewed(&text, &examples(folder)?) {
        Some(renewed) if renewed != text => {
            files::write(folder, Path::new(&name), renewed.as_bytes())
        }
        _ => Ok(()),
    }
}

/// What a manifest is read for.
#[derive(Deserialize)]
struct Manifest<'a> {
    #[serde(borrow)]
    examples: &'a RawValue,
}

/// The description, as far as examples come from it.
#[derive(Deserialize)]
struct Described {
    example: Run,
    #[serde(default)]
    cases: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: Option<String>,
    input: Option<String>,
    input_hex: Option<String>,
    input_file: Option<PathBuf>,
    input_gzip: Option<IgnoredAny>,
    output: Option<String>,
    output_file: Option<PathBuf>,
    status: Option<IgnoredAny>,
    grants: Option<IgnoredAny>,
    limits: Option<IgnoredAny>,
    clock_ms: Option<u64>,
    seed: Option<String>,
}

/// An example, its members in the order of the manifest.
#[derive(Serialize)]
struct Example {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<String>,
}

/// The example, and of the cases the first that end well under the capsule's own grants and limits and are short.
fn examples(folder: &Folder) -> Result<Vec<Example>, Failure> {
    // The folder was read from the same text, by stricter rules.
    let Ok(described) = serde_json::from_str::<Described>(&folder.text) else {
        return Ok(Vec::new());
    };
    let Described { mut example, cases } = described;
    example.input_file = example.input.take().map(PathBuf::from);
    example.output_file = example.output.take().map(PathBuf::from);
    let mut found = Vec::new();
    if let Some(texts) = example.texts(folder, EXAMPLE_BYTES_MAX)? {
        found.push(example.written(texts));
    }
    for run in cases.into_iter().filter(Run::is_plain) {
        let texts = run.texts(folder, CASE_BYTES_MAX)?;
        if let Some(texts) = texts.filter(|_| found.len() < EXAMPLES_MAX) {
            found.push(run.written(texts));
        }
    }
    Ok(found)
}

/// What a run is given and must give.
struct Texts {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Run {
    fn is_plain(&self) -> bool {
        let other = [&self.status, &self.grants, &self.limits, &self.input_gzip];
        other.iter().all(|member| member.is_none())
    }

    /// Input and output, unless they are too long or one is in a file that is not there.
    fn texts(&self, folder: &Folder, bytes_max: usize) -> Result<Option<Texts>, Failure> {
        let file = |path: &Option<PathBuf>| match path {
            Some(path) => files::read_if_there(folder, path),
            None => Ok(None),
        };
        let input = match (&self.input, &self.input_hex) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(hex)) => tenzik_receipt::from_hex(hex),
            (None, None) => file(&self.input_file)?,
        };
        let output = match &self.output {
            Some(text) => Some(text.clone().into_bytes()),
            None => file(&self.output_file)?,
        };
        let texts = input.zip(output);
        let texts = texts.map(|(input, output)| Texts { input, output });
        Ok(texts.filter(|texts| texts.input.len() + texts.output.len() <= bytes_max))
    }

    fn written(self, texts: Texts) -> Example {
        let (input, input_base64) = text_or_base64(texts.input);
        let (output, output_base64) = text_or_base64(texts.output);
        Example {
            name: self.name,
            input,
            input_base64,
            output,
            output_base64,
            clock_ms: self.clock_ms,
            seed: self.seed,
        }
    }
}

fn text_or_base64(bytes: Vec<u8>) -> (Option<String>, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.into_bytes()))),
    }
}

/// The manifest with other examples, or nothing where it has none.
fn renewed(manifest: &str, examples: &[Example]) -> Option<String> {
    let Manifest { examples: old } = serde_json::from_str(manifest).ok()?;
    // One level down, in the form that JSON.stringify gives with two blanks.
    let new = serde_json::to_string_pretty(examples)
        .ok()?
        .replace('\n', "\n  ");
    let mut text = manifest.to_owned();
    text.replace_range(description::place(manifest, old.get()), &new);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_are_those_that_the_compiler_writes() {
        let capsules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../capsules");
        let mut compared = 0;
        for entry in std::fs::read_dir(capsules).expect("the capsules") {
            let path = entry.expect("an entry").path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .expect("a name");
            let Ok(manifest) = std::fs::read_to_string(path.join(format!("{name}.manifest.json")))
            else {
                continue;
            };
            let folder = Folder::open(&path).unwrap_or_else(|_| panic!("{name} is described"));
            let examples = examples(&folder).unwrap_or_else(|_| panic!("{name} has examples"));
            assert_eq!(
                renewed(&manifest, &examples).as_deref(),
                Some(manifest.as_str()),
                "{name}"
            );
            assert_ne!(
                renewed(&manifest, &[]).as_deref(),
                Some(manifest.as_str()),
                "{name}"
            );
            compared += 1;
        }
        assert!(compared >= 17, "{compared}");
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        let run = |input: &[u8]| text_or_base64(input.to_vec());
        assert_eq!(run(b"{}"), (Some("{}".to_owned()), None));
        assert_eq!(run(&[255]), (None, Some("/w==".to_owned())));
    }

    #[test]
    fn what_has_no_examples_stays() {
        assert_eq!(renewed("{}", &[]), None);
        assert_eq!(renewed("no json", &[]), None);
        assert_eq!(
            renewed(r#"{"a": 1,"examples":[ 2 ] }"#, &[]).as_deref(),
            Some(r#"{"a": 1,"examples":[] }"#)
        );
    }
}
