//! How functions are run.
//!
//! Enters: a host's configuration. Leaves: the same, or everything that is wrong with it at once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::finding::{ConfigError, Finding, shown};
use super::permissions::Permissions;
use super::{environment, options};
use crate::digest::executable;

/// Where a runtime is looked for if nobody says where it is.
pub(super) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// With less none of them starts.
const HEAP_BYTES_MIN: u64 = 16 << 20;
/// More than any machine has.
const HEAP_BYTES_MAX: u64 = 1 << 44;

/// A JavaScript runtime. Each runs TypeScript too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Bun, from 1.2 on. It has no permissions.
    Bun,
    /// Deno, from 2 on.
    Deno,
    /// Node.js, from 20 on; TypeScript from 22 on.
    Node,
}

impl Runtime {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Bun, Self::Deno, Self::Node];

    /// Its name, which is its command's and its backend's too.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bun => "bun",
            Self::Deno => "deno",
            Self::Node => "node",
        }
    }
}

/// The pauses between attempts to start a worker. A worker that began to run code is never started again for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause; each is twice the one before. Default: 100 ms.
    pub initial: Duration,
    /// The longest pause. Default: 5 s.
    pub max: Duration,
    /// For how long it is tried in all, and for how long a worker may take to start. 0 is one attempt of at most 30 s.
    /// Default: 30 s, and never longer than the run may take.
    pub elapsed: Duration,
}

impl Backoff {
    /// Each pause, without an end.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        let max = self.max;
        std::iter::successors(Some(self.initial), move |pause| {
            Some(pause.saturating_mul(2).min(max))
        })
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(100),
            max: Duration::from_secs(5),
            elapsed: Duration::from_secs(30),
        }
    }
}

/// What a sandbox needs that workers run in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaScriptSandbox {
    /// As [`SandboxConfig::launcher`](crate::SandboxConfig::launcher).
    pub launcher: Vec<String>,
    /// The executable of bubblewrap. Default: `bwrap`, where the system has it.
    pub bubblewrap: PathBuf,
}

impl JavaScriptSandbox {
    /// With this launcher.
    pub fn new(launcher: Vec<String>) -> Self {
        Self {
            launcher,
            bubblewrap: executable("bwrap", PATH)
                .unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap")),
        }
    }
}

/// How functions are run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JavaScriptConfig {
    /// Which runtime.
    pub runtime: Runtime,
    /// Its executable. Default: where the system has it.
    pub executable: PathBuf,
    /// When a worker that does not start is started again.
    pub backoff: Backoff,
    /// Variables for every function, beside those of its request, which count where both have one.
    pub environment: BTreeMap<String, String>,
    /// The most bytes of V8's old generation, for Deno and Node. Default: the run's limit on memory, if it has one. It makes a
    /// heap collect in time; what holds the limit is the control group.
    pub heap_bytes_max: Option<u64>,
    /// Options of the runtime's own, each in one word: `--name` or `--name=value`.
    pub options: Vec<String>,
    /// What functions may do.
    pub permissions: Permissions,
    /// The sandbox that workers run in, for `standard` and what is below. Default: none, and then it serves `dev` alone.
    pub sandbox: Option<JavaScriptSandbox>,
    /// The most bytes of standard error that are kept, if that is less than the run's limit on output.
    pub stderr_bytes_max: Option<u64>,
    /// The longest that a call may take, if that is less than the run's limit.
    pub timeout_max: Option<Duration>,
    /// The mode of the file that the worker is started from. Default: 0444.
    pub worker_file_mode: u32,
    /// How long a worker that waits is kept. Default: 60 s.
    pub workers_idle_max: Duration,
    /// How many workers that wait are kept. Each serves the same tenant, code, environment, limits and profile again, and keeps
    /// what the code left in its globals. 0 is a fresh process for each call. Default: 8.
    pub workers_max: usize,
}

impl JavaScriptConfig {
    /// A runtime where the system has it, with every default.
    pub fn new(runtime: Runtime) -> Self {
        let name = runtime.name();
        let found = executable(name, PATH).unwrap_or_else(|| PathBuf::from("/usr/bin").join(name));
        Self {
            runtime,
            executable: found,
            backoff: Backoff::default(),
            environment: BTreeMap::new(),
            heap_bytes_max: None,
            options: Vec::new(),
            permissions: Permissions::default(),
            sandbox: None,
            stderr_bytes_max: None,
            timeout_max: None,
            worker_file_mode: 0o444,
            workers_idle_max: Duration::from_secs(60),
            workers_max: 8,
        }
    }

