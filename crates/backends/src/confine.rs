//! The last step before code runs in the OS sandbox: a process confines itself, tells that it did, and becomes the code's.
//!
//! Enters: orders on a descriptor. Leaves: nothing; the process is the code's own from then on. Refuses: to begin it with less
//! than the orders say, with a filter other than its host's, without its host's word, or with a descriptor that is not the
//! code's.
//!
//! A process under Landlock cannot mount, so what makes the mounts cannot be the one that is confined: `bwrap` starts this
//! inside, from a descriptor. It is no code of a stranger's, and its environment is empty: what the code may choose comes to it
//! with the orders.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tenzik_receipt::Blake3;

use crate::filter::{Filter, FilterError, SECCOMP};
use crate::supervise::{GATEWAY_FD, RESULT_FD};

/// This program itself, open.
pub(crate) const PROGRAM_FD: i32 = 5;
/// What it tells its host.
pub(crate) const TOLD_FD: i32 = 6;
/// Its host's word to go on.
pub(crate) const GO_FD: i32 = 7;
/// Its orders.
pub(crate) const ORDERS_FD: i32 = 8;
/// What it tells when everything is in force.
pub(crate) const CONFINED: &[u8] = b"confined\n";
/// What it waits for then.
pub(crate) const GO: u8 = b'g';
/// What it exits with where it does not become the code's.
const REFUSED: u8 = 125;
/// The versions of Landlock's interface that were tried, newest first. The second is the first without a way around it, by
/// moving files between directories.
const VERSIONS: [ABI; 5] = [ABI::V6, ABI::V5, ABI::V4, ABI::V3, ABI::V2];
/// Files and sockets that the code may have open at a time.
const OPEN_FILES_MAX: u64 = 1_024;

/// What is to be run, and what it may reach.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Orders {
    /// The digest of the list of system calls that its host goes by.
    pub(crate) filter: String,
    /// Whether the descriptor of the gateway is the code's.
    pub(crate) gateway: bool,
    /// What it may read and execute.
    pub(crate) read: Vec<PathBuf>,
    /// What it may read alone.
    pub(crate) look: Vec<PathBuf>,
    /// Files that it may read and write.
    pub(crate) devices: Vec<PathBuf>,
    /// Where it may do as it likes, but execute nothing.
    pub(crate) write: Vec<PathBuf>,
    /// The command; if it is empty, nothing is run.
    pub(crate) words: Vec<String>,
    /// All of its environment.
    pub(crate) environment: BTreeMap<String, String>,
}

#[derive(Debug, thiserror::Error)]
enum ConfineError {
    #[error("the system-call filter is not the one of the host: another version made this program")]
    AnotherFilter,
    #[error("start {command}: {source}")]
    Execute { command: String, source: io::Error },
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("this kernel has no Landlock of version 2 or later, which came with Linux 5.19")]
    NoLandlock,
    #[error("the host did not say go")]
    NotToldToGo,
    #[error("Landlock does not hold")]
    NotHeld,
    #[error("orders: {0}")]
    Orders(#[from] serde_json::Error),
    #[error("Landlock: {0}")]
    Rules(#[from] RulesetError),
    #[error("confine: {0}")]
    System(#[from] io::Error),
}

/// Confines this process and becomes the program that a sandbox's orders name. It comes back only if it did not.
///
/// It is the whole of an executable that [`SandboxConfig::launcher`](crate::SandboxConfig::launcher) names: nothing may be
/// done before it is called, and it is to be called with one thread.
pub fn confine() -> ExitCode {
    let open = |number: i32, write: bool| {
        let path = format!("/proc/self/fd/{number}");
        OpenOptions::new().read(!write).write(write).open(path)
    };
    let opened = open(TOLD_FD, true).and_then(|told| {
        let (go, orders) = (open(GO_FD, false)?, open(ORDERS_FD, false)?);
        Ok((told, go, orders))
    });
    let (told, go, orders) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            eprintln!("this is not a process that a sandbox started: {error}");
            return ExitCode::from(REFUSED);
        }
    };
    match begin(&told, go, orders) {
        Ok(nothing_to_run) => nothing_to_run,
        Err(error) => {
            // If nobody listens, the exit code says it.
            let _ = writeln!(&told, "{error}");
            ExitCode::from(REFUSED)
        }
    }
}

