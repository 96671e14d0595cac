//! A PostgreSQL server of the test's own, in a temporary folder, on a Unix socket.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Stopped when it is dropped.
pub(crate) struct Server {
    folder: TempDir,
    binaries: PathBuf,
}

impl Server {
    /// Starts one. `None`, with a word why, where PostgreSQL is not installed; where nothing may be skipped, that is a
    /// failure.
    pub(crate) fn start() -> Option<Self> {
        let Some(binaries) = binaries() else {
            let reason = "no PostgreSQL server: install the package postgresql";
            assert!(
                std::env::var_os("CI").is_none_or(|ci| ci != "true"),
                "{reason}"
            );
            eprintln!("skipped: {reason}");
            return None;
        };
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .expect("a folder");
        let server = Self { folder, binaries };
        server.own();
        let data = server.data();
        server.run(
            "initdb",
            &["-D", &data, "-A", "trust", "-U", "tenzik", "--no-sync"],
        );
        server.start_again();
        Some(server)
    }

    /// A connection string, with a new schema of this name.
    pub(crate) fn schema(&self, name: &str) -> String {
        let socket = self.folder.path().display();
        let sql = format!("CREATE SCHEMA {name}");
        let socket_text = socket.to_string();
        self.run(
            "psql",
            &[
                "-q",
                "-h",
                &socket_text,
                "-U",
                "tenzik",
                "-d",
                "postgres",
                "-c",
                &sql,
            ],
        );
        format!("host={socket} user=tenzik dbname=postgres options='-c search_path={name}'")
    }

    pub(crate) fn start_again(&self) {
        let (data, socket) = (self.data(), self.folder.path().display());
        let options = format!("-k {socket} -c listen_addresses='' -c max_connections=20");
        self.run(
            "pg_ctl",
            &[
                "-D",
                &data,
                "-o",
                &options,
                "-l",
                &format!("{socket}/log"),
                "-w",
                "start",
            ],
        );
    }

    /// As a crash does it.
    pub(crate) fn kill(&self) {
        self.run(
            "pg_ctl",
            &["-D", &self.data(), "-m", "immediate", "-w", "stop"],
        );
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self
            .command(program)
            .args(arguments)
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{program}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The server refuses to run as root.
    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = match is_root() {
            true => Command::new("runuser"),
            false => Command::new(&program),
        };
        if is_root() {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        command.current_dir(self.folder.path());
        command
    }

    fn own(&self) {
        if is_root() {
            let owned = Command::new("chown")
                .arg("postgres")
                .arg(self.folder.path())
                .status();
            assert!(owned.expect("chown").success());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let stop = ["-D", &data, "-m", "immediate", "stop"];
        // It may be stopped already, and a panic here would hide the test's own.
        let _ = self.command("pg_ctl").args(stop).output();
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Debian keeps each version's programs in a folder of its own.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let debian = versions.flatten().map(|version| version.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path: Vec<_> = std::env::split_paths(&path).collect();
    let has_server = |folder: &PathBuf| Path::new(folder).join("initdb").exists();
    debian.chain(path).find(has_server)
}