    /// Holds all of it against what can be.
    ///
    /// # Errors
    /// [`ConfigError`] with each finding.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::of(self.findings())
    }

    pub(super) fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let Backoff { initial, max, .. } = self.backoff;
        if initial.is_zero() || max < initial {
            findings.push(Finding::Backoff {
                initial_ms: initial.as_millis(),
                max_ms: max.as_millis(),
            });
        }
        self.check_heap(&mut findings);
        for option in &self.options {
            if !options::is_allowed(self.runtime, option) {
                findings.push(Finding::Option {
                    option: shown(option),
                    runtime: self.runtime,
                });
            }
        }
        let sandboxed = self.sandbox.is_some();
        self.permissions
            .check(self.runtime, sandboxed, &mut findings);
        if self.timeout_max.is_some_and(|time| time.as_millis() == 0) {
            findings.push(Finding::Timeout);
        }
        self.check_environment(&mut findings);
        // In a sandbox it is nobody who reads it.
        let (mode, read) = (
            self.worker_file_mode,
            if self.sandbox.is_some() { 0o404 } else { 0o400 },
        );
        if mode & !0o755 != 0 || mode & read != read {
            findings.push(Finding::WorkerFileMode { mode });
        }
        findings
    }

    fn check_heap(&self, findings: &mut Vec<Finding>) {
        let Some(bytes) = self.heap_bytes_max else {
            return;
        };
        let allowed = match self.runtime {
            Runtime::Bun => "it has no such bound; the memory limit holds",
            _ if (HEAP_BYTES_MIN..=HEAP_BYTES_MAX).contains(&bytes) => return,
            _ => "16 MiB to 16 TiB are allowed",
        };
        findings.push(Finding::Heap {
            runtime: self.runtime,
            bytes,
            allowed,
        });
    }

    fn check_environment(&self, findings: &mut Vec<Finding>) {
        for (name, value) in &self.environment {
            let refusal = environment::refusal(name)
                .or_else(|| {
                    (!self.permissions.allows_variable(name))
                        .then_some("is not among the permitted")
                })
                .or_else(|| {
                    value
                        .contains('\0')
                        .then_some("has a zero byte in its value")
                });
            if let Some(reason) = refusal {
                findings.push(Finding::Variable {
                    name: shown(name),
                    reason,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut config = JavaScriptConfig::new(Runtime::Bun);
        config.backoff.max = Duration::ZERO;
        config
            .environment
            .insert("LD_PRELOAD".to_owned(), "/x.so".to_owned());
        config.environment.insert("A".to_owned(), "\0".to_owned());
        config.heap_bytes_max = Some(1 << 30);
        config.options = vec![
            "--smol".to_owned(),
            "--preload=x".to_owned(),
            "-r".to_owned(),
        ];
        config.permissions.grant("net").expect("a kind");
        config.permissions.grant("read=etc").expect("a kind");
        config.timeout_max = Some(Duration::ZERO);
        config.worker_file_mode = 0o666;
        let error = config.check().expect_err("findings");
        assert_eq!(error.findings().len(), 11, "{error}");
        let text = error.to_string();
        for word in [
            "backoff",
            "LD_PRELOAD",
            "heap",
            "--preload=x",
            "\"-r\"",
            "net",
            "etc",
            "timeout",
            "666",
        ] {
            assert!(text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff {
            initial: Duration::from_millis(100),
            max: Duration::from_millis(700),
            ..Backoff::default()
        };
        let pauses = backoff.pauses().take(6).map(|pause| pause.as_millis());
        assert_eq!(pauses.collect::<Vec<_>>(), [100, 200, 400, 700, 700, 700]);
        let longest = Backoff {
            initial: Duration::MAX,
            max: Duration::MAX,
            ..backoff
        };
        assert_eq!(longest.pauses().nth(2), Some(Duration::MAX));
    }

    #[test]
    fn defaults_are_right_for_each() {
        for runtime in Runtime::ALL {
            assert_eq!(JavaScriptConfig::new(runtime).check(), Ok(()));
        }
    }
}
