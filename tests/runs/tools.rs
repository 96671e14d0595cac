//! Tools for capsules: what they are told, what is recorded, and that a replay hears the same without calling anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tenzik::capability::Grants;
use tenzik::config::{Engines, SecurityConfig};
use tenzik::gateway::direct::{Direct, Tool};
use tenzik::gateway::{
    Exchange, GatewayError, GatewayErrorCode, Json, SessionLimits, ToolId, Tools, Transcript,
};
use tenzik::outcome::{Ending, TrapCode};
use tenzik::pipeline::{Pipeline, Run};
use tenzik::receipts::Circumstances;
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik_receipt::{Claim, Disclosed, RunSecret, WasmClaim};

use crate::common::{circumstances, pipeline_with};
use crate::support::{Story, claim, few_slots, import, lenient, with};

/// A host that allows tools.
fn pipeline(engines: Engines) -> Pipeline {
    let security = SecurityConfig {
        allowed_capabilities: Grants::all(),
        ..lenient()
    };
    let runtime = tenzik::config::RuntimeConfig {
        engines,
        ..few_slots()
    };
    pipeline_with(&security, &runtime)
}

fn native() -> Pipeline {
    pipeline(Engines::Wasmtime)
}

/// Tools that count their calls.
struct Counted {
    calls: Arc<AtomicU32>,
    tools: Tools,
}

fn tools(tool_calls: u32) -> Counted {
    let calls = Arc::new(AtomicU32::new(0));
    let tool = |id: &str, answer: fn(&Json) -> Result<Json, GatewayError>| {
        let calls = Arc::clone(&calls);
        let id = ToolId::new(id).expect("an id");
        Tool::new(id, "a tool", move |arguments, _| {
            calls.fetch_add(1, Ordering::SeqCst);
            answer(arguments)
        })
    };
    let fails = |_: &Json| {
        let code = GatewayErrorCode::ToolFailed;
        Err(GatewayError::new(code, "no \"stock\""))
    };
    let long = |_: &Json| {
        let text = "x".repeat(16 * 1024 * 1024 - 4);
        Ok(Json::new(format!("\"{text}\"")).expect("JSON"))
    };
    let slow = Tool::new(
        ToolId::new("t:hang").expect("an id"),
        "hangs",
        |_, control| {
            while !control.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(GatewayError::cancelled())
        },
    );
    let gateway = Direct::new([
        tool("t:echo", |arguments| Ok(arguments.clone())),
        tool("t:fail", fails),
        tool("t:long", long),
        slow,
    ]);
    let limits = SessionLimits {
        tool_calls,
        chain_steps: 1,
    };
    Counted {
        calls,
        tools: Tools::new(Arc::new(gateway.expect("each once")), limits),
    }
}

const CALL: &str = "(call $tool_call (i32.const 0) (i32.const 6) (i32.const 16) (i32.const 9))";

/// A capsule that has the id and the arguments in its memory, and this body.
fn story(tools: &Counted, id: &str, arguments: &str, body: &str) -> Story {
    let escaped = arguments.replace('"', "\\22");
    let before = format!(
        "{} {} (data (i32.const 0) \"{id}\") (data (i32.const 16) \"{escaped}\")",
        import("tool_call"),
        import("output_result")
    );
    let mut story = with(&before, body);
    story.0.terms.grants = Grants::all();
    story.0.terms.tools = Some(tools.tools.clone());
    story
}

/// Calls the tool once and gives its answer as the output.
fn asking(tools: &Counted, id: &str, arguments: &str) -> Story {
    story(
        tools,
        id,
        arguments,
        &format!("(drop {CALL}) (call $output_result)"),
    )
}

fn text(run: &Run) -> String {
    let output = run.outcome.output();
    let output = output.unwrap_or_else(|| panic!("{:?}", run.outcome.ending()));
    String::from_utf8(output.to_vec()).expect("text")
}

