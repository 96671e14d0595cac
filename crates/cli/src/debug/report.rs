//! What was seen of a run, in short: for stderr, and as a member of a JSON answer.
//!
//! Enters: an observation. Leaves: lines, of which each is escaped and their number bounded. Refuses: nothing.

use std::path::Path;

use serde_json::{Value, json};
use tenzik::observation::Observation;
use tenzik::outcome::Ending;

use super::flame::Flame;
use super::symbols::Symbols;
use crate::text;

/// How many functions are told. The files have all.
const DEAREST: usize = 5;
/// How many open calls are told where a run trapped.
const FRAMES_TOLD: usize = 12;
/// How many lines of `trace` are told.
const TRACES_TOLD: usize = 200;

/// What was seen of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// For people.
    pub(crate) lines: String,
    /// For programs.
    pub(crate) members: Value,
}

/// Says it.
pub(super) fn report(
    seen: &Observation,
    symbols: &Symbols,
    flame: &Flame<'_>,
    ending: &Ending,
    directory: &Path,
) -> Report {
    let stack = stack(seen, symbols);
    let traces: Vec<_> = seen
        .traces
        .iter()
        .take(TRACES_TOLD)
        .map(|line| words(line))
        .collect();
    let more = seen.traces_more + (seen.traces.len() - traces.len()) as u64;
    let mut lines: Vec<String> = traces
        .iter()
        .map(|line| format!("trace      {line}"))
        .collect();
    if more > 0 {
        lines.push(format!("trace      and {more} more"));
    }
    lines.push(format!(
        "debug      {} fuel; {}",
        seen.fuel(),
        text::path(directory)
    ));
    lines.extend(dearest(seen, flame));
    lines.extend(stack_told(&stack, ending));
    lines.extend(
        seen.abort
            .iter()
            .map(|line| format!("  abort said: {}", words(line))),
    );
    lines.extend(symbols.notes.iter().map(|note| format!("note: {note}")));
    let stack = stack
        .iter()
        .map(|(name, place)| json!({"function": name, "at": place}));
    Report {
        lines: lines.join("\n"),
        members: json!({
            "directory": text::path(directory),
            "fuel": seen.fuel(),
            "stack": stack.collect::<Vec<_>>(),
            "trace": traces,
            "trace_more": more,
            "notes": symbols.notes,
        }),
    }
}

fn dearest(seen: &Observation, flame: &Flame<'_>) -> Vec<String> {
    let all = seen.fuel().max(1) as f64;
    let by_name = flame.by_name();
    let dearest = by_name.iter().take(DEAREST).map(|(name, fuel)| {
        let percent = *fuel as f64 / all * 100.0;
        format!("  {fuel:>12} {percent:>5.1} %  {name}")
    });
    dearest.collect()
}

fn stack_told(stack: &[(String, String)], ending: &Ending) -> Vec<String> {
    let Some(((name, place), callers)) = stack.split_first() else {
        return Vec::new();
    };
    let status = ending.status().name();
    let first = match ending {
        Ending::Trapped(code) => format!("{status}: {code} at {place} in {name}"),
        _ => format!("{status} at {place} in {name}"),
    };
    let callers = callers.iter();
    let mut lines: Vec<_> = [first]
        .into_iter()
        .chain(callers.map(|(name, place)| format!("  called at {place} in {name}")))
        .collect();
    if lines.len() > FRAMES_TOLD {
        lines.truncate(FRAMES_TOLD);
        lines.push("  and so on".to_owned());
    }
    lines
}

/// The open calls where a run ended, the innermost first: each function, and where in the source it was.
fn stack(seen: &Observation, symbols: &Symbols) -> Vec<(String, String)> {
    let frames = seen.frames.iter();
    frames
        .map(|frame| {
            let place = frame
                .offset
                .map(|offset| symbols.place(frame.function, offset));
            let place = place.unwrap_or_else(|| "its beginning".to_owned());
            (symbols.function(frame.function), place)
        })
        .collect()
}

/// The capsule's own words.
fn words(line: &str) -> String {
    text::shown(line, text::MESSAGE_CHARS_MAX)
}
