//! Orders that are refused: nothing runs, the error names what is missing, and a receipt says so.

use tenzik::capability::{Capability, Grants, HostFunction};
use tenzik::config::SecurityConfig;
use tenzik::limits::LimitsAsked;
use tenzik::pipeline::{Pipeline, Refusal, RunError};
use tenzik::sandbox::{BindError, GrantGap};
use tenzik_receipt::{Blake3, Claim, Stage};

use crate::common::{assert_verifies, circumstances, pipeline_with};
use crate::support::{Story, capsule, few_slots, import, with};

/// Refused, with a receipt of that stage and code that verifies and is about this capsule and input.
pub(crate) fn refused_by(pipeline: &Pipeline, story: &Story, stage: Stage, code: &str) -> Refusal {
    let Err(error) = pipeline.run(&story.0, circumstances()) else {
        panic!("it ran");
    };
    let text = error.to_string();
    let RunError::Refused {
        capsule,
        input,
        refusal,
        receipt,
    } = error
    else {
        panic!("{text}");
    };
    assert_eq!(capsule, Blake3::of(&story.0.capsule));
    assert_eq!(input, Blake3::of(&story.0.request.input));
    assert!(
        text.contains(&capsule.to_string()) && text.contains(&input.to_string()),
        "{text}"
    );
    let Claim::Refused(claim) = receipt.claim() else {
        panic!("a claim of kind {}", receipt.claim().kind());
    };
    assert_eq!(
        (claim.stage, claim.code.to_string().as_str()),
        (stage, code)
    );
    assert_eq!(receipt.claim().code(), capsule);
    assert_eq!(receipt.claim().status(), "refused");
    assert!(!receipt.claim().is_replayable());
    assert!(!refusal.remedy().is_empty());
    assert_verifies(&receipt);
    refusal
}

pub(crate) fn refused(story: &Story, stage: Stage, code: &str) -> Refusal {
    let pipeline = pipeline_with(&SecurityConfig::default(), &few_slots());
    refused_by(&pipeline, story, stage, code)
}

#[test]
fn a_missing_grant_is_named_with_its_function() {
    let mut story = with(&import("hash_sha256"), "");
    story.0.terms.grants = Grants::from(Capability::Json);
    let refusal = refused(&story, Stage::Binding, "missing_grant");
    assert_eq!(
        refusal,
        Refusal::Binding(BindError::MissingGrant {
            function: HostFunction::HashSha256,
            capability: Capability::Hash,
            reason: GrantGap::NotAsked,
        })
    );
    let text = refusal.to_string();
    assert!(
        text.contains("hash_sha256") && text.contains("grant hash"),
        "{text}"
    );
}

#[test]
fn an_import_wants_its_grant_even_if_it_is_never_called() {
    for capability in Capability::ALL {
        let row = tenzik::capability::IMPORTS
            .iter()
            .find(|row| row.capability == Some(capability));
        let row = row.expect("each has a function");
        let mut story = with(&import(row.name), "");
        story.0.terms.grants = Grants::none();
        refused(&story, Stage::Binding, "missing_grant");
    }
    let mut open = with(
        &[import("input_len"), import("fail"), import("abort")].concat(),
        "",
    );
    open.0.terms.grants = Grants::none();
    assert_eq!(open.said(), "ok");
}

#[test]
fn a_grant_that_the_host_does_not_allow_is_not_given() {
    let security = SecurityConfig {
        allowed_capabilities: Grants::from(Capability::Json),
        ..SecurityConfig::default()
    };
    let pipeline = pipeline_with(&security, &few_slots());
    let story = with(&import("random_bytes"), "");
    let refusal = refused_by(&pipeline, &story, Stage::Binding, "missing_grant");
    assert_eq!(
        refusal,
        Refusal::Binding(BindError::MissingGrant {
            function: HostFunction::RandomBytes,
            capability: Capability::Random,
            reason: GrantGap::NotAllowed,
        })
    );
    let run = with("", "").run_on(&pipeline);
    let grants = crate::support::claim(&run).grants.as_slice().to_vec();
    assert_eq!(
        grants.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["json"],
        "what is asked and allowed"
    );
}

