//! Nodes with logs, and what they answer.

use std::fs;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tenzik_log::checkpoint::{Origin, SignedCheckpoint};
use tenzik_log::evidence::{Evidence, Finding, Known};
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_log::policy::Policy;
use tenzik_log::proof_file::TlogProof;
use tenzik_log::{LeafRules, Visibility};
use tenzik_node::federation::{Findings, Mirror, Peer};
use tenzik_node::log::LogService;
use tenzik_receipt::{KeyUse, PublicKey, SecretKey, Timestamp};
use tenzik_store::{DiskStorage, Records};

use crate::common::{ALL, Answer, Receipts, TestNode, is_locked, unlocked, until, write_key};

pub(crate) const ORIGIN: &str = "node.example/log";
/// The seeds of the keys of a log and of a witness.
pub(crate) const LOG_SEED: u8 = 3;
pub(crate) const WITNESS_SEED: u8 = 4;

/// A directory with the keys of a log and of a witness.
pub(crate) fn directory() -> TempDir {
    let directory = TempDir::new().expect("a directory");
    keys(&directory, LOG_SEED, WITNESS_SEED);
    directory
}

pub(crate) fn keys(directory: &TempDir, log: u8, witness: u8) {
    write_key(
        &directory.path().join("checkpoint.key"),
        log,
        KeyUse::Checkpoint,
    );
    write_key(
        &directory.path().join("witness.key"),
        witness,
        KeyUse::Witness,
    );
}

/// Sections for a log of this origin that takes the receipts of [`Receipts::of`].
pub(crate) fn log_sections(origin: &str, more: &str) -> String {
    let key = Receipts::of(origin).key();
    format!(
        "origin = \"{origin}\"\n[keys]\ncheckpoint = \"checkpoint.key\"\n[log]\nintegrate_ms = 50\nnodes = [\"{key}\"]\n{more}\n"
    )
}

/// A node with a log.
pub(crate) struct LogNode {
    pub(crate) node: TestNode,
    pub(crate) log: LogService,
}

impl LogNode {
    pub(crate) fn start(more: &str) -> Self {
        Self::start_in(directory(), &log_sections(ORIGIN, more))
    }

    pub(crate) fn start_in(directory: TempDir, sections: &str) -> Self {
        let mut log = None;
        let node = TestNode::start_in(
            directory,
            sections,
            |parts| log = parts.log.clone(),
            |routes| routes,
        );
        let log = log.expect("it has a log");
        Self { node, log }
    }

    pub(crate) fn stop(self) -> TempDir {
        drop(self.log);
        self.node.stop()
    }

    pub(crate) fn append(&self, receipt: &[u8]) -> Answer {
        let json = "application/json";
        self.node.post("/v1/receipts", Some(ALL), json, receipt)
    }

