//! The two nodes, as processes.
//!
//! Enters: a directory. Leaves: processes that are started, killed and started again on the same files and ports.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tenzik_log::checkpoint::Origin;
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_log::policy::Policy;
use tenzik_node::NodeConfig;
use tenzik_receipt::{KeyUse, SecretKey, Timestamp};

use crate::common::{Receipts, configured, until, write_key};

pub(crate) const ORIGIN: &str = "a.example/log";
const WITNESS: &str = "b.example/witness";
/// Nobody is slowed down.
const QUOTAS: &str = "[quotas]\n\
    caller_requests = { per_minute = 6000000, burst = 100000 }\n\
    caller_runs = { per_minute = 6000000, burst = 100000 }\n\
    address_requests = { per_minute = 6000000, burst = 100000 }\n\
    [telemetry]\nlog_level = \"warn\"\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    A,
    B,
}

/// What is known of the nodes to those who ask them.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) a: String,
    pub(crate) b: String,
    pub(crate) log: VerifierKey,
    pub(crate) policy: Policy,
}

pub(crate) struct Nodes {
    directory: PathBuf,
    ports: [u16; 2],
    processes: [Option<Child>; 2],
    seen: Seen,
}

pub(crate) fn serve(config: &Path) {
    let config = NodeConfig::read(config).expect("a configuration");
    let ended = tenzik_node::serve(config, Vec::new());
    ended.expect("it serves");
}

impl Nodes {
    pub(crate) fn start(directory: &Path) -> Self {
        let ports = [free_port(), free_port()];
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let log = verifier(ORIGIN, SignatureType::Ed25519, 3, KeyUse::Checkpoint);
        let witness = verifier(WITNESS, SignatureType::Cosignature, 4, KeyUse::Witness);
        let policy = format!(
            "log {log}\nwitness b {witness} {}/witness\nquorum b\n",
            url(ports[1])
        );
        let seen = Seen {
            a: url(ports[0]),
            b: url(ports[1]),
            log,
            policy: Policy::from_bytes(policy.as_bytes()).expect("a policy"),
        };
        let mut nodes = Self {
            directory: directory.to_owned(),
            ports,
            processes: [None, None],
            seen,
        };
        nodes.write_a(&policy);
        nodes.write_b();
        nodes.restart(Which::A);
        nodes.restart(Which::B);
        nodes
    }

    fn write_a(&self, policy: &str) {
        let a = self.home(Which::A);
        fs::write(a.join("policy"), policy).expect("a file");
        write_key(&a.join("checkpoint.key"), 3, KeyUse::Checkpoint);
        let nodes = Receipts::of(ORIGIN).key();
        let sections = format!(
            "listen = \"127.0.0.1:{}\"\norigin = \"{ORIGIN}\"\n[keys]\ncheckpoint = \"checkpoint.key\"\n\
            [log]\nintegrate_ms = 200\nwitness_policy = \"policy\"\nnodes = [\"{nodes}\"]\n{QUOTAS}",
            self.ports[0]
        );
        configured(&a, &sections);
    }

    fn write_b(&self) {
        let (a, b) = (self.home(Which::A), self.home(Which::B));
        write_key(&b.join("witness.key"), 4, KeyUse::Witness);
        let keys = [
            Receipts::of(ORIGIN).key(),
            SecretKey::from_file(&fs::read(a.join("receipt.key")).expect("a file"))
                .expect("a key")
                .public(),
        ];
        let peers = format!(
            "version = 1\n[[peer]]\nname = \"a\"\nlog = \"{}\"\nurl = \"{}/log\"\nnodes = [\"{}\", \"{}\"]\n",
            self.seen.log, self.seen.a, keys[0], keys[1]
        );
        fs::write(b.join("peers.toml"), peers).expect("a file");
        let sections = format!(
            "listen = \"127.0.0.1:{}\"\n[keys]\nwitness = \"witness.key\"\n\
            [federation]\npeers = \"peers.toml\"\nwitness_name = \"{WITNESS}\"\npull_ms = 300\n\
            add_checkpoint = {{ per_minute = 60000, burst = 10000 }}\n{QUOTAS}",
            self.ports[1]
        );
        configured(&b, &sections);
    }

    pub(crate) fn home(&self, which: Which) -> PathBuf {
        let name = match which {
            Which::A => "a",
            Which::B => "b",
        };
        let home = self.directory.join(name);
        fs::create_dir_all(&home).expect("a directory");
        home
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.clone()
    }

    pub(crate) fn address(&self, which: Which) -> String {
        match which {
            Which::A => self.seen.a.clone(),
            Which::B => self.seen.b.clone(),
        }
    }

    pub(crate) fn kill(&mut self, which: Which) {
        if let Some(mut process) = self.processes[which as usize].take() {
            process.kill().expect("killed");
            process.wait().expect("its end");
        }
    }

    pub(crate) fn restart(&mut self, which: Which) {
        let home = self.home(which);
        let log = File::options()
            .create(true)
            .append(true)
            .open(home.join("stderr"))
            .expect("a file");
        let process = Command::new(std::env::current_exe().expect("this program"))
            .arg("node")
            .arg(home.join("node.toml"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("a process");
        self.processes[which as usize] = Some(process);
    }

    /// Until both answer.
    pub(crate) fn wait(&mut self) {
        for which in [Which::A, Which::B] {
            let url = format!("{}/healthz", self.address(which));
            until("it answers", || {
                let process = self.processes[which as usize].as_mut().expect("a process");
                let ended = process.try_wait().expect("a status");
                assert!(
                    ended.is_none(),
                    "{which:?} ended by itself: {}",
                    self.told(which)
                );
                ureq::get(&url).call().is_ok()
            });
        }
    }

    /// What a node wrote to its log.
    pub(crate) fn told(&self, which: Which) -> String {
        fs::read_to_string(self.home(which).join("stderr")).unwrap_or_default()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.kill(Which::A);
        self.kill(Which::B);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn verifier(name: &str, kind: SignatureType, seed: u8, key_use: KeyUse) -> VerifierKey {
    let key = SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH);
    let name = match kind {
        SignatureType::Ed25519 => Origin::new(name).expect("an origin").name().clone(),
        _ => KeyName::new(name).expect("a name"),
    };
    VerifierKey::new(name, kind, key.public()).expect("a key")
}
