//! What a node refuses to be set up with.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use tempfile::TempDir;
use tenzik_node::{Callers, NodeConfig, NodeError, Parts};
use tenzik_receipt::{Blake3, KeyUse};

use crate::common::{TestNode, configured, opened, write_key};

fn refused(sections: &str) -> String {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("node.toml");
    fs::write(&path, sections).expect("a file");
    NodeConfig::read(&path).expect_err(sections).to_string()
}

#[test]
fn every_value_has_its_range() {
    let base = "data_dir = \"d\"\n[keys]\nreceipt = \"k\"\n";
    for section in [
        "[limits]\nthreads = 0",
        "[limits]\nconnections_max = 0",
        "[limits]\nconnections_per_address_max = 0",
        "[limits]\nheader_timeout_ms = 0",
        "[limits]\nanswer_timeout_ms = 0",
        "[limits]\nheader_bytes_max = 100",
        "[limits]\nrun_body_bytes_max = 1000000000",
        "[limits]\nbodies_bytes_max = 1024",
        "[limits]\nstranger_body_bytes_max = 1024",
        "[limits]\nstrangers_bytes_max = 1024",
        "[limits]\nanswers_bytes_max = 8389631",
        "[limits]\nno_such = 1",
        "[quotas]\nentries_max = 0",
        "[quotas]\ncaller_runs = { per_minute = 0, burst = 1 }",
        "[quotas]\ncaller_runs = { per_minute = 1 }",
        "[runs]\nat_once = 0",
        "[runs]\ngrants = [\"all\"]",
        "[runs]\ntime_max_ms = 0",
        "[runs]\ntime_max_ms = 60001",
        "[limits]\nrequest_timeout_ms = 9999",
        "checkpoint = \"c\"",
        "[log]\nvisibility = \"private\"",
        "[blobs]\nblob_bytes_max = 0",
        "[blobs]\nowner_bytes_max = 1",
        "[blobs]\nbytes_max = 1",
        "[blobs]\ngrants_max = 0",
        "[blobs]\nkeep_s_max = 0",
        "[audit]\ntime_ms_max = 0",
        "[audit]\nblob_bytes_max = 11534337",
        "[audit]\nwait_s = 0",
        "[executions]\nbackends = []",
        "[executions]\nbackends = [\"sandbox\"]\ncaller_percent = 0",
        "[executions]\nbackends = [\"sandbox\"]\ncaller_percent = 101",
        "[executions]\nbackends = [\"sandbox\"]\nbodies_bytes_max = 8388607",
        "[executions]\nbackends = [\"sandbox\"]\nread_ms = 0",
        "[telemetry]\notlp_endpoint = \"ftp://x\"",
        "[telemetry]\nlog_format = \"xml\"",
        "[tls]\ncertificate = \"c\"",
        "[other]",
    ] {
        let message = refused(&format!("{base}{section}\n"));
        assert!(!message.is_empty(), "{section}");
    }
    assert!(refused("data_dir = \"d\"\ndata_dir = \"d\"\n").contains("duplicate"));
    let open = format!("listen = \"0.0.0.0:1\"\n{base}");
    assert!(refused(&open).contains("without TLS"));
}

#[test]
fn a_promise_leaves_time_to_be_kept() {
    let base = "data_dir = \"d\"\norigin = \"n.example/log\"\n[keys]\nreceipt = \"k\"\n";
    // A request of 60 s, two integrations of 1 s, and an answer of 30 s.
    assert!(refused(&format!("{base}[log]\nmerge_delay_s = 91\n")).contains("merge_delay_s"));
    let fits = ["[log]\nmerge_delay_s = 92\n", ""];
    for section in fits {
        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("node.toml");
        fs::write(&path, format!("{base}{section}")).expect("a file");
        NodeConfig::read(&path).expect(section);
    }
    let slow = format!("{base}[federation]\nrequest_ms = 300000\n");
    assert!(refused(&slow).contains("request_ms"));
}

#[test]
fn the_documented_configuration_is_read() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/node.md");
    let page = fs::read_to_string(page).expect("docs/node.md");
    let block = page.split("```toml\n").nth(1).expect("a block");
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("node.toml");
    fs::write(&path, block.split("```").next().expect("its end")).expect("a file");
    let config = NodeConfig::read(&path).expect("a configuration");
    assert_eq!(config.keys.receipt, directory.path().join("receipt.key"));
    assert_eq!(config.data_dir.to_str(), Some("/var/lib/tenzik"));
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir(&data).expect("a directory");
    let mode = |mode| fs::set_permissions(&data, fs::Permissions::from_mode(mode));
    for (bits, told) in [(0o755, "055"), (0o710, "010"), (0o701, "001")] {
        mode(bits).expect("a mode");
        let refused = Parts::open(configured(directory.path(), "")).map(drop);
        let refused = refused.expect_err("an open directory").to_string();
        assert!(
            refused.contains(told) && refused.contains("chmod 700"),
            "{refused}"
        );
    }
    mode(0o700).expect("a mode");
    drop(Parts::open(configured(directory.path(), "")).expect("a node"));
}

