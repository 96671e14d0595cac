//! A run's directory that its container sees: the way in and out of it.
//!
//! Enters: an input, whether there are tools. Leaves: our ends of the program's streams, and the word that lets it begin.
//! Refuses: to open anything there once the container is.
//!
//! | name | |
//! |---|---|
//! | `launch` | the launcher, `launch.c` |
//! | `in` | the input, a file: descriptor 0 |
//! | `out`, `err`, `result` | pipes: descriptors 1, 2, 3 |
//! | `tools` | a socket: descriptor 4. It takes one connection, the launcher's |
//! | `go` | a pipe that the launcher waits at |
//!
//! It lies in a directory of mode 0700, belongs to this process's user, and nobody else may write there. The pipes are opened
//! here before there is a container, and never block us; a pipe holds as much as the kernel gives it, and no more.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use tenzik::backend::BackendError;

use crate::launcher::{LAUNCHER, Report, ReportLine};
use crate::supervise::Streams;

/// The host's side.
#[derive(Debug)]
pub(super) struct Way {
    path: PathBuf,
    go: File,
    out: File,
    err: File,
    result: File,
    tools: Option<UnixListener>,
    told: ReportLine,
}

impl Way {
    /// Makes it below a private directory.
    pub(super) fn new(private: &Path, input: &[u8], tools: bool) -> Result<Self, BackendError> {
        Self::make(private, input, tools).map_err(|error| failed(&error))
    }

    fn make(private: &Path, input: &[u8], tools: bool) -> io::Result<Self> {
        let path = private.join("way");
        fs::create_dir(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        place(&path.join("launch"), LAUNCHER, 0o555)?;
        place(&path.join("in"), input, 0o444)?;
        let listener = tools.then(|| listen(&path.join("tools"))).transpose()?;
        Ok(Self {
            go: pipe(&path.join("go"))?,
            out: pipe(&path.join("out"))?,
            err: pipe(&path.join("err"))?,
            result: pipe(&path.join("result"))?,
            tools: listener,
            told: ReportLine::default(),
            path,
        })
    }

    /// Where it is on the host.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The launcher's report, once it is there whole: then every stream is open at the other end.
    pub(super) fn report(&mut self) -> Result<Option<Report>, BackendError> {
        // What is behind the line would be nobody's: the launcher says no more before it has the word.
        let mut piece = [0; 64];
        let count = match self.result.read(&mut piece) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(failed(&error)),
        };
        let rest = self.told.take(&piece[..count]);
        match self.told.report() {
            Some(report) if rest.is_empty() => Ok(Some(report)),
            _ if self.told.is_whole() => {
                Err(BackendError::failed("start", "the launcher said nonsense"))
            }
            _ => Ok(None),
        }
    }

    /// The launcher's connection to the tools, which is there when it has reported. No other is taken.
    pub(super) fn connection(&mut self) -> Result<Option<UnixStream>, BackendError> {
        let Some(listener) = self.tools.take() else {
            return Ok(None);
        };
        let (stream, _) = listener.accept().map_err(|error| failed(&error))?;
        stream
            .set_nonblocking(false)
            .map_err(|error| failed(&error))?;
        Ok(Some(stream))
    }

    /// Lets the program begin, and gives our ends of its streams.
    pub(super) fn go(mut self) -> Result<Streams, BackendError> {
        self.go.write_all(b"\n").map_err(|error| failed(&error))?;
        let some = |file: File| Some(OwnedFd::from(file));
        Ok(Streams {
            stdin: None,
            stdout: some(self.out),
            stderr: some(self.err),
            result: some(self.result),
        })
    }
}

