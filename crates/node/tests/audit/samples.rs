//! What samples of a log find, and what they survive.

use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tenzik::rules::Metering;
use tenzik_log::evidence::{Evidence, Finding as Shown, Known};
use tenzik_log::tree::TreeError;
use tenzik_node::audit::{AuditConfig, AuditError, Finding, Reason};
use tenzik_receipt::{Disclosed, Int, Label};

use crate::common::capsule_file;
use crate::world::{
    PeerNode, Told, World, audit, audit_entries, counting, echo, endless, now, numbered, order,
    words,
};

#[test]
fn an_honest_peer_is_found_honest() {
    let peer = PeerNode::start("beta", 1);
    let total = order(
        capsule_file("order-total/order-total.wasm"),
        &String::from_utf8(capsule_file("order-total/example.json")).expect("text"),
    );
    let receipts: Vec<_> = [echo("1"), echo("2"), total, echo("not JSON")]
        .iter()
        .map(|order| peer.run(order))
        .collect();
    peer.append(&receipts[..3]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    assert_eq!(words(&audited), numbered(&["same"; 3]));
    assert_eq!((audited.pending, audited.more), (0, false));
    let again = world.audit(&auditor, "beta", now());
    assert!(
        again.found.is_empty(),
        "what was sampled is not sampled again"
    );
    // A refused run follows; only it is new.
    peer.append(&receipts[3..]);
    let audited = world.audit(&auditor, "beta", now());
    assert_eq!(words(&audited), [(3, "refused".to_owned())]);
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.leaves, report.sampled, report.audited), (4, 4, 3));
    assert_eq!(report.unaudited[&Reason::Refused], 1);
    assert!((report.detection.one - 0.75).abs() < 1e-9);
    assert_eq!((report.forged, report.is_opaque), (0, false));
    let listed = auditor.audits("beta.test/log", Some(1), 10).expect("rows");
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].finding, Finding::Same);
    assert_eq!(listed[0].receipt, Some(receipts[2].id().to_string()));
    // What a run did not use was given back.
    let spent = world.spent("beta.test/log");
    assert!(
        spent["fuel"].as_u64().is_some_and(|fuel| fuel < 20_000_000),
        "{spent}"
    );
    assert_eq!(spent["capsules"], 2);
    assert!(told.forged.lock().expect("a lock").is_empty());
}

#[test]
fn a_forged_claim_is_caught_and_the_evidence_holds() {
    let lies: [fn(&PeerNode) -> tenzik_receipt::SignedReceipt; 2] = [
        |peer| peer.forge_output(&peer.run(&echo("[2]"))),
        |peer| {
            peer.forge(&peer.run(&echo("[2]")), |claim| {
                claim.fuel = Some(Disclosed::Open(Int::new(1).expect("in range")));
            })
        },
    ];
    for lie in lies {
        let peer = PeerNode::start("beta", 1);
        peer.append(&[peer.run(&echo("[1]")), lie(&peer), peer.run(&echo("[3]"))]);
        let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
        let auditor = world.auditor(&told);
        let audited = world.audit(&auditor, "beta", now());
        assert_eq!(words(&audited), numbered(&["same", "forged"]));
        assert_eq!(audited.pending, 1, "who was found out is not audited on");
        // It is told at once, though the sample is not at its end; and more leaves are seen to be unsampled.
        peer.append(&[peer.run(&echo("[4]"))]);
        world.pull("beta");
        let report = auditor.report(world.peer("beta")).expect("a report");
        assert_eq!((report.forged, report.audited), (1, 2));
        assert_eq!((report.leaves, report.unsampled, report.waiting), (4, 1, 1));
        assert!((report.detection.one - 0.5).abs() < 1e-9);
        let told = told.forged.lock().expect("a lock");
        let [(name, evidence, digest)] = &told[..] else {
            panic!("told once: {told:?}");
        };
        assert_eq!(name, "beta");
        let beta = world.peer("beta");
        let known = Known {
            log: &beta.log,
            rules: &beta.rules,
            policy: &beta.policy,
            at: now(),
        };
        let shown = evidence.verify(known).expect("it shows something");
        assert!(matches!(shown, Shown::Claimed { node, .. } if node == peer.public_key()));
        // It is kept, by its digest, over a restart.
        let kept = world.evidence();
        let bytes = kept.read(digest).expect("a disk").expect("it is there");
        assert_eq!(Evidence::from_bytes(&bytes).expect("a file"), *evidence);
        let listed = kept.list(None, 10).expect("a disk");
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].1.kind, "forged_claim");
        let rows = auditor.audits("beta.test/log", None, 10).expect("rows");
        assert!(
            matches!(&rows[1].finding, Finding::Forged { evidence, .. } if *evidence == digest.to_string())
        );
    }
}

