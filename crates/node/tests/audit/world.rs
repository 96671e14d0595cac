//! Two organisations: peers with logs and blobs of their own, and a node that audits them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::extract::Path as UrlPath;
use axum::routing::get;
use http::StatusCode;
use tempfile::TempDir;
use tenzik::capability::Capability;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::pipeline::{Order, Pipeline, RunError};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::sandbox::Terms;
use tenzik_log::checkpoint::Origin;
use tenzik_log::evidence::Evidence;
use tenzik_log::note::{SignatureType, VerifierKey};
use tenzik_log::tree::TreeError;
use tenzik_log::{LeafRules, Log, Visibility};
use tenzik_node::audit::dispute::Places;
use tenzik_node::audit::{
    AuditConfig, AuditError, Audited, Auditor, AuditorParts, EvidenceStore, Finding, Findings,
    Report, Subject,
};
use tenzik_node::blobs::{Blobs, BlobsConfig, Class, Reader, Wanted};
use tenzik_node::federation::client::{Client, Patience};
use tenzik_node::federation::mirror::Source;
use tenzik_node::federation::{Mirror, Peer, Peers};
use tenzik_receipt::{
    Blake3, Claim, Disclosed, Epoch, KeyUse, PublicKey, SecretKey, SignedReceipt, Timestamp,
    WasmClaim,
};
use tenzik_store::{Catalog, CatalogRow, DiskStorage, Records};

use crate::common::{ALL, TestNode, capsule_file, secret};

pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.expect("a clock").as_secs();
    Timestamp::from_unix_seconds(seconds).expect("a time")
}

pub fn order(capsule: Vec<u8>, input: &str) -> Order {
    Order {
        capsule: capsule.into(),
        terms: Terms {
            grants: Capability::Json.into(),
            ..Terms::default()
        },
        request: Request::json(input.as_bytes().to_vec()),
    }
}

pub fn echo(input: &str) -> Order {
    order(capsule_file("echo/echo.wasm"), input)
}

/// A run that counts so far, and takes an interpreter far longer than compiled code.
pub fn counting(to: u32) -> Order {
    let text = format!(
        "(module (import \"tenzik_v1\" \"output_num\" (func $give (param f64))) (memory (export \"memory\") 1)
         (func (export \"run\") (local i32)
           (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const {to}))))
           (call $give (f64.const 4))))"
    );
    let mut order = order(wat::parse_str(text).expect("a module"), "null");
    order.terms.limits = LimitsAsked {
        fuel: Some(100 * u64::from(to)),
        time_ms: Some(10_000),
        ..LimitsAsked::default()
    };
    order
}

/// A run that is aborted, after as many milliseconds.
pub fn endless() -> Order {
    let text = "(module (memory (export \"memory\") 1) (func (export \"run\") (loop (br 0))))";
    let mut order = order(wat::parse_str(text).expect("a module"), "null");
    order.terms.limits = LimitsAsked {
        fuel: Some(1 << 50),
        time_ms: Some(20),
        ..LimitsAsked::default()
    };
    order
}

/// A peer: a log with its receipts, and its blobs, behind HTTP.
pub struct PeerNode {
    pub name: &'static str,
    pub node: TestNode,
    pub log: Log,
    pub blobs: Arc<Blobs>,
    pub origin: Origin,
    key: SecretKey,
    pipeline: Pipeline,
    log_key: VerifierKey,
    _directory: TempDir,
}

fn key(seed: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH)
}