    /// Appends receipts of these numbers, all of which are new.
    #[track_caller]
    pub(crate) fn grow(&self, numbers: std::ops::Range<u64>) {
        let receipts = Receipts::of(self.log.log().origin().as_str());
        for number in numbers {
            let answer = self.append(&receipts.bytes(number));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }

    /// The published checkpoint, which is this log's.
    pub(crate) fn published(&self) -> Option<SignedCheckpoint> {
        let answer = self.node.get("/log/checkpoint");
        match answer.status {
            200 => Some(
                SignedCheckpoint::open(&answer.body, self.log.log().verifier())
                    .expect("its checkpoint"),
            ),
            status => {
                assert_eq!(status, 404);
                None
            }
        }
    }

    pub(crate) fn published_size(&self) -> u64 {
        self.published().map_or(0, |head| head.checkpoint().size())
    }

    /// Waits until so many are published.
    #[track_caller]
    pub(crate) fn until_published(&self, size: u64) {
        until("it is published", || self.published_size() == size);
    }

    /// That the receipt is at this index, by its proof.
    #[track_caller]
    pub(crate) fn assert_proved(&self, id: &str, index: u64) {
        let path = format!("/v1/receipts/{id}/proof");
        let mut proof = self.node.get(&path);
        until("it is proved", || {
            proof = self.node.get(&path);
            proof.status == 200
        });
        let leaf = self.node.get(&format!("/v1/receipts/{id}"));
        assert_eq!(leaf.status, 200);
        let policy = format!("log {}\nquorum none\n", self.log.log().verifier());
        let policy = Policy::from_bytes(policy.as_bytes()).expect("a policy");
        let proof = TlogProof::from_bytes(&proof.body).expect("a proof");
        let included = proof.verify(&leaf.body, &policy).expect("it verifies");
        assert_eq!(included.index, index);
    }
}

pub(crate) fn log_key(origin: &str, seed: u8) -> VerifierKey {
    let key = SecretKey::from_seed(&[seed; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
    let name = Origin::new(origin).expect("an origin").name().clone();
    VerifierKey::new(name, SignatureType::Ed25519, key.public()).expect("a key")
}

pub(crate) fn witness_key(name: &str, seed: u8) -> VerifierKey {
    let key = SecretKey::from_seed(&[seed; 32], KeyUse::Witness, Timestamp::EPOCH);
    let name = KeyName::new(name).expect("a name");
    VerifierKey::new(name, SignatureType::Cosignature, key.public()).expect("a key")
}

/// A peers file with a log at an address, and its nodes.
pub(crate) fn peer(
    name: &str,
    log: &VerifierKey,
    url: &str,
    nodes: &[PublicKey],
    more: &str,
) -> String {
    let nodes: Vec<_> = nodes.iter().map(|node| format!("\"{node}\"")).collect();
    format!(
        "[[peer]]\nname = \"{name}\"\nlog = \"{log}\"\nurl = \"{url}\"\nnodes = [{}]\n{more}\n",
        nodes.join(", ")
    )
}

pub(crate) fn write_peers(directory: &TempDir, peers: &[String]) {
    let text = format!("version = 1\n{}", peers.concat());
    fs::write(directory.path().join("peers.toml"), text).expect("a file");
}

/// Removes the record of a peer that a node has which was stopped.
pub(crate) fn forget(directory: &TempDir, peer: &str) {
    let store = directory.path().join("data/store");
    let store = unlocked(is_locked, || DiskStorage::at(&store)).expect("a storage");
    let records = Records::new(store.database()).expect("records");
    assert!(records.delete("peer", peer).expect("deleted"));
}

/// Sections for a node that follows the peers in `peers.toml`.
pub(crate) const FOLLOWING: &str =
    "[federation]\npeers = \"peers.toml\"\npull_ms = 50\nrequest_ms = 2000\n";

/// Evidence, kept in memory.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<(String, Evidence)>>);

impl Findings for Kept {
    fn keep(&self, peer: &Peer, evidence: &Evidence) -> Result<String, String> {
        let mut kept = self.0.lock().expect("a lock");
        kept.push((peer.name.to_string(), evidence.clone()));
        Ok(format!("evidence-{}", kept.len()))
    }

    fn grown(&self, _: &Mirror, _: u64) {}
}

impl Kept {
    pub(crate) fn of(&self, peer: &str) -> Vec<Evidence> {
        let kept = self.0.lock().expect("a lock");
        let its = kept.iter().filter(|(name, _)| name == peer);
        its.map(|(_, evidence)| evidence.clone()).collect()
    }
}

/// What evidence says to somebody who has nothing but it and the public keys.
pub(crate) fn shown(evidence: &Evidence, log: &VerifierKey, nodes: &[PublicKey]) -> Finding {
    let evidence = Evidence::from_bytes(&evidence.to_bytes()).expect("its own form");
    let origin = Origin::new(log.name().as_str()).expect("an origin");
    let rules = LeafRules::new(origin, nodes.iter().copied(), Visibility::Public).expect("rules");
    let known = Known {
        log,
        rules: &rules,
        policy: &Policy::from_bytes(b"quorum none\n").expect("a policy"),
        at: "2030-01-01T00:00:00Z".parse().expect("a time"),
    };
    evidence.verify(known).expect("it holds")
}

/// A node that follows others.
pub(crate) struct Following {
    pub(crate) node: TestNode,
    pub(crate) kept: Arc<Kept>,
}

impl Following {
    pub(crate) fn start(peers: &[String]) -> Self {
        Self::start_in(directory(), peers, FOLLOWING)
    }

    pub(crate) fn start_in(directory: TempDir, peers: &[String], sections: &str) -> Self {
        write_peers(&directory, peers);
        let kept = Arc::new(Kept::default());
        let findings = Arc::clone(&kept);
        let node = TestNode::start_in(
            directory,
            sections,
            |parts| parts.findings = findings,
            |routes| routes,
        );
        Self { node, kept }
    }

    /// What it remembers of a peer.
    #[track_caller]
    pub(crate) fn record(&self, name: &str) -> Value {
        let answer = self.node.ask("GET", "/v1/peers", Some(ALL), None).json();
        let peers = answer["peers"].as_array().expect("a list").clone();
        let found = peers.into_iter().find(|peer| peer["name"] == name);
        found.expect("the peer")
    }

    #[track_caller]
    pub(crate) fn until_entries(&self, name: &str, entries: u64) {
        until("it has them", || self.record(name)["entries"] == entries);
    }

    #[track_caller]
    pub(crate) fn until_frozen(&self, name: &str) -> Value {
        until("it is frozen", || self.record(name)["standing"] == "frozen");
        self.record(name)
    }

    /// Waits for the reason why a peer is not pulled.
    #[track_caller]
    pub(crate) fn until_failed(&self, name: &str, why: &str) -> Value {
        let mut record = Value::Null;
        until(why, || {
            record = self.record(name);
            record["failure"]
                .as_str()
                .is_some_and(|failure| failure.contains(why))
        });
        record
    }
}

/// Where a node's log is.
pub(crate) fn log_url(node: &TestNode) -> String {
    format!("http://{}/log", node.address)
}
