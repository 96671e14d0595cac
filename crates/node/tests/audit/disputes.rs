//! Receipts of two logs that contradict each other.

use std::sync::Arc;

use serde_json::json;
use tenzik_node::audit::AuditConfig;
use tenzik_receipt::RequestId;

use crate::common::{ALL, NONE};
use crate::handed::serve;
use crate::world::{Mirrors, PeerNode, Told, World, echo, now, word};

/// Beta is honest, gamma lies about the second of three requests.
fn two_peers(with_blobs: bool) -> (PeerNode, PeerNode, World) {
    let (beta, gamma) = (PeerNode::start("beta", 1), PeerNode::start("gamma", 2));
    let orders = [echo("1"), echo("[2]"), echo("3")];
    let honest: Vec<_> = orders
        .iter()
        .map(|order| match with_blobs {
            true => beta.run(order),
            false => beta.run_without_blobs(order),
        })
        .collect();
    // Gamma keeps no blobs: who asks must find them elsewhere.
    let lie = gamma.forge_output(&gamma.run_without_blobs(&orders[1]));
    beta.append(&honest);
    gamma.append(&[
        gamma.run_without_blobs(&orders[0]),
        lie,
        gamma.run_privately(&orders[2]),
    ]);
    let world = World::new(&|token| {
        beta.row("BASE", token, "") + &gamma.row("BASE", token, "").replace("version = 1\n", "")
    });
    (beta, gamma, world)
}

#[test]
fn a_re_run_settles_which_side_is_false() {
    let (_beta, gamma, world) = two_peers(true);
    let told = Arc::new(Told::default());
    let mirrors = Mirrors(vec![world.pull("beta"), world.pull("gamma")]);
    let node = serve(&world, &told, AuditConfig::default(), mirrors);
    let list = || node.ask("GET", "/v1/disputes", Some(ALL), None).json();
    let disputes = list();
    let disputes = disputes["disputes"].as_array().expect("a list");
    assert_eq!(disputes.len(), 1, "equal claims and private ones are none");
    assert_eq!(disputes[0]["is_settled"], false);
    assert_eq!(disputes[0]["sides"].as_array().expect("sides").len(), 2);
    let request = disputes[0]["request"].as_str().expect("an id").to_owned();
    let path = format!("/v1/disputes/{request}/settle");
    node.ask("POST", &path, None, None)
        .refused(401, "unauthorized");
    node.ask("POST", &path, Some(NONE), None)
        .refused(403, "forbidden");
    let settled = node.ask("POST", &path, Some(ALL), None).json();
    assert_eq!(settled["is_settled"], true, "{settled}");
    for side in settled["sides"].as_array().expect("sides") {
        let expected = match side["origin"] == "gamma.test/log" {
            true => "forged",
            false => "same",
        };
        assert_eq!(side["finding"]["outcome"], expected, "{side}");
    }
    assert_eq!(list()["disputes"][0]["is_settled"], true);
    let forged = told.forged.lock().expect("a lock");
    let [(name, evidence, _)] = &forged[..] else {
        panic!("told once");
    };
    assert_eq!(name, "gamma");
    let accused = world.peer("gamma");
    let known = tenzik_log::evidence::Known {
        log: &accused.log,
        rules: &accused.rules,
        policy: &accused.policy,
        at: now(),
    };
    let shown = evidence.verify(known).expect("it shows something");
    let node_key = gamma.public_key();
    assert!(
        matches!(shown, tenzik_log::evidence::Finding::Claimed { node, .. } if node == node_key)
    );
    let none = format!("/v1/disputes/{}/settle", RequestId::from_bytes([0; 32]));
    node.ask("POST", &none, Some(ALL), None)
        .refused(404, "not_found");
    node.ask("POST", "/v1/disputes/x/settle", Some(ALL), None)
        .refused(404, "not_found");
}

#[test]
fn what_nobody_can_run_stays_open() {
    let (_beta, _gamma, world) = two_peers(false);
    let told = Arc::new(Told::default());
    let mirrors = Mirrors(vec![world.pull("beta"), world.pull("gamma")]);
    let auditor = world.auditor(&told);
    let (disputes, next) = auditor.disputes(&mirrors, None, 10).expect("a disk");
    assert_eq!((disputes.len(), next), (1, None));
    let request: RequestId = disputes[0].request.parse().expect("an id");
    let settle = || auditor.settle(&mirrors, &world.peers, request, now());
    let dispute = settle().expect("a disk").expect("a dispute");
    assert!(!dispute.is_settled);
    for side in &dispute.sides {
        let finding = side.finding.as_ref().expect("it was tried");
        assert_eq!(word(finding), "blob_missing");
    }
    assert!(told.forged.lock().expect("a lock").is_empty());
    // Later somebody has them.
    for bytes in [echo("[2]").capsule, echo("[2]").request.input] {
        _beta.keep(&bytes, tenzik_node::blobs::Class::Input);
    }
    assert!(settle().expect("a disk").expect("a dispute").is_settled);
    let body = json!(dispute);
    assert_eq!(body["sides"][0]["finding"]["reason"], "blob_missing");
}
