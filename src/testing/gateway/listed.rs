//! What a gateway says of its tools.

use super::{EMPTY, Suite, absent, code};
use crate::control::Control;
use crate::gateway::{
    DescribeLevel, GatewayErrorCode, LISTED_MAX, ToolDescription, ToolId, ToolSummary,
};

const SEARCH: &str = "ToolGateway::search_tools";
const DESCRIBE: &str = "ToolGateway::describe_tool";
const EXAMPLES: &str = "ToolGateway::list_tool_examples";
const NAMESPACES: &str = "ToolGateway::list_namespaces";

impl Suite<'_> {
    fn found(&self, query: &str, limit: u32) -> Vec<ToolSummary> {
        let found = self.gateway.search_tools(query, limit, &Control::default());
        found.unwrap_or_else(|error| panic!("{SEARCH}: no error for {query:?}: {error}"))
    }

    /// Every tool that the suite knows.
    fn tools(&self) -> impl Iterator<Item = &ToolId> {
        let known = self.known;
        std::iter::once(&known.tool)
            .chain(&known.echoing)
            .chain(&known.slow)
    }

    pub(super) fn searches(&self) {
        let nothing = self.found("", 0);
        holds!(
            EMPTY,
            nothing.is_empty(),
            "a limit of 0 gives an empty list: {nothing:?}"
        );
        let all = self.found("", LISTED_MAX);
        for tool in self.tools() {
            // One that has more tools than are listed shows some of them.
            let is_full = all.len() >= LISTED_MAX as usize;
            holds!(
                EMPTY,
                is_full || all.iter().any(|it| it.id == *tool),
                "an empty query matches every tool, and {tool} too: {all:?}"
            );
            let by_id = self.found(tool.as_str(), LISTED_MAX);
            holds!(
                SEARCH,
                by_id.iter().any(|it| it.id == *tool),
                "{tool} is found by its id: {by_id:?}"
            );
        }
        for limit in [1, 2] {
            let (got, most) = (self.found("", limit).len(), limit as usize);
            holds!(
                SEARCH,
                got == most.min(all.len()),
                "`limit` at most, and of {} tools {got} are given for {limit}",
                all.len()
            );
        }
        let nowhere = self.found("no tool has 5f0c1c9e in its words", 10);
        holds!(
            EMPTY,
            nowhere.is_empty(),
            "no match is an empty list: {nowhere:?}"
        );
    }

    pub(super) fn lists_namespaces(&self) {
        let names = self.gateway.list_namespaces(&Control::default());
        let names = names.unwrap_or_else(|error| panic!("{NAMESPACES}: {error}"));
        holds!(
            NAMESPACES,
            names.windows(2).all(|pair| pair[0] < pair[1]),
            "they are in the order of their names, each once: {names:?}"
        );
        for tool in self.tools() {
            holds!(
                NAMESPACES,
                names.iter().any(|name| name == tool.namespace()),
                "that of {tool} is listed: {names:?}"
            );
        }
    }

    fn described(&self, level: DescribeLevel) -> ToolDescription {
        let tool = &self.known.tool;
        let told = self.gateway.describe_tool(tool, level, &Control::default());
        told.unwrap_or_else(|error| panic!("{DESCRIBE}: {tool} is there: {error}"))
    }

    pub(super) fn describes(&self) {
        let summary = self.described(DescribeLevel::Summary);
        let schema = self.described(DescribeLevel::Schema);
        let full = self.described(DescribeLevel::Full);
        holds!(
            DESCRIBE,
            summary.id == self.known.tool && summary.summary == full.summary,
            "each level is of the same tool: {summary:?}, {full:?}"
        );
        holds!(
            DESCRIBE,
            summary.input_schema.is_none()
                && summary.output_schema.is_none()
                && summary.notes.is_none(),
            "as much as `level` asks for, and a summary is no more than that: {summary:?}"
        );
        holds!(
            DESCRIBE,
            schema.input_schema == full.input_schema && schema.notes.is_none(),
            "as much as `level` asks for, and notes are of the full level alone: {schema:?}"
        );
    }

    pub(super) fn lists_examples(&self) {
        for (limit, promise) in [(0, EMPTY), (1, EXAMPLES)] {
            let tool = &self.known.tool;
            let listed = self
                .gateway
                .list_tool_examples(tool, limit, &Control::default());
            let listed = listed.unwrap_or_else(|error| panic!("{EXAMPLES}: {error}"));
            holds!(
                promise,
                listed.len() <= limit as usize,
                "no more than {limit} are given: {listed:?}"
            );
        }
    }

    pub(super) fn knows_no_other_tool(&self) {
        let (gateway, absent, control) = (self.gateway, absent(), Control::default());
        let described = gateway.describe_tool(&absent, DescribeLevel::Full, &control);
        let listed = gateway.list_tool_examples(&absent, 1, &control);
        let called = gateway.run_tool(&absent, &self.known.arguments, &control);
        for told in [code(&described), code(&listed), code(&called)] {
            holds!(
                EMPTY,
                told == Some(GatewayErrorCode::NotFound),
                "a tool that is not there is `not_found`: {told:?}"
            );
        }
    }
}
