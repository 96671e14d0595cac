//! `runc` against its contract: delivery, isolation, and each limit, by programs that try to break them.
#![cfg(target_os = "linux")]

mod common;

use std::io::Read as _;
use std::net::TcpListener;

use common::{
    busybox_root, cannot_run, is_gone, limited, missing, router, run, shell, shell_command, value,
};
use tenzik::router::{Execution, Limit, RouteError, Router};
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

fn runc() -> Option<Router> {
    backend().map(router)
}

fn standard(text: &str) -> tenzik::router::ExecuteRequest {
    shell(text, Profile::Standard)
}

fn reached(came: Result<Execution, RouteError>) -> (Limit, Box<Execution>) {
    match came {
        Err(RouteError::ResourceLimit { limit, execution }) => (limit, execution),
        Err(RouteError::Timeout { execution, .. }) => (Limit::WallMs, execution),
        other => panic!("{other:?}"),
    }
}

#[test]
fn code_and_input_arrive_and_every_part_of_its_isolation_is_seen() {
    let Some(router) = runc() else { return };
    let text =
        r#"sleep 0.1; printf '{"ok":["%s","%s","%s"]}\n' "$(tr -d '"')" "$(id -u)" "$(pwd)" >&3"#;
    let execution = run(&router, &standard(text)).expect("a result");
    assert_eq!(
        execution.value(),
        Some(&br#"["{a:1}","65534","/code"]"#[..])
    );
    let seen: Vec<_> = execution
        .isolation
        .seen
        .as_slice()
        .iter()
        .map(|label| label.as_str())
        .collect();
    assert_eq!(
        seen,
        [
            "bounded_tmp",
            "no_capabilities",
            "no_network",
            "no_new_privileges",
            "read_only_root",
            "seccomp",
            "user_nobody"
        ]
    );
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
    let Some(router) = runc() else { return };
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "the host's").expect("a file");
    let path = secret.path().display();
    let text = format!(
        r#"n=0
        cat {path} && n=$((n+1))
        ls /etc/passwd /sys/kernel && n=$((n+1))
        echo x > /bin/new && n=$((n+1))
        echo x > /code/new && n=$((n+1))
        echo x > /proc/sys/kernel/hostname && n=$((n+1))
        mknod /tmp/disk b 8 0 && n=$((n+1))
        echo "{{\"ok\":$n}}" >&3"#
    );
    assert_eq!(value(&router, &standard(&text)), "0");
}

