//! Policies: files as they are and are not, rules against a plain model, times of a quorum.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::fixtures::{
    cosigned, log_key, log_secret, mutated, other_log_key, other_log_secret, signed, time,
    weak_key, witness_key, witnessed,
};
use crate::lines::base64;
use crate::note::{SignatureType, VerifierKeyError};

use PolicyFileProblem as Problem;

/// Six witnesses, two of the first three and one of the others.
fn two_levels() -> String {
    let mut text = format!(
        "# who is trusted\n\nlog {} https://node.example/log/\n",
        log_key()
    );
    for number in 0..6 {
        let group = if number < 3 { 'X' } else { 'Y' };
        text += &format!("witness {group}{number} {}\n", witness_key(number));
    }
    text += "group X-witnesses 2 X0 X1 X2\n";
    text += "\tgroup  Y-witnesses\tany Y3 Y4 Y5 \n";
    text += "group X-and-Y all X-witnesses Y-witnesses\n";
    text += "  # nothing below\n \t \nquorum X-and-Y\n";
    text
}

fn read(text: &str) -> Result<Policy, PolicyFileError> {
    Policy::from_bytes(text.as_bytes())
}

fn policy(text: &str) -> Policy {
    read(text).expect("a policy")
}

/// That the last line of a text is the first that is refused.
#[track_caller]
fn refused(text: &str, problem: Problem) {
    let line = text.split_inclusive('\n').count();
    assert_eq!(read(text), Err(PolicyFileError { line, problem }), "{text}");
}

/// A text that is complete but for its quorum.
#[track_caller]
fn without_quorum(text: &str) {
    let line = text.split_inclusive('\n').count() + 1;
    let problem = Problem::Quorum;
    assert_eq!(read(text), Err(PolicyFileError { line, problem }), "{text}");
}

fn satisfied(policy: &Policy, numbers: &[u8]) -> bool {
    let keys: Vec<_> = numbers.iter().map(|number| witness_key(*number)).collect();
    policy.satisfied_by(|key| keys.contains(key))
}

#[test]
fn the_specifications_example_is_read_and_kept() {
    let policy = policy(&two_levels());
    assert_eq!(policy.logs()[0].key, log_key());
    let url = b"https://node.example/log/".as_slice();
    assert_eq!(policy.logs()[0].url.as_deref(), Some(url));
    assert_eq!(policy.witnesses().len(), 6);
    assert_eq!(policy.witnesses()[4].name.to_string(), "Y4");
    for numbers in [&[0, 1, 3][..], &[1, 2, 5], &[0, 1, 2, 3, 4, 5]] {
        assert!(satisfied(&policy, numbers), "{numbers:?}");
    }
    for numbers in [&[][..], &[0, 1, 2], &[0, 3, 4, 5], &[3, 4, 5], &[9]] {
        assert!(!satisfied(&policy, numbers), "{numbers:?}");
    }
}

#[test]
fn a_quorum_may_be_one_witness_or_none() {
    let witness = format!("witness W {}\n", witness_key(0));
    let one = policy(&format!("{witness}quorum W\n"));
    assert!(satisfied(&one, &[0]) && !satisfied(&one, &[1]));
    let none = policy(&format!("{witness}quorum none\n"));
    assert!(satisfied(&none, &[]));
    assert!(satisfied(&policy("quorum none\n"), &[]));
    let quorum = none
        .check(&witnessed(3, &[(0, 5)]))
        .expect("no one is needed");
    assert_eq!((quorum.dated(), quorum.held_at()), (None, None));
    assert_eq!(quorum.witnesses.len(), 1);
}

#[test]
fn lines_of_another_form_are_refused() {
    let key = log_key();
    let witness = witness_key(0);
    for text in [
        "logs\n".to_owned(),
        "Log\n".to_owned(),
        "log\n".to_owned(),
        format!("log {key} url more\n"),
        format!("witness {witness}\n"),
        format!("witness W {witness} url more\n"),
        "group\n".to_owned(),
        "group G\n".to_owned(),
        "quorum\n".to_owned(),
        "quorum none none\n".to_owned(),
        "quorum none # comment\n".to_owned(),
    ] {
        refused(&text, Problem::Form);
    }
}

