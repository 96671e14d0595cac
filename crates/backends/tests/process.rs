//! The unsafe host against its contract: delivery, its two limits, and that nothing of its group is left.
#![cfg(target_os = "linux")]

mod common;

use common::hostile::PAUSES;
use common::watch::watched;
use common::{is_gone, is_running, limited, router, run, shell, value};
use tenzik::control::Control;
use tenzik::receipts::Circumstances;
use tenzik::router::{Code, Limit, RouteError, Router};
use tenzik_backends::{Process, ProcessConfig};
use tenzik_receipt::{InputType, Profile};

fn process() -> Router {
    router(Process::new(ProcessConfig::default()))
}

#[test]
fn code_input_arguments_and_environment_arrive_and_nothing_else() {
    let router = process();
    let mut request = shell(
        r#"printf '{"ok":["%s","%s","%s","%s"]}\n' "$(cat | tr -d '"')" "$1" "$GIVEN" "${CARGO_MANIFEST_DIR:-none}" >&3"#,
        Profile::Dev,
    );
    let Code::Program(program) = &mut request.code else {
        panic!()
    };
    program.arguments.push("an argument".to_owned());
    program
        .environment
        .insert("GIVEN".to_owned(), "é".to_owned());
    assert_eq!(
        value(&router, &request),
        r#"["{a:1}","an argument","é","none"]"#
    );
}

