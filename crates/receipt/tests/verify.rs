//! Each check's outcome, by table: what passes, what fails, what was not checked and what cannot be told.

mod common;

use common::{
    CAPSULE, INPUT, OUTPUT, SECRET, attested, check, ended, note, open, outcome, private, receipt,
    refused, sign, signed, verify_now, wasm,
};
use tenzik_receipt::{
    AttestedStatus, Check, CheckName, Claim, Expectations, Outcome, Profile, RunSecret, Status,
    Verdict,
};

use Outcome::{Failed, NotChecked, Passed, Unknown};

#[test]
fn a_plain_receipt_says_what_was_and_was_not_checked() {
    let report = verify_now(&signed().to_bytes(), &Expectations::default());
    let found: Vec<_> = report
        .checks()
        .iter()
        .map(|check| (check.name.as_str(), check.outcome))
        .collect();
    let expected = [
        ("form", Passed),
        ("key", Passed),
        ("signature", Passed),
        ("extensions", Passed),
        ("issued_at", Passed),
        ("kind", Passed),
        ("status", Passed),
        ("profile", NotChecked),
        ("capsule", NotChecked),
        ("input", NotChecked),
        ("output", NotChecked),
        ("audience", NotChecked),
        ("request", NotChecked),
        ("log", NotChecked),
    ];
    assert_eq!(found, expected);
    assert!(note(&report, CheckName::Request).contains("the node chose seed and clock"));
    let verified = report.into_verified().expect("all that was checked passed");
    assert_eq!(verified.receipt(), &signed());
}

#[test]
fn bytes_that_are_no_receipt_have_one_line() {
    let report = verify_now(b"{}", &Expectations::default());
    assert_eq!(report.verdict(), Verdict::Failed);
    assert!(matches!(
        report.checks(),
        [Check {
            name: CheckName::Form,
            outcome: Failed,
            ..
        }]
    ));
    assert!(report.into_verified().is_err());
}

#[test]
fn capsule_input_and_output_are_held_against_the_bytes_given() {
    for (capsule, input, output, expected) in [
        (Some(CAPSULE), Some(INPUT), Some(OUTPUT), [Passed; 3]),
        (
            Some(b"".as_slice()),
            None,
            None,
            [Failed, NotChecked, NotChecked],
        ),
        (None, Some(OUTPUT), None, [NotChecked, Failed, NotChecked]),
        (None, None, Some(INPUT), [NotChecked, NotChecked, Failed]),
    ] {
        let wanted = Expectations {
            capsule,
            input,
            output,
            ..Expectations::default()
        };
        let report = verify_now(&signed().to_bytes(), &wanted);
        let names = [CheckName::Capsule, CheckName::Input, CheckName::Output];
        assert_eq!(names.map(|name| outcome(&report, name)), expected);
        assert_eq!(
            report.verdict() == Verdict::Failed,
            expected.contains(&Failed)
        );
    }
}

#[test]
fn an_output_that_is_expected_of_a_run_without_one_fails() {
    let failed = || receipt(Claim::Wasm(ended(Status::Failed, Some("exit:3"))));
    let wanted = Expectations {
        output: Some(OUTPUT),
        ..Expectations::default()
    };
    assert_eq!(check(failed(), &wanted, CheckName::Output).0, Failed);
    assert_eq!(
        check(failed(), &Expectations::default(), CheckName::Output).0,
        Passed
    );
}

#[test]
fn a_private_run_opens_to_its_secret_only() {
    let (right, wrong) = (
        RunSecret::from_bytes(SECRET),
        RunSecret::from_bytes([1; 32]),
    );
    for (secret, input, expected) in [
        (None, Some(INPUT), (Unknown, Verdict::CannotTell)),
        (Some(&right), Some(INPUT), (Passed, Verdict::Passed)),
        (Some(&right), Some(OUTPUT), (Failed, Verdict::Failed)),
        (Some(&wrong), Some(INPUT), (Failed, Verdict::Failed)),
        (Some(&right), None, (NotChecked, Verdict::Passed)),
        (None, None, (NotChecked, Verdict::Passed)),
    ] {
        let wanted = Expectations {
            input,
            secret,
            ..Expectations::default()
        };
        let found = check(receipt(Claim::Wasm(private())), &wanted, CheckName::Input);
        assert_eq!(found, expected);
    }
    let wanted = Expectations {
        output: Some(OUTPUT),
        secret: Some(&right),
        ..Expectations::default()
    };
    let found = check(receipt(Claim::Wasm(private())), &wanted, CheckName::Output);
    assert_eq!(found, (Passed, Verdict::Passed));
}