#[test]
fn octets_are_those_that_are_allowed() {
    for octet in 0..=u8::MAX {
        let text = [b"# ".as_slice(), &[octet], b"\nquorum none\n"].concat();
        let allowed = matches!(octet, b'\t' | b'\n' | 0x20..=0x7e | 0x80..);
        // A newline ends the comment, and the empty line after it is allowed.
        assert_eq!(Policy::from_bytes(&text).is_ok(), allowed, "{octet}");
    }
    refused("quorum none\r\n", Problem::Octet);
    refused("quorum none", Problem::Unended);
    refused("quorum none\n#", Problem::Unended);
    without_quorum("");
    without_quorum("# \n");
    refused("quorum none\nquorum none\n", Problem::Quorum);
}

#[test]
fn names_are_octets() {
    let of = |name: &[u8], quorum: &[u8]| {
        let key = witness_key(0).to_string();
        let words = [
            b"witness ",
            name,
            b" ",
            key.as_bytes(),
            b"\nquorum ",
            quorum,
            b"\n",
        ];
        Policy::from_bytes(&words.concat())
    };
    let kelvin = "\u{212a}".as_bytes();
    assert!(of(b"K", b"K").is_ok());
    assert!(of(kelvin, kelvin).is_ok());
    assert!(of(b"\xff\xfe", b"\xff\xfe").is_ok());
    // A space to Unicode is none here.
    assert!(of("a\u{a0}b".as_bytes(), "a\u{a0}b".as_bytes()).is_ok());
    for (name, quorum) in [(b"K".as_slice(), kelvin), (kelvin, b"K"), (b"k", b"K")] {
        let problem = Problem::UnknownName;
        let read = of(name, quorum);
        assert_eq!(read, Err(PolicyFileError { line: 2, problem }));
    }
    let shown = PolicyName::new("a\u{85}\u{202e}\u{fe}".as_bytes()).to_string();
    assert!(!shown.contains('\u{85}'), "{shown}");
}

#[test]
fn each_name_is_defined_once_and_before_it_is_used() {
    let witness = |name: &str, number| format!("witness {name} {}\n", witness_key(number));
    let (a, b) = (witness("A", 0), witness("B", 1));
    refused(&format!("{a}{}", witness("A", 1)), Problem::DuplicateName);
    refused(&witness("none", 0), Problem::DuplicateName);
    refused(&format!("{a}{b}group A any B\n"), Problem::DuplicateName);
    refused(&format!("{a}group none any A\n"), Problem::DuplicateName);
    refused(&format!("{a}group G any A B\n"), Problem::UnknownName);
    refused(&format!("{a}group G any G\n"), Problem::UnknownName);
    refused(&format!("{a}group G any none\n"), Problem::UnknownName);
    refused("quorum A\n", Problem::UnknownName);
    refused(&format!("{a}group G any A A\n"), Problem::DuplicateMember);
    let group = format!("{a}{b}group G any A\n");
    refused(
        &format!("{group}group H any A B\n"),
        Problem::DuplicateMember,
    );
    let nested = format!("{group}group H any G\n");
    refused(
        &format!("{nested}group I any B G\n"),
        Problem::DuplicateMember,
    );
    policy(&format!("{nested}group I all B H\nquorum I\n"));
    // The quorum may be a name that is a member elsewhere.
    policy(&format!("{nested}quorum A\n"));
}

#[test]
fn a_threshold_is_one_number_from_1_to_the_members() {
    let two = format!(
        "witness A {}\nwitness B {}\n",
        witness_key(0),
        witness_key(1)
    );
    for threshold in ["1", "2", "all", "any"] {
        policy(&format!("{two}group G {threshold} A B\nquorum G\n"));
    }
    for threshold in [
        "0",
        "3",
        "01",
        "+1",
        "-1",
        "1.0",
        "ALL",
        "one",
        "0x1",
        "18446744073709551617",
        "\u{661}",
    ] {
        refused(
            &format!("{two}group G {threshold} A B\n"),
            Problem::Threshold,
        );
    }
    for threshold in ["0", "1", "all", "any"] {
        refused(&format!("{two}group G {threshold}\n"), Problem::Threshold);
    }
}

