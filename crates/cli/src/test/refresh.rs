//! New expectations in place of old ones.
//!
//! Enters: runs that were tried. Leaves: files and strings of `capsule.json` that say what the runs give now, everything around
//! them as it was, and the manifest's examples to match. Refuses: runs that ended in another way than they must (only outputs and
//! messages are refreshed), one file for two outputs, a description that somebody wrote meanwhile.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::capsule::trial::Trial;
use crate::capsule::{Case, DESCRIPTION, Expected, Folder, FolderError, Text, refresh_manifest};
use crate::error::Failure;
use crate::text;

/// A string of the description that changes.
struct Edit {
    place: Range<usize>,
    text: String,
}

/// What is written for one run.
enum Change<'a> {
    Edit(Edit),
    File(&'a Path, &'a [u8]),
}

/// Writes new expectations, and gives the places of the runs that have one. Nothing is written before all of it is known.
pub(super) fn refresh(folder: &Folder, trials: &[Trial]) -> Result<Vec<usize>, Failure> {
    let (mut changes, mut refreshed) = (Vec::new(), Vec::new());
    for (index, (case, trial)) in folder.cases.iter().zip(trials).enumerate() {
        if trial.passed() || !from_the_capsule(trial) {
            continue;
        }
        if let Some(change) = expectation(case, trial) {
            changes.push(change);
            refreshed.push(index);
        }
    }
    if !refreshed.is_empty() {
        each_file_has_one_output(folder, trials)?;
    }
    write(folder, changes)?;
    Ok(refreshed)
}

fn write(folder: &Folder, changes: Vec<Change<'_>>) -> Result<(), Failure> {
    // An editor may have saved it since it was read. What is left is the time between here and the write.
    folder.unchanged()?;
    let mut edits = Vec::new();
    for change in changes {
        match change {
            Change::File(path, output) => folder.write(path, output)?,
            Change::Edit(edit) => edits.push(edit),
        }
    }
    if edits.is_empty() {
        return refresh_manifest(folder);
    }
    let text = edited(&folder.text, edits);
    folder.write(Path::new(DESCRIPTION), text.as_bytes())?;
    refresh_manifest(&Folder::open(&folder.path)?)
}

/// Two runs that name one file must give it the same bytes, or to refresh the one would break the other.
fn each_file_has_one_output(folder: &Folder, trials: &[Trial]) -> Result<(), Failure> {
    let mut outputs: BTreeMap<PathBuf, &Trial> = BTreeMap::new();
    for (case, trial) in folder.cases.iter().zip(trials) {
        let (Expected::Output(Text::File(path)), Some(output)) = (&case.expected, &trial.output)
        else {
            continue;
        };
        let first = *outputs.entry(folder.place(path)?).or_insert(trial);
        if first.output.as_ref() != Some(output) {
            let shown = |name: &str| text::shown(name, text::MESSAGE_CHARS_MAX);
            return Err(FolderError::Shared {
                path: text::path(path),
                first: shown(&first.name),
                second: shown(&trial.name),
            }
            .into());
        }
    }
    Ok(())
}

/// Whether nothing but the output or the message differs. A receipt that does not hold is no reason to expect something else.
fn from_the_capsule(trial: &Trial) -> bool {
    let other = ["the status", "the code", "the receipt", "the replay"];
    !trial
        .differences
        .iter()
        .any(|found| other.contains(&found.at.as_str()))
}

/// The file or the string that says what the run gives; nothing where neither can.
fn expectation<'a>(case: &'a Case, trial: &'a Trial) -> Option<Change<'a>> {
    let edit = |place: &Range<usize>, text: &str| {
        Some(Change::Edit(Edit {
            place: place.clone(),
            text: serde_json::Value::from(text).to_string(),
        }))
    };
    match (&case.expected, &trial.output, &trial.message) {
        (Expected::Output(Text::File(path)), Some(output), _) => Some(Change::File(path, output)),
        // A string holds text; other bytes need a file.
        (Expected::Output(Text::Inline(inline)), Some(output), _) => {
            edit(&inline.place, std::str::from_utf8(output).ok()?)
        }
        (
            Expected::Ending {
                message: Some(inline),
                ..
            },
            _,
            Some(message),
        ) => edit(&inline.place, message),
        _ => None,
    }
}

/// From the end to the beginning, so that no place moves before its turn.
fn edited(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.place.start));
    let mut text = text.to_owned();
    for edit in edits {
        if text.get(edit.place.clone()).is_some() {
            text.replace_range(edit.place, &edit.text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_editor_saved_meanwhile_is_not_written_over() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join(DESCRIPTION);
        let text = r#"{"name":"a","description":"","grants":[],"input_type":"json","example":{"input":"i","output":"o"}}"#;
        std::fs::write(&path, text).expect("a file");
        let folder = Folder::open(place.path()).unwrap_or_else(|failure| panic!("{failure}"));
        let edit = || {
            Change::Edit(Edit {
                place: 8..11,
                text: r#""b""#.to_owned(),
            })
        };
        let newer = text.replace("\"\"", "\"newer\"");
        std::fs::write(&path, &newer).expect("a file");
        let output = || Change::File(Path::new("o"), b"1");
        let refused = write(&folder, vec![output(), edit()]).expect_err("it changed");
        assert_eq!(refused.code, "changed");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), newer);
        assert!(!place.path().join("o").exists());

        std::fs::write(&path, text).expect("a file");
        write(&folder, vec![output(), edit()]).unwrap_or_else(|failure| panic!("{failure}"));
        let renamed = text.replace("\"a\"", "\"b\"");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), renamed);
        assert!(place.path().join("o").exists());
    }

    #[test]
    fn nothing_changes_but_the_strings() {
        let text = r#"{ "a":"1",   "b": "ü2" , "c":"3" }"#;
        let edit = |old: &str, new: &str| {
            let start = text.find(old).expect("it is there");
            Edit {
                place: start..start + old.len(),
                text: new.to_owned(),
            }
        };
        let edits = vec![edit("\"1\"", "\"eleven\""), edit("\"ü2\"", "\"\"")];
        assert_eq!(
            edited(text, edits),
            r#"{ "a":"eleven",   "b": "" , "c":"3" }"#
        );
    }
}