#[test]
fn tools_are_refused_while_there_is_no_gateway() {
    let security = SecurityConfig {
        allowed_capabilities: Grants::all(),
        ..SecurityConfig::default()
    };
    let pipeline = pipeline_with(&security, &few_slots());
    let mut story = with(&import("tool_call"), "");
    story.0.terms.grants = Grants::all();
    let refusal = refused_by(&pipeline, &story, Stage::Binding, "no_gateway");
    assert_eq!(refusal, Refusal::Binding(BindError::NoGateway));
    let idle = with("", "");
    let mut idle_with_tools = idle.clone();
    idle_with_tools.0.terms.grants = Grants::from(Capability::Tools);
    refused_by(&pipeline, &idle_with_tools, Stage::Binding, "no_gateway");
}

#[test]
fn no_limit_is_zero_or_above_the_ceiling() {
    let max = SecurityConfig::default().limits_max;
    let none = LimitsAsked::default();
    type Set = fn(&mut LimitsAsked, u64);
    let limits: [(&str, Set, u64); 5] = [
        ("fuel", |l, n| l.fuel = Some(n), max.fuel),
        (
            "host_calls",
            |l, n| l.host_calls = Some(n as u32),
            max.host_calls.into(),
        ),
        (
            "memory_pages",
            |l, n| l.memory_pages = Some(n as u32),
            max.memory_pages.into(),
        ),
        (
            "output_bytes",
            |l, n| l.output_bytes = Some(n as u32),
            max.output_bytes.into(),
        ),
        (
            "time_ms",
            |l, n| l.time_ms = Some(n as u32),
            max.time_ms.into(),
        ),
    ];
    for (name, set, most) in limits {
        for bad in [0, most + 1] {
            let mut asked = none;
            set(&mut asked, bad);
            let refusal = refused(&with("", "").limits(asked), Stage::Binding, "limit");
            let Refusal::Binding(BindError::Limit(limit)) = refusal else {
                panic!("{refusal}");
            };
            assert_eq!((limit.limit, limit.got, limit.allowed), (name, bad, most));
        }
        let mut asked = none;
        set(&mut asked, most);
        assert_eq!(
            with("", "").limits(asked).said(),
            "ok",
            "{name} at its ceiling"
        );
    }
    // More than a receipt can hold is refused with a receipt all the same.
    refused(&with("", "").fuel(u64::MAX), Stage::Binding, "limit");
}

#[test]
fn a_capsule_that_starts_with_more_memory_than_it_may_have_is_refused() {
    let story = capsule("(module (memory (export \"memory\") 5) (func (export \"run\")))").limits(
        LimitsAsked {
            memory_pages: Some(4),
            ..LimitsAsked::default()
        },
    );
    let refusal = refused(&story, Stage::Binding, "memory");
    assert_eq!(
        refusal,
        Refusal::Binding(BindError::Memory {
            pages: 5,
            allowed: 4
        })
    );
}

#[test]
fn what_is_no_capsule_is_refused_by_validation() {
    let mut story = with("", "");
    for bytes in [&b""[..], b"\0asm", b"\0asm\x01\0\0\0", b"{}", &[0; 6_000]] {
        story.0.capsule = bytes.into();
        let pipeline = pipeline_with(&SecurityConfig::default(), &few_slots());
        let error = pipeline
            .run(&story.0, circumstances())
            .expect_err("no capsule");
        let RunError::Refused {
            refusal, receipt, ..
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!(refusal.stage(), Stage::Validation);
        assert_verifies(&receipt);
    }
}

#[test]
fn the_first_stage_that_has_a_reason_refuses() {
    // A bad capsule with bad terms and bad input: validation speaks first, then binding, then the input.
    let mut story = with(&import("hash_sha256"), "").fuel(0).json("{");
    story.0.terms.grants = Grants::none();
    let mut broken = story.clone();
    broken.0.capsule = (&b"no"[..]).into();
    let pipeline = pipeline_with(&SecurityConfig::default(), &few_slots());
    let error = pipeline
        .run(&broken.0, circumstances())
        .expect_err("no capsule");
    assert!(matches!(
        error,
        RunError::Refused {
            refusal: Refusal::Validation(_),
            ..
        }
    ));
    refused(&story, Stage::Binding, "limit");
    story.0.terms.limits = LimitsAsked::default();
    refused(&story, Stage::Binding, "missing_grant");
    story.0.terms.grants = Grants::from(Capability::Hash);
    refused(&story, Stage::Input, "input_json");
}