fn place(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A pipe by name, open here for both directions: so neither side ever waits for the other to open it.
fn pipe(path: &Path) -> io::Result<File> {
    let mode = Mode::from_raw_mode(0o666);
    mknodat(CWD, path, FileType::Fifo, mode, 0)?;
    // The mode that was asked for is narrowed by this process's mask.
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

fn failed(error: &io::Error) -> BackendError {
    BackendError::failed("prepare the container's directory", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::executable;
    use crate::launcher::PLACE;

    #[test]
    fn a_report_is_two_numbers_and_a_program_has_not_spoken_before_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut way = Way::new(directory.path(), b"1", false).expect("a way");
        assert_eq!(way.report().expect("nothing yet"), None);
        let mut other = fs::OpenOptions::new()
            .write(true)
            .open(way.path().join("result"))
            .expect("a pipe");
        other.write_all(b"4096 ").expect("it holds that");
        assert_eq!(way.report().expect("half a line"), None);
        other.write_all(b"1\n").expect("it holds that");
        let report = Report {
            tmp_bytes: 4_096,
            root_read_only: true,
        };
        assert_eq!(way.report().expect("a line"), Some(report));
    }

    #[test]
    fn what_is_no_report_is_refused_and_never_kept_without_bound() {
        for text in ["{\"ok\":1}\n", &"1".repeat(200), "-1 1\n", "\n"] {
            let directory = tempfile::tempdir().expect("a directory");
            let mut way = Way::new(directory.path(), b"1", false).expect("a way");
            let mut other = fs::OpenOptions::new()
                .write(true)
                .open(way.path().join("result"))
                .expect("a pipe");
            other.write_all(text.as_bytes()).expect("it holds that");
            let refused = (0..4).any(|_| way.report().is_err());
            assert!(refused, "{text:?}");
        }
    }

    /// The launcher opened the pipe of the word only after its report. Where the host had spoken and let go by then, there was
    /// nobody at the other end, and it waited until the run's time was over.
    #[test]
    fn the_launcher_has_the_pipe_of_the_word_before_it_reports() {
        let Some(bubblewrap) = executable("bwrap", "/usr/local/bin:/usr/bin:/bin") else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no bubblewrap");
            return;
        };
        let directory = tempfile::tempdir().expect("a directory");
        let way = Way::new(directory.path(), b"1", false).expect("a way");
        // Its report finds no room.
        while (&way.result).write(&[0; 4_096]).is_ok() {}
        let mut launcher = std::process::Command::new(bubblewrap)
            .args(["--die-with-parent", "--tmpfs", "/tmp", "--bind"])
            .arg(way.path())
            .args([PLACE, "/.tenzik/launch", "3", "/none"])
            .spawn()
            .expect("it starts");
        let opened = (0..1_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            somebody_else_has(&way.go)
        });
        let ended = launcher.try_wait().expect("a child");
        let _ = launcher.kill();
        launcher.wait().expect("an end");
        assert!(opened && ended.is_none(), "{ended:?}");
    }

    /// Whether a process beside this one has a file open.
    fn somebody_else_has(file: &File) -> bool {
        use std::os::unix::fs::MetadataExt as _;

        let place = |told: fs::Metadata| (told.dev(), told.ino());
        let wanted = place(file.metadata().expect("it is open"));
        let own = std::process::id().to_string();
        let processes = fs::read_dir("/proc").expect("processes").flatten();
        processes
            .filter(|process| {
                let name = process.file_name().to_string_lossy().into_owned();
                name != own && name.bytes().all(|byte| byte.is_ascii_digit())
            })
            .filter_map(|process| fs::read_dir(process.path().join("fd")).ok())
            .flat_map(|open| open.flatten())
            .any(|open| fs::metadata(open.path()).is_ok_and(|told| place(told) == wanted))
    }

    /// The launcher's connection is the run's. A program that opens the socket by its name finds nobody there.
    #[test]
    fn the_socket_to_the_tools_takes_one_connection() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut way = Way::new(directory.path(), b"1", true).expect("a way");
        let socket = way.path().join("tools");
        let mut launcher = UnixStream::connect(&socket).expect("a listener");
        let mut second = UnixStream::connect(&socket).expect("room for one more");
        let mut ours = way.connection().expect("a connection").expect("tools");
        ours.write_all(b"1").expect("it is open");
        let mut told = [0];
        launcher
            .read_exact(&mut told)
            .expect("the first is the run's");
        let second = second.read(&mut told);
        assert!(matches!(second, Ok(0) | Err(_)), "{second:?}");
        assert!(UnixStream::connect(&socket).is_err());
        assert!(way.connection().expect("no more").is_none());
    }
}
