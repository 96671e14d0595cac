//! The `tenzik` command: runs capsules, and checks and repeats what others ran.
//!
//! Enters: a command line. Leaves: data on stdout, words on stderr, an exit code. Refuses: what
//! `docs/cli.md` says it refuses, each with a code, a message and a remedy.

mod args;
mod audit;
mod bench;
mod build;
mod capsule;
mod check;
mod completions;
mod config;
mod debug;
mod doctor;
mod error;
mod exec;
mod explain;
mod files;
mod home;
mod init;
mod inspect;
mod key;
mod keyfile;
mod log;
mod man;
mod new;
mod output;
mod own;
mod own_words;
mod peers;
mod progress;
mod receipts;
mod remote;
mod replay;
mod run;
mod serve;
mod settings;
mod source;
mod store;
mod system;
mod test;
mod text;
mod tools;
mod trust;
mod verify;
mod witnessed;

use std::process::ExitCode;

fn main() -> ExitCode {
    // In a sandbox nothing else of this command may be done.
    #[cfg(target_os = "linux")]
    if std::env::args_os().skip(1).eq([exec::CONFINE]) {
        return tenzik_backends::confine();
    }
    files::survive_file_size_limit();
    ExitCode::from(args::dispatch(std::env::args_os()) as u8)
}
