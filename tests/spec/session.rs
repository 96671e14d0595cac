//! Runs a script on one engine, and writes down what happened at each directive.

use std::borrow::Cow;
use std::collections::HashMap;

use wast::token::Id;
use wast::{WastDirective, WastExecute, WastInvoke};

use crate::engine::{Engine, Failure, Trap, Value};
use crate::script::{Accepted, Directive, Pages, Prepared};
use crate::{judge, naive};

/// More than anything in the suite takes.
const FUEL: i64 = 1 << 40;
const STACK: i64 = 32_768;
const OUT_OF_STACK: i32 = 2;
const CONVERSION: i32 = 4;

/// Which form of a module is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Metered,
    Counting,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    Values(Vec<Value>),
    /// With the number that the metering left.
    Trapped(Trap, i32),
    Refused,
}

/// What happened at a directive.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) outcome: Outcome,
    /// The fuel that each instance took, if it took any.
    pub(crate) taken: Vec<(usize, i64)>,
    /// The exported memories of the instance.
    pub(crate) pages: Vec<(String, u64)>,
}

/// All that is to be told of a script.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) steps: Vec<Step>,
    /// What was not as the suite expects, with the line.
    pub(crate) differences: Vec<(usize, String)>,
    /// Assertions by kind.
    pub(crate) run: HashMap<&'static str, usize>,
    /// Directives by the feature that they need.
    pub(crate) skipped: HashMap<&'static str, usize>,
    pub(crate) left_out: usize,
}

struct Member<I> {
    instance: I,
    pages_max: Option<u64>,
}

/// An instance, or the feature that was missing.
type Slot = Result<usize, &'static str>;

pub(crate) struct Session<'a, E: Engine> {
    engine: E,
    form: Form,
    members: Vec<Member<E::Instance>>,
    current: Slot,
    names: HashMap<String, Slot>,
    definitions: HashMap<Option<String>, &'a Prepared>,
    /// Names of what is not there because a feature is missing.
    missing: HashMap<String, &'static str>,
    line: usize,
    log: Log,
}