/// All of it. It comes back with a success only where there is nothing to run.
fn begin(mut told: &File, mut go: File, mut orders: File) -> Result<ExitCode, ConfineError> {
    let mut text = String::new();
    orders.read_to_string(&mut text)?;
    // Nothing of its own may be open that is closed below.
    drop(orders);
    let orders: Orders = serde_json::from_str(&text)?;
    if orders.filter != Blake3::of(SECCOMP.as_bytes()).to_string() {
        return Err(ConfineError::AnotherFilter);
    }
    let filter = Filter::new()?;
    close_foreign(orders.gateway, &[told.as_raw_fd(), go.as_raw_fd()])?;
    limit()?;
    restrict(&orders)?;
    filter.apply()?;
    told.write_all(CONFINED)?;
    let mut word = [0];
    if go.read_exact(&mut word).is_err() || word != [GO] {
        return Err(ConfineError::NotToldToGo);
    }
    let Some((command, arguments)) = orders.words.split_first() else {
        return Ok(ExitCode::SUCCESS);
    };
    let source = Command::new(command)
        .args(arguments)
        .env_clear()
        .envs(&orders.environment)
        .exec();
    Err(ConfineError::Execute {
        command: command.clone(),
        source,
    })
}

/// Closes what is not the code's. Of its own it keeps what is closed by itself when the code begins.
fn close_foreign(gateway: bool, own: &[i32]) -> io::Result<()> {
    let last = if gateway { GATEWAY_FD } else { RESULT_FD };
    for number in open_descriptors()? {
        if number > last && !own.contains(&number) {
            // The directory that was listed is closed by now, and may be in its list.
            let _ = nix::unistd::close(number);
        }
    }
    Ok(())
}

fn open_descriptors() -> io::Result<Vec<i32>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(numbers)
}

fn limit() -> io::Result<()> {
    let at_most = |number| Rlimit {
        current: Some(number),
        maximum: Some(number),
    };
    setrlimit(Resource::Core, at_most(0))?;
    setrlimit(Resource::Nofile, at_most(OPEN_FILES_MAX))?;
    Ok(())
}

/// Puts Landlock in force, and sees that it is: the root directory can be listed before, and not after.
fn restrict(orders: &Orders) -> Result<(), ConfineError> {
    fs::read_dir("/")?;
    let (rules, version) = VERSIONS
        .into_iter()
        .find_map(|version| Some((ruleset(version).ok()?, version)))
        .ok_or(ConfineError::NoLandlock)?;
    let read = AccessFs::from_read(version);
    let mut rules = rules;
    for (paths, access) in [
        (&orders.read, read),
        (&orders.look, read & !AccessFs::Execute),
        (&orders.devices, AccessFs::ReadFile | AccessFs::WriteFile),
        (&orders.write, anything_but_programs(version)),
    ] {
        for path in paths {
            rules = allow(rules, path, access, version)?;
        }
    }
    let status = rules.restrict_self()?;
    let denied = fs::read_dir("/").is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    if status.ruleset != RulesetStatus::FullyEnforced || !denied {
        return Err(ConfineError::NotHeld);
    }
    Ok(())
}

/// A set that handles all that a version of the interface knows of files, signals and sockets; an error where the kernel does
/// not know one of them.
fn ruleset(version: ABI) -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(version))?;
    let scope = Scope::from_all(version);
    match scope.is_empty() {
        true => rules.create(),
        false => rules.scope(scope)?.create(),
    }
}

fn anything_but_programs(version: ABI) -> BitFlags<AccessFs> {
    AccessFs::from_all(version) & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar)
}

fn allow(
    rules: RulesetCreated,
    path: &PathBuf,
    access: BitFlags<AccessFs>,
    version: ABI,
) -> Result<RulesetCreated, ConfineError> {
    let access = match fs::metadata(path)?.is_dir() {
        true => access,
        false => access & AccessFs::from_file(version),
    };
    let opened = PathFd::new(path).map_err(io::Error::other)?;
    Ok(rules.add_rule(PathBeneath::new(opened, access))?)
}
