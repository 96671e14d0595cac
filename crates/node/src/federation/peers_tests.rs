//! Peers files: the one that the module shows, and what is refused.

use tenzik_log::note::KeyName;
use tenzik_receipt::{KeyUse, SecretKey, Timestamp};

use super::*;

fn key(name: &str, kind: SignatureType, seed: u8) -> VerifierKey {
    let secret = SecretKey::from_seed(&[seed; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
    VerifierKey::new(KeyName::new(name).expect("a name"), kind, secret.public()).expect("a key")
}

fn node() -> PublicKey {
    SecretKey::from_seed(&[9; 32], KeyUse::Receipt, Timestamp::EPOCH).public()
}

fn peer(name: &str, origin: &str, rest: &str) -> String {
    let log = key(origin, SignatureType::Ed25519, 1);
    let node = node();
    format!(
        "[[peer]]\nname = \"{name}\"\nlog = \"{log}\"\nurl = \"https://{origin}\"\nnodes = [\"{node}\"]\n{rest}\n"
    )
}

fn file(peers: &[String]) -> String {
    format!("version = 1\n{}", peers.concat())
}

#[test]
fn a_peer_has_its_defaults_and_what_is_said() {
    let witness = key("witness.example", SignatureType::Cosignature, 2);
    let policy = format!(
        "policy = \"\"\"\nwitness one {witness}\nquorum one\n\"\"\"\nwitness = false\napi = \"http://b.example\"\n[peer.audit]\nsample_ppm = 1000000"
    );
    let text = file(&[
        peer("alpha", "a.example/log", ""),
        peer("beta", "b.example/log", &policy),
    ]);
    let peers = Peers::from_toml(&text).expect("a peers file");
    let alpha = peers.named("alpha").expect("the first");
    assert_eq!(alpha.audit, AuditBudget::default());
    assert!(alpha.witness && alpha.policy.witnesses().is_empty() && alpha.api.is_none());
    let origin = Origin::new("b.example/log").expect("an origin");
    let beta = peers.of_log(&origin).expect("the second");
    assert_eq!(beta.audit.sample_ppm, RatePpm::ALL);
    assert!(!beta.witness && beta.policy.witnesses().len() == 1);
    assert_eq!(beta.rules.nodes().collect::<Vec<_>>(), [node()]);
    assert_eq!(peers.iter().count(), 2);
    assert!(
        Peers::from_toml("version = 1\n")
            .expect("nobody")
            .iter()
            .next()
            .is_none()
    );
}

#[test]
fn a_token_does_not_go_over_a_network_in_clear() {
    let with = |more: &str| Peers::from_toml(&file(&[peer("alpha", "a.example/log", more)]));
    let clear = "api = \"http://a.example\"\n";
    assert!(with(clear).is_ok());
    let token = format!("{clear}token_file = \"token\"\n");
    assert!(matches!(with(&token), Err(PeersError::Plain { .. })));
    assert!(with(&format!("{token}plain_http = true\n")).is_ok());
    assert!(with(&token.replace("http://a.example", "http://127.0.0.1:1")).is_ok());
    assert!(with(&token.replace("http:", "https:")).is_ok());
}

#[test]
fn what_is_not_a_peers_file_is_refused_at_its_line() {
    let good = file(&[peer("alpha", "a.example/log", "")]);
    let line = |text: &str| match Peers::from_toml(text) {
        Err(PeersError::Form { line, .. }) => line,
        other => panic!("{other:?}"),
    };
    assert_eq!(line(&good.replace("url", "link")), 5);
    assert_eq!(line(&good.replace("version = 1", "version = 2")), 1);
    assert_eq!(line(&good.replace("\"alpha\"", "\"Alpha\"")), 3);
    assert_eq!(line(&good.replace("ed25519:", "ed25519:0")), 6);
    assert_eq!(line(&good.replace("a.example/log+", "b.example/log+")), 4);
    assert_eq!(
        line(&format!("{good}[peer.audit]\nsample_ppm = 1000001\n")),
        9
    );
    line("");
    line("version = 1\nversion = 1\n");
}

#[test]
fn doubled_weak_and_misplaced_keys_and_urls_are_refused() {
    let told = |peers: &[String]| Peers::from_toml(&file(peers)).expect_err("refused");
    let alpha = || peer("alpha", "a.example/log", "");
    let same = told(&[alpha(), peer("alpha", "b.example/log", "")]);
    assert!(
        matches!(same, PeersError::Doubled { what: "name", .. }),
        "{same}"
    );
    let same = told(&[alpha(), peer("beta", "a.example/log", "")]);
    assert!(
        matches!(same, PeersError::Doubled { what: "log", .. }),
        "{same}"
    );
    let weak = format!("ed25519:01{}", "00".repeat(31));
    let weak = told(&[alpha().replace(&node().to_string(), &weak)]);
    assert!(matches!(weak, PeersError::Node { .. }), "{weak}");
    let (log, cosigner) = (
        key("a.example/log", SignatureType::Ed25519, 1),
        key("a.example/log", SignatureType::Cosignature, 1),
    );
    let cosigner = told(&[alpha().replace(&log.to_string(), &cosigner.to_string())]);
    assert!(matches!(cosigner, PeersError::KeyType { .. }), "{cosigner}");
    for url in [
        "ftp://a.example/log",
        "https://",
        "https://a.example/log/",
        "https://a/?x",
        "https:///a",
        "https://a b",
    ] {
        let bad = told(&[alpha().replace("https://a.example/log", url)]);
        assert!(matches!(bad, PeersError::Url { .. }), "{url}: {bad}");
    }
    let policy = told(&[peer(
        "alpha",
        "a.example/log",
        "policy = \"quorum nobody\\n\"",
    )]);
    assert!(matches!(policy, PeersError::Policy { .. }), "{policy}");
    let many: Vec<_> = (0..=PEERS_MAX)
        .map(|number| peer(&format!("p{number}"), &format!("{number}.example/log"), ""))
        .collect();
    assert!(matches!(
        told(&many),
        PeersError::Number { what: "peers", .. }
    ));
}
