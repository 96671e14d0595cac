//! Endings that a capsule chooses, and those that its output decides.

use tenzik::config::SecurityConfig;
use tenzik::outcome::Ending;
use tenzik::pipeline::RunError;
use tenzik_receipt::{Blake3, InputType};

use crate::common::{assert_verifies, circumstances, pipeline_with};
use crate::support::{
    GENEROUS, Story, capsule, claim, few_slots, generous, import, lenient, said, with,
};

fn returns(code: i32) -> Story {
    with("", &format!("(result i32) (i32.const {code})"))
}

#[test]
fn a_code_other_than_zero_fails_with_that_code() {
    assert_eq!(returns(0).said(), "ok");
    assert_eq!(returns(1).said(), "failed exit:1");
    assert_eq!(returns(-1).said(), "failed exit:-1");
    assert_eq!(returns(i32::MIN).said(), "failed exit:-2147483648");
    assert_eq!(returns(i32::MAX).said(), "failed exit:2147483647");
}

#[test]
fn what_was_written_before_failing_is_no_output() {
    let before = [import("output_write"), import("fail"), import("abort")].concat();
    let write = "(call $output_write (i32.const 0) (i32.const 1))";
    for (rest, expected) in [
        ("(i32.const 3)", "failed exit:3"),
        (
            "(call $fail (i32.const 0) (i32.const 0)) (i32.const 0)",
            "failed fail",
        ),
        (
            "(call $abort (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)",
            "failed abort",
        ),
    ] {
        let story = with(&before, &format!("(result i32) {write} {rest}"));
        let run = story.run();
        assert_eq!(story.said(), expected);
        assert_eq!((run.outcome.output(), claim(&run).output), (None, None));
    }
}

#[test]
fn a_message_is_committed_to_as_utf8_whatever_the_capsule_speaks() {
    let text = "nöt found 😀";
    let utf16: String = text
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    let utf8 = with(
        &format!("{} (data (i32.const 8) \"{text}\")", import("fail")),
        &format!("(call $fail (i32.const 8) (i32.const {}))", text.len()),
    );
    let wide = with(
        &format!(
            "{} (global (export \"capsule_text\") i32 (i32.const 16)) (data (i32.const 8) \"{utf16}\")",
            import("fail")
        ),
        &format!(
            "(call $fail (i32.const 8) (i32.const {}))",
            text.encode_utf16().count()
        ),
    );
    for story in [utf8, wide] {
        let run = story.run();
        assert_eq!(*run.outcome.ending(), Ending::Failed(text.to_owned()));
        let detail = claim(&run).detail.as_ref().and_then(|d| d.open().cloned());
        let detail = detail.expect("a detail");
        assert_eq!(detail.code.to_string(), "fail");
        assert_eq!(detail.message, Some(Blake3::of(text.as_bytes())));
    }
}

#[test]
fn abort_has_no_message_even_where_it_points_at_one() {
    let run = with(
        &import("abort"),
        "(call $abort (i32.const 16) (i32.const -1) (i32.const 1) (i32.const 2))",
    )
    .run();
    assert_eq!(*run.outcome.ending(), Ending::FailedByAbort);
    let detail = claim(&run).detail.as_ref().and_then(|d| d.open().cloned());
    assert_eq!(detail.expect("a detail").message, None);
    assert_eq!(run.outcome.diagnostics().abort, None, "debugging is off");
}

fn writes(output: &str) -> Story {
    let escaped: String = output.bytes().map(|b| format!("\\{b:02x}")).collect();
    with(
        &format!(
            "{} (data (i32.const 0) \"{escaped}\")",
            import("output_write")
        ),
        &format!(
            "(call $output_write (i32.const 0) (i32.const {}))",
            output.len()
        ),
    )
}

#[test]
fn json_in_means_strict_json_out() {
    for good in [
        "null",
        " {\"a\":[1e400]} \n",
        "\"\u{10ffff}\"",
        "12345678901234567890",
    ] {
        let story = writes(good).json("0");
        assert_eq!(story.output(), good.as_bytes(), "it is not rewritten");
    }
    for bad in [
        "",
        " ",
        "nul",
        "1 2",
        "{\"a\":1,\"\\u0061\":2}",
        "\"\\ud800\"",
        "NaN",
        "\u{feff}1",
        "01",
    ] {
        assert_eq!(writes(bad).json("0").said(), "invalid_output", "{bad:?}");
        assert_eq!(writes(bad).output(), bad.as_bytes(), "bytes are anything");
    }
    let run = writes("nul").json("0").run();
    assert_eq!(claim(&run).input_type, InputType::Json);
    let (usage, limit) = (
        run.outcome.usage().expect("not aborted"),
        claim(&run).limits.fuel,
    );
    assert_eq!(usage.fuel, limit.get(), "it claims all its fuel");
}

#[test]
fn a_surrogate_that_is_still_held_at_the_end_traps() {
    let story = capsule(&format!(
        "(module {} (memory (export \"memory\") 1) (global (export \"capsule_text\") i32 (i32.const 16))
          (data (i32.const 0) \"\\22\\00\\3d\\d8\\00\\de\\22\\00\")
          (func (export \"run\") (call $output_write (i32.const 0) (i32.const 2))))",
        import("output_write")
    ));
    assert_eq!(story.clone().json("0").said(), "trapped invalid_text");
    assert_eq!(
        story.said(),
        "ok",
        "in a run over bytes nothing is read as text"
    );
    let failing = capsule(&format!(
        "(module {} (memory (export \"memory\") 1) (global (export \"capsule_text\") i32 (i32.const 16))
          (data (i32.const 0) \"\\3d\\d8\")
          (func (export \"run\") (result i32) (call $output_write (i32.const 0) (i32.const 1)) (i32.const 5)))",
        import("output_write")
    ));
    assert_eq!(
        failing.json("0").said(),
        "failed exit:5",
        "the code comes first"
    );
}

#[test]
fn an_aborted_run_is_an_error_where_runs_must_be_repeatable_and_leaves_a_receipt() {
    let mut story = with("", "(loop (br 0))").fuel(GENEROUS);
    story.0.terms.limits.time_ms = Some(10);
    let host = |security| pipeline_with(&generous(security), &few_slots());
    let run = story.run_on(&host(lenient()));
    assert_eq!(said(&run), "aborted time_limit");
    match host(SecurityConfig::default()).run(&story.0, circumstances()) {
        Err(RunError::Aborted {
            capsule,
            input,
            run,
        }) => {
            assert_eq!(capsule, Blake3::of(&story.0.capsule));
            assert_eq!(input, Blake3::of(b""));
            assert_eq!(run.receipt.claim().status(), "aborted");
            assert_verifies(&run.receipt);
        }
        other => panic!("{other:?}"),
    }
}
