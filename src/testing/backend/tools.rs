//! A job's way to tools.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::{CANCELLATION, ERRORS, Suite, soon};
use crate::backend::Ended;
use crate::control::Control;
use crate::gateway::direct::{Direct, Tool};
use crate::gateway::{GatewayError, GatewayErrorCode, Json, Session, SessionLimits, ToolId};
use crate::router::CodeTree;
use crate::testing::{PATIENCE, TICK};

/// How long a tool waits at most that waits for its end.
const TOOL: Duration = Duration::from_secs(60);
const INPUT: &str = r#"{"a":1}"#;

/// What the tool `text:echo` does.
#[derive(Clone, Copy)]
enum Deed {
    /// Gives its arguments back.
    Echo,
    /// Fails, and says that it may be called again.
    Fail,
    /// Waits until it is cancelled.
    Wait,
}

/// How often the tool was called, and how often it came to an end.
#[derive(Default)]
struct Count {
    begun: AtomicU32,
    ended: AtomicU32,
}

impl Suite<'_> {
    pub(super) fn reaches_tools(&self) {
        let Some(tree) = &self.programs.calls_tool else {
            return;
        };
        let (ended, called) = self.calls(tree, Deed::Echo);
        holds!(
            "Job::gateway",
            value(&ended) == serde_json::from_str(INPUT).ok() && called == 1,
            "the tool is called once and its result arrives: {called} calls, {ended:?}"
        );
        let (ended, called) = self.calls(tree, Deed::Fail);
        holds!(
            ERRORS,
            called == 1,
            "`run` never tries again by itself, and the tool was called {called} times"
        );
        holds!(
            ERRORS,
            matches!(ended, Ended::Failed { .. }),
            "what the code did is an attempt: it failed with its tool: {ended:?}"
        );
        let ended = self.attempt(&self.wanted(tree, INPUT)).ended;
        holds!(
            "Job::gateway",
            matches!(ended, Ended::Failed { .. }),
            "a request without a gateway has no way to tools: {ended:?}"
        );
        self.ends_calls(tree);
    }

    fn calls(&self, tree: &CodeTree, deed: Deed) -> (Ended, u32) {
        let count = Arc::default();
        let mut wanted = self.wanted(tree, INPUT);
        wanted.session = Some(session(&count, deed, &wanted.control));
        let ended = self.attempt(&wanted).ended;
        (ended, count.begun.load(Ordering::SeqCst))
    }

    /// A call that is under way is of the job too.
    fn ends_calls(&self, tree: &CodeTree) {
        let count = Arc::default();
        let mut wanted = self.wanted(tree, INPUT);
        // It has a control of its own: the backend has to end the call.
        wanted.session = Some(session(&count, Deed::Wait, &Control::default()));
        let ended = self.stopped(&wanted, || {
            let begun = soon(PATIENCE, || count.begun.load(Ordering::SeqCst) == 1);
            holds!("Job::gateway", begun, "the tool is called");
            wanted.control.cancel();
        });
        let (ended, calls) = (ended.ended, count.ended.load(Ordering::SeqCst));
        holds!(
            CANCELLATION,
            calls == 1 && matches!(ended, Ended::Aborted { .. }),
            "all that runs of the job is ended before `run` returns: {calls} of 1 calls, {ended:?}"
        );
    }
}

fn value(ended: &Ended) -> Option<Value> {
    match ended {
        Ended::Ok(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}

fn session(count: &Arc<Count>, deed: Deed, control: &Control) -> Arc<Session> {
    let count = Arc::clone(count);
    let id = ToolId::new("text:echo").expect("a tool's id");
    let tool = Tool::new(id, "Echoes", move |arguments, control| {
        count.begun.fetch_add(1, Ordering::SeqCst);
        let done = done(deed, arguments, control);
        count.ended.fetch_add(1, Ordering::SeqCst);
        done
    });
    let gateway = Arc::new(Direct::new([tool]).expect("one tool"));
    let limits = SessionLimits {
        tool_calls: 10,
        chain_steps: 1,
    };
    Arc::new(Session::new(gateway, limits, control.clone()))
}

fn done(deed: Deed, arguments: &Json, control: &Control) -> Result<Json, GatewayError> {
    match deed {
        Deed::Echo => Ok(arguments.clone()),
        Deed::Fail => Err(GatewayError::new(
            GatewayErrorCode::Unavailable,
            "try again",
        )),
        Deed::Wait => {
            soon(TOOL, || control.is_cancelled());
            std::thread::sleep(TICK);
            Err(GatewayError::cancelled())
        }
    }
}