#[test]
fn one_process_has_the_directory() {
    let directory = TempDir::new().expect("a directory");
    let first = Parts::open(configured(directory.path(), "")).expect("a node");
    let second = Parts::open(configured(directory.path(), ""));
    assert!(matches!(second, Err(NodeError::InUse { .. })));
    drop(first);
    assert!(opened(configured(directory.path(), "")).is_ok());
}

#[test]
fn keys_are_secret_and_have_one_use() {
    let directory = TempDir::new().expect("a directory");
    let key = directory.path().join("receipt.key");
    let open = |sections| {
        let config = configured(directory.path(), sections);
        move || opened(config).map(drop).map_err(|error| error.to_string())
    };
    let wrong_use = open("");
    write_key(&key, 7, KeyUse::Witness);
    assert!(
        wrong_use()
            .expect_err("a witness key")
            .contains("for the use witness")
    );
    let readable = open("");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).expect("a mode");
    assert!(readable().expect_err("a readable key").contains("040"));
    let cut = open("");
    fs::write(&key, b"{}").expect("a file");
    assert!(cut().expect_err("a cut key").contains("cut short"));
    let shared = open("origin = \"n.example/log\"\n[keys]\ncheckpoint = \"checkpoint.key\"\n");
    write_key(
        &directory.path().join("checkpoint.key"),
        7,
        KeyUse::Checkpoint,
    );
    assert!(
        shared()
            .expect_err("one key twice")
            .contains("are the same")
    );
}

#[test]
fn callers_files_are_strict() {
    let digest = Blake3::of(b"x");
    let row = format!("[[caller]]\nname = \"a\"\nroles = [\"run\"]\ntokens = [\"{digest}\"]\n");
    assert!(row.parse::<Callers>().is_ok());
    for text in [
        format!("{row}{row}"),
        format!("{row}{}", row.replace("\"a\"", "\"b\"")),
        row.replace("\"run\"", "\"root\""),
        row.replace("tokens", "token"),
        row.replace("blake3:", ""),
        format!("{row}expires_at = \"soon\"\n"),
        "[[caller]]\nname = \"a\"\nroles = []\n".to_owned(),
        row.replace("\"a\"", "\"\""),
        row.replace("\"a\"", "\"a\\n\""),
    ] {
        assert!(text.parse::<Callers>().is_err(), "{text}");
    }
}

#[test]
fn the_document_describes_every_route() {
    let node = TestNode::start("");
    let answer = node.get("/openapi.json");
    assert!(answer.head.contains("content-type: application/json"));
    let document = answer.json();
    let paths = document["paths"].as_object().expect("paths");
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/runs",
        "/v1/receipts",
        "/v1/receipts/{id}/proof",
        "/log/checkpoint",
        "/witness/add-checkpoint",
        "/v1/peers",
        "/v1/blobs/{digest}",
        "/v1/audits",
        "/v1/evidence",
        "/v1/disputes",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    // One operation for each handler of the router, and none beside.
    let source = include_str!("../../src/routes.rs");
    let all = source.split("pub fn all()").nth(1).expect("the table");
    let all = all.split("\n}\n").next().expect("its end");
    let handlers: usize = all
        .split("routes!(")
        .skip(1)
        .map(|rest| rest.split(')').next().expect("an end").split(',').count())
        .sum();
    let plain: Vec<_> = all.split(".route(\"").skip(1).collect();
    for rest in &plain {
        let path = rest.split('"').next().expect("a path").replace("{*", "{");
        assert!(paths.contains_key(&path), "{path}");
    }
    let operations: usize = paths
        .values()
        .map(|item| item.as_object().expect("operations").len())
        .sum();
    assert_eq!(operations, handlers + plain.len());
    // Every reference leads somewhere.
    let text = answer.text();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("a name");
        assert!(
            document["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[test]
fn parts_say_whether_they_are_ready() {
    let parts = |parts: &mut Parts| {
        parts.readiness("disk", || Err("it is full".to_owned()));
        parts.readiness("clock", || Ok(()));
    };
    let node = TestNode::start_with("", parts, |routes| routes);
    let answer = node.get("/readyz");
    assert_eq!(answer.status, 503);
    let body = answer.json();
    assert_eq!(body["ready"], false);
    assert_eq!(
        body["parts"],
        serde_json::json!({"node": "ready", "disk": "it is full", "clock": "ready"})
    );
    assert_eq!(node.get("/healthz").text(), "ok\n");
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "\\PC*") {
        let _ = text.parse::<Callers>();
        let row = format!("[[caller]]\nname = {text:?}\nroles = [\"run\"]\ntokens = [{text:?}]\n");
        prop_assert!(row.parse::<Callers>().is_err());
    }
}
