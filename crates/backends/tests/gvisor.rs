//! gVisor against its contract: delivery, isolation, and each limit, by programs that try to break them.
#![cfg(target_os = "linux")]

mod common;

use std::path::{Path, PathBuf};

use common::hostile::{self, Target, WALLS_MS};
use common::watch::{argued, bombed, watched};
use common::{busybox_root, cannot_run, limited, missing, router, run, shell, shell_command};
use tenzik::router::{Limit, Refusal, RouteError};
use tenzik::testing::Look;
use tenzik_backends::{Oci, OciConfig};
use tenzik_receipt::{Claim, Label, Profile};

/// `None` where it cannot run, with the reason told.
fn backend_in(state: &Path) -> Option<Oci> {
    let Some(root) = busybox_root() else {
        missing("no static busybox for a root file system: apt-get install busybox-static");
        return None;
    };
    let mut config = OciConfig::gvisor(root.to_owned(), shell_command());
    state.clone_into(&mut config.state);
    let backend = Oci::new(config).expect("a root file system");
    (!cannot_run(&backend)).then_some(backend)
}

fn backend() -> Option<Oci> {
    backend_in(&PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("runsc-state"))
}

fn target_of(backend: Oci) -> Target {
    Target {
        router: router(backend),
        profile: Profile::Hardened,
        memory_bytes: 256 << 20,
        cpu_ms: 3_000,
        connects: "echo hello | nc -w 1 127.0.0.1 $port && r=1",
    }
}

fn target() -> Option<Target> {
    backend().map(target_of)
}

#[test]
fn code_and_input_arrive_and_what_can_be_seen_of_its_isolation_is() {
    let Some(target) = target() else { return };
    let all = ["bounded_tmp", "no_network", "read_only_root", "sentry"];
    let execution = hostile::arrives_and_is_seen(&target, &all);
    for limit in Limit::ALL {
        let enforced = execution.limits.get(limit).enforced;
        assert_eq!(enforced, limit != Limit::Pids, "{}", limit.name());
    }
    assert_eq!(execution.limits.get(Limit::Pids).applied, None);
    let Claim::Attested(claim) = execution.receipt.claim() else {
        panic!("another claim");
    };
    // The profile's default, which it cannot hold, is not claimed.
    let claimed: Vec<_> = claim.request.limits.keys().map(Label::as_str).collect();
    assert!(!claimed.contains(&"pids") && claimed.contains(&"memory_bytes"));
    let isolation = &execution.isolation;
    assert!(isolation.runtime.is_some() && isolation.root_file_system.is_some());
    assert!(isolation.seccomp.is_none());
}

#[test]
fn the_system_that_it_sees_is_not_this_one() {
    let Some(target) = target() else { return };
    let text = r#"echo "{\"ok\":\"$(uname -r) $(ls /proc | grep -c '^[0-9]')\"}" >&3"#;
    let told = target.value(text);
    let own = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    assert!(!told.contains(own.trim()), "{told}");
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
fn a_fork_bomb_ends_with_the_clock_at_the_latest_and_nothing_of_it_is_left() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(target) = backend_in(state.path()).map(target_of) else {
        return;
    };
    let bomb = argued(target.request(hostile::BOMB), "96771");
    // One that was over before it went off shows nothing, and is given more time.
    let went_off = WALLS_MS.into_iter().any(|wall_ms| {
        let limits = [(Limit::MemoryBytes, 256 << 20), (Limit::WallMs, wall_ms)];
        let bomb = limited(bomb.clone(), &limits);
        let (came, found) = watched(&["96771"], || run(&target.router, &bomb));
        let Err(
            RouteError::ResourceLimit { execution, .. }
            | RouteError::Timeout { execution, .. }
            | RouteError::Failed { execution, .. },
        ) = came
        else {
            panic!("{came:?}")
        };
        assert!(found.is_gone());
        assert_eq!(left_in(state.path()), Vec::<PathBuf>::new());
        bombed(&execution) && found.is_whole()
    });
    assert!(went_off, "it never went off");
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
    hostile::ignores_the_clock(&target, ["96772", "96773", "96774"]);
}

#[test]
fn of_two_guests_neither_sees_the_other() {
    let Some(target) = target() else { return };
    hostile::sees_no_other_guest(&target, "96790");
}

#[test]
fn what_is_left_behind_is_ended_also_in_a_session_of_its_own() {
    let Some(target) = target() else { return };
    hostile::leaves_something_behind(&target, "96775");
}

#[test]
fn standard_output_is_never_the_result() {
    let Some(target) = target() else { return };
    hostile::forges_a_result_on_standard_output(&target);
}

#[test]
fn a_bound_on_processes_is_refused_and_not_dropped() {
    let Some(target) = target() else { return };
    for profile in [Profile::Standard, Profile::Hardened] {
        let request = limited(shell("true", profile), &[(Limit::Pids, 16)]);
        let denied = run(&target.router, &request);
        assert!(
            matches!(
                denied,
                Err(RouteError::Refused {
                    refusal: Refusal::BackendDenied { .. },
                    ..
                })
            ),
            "{denied:?}"
        );
    }
}

fn left_in(state: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[test]
fn nothing_of_a_sandbox_is_left_however_it_ended() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(target) = backend_in(state.path()).map(target_of) else {
        return;
    };
    assert_eq!(target.value(r#"echo '{"ok":1}' >&3"#), "1");
    let (limit, _) = target.meets("sleep 60", &[(Limit::WallMs, 1_000)]);
    assert_eq!(limit, Limit::WallMs);
    assert_eq!(left_in(state.path()), Vec::<PathBuf>::new());
    let mounted = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let state = state.path().to_string_lossy().into_owned();
    assert!(!mounted.contains(&state));
    assert!(!common::is_running_with(&state));
}

#[test]
fn tools_are_reached_by_a_descriptor_and_a_guessed_token_reaches_none() {
    let Some(target) = target() else { return };
    common::reaches_tools(&target.router, Profile::Hardened);
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(backend) = backend_in(state.path()) else {
        return;
    };
    // The program's processes are the Sentry's, not this system's; the Sentry's own name where it keeps its state.
    let (place, name) = (state.path().to_owned(), state.path().display().to_string());
    let looks = vec![
        Look::new("sandbox", move || !left_in(&place).is_empty()),
        Look::new("Sentry", move || common::is_running_with(&name)),
        common::copies("73904"),
    ];
    tenzik::testing::backend(&backend, &common::programs_that_leave("73904", looks));
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let Some(target) = target() else { return };
    tenzik::testing::router(&target.router, &common::programs(), Profile::Hardened);
}