impl PeerNode {
    pub fn start(name: &'static str, seed: u8) -> Self {
        let directory = TempDir::new().expect("a directory");
        let origin = Origin::new(&format!("{name}.test/log")).expect("an origin");
        let storage = DiskStorage::at(directory.path().join("log")).expect("a storage");
        let storage = Arc::new(storage);
        let log_secret = key(seed + 100, KeyUse::Checkpoint);
        let log_key = VerifierKey::new(
            origin.name().clone(),
            SignatureType::Ed25519,
            log_secret.public(),
        );
        let records = Records::new(storage.database()).expect("records");
        let folder = directory.path().join("blobs");
        let blobs = Blobs::open(folder, records, BlobsConfig::default()).expect("blobs");
        let blobs = Arc::new(blobs);
        let (held, public) = (Arc::clone(&blobs), storage.public_directory());
        let given = Arc::clone(&blobs);
        let node = TestNode::start_with(
            "",
            |parts| parts.blobs = Some(held),
            |routes| {
                let file = move |UrlPath(path): UrlPath<String>| {
                    let read = fs::read(public.join(path));
                    std::future::ready(read.map_err(|_| StatusCode::NOT_FOUND))
                };
                let moody = move |UrlPath(digest): UrlPath<String>| {
                    let digest: Blake3 = digest.parse().expect("a digest");
                    let peer = Reader {
                        peer: true,
                        ..Reader::default()
                    };
                    let read = given.read(&digest, &peer, None, now()).expect("a disk");
                    std::future::ready(match digest == Blake3::of(b"[1]") {
                        true => Err(StatusCode::SERVICE_UNAVAILABLE),
                        false => read.ok_or(StatusCode::NOT_FOUND),
                    })
                };
                let large = || std::future::ready(vec![b'x'; 100_000]);
                routes
                    .route("/public/{*path}", get(file))
                    .route(
                        "/lies/v1/blobs/{digest}",
                        get(|| std::future::ready("a lie")),
                    )
                    .route("/moody/v1/blobs/{digest}", get(moody))
                    .route("/large/v1/blobs/{digest}", get(large))
            },
        );
        let sealer = Sealer::new(key(seed, KeyUse::Receipt), Epoch::from_bytes([seed; 16]));
        let (security, runtime) = (SecurityConfig::production(), RuntimeConfig::development());
        let security = SecurityConfig {
            limits_max: tenzik::limits::Limits {
                fuel: 1 << 50,
                time_ms: 10_000,
                ..security.limits_max
            },
            ..security
        };
        let sealer = sealer.expect("a receipt key");
        Self {
            name,
            node,
            log: Log::open(storage.clone(), log_secret, origin.clone()).expect("a log"),
            blobs,
            origin,
            key: key(seed, KeyUse::Receipt),
            pipeline: Pipeline::new(&security, &runtime, sealer).expect("an engine"),
            log_key: log_key.expect("a key"),
            _directory: directory,
        }
    }

    pub fn public_key(&self) -> PublicKey {
        self.key.public()
    }

    fn promised(&self) -> Circumstances {
        Circumstances {
            log: Some(tenzik_receipt::LogPromise {
                merge_by: now().plus_seconds(60),
                origin: self.origin.label(),
            }),
            ..Circumstances::at(now())
        }
    }

    /// Runs an order, keeps capsule and input for its peers, and gives the receipt.
    pub fn run(&self, order: &Order) -> SignedReceipt {
        self.keep(&order.capsule, Class::Capsule);
        self.keep(&order.request.input, Class::Input);
        self.run_without_blobs(order)
    }

    pub fn run_without_blobs(&self, order: &Order) -> SignedReceipt {
        self.run_as(order, self.promised())
    }

    pub fn run_privately(&self, order: &Order) -> SignedReceipt {
        let secret = Some(tenzik_receipt::RunSecret::from_bytes([9; 32]));
        let circumstances = Circumstances {
            secret,
            ..self.promised()
        };
        self.run_as(order, circumstances)
    }