#[test]
fn an_interpreter_that_is_slower_confirms_all_the_same() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[peer.forge(&peer.run(&counting(20_000_000)), |claim| {
        claim.fuel = Some(Disclosed::Open(Int::new(1).expect("in range")));
    })]);
    let audited_within = |time_ms_max| {
        let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
        let config = AuditConfig {
            time_ms_max,
            ..AuditConfig::default()
        };
        let auditor = world.auditor_with(&told, config);
        words(&world.audit(&auditor, "beta", now()))
    };
    // No longer than compiled code takes here, so that the interpreter takes longer.
    let mut found = [300, 3_000, 30_000].into_iter().map(audited_within);
    let found = found.find(|found| *found != numbered(&["out_of_patience"]));
    assert_eq!(found, Some(numbered(&["forged"])));
}

#[test]
fn what_one_engine_contradicts_and_none_confirms_is_told_apart() {
    let peer = PeerNode::start("beta", 1);
    let alone = Metering::EngineFuel;
    // Only one engine has this metering.
    let lie = peer.forge(&peer.run(&echo("[1]")), |claim| {
        claim.metering = Label::new(alone.label().to_owned()).expect("a label");
        claim.rules = alone.rules();
        claim.limits.stack = alone.stack().into();
        claim.fuel = Some(Disclosed::Open(Int::new(1).expect("in range")));
    });
    peer.append(&[lie, peer.run_without_blobs(&echo("[2]"))]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    assert_eq!(words(&audited), numbered(&["one_engine", "blob_missing"]));
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.forged, report.contradicted), (0, 1));
    assert_eq!(report.unaudited[&Reason::OneEngine], 1);
    assert!(told.forged.lock().expect("a lock").is_empty());
}

#[test]
fn what_cannot_be_run_again_says_why() {
    let peer = PeerNode::start("beta", 1);
    let old_rules = peer.forge(&peer.run(&echo("4")), |claim| {
        claim.rules = tenzik_receipt::Blake3::of(b"other rules");
    });
    let other_grant = peer.forge(&peer.run(&echo("5")), |claim| {
        let name = tenzik_receipt::Label::new("teleport".to_owned()).expect("a label");
        claim.grants = [name].into_iter().collect();
    });
    let receipts = [
        peer.run(&echo("0")),
        peer.run_without_blobs(&echo("1")),
        peer.run_privately(&echo("2")),
        peer.run(&endless()),
        old_rules,
        other_grant,
    ];
    peer.append(&receipts);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    let expected = [
        "same",
        "blob_missing",
        "private",
        "aborted",
        "unknown",
        "unknown",
    ];
    assert_eq!(words(&audited), numbered(&expected));
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.sampled, report.audited), (6, 1));
    assert_eq!(report.unaudited.values().sum::<u64>(), 5);
    assert_eq!(report.unaudited_ppm, None, "six are too few to say");
    assert!(told.forged.lock().expect("a lock").is_empty());
}

#[test]
fn a_peer_that_hides_too_much_is_opaque() {
    let peer = PeerNode::start("beta", 1);
    let receipt = |number: u32| {
        let order = echo(&number.to_string());
        match number % 4 {
            0 => peer.run_privately(&order),
            _ => peer.run(&order),
        }
    };
    let receipts: Vec<_> = (0..12).map(receipt).collect();
    peer.append(&receipts);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    world.audit(&auditor, "beta", now());
    let told_last = |times: usize| {
        let opaque = told.opaque.lock().expect("a lock");
        assert_eq!(opaque.len(), times, "{opaque:?}");
        opaque[times - 1].clone()
    };
    let (name, report) = told_last(1);
    assert_eq!(
        (name.as_str(), report.unaudited_ppm),
        ("beta", Some(250_000))
    );
    assert!(report.is_opaque);
    // It shows more, and is opaque no more; that is told too, once.
    let open: Vec<_> = (12..24_u32)
        .map(|number| peer.run(&echo(&number.to_string())))
        .collect();
    peer.append(&open);
    world.audit(&auditor, "beta", now());
    world.audit(&auditor, "beta", now());
    let (_, report) = told_last(2);
    assert_eq!(
        (report.unaudited_ppm, report.is_opaque),
        (Some(125_000), false)
    );
}

