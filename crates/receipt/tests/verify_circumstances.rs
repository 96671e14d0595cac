//! Checks of what stands around a claim: the time, the audience, the log, the extensions.

mod common;

use common::{
    CHALLENGE, NOW, at, audience, check, label, open, outcome, promise, sign, signed, trust_both,
};
use tenzik_receipt::{CheckName, Expectations, LogProof, Outcome, Value, Verdict, verify};

use Outcome::{Failed, NotChecked, Passed, Unknown};

#[test]
fn a_receipt_may_be_five_minutes_from_the_future_and_no_more() {
    for (now, expected) in [
        ("2026-11-20T07:54:59Z", Failed),
        ("2026-11-20T07:55:00Z", Passed),
        ("2026-11-20T08:00:00Z", Passed),
        ("9999-12-31T23:59:59Z", Passed),
        ("1970-01-01T00:00:00Z", Failed),
    ] {
        let report = verify(
            &signed().to_bytes(),
            &trust_both(),
            at(now),
            &Expectations::default(),
        );
        assert_eq!(outcome(&report, CheckName::IssuedAt), expected, "{now}");
    }
}

#[test]
fn audience_challenge_and_expiry_are_held_where_either_is_given() {
    const NAME: Option<&str> = Some("auditor.example");
    const RIGHT: Option<&[u8]> = Some(&CHALLENGE);
    for (addressed, name, challenge, now, expected) in [
        (true, NAME, RIGHT, NOW, Passed),
        (true, NAME, None, NOW, Passed),
        (true, None, RIGHT, NOW, Passed),
        (true, None, None, NOW, NotChecked),
        (true, Some("auditor.exampl"), RIGHT, NOW, Failed),
        (true, Some("Auditor.example"), RIGHT, NOW, Failed),
        (
            true,
            NAME,
            Some(b"sixteen bytes no".as_slice()),
            NOW,
            Failed,
        ),
        (true, NAME, Some(&CHALLENGE[..15]), NOW, Failed),
        (true, NAME, Some(b"".as_slice()), NOW, Failed),
        (true, NAME, RIGHT, "2026-11-20T08:59:59Z", Passed),
        (true, NAME, RIGHT, "2026-11-20T09:00:00Z", Failed),
        (true, NAME, RIGHT, "2027-11-20T09:00:00Z", Failed),
        (false, None, None, NOW, NotChecked),
        (false, NAME, None, NOW, Failed),
        (false, None, RIGHT, NOW, Failed),
    ] {
        let mut receipt = open();
        receipt.audience = addressed.then(audience);
        let wanted = Expectations {
            audience: name,
            challenge,
            ..Expectations::default()
        };
        let report = verify(&sign(receipt).to_bytes(), &trust_both(), at(now), &wanted);
        assert_eq!(
            outcome(&report, CheckName::Audience),
            expected,
            "{name:?} {challenge:?} {now}"
        );
    }
}

#[test]
fn a_log_is_required_promised_or_overdue() {
    for (promised, required, now, expected) in [
        (false, false, NOW, NotChecked),
        (false, true, NOW, Failed),
        (true, false, NOW, NotChecked),
        (true, true, NOW, Unknown),
        (true, true, "2026-11-20T08:30:00Z", Unknown),
        (true, true, "2026-11-20T08:30:01Z", Failed),
        (true, false, "2027-01-01T00:00:00Z", NotChecked),
    ] {
        let mut receipt = open();
        receipt.log = promised.then(promise);
        let wanted = Expectations {
            log: required,
            ..Expectations::default()
        };
        let report = verify(&sign(receipt).to_bytes(), &trust_both(), at(now), &wanted);
        assert_eq!(
            outcome(&report, CheckName::Log),
            expected,
            "{promised} {required} {now}"
        );
    }
}

#[test]
fn a_proof_counts_for_the_promised_log_whenever_it_is_shown() {
    let own = promise().origin;
    let holds = LogProof::Holds {
        origin: own.as_str(),
        size: 17,
    };
    let other = LogProof::Holds {
        origin: "other.example/log",
        size: 17,
    };
    let fails = LogProof::Fails { why: "cut" };
    let unknown = LogProof::Unknown { why: "no quorum" };
    let late = "2027-01-01T00:00:00Z";
    for (promised, required, proof, now, expected) in [
        (true, true, holds, NOW, Passed),
        (true, false, holds, NOW, Passed),
        (true, true, holds, late, Passed),
        (false, true, holds, NOW, Passed),
        (true, true, other, NOW, Failed),
        (true, false, other, NOW, Failed),
        (false, true, other, NOW, Passed),
        (true, true, fails, NOW, Failed),
        (false, false, fails, NOW, Failed),
        (true, true, unknown, NOW, Unknown),
        (true, false, unknown, late, Unknown),
        (true, true, unknown, late, Failed),
        (false, false, unknown, NOW, Unknown),
        (false, true, unknown, NOW, Unknown),
    ] {
        let mut receipt = open();
        receipt.log = promised.then(promise);
        let wanted = Expectations {
            log: required,
            proof: Some(proof),
            ..Expectations::default()
        };
        let report = verify(&sign(receipt).to_bytes(), &trust_both(), at(now), &wanted);
        let found = outcome(&report, CheckName::Log);
        assert_eq!(found, expected, "{promised} {required} {proof:?} {now}");
    }
}

#[test]
fn a_callers_words_are_cut_and_escaped_in_the_note() {
    let why = "\u{1b}[2J".repeat(1_000);
    let wanted = Expectations {
        proof: Some(LogProof::Fails { why: &why }),
        ..Expectations::default()
    };
    let report = verify(&sign(open()).to_bytes(), &trust_both(), at(NOW), &wanted);
    let line = report.checks().last().expect("the log's").to_string();
    assert!(line.len() < 300 && !line.contains('\u{1b}'), "{line}");
}

#[test]
fn an_extension_passes_until_it_is_critical() {
    let mut extended = open();
    extended
        .ext
        .insert(label("example.note"), Value::Bool(true));
    let found = check(
        extended.clone(),
        &Expectations::default(),
        CheckName::Extensions,
    );
    assert_eq!(found, (Passed, Verdict::Passed));
    extended.crit = [label("example.note")].into_iter().collect();
    let found = check(extended, &Expectations::default(), CheckName::Extensions);
    assert_eq!(found, (Failed, Verdict::Failed));
}
