//! What the `jsonschema` crate says of JSON values.
//!
//! In, on stdin: a schema on the first line, then a value on each. Out: for each value one line, a JSON array of where it
//! does not fit, as JSON Pointers; of a missing member the pointer is to where it should be. `[]` fits. A line that is no
//! JSON, or a schema that is none, ends it with an error.

use std::error::Error;
use std::io::{BufWriter, Write, stdin, stdout};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, validator_for};
use serde_json::Value;

fn main() -> Result<(), Box<dyn Error>> {
    let mut lines = stdin().lines();
    let schema = lines.next().ok_or("no schema")??;
    let validator = validator_for(&serde_json::from_str(&schema)?).map_err(|e| e.to_string())?;
    let mut out = BufWriter::new(stdout().lock());
    for line in lines {
        let value: Value = serde_json::from_str(&line?)?;
        let places: Vec<String> = validator.iter_errors(&value).map(|e| place(&e)).collect();
        writeln!(out, "{}", serde_json::to_string(&places)?)?;
    }
    out.flush()?;
    Ok(())
}

fn place(error: &ValidationError<'_>) -> String {
    let at = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
        }
        _ => at.to_owned(),
    }
}
