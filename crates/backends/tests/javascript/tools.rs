//! Tools, by the gateway and by nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tenzik::gateway::{ToolGateway, ToolId, direct};
use tenzik::router::Limit;
use tenzik_receipt::Claim;

use super::{failure, module, on_each, router_of};
use crate::common::{limited, run, tools, value};

/// `text:echo`, and `text:fail` that fails.
fn two_tools() -> Arc<dyn ToolGateway> {
    let echo = direct::Tool::new(
        ToolId::new("text:echo").expect("an id"),
        "Echoes",
        |arguments, _| Ok(arguments.clone()),
    );
    let fail = direct::Tool::new(ToolId::new("text:fail").expect("an id"), "Fails", |_, _| {
        Err(tenzik::gateway::GatewayError::new(
            tenzik::gateway::GatewayErrorCode::ToolFailed,
            "it is broken",
        ))
    });
    Arc::new(direct::Direct::new([echo, fail]).expect("tools"))
}

on_each! {
    fn every_operation_of_the_gateway_is_there(config: JavaScriptConfig) {
        let router = router_of(config);
        let mut request = module(
            "export default async (input, { tools }) => {
                const failed = await tools.run_tool('text:fail').catch((error) => [error.name, error.code, error.message, error.retryable]);
                const chain = await tools.run_chain([
                    { tool: 'text:echo', arguments: { x: 1 } },
                    { tool: 'text:echo', arguments: { y: 2 }, use_previous: true },
                ]);
                return {
                    one: await tools.run_tool('text:echo', { a: 1 }),
                    failed,
                    last: chain.steps[1].result.ok,
                    found: (await tools.search_tools('echo')).map((tool) => tool.id),
                    spaces: await tools.list_namespaces(),
                    told: (await tools.describe_tool('text:echo', 'summary')).summary,
                    long: (await tools.run_tool('text:echo', 'x'.repeat(3000000))).length,
                    examples: await tools.list_examples('text:echo'),
                    many: (await Promise.all(Array.from({ length: 50 }, (_, n) => tools.run_tool('text:echo', n)))).length,
                };
            };",
        );
        request.gateway = Some(two_tools());
        let execution = run(&router, &request).expect("a result");
        let value: serde_json::Value = serde_json::from_slice(execution.value().expect("a result")).expect("JSON");
        let expected = serde_json::json!({
            "one": {"a": 1},
            "failed": ["ToolError", "tool_failed", "it is broken", false],
            "last": {"y": 2, "previous": {"x": 1}},
            "found": ["text:echo"],
            "spaces": ["text"],
            "told": "Echoes",
            "long": 3_000_000,
            "examples": [],
            "many": 50,
        });
        assert_eq!(value, expected);
        assert_eq!(execution.tool_calls, 55);
        let Claim::Attested(claim) = execution.receipt.claim() else { panic!("another claim") };
        let root = claim.transcript.as_ref().and_then(|root| root.open()).copied();
        assert_eq!(root, execution.transcript.root());
    }
}

on_each! {
    fn without_a_gateway_there_are_none_and_limits_hold(config: JavaScriptConfig) {
        let router = router_of(config);
        assert_eq!(value(&router, &module("export default (input, { tools }) => typeof tools;")), "\"undefined\"");
        let called = Arc::new(AtomicU32::new(0));
        let mut request = limited(
            module(
                "export default async (input, { tools }) => {
                    const codes = [];
                    for (let n = 0; n < 5; n++) codes.push(await tools.run_tool('text:echo', n).catch((error) => error.code));
                    return codes;
                };",
            ),
            &[(Limit::ToolCalls, 2)],
        );
        request.gateway = Some(tools(&called));
        assert_eq!(value(&router, &request), r#"[0,1,"limit_reached","limit_reached","limit_reached"]"#);
        assert_eq!(called.load(Ordering::SeqCst), 2);
        let mut wrong = module("export default (input, { tools }) => tools.run_tool('no tool at all');");
        wrong.gateway = Some(tools(&called));
        assert_eq!(failure(&router, &wrong).0, "own:cancelled");
        assert_eq!(called.load(Ordering::SeqCst), 2);
    }
}

on_each! {
    fn a_call_that_nobody_waits_for_reaches_no_later_run(config: JavaScriptConfig) {
        let router = router_of(config);
        let called = Arc::new(AtomicU32::new(0));
        let request = |input: &str| {
            let mut request = module(
                "let kept; export default async (input, { tools }) => {
                    if (!kept) { kept = tools; return 'kept'; }
                    const late = await kept.run_tool('text:echo', 'late').catch((error) => error.code);
                    return [late, await tools.run_tool('text:echo', 'own')];
                };",
            );
            request.input = input.as_bytes().into();
            request.gateway = Some(tools(&called));
            request
        };
        assert_eq!(value(&router, &request("1")), "\"kept\"");
        let second = run(&router, &request("2")).expect("a result");
        assert_eq!(second.value(), Some(&br#"["cancelled","own"]"#[..]));
        assert_eq!(second.tool_calls, 1);
        assert!(second.transcript.as_str().contains("own") && !second.transcript.as_str().contains("late"));
    }
}