fn evidence<'a>(story: &'a Story, transcript: Option<&'a Transcript>) -> Evidence<'a> {
    Evidence {
        capsule: &story.0.capsule,
        input: &story.0.request.input,
        secret: None,
        seed: None,
        transcript,
    }
}

fn replay_on(
    engines: Engines,
    claim: &WasmClaim,
    evidence: &Evidence<'_>,
) -> Result<Replay, ReplayError> {
    let replayer = Replayer::on(engines, 60_000).expect("an engine");
    replayer.replay(&Claim::Wasm(claim.clone()), evidence)
}

#[test]
fn a_tool_is_called_recorded_and_not_called_again_by_a_replay() {
    let tools = tools(10);
    let story = asking(&tools, "t:echo", "{\"a\":1.5}");
    let run = story.run_on(&native());
    assert_eq!(text(&run), "{\"ok\":{\"a\":1.5}}");
    let transcript = run.outcome.transcript();
    assert_eq!(
        transcript.as_str(),
        "{\"request\":{\"run_tool\":{\"tool\":\"t:echo\",\"arguments\":{\"a\":1.5}}},\
         \"answer\":{\"ok\":{\"result\":{\"a\":1.5}}}}\n"
    );
    let claimed = claim(&run).transcript.as_ref().and_then(Disclosed::open);
    assert_eq!(claimed.copied(), transcript.root());
    for engines in [Engines::Wasmtime, Engines::Wasmi] {
        let found = replay_on(engines, claim(&run), &evidence(&story, Some(transcript)));
        assert_eq!(found, Ok(Replay::Same));
    }
    assert_eq!(tools.calls.load(Ordering::SeqCst), 1);
}

/// The record has no white space around a value, so a run has none either: an honest claim differed for a newline.
#[test]
fn white_space_around_arguments_makes_no_difference_to_a_replay() {
    let tools = tools(10);
    let story = asking(&tools, "t:echo", " \\n[1.50] \\t");
    let run = story.run_on(&native());
    assert_eq!(text(&run), "{\"ok\":[1.50]}");
    for engines in [Engines::Wasmtime, Engines::Wasmi] {
        let evidence = evidence(&story, Some(run.outcome.transcript()));
        assert_eq!(replay_on(engines, claim(&run), &evidence), Ok(Replay::Same));
    }
}

