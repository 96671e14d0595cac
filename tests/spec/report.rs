//! Runs scripts three times each, and compares: with what they expect, the engines, and the two ways to count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use wast::WastDirective;

use crate::engine::Trap;
use crate::finite::same_frames;
use crate::interpreted::Interpreted;
use crate::members::{Form, Outcome, Step};
use crate::native::Native;
use crate::script::{Directive, Prepared, Source, read};
use crate::session::{Log, run};
use crate::{explained, naive};

/// What came of scripts.
#[derive(Default)]
pub(crate) struct Report {
    files: usize,
    /// Directives that held, by kind.
    run: BTreeMap<&'static str, usize>,
    /// Directives that need a feature that is off, by set and feature.
    skipped: BTreeMap<(String, &'static str), usize>,
    pub(crate) left_out: usize,
    /// Calls that took exactly what their operators cost one by one, and calls that took more.
    exact: usize,
    more: usize,
    /// Functions whose frame another analysis finds too.
    pub(crate) frames: usize,
    /// What is not as it should be.
    problems: Vec<String>,
    /// The operators in the modules that were run, by opcode and the number after a prefix.
    pub(crate) operators: BTreeSet<(u8, u32)>,
}

/// Runs all scripts, some at a time.
pub(crate) fn examine(sources: &[Source<'_>]) -> Report {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(Report::default()));
    let work = || {
        while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
            let report = read(*source, |directives| Report::of(*source, directives));
            all.lock().expect("no other panicked").add(report);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    all.into_inner().expect("no thread panicked")
}

impl Report {
    fn of(source: Source<'_>, directives: &[Directive<'_>]) -> Self {
        let out = |line| explained::left_out(source, line).is_some();
        let metered = run::<Native<false>>(Form::Metered, directives, &out);
        let interpreted = run::<Interpreted>(Form::Metered, directives, &out);
        let counting = run::<Interpreted>(Form::Counting, directives, &out);
        let mut report = Self {
            files: 1,
            ..Self::default()
        };
        let mut problems = Problems(source, &mut report.problems);
        for (name, log) in [("wasmtime", &metered), ("wasmi", &interpreted)] {
            for (line, what) in &log.differences {
                problems.add(*line, format!("{name}: {what}"));
            }
        }
        problems.engines(&metered.steps, &interpreted.steps);
        problems.rejections(directives);
        report.counted(source, &metered.steps, &counting.steps);
        report.tally(source, directives, metered);
        report
    }

    /// Holds what was taken against what the operators cost one by one.
    fn counted(&mut self, source: Source<'_>, metered: &[Step], counting: &[Step]) {
        for (ours, naive) in metered.iter().zip(counting) {
            let mut problems = Problems(source, &mut self.problems);
            match (&ours.outcome, &naive.outcome) {
                // Its NaNs are the processor's.
                (Outcome::Values(_), Outcome::Values(_)) => {}
                // A trap takes what it likes; a stack that ends does so elsewhere.
                (
                    Outcome::Trapped(Trap::Unreachable, _),
                    Outcome::Trapped(Trap::NativeStack, _),
                )
                | (Outcome::Refused, Outcome::Refused) => continue,
                (Outcome::Trapped(ours, _), Outcome::Trapped(naive, _)) if ours == naive => {
                    continue;
                }
                _ => problems.add(ours.line, format!("{ours:?}, but counting {naive:?}")),
            }
            for (instance, cost) in &naive.taken {
                let taken = ours.taken.iter().find(|(one, _)| one == instance);
                match taken.map_or(0, |(_, taken)| *taken) {
                    taken if taken == *cost => self.exact += 1,
                    taken if taken > *cost => self.more += 1,
                    taken => problems.add(ours.line, format!("{taken} taken for {cost}")),
                }
            }
        }
    }

    fn tally(&mut self, source: Source<'_>, directives: &[Directive<'_>], log: Log) {
        self.run.extend(log.run);
        self.left_out = log.left_out;
        for (feature, count) in log.skipped {
            self.skipped.insert((source.set.to_owned(), feature), count);
            if !explained::may_need(source.set, feature) {
                let what = format!("{count} directives for want of: {feature}");
                Problems(source, &mut self.problems).add(0, what);
            }
        }
        for directive in directives {
            match (&directive.wast, &directive.module) {
                (WastDirective::AssertInvalid { .. }, _) => self.count("assert_invalid"),
                (WastDirective::AssertMalformed { .. }, _) => self.count("assert_malformed"),
                (_, Some(Prepared::Accepted(module))) => {
                    self.operators.extend(naive::operators_of(&module.original));
                    self.frames += same_frames(module, source.file);
                }
                _ => {}
            }
        }
    }

    fn count(&mut self, kind: &'static str) {
        *self.run.entry(kind).or_default() += 1;
    }

    fn add(&mut self, other: Self) {
        self.files += other.files;
        for (kind, count) in other.run {
            *self.run.entry(kind).or_default() += count;
        }
        for (feature, count) in other.skipped {
            *self.skipped.entry(feature).or_default() += count;
        }
        self.left_out += other.left_out;
        self.exact += other.exact;
        self.more += other.more;
        self.frames += other.frames;
        self.problems.extend(other.problems);
        self.operators.extend(other.operators);
    }

    /// All assertions that held.
    pub(crate) fn assertions(&self) -> usize {
        let asserted = self
            .run
            .iter()
            .filter(|(kind, _)| kind.starts_with("assert"));
        asserted.map(|(_, count)| count).sum()
    }

    pub(crate) fn assert_all_is_well(&self) {
        let shown = self.problems.len().min(50);
        let (count, some) = (self.problems.len(), self.problems[..shown].join("\n"));
        assert!(count == 0, "{count} differences:\n{some}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} files, {} assertions", self.files, self.assertions())?;
        for (kind, count) in &self.run {
            writeln!(f, "  {kind}: {count}")?;
        }
        writeln!(
            f,
            "fuel: {} calls took what their operators cost, {} more, none less",
            self.exact, self.more
        )?;
        writeln!(
            f,
            "{} functions have the frame that finite-wasm finds",
            self.frames
        )?;
        writeln!(f, "left out by line: {}", self.left_out)?;
        for ((set, feature), count) in &self.skipped {
            writeln!(f, "left out in {set} for want of {feature}: {count}")?;
        }
        Ok(())
    }
}

/// A script, and where to put what is wrong with it.
struct Problems<'a>(Source<'a>, &'a mut Vec<String>);

impl Problems<'_> {
    fn add(&mut self, line: usize, what: impl fmt::Display) {
        let Source { set, file, .. } = self.0;
        self.1.push(format!("{set}/{file}:{line}: {what}"));
    }

    /// Two engines do the same, for the same fuel, with the same memory.
    fn engines(&mut self, one: &[Step], other: &[Step]) {
        if one.len() != other.len() {
            self.add(0, "the engines do not take the same steps");
        }
        for (one, other) in one.iter().zip(other).filter(|(one, other)| one != other) {
            self.add(one.line, format!("wasmtime {one:?}, wasmi {other:?}"));
        }
    }

    fn rejections(&mut self, directives: &[Directive<'_>]) {
        for directive in directives {
            if let (
                WastDirective::AssertInvalid { message, .. }
                | WastDirective::AssertMalformed { message, .. },
                Some(Prepared::Accepted(_)),
            ) = (&directive.wast, &directive.module)
            {
                self.add(directive.line, format!("accepted, though: {message}"));
            }
        }
    }
}
