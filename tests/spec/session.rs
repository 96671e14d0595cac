//! Does the directives of a script on one engine, and notes what is not as they expect.

use std::collections::HashMap;

use wast::token::Id;
use wast::{WastDirective, WastExecute, WastInvoke};

use crate::engine::{Engine, Trap};
use crate::judge;
use crate::members::{Form, Members, Outcome, Step};
use crate::script::{Accepted, Directive, Prepared};

const OUT_OF_STACK: i32 = 2;
const CONVERSION: i32 = 4;

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

/// An instance, or the feature that was missing.
type Slot = Result<usize, &'static str>;

pub(crate) struct Session<'a, E: Engine> {
    members: Members<E>,
    current: Slot,
    names: HashMap<String, Slot>,
    definitions: HashMap<Option<String>, &'a Prepared>,
    /// Names of what is not there because a feature is missing.
    missing: HashMap<String, &'static str>,
    log: Log,
}

/// Runs all directives.
pub(crate) fn run<E: Engine>(
    form: Form,
    directives: &[Directive<'_>],
    left_out: &dyn Fn(usize) -> bool,
) -> Log {
    let mut session = Session::<E> {
        members: Members::new(form),
        current: Err("no module"),
        names: HashMap::new(),
        definitions: HashMap::new(),
        missing: HashMap::new(),
        log: Log::default(),
    };
    for directive in directives {
        session.members.line = directive.line;
        if left_out(directive.line) {
            session.log.left_out += 1;
        } else {
            session.directive(directive);
        }
    }
    session.log.steps = session.members.steps;
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
                let metered = self.members.form() == Form::Metered;
                self.assert("assert_trap", exec, prepared, |outcome, function| {
                    traps_so(outcome, message, metered && function.contains("trunc"))
                });
            }
            (WastDirective::AssertExhaustion { call, .. }, _) => self.exhausts(call),
            (WastDirective::AssertUnlinkable { message, .. }, Some(prepared)) => {
                self.unlinkable(prepared, message);
            }
            // `report.rs` looks at these.
            (WastDirective::AssertInvalid { .. } | WastDirective::AssertMalformed { .. }, _) => {}
            _ => self.skip("directives of later versions"),
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
        match self.members.instantiate(accepted) {
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

    fn register(&mut self, name: &str, id: Option<Id<'_>>) {
        match self.find(id) {
            Ok(member) => {
                self.members.register(name, member);
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
        Ok(self.members.call(member, invoke.name, &arguments))
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
                    None => Ok(self.members.instantiate(accepted).1),
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
        Ok(self.members.global(member, global))
    }

    fn exhausts(&mut self, call: &WastInvoke<'_>) {
        let expected = match self.members.form() {
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
        match self.members.instantiate(accepted).1 {
            outcome if outcome == expected => self.count("assert_unlinkable"),
            outcome => self.differs(format!("assert_unlinkable, {message}: {outcome:?}")),
        }
    }

    fn count(&mut self, kind: &'static str) {
        *self.log.run.entry(kind).or_default() += 1;
    }

    fn skip(&mut self, feature: &'static str) {
        *self.log.skipped.entry(feature).or_default() += 1;
    }

    fn differs(&mut self, what: impl Into<String>) {
        self.log.differences.push((self.members.line, what.into()));
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
