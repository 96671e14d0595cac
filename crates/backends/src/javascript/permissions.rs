//! What a function may do beside computing: one form for all three runtimes.
//!
//! Enters: what a host grants. Leaves: a runtime's own flags. Refuses: what the runtime cannot give, or could not keep to what
//! was granted.
//!
//! | | Deno | Node | Bun |
//! |---|---|---|---|
//! | `env` | those variables alone are there, and it may read them | those alone are there | those alone are there |
//! | `net` | by host and port | all or nothing, from Node 25 on; before, it is not denied | not denied |
//! | `read`, `write` | by path | by path | not denied |
//! | `run` | by program | all or nothing | not denied |
//!
//! Bun takes permission flags and does nothing about them, so there is nothing that it could be granted. None of it is a
//! boundary: above `dev` that is the operating system's sandbox.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tenzik::backend::BackendError;
use tenzik_receipt::Label;

use super::config::Runtime;
use super::finding::{Finding, shown};

const KINDS: [&str; 5] = ["env", "net", "read", "run", "write"];

/// What is granted of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant<T> {
    /// All of it.
    All,
    /// These alone; none of them is nothing.
    Only(BTreeSet<T>),
}

impl<T: Ord> Grant<T> {
    /// Nothing.
    pub const fn nothing() -> Self {
        Self::Only(BTreeSet::new())
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(values) if values.is_empty())
    }

    fn add(&mut self, value: T) {
        if let Self::Only(values) = self {
            values.insert(value);
        }
    }
}

/// What a function may do. By default it may have what variables its request gives it, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Variables that a request may set. Nothing of this process's own environment is ever passed on. Default: all.
    pub env: Grant<String>,
    /// Hosts that may be reached, `HOST` or `HOST:PORT`. Default: none.
    pub net: Grant<String>,
    /// Files and directories that may be read, beside the code. Absolute paths. Default: none.
    pub read: Grant<PathBuf>,
    /// Programs that may be started. Default: none.
    pub run: Grant<String>,
    /// Files and directories that may be written. Absolute paths. Default: none.
    pub write: Grant<PathBuf>,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            env: Grant::All,
            net: Grant::nothing(),
            read: Grant::nothing(),
            run: Grant::nothing(),
            write: Grant::nothing(),
        }
    }
}

impl Permissions {
    /// Grants what a text says: `read` for all, or `read=/data` for one. The kinds are those of the fields. The first variable
    /// that is named leaves out all that are not.
    ///
    /// # Errors
    /// [`Finding::Permission`], if there is no such kind. Whether a value can be had is said of the whole configuration.
    pub fn grant(&mut self, text: &str) -> Result<(), Finding> {
        let (kind, value) = match text.split_once('=') {
            Some((kind, value)) => (kind, Some(value)),
            None => (text, None),
        };
        match kind {
            "env" => {
                // All are there by default: to name one is to leave out the others.
                if value.is_some() && self.env == Grant::All {
                    self.env = Grant::nothing();
                }
                add(&mut self.env, value.map(str::to_owned));
            }
            "net" => add(&mut self.net, value.map(str::to_owned)),
            "read" => add(&mut self.read, value.map(PathBuf::from)),
            "run" => add(&mut self.run, value.map(str::to_owned)),
            "write" => add(&mut self.write, value.map(PathBuf::from)),
            _ => {
                return Err(Finding::Permission {
                    permission: "a permission",
                    value: shown(kind),
                    allowed: "env, net, read, run or write",
                });
            }
        }
        Ok(())
    }

    /// Everything that keeps them from being granted with a runtime.
    pub(super) fn check(&self, runtime: Runtime, sandboxed: bool, findings: &mut Vec<Finding>) {
        for (permission, grant) in [("read", &self.read), ("write", &self.write)] {
            let Grant::Only(paths) = grant else { continue };
            for path in paths.iter().filter(|path| !is_plain_path(path)) {
                findings.push(Finding::Permission {
                    permission,
                    value: shown(&path.to_string_lossy()),
                    allowed: "an absolute path without `..`, `,`, `*` and control characters",
                });
            }
        }
        let names = [
            (
                "env",
                &self.env,
                is_variable as fn(&str) -> bool,
                "a variable's name",
            ),
            ("net", &self.net, is_host, "HOST or HOST:PORT"),
            (
                "run",
                &self.run,
                is_program,
                "a program's name or absolute path",
            ),
        ];
        for (permission, grant, fits, allowed) in names {
            let Grant::Only(values) = grant else { continue };
            for value in values.iter().filter(|value| !fits(value)) {
                findings.push(Finding::Permission {
                    permission,
                    value: shown(value),
                    allowed,
                });
            }
        }
        self.check_told(findings);
        self.check_support(runtime, sandboxed, findings);
    }

