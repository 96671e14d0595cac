//! What backends do before they start something: find the command, and put the code where nobody else has it.
//!
//! Enters: a job, the commands of a backend. Leaves: the program with its command, and its private copy.
//! Refuses: capsules, languages without a command, and images where a backend has none.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tenzik::backend::{BackendError, Job};
use tenzik::router::{Code, Program};
use tenzik_receipt::Label;

/// The user and group `nobody`.
pub(crate) const NOBODY: u32 = 65_534;

/// A program's whole environment where it is apart from this system: what it was given, and what everybody needs.
pub(crate) fn environment(program: &Program) -> BTreeMap<String, String> {
    let defaults = [
        ("HOME", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ];
    let defaults = defaults.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = program.environment.clone();
    defaults.into_iter().chain(given).collect()
}

/// The program of a job, with the words of its command; there is at least one.
pub(crate) fn of<'a>(
    job: &Job<'a>,
    commands: &'a BTreeMap<Label, Vec<String>>,
) -> Result<(&'a Program, &'a [String]), BackendError> {
    let (program, words) = with_image(job, commands)?;
    match program.image {
        None => Ok((program, words)),
        Some(_) => Err(BackendError::denied("start", "it has no images")),
    }
}

/// As [`of`], for a backend that has images.
pub(crate) fn with_image<'a>(
    job: &Job<'a>,
    commands: &'a BTreeMap<Label, Vec<String>>,
) -> Result<(&'a Program, &'a [String]), BackendError> {
    let denied = |reason: String| BackendError::denied("start", reason);
    let Code::Program(program) = job.code else {
        return Err(denied("it runs no capsules".to_owned()));
    };
    let words = commands.get(&program.language).map(Vec::as_slice);
    match words.filter(|words| !words.is_empty()) {
        Some(words) => Ok((program, words)),
        None => Err(denied(format!("no command for {}", program.language))),
    }
}

/// A directory of mode 0700 with a copy of the code in it. Dropped, it is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct Private {
    directory: TempDir,
    code: PathBuf,
}

impl Private {
    pub(crate) fn new(program: &Program) -> Result<Self, BackendError> {
        Self::of(Some(program))
    }

    /// With a program's code, or with none.
    pub(crate) fn of(program: Option<&Program>) -> Result<Self, BackendError> {
        let failed = |error| BackendError::failed("copy the code", error);
        let directory = tempfile::Builder::new()
            .prefix("tenzik-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(failed)?;
        let code = directory.path().join("code");
        fs::create_dir(&code).map_err(failed)?;
        if let Some(program) = program {
            program.tree.write(&code).map_err(failed)?;
        }
        // Whatever this process's own mask is, the code's user can go through its directories.
        open_directories(&code).map_err(failed)?;
        Ok(Self { directory, code })
    }

    /// Lets `nobody` read the code, and nobody else but its owner.
    pub(crate) fn lend_to_nobody(&self) -> Result<(), BackendError> {
        let failed = |error| BackendError::failed("copy the code", error);
        chown(self.path(), None, Some(NOBODY)).map_err(failed)?;
        let mode = Permissions::from_mode(0o750);
        fs::set_permissions(self.path(), mode).map_err(failed)
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the code is.
    pub(crate) fn code(&self) -> &Path {
        &self.code
    }
}

fn open_directories(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_directories(&entry.path())?;
        }
    }
    Ok(())
}
