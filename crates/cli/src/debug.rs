//! `--debug`: a run once more, to be looked at: fuel by function, host calls, and the line on which it trapped.
//!
//! Enters: an order, its outcome, a directory. Leaves: `fuel.svg`, `fuel.folded` and `calls.jsonl` in it, and lines for people.
//! Refuses: where debugging is not enabled, and always under the production preset, before anything runs; figures of any run
//! but the one that was sealed. The receipt, the claim and the output are those of a run without it.

mod calls;
mod flame;
mod lines;
mod report;
mod symbols;

use std::path::{Path, PathBuf};

use tenzik::execution::{ObserveError, Observer};
use tenzik::observation::Observation;
use tenzik::outcome::{Ending, Outcome};
use tenzik::pipeline::Order;

use crate::args::Context;
use crate::error::{Exit, Failure};
use crate::settings::Preset;
use crate::{files, text};

use flame::Flame;
pub(crate) use report::Report;
use symbols::Symbols;
pub(crate) use symbols::{SOURCE_MAP, traces};

/// Looks at runs, and writes down what it sees.
pub(crate) struct Debugger {
    observer: Observer,
    directory: PathBuf,
}

impl Debugger {
    /// Makes the directory, if debugging is allowed here.
    pub(crate) fn open(directory: &Path, context: &Context) -> Result<Self, Failure> {
        let settings = &context.settings;
        if settings.preset == Preset::Production {
            return Err(Failure::new(
                Exit::Denied,
                "debugging_denied",
                "the production preset debugs no run",
                "debug it elsewhere: with TENZIK_PRESET=development",
            ));
        }
        // What tools answered stands in the transcript; whether they may be called was asked before.
        let security = crate::tools::allowed(&settings.security);
        let observer =
            Observer::new(&security, &settings.runtime).map_err(|error| failed(&error))?;
        files::private_directory(directory).map_err(|error| not_written(directory, &error))?;
        Ok(Self {
            observer,
            directory: directory.to_owned(),
        })
    }

    /// Looks at a run of a capsule from this path. What is seen goes to the directory, or to one in it of this name.
    pub(crate) fn look(
        &self,
        order: &Order,
        outcome: &Outcome,
        path: Option<&Path>,
        within: Option<&str>,
    ) -> Result<Report, Failure> {
        let seen = self.observer.observe(order, outcome);
        let seen = seen.map_err(|error| failed(&error))?;
        let within = within.map(|name| self.directory.join(name));
        let directory = within.as_deref().unwrap_or(&self.directory);
        written(&seen, outcome.ending(), order, path, directory)
    }

    /// Looks at a run that gets no receipt, of a module that may be built for debugging.
    pub(crate) fn look_unsealed(
        &self,
        order: &Order,
        path: Option<&Path>,
    ) -> Result<(Report, Ending), Failure> {
        let seen = self.observer.observe_unsealed(order);
        let (seen, ending) = seen.map_err(|error| failed(&error))?;
        let report = written(&seen, &ending, order, path, &self.directory)?;
        Ok((report, ending))
    }
}

/// Writes down what was seen, and says it.
fn written(
    seen: &Observation,
    ending: &Ending,
    order: &Order,
    path: Option<&Path>,
    directory: &Path,
) -> Result<Report, Failure> {
    let symbols = Symbols::beside(&order.capsule, path);
    let flame = Flame::of(seen, &symbols);
    let title = path.map_or_else(|| "stdin".to_owned(), text::path);
    write(directory, "fuel.svg", &flame.svg(&title))?;
    write(directory, "fuel.folded", &flame.folded())?;
    write(directory, "calls.jsonl", &calls::lines(seen, &symbols))?;
    Ok(report::report(seen, &symbols, &flame, ending, directory))
}

/// For the owner alone: a host call shows what the capsule read.
fn write(directory: &Path, name: &str, content: &str) -> Result<(), Failure> {
    let path = directory.join(name);
    files::private_directory(directory)
        .and_then(|()| files::replace(&path, content.as_bytes(), files::PRIVATE))
        .map_err(|error| not_written(&path, &error))
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        "debug_not_written",
        format!("{} cannot be written: {error}", text::path(path)),
        "name a directory where you may write with --debug DIR",
    )
}

fn failed(error: &ObserveError) -> Failure {
    let (exit, code, hint) = match error {
        ObserveError::NotEnabled => (
            Exit::Denied,
            "debugging_denied",
            "set TENZIK_SECURITY_ENABLE_DEBUGGING=true, or take the development preset",
        ),
        ObserveError::Aborted => (
            Exit::Other,
            "nothing_to_debug",
            "give the run more time with --timeout MS: one that was stopped by the clock cannot be repeated",
        ),
        ObserveError::Bind(error) => (Exit::Denied, "nothing_to_debug", error.remedy()),
        ObserveError::Rejected(_) => (
            Exit::InvalidCapsule,
            "nothing_to_debug",
            "`tenzik check` says what is wrong with it",
        ),
        ObserveError::Execute(error) => (Exit::Other, "nothing_to_debug", error.remedy()),
        ObserveError::Differs { .. } => (
            Exit::Other,
            "debugged_another_run",
            "report this: the receipt is whole, but the run that was looked at is not its run",
        ),
        _ => (Exit::Other, "nothing_to_debug", "report this"),
    };
    Failure::new(exit, code, error.to_string(), hint)
}
