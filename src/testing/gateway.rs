//! What every [`ToolGateway`] must do.

mod chains;
mod listed;

use std::thread;
use std::time::Duration;

use super::{PATIENCE, joined, soon};
use crate::control::Control;
use crate::gateway::{Chain, GatewayError, GatewayErrorCode, Json, ToolGateway, ToolId};

const CANCELLATION: &str = "ToolGateway, Cancellation";
const EMPTY: &str = "ToolGateway, Empty values";
const THREADS: &str = "ToolGateway, Thread-safety";

/// A tool of the gateway's, and what it gives for some arguments, however often it is called; and other tools, where it has them.
#[derive(Clone, Debug)]
pub struct KnownTool {
    tool: ToolId,
    arguments: Json,
    result: Json,
    echoing: Option<ToolId>,
    slow: Option<ToolId>,
}

impl KnownTool {
    /// A tool by its id, with arguments (an object without the member `previous`) and result as JSON.
    ///
    /// # Panics
    /// If one of them is not of its form.
    pub fn new(tool: &str, arguments: &str, result: &str) -> Self {
        let json = |text: &str| Json::new(text).expect("strict JSON");
        Self {
            tool: id(tool),
            arguments: json(arguments),
            result: json(result),
            echoing: None,
            slow: None,
        }
    }

    /// With a tool that gives its arguments as its result. Without one it is not checked that a step of a chain gets the result
    /// before it, and of a proxy's server not what it does with a client that reads no answers.
    ///
    /// # Panics
    /// If it is no tool's id.
    #[must_use]
    pub fn with_echoing(mut self, tool: &str) -> Self {
        self.echoing = Some(id(tool));
        self
    }

    /// With a tool that takes a minute, whatever its arguments, but where it is cancelled. Without one cancellation is not
    /// checked, and of a proxy's server nothing that needs a call under way.
    ///
    /// # Panics
    /// If it is no tool's id.
    #[must_use]
    pub fn with_slow(mut self, tool: &str) -> Self {
        self.slow = Some(id(tool));
        self
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

    pub(super) const fn echoing(&self) -> Option<&ToolId> {
        self.echoing.as_ref()
    }

    pub(super) const fn slow(&self) -> Option<&ToolId> {
        self.slow.as_ref()
    }
}

fn id(tool: &str) -> ToolId {
    ToolId::new(tool).expect("a tool's id")
}

/// Holds a gateway against the contract of its trait.
///
/// # Panics
/// With the promise that is broken.
pub fn gateway(gateway: &dyn ToolGateway, known: &KnownTool) {
    let suite = Suite { gateway, known };
    suite.searches();
    suite.lists_namespaces();
    suite.describes();
    suite.lists_examples();
    suite.knows_no_other_tool();
    suite.calls();
    suite.chains();
    suite.passes_results_on();
    suite.cancels();
    suite.serves_many_at_once();
}

struct Suite<'a> {
    gateway: &'a dyn ToolGateway,
    known: &'a KnownTool,
}

impl Suite<'_> {
    fn call(&self) -> Result<Json, GatewayError> {
        let known = self.known;
        self.gateway
            .run_tool(&known.tool, &known.arguments, &Control::default())
    }

    fn calls(&self) {
        for _ in 0..2 {
            let result = self.call();
            holds!(
                "ToolGateway::run_tool",
                result.as_ref() == Ok(&self.known.result),
                "a call gives its result, the second as the first: {result:?}"
            );
        }
    }

    fn cancels(&self) {
        let Some(slow) = &self.known.slow else {
            return;
        };
        let object = Json::new("{}").expect("strict JSON");
        let calls = |control: &Control| self.gateway.run_tool(slow, &object, control).map(drop);
        for early in [false, true] {
            let called = stopped(early, calls);
            holds!(
                CANCELLATION,
                code(&called) == Some(GatewayErrorCode::Cancelled),
                "a call that takes long is `cancelled` soon after its control is set: {called:?}"
            );
        }
        let steps = [self.step(slow, false), self.step(&self.known.tool, false)];
        let chained = stopped(false, |control| self.gateway.run_chain(&steps, control));
        holds!(
            CANCELLATION,
            is_cut(&chained),
            "a chain ends in the step that was cancelled: {chained:?}"
        );
        let after = self.call();
        holds!(
            CANCELLATION,
            after.as_ref() == Ok(&self.known.result),
            "a call that was cancelled takes no later one with it: {after:?}"
        );
    }

    fn serves_many_at_once(&self) {
        thread::scope(|scope| {
            let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| self.call())).collect();
            for call in calls {
                let result = joined(call);
                holds!(
                    THREADS,
                    result.as_ref() == Ok(&self.known.result),
                    "calls from many threads are answered each: {result:?}"
                );
            }
        });
    }
}

/// A call whose control is set before it, or while it is under way.
fn stopped<T: Send>(early: bool, call: impl FnOnce(&Control) -> T + Send) -> T {
    let control = Control::default();
    if early {
        control.cancel();
    }
    thread::scope(|scope| {
        let call = scope.spawn(|| call(&control));
        // If it has not begun by then, it is as one that was cancelled before.
        thread::sleep(Duration::from_millis(100));
        control.cancel();
        holds!(
            CANCELLATION,
            soon(PATIENCE, || call.is_finished()),
            "a call that takes long returns soon after its control is set"
        );
        joined(call)
    })
}

/// Whether a chain was cancelled in its first step.
fn is_cut(chained: &Result<Chain, GatewayError>) -> bool {
    let cancelled = |error: &GatewayError| error.code == GatewayErrorCode::Cancelled;
    match chained {
        Ok(chain) => match &chain.steps[..] {
            [step] => step.result.as_ref().is_err_and(cancelled),
            _ => false,
        },
        Err(error) => cancelled(error),
    }
}

fn code<T>(came: &Result<T, GatewayError>) -> Option<GatewayErrorCode> {
    came.as_ref().err().map(|error| error.code)
}

fn absent() -> ToolId {
    id("nothing:5f0c1c9e")
}
