//! Two claims are called a dispute only where one of them must be false.

mod common;

use common::{attested, ended, int, label, private, refused, wasm};
use tenzik_receipt::dispute::{Comparison, compare};
use tenzik_receipt::{Blake3, Claim, Disclosed, Sha256, Status, WasmClaim};

use Comparison::{Agree, CannotTell, DifferentRequests, Dispute};

fn with(change: impl Fn(&mut WasmClaim)) -> Claim {
    let mut claim = wasm();
    change(&mut claim);
    Claim::Wasm(claim)
}

fn known(claim: &WasmClaim) -> bool {
    claim.abi.as_str() == "tenzik_v1" && claim.metering.as_str() == "wasmtime-48"
}

#[test]
fn claims_compare_by_table_and_either_way_round() {
    let plain = || with(|_| ());
    let other_output = || with(|it| it.output = Some(Disclosed::Open(Blake3::of(b"other"))));
    let transcript = |calls: &'static [u8]| {
        with(move |it| it.transcript = Some(Disclosed::Open(Sha256::of(calls))))
    };
    let aborted = || Claim::Wasm(ended(Status::Aborted, Some("time_limit")));
    let mut other_attested = attested();
    other_attested.output = Some(Disclosed::Open(Blake3::of(b"other")));
    let table = [
        ("the same", plain(), plain(), Agree),
        ("another output", plain(), other_output(), Dispute),
        (
            "other fuel",
            plain(),
            with(|it| it.fuel = Some(Disclosed::Open(int(1)))),
            Dispute,
        ),
        (
            "another ending",
            plain(),
            Claim::Wasm(ended(Status::Failed, Some("exit:1"))),
            Dispute,
        ),
        (
            "another detail",
            Claim::Wasm(ended(Status::Failed, Some("exit:1"))),
            Claim::Wasm(ended(Status::Failed, Some("exit:2"))),
            Dispute,
        ),
        (
            "another seed",
            plain(),
            with(|it| it.seed = Disclosed::Open(tenzik_receipt::Seed::from_bytes([1; 32]))),
            DifferentRequests,
        ),
        (
            "another clock",
            plain(),
            with(|it| it.clock_ms = int(5)),
            DifferentRequests,
        ),
        (
            "other limits",
            plain(),
            with(|it| it.limits.stack = int(5)),
            DifferentRequests,
        ),
        (
            "other rules",
            plain(),
            with(|it| it.rules = Blake3::of(b"")),
            DifferentRequests,
        ),
        (
            "another policy",
            plain(),
            with(|it| it.policy = Some(Blake3::of(b""))),
            DifferentRequests,
        ),
        (
            "other grants",
            plain(),
            with(|it| it.grants = [label("json")].into_iter().collect()),
            DifferentRequests,
        ),
        ("one aborted", plain(), aborted(), CannotTell),
        ("both aborted alike", aborted(), aborted(), Agree),
        (
            "both aborted",
            aborted(),
            Claim::Wasm(ended(Status::Aborted, Some("cancelled"))),
            CannotTell,
        ),
        (
            "one refused",
            plain(),
            Claim::Refused(refused()),
            CannotTell,
        ),
        (
            "both refused",
            Claim::Refused(refused()),
            Claim::Refused(refused()),
            Agree,
        ),
        (
            "another transcript",
            transcript(b"one"),
            transcript(b"two"),
            CannotTell,
        ),
        (
            "a transcript on one side",
            plain(),
            transcript(b"one"),
            CannotTell,
        ),
        (
            "attested",
            Claim::Attested(attested()),
            Claim::Attested(other_attested),
            CannotTell,
        ),
        (
            "attested alike",
            Claim::Attested(attested()),
            Claim::Attested(attested()),
            Agree,
        ),
        (
            "another kind",
            plain(),
            Claim::Attested(attested()),
            DifferentRequests,
        ),
        (
            "private and open",
            plain(),
            Claim::Wasm(private()),
            DifferentRequests,
        ),
    ];
    for (what, one, other, expected) in table {
        assert_eq!(compare(&one, &other, known), expected, "{what}");
        assert_eq!(
            compare(&other, &one, known),
            expected,
            "{what}, the other way round"
        );
    }
}

#[test]
fn an_unknown_abi_or_metering_is_never_a_dispute() {
    let one = |change: fn(&mut WasmClaim)| with(change);
    let changed = |change: fn(&mut WasmClaim)| {
        with(move |it| {
            change(it);
            it.output = Some(Disclosed::Open(Blake3::of(b"other")));
        })
    };
    let changes: [fn(&mut WasmClaim); 2] = [
        |it| it.abi = label("tenzik_v9"),
        |it| it.metering = label("another-meter"),
    ];
    for change in changes {
        assert_eq!(compare(&one(change), &changed(change), known), CannotTell);
        assert_eq!(compare(&one(change), &one(change), known), Agree);
    }
    assert_eq!(
        compare(&with(|_| ()), &changed(|_| ()), |_| false),
        CannotTell
    );
}

#[test]
fn private_claims_of_one_secret_are_compared_as_they_stand() {
    let mut other = private();
    other.fuel = Some(Disclosed::Keyed(tenzik_receipt::Keyed::from_bytes([1; 32])));
    let (one, other) = (Claim::Wasm(private()), Claim::Wasm(other));
    assert_eq!(compare(&one, &one, known), Agree);
    assert_eq!(compare(&one, &other, known), Dispute);
}