#[test]
fn a_capsule_of_utf16_asks_and_is_told_in_it() {
    let tools = tools(10);
    let units = |text: &str| -> String {
        let bytes = text.encode_utf16().flat_map(u16::to_le_bytes);
        bytes.map(|byte| format!("\\{byte:02x}")).collect()
    };
    let arguments = "{\"é\":1.5}";
    let before = format!(
        "{} {} (global (export \"capsule_text\") i32 (i32.const 16))
         (data (i32.const 0) \"{}\") (data (i32.const 16) \"{}\")",
        import("tool_call"),
        import("output_result"),
        units("t:echo"),
        units(arguments)
    );
    let body = format!("(drop {CALL}) (call $output_result)");
    let mut story = with(&before, &body).json("null");
    story.0.terms.grants = Grants::all();
    story.0.terms.tools = Some(tools.tools.clone());
    let run = story.run_on(&native());
    assert_eq!(text(&run), format!("{{\"ok\":{arguments}}}"));
    let evidence = evidence(&story, Some(run.outcome.transcript()));
    let found = replay_on(Engines::Wasmi, claim(&run), &evidence);
    assert_eq!(found, Ok(Replay::Same));
}

#[test]
fn what_a_tool_says_in_failing_is_the_capsules_to_read() {
    let tools = tools(1);
    let native = native();
    let error = |code: &str, message: &str, retryable: bool| {
        format!(
            "{{\"error\":{{\"code\":\"{code}\",\"message\":\"{message}\",\"retryable\":{retryable}}}}}"
        )
    };
    for (id, said) in [
        ("t:fail", error("tool_failed", "no \\\"stock\\\"", false)),
        (
            "t:none",
            error("not_found", "there is no tool t:none", false),
        ),
        (
            "t:long",
            error(
                "limit_reached",
                "the answer is longer than 16777216 bytes",
                false,
            ),
        ),
    ] {
        let mut story = asking(&tools, id, "{\"a\":1.5}");
        // Sixteen mebibytes of JSON take a while without optimisation.
        story.0.terms.limits.time_ms = Some(10_000);
        let run = story.run_on(&native);
        assert_eq!(text(&run), said);
        let transcript = run.outcome.transcript();
        let found = replay_on(
            Engines::Wasmi,
            claim(&run),
            &evidence(&story, Some(transcript)),
        );
        assert_eq!(found, Ok(Replay::Same), "{id}");
    }
    let twice = format!("(drop {CALL}) (drop {CALL}) (call $output_result)");
    let run = story(&tools, "t:echo", "{\"a\":1.5}", &twice).run_on(&native);
    assert_eq!(
        text(&run),
        error("limit_reached", "the limit tool_calls is 1", false)
    );
}

#[test]
fn an_id_or_arguments_of_another_form_trap_before_anything_is_called() {
    let tools = tools(10);
    let native = native();
    for (id, arguments) in [
        ("t echo", "{\"a\":1.5}"),
        ("t:echo", "{\"a\":1,5}"),
        ("t:echo", "{'a':1.5}"),
        ("t:echo", "         "),
    ] {
        let run = asking(&tools, id, arguments).run_on(&native);
        let trapped = Ending::Trapped(TrapCode::InvalidArgument);
        assert_eq!(run.outcome.ending(), &trapped, "{id} {arguments}");
        assert!(run.outcome.transcript().is_empty());
        assert_eq!(claim(&run).transcript, None);
    }
    let beyond =
        "(drop (call $tool_call (i32.const 0) (i32.const 6) (i32.const 65530) (i32.const 9)))";
    let run = story(&tools, "t:echo", "", beyond).run_on(&native);
    assert_eq!(run.outcome.ending(), &Ending::Trapped(TrapCode::Pointer));
    assert_eq!(tools.calls.load(Ordering::SeqCst), 0);
}

#[test]
fn a_transcript_that_is_not_the_claims_is_no_evidence() {
    let tools = tools(10);
    let story = asking(&tools, "t:echo", "{\"a\":1.5}");
    let run = story.run_on(&native());
    let replay = |transcript| {
        replay_on(
            Engines::Wasmtime,
            claim(&run),
            &evidence(&story, transcript),
        )
    };
    assert_eq!(replay(None), Err(ReplayError::Transcript));
    let other = run.outcome.transcript().as_str().replace("1.5", "1.6");
    let other = Transcript::read(&other).expect("a transcript");
    assert_eq!(
        replay(Some(&other)),
        Err(ReplayError::WrongEvidence { what: "transcript" })
    );
}

/// A node that signs another transcript than that of its run is found out, whichever part of it is made up.
#[test]
fn a_made_up_transcript_is_found_by_the_requests_or_by_what_follows_from_the_answers() {
    let tools = tools(10);
    let story = asking(&tools, "t:echo", "{\"a\":1.5}");
    let run = story.run_on(&native());
    let told = run.outcome.transcript().as_str();
    let forged = |text: &str| {
        let transcript = Transcript::read(text).expect("a transcript");
        let mut claim = claim(&run).clone();
        claim.transcript = transcript.root().map(Disclosed::Open);
        replay_on(
            Engines::Wasmtime,
            &claim,
            &evidence(&story, Some(&transcript)),
        )
    };
    let member = |found: Result<Replay, ReplayError>| match found {
        Ok(Replay::Differs(Difference { member, .. })) => member,
        other => panic!("{other:?}"),
    };
    let other_request = told.replace("\"arguments\":{\"a\":1.5}", "\"arguments\":{\"a\":1.6}");
    assert_eq!(
        forged(&other_request),
        Ok(Replay::Differs(Difference {
            member: "transcript",
            claimed: "{\"run_tool\":{\"tool\":\"t:echo\",\"arguments\":{\"a\":1.6}}}".to_owned(),
            found: "{\"run_tool\":{\"tool\":\"t:echo\",\"arguments\":{\"a\":1.5}}}".to_owned(),
        }))
    );
    let other_answer = told.replace("\"result\":{\"a\":1.5}", "\"result\":{\"a\":1.6}");
    assert_eq!(member(forged(&other_answer)), "output");
    assert_eq!(member(forged(&format!("{told}{told}"))), "transcript");
    // A claim that hides the calls of its run.
    assert_eq!(
        forged(""),
        Ok(Replay::Differs(Difference {
            member: "transcript",
            claimed: "null".to_owned(),
            found: "{\"run_tool\":{\"tool\":\"t:echo\",\"arguments\":{\"a\":1.5}}}".to_owned(),
        }))
    );
}

/// The interpreter's run was given up for native code after the call: the tool must not have its effect twice.
#[test]
fn a_run_that_begins_anew_does_not_call_again() {
    let tools = tools(10);
    let body = format!(
        "(local i32) (drop {CALL}) (call $output_result)
         (loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))
           (br_if 0 (i32.lt_u (local.get 0) (i32.const 60000000))))"
    );
    let mut story = story(&tools, "t:echo", "{\"a\":1.5}", &body).fuel(900_000_000);
    story.0.terms.limits.time_ms = Some(10_000);
    let run = story.run_on(&pipeline(Engines::Both));
    assert_eq!(text(&run), "{\"ok\":{\"a\":1.5}}");
    let engine = &run.receipt.receipt().advisory.engine;
    assert!(engine.as_str().starts_with("wasmtime"), "{engine}");
    assert_eq!(tools.calls.load(Ordering::SeqCst), 1);
    assert_eq!(run.outcome.transcript().len(), 1);
}

