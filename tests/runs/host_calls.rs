//! Text that is not well formed, in every parameter that is text and in both encodings.

use crate::support::{Story, capsule, import};

/// Where the bad text is.
const BAD: &str = "(i32.const 0)";
/// Good text: `$` or `1`, followed by what is good for 64 digits too.
const GOOD: &str = "(i32.const 256)";

fn calling(name: &str, args: &str, text: u32) -> Story {
    let bad = if text == 16 {
        "\\00\\d8\\61\\00"
    } else {
        "\\ff\\fe"
    };
    let result = tenzik::capability::IMPORTS
        .iter()
        .find(|row| row.name == name)
        .and_then(|row| row.result);
    let drop = if result.is_some() { "(drop" } else { "(block" };
    capsule(&format!(
        "(module {} (memory (export \"memory\") 1) (global (export \"capsule_text\") i32 (i32.const {text}))
          (data (i32.const 0) \"{bad}\") (data (i32.const 256) \"1\")
          (func (export \"run\") {drop} (call ${name} {args}))))",
        import(name)
    ))
    .json("{}")
}

#[test]
fn no_text_parameter_takes_what_is_not_text() {
    let two = "(i32.const 2)";
    let parameters = [
        ("output_write", format!("{BAD} {two}")),
        ("output_json_str", format!("{BAD} {two}")),
        ("text_encode", format!("{BAD} {two}")),
        ("fail", format!("{BAD} {two}")),
        ("hash_verify", format!("(i32.const 0) (i32.const 0) {BAD}")),
        ("json_get", format!("(i32.const 0) {BAD} {two}")),
        ("num_parse", format!("{BAD} {two}")),
        ("json_path", format!("{BAD} {two} {GOOD} (i32.const 1)")),
        ("json_path", format!("{GOOD} (i32.const 1) {BAD} {two}")),
        (
            "json_path",
            format!("(i32.const 0) (i32.const 0) {BAD} {two}"),
        ),
        ("base64_decode", format!("{BAD} {two} (i32.const 0)")),
    ];
    for (name, args) in &parameters {
        for text in [8, 16] {
            let said = calling(name, args, text).said();
            assert_eq!(said, "trapped invalid_text", "{name} {args}, utf-{text}");
        }
    }
}

#[test]
fn bytes_parameters_take_anything() {
    let two = "(i32.const 2)";
    for (name, args) in [
        ("text_decode", format!("{BAD} {two}")),
        ("hash_commit", format!("{BAD} {two}")),
        ("hash_sha256", format!("{BAD} {two}")),
        ("hmac_sha256", format!("{BAD} {two} {BAD} {two}")),
        ("base64_encode", format!("{BAD} {two} (i32.const 0)")),
    ] {
        for text in [8, 16] {
            let said = calling(name, &args, text).said();
            assert_eq!(
                said, "invalid_output",
                "{name}: it went on, and wrote nothing"
            );
        }
    }
}

#[test]
fn a_pointer_is_held_against_the_memory_as_it_is_now() {
    let story = capsule(&format!(
        "(module {} (memory (export \"memory\") 1)
          (func (export \"run\")
            (drop (memory.grow (i32.const 1)))
            (call $output_write (i32.const 131071) (i32.const 1))))",
        import("output_write")
    ));
    assert_eq!(story.output(), [0]);
    let story = capsule(&format!(
        "(module {} (memory (export \"memory\") 0) (func (export \"run\") (call $output_write (i32.const 0) (i32.const 0))))",
        import("output_write")
    ));
    assert_eq!(story.output(), b"", "a memory of no pages has an edge too");
}
