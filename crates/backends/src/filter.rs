//! The system-call filter, from the list that containers have too.
//!
//! Enters: `seccomp.json`, in the form of the OCI runtime specification. Leaves: programs for the kernel. Refuses: a call that
//! is not in the list; one that has no use but to get out ends the process.
//!
//! A program of the library's has one action beside its default, so there is one for each: the kernel obeys the strictest.
//! Among those that fail a call the last one says with what, so a call that fails with a number of its own is let through by
//! the last.

use std::collections::BTreeSet;

use seccompiler::{BpfProgram, Error, TargetArch, apply_filter, compile_from_json};
use serde::Deserialize;
use serde_json::{Value, json};

/// The list. Whatever the profile, there is no run without it.
pub(crate) const SECCOMP: &str = include_str!("seccomp.json");

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    #[error("the list of system calls: {0}")]
    List(#[from] serde_json::Error),
    #[error("the system-call filter: {0}")]
    Program(#[from] Error),
    #[error("no system-call filter for the processor {0}")]
    Processor(&'static str),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    default_errno_ret: u32,
    syscalls: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    names: Vec<String>,
    action: Action,
    #[serde(default)]
    errno_ret: u32,
    #[serde(default)]
    args: Vec<Argument>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Action {
    #[serde(rename = "SCMP_ACT_ALLOW")]
    Allow,
    #[serde(rename = "SCMP_ACT_ERRNO")]
    Errno,
    #[serde(rename = "SCMP_ACT_KILL_PROCESS")]
    Kill,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: Comparison,
}

#[derive(Clone, Copy, Deserialize)]
enum Comparison {
    #[serde(rename = "SCMP_CMP_EQ")]
    Equal,
    #[serde(rename = "SCMP_CMP_MASKED_EQ")]
    MaskedEqual,
}

/// Programs in the order in which they are to be put in force.
#[derive(Default)]
pub(crate) struct Filter {
    programs: Vec<BpfProgram>,
    /// Names of the list that are no calls here. They cannot be made, so nothing is done about them.
    unknown: Vec<String>,
}

impl Filter {
    /// The filter for this processor.
    pub(crate) fn new() -> Result<Self, FilterError> {
        let processor = std::env::consts::ARCH;
        let arch =
            TargetArch::try_from(processor).map_err(|_| FilterError::Processor(processor))?;
        let list: List = serde_json::from_str(SECCOMP)?;
        let of = |action| {
            list.syscalls
                .iter()
                .filter(move |entry| entry.action == action)
        };
        let numbers: BTreeSet<u32> = of(Action::Errno).map(|entry| entry.errno_ret).collect();
        let mut filters = vec![filter("allow", "kill_process", of(Action::Kill))];
        filters.extend(numbers.into_iter().map(|number| {
            let entries = of(Action::Errno).filter(|entry| entry.errno_ret == number);
            filter("allow", json!({"errno": number}), entries)
        }));
        let through = of(Action::Allow).chain(of(Action::Errno));
        filters.push(filter(
            json!({"errno": list.default_errno_ret}),
            "allow",
            through,
        ));
        let mut compiled = Self::default();
        for mut filter in filters {
            if let Some(rules) = filter["filter"].as_array_mut() {
                *rules = take_unknown(std::mem::take(rules), arch, &mut compiled.unknown);
            }
            compiled.programs.push(compile(&filter, arch)?);
        }
        Ok(compiled)
    }

    /// Puts it in force for this thread and all that it starts. There is no way back.
    pub(crate) fn apply(&self) -> Result<(), FilterError> {
        for program in &self.programs {
            apply_filter(program)?;
        }
        Ok(())
    }
}

/// A filter in the library's own form.
fn filter<'a>(
    otherwise: impl Into<Value>,
    action: impl Into<Value>,
    entries: impl Iterator<Item = &'a Entry>,
) -> Value {
    let rules = entries.flat_map(|entry| entry.names.iter().map(move |name| rule(name, entry)));
    let rules: Vec<Value> = rules.collect();
    json!({"mismatch_action": otherwise.into(), "match_action": action.into(), "filter": rules})
}

fn rule(name: &str, entry: &Entry) -> Value {
    if entry.args.is_empty() {
        return json!({"syscall": name});
    }
    let arguments = entry.args.iter().map(|argument| {
        let (op, value) = match argument.op {
            Comparison::Equal => (json!("eq"), argument.value),
            Comparison::MaskedEqual => (json!({"masked_eq": argument.value}), argument.value_two),
        };
        json!({"index": argument.index, "type": "qword", "op": op, "val": value})
    });
    json!({"syscall": name, "args": arguments.collect::<Vec<_>>()})
}

/// Takes out the calls that this processor does not have, and tells their names: the list is of several processors, and the
/// library refuses all of a filter that has one that it does not know.
fn take_unknown(rules: Vec<Value>, arch: TargetArch, unknown: &mut Vec<String>) -> Vec<Value> {
    let tried =
        json!({"mismatch_action": "allow", "match_action": "kill_process", "filter": rules});
    if compile(&tried, arch).is_ok() {
        return rules;
    }
    if let [alone] = rules.as_slice() {
        unknown.extend(alone["syscall"].as_str().map(str::to_owned));
        return Vec::new();
    }
    let (one, two) = rules.split_at(rules.len() / 2);
    let mut known = take_unknown(one.to_vec(), arch, unknown);
    known.extend(take_unknown(two.to_vec(), arch, unknown));
    known
}

fn compile(filter: &Value, arch: TargetArch) -> Result<BpfProgram, Error> {
    let named = json!({"only": filter}).to_string();
    let mut programs = compile_from_json(named.as_bytes(), arch)?;
    programs.remove("only").ok_or(Error::EmptyFilter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_program_for_each_action_and_names_are_known_here() {
        let filter = Filter::new().expect("a filter");
        assert_eq!(filter.programs.len(), 3);
        // These two are of other processors.
        if cfg!(target_arch = "x86_64") {
            assert_eq!(filter.unknown, ["recv", "send"]);
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let list: List = serde_json::from_str(SECCOMP).expect("a list");
        let names: Vec<_> = list
            .syscalls
            .iter()
            .flat_map(|entry| &entry.names)
            .collect();
        let distinct: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), distinct.len());
    }
}