#[test]
fn other_bytes_and_too_many_bytes_accuse_nobody() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[peer.run(&echo("1"))]);
    for (api, expected) in [
        ("BASE/lies", "blob_missing"),
        ("BASE/large", "too_large"),
        ("BASE/nothing", "blob_missing"),
    ] {
        let (world, told) = (World::at(&peer, api, ""), Arc::new(Told::default()));
        let config = AuditConfig {
            blob_bytes_max: 50_000,
            ..AuditConfig::default()
        };
        let auditor = world.auditor_with(&told, config);
        let audited = world.audit(&auditor, "beta", now());
        assert_eq!(words(&audited), numbered(&[expected]), "{api}");
    }
}

#[test]
fn a_peer_that_does_not_answer_is_asked_again_for_a_day() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[
        peer.run_privately(&echo("0")),
        peer.run(&echo("1")),
        peer.run(&echo("2")),
    ]);
    // Nobody listens on the port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let api = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let (world, told) = (World::at(&peer, &api, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let began = now();
    let audited = world.audit(&auditor, "beta", began);
    assert_eq!(words(&audited), [(0, "private".to_owned())]);
    assert_eq!(audited.pending, 2);
    let report = auditor.report(world.peer("beta")).expect("a report");
    let figures = (report.leaves, report.sampled, report.waiting);
    assert_eq!(figures, (3, 1, 2));
    drop(auditor);
    let auditor = world.auditor(&told);
    let later = world.audit(&auditor, "beta", began.plus_seconds(86_399));
    assert_eq!((later.found.len(), later.pending), (0, 2));
    let mut last = world.audit(&auditor, "beta", began.plus_seconds(86_400));
    last.found.sort_by_key(|(index, _)| *index);
    let unreachable = "unreachable".to_owned();
    assert_eq!(words(&last), [(1, unreachable.clone()), (2, unreachable)]);
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.leaves, report.sampled), (3, 3));
}

#[test]
fn a_leaf_that_is_not_answered_for_holds_up_no_other() {
    let peer = PeerNode::start("beta", 1);
    let numbers = |numbers: std::ops::Range<u32>| -> Vec<_> {
        let run = |number: u32| peer.run(&echo(&format!("[{number}]")));
        numbers.map(run).collect()
    };
    peer.append(&numbers(0..6));
    // The input [1] is always to be had another time.
    let (world, told) = (
        World::at(&peer, "BASE/moody", ""),
        Arc::new(Told::default()),
    );
    let auditor = world.auditor(&told);
    let began = now();
    let audited = world.audit(&auditor, "beta", began);
    let same = |index| (index, "same".to_owned());
    assert_eq!(words(&audited), [0, 2, 3, 4, 5].map(same));
    assert_eq!(audited.pending, 1);
    peer.append(&numbers(6..8));
    let audited = world.audit(&auditor, "beta", began);
    assert_eq!(words(&audited), [6, 7].map(same));
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.leaves, report.unsampled), (8, 0));
    assert_eq!((report.audited, report.waiting), (7, 1));
    // After a day it is counted.
    let audited = world.audit(&auditor, "beta", began.plus_seconds(86_400));
    assert_eq!(words(&audited), [(1, "unreachable".to_owned())]);
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.sampled, report.audited, report.waiting), (8, 7, 0));
    assert_eq!(report.unaudited[&Reason::Unreachable], 1);
}

