//! What a sandbox shows of this system: programs and their libraries, and nothing else.
//!
//! Enters: paths that the operator adds. Leaves: the arguments of `bwrap`, and the same as rules for the launcher.
//! Refuses: a path that is not there, that `nobody` cannot reach, or that would hide what a sandbox has of its own.
//!
//! Of `/etc` there is `alternatives`, links that commands like `awk` go through, and `ld.so.cache`, without which libraries in
//! unusual places are not found. Neither says more than `/usr` does.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::program::NOBODY;

/// Where programs and libraries are. Some systems have them all below `/usr`, with links to it.
const PROGRAMS: [&str; 7] = [
    "/usr", "/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin",
];
const FILES: [&str; 2] = ["/etc/alternatives", "/etc/ld.so.cache"];
const DEVICES: [&str; 5] = [
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];
/// A sandbox's own places.
const OWN: [&str; 4] = ["/code", "/dev", "/proc", "/tmp"];

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// A path would hide what a sandbox has of its own.
    #[error("{} would hide a part of the sandbox itself", path.display())]
    Hides {
        /// The path.
        path: PathBuf,
    },
    /// No launcher was named.
    #[error("the launcher has no words; the first is its executable")]
    NoLauncher,
    /// A path cannot be reached by everybody, as code in a sandbox runs as nobody.
    #[error("{} cannot be reached by everybody: {} has mode {mode:o}", path.display(), at.display())]
    Unreachable {
        /// The path.
        path: PathBuf,
        /// The part of it that is not for everybody.
        at: PathBuf,
        /// The mode of that.
        mode: u32,
    },
    /// A path cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The paths, looked at once.
#[derive(Debug)]
pub(crate) struct View {
    /// Links, with where they lead.
    links: Vec<(&'static str, PathBuf)>,
    shown: Vec<PathBuf>,
    more: Vec<PathBuf>,
}

impl View {
    pub(crate) fn new(more: &[PathBuf]) -> Result<Self, SandboxError> {
        let (mut links, mut shown) = (Vec::new(), Vec::new());
        for place in PROGRAMS {
            match fs::read_link(place) {
                Ok(target) => links.push((place, target)),
                Err(_) if Path::new(place).is_dir() => shown.push(PathBuf::from(place)),
                Err(_) => {}
            }
        }
        shown.extend(
            FILES
                .map(PathBuf::from)
                .into_iter()
                .filter(|path| path.exists()),
        );
        let more = more.iter().map(|path| reachable(path));
        Ok(Self {
            links,
            shown,
            more: more.collect::<Result<_, _>>()?,
        })
    }

    /// The arguments for `bwrap`, up to the command.
    pub(crate) fn arguments(&self, code: &Path, disk_bytes: Option<u64>) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| all.extend(words.iter().map(|word| (*word).to_owned()));
        let nobody = NOBODY.to_string();
        for kind in ["cgroup", "ipc", "net", "pid", "user", "uts"] {
            add(&[&format!("--unshare-{kind}")]);
        }
        add(&["--uid", &nobody, "--gid", &nobody, "--hostname", "tenzik"]);
        add(&[
            "--cap-drop",
            "ALL",
            "--new-session",
            "--die-with-parent",
            "--as-pid-1",
            "--clearenv",
        ]);
        for (place, target) in &self.links {
            add(&["--symlink", &target.to_string_lossy(), place]);
        }
        let bind = |path: &Path| path.to_string_lossy().into_owned();
        for path in &self.shown {
            add(&["--ro-bind", &bind(path), &bind(path)]);
        }
        add(&["--proc", "/proc", "--size", "65536", "--tmpfs", "/dev"]);
        for device in DEVICES {
            add(&["--dev-bind", device, device]);
        }
        for (target, place) in [
            ("/proc/self/fd", "/dev/fd"),
            ("/proc/self/fd/0", "/dev/stdin"),
            ("/proc/self/fd/1", "/dev/stdout"),
            ("/proc/self/fd/2", "/dev/stderr"),
            ("/tmp", "/dev/shm"),
        ] {
            add(&["--symlink", target, place]);
        }
        add(&["--remount-ro", "/dev"]);
        if let Some(bytes) = disk_bytes {
            add(&["--size", &bytes.to_string()]);
        }
        add(&["--perms", "1777", "--tmpfs", "/tmp"]);
        for path in &self.more {
            add(&["--ro-bind", &bind(path), &bind(path)]);
        }
        add(&[
            "--ro-bind",
            &bind(code),
            "/code",
            "--remount-ro",
            "/",
            "--chdir",
            "/code",
        ]);
        all
    }

    /// What may be read and executed.
    pub(crate) fn read(&self) -> Vec<PathBuf> {
        let code = PathBuf::from("/code");
        let all = self.shown.iter().chain(&self.more).cloned();
        all.chain([code]).collect()
    }

    /// What may be read alone.
    pub(crate) fn look(&self) -> Vec<PathBuf> {
        vec![PathBuf::from("/proc"), PathBuf::from("/dev")]
    }

    /// Files that may be read and written.
    pub(crate) fn devices(&self) -> Vec<PathBuf> {
        DEVICES.map(PathBuf::from).into()
    }

    /// Where files may be made.
    pub(crate) fn write(&self) -> Vec<PathBuf> {
        vec![PathBuf::from("/tmp")]
    }
}

/// A path without links in it, which everybody can reach.
pub(super) fn reachable(path: &Path) -> Result<PathBuf, SandboxError> {
    let unreadable = |source| SandboxError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let real = path.canonicalize().map_err(unreadable)?;
    let own = OWN.map(Path::new);
    let is_own = real != Path::new("/tmp") && real.starts_with("/tmp");
    if !is_own
        && own
            .iter()
            .any(|own| own.starts_with(&real) || real.starts_with(own))
    {
        return Err(SandboxError::Hides { path: real });
    }
    if real.to_str().is_none() {
        return Err(unreadable(io::ErrorKind::InvalidFilename.into()));
    }
    for at in real.ancestors() {
        let found = fs::metadata(at).map_err(unreadable)?;
        let mode = found.permissions().mode() & 0o7777;
        // To be gone through, or, at the end, to be read.
        let needed = match at == real {
            true if found.is_dir() => 0o5,
            true => 0o4,
            false => 0o1,
        };
        if mode & needed != needed {
            return Err(SandboxError::Unreachable {
                path: real.clone(),
                at: at.to_owned(),
                mode,
            });
        }
    }
    Ok(real)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_for_everybody_is_refused_with_the_part_that_is_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let inner = directory.path().join("inner");
        fs::create_dir(&inner).expect("a directory");
        let owner = fs::Permissions::from_mode(0o700);
        fs::set_permissions(directory.path(), owner).expect("it is ours");
        let refused = View::new(std::slice::from_ref(&inner));
        assert!(
            matches!(refused, Err(SandboxError::Unreachable { at, .. }) if at == directory.path())
        );
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), everybody).expect("it is ours");
        assert!(View::new(&[inner]).is_ok());
    }

    #[test]
    fn what_would_hide_the_sandbox_itself_is_refused() {
        for path in ["/", "/proc", "/proc/1", "/dev", "/tmp"] {
            let refused = View::new(&[PathBuf::from(path)]);
            assert!(matches!(refused, Err(SandboxError::Hides { .. })), "{path}");
        }
    }
}
