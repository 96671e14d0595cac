//! `runc` against its contract: delivery, isolation, and each limit, by programs that try to break them.
#![cfg(target_os = "linux")]

mod common;

use std::time::{Duration, Instant};

use common::hostile::{self, Target};
use common::{busybox_root, cannot_run, is_gone, missing, router, run, shell_command};
use tenzik::router::{Limit, RouteError};
use tenzik_backends::{Oci, OciConfig, RootError};
use tenzik_receipt::Profile;

/// `None` where it cannot run, with the reason told.
fn backend_in(state: &std::path::Path) -> Option<Oci> {
    let Some(root) = busybox_root() else {
        missing("no static busybox for a root file system: apt-get install busybox-static");
        return None;
    };
    let mut config = OciConfig::new(root.to_owned(), shell_command());
    state.clone_into(&mut config.state);
    let backend = Oci::new(config).expect("a root file system");
    (!cannot_run(&backend)).then_some(backend)
}

fn backend() -> Option<Oci> {
    backend_in(&std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("runc-state"))
}

fn target_of(backend: Oci) -> Target {
    Target {
        router: router(backend),
        profile: Profile::Standard,
        memory_bytes: 32 << 20,
        cpu_ms: 300,
        connects: "echo hello | nc -w 1 127.0.0.1 $port && r=1",
    }
}

fn target() -> Option<Target> {
    backend().map(target_of)
}

#[test]
fn code_and_input_arrive_and_every_part_of_its_isolation_is_seen() {
    let Some(target) = target() else { return };
    let all = [
        "bounded_tmp",
        "no_capabilities",
        "no_network",
        "no_new_privileges",
        "read_only_root",
        "seccomp",
        "user_nobody",
    ];
    let execution = hostile::arrives_and_is_seen(&target, &all);
    for limit in Limit::ALL {
        assert!(execution.limits.get(limit).enforced, "{}", limit.name());
    }
    let isolation = &execution.isolation;
    assert!(
        isolation.runtime.is_some()
            && isolation.seccomp.is_some()
            && isolation.root_file_system.is_some()
    );
}

#[test]
fn nothing_of_the_host_can_be_read_or_written() {
    let Some(target) = target() else { return };
    hostile::reads_and_writes_nothing_of_the_host(&target);
}

#[test]
fn neither_loopback_nor_network_can_be_reached() {
    let Some(target) = target() else { return };
    hostile::reaches_no_loopback(&target);
}

#[test]
fn a_program_that_fills_the_memory_meets_its_limit() {
    let Some(target) = target() else { return };
    hostile::fills_the_memory(&target);
}

#[test]
fn a_fork_bomb_meets_its_limit_and_is_gone() {
    let Some(target) = target() else { return };
    hostile::bombs_with_forks(&target, "98771");
}

#[test]
fn a_program_that_burns_the_processor_meets_its_limit() {
    let Some(target) = target() else { return };
    hostile::burns_the_processor(&target);
}

#[test]
fn a_program_that_fills_the_disk_finds_it_full() {
    let Some(target) = target() else { return };
    hostile::fills_the_disk(&target);
}

#[test]
fn the_clock_ends_all_of_it() {
    let Some(target) = target() else { return };
    hostile::ignores_the_clock(&target, ["98772", "98773", "98774"]);
}

#[test]
fn of_two_guests_neither_sees_the_other() {
    let Some(target) = target() else { return };
    hostile::sees_no_other_guest(&target, "98790");
}

#[test]
fn what_is_left_behind_is_ended_also_in_a_session_of_its_own() {
    let Some(target) = target() else { return };
    hostile::leaves_something_behind(&target, "98775");
}

#[test]
fn a_forbidden_system_call_is_a_violation() {
    let Some(target) = target() else { return };
    hostile::makes_a_forbidden_call(&target, "exec unshare -m true");
    // What busybox looks at before these calls may end it first.
    for text in ["exec mount -t tmpfs none /tmp", "exec nsenter -t 1 -m true"] {
        let came = run(&target.router, &target.request(text));
        assert!(
            matches!(
                came,
                Err(RouteError::SandboxViolation { .. } | RouteError::Failed { .. })
            ),
            "{text}: {came:?}"
        );
    }
}