#[test]
fn a_node_that_ends_in_between_goes_on_where_it_was() {
    let peer = PeerNode::start("beta", 1);
    let receipts: Vec<_> = (0..5)
        .map(|number| peer.run(&echo(&number.to_string())))
        .collect();
    peer.append(&receipts[..4]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let mirror = world.pull("beta");
    let broken = |index| match index {
        2 => Err(TreeError::Differs),
        _ => mirror.entry(index),
    };
    let failed = audit_entries(&auditor, &mirror, now(), &broken);
    assert!(matches!(failed, Err(AuditError::Leaf(_))));
    drop(auditor);
    drop(mirror);
    // The log has grown, and its checkpoint is another one: the sample stays the one that was drawn.
    peer.append(&receipts[4..]);
    let auditor = world.auditor(&told);
    let audited = world.audit(&auditor, "beta", now());
    let same = "same".to_owned();
    assert_eq!(words(&audited), [(2, same.clone()), (3, same.clone())]);
    assert!(audited.more);
    let audited = world.audit(&auditor, "beta", now());
    assert_eq!(words(&audited), [(4, same)]);
    let report = auditor.report(world.peer("beta")).expect("a report");
    assert_eq!((report.leaves, report.sampled, report.audited), (5, 5, 5));
}

#[test]
fn a_leaf_that_ended_the_auditor_is_not_begun_again() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[
        peer.run(&echo("1")),
        peer.forge_output(&peer.run(&echo("2"))),
        peer.run(&echo("3")),
    ]);
    let world = World::of(&peer, "");
    let dies = Arc::new(Told {
        dies: true,
        ..Told::default()
    });
    let auditor = world.auditor(&dies);
    let mirror = world.pull("beta");
    let died = catch_unwind(AssertUnwindSafe(|| audit(&auditor, &mirror, now())));
    assert!(died.is_err());
    drop(auditor);
    let fuel = world.spent("beta.test/log")["fuel"].clone();
    let told = Arc::new(Told::default());
    let auditor = world.auditor(&told);
    let audited = audit(&auditor, &mirror, now()).expect("an audit");
    let expected = [(1, "interrupted".to_owned()), (2, "same".to_owned())];
    assert_eq!(words(&audited), expected);
    let more = world.spent("beta.test/log")["fuel"].as_u64() > fuel.as_u64();
    assert!(more, "only the third leaf was paid for");
    // The evidence was durable before anyone was told.
    assert_eq!(world.evidence().list(None, 10).expect("a disk").len(), 1);
}

#[test]
fn no_sample_is_drawn_before_the_witnesses_have_signed() {
    let peer = PeerNode::start("beta", 1);
    peer.append(&[peer.run(&echo("1"))]);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    let auditor = world.auditor(&told);
    let mirror = world.pull("beta");
    let witness = tenzik_receipt::SecretKey::from_seed(
        &[77; 32],
        tenzik_receipt::KeyUse::Witness,
        tenzik_receipt::Timestamp::EPOCH,
    );
    let name = tenzik_log::note::KeyName::new("witness.test").expect("a name");
    let key = tenzik_log::note::VerifierKey::new(
        name,
        tenzik_log::note::SignatureType::Cosignature,
        witness.public(),
    );
    let policy = format!("witness w {}\nquorum w\n", key.expect("a key"));
    let mut strict = mirror.peer().clone();
    strict.policy = tenzik_log::policy::Policy::from_bytes(policy.as_bytes()).expect("a policy");
    let subject = tenzik_node::audit::Subject {
        peer: &strict,
        head: mirror.head().expect("a checkpoint"),
        size: mirror.size(),
        entry: &|index| mirror.entry(index),
    };
    let refused = auditor.audit(&subject, now());
    assert!(matches!(refused, Err(AuditError::Policy(_))));
    let plan = world.records().get("audit-plan", "beta.test/log");
    assert_eq!(plan.expect("a disk"), None);
}

#[test]
fn the_secret_is_the_owners_alone_and_stays() {
    let peer = PeerNode::start("beta", 1);
    let (world, told) = (World::of(&peer, ""), Arc::new(Told::default()));
    drop(world.auditor(&told));
    let path = world.directory.path().join("audit/sample-secret");
    let first = std::fs::read(&path).expect("a secret");
    assert_eq!(first.len(), 32);
    let mode = std::fs::metadata(&path)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(world.auditor(&told));
    assert_eq!(std::fs::read(&path).expect("a secret"), first);
    let open = || {
        let parts = tenzik_node::audit::AuditorParts {
            directory: world.directory.path().join("audit"),
            records: world.records(),
            catalog: world.catalog(),
            evidence: world.evidence(),
            blobs: None,
            client: tenzik_node::federation::Client::new(Default::default()),
            findings: told.clone(),
            config: AuditConfig::default(),
        };
        tenzik_node::audit::Auditor::open(parts).map(drop)
    };
    let set = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    set(0o644).expect("a mode");
    assert!(matches!(open(), Err(AuditError::File(_))));
    set(0o600).expect("a mode");
    std::fs::write(&path, [1; 31]).expect("a disk");
    assert!(matches!(open(), Err(AuditError::Secret)));
}
