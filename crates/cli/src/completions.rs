//! `completions`: a shell's completion script.
//!
//! Enters: a shell's name. Leaves: the script, made from the command line's own definition. Refuses: other shells.

use clap::CommandFactory;
use clap_complete::Shell;
use serde_json::json;

use crate::args::Cli;
use crate::output::Reply;

/// `completions`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Makes the script.
pub(crate) fn completions(args: &Args) -> Reply {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "tenzik", &mut script);
    let text = String::from_utf8_lossy(&script).into_owned();
    Reply::new(script, json!({"completions": text}))
}