#[test]
fn neither_loopback_nor_network_can_be_reached() {
    let Some(router) = runc() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("it is ours");
    let text =
        format!(r#"echo hello | nc -w 1 127.0.0.1 {port} && r=1 || r=0; echo "{{\"ok\":$r}}" >&3"#);
    assert_eq!(value(&router, &standard(&text)), "0");
    if let Ok((mut stream, _)) = listener.accept() {
        let mut told = String::new();
        let _ = stream.read_to_string(&mut told);
        panic!("it came through: {told}");
    }
}

#[test]
fn a_program_that_fills_the_memory_meets_its_limit() {
    let Some(router) = runc() else { return };
    let text = r#"x=xxxxxxxxxxxxxxxx; while :; do x="$x$x"; done"#;
    let request = limited(standard(text), &[(Limit::MemoryBytes, 32 << 20)]);
    let (limit, execution) = reached(run(&router, &request));
    assert_eq!(limit, Limit::MemoryBytes);
    let held = execution.limits.get(limit);
    assert!(
        held.enforced && held.observed.is_some_and(|peak| peak <= 32 << 20),
        "{held:?}"
    );
}

#[test]
fn a_fork_bomb_meets_its_limit_and_is_gone() {
    let Some(router) = runc() else { return };
    let text = "bomb() { bomb | bomb & sleep 98771; }; bomb";
    let request = limited(standard(text), &[(Limit::Pids, 16), (Limit::WallMs, 3_000)]);
    let (limit, execution) = reached(run(&router, &request));
    assert!(matches!(limit, Limit::Pids | Limit::WallMs), "{limit:?}");
    let held = execution.limits.get(Limit::Pids);
    assert!(
        held.enforced && held.observed.is_some_and(|peak| peak <= 16),
        "{held:?}"
    );
    assert!(is_gone("98771"));
}

#[test]
fn a_program_that_burns_the_processor_meets_its_limit() {
    let Some(router) = runc() else { return };
    let request = limited(
        standard("while :; do :; done"),
        &[(Limit::CpuMs, 300), (Limit::WallMs, 20_000)],
    );
    let (limit, execution) = reached(run(&router, &request));
    assert_eq!(limit, Limit::CpuMs);
    assert!(
        execution
            .limits
            .get(limit)
            .observed
            .is_some_and(|used| used >= 300)
    );
}

#[test]
fn a_program_that_fills_the_disk_finds_it_full() {
    let Some(router) = runc() else { return };
    let text = r#"dd if=/dev/zero of=/tmp/full bs=4096 count=1000 2>/dev/null && r=1 || r=0
        echo "{\"ok\":[$r,$(stat -c %s /tmp/full)]}" >&3"#;
    let request = limited(standard(text), &[(Limit::DiskBytes, 1 << 20)]);
    assert_eq!(value(&router, &request), format!("[0,{}]", 1 << 20));
}

#[test]
fn the_clock_ends_all_of_it() {
    let Some(router) = runc() else { return };
    let text = "trap '' TERM INT HUP; sleep 98772 & setsid sleep 98773 & sleep 98774";
    let request = limited(standard(text), &[(Limit::WallMs, 1_000)]);
    assert_eq!(reached(run(&router, &request)).0, Limit::WallMs);
    assert!(["98772", "98773", "98774"].into_iter().all(is_gone));
}

#[test]
fn what_is_left_behind_is_ended_also_in_a_session_of_its_own() {
    let Some(router) = runc() else { return };
    let text = r#"setsid sleep 98775 <&- >&- 2>&- 3>&- & echo '{"ok":1}' >&3"#;
    assert_eq!(value(&router, &standard(text)), "1");
    assert!(is_gone("98775"));
}

#[test]
fn a_forbidden_system_call_is_a_violation() {
    let Some(router) = runc() else { return };
    for text in [
        "exec unshare -m true",
        "exec mount -t tmpfs none /tmp",
        "exec nsenter -t 1 -m true",
    ] {
        match run(&router, &standard(text)) {
            Err(RouteError::SandboxViolation { .. } | RouteError::Failed { .. }) => {}
            other => panic!("{text}: {other:?}"),
        }
    }
    assert!(matches!(
        run(&router, &standard("exec unshare -m true")),
        Err(RouteError::SandboxViolation { .. })
    ));
}

#[test]
fn standard_output_is_never_the_result() {
    let Some(router) = runc() else { return };
    let forged = run(&router, &standard(r#"echo '{"ok":1}'"#));
    assert!(matches!(forged, Err(RouteError::Failed { code, .. }) if code.as_str() == "no_result"));
}

#[test]
fn nothing_of_a_container_is_left_at_the_runtime_however_it_ended() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(router) = backend_in(state.path()).map(router) else {
        return;
    };
    assert_eq!(value(&router, &standard(r#"echo '{"ok":1}' >&3"#)), "1");
    let slow = limited(standard("sleep 98776"), &[(Limit::WallMs, 500)]);
    assert_eq!(reached(run(&router, &slow)).0, Limit::WallMs);
    let left: Vec<_> = std::fs::read_dir(state.path())
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn it_serves_standard_and_not_hardened() {
    let Some(router) = runc() else { return };
    common::is_denied(&router, Profile::Hardened);
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
    let Some(router) = runc() else { return };
    common::reaches_tools(&router, Profile::Standard);
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let Some(backend) = backend() else { return };
    tenzik::testing::backend(&backend, &common::programs());
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let Some(router) = runc() else { return };
    tenzik::testing::router(&router, &common::programs(), Profile::Standard);
}

/// The runtime tells its container's first process only after that has begun: one that was over before was not ended.
#[test]
fn a_run_whose_time_is_over_before_it_began_is_ended_all_the_same() {
    let state = tempfile::tempdir().expect("a directory");
    let Some(router) = backend_in(state.path()).map(router) else {
        return;
    };
    for wall_ms in [1, 10, 20, 30, 40, 60, 100] {
        let request = limited(standard("sleep 98779"), &[(Limit::WallMs, wall_ms)]);
        assert_eq!(reached(run(&router, &request)).0, Limit::WallMs);
    }
    assert!(is_gone("98779"));
    let left: Vec<_> = std::fs::read_dir(state.path())
        .expect("it is there")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