#[test]
fn standard_output_is_never_the_result() {
    let Some(target) = target() else { return };
    hostile::forges_a_result_on_standard_output(&target);
}

#[test]
fn nothing_of_a_container_is_left_at_the_runtime_however_it_ended() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(target) = backend_in(state.path()).map(target_of) else {
        return;
    };
    assert_eq!(target.value(r#"echo '{"ok":1}' >&3"#), "1");
    let (limit, _) = target.meets("sleep 98776", &[(Limit::WallMs, 500)]);
    assert_eq!(limit, Limit::WallMs);
    let left: Vec<_> = std::fs::read_dir(state.path())
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn it_serves_standard_and_not_hardened() {
    let Some(target) = target() else { return };
    common::is_denied(&target.router, Profile::Hardened);
}

#[test]
fn a_directory_without_the_places_for_mounts_is_no_root() {
    let empty = tempfile::tempdir().expect("a directory");
    let refused = Oci::new(OciConfig::new(empty.path().to_owned(), shell_command()));
    assert!(matches!(
        refused,
        Err(RootError::Place { place: "code", .. })
    ));
}

#[test]
fn tools_are_reached_by_a_descriptor_and_a_guessed_token_reaches_none() {
    let Some(target) = target() else { return };
    common::reaches_tools(&target.router, Profile::Standard);
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let Some(backend) = backend() else { return };
    tenzik::testing::backend(&backend, &common::programs_seen_by("73902"));
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let Some(target) = target() else { return };
    tenzik::testing::router(&target.router, &common::programs(), Profile::Standard);
}

/// The runtime tells its container's first process only after that has begun: one that was over before was not ended.
#[test]
fn a_run_whose_time_is_over_before_it_began_is_ended_all_the_same() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(target) = backend_in(state.path()).map(target_of) else {
        return;
    };
    for wall_ms in [1, 10, 20, 30, 40, 60, 100] {
        let (limit, _) = target.meets("sleep 98779", &[(Limit::WallMs, wall_ms)]);
        assert_eq!(limit, Limit::WallMs);
    }
    assert!(is_gone("98779"));
    let left: Vec<_> = std::fs::read_dir(state.path())
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A runtime that does not get its container to begin: the run ends with its time, and nothing of the runtime is left.
#[test]
fn a_runtime_that_hangs_is_ended_in_time() {
    let Some(root) = busybox_root() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = directory.path().join("runc");
    let text = r#"#!/bin/sh
        case "$*" in
            *--version*) echo "runc version 1" ;;
            *delete*) exit 0 ;;
            *) exec sleep 98781 ;;
        esac"#;
    common::install(text.as_bytes(), &runtime);
    let mut config = OciConfig::new(root.to_owned(), shell_command());
    config.runtime = runtime;
    config.state = directory.path().join("state");
    let target = target_of(Oci::new(config).expect("a root file system"));
    let began = Instant::now();
    let (limit, _) = target.meets("true", &[(Limit::WallMs, 300)]);
    assert_eq!(limit, Limit::WallMs);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(is_gone("98781"));
}

/// The runtime was digested when the run was over: a file that had been replaced by then was in the claim, and one that was gone made
/// a run that had ended well a failure.
#[test]
fn a_claim_names_the_runtime_that_ran_it() {
    if backend().is_none() {
        return;
    }
    let Some(root) = busybox_root() else { return };
    let place = tempfile::tempdir().expect("a directory");
    let mut config = OciConfig::new(root.to_owned(), shell_command());
    let runtime = place.path().join("runc");
    let found = ["/usr/sbin/runc", "/usr/bin/runc"]
        .into_iter()
        .find(|path| std::path::Path::new(path).is_file());
    let program = std::fs::read(found.expect("where Debian has it")).expect("it can be read");
    common::install(&program, &runtime);
    config.runtime.clone_from(&runtime);
    config.state = place.path().join("state");
    let router = router(Oci::new(config).expect("a root file system"));
    common::names_what_ran(&router, Profile::Standard, "98742", &runtime);
}
