//! What went wrong in a run, in words, with a remedy and an exit code.
//!
//! Enters: an outcome or a refusal. Leaves: a [`Failure`], or none. Refuses nothing. The capsule's own words are
//! escaped and cut before they are shown.

use std::path::Path;

use tenzik::capability::Capability;
use tenzik::execution::ExecuteError;
use tenzik::outcome::{AbortCode, Ending, HostFault, Outcome, TrapCode};
use tenzik::pipeline::{Order, Refusal};
use tenzik::sandbox::{BindError, GrantGap};
use tenzik::validation::{ValidationConfig, validate};
use tenzik_lines::Functions;
use tenzik_receipt::{Claim, InputType, WasmLimits};

use crate::error::{Exit, Failure};
use crate::settings::Settings;
use crate::{own_words, text};

/// The failure of a run that is over; none if it ended well.
pub(super) fn of_outcome(
    outcome: &Outcome,
    claim: &Claim,
    order: &Order,
    settings: &Settings,
) -> Option<Failure> {
    let Claim::Wasm(claim) = claim else {
        return None;
    };
    let (exit, message, hint) = match outcome.ending() {
        Ending::Ok(_) => return None,
        Ending::Aborted(code) => aborted(*code, outcome.diagnostics().fault, settings),
        Ending::OutOfStack => (
            Exit::LimitHit,
            format!(
                "the capsule needs more than {} units of stack",
                claim.limits.stack
            ),
            "it nests too deep: try a smaller input".to_owned(),
        ),
        Ending::OutOfFuel | Ending::OutputTooLarge | Ending::TooManyCalls => {
            limit(outcome.ending(), &claim.limits, settings)
        }
        Ending::Trapped(TrapCode::InvalidHandle) if claim.input_type == InputType::Bytes => {
            let (exit, message, _) = capsule_failed(outcome.ending(), outcome, order, settings);
            (exit, message, HANDLE_OF_BYTES.to_owned())
        }
        ending => capsule_failed(ending, outcome, order, settings),
    };
    Some(Failure {
        exit,
        code: outcome.status().name(),
        message,
        hint,
        about: None,
    })
}

/// With bytes there is no input document, which is what most capsules open first.
const HANDLE_OF_BYTES: &str =
    "the input was given as bytes; a capsule that reads JSON needs it without --input-type bytes";

/// How much of a function's name is told.
const FUNCTION_CHARS_MAX: usize = 100;

fn capsule_failed(
    ending: &Ending,
    outcome: &Outcome,
    order: &Order,
    settings: &Settings,
) -> (Exit, String, String) {
    let told = &outcome.diagnostics();
    let (message, hint) = match ending {
        Ending::Exited(code) => (
            format!("the capsule returned the code {code}"),
            "what a code means is for the capsule's author to say",
        ),
        Ending::Failed(words) => (
            format!("the capsule failed: {}", own_words::shown(words)),
            own_words::hint(words).unwrap_or(
                "the words are the capsule's own; most often the input is not what it takes",
            ),
        ),
        Ending::FailedByAbort => (
            match &told.abort {
                Some(words) => format!("the capsule aborted itself: {}", own_words::shown(words)),
                None => "the capsule aborted itself".to_owned(),
            },
            debugging(
                settings,
                "it met what its author ruled out; try another input",
            ),
        ),
        Ending::InvalidOutput => (
            "the capsule's output is not strict JSON".to_owned(),
            "for a capsule that does not write JSON, use --input-type bytes",
        ),
        Ending::Trapped(code) => (
            match told.trap_offset {
                Some(offset) => {
                    let functions = Functions::of(&order.capsule);
                    let function = functions.name_at(offset);
                    let function = function
                        .map(|name| format!(" in {}", text::shown(name, FUNCTION_CHARS_MAX)));
                    let function = function.unwrap_or_default();
                    format!("the capsule trapped: {code}, at byte {offset:#x}{function}")
                }
                None => format!("the capsule trapped: {code}"),
            },
            debugging(settings, "docs/abi.md says what raises it"),
        ),
        // A new way to end has a status, if no words yet.
        _ => (format!("the run ended {}", outcome.status().name()), ""),
    };
    (Exit::CapsuleFailed, message, hint.to_owned())
}

