//! A Docker engine of the tests' own, as root, in a directory of its own. With the tests it ends, however they end.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tenzik_backends::{Docker, DockerConfig};
use tenzik_receipt::Sha256;

use super::{busybox_root, missing, shell_command};

/// Starts an engine, ends it when its standard input is closed, and leaves nothing behind.
const KEEPER: &str = r#"
dockerd --config-file "$0/daemon.json" --data-root "$0/data" --exec-root "$0/exec" -H "unix://$0/docker.sock" -p "$0/pid" \
    --iptables=false --ip-forward=false --ip-masq=false --bridge=none >"$0/log" 2>&1 </dev/null &
engine=$!
read -r _
kill "$engine"
wait "$engine"
rm -rf "$0"
"#;

pub(crate) struct Engine {
    directory: PathBuf,
    pub(crate) image: Sha256,
    /// Whether it has gVisor.
    pub(crate) gvisor: bool,
    /// Its standard input is open as long as this process is there.
    _keeper: Child,
}

/// The one engine of this test file; `None` where there can be none, with the reason told.
pub(crate) fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceLock<Option<Engine>> = OnceLock::new();
    ENGINE.get_or_init(Engine::start).as_ref()
}

impl Engine {
    /// One more, of which only its test knows.
    pub(crate) fn another() -> Option<Self> {
        Self::start()
    }

    /// Where its containerd listens: an argument of each shim.
    pub(crate) fn containerd(&self) -> String {
        let socket = self.directory.join("exec/containerd/containerd.sock");
        socket.display().to_string()
    }

    fn start() -> Option<Self> {
        let is_root = Command::new("id").arg("-u").output();
        if is_root.ok().is_none_or(|told| told.stdout != b"0\n") {
            missing("a Docker engine is started by root only");
            return None;
        }
        let there = |name: &str| {
            let told = Command::new(name)
                .arg("--version")
                .stderr(Stdio::null())
                .output();
            told.is_ok_and(|told| told.status.success())
        };
        if !there("dockerd") || !there("docker") {
            missing("no Docker engine: apt-get install docker.io");
            return None;
        }
        let Some(root) = busybox_root() else {
            missing("no static busybox for an image: apt-get install busybox-static");
            return None;
        };
        let gvisor = there("runsc");
        if !gvisor {
            missing("no gVisor: apt-get install -t bookworm-backports runsc");
        }
        // A socket's path has 107 bytes at most.
        let directory = tempfile::Builder::new().prefix("tenzik-engine-").tempdir();
        let directory = directory.expect("a directory").keep();
        std::fs::write(directory.join("daemon.json"), configuration(gvisor)).expect("a file");
        let keeper = Command::new("sh")
            .args(["-c", KEEPER])
            .arg(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let mut engine = Self {
            directory,
            image: Sha256::from_bytes([0; 32]),
            gvisor,
            _keeper: keeper,
        };
        engine.wait();
        engine.image = engine.import(root, "CMD true");
        Some(engine)
    }

    fn wait(&self) {
        let ready = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            self.docker()
                .arg("version")
                .output()
                .is_ok_and(|told| told.status.success())
        });
        let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        assert!(ready, "the engine did not start:\n{log}");
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .arg("-H")
            .arg(format!("unix://{}", self.socket().display()));
        command
    }

    /// What the engine's own client says.
    pub(crate) fn says(&self, words: &[&str]) -> String {
        let told = self.docker().args(words).output().expect("a client");
        assert!(
            told.status.success(),
            "{words:?}: {}",
            String::from_utf8_lossy(&told.stderr)
        );
        String::from_utf8(told.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// An image of a directory, with a change to what an image says of itself.
    pub(crate) fn import(&self, root: &Path, change: &str) -> Sha256 {
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(root)
            .args(["-c", "."])
            .stdout(Stdio::piped())
            .spawn()
            .expect("tar");
        let packed = tar.stdout.take().expect("a pipe");
        let told = self
            .docker()
            .args(["import", "--change", change, "-"])
            .stdin(packed)
            .output()
            .expect("a client");
        assert!(tar.wait().expect("an end").success());
        let told = String::from_utf8(told.stdout).expect("text");
        told.trim().parse().expect("a digest")
    }

    /// A backend of it, by the engine's own runtime or by gVisor's.
    pub(crate) fn backend(&self, gvisor: bool) -> Docker {
        self.backend_at(self.socket(), gvisor)
    }

    pub(crate) fn backend_at(&self, socket: PathBuf, gvisor: bool) -> Docker {
        let mut config = DockerConfig::new(shell_command());
        config.socket = socket;
        config.image = Some(self.image);
        config.gvisor = gvisor.then(|| "runsc".to_owned());
        Docker::new(config)
    }
}

fn configuration(gvisor: bool) -> String {
    let runsc = serde_json::json!({
        "path": "/usr/bin/runsc",
        "runtimeArgs": ["--platform=systrap", "--network=none", "--host-fifo=open", "--host-uds=open"],
    });
    let runtimes = match gvisor {
        true => serde_json::json!({"runsc": runsc}),
        false => serde_json::json!({}),
    };
    serde_json::json!({"runtimes": runtimes}).to_string()
}