/// Runs all directives.
pub(crate) fn run<E: Engine>(
    form: Form,
    directives: &[Directive<'_>],
    left_out: &dyn Fn(usize) -> bool,
) -> Log {
    let mut session = Session {
        engine: E::new(),
        form,
        members: Vec::new(),
        current: Err("no module"),
        names: HashMap::new(),
        definitions: HashMap::new(),
        missing: HashMap::new(),
        line: 0,
        log: Log::default(),
    };
    for directive in directives {
        session.line = directive.line;
        if left_out(directive.line) {
            session.log.left_out += 1;
        } else {
            session.directive(directive);
        }
    }
    session.log
}

impl<'a, E: Engine> Session<'a, E> {
    fn directive(&mut self, directive: &'a Directive<'_>) {
        let prepared = directive.module.as_ref();
        match (&directive.wast, prepared) {
            (WastDirective::Module(module), Some(prepared)) => self.module(module.name(), prepared),
            (WastDirective::ModuleDefinition(module), Some(prepared)) => {
                self.definitions.insert(name(module.name()), prepared);
            }
            (
                WastDirective::ModuleInstance {
                    instance, module, ..
                },
                _,
            ) => {
                if let Some(prepared) = self.definitions.get(&name(*module)) {
                    self.module(*instance, prepared);
                }
            }
            (WastDirective::Register { name, module, .. }, _) => self.register(name, *module),
            (WastDirective::Invoke(invoke), _) => self.invoke(invoke),
            (WastDirective::AssertReturn { exec, results, .. }, _) => {
                self.assert("assert_return", exec, prepared, |outcome, _| {
                    matches!(outcome, Outcome::Values(got) if judge::results(results, got))
                });
            }
            (WastDirective::AssertTrap { exec, message, .. }, _) => {
                let metered = self.form == Form::Metered;
                self.assert("assert_trap", exec, prepared, |outcome, function| {
                    traps_so(outcome, message, metered && function.contains("trunc"))
                });
            }
            (WastDirective::AssertExhaustion { call, .. }, _) => self.exhausts(call),
            (WastDirective::AssertUnlinkable { message, .. }, Some(prepared)) => {
                self.unlinkable(prepared, message);
            }
            _ => {}
        }
    }

    /// A module that must be made, and is what later directives mean.
    fn module(&mut self, id: Option<Id<'_>>, prepared: &Prepared) {
        let slot = match prepared {
            Prepared::Accepted(accepted) => self.made(accepted),
            Prepared::Off(feature) => Err(*feature),
            Prepared::Malformed | Prepared::Invalid => {
                self.differs("a module is not valid");
                Err("not valid")
            }
        };
        if let Err(feature) = slot {
            self.skip(feature);
        }
        self.current = slot;
        if let Some(id) = id {
            self.names.insert(id.name().to_owned(), slot);
        }
    }

    fn made(&mut self, accepted: &Accepted) -> Slot {
        if let Some(feature) = self.missing(accepted) {
            return Err(feature);
        }
        self.count("module");
        match self.instantiate(accepted) {
            (Some(member), Outcome::Values(_)) => Ok(member),
            (_, outcome) => {
                self.differs(format!("a module was not made: {outcome:?}"));
                Err("not made")
            }
        }
    }

    fn missing(&self, accepted: &Accepted) -> Option<&'static str> {
        let mut imports = accepted.imports.iter();
        imports.find_map(|module| self.missing.get(module).copied())
    }

    /// Makes an instance and calls its start function.
    fn instantiate(&mut self, accepted: &Accepted) -> (Option<usize>, Outcome) {
        self.reset();
        let module = match self.form {
            Form::Metered => Cow::Borrowed(&accepted.metered[..]),
            Form::Counting => Cow::Owned(naive::counting(&accepted.original)),
        };
        let instance = match self.engine.instantiate(&module) {
            Ok(instance) => instance,
            Err(failure) => return (None, self.step(None, Err(failure))),
        };
        let pages_max = accepted.pages.as_ref().map(|pages| match pages {
            Pages::AtMost(max) => *max,
            Pages::Imported { module, name } => {
                let max = self.engine.pages_max(module, name);
                max.unwrap_or(65_536)
            }
        });
        let member = self.members.len();
        self.members.push(Member {
            instance,
            pages_max,
        });
        self.reset();
        let started = match accepted.start {
            true => self.engine.call(instance, "tenzik:start", &[]),
            false => Ok(Vec::new()),
        };
        (Some(member), self.step(Some(member), started))
    }

    fn register(&mut self, name: &str, id: Option<Id<'_>>) {
        match self.find(id) {
            Ok(member) => {
                let instance = self.members[member].instance;
                self.engine.register(name, instance);
                self.missing.remove(name);
            }
            Err(feature) => {
                self.skip(feature);
                self.missing.insert(name.to_owned(), feature);
            }
        }
    }

    fn find(&self, id: Option<Id<'_>>) -> Slot {
        match id {
            Some(id) => self
                .names
                .get(id.name())
                .copied()
                .unwrap_or(Err("not made")),
            None => self.current,
        }
    }

    fn invoke(&mut self, invoke: &WastInvoke<'_>) {
        match self.call(invoke) {
            Ok(Outcome::Values(_)) => self.count("invoke"),
            Ok(outcome) => self.differs(format!("{}: {outcome:?}", invoke.name)),
            Err(feature) => self.skip(feature),
        }
    }

    fn call(&mut self, invoke: &WastInvoke<'_>) -> Result<Outcome, &'static str> {
        let member = self.find(invoke.module)?;
        let arguments: Option<Vec<_>> = invoke.args.iter().map(judge::argument).collect();
        let arguments = arguments.ok_or("arguments of other types")?;
        let instance = self.members[member].instance;
        self.reset();
        let result = self.engine.call(instance, invoke.name, &arguments);
        Ok(self.step(Some(member), result))
    }

    /// Does what is asserted of, and holds the outcome against it.
    fn assert(
        &mut self,
        kind: &'static str,
        exec: &WastExecute<'_>,
        prepared: Option<&Prepared>,
        holds: impl FnOnce(&Outcome, &str) -> bool,
    ) {
        let (outcome, function) = match (exec, prepared) {
            (WastExecute::Invoke(invoke), _) => (self.call(invoke), invoke.name),
            (WastExecute::Get { module, global, .. }, _) => (self.get(*module, global), *global),
            (WastExecute::Wat(_), Some(Prepared::Accepted(accepted))) => {
                let outcome = match self.missing(accepted) {
                    Some(feature) => Err(feature),
                    None => Ok(self.instantiate(accepted).1),
                };
                (outcome, "")
            }
            (WastExecute::Wat(_), Some(Prepared::Off(feature))) => (Err(*feature), ""),
            (WastExecute::Wat(_), _) => (Err("not valid"), ""),
        };
        match outcome {
            Ok(outcome) if holds(&outcome, function) => self.count(kind),
            Ok(outcome) => self.differs(format!("{kind} {function}: {outcome:?}")),
            Err(feature) => self.skip(feature),
        }
    }

    fn get(&mut self, id: Option<Id<'_>>, global: &str) -> Result<Outcome, &'static str> {
        let member = self.find(id)?;
        let value = self.engine.global(self.members[member].instance, global);
        Ok(value.map_or(Outcome::Refused, |value| Outcome::Values(vec![value])))
    }

    fn exhausts(&mut self, call: &WastInvoke<'_>) {
        let expected = match self.form {
            Form::Metered => Outcome::Trapped(Trap::Unreachable, OUT_OF_STACK),
            Form::Counting => Outcome::Trapped(Trap::NativeStack, 0),
        };
        match self.call(call) {
            Ok(outcome) if outcome == expected => self.count("assert_exhaustion"),
            Ok(outcome) => self.differs(format!("assert_exhaustion {}: {outcome:?}", call.name)),
            Err(feature) => self.skip(feature),
        }
    }

    fn unlinkable(&mut self, prepared: &Prepared, message: &str) {
        let accepted = match prepared {
            Prepared::Accepted(accepted) => accepted,
            Prepared::Off(feature) => return self.skip(feature),
            _ => return self.differs("a module is not valid"),
        };
        if let Some(feature) = self.missing(accepted) {
            return self.skip(feature);
        }
        // Segments that do not fit were told while linking, before there were bulk operators.
        let expected = match message {
            "data segment does not fit" => Outcome::Trapped(Trap::Memory, 0),
            "elements segment does not fit" => Outcome::Trapped(Trap::Table, 0),
            _ => Outcome::Refused,
        };
        match self.instantiate(accepted).1 {
            outcome if outcome == expected => self.count("assert_unlinkable"),
            outcome => self.differs(format!("assert_unlinkable, {message}: {outcome:?}")),
        }
    }

    /// Gives every instance its fuel and stack back.
    fn reset(&mut self) {
        for member in &self.members {
            let mut set = |name: &str, value| {
                self.engine.set_global(member.instance, name, value);
            };
            set("tenzik:fuel", Value::I64(FUEL));
            set("tenzik:stack", Value::I64(STACK));
            set("tenzik:exit", Value::I32(0));
            if let Some(max) = member.pages_max {
                set("tenzik:pages", Value::I64(max as i64));
            }
        }
    }

    /// Writes down what came of a call or an instantiation.
    fn step(&mut self, member: Option<usize>, result: Result<Vec<Value>, Failure>) -> Outcome {
        let (mut taken, mut exit) = (Vec::new(), 0);
        for (number, member) in self.members.iter().enumerate() {
            let mut global = |name: &str| self.engine.global(member.instance, name);
            match global("tenzik:fuel") {
                Some(Value::I64(left)) if left != FUEL => taken.push((number, FUEL - left)),
                _ => {}
            }
            if let Some(Value::I32(value)) = global("tenzik:exit") {
                exit = exit.max(value);
            }
        }
        let outcome = match result {
            Ok(values) => Outcome::Values(values),
            Err(Failure::Trap(trap)) => Outcome::Trapped(trap, exit),
            Err(Failure::Refused(_)) => Outcome::Refused,
        };
        let pages = member.map(|member| self.engine.pages(self.members[member].instance));
        self.log.steps.push(Step {
            line: self.line,
            outcome: outcome.clone(),
            taken,
            pages: pages.unwrap_or_default(),
        });
        outcome
    }

    fn count(&mut self, kind: &'static str) {
        *self.log.run.entry(kind).or_default() += 1;
    }

    fn skip(&mut self, feature: &'static str) {
        *self.log.skipped.entry(feature).or_default() += 1;
    }

    fn differs(&mut self, what: impl Into<String>) {
        self.log.differences.push((self.line, what.into()));
    }
}

fn name(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

fn traps_so(outcome: &Outcome, message: &str, conversion: bool) -> bool {
    let exit = if conversion { CONVERSION } else { 0 };
    matches!(outcome, Outcome::Trapped(trap, left)
        if Some(*trap) == judge::trap(message) && *left == exit)
}
