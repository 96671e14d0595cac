//! Inputs that are refused: nothing runs, whatever the capsule would have done with them.

use tenzik::config::SecurityConfig;
use tenzik::execution::ExecuteError;
use tenzik::pipeline::Refusal;
use tenzik_receipt::Stage;

use crate::common::pipeline_with;
use crate::refusals::{refused, refused_by};
use crate::support::{few_slots, import, with};

#[test]
fn bad_input_is_refused_at_the_stage_of_input() {
    let idle = with("", "");
    let deep = "[".repeat(10_000);
    for bad in [
        "",
        "{",
        "{\"a\":1,\"a\":2}",
        "\"\\ud800\"",
        "[1,]",
        "\u{feff}1",
        &deep,
    ] {
        refused(&idle.clone().json(bad), Stage::Input, "input_json");
        // A capsule that reads by handle takes another way to the same refusal.
        let reads = with(&import("json_root"), "").json(bad);
        refused(&reads, Stage::Input, "input_json");
    }
    refused(
        &idle.clone().json("").bytes(b"").json("\"\u{0}\""),
        Stage::Input,
        "input_json",
    );
    assert_eq!(idle.bytes(b"\xff{").said(), "ok", "bytes are anything");
}

#[test]
fn an_input_that_is_too_large_is_refused_before_it_is_read() {
    let security = SecurityConfig {
        input_bytes_max: 10,
        ..SecurityConfig::default()
    };
    let pipeline = pipeline_with(&security, &few_slots());
    let idle = with("", "");
    for story in [
        idle.clone().json("{{{{{{{{{{{"),
        idle.clone().bytes(&[0; 11]),
    ] {
        let refusal = refused_by(&pipeline, &story, Stage::Input, "input_size");
        let Refusal::Execution(ExecuteError::InputSize { bytes, allowed }) = refusal else {
            panic!("{refusal}");
        };
        assert_eq!((bytes, allowed), (11, 10));
    }
    assert_eq!(
        idle.bytes(&[0; 10])
            .run_on(&pipeline)
            .receipt
            .claim()
            .status(),
        "ok"
    );
}
