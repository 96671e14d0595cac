//! `serve`: a node over HTTP, and everything that a first one needs.
//!
//! Enters: `node.toml`, or a directory to make one in. Leaves: a node that runs until it is told to stop; files.
//! Refuses: a configuration that is not of the form, before anything is served; to overwrite anything.

mod init;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use serde_json::json;
use tenzik::backend::Backend;
use tenzik_node::{
    CallersError, ConfigError, FileError, KeyError, NodeConfig, NodeError, ServeError, ServerError,
    SetupError, TlsError,
};

use crate::error::{Exit, Failure};
use crate::exec;
use crate::output::{Console, Reply};
use crate::text;

/// How much of a message that repeats a file's words is shown.
const CHARS_MAX: usize = 600;

/// `serve`, as it is written.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// The node's configuration; docs/node.md has its form
    #[arg(long, value_name = "FILE", required = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a directory with all that a node needs, so that `tenzik serve` works
    Init(init::Args),
}

/// Serves until SIGTERM or SIGINT, or makes a node's files.
pub(crate) fn serve(args: Args, console: Console) -> Result<Reply, Failure> {
    match (args.verb, args.config) {
        (Some(Verb::Init(args)), _) => init::init(args, console),
        (None, Some(path)) => {
            let config = read(&path)?;
            let backends = backends(&config)?;
            let ended = tenzik_node::serve(config, backends).map_err(|error| not_served(&error))?;
            Ok(Reply::new("", json!({"cut": ended.cut})))
        }
        // clap has asked for one of them.
        (None, None) => Err(no_config(Path::new("node.toml"), "it is not named")),
    }
}

/// What the configuration names to run programs on. Where a JavaScript runtime is, the user's settings say, as for `exec`.
fn backends(config: &NodeConfig) -> Result<Vec<Arc<dyn Backend>>, Failure> {
    let Some(executions) = &config.executions else {
        return Ok(Vec::new());
    };
    let kinds = executions.backends.iter();
    kinds
        .map(|kind| exec::named(kind.as_str(), executions.root.as_deref()))
        .collect()
}

/// Reads a node's configuration.
pub(crate) fn read(path: &Path) -> Result<NodeConfig, Failure> {
    NodeConfig::read(path).map_err(|error| match &error {
        ConfigError::File(file) if is_absent(file) => Failure::new(
            Exit::NotFound,
            "not_found",
            format!("there is no {}", text::path(path)),
            "`tenzik serve init DIR` makes one, with keys and all else",
        ),
        // A file of that size was no configuration from its beginning.
        ConfigError::File(FileError::Size { .. }) => no_config(path, &error.to_string()),
        ConfigError::File(_) => Failure::new(
            Exit::Other,
            "unreadable",
            shown(&error),
            "name a file that you may read",
        ),
        _ => no_config(path, &error.to_string()),
    })
}

fn no_config(path: &Path, why: &str) -> Failure {
    // The message of a TOML error has the line of the file below it.
    let why = why.lines().next().unwrap_or_default();
    let why = text::shown(why, CHARS_MAX);
    let name = text::path(path);
    let message = match why.contains(&name) {
        true => why,
        false => format!("{name}: {why}"),
    };
    Failure::new(
        Exit::Usage,
        "config",
        message,
        "mend it; docs/node.md has every key",
    )
}

fn shown(error: &dyn std::fmt::Display) -> String {
    text::shown(&error.to_string(), CHARS_MAX)
}

fn not_served(error: &ServeError) -> Failure {
    let hint = match error {
        ServeError::Node(NodeError::InUse { .. }) => {
            "another process serves from this directory: stop it, or give each node its own data_dir"
        }
        ServeError::Node(_) => "mend what is named, and begin again: nothing was served",
        ServeError::Server(_) => "take another address for `listen`, or end what uses it",
        _ => "mend what is named, and begin again",
    };
    Failure::new(
        exit(error),
        "not_served",
        format!("the node does not serve: {}", shown(error)),
        hint,
    )
}

/// What of a node's files and settings is at fault has the same exit code as with every other verb.
fn exit(error: &ServeError) -> Exit {
    match error {
        error if file(error).is_some_and(is_absent) => Exit::NotFound,
        ServeError::Node(
            NodeError::Key(KeyError::Use { .. })
            | NodeError::Setup(
                SetupError::Missing { .. } | SetupError::Name { .. } | SetupError::Node(_),
            ),
        ) => Exit::Usage,
        _ => Exit::Other,
    }
}

/// The file of the configuration's that was not read.
const fn file(error: &ServeError) -> Option<&FileError> {
    match error {
        ServeError::Node(
            NodeError::Callers(CallersError::File(file))
            | NodeError::Key(KeyError::File(file))
            | NodeError::Setup(SetupError::File(file)),
        )
        | ServeError::Server(ServerError::Tls(TlsError::File(file))) => Some(file),
        _ => None,
    }
}

fn is_absent(file: &FileError) -> bool {
    matches!(file, FileError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound)
}