    /// A receipt says what was granted, word for word: what it has no words for is not granted.
    fn check_told(&self, findings: &mut Vec<Finding>) {
        for text in self.texts() {
            let (kind, value) = text.split_once('=').unwrap_or((&text, ""));
            let permission = KINDS.into_iter().find(|known| *known == kind);
            if let Some(permission) = permission.filter(|_| Label::new(text.clone()).is_err()) {
                findings.push(Finding::Permission {
                    permission,
                    value: shown(value),
                    allowed: "what a receipt can say: up to 250 printable ASCII characters without quotes and backslashes",
                });
            }
        }
    }

    fn check_support(&self, runtime: Runtime, sandboxed: bool, findings: &mut Vec<Finding>) {
        let mut unsupported = |permission, reason| {
            findings.push(Finding::PermissionUnsupported {
                permission,
                runtime,
                reason,
            });
        };
        if sandboxed {
            self.check_sandbox(&mut unsupported);
        }
        match runtime {
            // It ignores permissions. What may be read is kept by a sandbox, and there alone.
            Runtime::Bun => {
                for (permission, granted) in [
                    ("net", !self.net.is_nothing() && !sandboxed),
                    ("read", !self.read.is_nothing() && !sandboxed),
                    ("run", !self.run.is_nothing()),
                    ("write", !self.write.is_nothing() && !sandboxed),
                ] {
                    if granted {
                        unsupported(permission, "it ignores permissions");
                    }
                }
            }
            Runtime::Node => {
                let some_hosts = matches!(&self.net, Grant::Only(hosts) if !hosts.is_empty());
                let some_programs = matches!(&self.run, Grant::Only(names) if !names.is_empty());
                for (permission, scoped) in [("net", some_hosts), ("run", some_programs)] {
                    if scoped {
                        unsupported(permission, "it gives all or nothing");
                    }
                }
            }
            Runtime::Deno => {}
        }
    }

    /// What a sandbox cannot give: it has no network, and of this system's files those that it shows, read-only.
    fn check_sandbox(&self, mut unsupported: impl FnMut(&'static str, &'static str)) {
        let writes_outside = match &self.write {
            Grant::All => true,
            Grant::Only(paths) => !paths.iter().all(|path| path.starts_with("/tmp")),
        };
        if !self.net.is_nothing() {
            unsupported("net", "a sandbox has no network");
        }
        if self.read == Grant::All {
            unsupported("read", "a sandbox shows what is named");
        }
        if writes_outside {
            unsupported(
                "write",
                "in a sandbox there is /tmp to write, and nothing else",
            );
        }
    }

    /// Whether a request may set a variable.
    pub(super) fn allows_variable(&self, name: &str) -> bool {
        match &self.env {
            Grant::All => true,
            Grant::Only(names) => names.contains(name),
        }
    }

