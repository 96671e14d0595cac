//! `test`: the runs of a capsule's folder, each held against what it must give.
//!
//! Enters: a folder with its module. Leaves: a line for each run, and every difference by path; with `--refresh` new
//! expectations. Refuses: descriptions of another form, a module that is no capsule, or is of other sources than those beside
//! it. Nothing is stored and nobody's key is used.

mod refresh;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tenzik::capability::Grants;
use tenzik::validation::{ValidationConfig, validate};

use crate::args::Context;
use crate::capsule::Folder;
use crate::capsule::trial::{Tester, Trial};
use crate::debug::Debugger;
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::progress::Progress;
use crate::source::{CAPSULE, Source};
use crate::{build, capsule, check, own_words, text};

/// `test`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capsule's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Write what the runs give now in place of what was expected
    #[arg(long)]
    refresh: bool,
    /// Run each once more to be looked at, and write there what its fuel went to, its host calls, and where it trapped
    #[arg(long, value_name = "DIR")]
    debug: Option<PathBuf>,
}

/// Tests a capsule.
pub(crate) fn test(args: &Args, context: &Context) -> Result<Reply, Failure> {
    let folder = Folder::open(&args.folder)?;
    let capsule = module(&folder)?;
    build::not_stale(&folder, &capsule)?;
    let config = ValidationConfig {
        capsule_bytes_max: context.settings.security.capsule_bytes_max,
    };
    let valid = match validate(Arc::clone(&capsule), &config) {
        Ok(valid) => valid,
        Err(rejection) => return Ok(check::rejected(&rejection)),
    };
    let debugger = args.debug.as_deref();
    let debugger = debugger.map(|directory| Debugger::open(directory, context));
    let trials = trials(&folder, &capsule, context, debugger.transpose()?)?;
    let refreshed = match args.refresh {
        true => refresh::refresh(&folder, &trials)?,
        false => Vec::new(),
    };
    let ungranted = folder.ungranted(&valid.required_grants());
    let mut reply = told(&trials, &refreshed, &ungranted);
    reply.members.insert("name".to_owned(), folder.name.into());
    reply
        .members
        .insert("id".to_owned(), valid.id().to_string().into());
    Ok(reply)
}

/// The folder's module.
pub(crate) fn module(folder: &Folder) -> Result<Arc<[u8]>, Failure> {
    let path = folder.module();
    if path.exists() {
        return Ok(Source::File(path).read(CAPSULE)?.into());
    }
    Err(Failure::new(
        Exit::NotFound,
        "not_built",
        format!("there is no {}", text::path(&path)),
        "build it",
    ))
}

/// Every run of the folder, tried.
pub(crate) fn trials(
    folder: &Folder,
    capsule: &Arc<[u8]>,
    context: &Context,
    debugger: Option<Debugger>,
) -> Result<Vec<Trial>, Failure> {
    let progress = Progress::begin("running the examples");
    let tester = Tester::new(context, debugger)?;
    let mut trials = Vec::new();
    for done in 0..folder.cases.len() {
        progress.at(done, folder.cases.len());
        trials.push(tester.try_case(folder, capsule, done)?);
    }
    Ok(trials)
}

/// What to do about runs that are wrong, if nothing better is known.
const REMEDY: &str =
    "mend the capsule, or if what it gives is right, write that down with `tenzik test --refresh`";

/// What there is to say about the runs, under a description that does not grant so much of what is needed.
fn told(trials: &[Trial], refreshed: &[usize], ungranted: &Grants) -> Reply {
    let is_refreshed = |index: &usize| refreshed.contains(index);
    let lines: String = trials
        .iter()
        .enumerate()
        .map(|(index, trial)| lines(trial, is_refreshed(&index)))
        .collect();
    let wrong = trials.iter().enumerate();
    let wrong = wrong.filter(|(index, trial)| !trial.passed() && !is_refreshed(index));
    let wrong: Vec<&Trial> = wrong.map(|(_, trial)| trial).collect();
    let (all, failed) = (trials.len(), wrong.len());
    let is_refused = |trial: &&Trial| trial.code.as_deref() == Some("missing_grant");
    let hint = match !ungranted.is_empty() && wrong.iter().any(is_refused) {
        true => capsule::grants_remedy(ungranted),
        false => {
            let mut words = wrong.iter().filter_map(|trial| trial.message.as_deref());
            words.find_map(own_words::hint).unwrap_or(REMEDY).to_owned()
        }
    };
    let members = json!({
        "passed": all - failed,
        "failed": failed,
        "refreshed": refreshed.len(),
        "runs": trials.iter().map(member).collect::<Vec<_>>(),
    });
    let verdict = format!(
        "{:<10} {} of {all}, each verified and replayed on a second engine\n",
        "passed",
        all - failed
    );
    let failure = (failed > 0).then(|| {
        Failure::new(
            Exit::Failed,
            "examples_failed",
            format!(
                "{failed} of {} {} not give what the folder says",
                text::counted(all, "run"),
                if failed == 1 { "does" } else { "do" }
            ),
            hint,
        )
    });
    Reply::new(lines + &verdict, members).failing(failure)
}

fn lines(trial: &Trial, refreshed: bool) -> String {
    let word = match (trial.passed(), refreshed) {
        (true, _) => "ok",
        (false, true) => "refreshed",
        (false, false) => "FAILED",
    };
    let name = text::shown(&trial.name, 60);
    let spent = spent(trial);
    let first = format!("{word:<10} {name:<40} {spent}");
    let differences: String = trial
        .differences
        .iter()
        .map(|found| found.lines())
        .collect();
    let seen = trial.seen.as_ref().map(|seen| format!("{}\n", seen.lines));
    format!(
        "{}\n{differences}{}",
        first.trim_end(),
        seen.unwrap_or_default()
    )
}

/// What a run cost, as far as that is known.
fn spent(trial: &Trial) -> String {
    match &trial.usage {
        Some(usage) => format!("{} fuel, {} host calls", usage.fuel, trial.calls()),
        None => trial.status.to_owned(),
    }
}

/// A run as a member of a JSON answer.
pub(crate) fn member(trial: &Trial) -> Value {
    let usage = trial.usage.as_ref();
    let differences = trial.differences.iter();
    let mut member = json!({
        "name": trial.name,
        "passed": trial.passed(),
        "status": trial.status,
        "code": trial.code,
        "message": trial.message,
        "fuel": usage.map(|usage| usage.fuel),
        "memory_pages_peak": usage.map(|usage| usage.memory_pages_peak),
        "host_calls": usage.map(|_| trial.calls()),
        "differences": differences.map(|found| found.to_json()).collect::<Vec<_>>(),
    });
    if let Some(seen) = &trial.seen {
        member["debug"] = seen.members.clone();
    }
    member
}