    fn run_as(&self, order: &Order, circumstances: Circumstances) -> SignedReceipt {
        match self.pipeline.run(order, circumstances) {
            Ok(run) => run.receipt,
            Err(RunError::Aborted { run, .. }) => run.receipt,
            Err(RunError::Refused { receipt, .. }) => *receipt,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn keep(&self, bytes: &[u8], class: Class) {
        let wanted = Wanted {
            digest: Blake3::of(bytes),
            owner: "runner",
            class,
            peers: true,
            keep_s: 3_600,
        };
        self.blobs.put(&wanted, bytes, now()).expect("room");
    }

    pub fn erase(&self, bytes: &[u8]) {
        let runner = Reader {
            name: Some("runner"),
            ..Reader::default()
        };
        let erased = self.blobs.erase(&Blake3::of(bytes), &runner, now());
        assert!(erased.expect("a disk"), "it was there");
    }

    /// The same receipt with another claim, signed anew by the node's own key.
    pub fn forge(
        &self,
        receipt: &SignedReceipt,
        change: impl FnOnce(&mut WasmClaim),
    ) -> SignedReceipt {
        let mut receipt = receipt.receipt().clone();
        let Claim::Wasm(claim) = &mut receipt.claim else {
            panic!("a run's claim");
        };
        change(claim);
        self.key.sign_receipt(receipt).expect("a signature")
    }

    /// The output is another one than what the capsule gave.
    pub fn forge_output(&self, receipt: &SignedReceipt) -> SignedReceipt {
        self.forge(receipt, |claim| {
            claim.output = Some(Disclosed::Open(Blake3::of(b"a lie")));
        })
    }

    /// The same receipt with a promise of another log, signed anew by the node's own key.
    pub fn forge_log(&self, receipt: &SignedReceipt, origin: &Origin) -> SignedReceipt {
        let mut receipt = receipt.receipt().clone();
        let promise = receipt.log.as_mut().expect("a promise");
        promise.origin = origin.label();
        self.key.sign_receipt(receipt).expect("a signature")
    }

    pub fn append(&self, receipts: &[SignedReceipt]) {
        let rules = LeafRules::new(self.origin.clone(), [self.public_key()], Visibility::Public);
        let rules = rules.expect("a key");
        let leaf = |receipt| rules.sealed(receipt).expect("a leaf");
        self.log
            .append(receipts.iter().map(leaf).collect())
            .expect("a disk");
        let head = self.log.integrate(10_000).expect("a disk");
        self.log
            .publish(&head.expect("a new checkpoint"))
            .expect("a disk");
    }

    /// Its rows in a peers file.
    pub fn row(&self, api: &str, token_file: &Path, audit: &str) -> String {
        let base = format!("http://{}", self.node.address);
        let api = api.replace("BASE", &base);
        format!(
            "[[peer]]\nname = \"{}\"\nlog = \"{}\"\nurl = \"{base}/public\"\napi = \"{api}\"\ntoken_file = {token_file:?}\n\
             nodes = [\"{}\"]\n[peer.audit]\nsample_ppm = 1000000\n{audit}\n",
            self.name,
            self.log_key,
            self.public_key(),
        )
    }
}

/// What the auditor was told.
#[derive(Default)]
pub struct Told {
    pub forged: Mutex<Vec<(String, Evidence, Blake3)>>,
    pub opaque: Mutex<Vec<(String, Report)>>,
    /// Whether it dies of the news.
    pub dies: bool,
}

impl Findings for Told {
    fn forged(&self, peer: &Peer, evidence: &Evidence, digest: &Blake3) {
        assert!(!self.dies, "killed when it found a forged claim");
        let told = (peer.name.to_string(), evidence.clone(), *digest);
        self.forged.lock().expect("a lock").push(told);
    }

    fn opaque(&self, peer: &Peer, report: &Report) {
        let told = (peer.name.to_string(), report.clone());
        self.opaque.lock().expect("a lock").push(told);
    }
}

/// Who audits.
pub struct World {
    pub directory: TempDir,
    pub storage: DiskStorage,
    pub peers: Peers,
    mirrors: Vec<(String, Arc<DiskStorage>)>,
}

impl World {
    pub fn new(rows: &dyn Fn(&Path) -> String) -> Self {
        let directory = TempDir::new().expect("a directory");
        let token = directory.path().join("token");
        fs::write(&token, format!("{ALL}\n")).expect("a token");
        secret(&token);
        let text = format!("version = 1\n{}", rows(&token));
        let peers = Peers::from_toml(&text).expect("peers");
        let storage = DiskStorage::at(directory.path().join("own")).expect("a storage");
        let mirror = |peer: &Peer| {
            let at = directory.path().join(peer.name.as_str());
            let storage = DiskStorage::at(at).expect("a storage");
            (peer.name.to_string(), Arc::new(storage))
        };
        let mirrors = peers.iter().map(mirror).collect();
        Self {
            storage,
            peers,
            mirrors,
            directory,
        }
    }

    /// With one peer, whose blobs are at its own API.
    pub fn of(peer: &PeerNode, audit: &str) -> Self {
        Self::at(peer, "BASE", audit)
    }

    pub fn at(peer: &PeerNode, api: &str, audit: &str) -> Self {
        Self::new(&|token| peer.row(api, token, audit))
    }

    pub fn records(&self) -> Records {
        Records::new(self.storage.database()).expect("records")
    }

    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.storage.database()).expect("a catalog")
    }

    pub fn evidence(&self) -> Arc<EvidenceStore> {
        let folder = self.directory.path().join("evidence");
        Arc::new(EvidenceStore::open(folder, self.records()).expect("a folder"))
    }

