//! Gateways that break a promise.

use super::{assert_told, known, told, tools};
use crate::control::Control;
use crate::gateway::direct::Direct;
use crate::gateway::{
    Chain, ChainStep, DescribeLevel, GatewayError, Json, ToolDescription, ToolExample, ToolGateway,
    ToolId, ToolSummary,
};
use crate::testing::gateway;

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// An empty query is taken for none.
    EmptyQuery,
    /// Of several matches one is given.
    OneMatch,
    /// A step never gets what came before it.
    NoPrevious,
    /// A cancelled call is one that failed.
    OtherCode,
}

struct Liar(Direct, Fault);

impl ToolGateway for Liar {
    fn search_tools(
        &self,
        query: &str,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolSummary>, GatewayError> {
        match self.1 {
            Fault::EmptyQuery if query.is_empty() => Ok(Vec::new()),
            Fault::OneMatch => self.0.search_tools(query, limit.min(1), control),
            _ => self.0.search_tools(query, limit, control),
        }
    }

    fn list_namespaces(&self, control: &Control) -> Result<Vec<String>, GatewayError> {
        self.0.list_namespaces(control)
    }

    fn describe_tool(
        &self,
        tool: &ToolId,
        level: DescribeLevel,
        control: &Control,
    ) -> Result<ToolDescription, GatewayError> {
        self.0.describe_tool(tool, level, control)
    }

    fn list_tool_examples(
        &self,
        tool: &ToolId,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolExample>, GatewayError> {
        self.0.list_tool_examples(tool, limit, control)
    }

    fn run_tool(
        &self,
        tool: &ToolId,
        arguments: &Json,
        control: &Control,
    ) -> Result<Json, GatewayError> {
        let called = self.0.run_tool(tool, arguments, control);
        match self.1 {
            Fault::OtherCode if control.is_cancelled() => Err(GatewayError::not_found(tool)),
            _ => called,
        }
    }

    fn run_chain(&self, steps: &[ChainStep], control: &Control) -> Result<Chain, GatewayError> {
        let alone = |step: &ChainStep| ChainStep {
            use_previous: false,
            ..step.clone()
        };
        match (self.1, steps.first()) {
            (Fault::NoPrevious, Some(first)) if !first.use_previous => {
                let steps: Vec<_> = steps.iter().map(alone).collect();
                self.0.run_chain(&steps, control)
            }
            _ => self.0.run_chain(steps, control),
        }
    }
}

fn held(fault: Fault) -> impl FnOnce() {
    move || gateway(&Liar(tools(), fault), &known())
}

#[test]
fn a_gateway_that_keeps_every_promise_is_one() {
    assert_eq!(told(held(Fault::None)), "nothing");
}

#[test]
fn each_broken_promise_is_named() {
    for (fault, promise) in [
        (
            Fault::EmptyQuery,
            "ToolGateway, Empty values: an empty query",
        ),
        (Fault::OneMatch, "ToolGateway, Empty values: an empty query"),
        (
            Fault::NoPrevious,
            "ToolGateway::run_chain: a step that asks",
        ),
        (Fault::OtherCode, "ToolGateway, Cancellation: a call that"),
    ] {
        assert_told(promise, held(fault));
    }
}
