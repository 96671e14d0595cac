//! The capability `tools`: one call of a tool, in the words of its answer.

use super::{Call, Exit};
use crate::control::Control;
use crate::execution::locked;
use crate::gateway::{GatewayError, GatewayErrorCode, Json, ToolId, Unanswered};
use crate::outcome::TrapCode;
use crate::rules::RESULT_BYTES_MAX;

pub(in crate::execution) fn tool_call(
    call: &mut Call<'_>,
    id: u32,
    id_len: u32,
    arguments: u32,
    arguments_len: u32,
) -> Result<i32, Exit> {
    let id = call.text_range(id, id_len)?;
    let arguments = call.text_range(arguments, arguments_len)?;
    call.charge_bytes(id.len() + arguments.len())?;
    let (id, arguments) = (call.text(id)?, call.text(arguments)?);
    let id = ToolId::new(id.as_ref()).map_err(|_| TrapCode::InvalidArgument)?;
    let arguments = Json::new(arguments.as_ref()).map_err(|_| TrapCode::InvalidArgument)?;
    let answer = answer(call, id, arguments)?;
    // A tool took the run's time, or was stopped for the want of it: what it answered then is no re-run's to meet.
    call.host.may_go_on()?;
    call.set_text(shown(&answer)?)
}

fn answer(
    call: &mut Call<'_>,
    id: ToolId,
    arguments: Json,
) -> Result<Result<Json, GatewayError>, Exit> {
    let host = &mut *call.host;
    // The sandbox binds no capsule that imports this without tools.
    let calls = host.tools.as_ref().ok_or(Exit::HostFailure)?;
    let control: Control = host.control.clone().unwrap_or_default();
    let control = control.until(host.deadline);
    locked(calls)
        .run_tool(id, arguments, &control)
        .map_err(|Unanswered| Exit::HostFailure)
}

/// `{"ok":VALUE}` or `{"error":{"code":…,"message":…,"retryable":…}}`. An answer that is too long for the result buffer is
/// told as an error: a capsule cannot know how much a tool will say.
fn shown(answer: &Result<Json, GatewayError>) -> Result<String, Exit> {
    let whole = match answer {
        Ok(result) => format!("{{\"ok\":{result}}}"),
        Err(error) => failure(error)?,
    };
    if whole.len() <= RESULT_BYTES_MAX {
        return Ok(whole);
    }
    failure(&GatewayError::new(
        GatewayErrorCode::LimitReached,
        format!("the answer is longer than {RESULT_BYTES_MAX} bytes"),
    ))
}

fn failure(error: &GatewayError) -> Result<String, Exit> {
    // Members in the order of the type, on every host.
    let error = serde_json::to_string(error).map_err(|_| Exit::HostFailure)?;
    Ok(format!("{{\"error\":{error}}}"))
}
