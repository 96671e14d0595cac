//! Replay: an honest claim is found the same; a forged one is named by the first member that differs.

use std::sync::LazyLock;

use tenzik::outcome::Request;
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik_receipt::{
    Blake3, Claim, Detail, Disclosed, Expectations, Int, KeyUse, Label, RunSecret, SignedReceipt,
    Status, Trust, Verdict, WasmClaim, WasmLimits, verify,
};

use crate::common::{assert_verifies, key, pipeline_with, read};
use crate::support::{GENEROUS, Story, claim, few_slots, generous, import, lenient, with};

static REPLAYER: LazyLock<Replayer> = LazyLock::new(|| Replayer::new(10_000).expect("an engine"));

fn honest() -> Story {
    with(
        &import("output_write"),
        "(call $output_write (i32.const 0) (i32.const 3))",
    )
    .bytes(b"input")
}

fn evidence(story: &Story) -> Evidence<'_> {
    Evidence {
        capsule: &story.0.capsule,
        input: &story.0.request.input,
        secret: None,
        seed: None,
        transcript: None,
    }
}

fn replay(story: &Story, claim: &WasmClaim) -> Result<Replay, ReplayError> {
    REPLAYER.replay(&Claim::Wasm(claim.clone()), &evidence(story))
}

fn int(number: u64) -> Int {
    Int::new(number).expect("small")
}

#[test]
fn every_deterministic_ending_is_found_the_same() {
    let before = [
        import("output_write"),
        import("output_num"),
        import("fail"),
        import("input_len"),
    ]
    .concat();
    for body in [
        "",
        "unreachable",
        "(loop (br 0))",
        "(call $fail (i32.const 0) (i32.const 4))",
        "(call $output_num (f64.const nan))",
        "(loop (drop (call $input_len)) (br 0))",
        "(loop (call $output_write (i32.const 0) (i32.const 60000)) (br 0))",
        "(drop (memory.grow (i32.const 511))) (drop (i32.load (i32.const 33554432)))",
    ] {
        let mut story = with(&before, body).bytes(b"input");
        story.0.terms.limits.host_calls = Some(1_000);
        story.0.request.clock_ms = int(42);
        let run = story.run();
        assert_eq!(replay(&story, claim(&run)), Ok(Replay::Same), "{body}");
    }
    let story = with("", "").json("[1]");
    assert_eq!(
        replay(&story, claim(&story.run())),
        Ok(Replay::Same),
        "invalid_output"
    );
}

/// Forges a member; the receipt is signed as well as any, and the replay names the member.
fn forged(member: &str, forge: impl FnOnce(&mut WasmClaim)) {
    let story = honest();
    let run = story.run();
    let mut receipt = run.receipt.receipt().clone();
    let Claim::Wasm(claim) = &mut receipt.claim else {
        panic!("a claim of kind wasm");
    };
    forge(claim);
    let forged = key(1, KeyUse::Receipt)
        .sign_receipt(receipt)
        .expect("it hangs together");
    assert_verifies(&forged);
    match REPLAYER.replay(forged.claim(), &evidence(&story)) {
        Ok(Replay::Differs(Difference {
            member: found,
            claimed,
            found: gave,
        })) => {
            assert_eq!(found, member);
            assert_ne!(claimed, gave);
        }
        other => panic!("{member}: {other:?}"),
    }
}

#[test]
fn a_forged_figure_is_named() {
    forged("fuel", |claim| claim.fuel = Some(Disclosed::Open(int(1))));
    forged("host_calls", |claim| {
        let Some(Disclosed::Open(calls)) = &mut claim.host_calls else {
            panic!("open");
        };
        calls.insert(Label::constant("output_write"), int(2));
    });
    forged("memory_pages_peak", |claim| {
        claim.memory_pages_peak = Some(Disclosed::Open(int(2)))
    });
    forged("output", |claim| {
        claim.output = Some(Disclosed::Open(Blake3::of(b"other")))
    });
}

#[test]
fn a_forged_ending_is_named_by_what_comes_first_in_it() {
    let detail = |code: &str| {
        Some(Disclosed::Open(Detail {
            code: Label::new(code.to_owned()).expect("a label"),
            message: None,
        }))
    };
    forged("detail", |claim| {
        (claim.status, claim.detail, claim.output) = (Status::Failed, detail("exit:1"), None);
    });
    forged("fuel", |claim| {
        (claim.status, claim.output) = (Status::InvalidOutput, None);
        claim.fuel = Some(Disclosed::Open(claim.limits.fuel));
    });
    forged("fuel", |claim| {
        (claim.status, claim.output) = (Status::OutOfFuel, None);
        claim.fuel = Some(Disclosed::Open(claim.limits.fuel));
    });
}

#[test]
fn a_forged_limit_shows_where_the_run_meets_it() {
    forged("detail", |claim| {
        (claim.status, claim.detail, claim.output) = (Status::Failed, None, None);
        claim.detail = Some(Disclosed::Open(Detail {
            code: Label::constant("exit:9"),
            message: None,
        }));
        claim.limits.fuel = int(60_000);
    });
    forged("fuel", |claim| {
        claim.limits.fuel = int(5_010);
        claim.fuel = Some(Disclosed::Open(int(5_009)));
    });
}

