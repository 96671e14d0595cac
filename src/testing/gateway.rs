//! What every [`ToolGateway`] must do.

use std::thread;

use crate::control::Control;
use crate::gateway::{ChainStep, DescribeLevel, GatewayErrorCode, Json, ToolGateway, ToolId};

/// A tool of the gateway's, and what it gives for some arguments, however often it is called.
#[derive(Clone, Debug)]
pub struct KnownTool {
    tool: ToolId,
    arguments: Json,
    result: Json,
}

impl KnownTool {
    /// A tool by its id, with arguments (an object without the member `previous`) and result as JSON.
    ///
    /// # Panics
    /// If one of them is not of its form.
    pub fn new(tool: &str, arguments: &str, result: &str) -> Self {
        let json = |text: &str| Json::new(text).expect("strict JSON");
        Self {
            tool: ToolId::new(tool).expect("a tool's id"),
            arguments: json(arguments),
            result: json(result),
        }
    }

    pub(super) const fn tool(&self) -> &ToolId {
        &self.tool
    }

    pub(super) const fn arguments(&self) -> &Json {
        &self.arguments
    }

    pub(super) const fn result(&self) -> &Json {
        &self.result
    }

    fn step(&self, use_previous: bool) -> ChainStep {
        ChainStep {
            tool: self.tool.clone(),
            arguments: self.arguments.clone(),
            use_previous,
        }
    }
}

/// Holds a gateway against the contract of its trait.
///
/// # Panics
/// With what is not so.
pub fn gateway(gateway: &dyn ToolGateway, known: &KnownTool) {
    searches(gateway, known);
    describes(gateway, known);
    calls(gateway, known);
    chains(gateway, known);
    serves_many_at_once(gateway, known);
}

fn searches(gateway: &dyn ToolGateway, known: &KnownTool) {
    let control = Control::default();
    let found = |query: &str, limit| {
        let found = gateway.search_tools(query, limit, &control);
        found.unwrap_or_else(|error| panic!("a search for {query:?}: {error}"))
    };
    assert!(found("", 0).is_empty(), "a limit of 0 gives an empty list");
    assert!(found("", 1).len() <= 1, "no more are given than asked for");
    let by_id = found(known.tool.as_str(), 100);
    assert!(
        by_id.iter().any(|tool| tool.id == known.tool),
        "a tool is found by its id"
    );
    let nowhere = "no tool has 5f0c1c9e in its words";
    assert!(
        found(nowhere, 10).is_empty(),
        "no match is an empty list, and no error"
    );
    let names = gateway.list_namespaces(&control).expect("namespaces");
    assert!(
        names.windows(2).all(|pair| pair[0] < pair[1]),
        "namespaces are in order, each once"
    );
    let namespace = known.tool.namespace();
    assert!(
        names.iter().any(|name| name == namespace),
        "each tool's namespace is listed"
    );
}

fn describes(gateway: &dyn ToolGateway, known: &KnownTool) {
    let control = Control::default();
    let at = |level| {
        gateway
            .describe_tool(&known.tool, level, &control)
            .expect("a description")
    };
    let (summary, schema, full) = (
        at(DescribeLevel::Summary),
        at(DescribeLevel::Schema),
        at(DescribeLevel::Full),
    );
    assert!(
        summary.id == known.tool && summary.summary == full.summary,
        "each level is of the same tool"
    );
    assert!(
        summary.input_schema.is_none()
            && summary.output_schema.is_none()
            && summary.notes.is_none(),
        "a summary is no more than that"
    );
    assert!(
        schema.input_schema == full.input_schema && schema.notes.is_none(),
        "notes are of the full level alone"
    );
    let none = gateway
        .list_tool_examples(&known.tool, 0, &control)
        .expect("examples");
    assert!(none.is_empty(), "a limit of 0 gives an empty list");
    let one = gateway
        .list_tool_examples(&known.tool, 1, &control)
        .expect("examples");
    assert!(one.len() <= 1, "no more are given than asked for");
    let absent = absent();
    let told = [
        gateway
            .describe_tool(&absent, DescribeLevel::Full, &control)
            .map(drop),
        gateway.list_tool_examples(&absent, 1, &control).map(drop),
        gateway
            .run_tool(&absent, &known.arguments, &control)
            .map(drop),
    ];
    for told in told {
        let code = told.expect_err("there is no such tool").code;
        assert_eq!(
            code,
            GatewayErrorCode::NotFound,
            "a tool that is not there is not_found"
        );
    }
}

fn calls(gateway: &dyn ToolGateway, known: &KnownTool) {
    for _ in 0..2 {
        let result = gateway.run_tool(&known.tool, &known.arguments, &Control::default());
        assert_eq!(
            result.as_ref(),
            Ok(&known.result),
            "a call gives its result, the second as the first"
        );
    }
}

fn chains(gateway: &dyn ToolGateway, known: &KnownTool) {
    let control = Control::default();
    let refused = |steps: &[ChainStep], why: &str| {
        let code = gateway.run_chain(steps, &control).expect_err(why).code;
        assert_eq!(code, GatewayErrorCode::InvalidRequest, "{why}");
    };
    refused(&[], "an empty chain is refused");
    refused(&[known.step(true)], "the first step has nothing before it");
    let done = gateway
        .run_chain(&[known.step(false), known.step(false)], &control)
        .expect("a chain");
    let results: Vec<_> = done.steps.iter().map(|step| step.result.as_ref()).collect();
    assert_eq!(
        results,
        [Ok(&known.result); 2],
        "each step gives its result"
    );
    let fails = ChainStep {
        tool: absent(),
        ..known.step(false)
    };
    let stopped = gateway
        .run_chain(&[known.step(false), fails, known.step(false)], &control)
        .expect("a failed step is no error of the chain");
    assert!(
        stopped.steps.len() == 2 && stopped.result().is_some_and(Result::is_err),
        "a chain stops behind the first step that fails"
    );
}

fn serves_many_at_once(gateway: &dyn ToolGateway, known: &KnownTool) {
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| gateway.run_tool(&known.tool, &known.arguments, &Control::default()))
            })
            .collect();
        for call in calls {
            let result = call.join().expect("no call panics");
            assert_eq!(
                result.as_ref(),
                Ok(&known.result),
                "calls from many threads are answered each"
            );
        }
    });
}

fn absent() -> ToolId {
    ToolId::new("nothing:5f0c1c9e").expect("a tool's id")
}