    /// Each grant as a text, such as `read=/data`, in order.
    pub(super) fn texts(&self) -> Vec<String> {
        fn texts<'a, T: 'a>(
            kind: &str,
            grant: &'a Grant<T>,
            text: impl Fn(&'a T) -> String,
        ) -> Vec<String> {
            match grant {
                Grant::All => vec![kind.to_owned()],
                Grant::Only(values) => values
                    .iter()
                    .map(|value| format!("{kind}={}", text(value)))
                    .collect(),
            }
        }
        let path = |path: &PathBuf| path.display().to_string();
        [
            texts("env", &self.env, String::clone),
            texts("net", &self.net, String::clone),
            texts("read", &self.read, path),
            texts("run", &self.run, String::clone),
            texts("write", &self.write, path),
        ]
        .concat()
    }
}

fn add<T: Ord>(grant: &mut Grant<T>, value: Option<T>) {
    match value {
        Some(value) => grant.add(value),
        None => *grant = Grant::All,
    }
}

/// Runtimes cut lists of paths at commas, and Node reads `*` as any name.
fn is_plain_path(path: &Path) -> bool {
    let plain = |text: &str| !text.contains([',', '*']) && !text.chars().any(char::is_control);
    path.is_absolute()
        && path.to_str().is_some_and(plain)
        && !path
            .components()
            .any(|part| part == std::path::Component::ParentDir)
}

/// Whether the worker's own directory can be granted as it is.
pub(super) fn check_own(path: &Path) -> Result<(), BackendError> {
    match is_plain_path(path) {
        true => Ok(()),
        false => Err(BackendError::failed(
            "start",
            "the directory for temporary files has a name that is not plain",
        )),
    }
}

fn is_variable(name: &str) -> bool {
    super::environment::refusal(name).is_none()
}

fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    (1..=255).contains(&host.len()) && host.bytes().all(plain) && !host.starts_with('-')
}

fn is_program(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-/".contains(&byte);
    let place = name.starts_with('/') || !name.contains('/');
    (1..=1_024).contains(&name.len()) && name.bytes().all(plain) && place && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(runtime: Runtime, grants: &[&str]) -> Vec<Finding> {
        found(runtime, false, grants)
    }

    fn found(runtime: Runtime, sandboxed: bool, grants: &[&str]) -> Vec<Finding> {
        let mut permissions = Permissions::default();
        for grant in grants {
            permissions.grant(grant).expect("a kind");
        }
        let mut findings = Vec::new();
        permissions.check(runtime, sandboxed, &mut findings);
        findings
    }

    #[test]
    fn a_sandbox_gives_files_to_read_and_a_place_to_write() {
        for runtime in Runtime::ALL {
            assert_eq!(found(runtime, true, &["read=/data", "write=/tmp"]), []);
            assert_eq!(found(runtime, true, &["read", "write", "net"]).len(), 3);
            assert_eq!(found(runtime, true, &["write=/data"]).len(), 1);
        }
    }

    #[test]
    fn what_a_runtime_cannot_keep_is_refused() {
        let all = ["net", "read", "run", "write", "env=A"];
        assert_eq!(findings(Runtime::Deno, &all), []);
        assert_eq!(findings(Runtime::Node, &all), []);
        assert_eq!(findings(Runtime::Bun, &all).len(), 4);
        assert_eq!(
            findings(Runtime::Node, &["net=a.example:443", "run=git"]).len(),
            2
        );
        assert_eq!(
            findings(
                Runtime::Deno,
                &["net=a.example:443", "run=git", "read=/data"]
            ),
            []
        );
    }

    /// Such a grant was in force, and the receipt had `null` in its place.
    #[test]
    fn a_grant_that_a_receipt_cannot_say_is_refused() {
        let long = format!("read=/{}", "a".repeat(300));
        for grant in [long.as_str(), "read=/\u{e4}", "read=/a\"b", "write=/a\\b"] {
            let found = findings(Runtime::Deno, &[grant]);
            assert!(
                matches!(
                    found.as_slice(),
                    [Finding::Permission { allowed, .. }] if allowed.contains("receipt")
                ),
                "{found:?}"
            );
        }
        let longest = format!("read=/{}", "a".repeat(250));
        assert_eq!(findings(Runtime::Deno, &[&longest]), []);
    }

    #[test]
    fn a_value_that_would_be_more_than_one_is_refused() {
        for grant in [
            "read=/data,/etc",
            "read=/data/*",
            "read=data",
            "read=/data/../etc",
            "write=",
            "net=a,b",
            "net=",
            "net=--allow-all",
            "run=-x",
            "run=bin/sh",
            "env=LD_PRELOAD",
            "env=A,B",
        ] {
            assert_eq!(findings(Runtime::Deno, &[grant]).len(), 1, "{grant}");
        }
        assert!(Permissions::default().grant("ffi").is_err());
    }
}
