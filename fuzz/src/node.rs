//! A node that takes bodies without a network: every route that reads one, as a caller with every role.
//!
//! Enters: a route's number and a body. Leaves nothing. Refuses: an answer of 500, and one that is a refusal without its
//! form.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tenzik::testing::Echo;
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_node::federation::Peers;
use tenzik_node::{Node, NodeConfig, Parts, Peer, routes, service};
use tenzik_receipt::{Blake3, KeyUse, SecretKey, Timestamp};
use tokio::runtime::Runtime;
use tower::ServiceExt;

const TOKEN: &str = "a-token-that-everybody-may-know-0001";

/// Method, path, content type.
const ROUTES: [(&str, &str, &str); 10] = [
    ("POST", "/v1/runs", "application/json"),
    ("POST", "/v1/receipts", "application/json"),
    ("POST", "/witness/add-checkpoint", "text/plain"),
    ("POST", "/v1/peers/announce", "application/json"),
    ("POST", "/v1/peers/beta/freeze", "application/json"),
    ("POST", "/v1/audits", "application/json"),
    ("PUT", "/v1/blobs/BLOB", "application/octet-stream"),
    ("PUT", "/v1/blobs/BLOB/readers", "application/json"),
    ("POST", "/v1/disputes/BLOB/settle", "application/json"),
    ("POST", "/v1/executions", "application/json"),
];

struct Served {
    runtime: Runtime,
    app: Router,
}

/// Hands a body to a route.
pub fn bodies(bytes: &[u8]) {
    static NODE: OnceLock<Served> = OnceLock::new();
    let Some((route, body)) = bytes.split_first() else {
        return;
    };
    let served = NODE.get_or_init(serve);
    let (method, path, content_type) = ROUTES[usize::from(*route) % ROUTES.len()];
    // A blob's name is right for its content: the wrong ones end at once.
    let path = path.replace("BLOB", &Blake3::of(body).to_string());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", content_type)
        .body(Body::from(body.to_vec()))
        .expect("a request");
    request.extensions_mut().insert(Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), certificate: None });
    served.runtime.block_on(async {
        let answer = served.app.clone().oneshot(request).await.expect("routers do not fail");
        let status = answer.status().as_u16();
        let json = answer.headers().get("content-type").is_some_and(|kind| kind == "application/json");
        let body = answer.into_body().collect().await.expect("a body in memory").to_bytes();
        assert_ne!(status, 500, "{}", String::from_utf8_lossy(&body));
        if status >= 400 && json {
            assert!(body.starts_with(b"{\"version\":1"), "{}", String::from_utf8_lossy(&body));
        }
    });
}

/// Reads a peers file, and holds what is promised of one that was read.
pub fn peers_file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(peers) = Peers::from_toml(text) else {
        return;
    };
    for peer in peers.iter() {
        assert!(std::ptr::eq(peers.named(peer.name.as_str()).expect("by its name"), peer));
        assert!(std::ptr::eq(peers.of_log(peer.origin()).expect("by its log"), peer));
        assert!(peer.rules.nodes().all(|node| node.is_usable()));
    }
}

fn serve() -> Served {
    let directory = std::env::temp_dir().join(format!("tenzik-fuzz-{}", std::process::id()));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("a directory");
    let log = key(&directory, "checkpoint", KeyUse::Checkpoint, 1);
    let node = key(&directory, "receipt", KeyUse::Receipt, 2);
    key(&directory, "witness", KeyUse::Witness, 3);
    let digest = Blake3::of(TOKEN.as_bytes());
    let roles = "[\"run\", \"append\", \"peer\", \"admin\", \"blobs\", \"execute\"]";
    let callers = format!("[[caller]]\nname = \"beta\"\nroles = {roles}\ntokens = [\"{digest}\"]\n");
    write(&directory, "callers.toml", &callers);
    let name = KeyName::new("beta.example/log").expect("a name");
    let log = VerifierKey::new(name, SignatureType::Ed25519, log.public()).expect("a key");
    let node = node.public();
    // Nothing listens there: a turn ends at once.
    let peers = format!(
        "version = 1\n[[peer]]\nname = \"beta\"\nlog = \"{log}\"\nurl = \"http://127.0.0.1:1/log\"\nnodes = [\"{node}\"]\n"
    );
    write(&directory, "peers.toml", &peers);
    let quota = "{ per_minute = 60000000, burst = 1000000 }";
    let config = format!(
        "data_dir = \"data\"\ncallers = \"callers.toml\"\norigin = \"fuzz.example/log\"\n\
         [keys]\nreceipt = \"receipt.key\"\ncheckpoint = \"checkpoint.key\"\nwitness = \"witness.key\"\n\
         [runs]\ntime_max_ms = 200\n[executions]\nbackends = [\"echo\"]\n[federation]\npeers = \"peers.toml\"\nwitness_name = \"fuzz.example/witness\"\n\
         add_checkpoint = {quota}\n[quotas]\ncaller_requests = {quota}\ncaller_runs = {quota}\n"
    );
    write(&directory, "node.toml", &config);
    let config = NodeConfig::read(&directory.join("node.toml")).expect("a configuration");
    let runtime = Runtime::new().expect("a runtime");
    let mut parts = Parts::open(config).expect("a node");
    parts.execute_on(vec![Arc::new(Echo)]).expect("executions");
    parts.follow().expect("peers");
    let app = service(Node::new(parts), routes::all());
    Served { runtime, app }
}

fn key(directory: &Path, name: &str, key_use: KeyUse, seed: u8) -> SecretKey {
    let key = SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH);
    let text = key.to_file();
    let path = directory.join(format!("{name}.key"));
    fs::write(&path, &text[..]).expect("a key file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    key
}

fn write(directory: &Path, name: &str, text: &str) {
    fs::write(directory.join(name), text).expect("a file");
}
