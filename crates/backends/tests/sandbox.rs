//! The OS sandbox against its contract: delivery, isolation, and each limit, by programs that try to break them.
#![cfg(target_os = "linux")]

mod common;

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::hostile::{self, Target};
use common::{cannot_run, is_gone, limited, missing, router, run, shell, value};
use tenzik::backend::{Backend as _, Readiness};
use tenzik::control::Control;
use tenzik::receipts::Circumstances;
use tenzik::router::{
    Code, CodeTree, ExecuteRequest, Execution, Limit, Program, RouteError, Router,
};
use tenzik_backends::{Sandbox, SandboxConfig, SandboxError};
use tenzik_receipt::{Label, Profile};

fn config() -> SandboxConfig {
    SandboxConfig::new(vec![env!("CARGO_BIN_EXE_tenzik-confine").to_owned()])
}

fn backend_with(config: SandboxConfig) -> Option<Sandbox> {
    let backend = Sandbox::new(config).expect("a launcher");
    (!cannot_run(&backend)).then_some(backend)
}

/// `None` where it cannot run, with the reason told.
fn target() -> Option<Target> {
    Some(Target {
        router: backend_with(config()).map(router)?,
        profile: Profile::Standard,
        memory_bytes: 32 << 20,
        cpu_ms: 300,
        connects: r#"/bin/bash -c "echo hello > /dev/tcp/127.0.0.1/$port" && r=1"#,
    })
}

/// A program in another language than the shell's.
fn program(language: &'static str, file: &str, text: &str) -> ExecuteRequest {
    let tree = CodeTree::single(file, text.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant(language), tree);
    ExecuteRequest::new(Code::Program(program), *b"{\"a\":1}", Profile::Standard)
}

fn has(executable: &str) -> bool {
    fs::exists(executable).unwrap_or(false) || !missing(&format!("no {executable}"))
}

/// What a Python program comes to that has `libc` and `say`.
fn python(router: &Router, text: &str) -> Result<Execution, RouteError> {
    let start = "import ctypes, json, os, socket, sys\n\
        libc = ctypes.CDLL(None, use_errno=True)\n\
        def say(value): os.write(3, (json.dumps({'ok': value}) + '\\n').encode())\n";
    run(
        router,
        &program("python", "main.py", &format!("{start}{text}")),
    )
}

fn python_value(router: &Router, text: &str) -> String {
    let execution = python(router, text).expect("a result");
    String::from_utf8_lossy(execution.value().expect("a result")).into_owned()
}