#[test]
fn a_tool_that_hangs_is_stopped_with_its_run() {
    let tools = tools(10);
    let mut story = asking(&tools, "t:hang", "{\"a\":1.5}");
    story.0.terms.limits.time_ms = Some(200);
    let run = story.run_on(&native());
    assert_eq!(run.outcome.ending().status().name(), "aborted");
    let exchanges: Vec<Exchange> = run.outcome.transcript().exchanges().collect();
    let [exchange] = exchanges.as_slice() else {
        panic!("{exchanges:?}")
    };
    let code = exchange.answer.as_ref().map_err(|error| error.code);
    assert_eq!(code, Err(GatewayErrorCode::Cancelled));
}

#[test]
fn a_private_run_shows_no_root_and_opens_with_its_secret() {
    let tools = tools(10);
    let story = asking(&tools, "t:echo", "{\"a\":1.5}");
    let secret = || RunSecret::from_bytes([9; 32]);
    let told = Circumstances {
        secret: Some(secret()),
        ..circumstances()
    };
    let run = native().run(&story.0, told).expect("a run");
    assert!(matches!(claim(&run).transcript, Some(Disclosed::Keyed(_))));
    let (right, wrong) = (secret(), RunSecret::from_bytes([8; 32]));
    let replay = |secret, transcript| {
        let evidence = Evidence {
            secret,
            seed: Some(story.0.request.seed),
            ..evidence(&story, transcript)
        };
        replay_on(Engines::Wasmtime, claim(&run), &evidence)
    };
    let transcript = Some(run.outcome.transcript());
    assert_eq!(replay(Some(&right), transcript), Ok(Replay::Same));
    assert_eq!(replay(Some(&right), None), Err(ReplayError::Transcript));
    assert!(replay(Some(&wrong), transcript).is_err());
}
