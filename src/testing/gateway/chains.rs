//! Calls of tools one after the other.

use super::{EMPTY, Suite, absent, code};
use crate::control::Control;
use crate::gateway::{Chain, ChainStep, GatewayErrorCode, Json, ToolId};

const CHAIN: &str = "ToolGateway::run_chain";

impl Suite<'_> {
    pub(super) fn step(&self, tool: &ToolId, use_previous: bool) -> ChainStep {
        ChainStep {
            tool: tool.clone(),
            arguments: self.known.arguments.clone(),
            use_previous,
        }
    }

    fn chained(&self, steps: &[ChainStep]) -> Chain {
        let chain = self.gateway.run_chain(steps, &Control::default());
        chain.unwrap_or_else(|error| {
            panic!("{CHAIN}: a step that failed is no error of the chain: {error}")
        })
    }

    fn refused(&self, steps: &[ChainStep], promise: &str, why: &str) {
        let told = code(&self.gateway.run_chain(steps, &Control::default()));
        holds!(
            promise,
            told == Some(GatewayErrorCode::InvalidRequest),
            "{why}: {told:?}"
        );
    }

    pub(super) fn chains(&self) {
        let tool = &self.known.tool;
        self.refused(&[], EMPTY, "an empty chain is refused");
        let first = "the first step has nothing before it, and is refused";
        self.refused(&[self.step(tool, true)], CHAIN, first);
        let plain = || self.step(tool, false);
        let done = self.chained(&[plain(), plain()]);
        let results: Vec<_> = done.steps.iter().map(|step| step.result.as_ref()).collect();
        holds!(
            CHAIN,
            results == [Ok(&self.known.result); 2],
            "each step gives its result: {results:?}"
        );
        let stopped = self.chained(&[plain(), self.step(&absent(), false), plain()]);
        holds!(
            CHAIN,
            stopped.steps.len() == 2 && stopped.result().is_some_and(Result::is_err),
            "it stops behind the first step that fails: {stopped:?}"
        );
    }

    /// A second step that is shown what it was given.
    pub(super) fn passes_results_on(&self) {
        let Some(echoing) = &self.known.echoing else {
            return;
        };
        let given = Json::new(r#"{"own":[1]}"#).expect("strict JSON");
        let second = |arguments, use_previous| ChainStep {
            tool: echoing.clone(),
            arguments,
            use_previous,
        };
        let first = || self.step(&self.known.tool, false);
        let done = self.chained(&[first(), second(given.clone(), true)]);
        let mut expected = given.to_value();
        expected["previous"] = self.known.result.to_value();
        let got = done.result().and_then(|result| result.as_ref().ok());
        holds!(
            CHAIN,
            got.map(Json::to_value) == Some(expected),
            "a step that asks for it gets the result before it as the member `previous`: {got:?}"
        );
        let done = self.chained(&[first(), second(given.clone(), false)]);
        let got = done.result().and_then(|result| result.as_ref().ok());
        holds!(
            CHAIN,
            got.map(Json::to_value) == Some(given.to_value()),
            "a step that does not ask for it gets its own arguments alone: {got:?}"
        );
        for arguments in ["[]", r#"{"previous":1}"#] {
            let arguments = Json::new(arguments).expect("strict JSON");
            let why = format!("a step that cannot be given what it asks for: {arguments}");
            self.refused(&[first(), second(arguments, true)], CHAIN, &why);
        }
    }
}