#[test]
fn keys_are_of_their_place_and_stand_once() {
    let (log, other) = (log_key(), other_log_key());
    let (got, wanted) = (SignatureType::Ed25519, SignatureType::Cosignature);
    refused(
        &format!("witness W {log}\n"),
        Problem::KeyType { got, wanted },
    );
    let (got, wanted) = (wanted, got);
    let witness = witness_key(0);
    refused(
        &format!("log {witness}\n"),
        Problem::KeyType { got, wanted },
    );
    // The same name with another key is another log's key, which a log has when it changes them.
    without_quorum(&format!("log {log}\nlog {other}\n"));
    refused(&format!("log {log}\nlog {log}\n"), Problem::DuplicateKey);
    let renamed = |key: &VerifierKey| {
        let name = crate::fixtures::name("renamed.example");
        VerifierKey::new(name, key.signature_type(), key.public()).expect("a key")
    };
    let text = format!("log {log}\nlog {}\n", renamed(&log));
    refused(&text, Problem::DuplicateKey);
    let text = format!("witness A {witness}\nwitness B {}\n", renamed(&witness));
    refused(&text, Problem::DuplicateKey);
    let weak = [&[4], weak_key().as_bytes().as_slice()].concat();
    let text = format!("witness W weak.example+00000000+{}\n", base64(&weak));
    refused(&text, Problem::Key(VerifierKeyError::Weak));
    refused("log x\n", Problem::Key(VerifierKeyError::Form));
}

#[test]
fn the_limits_are_the_limits() {
    let key = |number: u8, key_type| {
        let key = crate::fixtures::witness_secret(number).public();
        VerifierKey::new(crate::fixtures::witness_name(number), key_type, key).expect("a key")
    };
    let log = |number| format!("log {}\n", key(number, SignatureType::Ed25519));
    let witness = |number| {
        format!(
            "witness W{number} {}\n",
            key(number, SignatureType::Cosignature)
        )
    };
    let group = |number| format!("group G{number} any W{number}\n");
    let of = |line: &dyn Fn(u8) -> String, count| (0..count).map(line).collect::<String>();
    let limit = 64;
    let (logs, witnesses) = (of(&log, 64), of(&witness, 64));
    policy(&format!("{logs}{witnesses}{}quorum G63\n", of(&group, 64)));
    refused(&of(&log, 65), Problem::Limit { limit });
    refused(&of(&witness, 65), Problem::Limit { limit });
    let groups = format!("{witnesses}{}group G64 any G0\n", of(&group, 64));
    refused(&groups, Problem::Limit { limit });
    let filled = |bytes: usize| format!("quorum none\n#{}\n", "x".repeat(bytes - 14));
    policy(&filled(POLICY_BYTES_MAX));
    let limit = POLICY_BYTES_MAX;
    let problem = Problem::Limit { limit };
    assert_eq!(
        read(&filled(POLICY_BYTES_MAX + 1)),
        Err(PolicyFileError { line: 1, problem })
    );
}

#[test]
fn a_checkpoint_is_checked_by_log_and_quorum() {
    let policy = policy(&two_levels());
    let few = witnessed(3, &[(0, 50), (4, 60), (5, 70)]);
    let (cosigned, known) = (3, 6);
    let refused = PolicyError::NoQuorum { cosigned, known };
    assert_eq!(policy.open(&few.to_bytes()), Err(refused));
    let enough = witnessed(3, &[(0, 50), (4, 60), (1, 70), (9, 1)]);
    let (opened, quorum) = policy.open(&enough.to_bytes()).expect("valid");
    assert_eq!(opened, enough);
    let names: Vec<_> = quorum
        .witnesses
        .iter()
        .map(|(name, _)| name.to_string())
        .collect();
    assert_eq!(names, ["X0", "X1", "Y4"]);
    assert_eq!(policy.check(&enough), Ok(quorum));
}

#[test]
fn another_key_of_the_logs_name_is_another_log() {
    let policy = policy(&two_levels());
    let other = crate::fixtures::checkpoint(3)
        .sign(&other_log_secret())
        .expect("a log's key");
    let origin = crate::fixtures::origin();
    let unknown = PolicyError::UnknownLog { origin };
    assert_eq!(policy.check(&other), Err(unknown.clone()));
    let not_signed = PolicyError::Checkpoint(CheckpointError::NotSigned);
    assert_eq!(policy.open(&other.to_bytes()), Err(not_signed));
    let without_logs = read("quorum none\n").expect("a policy");
    assert!(without_logs.check(&other).is_ok());
    assert_eq!(without_logs.open(&other.to_bytes()), Err(unknown));
}

