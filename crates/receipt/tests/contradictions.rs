//! Claims and receipts that cannot be true are neither signed nor read; each rule by the change that breaks it.

mod common;

use std::collections::BTreeMap;

use common::{
    attested, ended, int, label, node, private, receipt, refused, unrouted, wasm, wasm_request,
    with_signature,
};
use tenzik_receipt::{
    AttestedClaim, AttestedStatus, Blake3, Claim, Detail, Disclosed, Int, Keyed, ReadError,
    Receipt, RefusedClaim, RefusedRequest, Seed, Sha256, SignError, SignedReceipt, Stage, Status,
    WasmClaim, WasmRequest,
};

const KEYED: Keyed = Keyed::from_bytes([9; 32]);
const SIGNATURE_DIGITS: usize = 128;

/// Holds that neither side takes it, for this reason.
fn contradicts(receipt: &Receipt, words: &str) {
    let signed = node().sign_receipt(receipt.clone());
    let read = with_signature(
        receipt,
        &format!("\"ed25519:{}\"", "0".repeat(SIGNATURE_DIGITS)),
    );
    let read = SignedReceipt::from_bytes(&read);
    for error in [signed.err(), read.err().map(SignError::Form)] {
        match error {
            Some(SignError::Form(ReadError::Contradiction { rule })) => {
                assert!(rule.contains(words), "{rule:?} is not {words:?}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

fn stands(claim: Claim) {
    let signed = common::sign(receipt(claim));
    assert_eq!(SignedReceipt::from_bytes(&signed.to_bytes()), Ok(signed));
}

fn wasm_contradicts(words: &str, base: WasmClaim, change: impl Fn(&mut WasmClaim)) {
    stands(Claim::Wasm(base.clone()));
    let mut claim = base;
    change(&mut claim);
    contradicts(&receipt(Claim::Wasm(claim)), words);
}

fn attested_contradicts(words: &str, base: AttestedClaim, change: impl Fn(&mut AttestedClaim)) {
    stands(Claim::Attested(base.clone()));
    let mut claim = base;
    change(&mut claim);
    contradicts(&receipt(Claim::Attested(claim)), words);
}

fn detail() -> Option<Disclosed<Detail>> {
    Some(Disclosed::Open(Detail {
        code: label("exit:1"),
        message: None,
    }))
}

fn every_ending() -> impl Iterator<Item = WasmClaim> {
    let others = Status::ALL.iter().filter(|status| **status != Status::Ok);
    others.map(|status| ended(*status, Some("code")))
}

#[test]
fn an_output_stands_exactly_where_the_status_is_ok() {
    wasm_contradicts("output exactly where", wasm(), |it| it.output = None);
    for claim in every_ending() {
        wasm_contradicts("output exactly where", claim, |it| {
            it.output = Some(Disclosed::Open(Blake3::of(b"")));
        });
    }
}

#[test]
fn a_detail_stands_exactly_where_the_ending_needs_one() {
    let words = "detail exactly where";
    wasm_contradicts(words, wasm(), |it| it.detail = detail());
    for claim in every_ending() {
        wasm_contradicts(words, claim, |it| {
            it.detail = match it.detail {
                Some(_) => None,
                None => detail(),
            };
        });
    }
}

#[test]
fn figures_stand_exactly_where_the_run_was_not_aborted() {
    let words = "figures exactly where";
    for claim in every_ending()
        .filter(|claim| claim.status != Status::Aborted)
        .chain([wasm()])
    {
        wasm_contradicts(words, claim.clone(), |it| it.fuel = None);
        wasm_contradicts(words, claim.clone(), |it| it.host_calls = None);
        wasm_contradicts(words, claim, |it| it.memory_pages_peak = None);
    }
    let aborted = || ended(Status::Aborted, Some("time_limit"));
    wasm_contradicts(words, aborted(), |it| {
        it.fuel = Some(Disclosed::Open(Int::ZERO))
    });
    wasm_contradicts(words, aborted(), |it| {
        it.host_calls = Some(Disclosed::Open(BTreeMap::new()));
    });
    wasm_contradicts(words, aborted(), |it| {
        it.memory_pages_peak = Some(Disclosed::Open(Int::ZERO));
    });
}

#[test]
fn a_private_claim_opens_nothing_and_an_open_one_hides_nothing() {
    let words = "all private members are keyed or none";
    wasm_contradicts(words, wasm(), |it| it.input = Disclosed::Keyed(KEYED));
    wasm_contradicts(words, wasm(), |it| it.fuel = Some(Disclosed::Keyed(KEYED)));
    wasm_contradicts(words, wasm(), |it| it.seed = Disclosed::Keyed(KEYED));
    wasm_contradicts(words, private(), |it| {
        it.input = Disclosed::Open(Blake3::of(b""))
    });
    wasm_contradicts(words, private(), |it| {
        it.fuel = Some(Disclosed::Open(int(1)))
    });
    wasm_contradicts(words, private(), |it| {
        it.host_calls = Some(Disclosed::Open(BTreeMap::new()));
    });
    wasm_contradicts(words, private(), |it| {
        it.memory_pages_peak = Some(Disclosed::Open(int(1)));
    });
    wasm_contradicts(words, private(), |it| {
        it.output = Some(Disclosed::Open(Blake3::of(b"")));
    });
    wasm_contradicts(words, private(), |it| {
        it.seed = Disclosed::Open(Seed::from_bytes([0; 32]));
    });
    wasm_contradicts(words, private(), |it| {
        it.transcript = Some(Disclosed::Open(Sha256::of(b"")));
    });
    let failed = common::keyed(
        ended(Status::Failed, Some("exit:1")),
        &tenzik_receipt::RunSecret::from_bytes(common::SECRET),
    );
    wasm_contradicts(words, failed, |it| it.detail = detail());
}

#[test]
fn fuel_is_within_its_limit_and_all_of_it_where_the_ending_leaves_no_count() {
    wasm_contradicts("within its limit", wasm(), |it| {
        it.fuel = Some(Disclosed::Open(int(it.limits.fuel.get() + 1)));
    });
    for claim in every_ending() {
        if !matches!(claim.status, Status::Aborted | Status::Failed) {
            wasm_contradicts("used all its fuel", claim, |it| {
                it.fuel = Some(Disclosed::Open(int(it.limits.fuel.get() - 1)));
            });
        }
    }
}

#[test]
fn memory_is_within_its_limit() {
    let most = |claim: &mut WasmClaim, pages| {
        claim.memory_pages_peak = Some(Disclosed::Open(int(pages)));
    };
    let mut full = wasm();
    let limit = full.limits.memory_pages.get();
    most(&mut full, limit);
    wasm_contradicts("memory pages", full, |it| {
        most(it, it.limits.memory_pages.get() + 1)
    });
}

#[test]
fn host_calls_are_counted_once_called_and_within_their_limit() {
    let calls = |claim: &mut WasmClaim, counts: &[(&str, u64)]| {
        let counts = counts
            .iter()
            .map(|(name, count)| (label(name), int(*count)));
        claim.host_calls = Some(Disclosed::Open(counts.collect()));
    };
    let limit = wasm().limits.host_calls.get();
    wasm_contradicts("not called", wasm(), |it| calls(it, &[("json_get", 0)]));
    let mut full = wasm();
    calls(&mut full, &[("hash_commit", 1), ("json_get", limit - 1)]);
    wasm_contradicts("host calls", full, |it| {
        calls(it, &[("a", 1), ("b", limit)])
    });
    let over = ended(Status::TooManyCalls, None);
    wasm_contradicts("host calls", over.clone(), |it| calls(it, &[("a", limit)]));
    wasm_contradicts("host calls", over, |it| calls(it, &[("a", limit + 2)]));
    wasm_contradicts("host calls", wasm(), |it| {
        calls(it, &[("a", Int::MAX.get()), ("b", Int::MAX.get())]);
    });
}

#[test]
fn an_attested_claim_keeps_the_same_rules() {
    attested_contradicts("output exactly where", attested(), |it| it.output = None);
    attested_contradicts("output exactly where", attested(), |it| {
        it.status = AttestedStatus::TimedOut;
    });
    attested_contradicts("no detail", attested(), |it| it.detail = detail());
    let words = "all private members are keyed or none";
    attested_contradicts(words, attested(), |it| {
        it.output = Some(Disclosed::Keyed(KEYED))
    });
    attested_contradicts(words, attested(), |it| {
        it.transcript = Some(Disclosed::Keyed(KEYED))
    });
    attested_contradicts(words, attested(), |it| {
        it.request.input = Disclosed::Keyed(KEYED)
    });
}

#[test]
fn a_refusal_hides_input_and_seed_together() {
    let words = "all private members are keyed or none";
    let mut request = wasm_request();
    let claim = |request: &WasmRequest| {
        Claim::Refused(RefusedClaim {
            request: RefusedRequest::Wasm(request.clone()),
            ..refused()
        })
    };
    request.input = Disclosed::Keyed(KEYED);
    contradicts(&receipt(claim(&request)), words);
    request.seed = Disclosed::Keyed(KEYED);
    stands(claim(&request));
    request.input = Disclosed::Open(Blake3::of(b""));
    contradicts(&receipt(claim(&request)), words);
}

#[test]
fn a_request_that_is_no_capsules_is_refused_by_a_router_alone() {
    stands(Claim::Refused(unrouted()));
    for stage in [
        Stage::Binding,
        Stage::Compilation,
        Stage::Input,
        Stage::Validation,
    ] {
        let claim = RefusedClaim {
            stage,
            ..unrouted()
        };
        contradicts(&receipt(Claim::Refused(claim)), "only a router refuses");
    }
}

#[test]
fn no_figure_stands_open_beside_a_private_claim() {
    let words = "no figure stands open";
    let mut timed = receipt(Claim::Wasm(private()));
    timed.advisory.wall_us = Some(int(41));
    contradicts(&timed, words);
    let mut observed = receipt(Claim::Wasm(private()));
    observed.backend.enforced[0].observed = Some(int(12_345));
    contradicts(&observed, words);
}

#[test]
fn a_critical_name_is_an_extension() {
    let mut critical = receipt(Claim::Wasm(wasm()));
    critical.crit = [label("nothing")].into_iter().collect();
    contradicts(&critical, "critical name");
}