#[test]
fn code_and_input_arrive_and_every_part_of_its_isolation_is_seen_of_the_shortest_run() {
    let Some(target) = target() else { return };
    let text = r#"printf '{"ok":["%s","%s","%s","%s"]}\n' "$(tr -d '"')" "$(id -u)" "$(pwd)" "$(uname -n)" >&3"#;
    let execution = run(&target.router, &target.request(text)).expect("a result");
    let expected = br#"["{a:1}","65534","/code","tenzik"]"#;
    assert_eq!(execution.value(), Some(&expected[..]));
    assert_eq!(
        Target::seen(&execution),
        [
            "bounded_tmp",
            "landlock",
            "namespaces",
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
    assert!(isolation.runtime.is_some() && isolation.seccomp.is_some());
    let ext = &execution.receipt.receipt().ext;
    assert!(ext.contains_key(&Label::constant("interpreter")), "{ext:?}");
}

#[test]
fn nothing_of_the_host_can_be_read_or_written() {
    let Some(target) = target() else { return };
    hostile::reads_and_writes_nothing_of_the_host(&target);
    let text = r#"echo "{\"ok\":\"$(cd /etc && echo *) $(cd /dev && echo *) $(env | cut -d= -f1 | sort | xargs)\"}" >&3"#;
    // Of /etc it may use what it knows by name.
    assert_eq!(
        target.value(text),
        r#""* fd full null random shm stderr stdin stdout urandom zero HOME LANG PATH PWD""#
    );
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
    hostile::bombs_with_forks(&target, "97771");
}

#[test]
fn a_program_that_burns_the_processor_meets_its_limit() {
    let Some(target) = target() else { return };
    hostile::burns_the_processor(&target);
}

#[test]
fn a_program_that_fills_the_disk_finds_it_full_wherever_it_writes() {
    let Some(target) = target() else { return };
    hostile::fills_the_disk(&target);
    let text = r#"n=; for place in / /dev /dev/shm /proc /code /usr /etc /var/tmp /run; do
            head -c 4194304 /dev/zero > $place/full && n="$n $place"; done
        echo "{\"ok\":\"$n $(stat -c %s /tmp/full)\"}" >&3"#;
    let request = limited(target.request(text), &[(Limit::DiskBytes, 1 << 20)]);
    assert_eq!(value(&target.router, &request), format!("\" {}\"", 1 << 20));
}

#[test]
fn the_clock_ends_all_of_it() {
    let Some(target) = target() else { return };
    hostile::ignores_the_clock(&target, ["97772", "97773", "97774"]);
}

#[test]
fn of_two_guests_neither_sees_the_other() {
    let Some(target) = target() else { return };
    hostile::sees_no_other_guest(&target, "97790");
}

#[test]
fn what_is_left_behind_is_ended_also_in_a_session_of_its_own() {
    let Some(target) = target() else { return };
    hostile::leaves_something_behind(&target, "97775");
}

#[test]
fn standard_output_is_never_the_result() {
    let Some(target) = target() else { return };
    hostile::forges_a_result_on_standard_output(&target);
}

#[test]
fn a_forbidden_system_call_is_a_violation() {
    let Some(target) = target() else { return };
    for text in [
        "exec unshare -m true",
        "exec mount -t tmpfs none /tmp",
        "exec nsenter -t 1 -m true",
    ] {
        hostile::makes_a_forbidden_call(&target, text);
    }
    if !cfg!(target_arch = "x86_64") || !has("/usr/bin/python3") {
        return;
    }
    // By numbers of x86-64: userfaultfd, keyctl, add_key, bpf, perf_event_open, ptrace, process_vm_readv, open_by_handle_at.
    for number in [323, 250, 248, 321, 298, 101, 310, 304] {
        let came = python(
            &target.router,
            &format!("libc.syscall({number}, 0, 0, 0, 0, 0, 0)\nsay(1)"),
        );
        assert!(
            matches!(came, Err(RouteError::SandboxViolation { .. })),
            "{number}: {came:?}"
        );
    }
}

#[test]
fn calls_that_are_not_listed_fail_and_the_rest_goes_on() {
    let Some(target) = target() else { return };
    if !cfg!(target_arch = "x86_64") || !has("/usr/bin/python3") {
        return;
    }
    // io_uring_setup, clone3, a user namespace by clone, landlock_create_ruleset, an IPv4 socket, personality(ADDR_NO_RANDOMIZE),
    // chroot, and getpid by the numbers of x32.
    let text = "def call(*words):\n    libc.syscall(*words)\n    return ctypes.get_errno()\n\
        say([call(425, 1, 0), call(435, 0, 0), call(56, 0x10000000 | 17, 0, 0, 0, 0), call(444, 0, 0, 1), call(41, 2, 1, 0), \
        call(135, 0x40000), call(161, b'/tmp'), call(0x40000000 | 39)])";
    assert_eq!(
        python_value(&target.router, text),
        "[1, 38, 1, 1, 1, 1, 1, 1]"
    );
}

#[test]
fn it_is_alone_with_the_descriptors_that_are_its_own() {
    let Some(target) = target() else { return };
    if !has("/usr/bin/python3") {
        return;
    }
    let text = "fds = sorted(map(int, os.listdir('/proc/self/fd')))[:-1]\n\
        written = []\n\
        for fd in range(4, 64):\n\
        \x20   try: os.write(fd, b'{\"ok\":\"forged\"}\\n'); written.append(fd)\n\
        \x20   except OSError: pass\n\
        say([fds, written, sorted(p for p in os.listdir('/proc') if p.isdigit()), os.getpid(), os.getppid()])";
    assert_eq!(
        python_value(&target.router, text),
        r#"[[0, 1, 2, 3], [], ["1"], 1, 0]"#
    );
}

#[test]
fn nobody_outside_can_be_signalled_or_found() {
    let Some(target) = target() else { return };
    if !has("/usr/bin/python3") {
        return;
    }
    let name = format!("tenzik-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _listener = UnixListener::bind_addr(&address).expect("it is free");
    let own = std::process::id();
    let text = format!(
        "found = []\n\
        for pid in [0x7fffffff, {own}, *range(2, 400)]:\n\
        \x20   try: os.kill(pid, 0); found.append(pid)\n\
        \x20   except OSError: pass\n\
        try: socket.socket(socket.AF_UNIX).connect('\\0{name}'); found.append('socket')\n\
        except OSError: pass\n\
        for path in ['/proc/1/mem', '/proc/1/exe']:\n\
        \x20   try: os.open(os.readlink(path) if path.endswith('exe') else path, os.O_WRONLY | os.O_TRUNC); found.append(path)\n\
        \x20   except OSError: pass\n\
        say([found, os.readlink('/proc/1/exe').startswith('/usr/bin/python3')])"
    );
    assert_eq!(python_value(&target.router, &text), "[[], true]");
}

#[test]
fn its_own_streams_can_be_opened_by_their_paths() {
    let Some(target) = target() else { return };
    let text = r#"echo told > /dev/stdout; echo cried > /dev/stderr
        printf '{"ok":%s}\n' "$(cat /dev/stdin)" > /dev/fd/3"#;
    let execution = run(&target.router, &target.request(text)).expect("a result");
    assert_eq!(execution.value(), Some(&br#"{"a":1}"#[..]));
    assert_eq!(execution.stdout.bytes, b"told\n");
    assert_eq!(execution.stderr.bytes, b"cried\n");
}

#[test]
fn nothing_that_it_wrote_can_be_executed() {
    let Some(target) = target() else { return };
    let text = r#"cp /bin/true /tmp/own && chmod 755 /tmp/own; r=0; /tmp/own && r=1; echo "{\"ok\":$r}" >&3"#;
    assert_eq!(target.value(text), "0");
}

#[test]
fn a_variable_of_the_requests_is_nothing_to_the_launcher() {
    let Some(target) = target() else { return };
    let text = r#"echo "{\"ok\":\"$LD_PRELOAD $SECRET\"}" >&3"#;
    let mut request = target.request(text);
    let Code::Program(program) = &mut request.code else {
        panic!("another code");
    };
    for (name, value) in [("LD_PRELOAD", "/code/main.sh"), ("SECRET", "a secret")] {
        program
            .environment
            .insert(name.to_owned(), value.to_owned());
    }
    let execution = run(&target.router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&br#""/code/main.sh a secret""#[..]));
    // The loader complains once for the shell; a launcher that had it would be a second.
    let complaints = String::from_utf8_lossy(&execution.stderr.bytes)
        .matches("LD_PRELOAD")
        .count();
    assert_eq!(complaints, 1, "{:?}", execution.stderr);
}

#[test]
fn a_runtime_that_makes_code_runs_under_it() {
    let Some(target) = target() else { return };
    if !has("/usr/bin/node") {
        return;
    }
    let text = r#"
        const fs = require('fs');
        function sum(n) { let s = 0; for (let i = 0; i < n; i++) s += i % 7; return s; }
        const input = JSON.parse(fs.readFileSync(0, 'utf8'));
        fs.writeSync(3, JSON.stringify({ok: [input.a, sum(5e6), new WebAssembly.Module(Buffer.from([0,97,115,109,1,0,0,0])) instanceof WebAssembly.Module]}) + '\n');
    "#;
    let execution = run(&target.router, &program("javascript", "main.js", text));
    let execution = execution.expect("a result");
    assert_eq!(execution.value(), Some(&b"[1,14999995,true]"[..]));
}

#[test]
fn what_the_operator_adds_is_there_and_cannot_be_written() {
    let more = tempfile::tempdir().expect("a directory");
    let mode = |mode| fs::set_permissions(more.path(), Permissions::from_mode(mode));
    mode(0o700).expect("it is ours");
    fs::write(more.path().join("file"), "more").expect("a file");
    let mut config = config();
    config.read_only = vec![more.path().to_owned()];
    let refused = Sandbox::new(config.clone());
    assert!(
        matches!(refused, Err(SandboxError::Unreachable { .. })),
        "{refused:?}"
    );
    mode(0o777).expect("it is ours");
    let Some(router) = backend_with(config).map(router) else {
        return;
    };
    let path = more.path().display();
    let text = format!(
        r#"r=0; echo x > {path}/new && r=1; echo "{{\"ok\":[\"$(cat {path}/file)\",$r]}}" >&3"#
    );
    assert_eq!(
        value(&router, &shell(&text, Profile::Standard)),
        r#"["more",0]"#
    );
}

/// What there is of all runs of this system: groups, and private copies of code.
fn left() -> BTreeSet<PathBuf> {
    let groups = ["", "memory", "pids", "cpuacct"].map(|controller| {
        PathBuf::from("/sys/fs/cgroup")
            .join(controller)
            .join("tenzik")
    });
    let all = groups.into_iter().chain([std::env::temp_dir()]);
    let entries = all
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten();
    let named = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("sandbox-") || name.starts_with("tenzik-")
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(named)
        .collect()
}

#[test]
fn nothing_of_a_run_is_left_however_it_ended() {
    let Some(target) = target() else { return };
    let before = left();
    let ends = [
        r#"echo '{"ok":1}' >&3"#,
        "exit 3",
        "kill -9 $$; exec sleep 97776",
        "exec unshare -m true",
        "sleep 97776",
        r#"x=xxxxxxxxxxxxxxxx; while :; do x="$x$x"; done"#,
    ];
    for text in ends {
        let limits = [(Limit::WallMs, 700), (Limit::MemoryBytes, 64 << 20)];
        drop(run(&target.router, &limited(target.request(text), &limits)));
    }
    // Others run at the same time: some of it is theirs, and goes when they are done. No name is used again.
    let since: BTreeSet<_> = left().difference(&before).cloned().collect();
    let gone = (0..6_000).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        left().is_disjoint(&since)
    });
    assert!(
        gone,
        "{:?}",
        left().intersection(&since).collect::<Vec<_>>()
    );
}

#[test]
fn a_command_that_is_not_there_is_the_operators_failure_and_not_the_codes() {
    let mut config = config();
    config.commands = common::shell_command();
    config.commands.insert(
        Label::constant("none"),
        vec!["/usr/bin/no-such-program".to_owned()],
    );
    let Some(router) = backend_with(config).map(router) else {
        return;
    };
    let came = run(&router, &program("none", "main", "text"));
    assert!(
        matches!(&came, Err(RouteError::Backend { error, .. }) if error.reason.contains("no-such-program")),
        "{came:?}"
    );
}

#[test]
fn without_a_launcher_that_confines_it_is_not_ready() {
    let mut wrong = config();
    wrong.launcher = vec!["/bin/true".to_owned()];
    let backend = Sandbox::new(wrong).expect("an executable");
    assert!(matches!(backend.probe(), Readiness::Unavailable { .. }));
    let mut none = config();
    none.launcher = Vec::new();
    assert!(matches!(Sandbox::new(none), Err(SandboxError::NoLauncher)));
}

#[test]
fn it_serves_standard_and_not_hardened() {
    let Some(target) = target() else { return };
    common::is_denied(&target.router, Profile::Hardened);
}

#[test]
fn tools_are_reached_by_a_descriptor_and_a_guessed_token_reaches_none() {
    let Some(target) = target() else { return };
    common::reaches_tools(&target.router, Profile::Standard);
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let Some(backend) = backend_with(config()) else {
        return;
    };
    tenzik::testing::backend(&backend, &common::programs_seen_by("73903"));
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    let Some(target) = target() else { return };
    tenzik::testing::router(&target.router, &common::programs(), Profile::Standard);
}

/// A request that set `PATH` had its own file take an interpreter's name, under the digest of the system's.
#[test]
fn a_path_of_the_requests_chooses_no_interpreter() {
    let Some(target) = target() else { return };
    if !has("/usr/bin/python3") {
        return;
    }
    let file = |text: &str, executable| tenzik::router::File {
        content: text.as_bytes().into(),
        executable,
    };
    let own = "#!/bin/sh\necho '{\"ok\":\"its own\"}' >&3\n";
    let files = std::collections::BTreeMap::from([
        (
            "main.py".to_owned(),
            file("import os; os.write(3, b'{\"ok\":\"python\"}\\n')", false),
        ),
        ("python3".to_owned(), file(own, true)),
    ]);
    let tree = CodeTree::new(files, "main.py").expect("a tree");
    let mut program = Program::new(Label::constant("python"), tree);
    program
        .environment
        .insert("PATH".to_owned(), "/code".to_owned());
    let request = ExecuteRequest::new(Code::Program(program), *b"null", Profile::Standard);
    assert_eq!(value(&target.router, &request), "\"python\"");
}

/// A sandbox that does not come to be was waited for 20 seconds, whatever its run's time was and whoever cancelled it.
#[test]
fn a_sandbox_that_hangs_while_it_is_started_is_ended_in_time() {
    let directory = tempfile::tempdir().expect("a directory");
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let bubblewrap = directory.path().join("bwrap");
    let hangs = directory.path().join("hangs");
    let mut config = config();
    let text = format!(
        "#!/bin/sh\n[ -e {} ] && exec sleep 97781\nexec {} \"$@\"\n",
        hangs.display(),
        config.bubblewrap.display()
    );
    common::install(text.as_bytes(), &bubblewrap);
    config.bubblewrap = bubblewrap;
    let Some(router) = backend_with(config).map(router) else {
        return;
    };
    let good = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
    assert_eq!(value(&router, &good), "1");
    // From here on, when the router has found that it can run.
    fs::write(&hangs, "").expect("a file");
    let request = shell("true", Profile::Standard);
    let began = Instant::now();
    let late = run(&router, &limited(request.clone(), &[(Limit::WallMs, 300)]));
    assert!(matches!(late, Err(RouteError::Timeout { .. })), "{late:?}");
    let control = Control::default();
    let cancelled = std::thread::scope(|scope| {
        scope.spawn(|| common::cancel_when_it_runs(&control));
        router.execute_controlled(&request, Circumstances::at(common::now()), &control)
    });
    match cancelled {
        Err(RouteError::Aborted { code, .. }) => assert_eq!(code.as_str(), "cancelled"),
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < Duration::from_secs(15));
    assert!(is_gone("97781"));
}

/// The runtime was digested when the run was over: a file that had been replaced by then was in the claim, and one that was gone made
/// a run that had ended well a failure.
#[test]
fn a_claim_names_the_runtime_that_ran_it() {
    let Some(found) = backend_with(config()) else {
        return;
    };
    drop(found);
    let place = tempfile::tempdir().expect("a directory");
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let mut config = config();
    let bubblewrap = place.path().join("bwrap");
    let program = fs::read(&config.bubblewrap).expect("it can be read");
    common::install(&program, &bubblewrap);
    config.bubblewrap.clone_from(&bubblewrap);
    let router = router(Sandbox::new(config).expect("a launcher"));
    common::names_what_ran(&router, Profile::Standard, "98741", &bubblewrap);
}