#[test]
fn one_bad_line_of_a_known_witness_refuses_the_checkpoint() {
    let policy = policy(&two_levels());
    let mut checkpoint = witnessed(3, &[(0, 50), (1, 60), (4, 70)]);
    let mut lines = checkpoint.note().signatures().to_vec();
    lines.push(cosigned(signed(4).checkpoint(), 5, 80));
    checkpoint.set_note(lines).expect("a note");
    let id = witness_key(5).id();
    let refused = CosignatureError::Signature { id };
    assert_eq!(
        policy.check(&checkpoint),
        Err(PolicyError::Cosignature(refused))
    );
}

#[test]
fn a_quorum_is_dated_by_the_witnesses_that_made_it() {
    let policy = policy(&two_levels());
    let times = [(0, 10), (1, 40), (2, 20), (3, 30), (4, 90)];
    let quorum = policy.check(&witnessed(3, &times)).expect("valid");
    // By 30, X0, X2 and Y3 had seen it. At 20 or after, X1, X2 and Y4 still did.
    assert_eq!(quorum.dated(), Some(time(30)));
    assert_eq!(quorum.held_at(), Some(time(20)));
}

/// A policy of three witnesses and a log that is signed by the wrong key has no other way in.
#[test]
fn the_log_cosigns_nothing() {
    let log = log_key();
    let as_witness = VerifierKey::new(log.name().clone(), SignatureType::Cosignature, log.public());
    let as_witness = as_witness.expect("a key");
    let policy = policy(&format!("log {log}\nwitness L {as_witness}\nquorum L\n"));
    let signed = signed(3);
    let (cosigned, known) = (0, 1);
    let refused = PolicyError::NoQuorum { cosigned, known };
    assert_eq!(policy.check(&signed), Err(refused));
    assert_eq!(log_secret().public(), as_witness.public());
}

/// A member of a group: a witness, or an earlier group.
fn plain_rule(
    groups: &[(usize, Vec<usize>)],
    witnesses: usize,
    rule: usize,
    has: &BTreeSet<usize>,
) -> bool {
    match rule.checked_sub(witnesses) {
        None => has.contains(&rule),
        Some(group) => {
            let (threshold, members) = &groups[group];
            let holds = |member: &&usize| plain_rule(groups, witnesses, **member, has);
            members.iter().filter(holds).count() >= *threshold
        }
    }
}

proptest! {
    #[test]
    fn rules_hold_as_a_plain_model_says(
        witnesses in 1..8_usize,
        cuts in vec((1..4_usize, 0..4_usize), 0..6),
        has in vec(0..8_usize, 0..8),
    ) {
        let mut text: String = (0..witnesses)
            .map(|number| format!("witness {number} {}\n", witness_key(number as u8)))
            .collect();
        // Each group takes the next names that are in none yet.
        let (mut groups, mut next) = (Vec::new(), 0);
        for (take, threshold) in cuts {
            let members: Vec<_> = (next..(next + take).min(witnesses + groups.len())).collect();
            if members.is_empty() {
                break;
            }
            next += members.len();
            let threshold = threshold.clamp(1, members.len());
            let words: Vec<_> = members.iter().map(ToString::to_string).collect();
            text += &format!("group {} {threshold} {}\n", witnesses + groups.len(), words.join(" "));
            groups.push((threshold, members));
        }
        let last = witnesses + groups.len() - 1;
        text += &format!("quorum {last}\n");
        let policy = policy(&text);
        let has: BTreeSet<_> = has.into_iter().filter(|number| *number < witnesses).collect();
        let keys: Vec<_> = has.iter().map(|number| witness_key(*number as u8)).collect();
        let expected = plain_rule(&groups, witnesses, last, &has);
        prop_assert_eq!(policy.satisfied_by(|key| keys.contains(key)), expected);
    }

    #[test]
    fn a_changed_policy_never_panics(bytes in mutated(two_levels().into_bytes())) {
        if let Ok(policy) = Policy::from_bytes(&bytes) {
            prop_assert!(policy.satisfied_by(|_| true));
        }
    }

    #[test]
    fn foreign_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(Policy::from_bytes(&bytes).is_err());
    }
}