#[test]
fn standard_output_is_kept_and_never_the_result() {
    let router = process();
    let forged = shell(
        r#"echo '{"ok":1}'; echo '{"status":"ok"}' >&2"#,
        Profile::Dev,
    );
    match run(&router, &forged) {
        Err(RouteError::Failed { code, execution }) => {
            assert_eq!(code.as_str(), "no_result");
            assert_eq!(execution.stdout.bytes, b"{\"ok\":1}\n");
            assert_eq!(execution.stderr.bytes, b"{\"status\":\"ok\"}\n");
        }
        other => panic!("{other:?}"),
    }
    let first = shell(r#"printf '{"ok":1}\n{"ok":2}\n' >&3; exit 9"#, Profile::Dev);
    assert_eq!(value(&router, &first), "1");
}

#[test]
fn an_end_without_a_result_is_told_as_it_was() {
    let router = process();
    for (text, expected) in [
        ("exit 3", "exit:3"),
        ("kill -SEGV $$", "signal:11"),
        ("true", "no_result"),
        ("echo nonsense >&3", "bad_result"),
        (r#"printf '{"ok":1}' >&3"#, "no_result"),
        (
            r#"echo '{"failed":{"code":"no_stock","message":"none left"}}' >&3"#,
            "own:no_stock",
        ),
        (r#"echo '{"ok":{"a":1,"a":2}}' >&3"#, "invalid_output"),
    ] {
        match run(&router, &shell(text, Profile::Dev)) {
            Err(RouteError::Failed { code, .. }) => assert_eq!(code.as_str(), expected, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_flood_is_cut_at_the_limit_and_counted() {
    let router = process();
    let flood = r#"head -c 3000000 /dev/zero; head -c 2000000 /dev/zero >&2; echo '{"ok":1}' >&3"#;
    let request = limited(shell(flood, Profile::Dev), &[(Limit::OutputBytes, 1_000)]);
    let execution = run(&router, &request).expect("a result");
    assert_eq!(
        (execution.stdout.bytes.len(), execution.stdout.dropped),
        (1_000, 2_999_000)
    );
    assert_eq!(
        (execution.stderr.bytes.len(), execution.stderr.dropped),
        (1_000, 1_999_000)
    );
    let endless = limited(
        shell("cat /dev/zero >&3", Profile::Dev),
        &[(Limit::OutputBytes, 1_000)],
    );
    assert!(matches!(
        run(&router, &endless),
        Err(RouteError::ResourceLimit {
            limit: Limit::OutputBytes,
            ..
        })
    ));
}

#[test]
fn the_clock_ends_what_ignores_every_request_to_end() {
    let router = process();
    let text = "trap '' TERM INT HUP; sleep 98761 & while :; do sleep 98762; done";
    let began = [300, 2_000, 8_000].into_iter().any(|wall_ms| {
        let request = limited(shell(text, Profile::Dev), &[(Limit::WallMs, wall_ms)]);
        let (came, found) = watched(&["98761", "98762"], || run(&router, &request));
        let Err(RouteError::Timeout {
            allowed_ms,
            execution,
        }) = came
        else {
            panic!("{came:?}")
        };
        assert_eq!(allowed_ms, wall_ms.unsigned_abs());
        let held = execution.limits.get(Limit::WallMs);
        assert!(held.enforced && held.observed.is_some(), "{held:?}");
        assert!(found.is_gone());
        found.is_whole()
    });
    assert!(began, "it never began");
}

#[test]
fn children_that_are_left_behind_are_ended() {
    let router = process();
    let left = PAUSES.into_iter().any(|pause| {
        let text = format!(
            r#"sleep 98763 & sleep 98764 <&- >&- 2>&- 3>&- & sleep {pause}; echo '{{"ok":1}}' >&3"#
        );
        let request = shell(&text, Profile::Dev);
        let (value, found) = watched(&["98763", "98764"], || value(&router, &request));
        assert!(value == "1" && found.is_gone());
        found.is_whole()
    });
    assert!(left, "nothing was ever left");
}

/// What the backend does not promise, and `docs/backends.md` says so: a descendant that leaves the group gets away.
#[test]
fn a_session_of_its_own_gets_away_which_is_why_this_is_dev() {
    const WORD: &str = "60.98765";
    let router = process();
    // One that was ended before it had left the group shows nothing, and is given more time.
    let got_away = PAUSES.into_iter().any(|pause| {
        let text = format!(
            r#"setsid sleep {WORD} <&- >&- 2>&- 3>&- & sleep {pause}; echo '{{"ok":1}}' >&3"#
        );
        let request = shell(&text, Profile::Dev);
        let (value, found) = watched(&[WORD], || value(&router, &request));
        assert_eq!(value, "1");
        let got_away = !found.is_gone();
        found.end();
        got_away
    });
    assert!(got_away, "it was ended each time");
}

#[test]
fn a_cancelled_run_is_ended_with_an_aborted_receipt() {
    let router = process();
    let control = Control::default();
    let cancelling = control.clone();
    let canceller = std::thread::spawn(move || {
        while !is_running("98766") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        cancelling.cancel();
    });
    let request = shell("sleep 98766", Profile::Dev);
    let came = router.execute_controlled(&request, Circumstances::at(common::now()), &control);
    canceller.join().expect("it cancels");
    match came {
        Err(RouteError::Aborted { code, execution }) => {
            assert_eq!(code.as_str(), "cancelled");
            assert_eq!(execution.receipt.claim().status(), "aborted");
        }
        other => panic!("{other:?}"),
    }
    assert!(is_gone("98766"));
}

#[test]
fn bytes_go_in_and_come_out_as_they_are() {
    let router = process();
    let mut request = shell(
        r#"printf '{"ok_base64":"%s"}\n' "$(base64 -w0)" >&3"#,
        Profile::Dev,
    );
    request.input_type = InputType::Bytes;
    let input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    request.input = input.clone().into();
    let execution = run(&router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&input[..]));
}

#[test]
fn a_hundred_at_once_all_end_and_none_is_lost() {
    let router = process();
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..100)
            .map(|index| {
                let router = &router;
                let text = format!(r#"echo '{{"ok":{index}}}' >&3"#);
                scope.spawn(move || value(router, &shell(&text, Profile::Dev)))
            })
            .collect();
        for (index, run) in runs.into_iter().enumerate() {
            assert_eq!(run.join().expect("no panic"), index.to_string());
        }
    });
}

#[test]
fn it_serves_dev_alone() {
    let router = process();
    common::is_denied(&router, Profile::Standard);
}

#[test]
fn tools_are_reached_by_a_descriptor_and_a_guessed_token_reaches_none() {
    let router = process();
    common::reaches_tools(&router, Profile::Dev);
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let programs = common::programs_seen_by("73901");
    tenzik::testing::backend(&Process::new(ProcessConfig::default()), &programs);
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let router = router(Process::new(ProcessConfig::default()));
    tenzik::testing::router(&router, &common::programs(), Profile::Dev);
}
