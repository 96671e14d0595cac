//! Sessions: what is counted, what is recorded, and what is refused.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;

use super::super::direct::{Direct, Tool};
use super::super::{
    Chain, ChainStep, DescribeLevel, GatewayErrorCode, Json, TRANSCRIPT_BYTES_MAX, ToolExample,
    ToolId,
};
use super::*;

fn id(text: &str) -> ToolId {
    ToolId::new(text).expect("an id")
}

fn json(text: &str) -> Json {
    Json::new(text).expect("JSON")
}

fn example(title: &str) -> ToolExample {
    ToolExample {
        title: title.to_owned(),
        arguments: json("{}"),
        result: Some(json("{}")),
    }
}

/// Tools that echo, fail, panic and count.
fn tools(called: Arc<AtomicU32>) -> Arc<dyn ToolGateway> {
    let echo = Tool::new(
        id("text:echo"),
        "Gives back its arguments",
        |arguments, _| Ok(arguments.clone()),
    )
    .with_tags(["copy"])
    .with_input_schema(json(r#"{"type":"object"}"#))
    .with_notes("nothing else")
    .with_examples(vec![example("one")]);
    let count = Tool::new(id("count"), "Counts its calls", move |_, _| {
        called.fetch_add(1, Ordering::Relaxed);
        Ok(json("1"))
    });
    let fail = Tool::new(id("text:fail"), "Fails", |_, _| {
        Err(GatewayError::new(
            GatewayErrorCode::ToolFailed,
            "on purpose\u{1b}[2J",
        ))
    });
    let panic = Tool::new(id("text:panic"), "Panics", |_, _| panic!("on purpose"));
    Arc::new(Direct::new([echo, count, fail, panic]).expect("four tools"))
}

fn session(tool_calls: u32, chain_steps: u32) -> (Session, Arc<AtomicU32>, Control) {
    let (called, control) = (Arc::new(AtomicU32::new(0)), Control::default());
    let limits = SessionLimits {
        tool_calls,
        chain_steps,
    };
    let session = Session::new(tools(Arc::clone(&called)), limits, control.clone());
    (session, called, control)
}

fn run(tool: &str, arguments: &str) -> Operation {
    Operation::RunTool {
        tool: id(tool),
        arguments: json(arguments),
    }
}

fn step(tool: &str, arguments: &str, use_previous: bool) -> ChainStep {
    ChainStep {
        tool: id(tool),
        arguments: json(arguments),
        use_previous,
    }
}

fn chain(session: &Session, steps: Vec<ChainStep>) -> Result<Chain, GatewayError> {
    match session.call(&Operation::RunChain { steps })? {
        Answer::Chain(chain) => Ok(chain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_operation_is_answered_and_recorded() {
    let (session, ..) = session(10, 4);
    let search = |query: &str| Operation::SearchTools {
        query: query.to_owned(),
        limit: 10,
    };
    let found = |operation| match session.call(&operation).expect("tools") {
        Answer::Tools(tools) => tools
            .iter()
            .map(|tool| tool.id.to_string())
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(found(search("ECHO")), ["text:echo"]);
    assert_eq!(found(search("copy")), ["text:echo"]);
    assert_eq!(found(search("")).len(), 4);
    assert!(found(search("echo nowhere")).is_empty());
    assert_eq!(
        session.call(&Operation::ListNamespaces {}),
        Ok(Answer::Namespaces(vec![String::new(), "text".to_owned()]))
    );
    for (level, schema, notes) in [
        (DescribeLevel::Summary, false, false),
        (DescribeLevel::Schema, true, false),
        (DescribeLevel::Full, true, true),
    ] {
        let tool = id("text:echo");
        match session
            .call(&Operation::DescribeTool { tool, level })
            .expect("it is there")
        {
            Answer::Description(told) => {
                assert_eq!(
                    (told.input_schema.is_some(), told.notes.is_some()),
                    (schema, notes)
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let transcript = session.close();
    assert_eq!(transcript.len(), 8);
    assert_eq!(
        Transcript::read(transcript.as_str()),
        Ok(transcript.clone())
    );
    assert_eq!(transcript.exchanges().count(), 8);
}

#[test]
fn numbers_members_and_their_order_come_through_as_they_are() {
    let (session, ..) = session(1, 1);
    let text = r#"{"z":9007199254740993.10, "a":1e400,
        "k":"\u00e9"}"#;
    let answer = session.call(&run("text:echo", text)).expect("a result");
    let Answer::Result(result) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(result.as_str(), text.replace('\n', " "));
    assert_eq!(session.close().as_str().lines().count(), 1);
}

#[test]
fn a_chain_passes_on_what_came_before_and_stops_at_a_failure() {
    let (session, ..) = session(10, 4);
    let done = chain(
        &session,
        vec![
            step("text:echo", r#"{"a":1.50}"#, false),
            step("text:echo", r#"{"b":2}"#, true),
            step("text:echo", "{ }", true),
        ],
    )
    .expect("a chain");
    let last = done.result().expect("a step").as_ref().expect("a result");
    assert_eq!(
        last.as_str(),
        r#"{"previous":{"b":2,"previous":{"a":1.50}}}"#
    );

    let failed = chain(
        &session,
        vec![step("text:fail", "{}", false), step("count", "{}", false)],
    )
    .expect("a chain that failed is no error");
    assert_eq!(failed.steps.len(), 1);
    let error = failed.steps[0].result.as_ref().expect_err("it fails");
    assert_eq!(
        (error.code, error.message.as_str()),
        (GatewayErrorCode::ToolFailed, "on purpose[2J")
    );
}

#[test]
fn a_chain_that_cannot_be_given_what_it_asks_for_calls_nothing() {
    let (session, called, _) = session(10, 2);
    for steps in [
        vec![],
        vec![step("count", "{}", true)],
        vec![step("count", "{}", false), step("count", "[]", true)],
        vec![
            step("count", "{}", false),
            step("count", r#"{"previous":1}"#, true),
        ],
    ] {
        let error = chain(&session, steps).expect_err("refused");
        assert_eq!(error.code, GatewayErrorCode::InvalidRequest);
    }
    let three = vec![step("count", "{}", false); 3];
    assert_eq!(
        chain(&session, three).expect_err("too long").code,
        GatewayErrorCode::LimitReached
    );
    assert_eq!(
        (called.load(Ordering::Relaxed), session.tool_calls()),
        (0, 0)
    );
}

#[test]
fn callers_that_come_together_get_no_more_calls_than_there_are() {
    let (session, called, _) = session(100, 7);
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for index in 0..8_usize {
            let (session, barrier) = (&session, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..50 {
                    let steps = vec![step("count", "{}", false); 1 + index % 7];
                    drop(chain(session, steps));
                }
            });
        }
    });
    let reserved = session.tool_calls();
    assert!(reserved <= 100 && reserved > 93, "{reserved}");
    assert_eq!(called.load(Ordering::Relaxed), reserved);
    assert_eq!(session.close().len(), 400);
}

#[test]
fn a_tool_that_panics_has_failed_and_the_next_call_is_made() {
    let (session, ..) = session(10, 1);
    let error = session
        .call(&run("text:panic", "{}"))
        .expect_err("it failed");
    assert_eq!(error.code, GatewayErrorCode::ToolFailed);
    assert!(session.call(&run("text:echo", "{}")).is_ok());
    assert_eq!(
        session.call(&run("nothing", "{}")).expect_err("none").code,
        GatewayErrorCode::NotFound
    );
}

#[test]
fn nothing_is_called_after_the_end() {
    let (session, called, control) = session(10, 1);
    control.cancel();
    assert_eq!(
        session.call(&run("count", "{}")),
        Err(GatewayError::cancelled())
    );
    assert_eq!(session.close().len(), 1, "the refusal is in the transcript");
    assert_eq!(
        session.call(&Operation::ListNamespaces {}),
        Err(GatewayError::cancelled())
    );
    assert!(session.close().is_empty());
    assert_eq!(called.load(Ordering::Relaxed), 0);
}

#[test]
fn a_transcript_is_bounded_whatever_a_tool_answers() {
    let answer = json(&format!("\"{}\"", "x".repeat(15 << 20)));
    let huge = Tool::new(id("huge"), "Answers much", move |_, _| Ok(answer.clone()));
    let limits = SessionLimits {
        tool_calls: 10,
        chain_steps: 1,
    };
    let gateway = Arc::new(Direct::new([huge]).expect("one tool"));
    let session = Session::new(gateway, limits, Control::default());
    let answers: Vec<_> = (0..6)
        .map(|_| session.call(&run("huge", "{}")).is_ok())
        .collect();
    assert_eq!(answers, [true, true, true, true, false, false]);
    let transcript = session.close();
    assert!(transcript.as_str().len() <= TRANSCRIPT_BYTES_MAX);
    // What was called is told, with what its caller was told.
    let exchanges: Vec<_> = transcript.exchanges().collect();
    assert_eq!(exchanges.len(), 6);
    let told = |index: usize| exchanges[index].answer.as_ref().map_err(|error| error.code);
    assert_eq!(
        (told(4), told(5)),
        (
            Err(GatewayErrorCode::LimitReached),
            Err(GatewayErrorCode::LimitReached)
        )
    );
}

#[test]
fn a_transcript_in_another_spelling_is_refused_where_it_differs() {
    let (session, ..) = session(3, 1);
    session
        .call(&run("text:echo", r#"{"a":1}"#))
        .expect("a result");
    session
        .call(&run("text:fail", "{}"))
        .expect_err("a failure");
    let text = session.close().as_str().to_owned();
    for (line, bad) in [
        (1, text.replacen("{\"request\"", "{ \"request\"", 1)),
        (1, text.replacen("run_tool", "run_tools", 1)),
        (2, text.replacen("tool_failed", "failed", 1)),
        (2, text.trim_end().to_owned()),
        (3, format!("{text}\n")),
        (1, format!("\u{feff}{text}")),
    ] {
        assert_eq!(
            Transcript::read(&bad).expect_err("refused").line,
            line,
            "{bad}"
        );
    }
}

proptest! {
    /// What a stranger writes is read and written again as it was, or refused; nothing panics.
    #[test]
    fn requests_are_read_in_one_spelling(
        tool in "[a-z:./_-]{0,12}",
        arguments in r#"(\{\}|\{"a":[1-9][0-9]{0,19}\}|\[1, 2\]|x|"\\ud800")"#,
        limit: u32,
    ) {
        let text = format!(r#"{{"run_tool":{{"tool":"{tool}","arguments":{arguments}}}}}"#);
        if let Ok(operation) = serde_json::from_str::<Operation>(&text) {
            prop_assert_eq!(serde_json::to_string(&operation).expect("text"), text);
        } else {
            prop_assert!(tool.is_empty() || arguments.contains("x") || arguments.contains("ud800"));
        }
        let operation = Operation::SearchTools { query: tool, limit };
        prop_assert_eq!(operation.check().is_ok(), limit <= super::super::LISTED_MAX);
    }
}

#[test]
fn nothing_is_called_for_which_the_transcript_has_no_room() {
    let called = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&called);
    let takes = Tool::new(id("takes"), "Takes much", move |_, _| {
        counts.fetch_add(1, Ordering::Relaxed);
        Ok(json("1"))
    });
    let limits = SessionLimits {
        tool_calls: 10,
        chain_steps: 1,
    };
    let gateway = Arc::new(Direct::new([takes]).expect("one tool"));
    let session = Session::new(gateway, limits, Control::default());
    let request = run("takes", &format!("\"{}\"", "x".repeat(15 << 20)));
    let answers: Vec<_> = (0..6).map(|_| session.call(&request).is_ok()).collect();
    assert_eq!(answers, [true, true, true, true, false, false]);
    assert_eq!(called.load(Ordering::Relaxed), 4);
    assert_eq!(session.close().len(), 4);
}

/// What is live must be what a replay reads: a result with a newline at its end made an honest node's claim differ.
#[test]
fn white_space_around_arguments_and_results_is_nobodys() {
    let padded = Tool::new(id("pads"), "Answers with room around", |_, _| {
        Ok(json(" [1,\t2]\r\n"))
    });
    let limits = SessionLimits {
        tool_calls: 1,
        chain_steps: 1,
    };
    let gateway = Arc::new(Direct::new([padded]).expect("one tool"));
    let session = Session::new(gateway, limits, Control::default());
    let request = run("pads", "\n{ }\t");
    let answer = session.call(&request).expect("a result");
    assert_eq!(answer, Answer::Result(json("[1, 2]")));
    let transcript = session.close();
    let read = Transcript::read(transcript.as_str()).expect("our own");
    let exchange = read.exchanges().next().expect("one");
    assert_eq!((exchange.request, exchange.answer), (request, Ok(answer)));
}

#[test]
fn a_null_that_is_there_stays_there() {
    let text = r#"{"title":"nothing","arguments":{},"result":null}"#;
    let example: ToolExample = serde_json::from_str(text).expect("an example");
    assert_eq!(example.result, Some(json("null")));
    assert_eq!(serde_json::to_string(&example).expect("text"), text);
}

#[test]
fn a_strangers_message_is_cut_like_ours() {
    let long = format!("{}\\u0007", "x".repeat(10_000));
    let text = format!(r#"{{"code":"tool_failed","message":"{long}","retryable":false}}"#);
    let error: GatewayError = serde_json::from_str(&text).expect("an error");
    assert_eq!(error.message, "x".repeat(512));
}

proptest! {
    /// Whatever white space stands anywhere, what is recorded is read back as the same exchange.
    #[test]
    fn an_exchange_is_read_back_as_it_was(
        before in "[ \\t\\r\\n]{0,3}",
        inside in "[ \\t\\r\\n]{0,3}",
        behind in "[ \\t\\r\\n]{0,3}",
        text in "[ -~é\u{2028}]{0,8}",
    ) {
        let text = serde_json::Value::from(text).to_string();
        let value = json(&format!("{before}[{inside}1.50,{inside}{text}]{behind}"));
        let exchange = Exchange {
            request: Operation::RunTool { tool: id("a:b"), arguments: value.clone() },
            answer: Ok(Answer::Result(value)),
        };
        let mut recorder = Recorder::default();
        recorder.record(&exchange).expect("room");
        let read = Transcript::read(recorder.close().as_str()).expect("our own");
        prop_assert_eq!(read.exchanges().next(), Some(exchange));
    }
}

#[test]
fn direct_keeps_the_contract_of_every_gateway() {
    let echo = Tool::new(id("text:echo"), "Echoes", |arguments, _| {
        Ok(arguments.clone())
    })
    .with_input_schema(json(r#"{"type":"object"}"#))
    .with_notes("nothing else")
    .with_examples(vec![example("one"), example("two")]);
    let wait = Tool::new(id("wait"), "Waits to be cancelled", |_, control| {
        while !control.is_cancelled() {
            thread::sleep(Duration::from_millis(1));
        }
        Err(GatewayError::cancelled())
    });
    let direct = Direct::new([echo, wait]).expect("two tools");
    let known = crate::testing::KnownTool::new("text:echo", r#"{"a":1.50}"#, r#"{"a":1.50}"#)
        .with_echoing("text:echo")
        .with_slow("wait");
    crate::testing::gateway(&direct, &known);
}
