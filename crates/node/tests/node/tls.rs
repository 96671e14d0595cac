//! TLS, and callers by their certificate.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use tenzik_node::federation::Client;
use tenzik_node::federation::client::Patience;
use tenzik_receipt::Sha256;

use crate::common::{ALL, Answer, TestNode, configured, opened, order_total, secret};

const TLS: &str = "[tls]\ncertificate = \"node.pem\"\nkey = \"node-key.pem\"\n";
const MUTUAL: &str =
    "[tls]\ncertificate = \"node.pem\"\nkey = \"node-key.pem\"\nclient_ca = \"clients.pem\"\n";

/// An authority.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key.
struct Issued {
    certificate: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("a certificate");
        Self {
            certificate: own.der().clone(),
            pem: own.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, name: &str, until_year: i32) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let own = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued {
            certificate: own.der().clone(),
            pem: own.pem(),
            key,
        }
    }
}

/// A node with TLS, the authority of its certificate, and that of its clients'.
struct Secure {
    node: TestNode,
    authority: Authority,
}

fn write(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    fs::write(&path, text).expect("a file");
    secret(&path);
}

fn secure(sections: &str, clients: &Authority, rows: &str) -> Secure {
    let directory = TempDir::new().expect("a directory");
    let authority = Authority::new();
    let own = authority.issue("localhost", 2090);
    write(directory.path(), "node.pem", &own.pem);
    write(directory.path(), "node-key.pem", &own.key.serialize_pem());
    write(directory.path(), "clients.pem", &clients.pem);
    write(directory.path(), "more-callers.toml", rows);
    let node = TestNode::start_in(directory, sections, |_| {}, |routes| routes);
    Secure { node, authority }
}

fn row(name: &str, roles: &str, certificate: &Issued) -> String {
    let digest = Sha256::of(&certificate.certificate);
    format!("[[caller]]\nname = \"{name}\"\nroles = [{roles}]\ncertificates = [\"{digest}\"]\n")
}

impl Secure {
    fn send(&self, own: Option<&Issued>, request: &[u8]) -> std::io::Result<Answer> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.authority.certificate.clone())
            .expect("an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let key = PrivateKeyDer::try_from(own.key.serialize_der()).expect("a key");
                let chain = vec![own.certificate.clone()];
                builder
                    .with_client_auth_cert(chain, key)
                    .expect("a certificate")
            }
        };
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).expect("a session");
        let mut stream = StreamOwned::new(session, self.node.connect());
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(Answer::parse(&bytes))
    }

    fn metrics(&self, own: Option<&Issued>, token: Option<&str>) -> std::io::Result<Answer> {
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let token = token.unwrap_or_default();
        let request =
            format!("GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{token}\r\n");
        self.send(own, request.as_bytes())
    }
}

#[test]
fn a_run_over_tls() {
    let secure = secure(TLS, &Authority::new(), "");
    let body = order_total().to_string();
    let request = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = secure
        .send(None, request.as_bytes())
        .expect("an answer, and a proper end");
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &"ok".into())
    );
}

#[test]
fn a_certificate_is_a_caller() {
    let clients = Authority::new();
    let [full, bare, unlisted] = ["a", "b", "c"].map(|name| clients.issue(name, 2090));
    let rows = row("full", "\"metrics\"", &full) + &row("bare", "\"run\"", &bare);
    let secure = secure(MUTUAL, &clients, &rows);
    let ask = |own, token| secure.metrics(own, token).expect("an answer");
    assert_eq!(ask(Some(&full), None).status, 200);
    ask(Some(&bare), None).refused(403, "forbidden");
    ask(Some(&unlisted), None).refused(401, "unauthorized");
    ask(None, None).refused(401, "unauthorized");
    // A token that is named is what counts.
    assert_eq!(ask(None, Some(ALL)).status, 200);
    assert_eq!(ask(Some(&bare), Some(ALL)).status, 200);
    ask(Some(&full), Some("wrong-token-wrong-token-wrong-token-0")).refused(401, "unauthorized");
}

#[test]
fn certificates_that_do_not_hold_end_the_handshake() {
    let clients = Authority::new();
    let expired = clients.issue("a", 2020);
    let foreign = Authority::new().issue("a", 2090);
    // Even where the callers file names them.
    let rows = row("expired", "\"metrics\"", &expired) + &row("foreign", "\"metrics\"", &foreign);
    let secure = secure(MUTUAL, &clients, &rows);
    for own in [&expired, &foreign] {
        let error = secure
            .metrics(Some(own), None)
            .expect_err("no answer")
            .to_string();
        assert!(
            error.contains("certificate") || error.contains("alert") || error.contains("reset"),
            "{error}"
        );
        let error = secure
            .metrics(Some(own), Some(ALL))
            .expect_err("no answer")
            .to_string();
        assert!(!error.is_empty());
    }
    assert_eq!(
        secure.metrics(None, Some(ALL)).expect("an answer").status,
        200
    );
}

#[test]
fn a_certificate_that_nobody_would_ask_for_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let own = Authority::new().issue("a", 2090);
    let rows = row("a", "\"metrics\"", &own);
    write(directory.path(), "more-callers.toml", &rows);
    for sections in [TLS, ""] {
        let refused = opened(configured(directory.path(), sections)).map(drop);
        let refused = refused.expect_err("a certificate").to_string();
        assert!(refused.contains("without tls.client_ca"), "{refused}");
    }
}

#[test]
fn handshakes_that_do_not_come_hold_nobody_else() {
    let sections = format!("[limits]\nheader_timeout_ms = 3000\n{TLS}");
    let secure = secure(&sections, &Authority::new(), "");
    let mut silent = secure.node.connect();
    let mut plain = secure.node.connect();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\n\r\n")
        .expect("written");
    assert_eq!(
        secure.metrics(None, Some(ALL)).expect("an answer").status,
        200
    );
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    bytes.clear();
    let _ = silent.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
}

#[test]
fn keys_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;

    let directory = TempDir::new().expect("a directory");
    let own = Authority::new().issue("localhost", 2090);
    write(directory.path(), "node.pem", &own.pem);
    write(directory.path(), "node-key.pem", &own.key.serialize_pem());
    let key = directory.path().join("node-key.pem");
    let bind = || {
        let config = configured(directory.path(), TLS);
        let node = tenzik_node::Node::new(opened(config).expect("a node"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let server = tenzik_node::Server::bind(node, tenzik_node::routes::all());
        runtime.expect("a runtime").block_on(server).map(drop)
    };
    assert!(bind().is_ok());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    assert!(bind().expect_err("readable").to_string().contains("044"));
    // A key that is another's.
    let other = KeyPair::generate().expect("a key");
    write(directory.path(), "node-key.pem", &other.serialize_pem());
    assert!(bind().is_err());
    write(directory.path(), "node-key.pem", "nothing");
    assert!(
        bind()
            .expect_err("no key")
            .to_string()
            .contains("no secret key")
    );
}

#[test]
fn a_private_authority_is_believed_where_it_is_named() {
    let clients = Authority::new();
    let secure = secure(TLS, &clients, "");
    let url = format!("https://localhost:{}/healthz", secure.node.address.port());
    let get = |client: Client| client.get(&url, None, 0, 100);
    assert!(get(Client::new(Patience::default())).is_err());
    let believing = |pem: &str| {
        let client = Client::with_authorities(Patience::default(), pem.as_bytes());
        get(client.expect("authorities"))
    };
    assert!(believing(&clients.pem).is_err());
    let both = format!("{}{}", clients.pem, secure.authority.pem);
    assert_eq!(believing(&both).expect("an answer"), Some(b"ok\n".to_vec()));
}