    pub fn auditor(&self, told: &Arc<Told>) -> Auditor {
        self.auditor_with(told, AuditConfig::default())
    }

    pub fn auditor_with(&self, told: &Arc<Told>, config: AuditConfig) -> Auditor {
        self.auditor_of(told, config, None)
    }

    pub fn auditor_of(
        &self,
        told: &Arc<Told>,
        config: AuditConfig,
        blobs: Option<Arc<Blobs>>,
    ) -> Auditor {
        let parts = AuditorParts {
            directory: self.directory.path().join("audit"),
            records: self.records(),
            catalog: self.catalog(),
            evidence: self.evidence(),
            blobs,
            client: Client::new(Patience::default()),
            findings: told.clone(),
            config,
        };
        Auditor::open(parts).expect("an auditor")
    }

    pub fn peer(&self, name: &str) -> &Peer {
        self.peers.named(name).expect("a peer")
    }

    pub fn mirror(&self, name: &str) -> Mirror {
        let (_, storage) = self
            .mirrors
            .iter()
            .find(|(one, _)| one == name)
            .expect("a mirror");
        Mirror::open(self.peer(name).clone(), storage.clone()).expect("a mirror")
    }

    /// Pulls over HTTP, and lists what was verified.
    pub fn pull(&self, name: &str) -> Mirror {
        let mut mirror = self.mirror(name);
        let peer = self.peer(name);
        let client = Client::new(Patience::default());
        let source = Source::new(client, peer.url.clone(), None);
        let pulled = mirror.pull(&source, now()).expect("a pull");
        assert!(pulled.bad.is_empty() && pulled.unsure.is_empty());
        let origin = peer.origin().as_str();
        let row = |(index, receipt): &(u64, SignedReceipt)| CatalogRow::of(origin, *index, receipt);
        let rows: Vec<_> = pulled.receipts.iter().map(row).collect();
        self.catalog()
            .insert_up_to(origin, &rows, mirror.size())
            .expect("rows");
        mirror
    }

    /// Pulls and audits.
    pub fn audit(&self, auditor: &Auditor, name: &str, at: Timestamp) -> Audited {
        audit(auditor, &self.pull(name), at).expect("an audit")
    }

    /// The audits' figures, as they are stored.
    pub fn spent(&self, account: &str) -> serde_json::Value {
        let bytes = self.records().get("audit-budget", account);
        let bytes = bytes.expect("a disk").expect("something was spent");
        serde_json::from_slice(&bytes).expect("JSON")
    }
}

pub fn audit(auditor: &Auditor, mirror: &Mirror, at: Timestamp) -> Result<Audited, AuditError> {
    audit_entries(auditor, mirror, at, &|index| mirror.entry(index))
}

pub fn audit_entries(
    auditor: &Auditor,
    mirror: &Mirror,
    at: Timestamp,
    entry: &(dyn Fn(u64) -> Result<Vec<u8>, TreeError> + Sync),
) -> Result<Audited, AuditError> {
    let subject = Subject {
        peer: mirror.peer(),
        head: mirror.head().expect("a checkpoint"),
        size: mirror.size(),
        entry,
    };
    auditor.audit(&subject, at)
}

/// Receipts of mirrors, by log.
pub struct Mirrors(pub Vec<Mirror>);

impl Places for Mirrors {
    fn receipt(&self, origin: &str, index: u64) -> Result<Option<Vec<u8>>, AuditError> {
        let of_log = |mirror: &&Mirror| mirror.peer().origin().as_str() == origin;
        let mirror = self.0.iter().find(of_log);
        Ok(mirror.map(|mirror| mirror.entry(index)).transpose()?)
    }
}

/// Each finding in a word: its outcome, or its reason.
pub fn words(audited: &Audited) -> Vec<(u64, String)> {
    let word = |(index, finding): &(u64, Finding)| (*index, word(finding));
    audited.found.iter().map(word).collect()
}

pub fn word(finding: &Finding) -> String {
    match finding {
        Finding::Unaudited { reason } => reason.to_string(),
        Finding::Forged { .. } => "forged".to_owned(),
        Finding::Same => "same".to_owned(),
        _ => "begun".to_owned(),
    }
}

pub fn numbered(words: &[&str]) -> Vec<(u64, String)> {
    let words = words.iter().map(|&word| word.to_owned());
    (0..).zip(words).collect()
}
