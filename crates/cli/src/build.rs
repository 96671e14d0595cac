//! `build`: a capsule from its source, with what each part of it costs.
//!
//! Enters: a folder with a source. Leaves: the module beside it, which sources it is of, and a report: size by part, price of imports, fuel of each run.
//! Refuses: sources that the compiler refuses (its own words are shown as they are), modules that are no capsules, each with
//! what would mend it. A compiler that is not there is named, with how to install it.

mod compile;
mod lines;
mod report;
mod size;
mod sources;
mod tools;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tenzik::capability::Grants;
use tenzik::validation::{ValidationConfig, validate};

use crate::args::Context;
use crate::capsule::trial::Trial;
use crate::capsule::{Folder, Language};
use crate::error::Failure;
use crate::output::Reply;
use crate::{check, test};

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
    /// The most bytes that the host accepts.
    bytes_max: u32,
    /// What validation says, and what the runs gave if it is a capsule.
    state: Result<Vec<Trial>, tenzik::validation::Rejection>,
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
        let bytes_max = context.settings.security.capsule_bytes_max;
        let config = ValidationConfig {
            // Names are no part of what will run.
            capsule_bytes_max: if debug { u32::MAX } else { bytes_max },
        };
        let valid = validate(Arc::clone(&module), &config);
        let required = valid.as_ref().map(|valid| valid.required_grants());
        let ungranted = folder.ungranted(&required.unwrap_or_default());
        let state = match valid {
            Err(rejection) => Err(rejection),
            // Runs of a module with its names are those of the module without them.
            Ok(_) if debug => Ok(Vec::new()),
            Ok(_) => Ok(test::trials(folder, &module, context, None)?),
        };
        Ok(Self {
            path,
            module,
            bytes_max,
            state,
            ungranted,
        })
    }

    fn told(&self, folder: &Folder) -> Reply {
        let sizes = size::measure(&self.module);
        let report = report::Report {
            path: &self.path,
            module: &self.module,
            bytes_max: self.bytes_max,
            sizes: &sizes,
            trials: self.state.as_deref().unwrap_or_default(),
            ungranted: &self.ungranted,
            folder,
        };
        let reply = report.reply();
        match &self.state {
            Ok(_) => reply,
            Err(rejection) => {
                let mut rejected = check::rejected(rejection);
                rejected.data.splice(..0, reply.data);
                let mut members = reply.members;
                members.append(&mut rejected.members);
                rejected.members = members;
                rejected
            }
        }
    }
}
