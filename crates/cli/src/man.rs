//! `man`: the manual, made from the command line's own definition.
//!
//! Enters: nothing, or a directory. Leaves: the main page on stdout, or a page for each verb in the directory.
//! Refuses: a directory that is not there.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;

use crate::args::Cli;
use crate::error::{Exit, Explain, Failure};
use crate::files;
use crate::output::Reply;
use crate::text;

/// `man`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write a page for each verb to this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// A page was not written.
#[derive(Debug, thiserror::Error)]
#[error("the page {page} cannot be written: {error}")]
struct PageNotWritten {
    page: String,
    error: io::Error,
}

impl Explain for PageNotWritten {
    fn exit(&self) -> Exit {
        match self.error.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            _ => Exit::Other,
        }
    }

    fn code(&self) -> &'static str {
        "page_not_written"
    }

    fn hint(&self) -> Cow<'static, str> {
        "name a directory that is there and where you may write".into()
    }
}

/// Makes the manual.
pub(crate) fn man(args: &Args) -> Result<Reply, Failure> {
    let mut command = Cli::command();
    command.build();
    let Some(directory) = &args.dir else {
        // Stdout's page has no path to be named by.
        let page = page(&command, Path::new("tenzik.1"))?;
        let text = String::from_utf8_lossy(&page).into_owned();
        return Ok(Reply::new(page, json!({"man": text})));
    };
    let mut written = Vec::new();
    write_pages(&command, directory, &mut written)?;
    let lines: String = written.iter().map(|page| format!("{page}\n")).collect();
    Ok(Reply::new(lines, json!({"pages": written})))
}

/// The pages of a command and of all below it. Their names are `tenzik.1`, `tenzik-run.1`, `tenzik-key-gen.1`.
fn write_pages(
    command: &Command,
    directory: &Path,
    written: &mut Vec<String>,
) -> Result<(), PageNotWritten> {
    let name = command
        .get_display_name()
        .unwrap_or_else(|| command.get_name());
    let path = directory.join(format!("{name}.1"));
    let page = page(command, &path)?;
    files::replace(&path, &page, files::PUBLIC).map_err(|error| failed(&path, error))?;
    written.push(text::path(&path));
    command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .try_for_each(|command| write_pages(command, directory, written))
}

fn page(command: &Command, path: &Path) -> Result<Vec<u8>, PageNotWritten> {
    let mut page = Vec::new();
    let man = Man::new(command.clone());
    man.render(&mut page).map_err(|error| failed(path, error))?;
    Ok(page)
}

fn failed(path: &Path, error: io::Error) -> PageNotWritten {
    PageNotWritten {
        page: text::path(path),
        error,
    }
}
