//! The command line as it is written: verbs and the options that all of them have.
//!
//! Enters: arguments. Leaves: a verb's own parsed arguments, handed to that verb.
//! Refuses: what clap refuses, with exit code 2, and as JSON where that was asked for.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::error::{Exit, Failure};
use crate::home::Home;
use crate::output::{Console, Reply};
use crate::settings::Settings;
use crate::{
    audit, bench, build, check, completions, config, doctor, exec, init, inspect, key, log, man,
    new, peers, receipts, replay, run, serve, test, text, verify,
};

const EXIT_CODES: &str = "\
Exit codes: 0 ok, 1 other, 2 usage, 3 verification failed or replay differs, 4 cannot tell,
5 denied, 6 invalid capsule, 7 the capsule failed or trapped, 8 a limit was hit, 9 not found.";

/// Runs tiny WebAssembly capsules and leaves signed receipts that anyone can re-run
#[derive(Debug, Parser)]
#[command(name = "tenzik", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Answer with one JSON object on stdout, errors included
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a capsule and leave a receipt
    Run(Box<run::Args>),
    /// Run code of any kind on a backend that can hold what a profile promises
    Exec(Box<exec::Args>),
    /// Say everything that keeps a module from being a capsule
    #[command(visible_alias = "validate")]
    Check(check::Args),
    /// Show what a capsule is and what it needs
    Inspect(inspect::Args),
    /// Make a capsule's folder, with what builds and passes
    New(new::Args),
    /// Build a capsule from its source, and say what each part of it costs
    Build(build::Args),
    /// Run a capsule's examples, and say where they are not what they must be
    Test(test::Args),
    /// Measure a fresh call of a capsule against one of an empty one
    Bench(bench::Args),
    /// Verify a receipt, offline
    Verify(verify::Args),
    /// Run a receipt again and compare the whole claim
    Replay(replay::Args),
    /// Show, list, export and verify receipts
    #[command(visible_alias = "receipt", subcommand)]
    Receipts(receipts::Verb),
    /// Make keys, show them, and say whom you trust
    #[command(subcommand)]
    Key(key::Verb),
    /// Keep a transparency log of receipts, read one, and verify it
    #[command(subcommand)]
    Log(log::Verb),
    /// Say whose logs a node follows, and how they stand
    #[command(subcommand)]
    Peers(peers::Verb),
    /// Run a receipt again on two engines, or verify evidence that somebody sent
    Audit(audit::Args),
    /// Run a node, or make what one needs
    Serve(serve::Args),
    /// Make your own key and trust file
    Init,
    /// Say whether everything is ready, and what to do where it is not
    Doctor,
    /// Show the configuration
    #[command(subcommand)]
    Config(config::Verb),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual, or write its pages to a directory
    Man(man::Args),
}

/// What every verb is given.
#[derive(Debug)]
pub(crate) struct Context {
    /// The two streams.
    pub(crate) console: Console,
    /// The user's directories.
    pub(crate) home: Home,
    /// What is configured.
    pub(crate) settings: Settings,
}

/// Reads the command line, does what it says, and gives the exit code.
pub(crate) fn dispatch(arguments: impl Iterator<Item = OsString>) -> Exit {
    let arguments: Vec<_> = arguments.collect();
    match Cli::try_parse_from(&arguments) {
        Ok(cli) => {
            let console = Console { json: cli.json };
            console.finish(execute(cli.verb, console))
        }
        Err(error) => misread(
            &error,
            arguments.iter().any(|argument| argument == "--json"),
        ),
    }
}

fn execute(verb: Verb, console: Console) -> Result<Reply, Failure> {
    match verb {
        Verb::Completions(args) => Ok(completions::completions(&args)),
        Verb::Man(args) => man::man(&args),
        // A node has its own configuration, and may be run by a user without a home.
        Verb::Serve(args) => serve::serve(args, console),
        // It has to work where nothing else does.
        Verb::Doctor => Ok(doctor::doctor()),
        verb => {
            let home = Home::find()?;
            let settings = Settings::load(&home)?;
            let context = Context {
                console,
                home,
                settings,
            };
            with_context(verb, &context)
        }
    }
}

fn with_context(verb: Verb, context: &Context) -> Result<Reply, Failure> {
    match verb {
        Verb::Run(args) => run::run(*args, context),
        Verb::Exec(args) => exec::exec(*args, context),
        Verb::Check(args) => check::check(&args, context),
        Verb::Inspect(args) => inspect::inspect(&args, context),
        Verb::New(args) => new::new(&args, context),
        Verb::Build(args) => build::build(&args, context),
        Verb::Bench(args) => bench::bench(&args, context),
        Verb::Test(args) => test::test(&args, context),
        Verb::Verify(args) => verify::verify(args, context),
        Verb::Replay(args) => replay::replay(args, context),
        Verb::Receipts(verb) => receipts::receipts(verb, context),
        Verb::Key(verb) => key::key(verb, context),
        Verb::Log(verb) => log::log(verb, context),
        Verb::Peers(verb) => peers::peers(verb),
        Verb::Audit(args) => audit::audit(args, context),
        Verb::Init => init::init(context),
        Verb::Config(verb) => Ok(config::config(&verb, context)),
        Verb::Completions(_) | Verb::Man(_) | Verb::Doctor | Verb::Serve(_) => Ok(Reply::default()),
    }
}

/// Tells a command line that could not be read, or the help that was asked for.
fn misread(error: &clap::Error, json: bool) -> Exit {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    if help || !json {
        // Help goes to stdout, errors to stderr.
        let _ = error.print();
        return if help { Exit::Ok } else { Exit::Usage };
    }
    Console { json }.finish(Err(usage(&error.to_string())))
}

/// clap's message ends at the first blank line; how to ask for help comes after it.
fn usage(told: &str) -> Failure {
    let lines = told.lines().map(str::trim);
    let lines: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
    let message = lines.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    Failure {
        exit: Exit::Usage,
        code: "usage",
        message: text::shown(message, text::MESSAGE_CHARS_MAX),
        hint: "try `tenzik help`, or `tenzik help VERB`".to_owned(),
        about: None,
    }
}