#[test]
fn a_report_on_a_private_run_does_not_name_the_digest_of_what_was_given() {
    let wrong = RunSecret::from_bytes([1; 32]);
    let wanted = Expectations {
        input: Some(INPUT),
        secret: Some(&wrong),
        ..Expectations::default()
    };
    let report = verify_now(&sign(receipt(Claim::Wasm(private()))).to_bytes(), &wanted);
    assert_eq!(outcome(&report, CheckName::Input), Failed);
    assert!(!note(&report, CheckName::Input).contains("blake3"));
}

#[test]
fn aborted_and_refused_pass_only_where_they_are_asked_for() {
    let aborted = || Claim::Wasm(ended(Status::Aborted, Some("time_limit")));
    let other = || {
        Claim::Attested(tenzik_receipt::AttestedClaim {
            output: None,
            status: AttestedStatus::Aborted,
            ..attested()
        })
    };
    for (claim, wanted, expected) in [
        (aborted(), None, Failed),
        (aborted(), Some("aborted"), Passed),
        (aborted(), Some("ok"), Failed),
        (other(), None, Failed),
        (other(), Some("aborted"), Passed),
        (Claim::Refused(refused()), None, Failed),
        (Claim::Refused(refused()), Some("refused"), Passed),
        (Claim::Refused(refused()), Some("aborted"), Failed),
        (Claim::Wasm(wasm()), Some("ok"), Passed),
        (Claim::Wasm(wasm()), Some("OK"), Failed),
        (Claim::Wasm(wasm()), Some("failed"), Failed),
        (
            Claim::Wasm(ended(Status::Failed, Some("exit:1"))),
            None,
            Passed,
        ),
        (
            Claim::Wasm(ended(Status::Trapped, Some("memory"))),
            None,
            Passed,
        ),
    ] {
        let expectations = Expectations {
            status: wanted,
            ..Expectations::default()
        };
        let (found, verdict) = check(receipt(claim.clone()), &expectations, CheckName::Status);
        assert_eq!(
            found,
            expected,
            "{} where {wanted:?} is wanted",
            claim.status()
        );
        assert_eq!(verdict == Verdict::Passed, expected == Passed);
    }
}

#[test]
fn kind_and_profile_are_those_that_are_required() {
    for (kind, expected) in [
        ("wasm", Passed),
        ("attested", Failed),
        ("refused", Failed),
        ("", Failed),
    ] {
        let wanted = Expectations {
            kind: Some(kind),
            ..Expectations::default()
        };
        assert_eq!(
            check(open(), &wanted, CheckName::Kind).0,
            expected,
            "{kind}"
        );
    }
    let wanted = Expectations {
        kind: Some("attested"),
        ..Expectations::default()
    };
    let found = check(
        receipt(Claim::Attested(attested())),
        &wanted,
        CheckName::Kind,
    );
    assert_eq!(found, (Passed, Verdict::Passed));
    for (profile, wanted, expected) in [
        (Profile::Hardened, Profile::Hardened, Passed),
        (Profile::Hardened, Profile::Standard, Passed),
        (Profile::Standard, Profile::Standard, Passed),
        (Profile::Standard, Profile::Hardened, Failed),
        (Profile::Dev, Profile::Standard, Failed),
        (Profile::Dev, Profile::Dev, Passed),
    ] {
        let expectations = Expectations {
            profile: Some(wanted),
            ..Expectations::default()
        };
        let mut receipt = open();
        receipt.backend.profile = profile;
        let found = check(receipt, &expectations, CheckName::Profile).0;
        assert_eq!(found, expected, "{profile}, {wanted} wanted");
    }
}
