//! A capsule's folder: `capsule.json`, the module, and the runs that show what it does.
//!
//! Enters: a directory. Leaves: [`Folder`], every run of it resolved. Refuses: descriptions of another form, and files outside
//! of the folder: it may be a stranger's, and `test --refresh` writes. `capsules/sdk/README.md` is the text for the form.

mod description;
pub(crate) mod diff;
mod error;
mod examples;
mod files;
pub(crate) mod trial;

use std::ops::Range;
use std::path::{Path, PathBuf};

use tenzik::capability::Grants;
use tenzik::limits::LimitsAsked;
use tenzik_receipt::{InputType, Int, Seed};

use crate::error::Failure;
use crate::text;

pub(crate) use description::{Language, is_name};
pub(crate) use error::FolderError;
pub(crate) use examples::refresh_manifest;

/// What describes a capsule.
pub(crate) const DESCRIPTION: &str = "capsule.json";

/// A capsule's folder, as its description has it.
#[derive(Debug)]
pub(crate) struct Folder {
    /// The directory.
    pub(crate) path: PathBuf,
    /// The description as it stands.
    pub(crate) text: String,
    /// The capsule's name; the module is `NAME.wasm`.
    pub(crate) name: String,
    /// What it is written in, where that is said.
    pub(crate) language: Option<Language>,
    /// Its source, where that is said.
    pub(crate) source: Option<PathBuf>,
    /// What it is granted, where a run says nothing else.
    pub(crate) grants: Grants,
    /// The runs, the example first: there is one by construction.
    pub(crate) cases: Vec<Case>,
}

/// A run that shows something.
#[derive(Debug)]
pub(crate) struct Case {
    /// What it shows.
    pub(crate) name: String,
    /// What it is given.
    pub(crate) input: Given,
    /// How input and output are read.
    pub(crate) input_type: InputType,
    /// The virtual clock.
    pub(crate) clock_ms: Int,
    /// The seed.
    pub(crate) seed: Seed,
    /// What it may use.
    pub(crate) grants: Grants,
    /// What it may spend.
    pub(crate) limits: LimitsAsked,
    /// How it must end.
    pub(crate) expected: Expected,
}

/// Where an input comes from.
#[derive(Debug)]
pub(crate) enum Given {
    /// The description itself.
    Bytes(Vec<u8>),
    /// A file.
    File(PathBuf),
    /// A file that is unpacked.
    Gzip(PathBuf),
}

/// How a run must end.
#[derive(Debug)]
pub(crate) enum Expected {
    /// Some other way.
    Ending {
        /// The status.
        status: String,
        /// The code in the claim's detail.
        code: Option<String>,
        /// The capsule's own words, where they matter.
        message: Option<Inline>,
    },
    /// Well, with this output.
    Output(Text),
}

/// An expected text.
#[derive(Debug)]
pub(crate) enum Text {
    /// A file's bytes.
    File(PathBuf),
    /// It stands in the description.
    Inline(Inline),
}

/// A string of the description.
#[derive(Debug)]
pub(crate) struct Inline {
    /// What it says.
    pub(crate) text: String,
    /// Where it stands, its quotes included.
    pub(crate) place: Range<usize>,
}

/// What to do about grants that are missing.
pub(crate) fn grants_remedy(missing: &Grants) -> String {
    let names: Vec<String> = missing.iter().map(|name| format!("\"{name}\"")).collect();
    format!("add {} to `grants` in {DESCRIPTION}", names.join(", "))
}

impl Folder {
    /// Reads a folder's description. No file that it names is looked at yet.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        description::read(path)
    }

    /// The module's file.
    pub(crate) fn module(&self) -> PathBuf {
        self.path.join(format!("{}.wasm", self.name))
    }

    /// What the capsule needs, and the description does not grant.
    pub(crate) fn ungranted(&self, required: &Grants) -> Grants {
        required.difference(&self.grants)
    }

    /// Whether a path is that of a file that a run is given or must give.
    pub(crate) fn is_of_runs(&self, path: &Path) -> bool {
        let files = self.cases.iter().flat_map(|case| {
            let input = match &case.input {
                Given::Bytes(_) => None,
                Given::File(path) | Given::Gzip(path) => Some(path),
            };
            let output = match &case.expected {
                Expected::Output(Text::File(path)) => Some(path),
                _ => None,
            };
            [input, output].into_iter().flatten()
        });
        files
            .map(|file| self.path.join(file))
            .any(|file| file == path)
    }

    /// The first run.
    pub(crate) fn example(&self) -> &Case {
        &self.cases[0]
    }

    /// The bytes of a run's input.
    pub(crate) fn input(&self, case: &Case) -> Result<Vec<u8>, Failure> {
        match &case.input {
            Given::Bytes(bytes) => Ok(bytes.clone()),
            Given::File(path) => files::read(self, path),
            Given::Gzip(path) => files::unpack(self, path),
        }
    }

    /// The bytes of an expected output; nothing where its file is not there yet.
    pub(crate) fn output(&self, text: &Text) -> Result<Option<Vec<u8>>, Failure> {
        match text {
            Text::Inline(inline) => Ok(Some(inline.text.clone().into_bytes())),
            Text::File(path) => files::read_if_there(self, path),
        }
    }

    /// A file's bytes, if it is there.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        files::read_if_there(self, path)
    }

    /// Where a file of the description really is, so that two names of one are found to be that.
    pub(crate) fn place(&self, path: &Path) -> Result<PathBuf, Failure> {
        files::place(self, path)
    }

    /// Fails where the description is no longer what was read.
    pub(crate) fn unchanged(&self) -> Result<(), Failure> {
        if files::read(self, Path::new(DESCRIPTION))? == self.text.as_bytes() {
            return Ok(());
        }
        let path = text::path(&self.path.join(DESCRIPTION));
        Err(FolderError::Changed { path }.into())
    }

    /// Writes a file that the description names.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        files::write(self, path, bytes)
    }
}