#[test]
fn other_inputs_of_the_request_show_in_what_came_of_it() {
    let story = with(
        &[import("time_now_ms"), import("random_bytes"), import("output_write")].concat(),
        "(i64.store (i32.const 0) (call $time_now_ms)) (call $random_bytes (i32.const 8) (i32.const 8))
         (call $output_write (i32.const 0) (i32.const 16))",
    );
    let run = story.run();
    let forge = |change: &dyn Fn(&mut WasmClaim)| {
        let mut forged = claim(&run).clone();
        change(&mut forged);
        match replay(&story, &forged) {
            Ok(Replay::Differs(difference)) => assert_eq!(difference.member, "output"),
            other => panic!("{other:?}"),
        }
    };
    forge(&|claim| claim.clock_ms = int(1));
    forge(&|claim| claim.seed = Disclosed::Open(tenzik_receipt::Seed::from_bytes([1; 32])));
}

#[test]
fn what_was_given_must_be_what_the_claim_is_about() {
    let story = honest();
    let run = story.run();
    let mut other = story.clone();
    other.0.request = Request::bytes(&b"other"[..]);
    let wrong = |what| Err(ReplayError::WrongEvidence { what });
    assert_eq!(replay(&other, claim(&run)), wrong("input"));
    let other = with("", "").bytes(b"input");
    assert_eq!(replay(&other, claim(&run)), wrong("capsule"));
}

#[test]
fn other_tables_and_units_are_unknown_and_never_false() {
    let story = honest();
    let run = story.run();
    let unknown = |member: &str, change: &dyn Fn(&mut WasmClaim)| {
        let mut other = claim(&run).clone();
        change(&mut other);
        match replay(&story, &other) {
            Err(ReplayError::Unknown { member: found, .. }) => assert_eq!(found, member),
            other => panic!("{member}: {other:?}"),
        }
    };
    unknown("abi", &|claim| claim.abi = Label::constant("tenzik_v2"));
    unknown("metering", &|claim| {
        claim.metering = Label::constant("engine:wasmtime/1.0.0")
    });
    unknown("rules", &|claim| claim.rules = Blake3::of(b"other rules"));
    unknown("limits.stack", &|claim| claim.limits.stack = int(1));
}

#[test]
fn a_claim_that_says_aborted_cannot_be_run_again() {
    let mut story = with("", "(loop (br 0))").fuel(GENEROUS);
    story.0.terms.limits.time_ms = Some(10);
    let run = story.run_on(&pipeline_with(&generous(lenient()), &few_slots()));
    assert_eq!(
        replay(&story, claim(&run)),
        Err(ReplayError::NotReplayable {
            kind: "wasm",
            status: "aborted"
        })
    );
}

#[test]
fn a_replay_that_is_aborted_here_says_nothing_of_the_receipt() {
    // Forged: the claimed run ended well, and here it goes on beyond our patience.
    let story = with("", "(loop (br 0))");
    let mut forged = claim(&honest().run()).clone();
    forged.capsule = Blake3::of(&story.0.capsule);
    forged.input = Disclosed::Open(Blake3::of(b""));
    forged.limits.fuel = int(1 << 52);
    let impatient = Replayer::new(20).expect("an engine");
    let found = impatient.replay(&Claim::Wasm(forged), &evidence(&story));
    assert_eq!(found, Err(ReplayError::Aborted));
}

/// A secret opens a private claim; an open one is not keyed by it and called false.
#[test]
fn a_secret_that_an_open_claim_does_not_need_changes_nothing() {
    let story = honest();
    let run = story.run();
    let secret = RunSecret::from_bytes([9; 32]);
    let evidence = Evidence {
        secret: Some(&secret),
        ..evidence(&story)
    };
    let found = REPLAYER.replay(run.receipt.claim(), &evidence);
    assert_eq!(found, Ok(Replay::Same));
}

/// Limits that are beyond this host are no finding against the node.
#[test]
fn limits_that_this_host_does_not_give_cannot_be_told() {
    let story = honest();
    let run = story.run();
    let claim = claim(&run);
    for change in [
        (|limits| limits.host_calls = int(1 << 40)) as fn(&mut WasmLimits),
        |limits| limits.output_bytes = int(1 << 40),
        |limits| limits.memory_pages = int(60_000),
    ] {
        let mut claim = claim.clone();
        change(&mut claim.limits);
        let refused = replay(&story, &claim);
        assert!(matches!(refused, Err(ReplayError::Bind(_))), "{refused:?}");
    }
}

/// These receipts were made while wasmtime counted the fuel, by the release that did so.
#[test]
fn receipts_under_the_engines_own_fuel_are_run_again_on_it() {
    for name in ["failed", "order", "out-of-fuel", "sample", "trapped"] {
        let file = |end: &str| read(&format!("tests/receipts/engine-fuel/{name}.{end}"));
        let receipt = SignedReceipt::from_bytes(&file("receipt.json")).expect("a receipt");
        let Claim::Wasm(claim) = receipt.claim() else {
            panic!("{name}: {:?}", receipt.claim());
        };
        assert_eq!(claim.metering.as_str(), "engine:wasmtime/48.0.8");
        let (capsule, input) = (file("wasm"), file("input"));
        let evidence = Evidence {
            capsule: &capsule,
            input: &input,
            secret: None,
            seed: None,
            transcript: None,
        };
        let found = REPLAYER.replay(receipt.claim(), &evidence);
        assert_eq!(found, Ok(Replay::Same), "{name}");
        let trust = Trust::in_receipts_of(receipt.receipt().node).expect("a key");
        let expected = Expectations {
            status: Some(receipt.claim().status()),
            capsule: Some(&capsule),
            input: Some(&input),
            ..Expectations::default()
        };
        let later = "2026-11-20T12:00:00Z".parse().expect("a time");
        let report = verify(&file("receipt.json"), &trust, later, &expected);
        assert_eq!(report.verdict(), Verdict::Passed, "{name}");
    }
}
