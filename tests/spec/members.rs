//! The instances of a script on one engine: made, called with fuel and stack, and written down after each step.

use std::borrow::Cow;

use crate::engine::{Engine, Failure, Trap, Value};
use crate::naive;
use crate::script::{Accepted, Pages};

/// More than anything in the suite takes.
const FUEL: i64 = 1 << 40;
const STACK: i64 = 32_768;
/// The most pages of any memory.
const PAGES: u64 = 65_536;

/// Which form of a module is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Metered,
    /// See `naive.rs`.
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

struct Member<I> {
    instance: I,
    pages_max: Option<u64>,
}

pub(crate) struct Members<E: Engine> {
    engine: E,
    form: Form,
    members: Vec<Member<E::Instance>>,
    /// The line of the directive that is being done.
    pub(crate) line: usize,
    pub(crate) steps: Vec<Step>,
}

impl<E: Engine> Members<E> {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            engine: E::new(),
            form,
            members: Vec::new(),
            line: 0,
            steps: Vec::new(),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Makes an instance and calls its start function.
    pub(crate) fn instantiate(&mut self, accepted: &Accepted) -> (Option<usize>, Outcome) {
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
                self.engine.pages_max(module, name).unwrap_or(PAGES)
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

    pub(crate) fn register(&mut self, name: &str, member: usize) {
        let instance = self.members[member].instance;
        self.engine.register(name, instance);
    }

    pub(crate) fn call(&mut self, member: usize, function: &str, arguments: &[Value]) -> Outcome {
        self.reset();
        let instance = self.members[member].instance;
        let result = self.engine.call(instance, function, arguments);
        self.step(Some(member), result)
    }

    pub(crate) fn global(&mut self, member: usize, name: &str) -> Outcome {
        let value = self.engine.global(self.members[member].instance, name);
        value.map_or(Outcome::Refused, |value| Outcome::Values(vec![value]))
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
                set("tenzik:pages", Value::I64(max.cast_signed()));
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
        self.steps.push(Step {
            line: self.line,
            outcome: outcome.clone(),
            taken,
            pages: pages.unwrap_or_default(),
        });
        outcome
    }
}
