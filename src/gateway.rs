//! The one door out of executed code: tools, and nothing else.
//!
//! Enters: requests of executed code, one of six operations. Leaves: answers, and a [`Transcript`] of both.
//! Refuses: a call beyond the run's limits, a request that is not of the form, a call after the run was cancelled.
//!
//! Whoever offers tools implements [`ToolGateway`]; [`direct::Direct`] does for functions of the same process,
//! [`proxy::Client`] for tools at the other end of a stream. Executed code
//! is never given a gateway: a backend gets a [`Session`], in which each call is counted before it is made and recorded
//! when it is answered, so no backend can forget either.

mod calls;
pub mod direct;
mod error;
mod message;
pub mod proxy;
mod session;
mod transcript;

use crate::control::Control;

pub use calls::Tools;
pub(crate) use calls::{Called, Calls, Unanswered, Unlike};
pub use error::{GatewayError, GatewayErrorCode, MESSAGE_CHARS_MAX};
pub use message::{
    Answer, CHAIN_STEPS_MAX, Chain, ChainStep, DescribeLevel, Json, LISTED_MAX, NotAToolId,
    Operation, QUERY_BYTES_MAX, StepOutcome, ToolDescription, ToolExample, ToolId, ToolSummary,
};
pub use session::{Session, SessionLimits};
pub use transcript::{EXCHANGES_MAX, Exchange, NotATranscript, TRANSCRIPT_BYTES_MAX, Transcript};

/// What tools there are, and calls of them.
///
/// - **Thread-safety**: all methods take `&self`, and are called from any number of threads at once.
/// - **Cancellation**: each is given the run's [`Control`]. One that takes long looks at it, and returns
///   [`GatewayErrorCode::Cancelled`] soon after it is set. What it did until then is not undone.
/// - **Errors and retry**: [`GatewayError::retryable`] says whether the same call may succeed later. The gateway itself
///   repeats nothing: a call may have had its effect although its answer was lost.
/// - **Ownership**: arguments are lent for the call; answers are the caller's.
/// - **Order**: calls of one thread are made in its order. Between threads there is none but that of the transcript.
/// - **Empty values**: an empty query matches every tool; a limit of 0 gives an empty list; an empty chain is refused; no
///   match is an empty list and no error; a tool that is not there is [`GatewayErrorCode::NotFound`].
///
/// `tenzik::testing::gateway` (feature `testing`) holds an implementation against this.
pub trait ToolGateway: Send + Sync {
    /// Tools that fit a query, the best first, `limit` at most.
    ///
    /// # Errors
    /// [`GatewayError`], never for want of a match.
    fn search_tools(
        &self,
        query: &str,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolSummary>, GatewayError>;

    /// The namespaces that the tools are in, in the order of their names, each once.
    ///
    /// # Errors
    /// [`GatewayError`].
    fn list_namespaces(&self, control: &Control) -> Result<Vec<String>, GatewayError>;

    /// What a tool is and takes, as much as `level` asks for.
    ///
    /// # Errors
    /// [`GatewayErrorCode::NotFound`] if there is none of that id.
    fn describe_tool(
        &self,
        tool: &ToolId,
        level: DescribeLevel,
        control: &Control,
    ) -> Result<ToolDescription, GatewayError>;

    /// Examples of a tool's use, `limit` at most, in the order of whoever described it.
    ///
    /// # Errors
    /// [`GatewayErrorCode::NotFound`] if there is none of that id.
    fn list_tool_examples(
        &self,
        tool: &ToolId,
        limit: u32,
        control: &Control,
    ) -> Result<Vec<ToolExample>, GatewayError>;

    /// Calls a tool once.
    ///
    /// # Errors
    /// [`GatewayErrorCode::NotFound`], [`GatewayErrorCode::InvalidArguments`], [`GatewayErrorCode::Denied`],
    /// [`GatewayErrorCode::ToolFailed`] and others: nothing is known of what the tool did before it failed.
    fn run_tool(
        &self,
        tool: &ToolId,
        arguments: &Json,
        control: &Control,
    ) -> Result<Json, GatewayError>;

    /// Calls tools one after the other, and stops behind the first that fails. A step that asks for it gets the result before
    /// it as the member `previous` of its arguments.
    ///
    /// # Errors
    /// [`GatewayErrorCode::InvalidRequest`] if a step cannot be given what it asks for, before any step is made. A step that
    /// failed is no error of the chain: it is the last of [`Chain::steps`].
    fn run_chain(&self, steps: &[ChainStep], control: &Control) -> Result<Chain, GatewayError> {
        message::check_chain(steps)?;
        let mut done: Vec<StepOutcome> = Vec::with_capacity(steps.len());
        for step in steps {
            let previous = done.last().and_then(|step| step.result.as_ref().ok());
            let result = match step.arguments_after(previous) {
                Ok(arguments) => self.run_tool(&step.tool, &arguments, control),
                Err(error) => Err(error),
            };
            let failed = result.is_err();
            done.push(StepOutcome {
                tool: step.tool.clone(),
                result,
            });
            if failed {
                break;
            }
        }
        Ok(Chain { steps: done })
    }
}
