//! A run of a module that is built for debugging: it is only looked at.
//!
//! Enters: an order, somebody who looks. Leaves: the output, and all that was seen. Refuses: to make a receipt: no other host runs
//! such a module, so nobody could run it again.

use serde_json::json;
use tenzik::outcome::Ending;
use tenzik::pipeline::Order;

use crate::args::Context;
use crate::debug::Debugger;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::source::Source;

/// Runs it.
pub(super) fn run(
    debugger: &Debugger,
    order: &Order,
    source: &Source,
    context: &Context,
) -> Result<Reply, Failure> {
    let (seen, ending) = debugger.look_unsealed(order, source.path())?;
    let status = ending.status().name();
    let output = match &ending {
        Ending::Ok(output) => Some(output),
        _ => None,
    };
    let failure = output.is_none().then(|| {
        let message = format!("the capsule ended {status}");
        let hint = "what was seen of it is above, and in the directory";
        Failure::new(Exit::CapsuleFailed, status, message, hint)
    });
    if !context.console.json {
        if let Some(output) = output {
            context.console.output(output)?;
        }
        context.console.note(&seen.lines);
        context.console.note(NO_RECEIPT);
    }
    let text = output.map(|output| String::from_utf8_lossy(output));
    let members = json!({"status": status, "output": text, "receipt": null, "debug": seen.members});
    Ok(Reply::new(Vec::new(), members).failing(failure))
}

const NO_RECEIPT: &str = "no receipt: the module is built for debugging, and no other host runs it";