fn debugging(settings: &Settings, otherwise: &'static str) -> &'static str {
    if settings.security.enable_debugging {
        return otherwise;
    }
    "set TENZIK_SECURITY_ENABLE_DEBUGGING=true and run it again: then the place and the capsule's words are told"
}

fn limit(ending: &Ending, limits: &WasmLimits, settings: &Settings) -> (Exit, String, String) {
    let most = &settings.security.limits_max;
    let (one, several, allowed, key, flag, most) = match ending {
        Ending::OutOfFuel => (
            "unit of fuel",
            "units of fuel",
            limits.fuel,
            "fuel",
            "--fuel N",
            most.fuel,
        ),
        Ending::OutputTooLarge => (
            "byte of output",
            "bytes of output",
            limits.output_bytes,
            "output_bytes",
            "--output-bytes N",
            most.output_bytes.into(),
        ),
        _ => (
            "host call",
            "host calls",
            limits.host_calls,
            "host_calls",
            "--host-calls N",
            most.host_calls.into(),
        ),
    };
    let allowed = allowed.get();
    let what = if allowed == 1 { one } else { several };
    (
        Exit::LimitHit,
        format!("the capsule needs more than {allowed} {what}"),
        more(allowed, most, flag, key),
    )
}

/// How to get more of something: by a flag up to the ceiling, beyond it by the ceiling's setting.
fn more(allowed: u64, most: u64, flag: &str, key: &str) -> String {
    if allowed < most {
        return format!("give it more with {flag}, up to {most}");
    }
    format!("that is the most there is: {}", raise(key))
}

/// How to raise a ceiling.
fn raise(limit: &str) -> String {
    format!(
        "raise security.limits_max.{limit} in your settings, or by TENZIK_SECURITY_LIMITS_MAX_{}",
        limit.to_uppercase()
    )
}

fn aborted(
    code: AbortCode,
    fault: Option<HostFault>,
    settings: &Settings,
) -> (Exit, String, String) {
    let time = format!(
        "give it more with --timeout MS, up to {}; with --fuel N a run that is too long ends the same everywhere",
        settings.security.limits_max.time_ms
    );
    let (exit, message, hint) = match code {
        AbortCode::TimeLimit => (
            Exit::LimitHit,
            "the run was stopped by the wall clock",
            time.as_str(),
        ),
        AbortCode::NativeStack => (
            Exit::LimitHit,
            "the capsule used up the stack",
            "it nests too deep: try a smaller input",
        ),
        AbortCode::Cancelled => (Exit::Other, "the run was cancelled", "run it again"),
        AbortCode::MemoryRefused => (
            Exit::Other,
            "the system refused memory that the limit allows",
            "free memory, and run it again",
        ),
        AbortCode::HostFailure if fault == Some(HostFault::ToolsDiffer) => (
            Exit::Other,
            "the host failed (tools_differ): on two engines the capsule asked its tools for different things",
            "engines must not differ: report it with capsule and input",
        ),
        AbortCode::HostFailure if fault == Some(HostFault::TranscriptFull) => (
            Exit::Other,
            "the host failed (transcript_full): there is no room to record another call of a tool",
            "let the capsule call its tools less often, or for less",
        ),
        _ => (
            Exit::Other,
            "the host failed",
            "`tenzik doctor` says what is missing; if nothing is, report it with capsule and input",
        ),
    };
    let message = format!("{message}; nobody can repeat such a run, and its receipt says so");
    (exit, message, hint.to_owned())
}

/// The failure of a request that was refused before anything ran.
pub(super) fn of_refusal(refusal: &Refusal, order: &Order, settings: &Settings) -> Failure {
    let (exit, hint) = match refusal {
        Refusal::Binding(error) => (binding_exit(error), binding_hint(error, order, settings)),
        Refusal::Execution(ExecuteError::Input(_)) => {
            (Exit::Usage, input_hint(&order.request.input))
        }
        Refusal::Execution(ExecuteError::InputSize { .. }) => (
            Exit::LimitHit,
            "send less, or raise security.input_bytes_max in your settings, or by TENZIK_SECURITY_INPUT_BYTES_MAX"
                .to_owned(),
        ),
        Refusal::Validation(_) => (
            Exit::InvalidCapsule,
            "`tenzik check CAPSULE` lists every finding".to_owned(),
        ),
        other => (Exit::InvalidCapsule, other.remedy().to_owned()),
    };
    Failure {
        exit,
        code: refusal.code(),
        message: refusal.to_string(),
        hint,
        about: None,
    }
}

/// Whoever gives a file's name instead of the file has left out the `@`.
fn input_hint(input: &[u8]) -> String {
    let name = std::str::from_utf8(input)
        .ok()
        .filter(|name| !name.is_empty() && name.len() <= PATH_BYTES_MAX)
        .map(Path::new)
        .filter(|path| path.is_file());
    match name {
        Some(path) => format!(
            "that is a file's name; for what is in the file, write --input @{}",
            text::path(path)
        ),
        None => "send strict JSON, or use --input-type bytes".to_owned(),
    }
}

/// No system has longer paths.
const PATH_BYTES_MAX: usize = 4_096;

const fn binding_exit(error: &BindError) -> Exit {
    match error {
        BindError::Memory { .. } => Exit::LimitHit,
        _ => Exit::Denied,
    }
}

fn binding_hint(error: &BindError, order: &Order, settings: &Settings) -> String {
    match error {
        BindError::Limit(refused) => format!(
            "ask for at most {}, or {}",
            refused.allowed,
            raise(refused.limit)
        ),
        BindError::Memory { pages, .. } if *pages > settings.security.limits_max.memory_pages => {
            format!(
                "{}, and give it --memory-pages {pages}",
                raise("memory_pages")
            )
        }
        BindError::Memory { pages, .. } => format!("give it --memory-pages {pages} or more"),
        BindError::MissingGrant {
            reason: GrantGap::NotAsked,
            ..
        } => format!("grant what it imports: --grant {}", needed(order, settings)),
        BindError::MissingGrant {
            capability: Capability::Tools,
            ..
        } => "name the tools that it may call: --tools FILE".to_owned(),
        BindError::MissingGrant { capability, .. } => {
            format!(
                "allow {capability} in security.allowed_capabilities in your settings, or by TENZIK_SECURITY_ALLOWED_CAPABILITIES"
            )
        }
        other => other.remedy().to_owned(),
    }
}

/// All grants that the capsule needs, so that nobody has to find them one by one.
fn needed(order: &Order, settings: &Settings) -> String {
    let config = ValidationConfig {
        capsule_bytes_max: settings.security.capsule_bytes_max,
    };
    let capsule = validate(order.capsule.clone(), &config);
    capsule.map_or_else(
        |_| String::new(),
        |capsule| capsule.required_grants().to_string(),
    )
}
