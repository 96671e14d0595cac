//! Private runs: no figure that could tell of the input stands in the receipt, and who holds the secret can replay it.

use tenzik::receipts::Circumstances;
use tenzik::replay::{Evidence, Replay, ReplayError, Replayer};
use tenzik_receipt::{PrivateMember, RunSecret, Seed, SignedReceipt};

use crate::common::{assert_verifies, circumstances, pipeline};
use crate::support::{Story, import, with};

const INPUT: &[u8] = b"{\"iban\":\"DE02120300000000202051\"}";

fn secret(byte: u8) -> RunSecret {
    RunSecret::from_bytes([byte; 32])
}

fn in_private() -> Circumstances {
    Circumstances {
        secret: Some(secret(7)),
        ..circumstances()
    }
}

fn echo(end: &str) -> Story {
    let before = [
        import("input_len"),
        import("input_read"),
        import("output_write"),
        import("fail"),
    ]
    .concat();
    let mut story = with(
        &before,
        &format!(
            "(result i32) (call $input_read (i32.const 0)) (call $output_write (i32.const 0) (call $input_len)) {end}"
        ),
    )
    .bytes(INPUT);
    story.0.request.seed = Seed::from_bytes([9; 32]);
    story
}

fn receipt(story: &Story) -> SignedReceipt {
    let run = pipeline().run(&story.0, in_private()).expect("it runs");
    assert_verifies(&run.receipt);
    run.receipt
}

fn endings() -> [Story; 4] {
    [
        echo("(i32.const 0)"),
        echo("(i32.const 5)"),
        echo("(call $fail (i32.const 0) (i32.const 9)) (i32.const 0)"),
        echo("unreachable"),
    ]
}

/// The member of that name, at whatever depth.
fn find<'a>(value: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    let members = value.as_object()?;
    members
        .get(name)
        .or_else(|| members.values().find_map(|value| find(value, name)))
}

#[test]
fn no_figure_stands_in_the_receipt() {
    for story in endings() {
        let bytes = receipt(&story).to_bytes();
        let text = String::from_utf8(bytes).expect("JSON");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let claim = find(&value, "claim").expect("a receipt has a claim");
        for member in [
            "detail",
            "fuel",
            "host_calls",
            "input",
            "memory_pages_peak",
            "output",
            "seed",
        ] {
            if let Some(shown) = claim.get(member).filter(|shown| !shown.is_null()) {
                let keyed = shown
                    .as_str()
                    .is_some_and(|text| text.starts_with("blake3-keyed:"));
                assert!(keyed, "{member}: {shown}");
            }
        }
        let open = tenzik_receipt::Blake3::of(INPUT).to_string();
        assert!(!text.contains(&open), "the open digest could be guessed at");
        assert!(text.contains("\"wall_us\":null"), "{text}");
        let observed = text.matches("\"observed\":");
        let hidden = text.matches("\"observed\":null");
        assert_eq!(observed.count(), hidden.count(), "{text}");
        assert!(!text.contains(&"09".repeat(32)), "the seed");
    }
}

#[test]
fn equal_bytes_in_two_members_do_not_show() {
    let claim = receipt(&echo("(i32.const 0)")).claim().clone();
    let (input, output) = (claim.input(), claim.output().expect("it ended well"));
    assert_ne!(input, output, "an echo's output is its input");
    let keyed = secret(7).commit(PrivateMember::Input, INPUT);
    assert_eq!(*input, tenzik_receipt::Disclosed::Keyed(keyed));
}

#[test]
fn it_replays_with_secret_and_seed_and_with_nothing_less() {
    let replayer = Replayer::new(10_000).expect("an engine");
    for story in endings() {
        let receipt = receipt(&story);
        let (right, wrong) = (secret(7), secret(8));
        let seed = story.0.request.seed;
        let all = Evidence {
            capsule: &story.0.capsule,
            input: INPUT,
            secret: Some(&right),
            seed: Some(seed),
            transcript: None,
        };
        let replay = |evidence: Evidence<'_>| replayer.replay(receipt.claim(), &evidence);
        assert_eq!(replay(all), Ok(Replay::Same));
        assert_eq!(
            replay(Evidence {
                secret: None,
                ..all
            }),
            Err(ReplayError::Private)
        );
        assert_eq!(
            replay(Evidence { seed: None, ..all }),
            Err(ReplayError::Private)
        );
        let wrong_evidence = |what| Err(ReplayError::WrongEvidence { what });
        assert_eq!(
            replay(Evidence {
                secret: Some(&wrong),
                ..all
            }),
            wrong_evidence("seed")
        );
        let other = Some(Seed::from_bytes([1; 32]));
        assert_eq!(
            replay(Evidence { seed: other, ..all }),
            wrong_evidence("seed")
        );
        assert_eq!(
            replay(Evidence {
                input: b"{}",
                ..all
            }),
            wrong_evidence("input")
        );
    }
}
