//! A worker's start: which runtime, with which files, in what.
//!
//! Enters: a configuration, and the code for which a worker is. Leaves: a worker that is ready, and has loaded no code yet.
//! Refuses: a runtime that is not there, is too old or is something else; a place that cannot be granted as it is.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use tenzik::backend::BackendError;
use tenzik::router::{Limit, Program, RunLimits};
use tenzik_receipt::Blake3;

use super::command::{Places, Purpose, Version};
use super::config::{JavaScriptConfig, PATH, Runtime};
use super::finding::Finding;
use super::permissions::{Grant, check_own};
use super::worker::{Worker, start_until};
use super::{JavaScript, command, host};
use crate::program::Private;
use crate::sandbox::{Enclosure, Parts};

/// The worker's own script.
const WORKER: &str = include_str!("worker.mjs");

impl JavaScript {
    /// The runtime's executable, by its digest, and its version.
    pub(super) fn runtime(&self) -> Result<(Blake3, Version), BackendError> {
        let (runtime, executable) = (self.config.runtime, &self.config.executable);
        let missing = |error| {
            BackendError::failed("find the runtime", format!("{}: {error}", runtime.name()))
        };
        let digest = self.digests.of(executable).map_err(missing)?;
        let known = self.versions().get(&digest).cloned();
        let version = match known {
            Some(version) => version,
            None => {
                let version = ask_version(runtime, executable)?;
                self.versions().insert(digest, version.clone());
                version
            }
        };
        match version.refusal(runtime) {
            None => Ok((digest, version)),
            Some(reason) => Err(BackendError::denied("find the runtime", reason)),
        }
    }

    fn versions(&self) -> MutexGuard<'_, HashMap<Blake3, Version>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new worker with the code beside it.
    pub(super) fn start(
        &self,
        version: &Version,
        program: Option<&Program>,
        environment: &BTreeMap<String, String>,
        limits: &RunLimits,
        goes_on: impl Fn() -> bool,
    ) -> Result<Worker, BackendError> {
        let private = Private::of(program)?;
        check_own(private.path())?;
        self.write_worker(&private)?;
        let seen = match &self.enclosure {
            None => private.path(),
            Some(_) => {
                private.lend_to_nobody()?;
                Path::new("/code")
            }
        };
        let places = Places::below(seen);
        let purpose = Purpose {
            language: program.map_or("javascript", |program| program.language.as_str()),
            memory_bytes: limits.get(Limit::MemoryBytes),
            variables: environment.keys().map(String::as_str).collect(),
        };
        let words = command::words(&self.config, version, &places, &purpose);
        let worker = start_until(&self.config.backoff, &goes_on, |until| {
            let goes_on = || goes_on() && Instant::now() < until;
            match &self.enclosure {
                None => {
                    let mut command = Command::new(&self.config.executable);
                    let all = with_own(environment, &shown(private.path()));
                    command
                        .args(&words)
                        .current_dir(private.code())
                        .env_clear()
                        .envs(all)
                        .process_group(0);
                    Worker::start(command.into(), host::plain, goes_on)
                }
                Some(enclosure) => {
                    let executable = shown(&self.config.executable);
                    let (prepared, waiting) = enclosure.prepare(&Parts {
                        words: [&[executable], &words[..]].concat(),
                        environment: with_own(environment, "/tmp"),
                        code: private.path(),
                        limits,
                        gateway: false,
                    })?;
                    Worker::start(
                        prepared,
                        |command| host::sandboxed(command, waiting, &goes_on),
                        goes_on,
                    )
                }
            }
        })?;
        Ok(worker.with(private, places.code))
    }

    /// The worker's own files, beside the code.
    fn write_worker(&self, private: &Private) -> Result<(), BackendError> {
        let failed = |error| BackendError::failed("write the worker", error);
        let places = Places::below(private.path());
        for (path, text, mode) in [
            (&places.nothing, "", 0o444),
            (&places.worker, WORKER, self.config.worker_file_mode),
        ] {
            fs::write(path, text).map_err(failed)?;
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }
}

/// The sandbox of a configuration, if it has one: it shows the runtime, and what code may read.
pub(super) fn enclosure(config: &JavaScriptConfig) -> Result<Option<Enclosure>, Finding> {
    let Some(sandbox) = &config.sandbox else {
        return Ok(None);
    };
    let mut read_only = Vec::new();
    // One that is missing is told by the probe.
    if !config.executable.starts_with("/usr") && config.executable.exists() {
        read_only.push(config.executable.clone());
    }
    if let Grant::Only(paths) = &config.permissions.read {
        read_only.extend(paths.iter().cloned());
    }
    let made = Enclosure::new(&sandbox.bubblewrap, &sandbox.launcher, &read_only);
    made.map(Some).map_err(|error| Finding::Sandbox {
        reason: error.to_string(),
    })
}

/// All variables of a worker: those that it was given, and what every runtime needs.
fn with_own(environment: &BTreeMap<String, String>, home: &str) -> BTreeMap<String, String> {
    let own = [
        ("DENO_DIR", format!("{home}/deno")),
        ("HOME", home.to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("NO_COLOR", "1".to_owned()),
        ("PATH", PATH.to_owned()),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value));
    own.into_iter().chain(environment.clone()).collect()
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A runtime's own word on its version.
fn ask_version(runtime: Runtime, executable: &Path) -> Result<Version, BackendError> {
    let told = Command::new(executable)
        .arg("--version")
        .env_clear()
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| BackendError::failed("find the runtime", error))?;
    let version = Version::read(runtime, &String::from_utf8_lossy(&told.stdout));
    version.ok_or_else(|| {
        BackendError::failed(
            "find the runtime",
            format!("it is no {}, by what it says", runtime.name()),
        )
    })
}
