//! New expectations in place of old ones.
//!
//! Enters: runs that were tried. Leaves: files and strings of `capsule.json` that say what the runs give now, everything around
//! them as it was. Refuses: runs that ended in another way than they must: only outputs and messages are refreshed.

use std::ops::Range;
use std::path::Path;

use crate::capsule::trial::Trial;
use crate::capsule::{Case, DESCRIPTION, Expected, Folder, Text};
use crate::error::Failure;

/// A string of the description that changes.
struct Edit {
    place: Range<usize>,
    text: String,
}

/// Writes new expectations, and gives the places of the runs that have one.
pub(super) fn refresh(folder: &Folder, trials: &[Trial]) -> Result<Vec<usize>, Failure> {
    let (mut edits, mut refreshed) = (Vec::new(), Vec::new());
    for (index, (case, trial)) in folder.cases.iter().zip(trials).enumerate() {
        if trial.passed() || !from_the_capsule(trial) {
            continue;
        }
        if let Some(edit) = expectation(folder, case, trial)? {
            edits.extend(edit);
            refreshed.push(index);
        }
    }
    if !edits.is_empty() {
        let text = edited(&folder.text, edits);
        folder.write(Path::new(DESCRIPTION), text.as_bytes())?;
    }
    Ok(refreshed)
}

/// Whether nothing but the output or the message differs. A receipt that does not hold is no reason to expect something else.
fn from_the_capsule(trial: &Trial) -> bool {
    let other = ["the status", "the code", "the receipt", "the replay"];
    !trial
        .differences
        .iter()
        .any(|found| other.contains(&found.at.as_str()))
}

/// Writes a file, or gives the edit; nothing where neither can be.
fn expectation(
    folder: &Folder,
    case: &Case,
    trial: &Trial,
) -> Result<Option<Option<Edit>>, Failure> {
    let edit = |place: &Range<usize>, text: &str| {
        Some(Some(Edit {
            place: place.clone(),
            text: serde_json::Value::from(text).to_string(),
        }))
    };
    match (&case.expected, &trial.output, &trial.message) {
        (Expected::Output(Text::File(path)), Some(output), _) => {
            folder.write(path, output)?;
            Ok(Some(None))
        }
        // A string holds text; other bytes need a file.
        (Expected::Output(Text::Inline(inline)), Some(output), _) => {
            let text = std::str::from_utf8(output).ok();
            Ok(text.and_then(|text| edit(&inline.place, text)))
        }
        (
            Expected::Ending {
                message: Some(inline),
                ..
            },
            _,
            Some(message),
        ) => Ok(edit(&inline.place, message)),
        _ => Ok(None),
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
