//! `build`: a capsule from its source, with what each part of it costs.
//!
//! Enters: a folder with a source. Leaves: the module beside it, which sources it is of, and a report: size by part, price of imports, fuel of each run.
//! Refuses: sources that the compiler refuses (its own words are shown as they are), modules that are no capsules, each with
//! what would mend it. A compiler that is not there is named, with how to install it.

mod compile;
mod lines;
mod parts;
mod report;
mod size;
mod sources;
mod tools;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenzik::capability::Grants;
use tenzik::validation::{Finding, FindingCode, Rejection, Severity, ValidationConfig, validate};

use crate::args::Context;
use crate::capsule::trial::Trial;
use crate::capsule::{Folder, Language, refresh_manifest};
use crate::error::Failure;
use crate::output::Reply;
use crate::{check, debug, test, text};

/// `build`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capsule's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Keep names and lines and write NAME.debug.wasm alone: then size is told by function too
    #[arg(long)]
    debug: bool,
    /// Build and test again whenever a file changes, until it is stopped
    #[arg(long, conflicts_with = "debug")]
    watch: bool,
}

/// Builds a capsule.
pub(crate) fn build(args: &Args, context: &Context) -> Result<Reply, Failure> {
    if args.watch {
        return watch::watch(&args.folder, context);
    }
    let folder = Folder::open(&args.folder)?;
    let built = Built::make(&folder, args.debug, context)?;
    if built.traces {
        let (source, module) = (text::path(&folder.path), text::path(&built.path));
        context.console.note(&format!(
            "note: the source in {source} traces: `tenzik run {module} --debug DIR` runs what was built, and nothing else does"
        ));
    }
    // The capsule is written, and is good without it.
    if built.state.is_ok()
        && !args.debug
        && let Err(error) = lines::write(&folder, &built.module)
    {
        context.console.note(&format!("note: {error}"));
    }
    Ok(built.told(&folder))
}

/// What keeps a language from being built here.
pub(crate) fn missing(language: Language, folder: &Path) -> Option<Failure> {
    tools::missing(language, folder)
}

/// Fails where a folder's module is known to be of other sources than those beside it.
pub(crate) fn not_stale(folder: &Folder, module: &[u8]) -> Result<(), Failure> {
    sources::not_stale(folder, module)
}

/// A module that was just built.
struct Built {
    /// Where it is.
    path: PathBuf,
    /// Its bytes.
    module: Arc<[u8]>,
    /// How many bytes what runs has: those without what is for debugging.
    bytes: usize,
    /// Whether it is built for debugging, and no capsule.
    traces: bool,
    /// The most bytes that the host accepts.
    bytes_max: u32,
    /// What validation says, and what the runs gave if it is a capsule.
    state: Result<Vec<Trial>, Rejection>,
    /// What it imports and the description does not grant.
    ungranted: Grants,
}

impl Built {
    fn make(folder: &Folder, debug: bool, context: &Context) -> Result<Self, Failure> {
        let sources = sources::digests(folder)?;
        let path = compile::compile(folder, debug)?;
        let module: Arc<[u8]> = compile::read(&path)?.into();
        if !debug {
            sources::write(folder, &module, sources)?;
        }
        Self::examined(folder, path, module, debug, context)
    }

    /// The module as it is, if nothing but what its runs are given and must give was changed since it was built.
    fn kept(
        folder: &Folder,
        changed: &[PathBuf],
        context: &Context,
    ) -> Result<Option<Self>, Failure> {
        let path = folder.module();
        let is_of_runs = changed.iter().all(|path| folder.is_of_runs(path));
        if changed.is_empty() || !is_of_runs || !path.is_file() {
            return Ok(None);
        }
        let module: Arc<[u8]> = compile::read(&path)?.into();
        if !sources::is_current(folder, &module)? {
            return Ok(None);
        }
        // A build would have written the examples anew.
        refresh_manifest(folder)?;
        Self::examined(folder, path, module, false, context).map(Some)
    }

    /// What there is to say of a module that was compiled. With its names its runs are not made: they are those of the capsule.
    fn examined(
        folder: &Folder,
        path: PathBuf,
        module: Arc<[u8]>,
        debug: bool,
        context: &Context,
    ) -> Result<Self, Failure> {
        let bytes_max = context.settings.security.capsule_bytes_max;
        let config = ValidationConfig {
            capsule_bytes_max: bytes_max,
        };
        let traces = debug && debug::traces(&module);
        let runs = match debug {
            true => compile::stripped(&module).into_owned().into(),
            false => Arc::clone(&module),
        };
        let bytes = runs.len();
        let valid = validate(runs, &config);
        let required = valid.as_ref().map(|valid| valid.required_grants());
        let ungranted = folder.ungranted(&required.unwrap_or_default());
        let state = match valid {
            Err(rejection) if traces => but_for_traces(rejection),
            Err(rejection) => Err(rejection),
            Ok(_) if debug => Ok(Vec::new()),
            Ok(_) => Ok(test::trials(folder, &module, context, None)?),
        };
        Ok(Self {
            path,
            module,
            bytes,
            traces,
            bytes_max,
            state,
            ungranted,
        })
    }

    /// Whose its code is, where the compiler that just built it left a map.
    fn parts(&self, folder: &Folder) -> parts::Parts {
        let mut map = self.path.clone().into_os_string();
        map.push(".map");
        let with_map = matches!(tools::source(folder), Ok((Language::AssemblyScript, _)));
        if !with_map || self.path == folder.module() {
            return Vec::new();
        }
        // Without it, names of functions tell.
        parts::read(&self.module, Path::new(&map)).unwrap_or_default()
    }

    fn told(&self, folder: &Folder) -> Reply {
        let sizes = size::measure(&self.module);
        let parts = self.parts(folder);
        let report = report::Report {
            path: &self.path,
            module: &self.module,
            bytes: self.bytes,
            traces: self.traces,
            bytes_max: self.bytes_max,
            sizes: &sizes,
            parts: &parts,
            trials: self.state.as_deref().unwrap_or_default(),
            ungranted: &self.ungranted,
            folder,
        };
        let mut reply = report.reply();
        let Err(rejection) = &self.state else {
            return reply;
        };
        let mut rejected = check::rejected(rejection);
        rejected.data.splice(..0, reply.data);
        // What was built has its names, and is told as it is.
        rejected.members.append(&mut reply.members);
        rejected
    }
}

/// What else is wrong with a module that traces. It is larger than the capsule, which is built without its traces.
fn but_for_traces(mut rejection: Rejection) -> Result<Vec<Trial>, Rejection> {
    let is_other = |finding: &Finding| match finding.code {
        FindingCode::ImportUnknown => !finding.found.starts_with("function env.trace:"),
        FindingCode::SizeLimit => false,
        _ => finding.severity == Severity::Error,
    };
    rejection.findings.retain(is_other);
    match rejection.findings.is_empty() && rejection.findings_more == 0 {
        true => Ok(Vec::new()),
        false => Err(rejection),
    }
}
