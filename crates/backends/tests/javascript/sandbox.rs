//! Functions at `standard`: in the OS sandbox, whatever the runtime itself denies.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use tenzik::backend::Backend as _;
use tenzik::router::{ExecuteRequest, Limit, Refusal, RouteError, Router};
use tenzik_backends::{JavaScript, JavaScriptSandbox, Runtime};
use tenzik_receipt::{Label, Profile};

use super::permissions::TRIES;
use super::{failure, named, on_each, program, programs, with_children, word};
use crate::common::hostile::{WALLS_MS, holds_processes};
use crate::common::{cannot_run, limited, run, tools, value};

/// A backend in the sandbox; `None` where there can be none.
fn sandboxed(mut config: JavaScriptConfig) -> Option<JavaScript> {
    let launcher = env!("CARGO_BIN_EXE_tenzik-confine").to_owned();
    config.sandbox = Some(JavaScriptSandbox::new(vec![launcher]));
    let backend = JavaScript::new(config).expect("a configuration");
    assert_eq!(backend.profile_max(), Profile::Standard);
    (!cannot_run(&backend)).then_some(backend)
}

fn router_of(config: JavaScriptConfig) -> Option<Router> {
    sandboxed(config).map(crate::common::router)
}

fn module(text: &str) -> ExecuteRequest {
    let mut request = super::module(text);
    request.profile = Profile::Standard;
    request
}

use tenzik_backends::JavaScriptConfig;

on_each! {
    fn it_keeps_the_contract_of_every_backend(config: JavaScriptConfig) {
        let programs = programs(word(73_930, config.runtime));
        let Some(backend) = sandboxed(with_children(config)) else { return };
        tenzik::testing::backend(&backend, &programs);
    }
}

on_each! {
    fn a_router_keeps_its_contract_with_it(config: JavaScriptConfig) {
        let programs = programs(word(73_940, config.runtime));
        let Some(router) = router_of(config) else { return };
        tenzik::testing::router(&router, &programs, Profile::Standard);
    }
}

on_each! {
    fn every_part_of_the_sandbox_is_seen_and_nothing_of_this_system_reached(config: JavaScriptConfig) {
        let runtime = config.runtime;
        let Some(router) = router_of(config) else { return };
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o777)).expect("a mode");
        std::fs::write(directory.path().join("secret"), "x").expect("a file");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut request = module(TRIES);
        let input = serde_json::json!({
            "read": directory.path().join("secret"),
            "write": directory.path().join("written"),
            "run": "/bin/true",
            "port": listener.local_addr().expect("an address").port(),
        });
        request.input = input.to_string().into_bytes().into();
        let execution = run(&router, &request).expect("a result");
        let value: serde_json::Value = serde_json::from_slice(execution.value().expect("a result")).expect("JSON");
        // A program of /usr can be started where the runtime does not deny it; it is in the sandbox like all else.
        let runs = runtime == Runtime::Bun;
        assert_eq!(value, serde_json::json!({"net": false, "read": false, "run": runs, "write": false}));
        assert!(!directory.path().join("written").exists());
        let seen: Vec<_> = execution.isolation.seen.as_slice().iter().map(Label::as_str).collect();
        for part in ["bounded_tmp", "landlock", "namespaces", "no_capabilities", "no_network", "seccomp", "user_nobody"] {
            assert!(seen.contains(&part), "{part}: {seen:?}");
        }
        assert_eq!(seen.contains(&"runtime_denies_read"), runtime != Runtime::Bun);
        assert!(execution.isolation.runtime.is_some() && execution.isolation.seccomp.is_some());
    }
}

on_each! {
    fn what_is_granted_to_be_read_is_shown(config: JavaScriptConfig) {
        let mut config = config;
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).expect("a mode");
        std::fs::write(directory.path().join("shown"), "x").expect("a file");
        config.permissions.grant(&format!("read={}", directory.path().display())).expect("a kind");
        config.permissions.grant("write=/tmp").expect("a kind");
        let Some(router) = router_of(config) else { return };
        let mut request = module(
            "import fs from 'node:fs';
            export default (path) => {
                let changed = true;
                try { fs.writeFileSync(path, 'y'); } catch { changed = false; }
                fs.writeFileSync('/tmp/own', 'z');
                return [fs.readFileSync(path, 'utf8'), changed];
            };",
        );
        request.input = serde_json::json!(directory.path().join("shown")).to_string().into_bytes().into();
        assert_eq!(value(&router, &request), r#"["x",false]"#);
    }
}

on_each! {
    fn its_limits_hold(config: JavaScriptConfig) {
        let Some(router) = router_of(config) else { return };
        let fills = "const kept = []; export default () => {
            for (let n = 0; ; n++) kept.push(new Uint8Array(1 << 20).fill(n));
        };";
        let memory = limited(module(fills), &[(Limit::MemoryBytes, 192 << 20)]);
        match run(&router, &memory) {
            Err(RouteError::ResourceLimit { limit: Limit::MemoryBytes, execution }) => {
                let held = execution.limits.get(Limit::MemoryBytes);
                assert!(held.enforced && held.observed.is_some_and(|peak| peak > 150 << 20), "{held:?}");
            }
            other => panic!("{other:?}"),
        }
        let spins = limited(module("export default () => { for (;;); };"), &[(Limit::CpuMs, 700)]);
        assert!(matches!(
            run(&router, &spins),
            Err(RouteError::ResourceLimit { limit: Limit::CpuMs, .. })
        ));
    }
}

on_each! {
    fn its_disk_and_its_processes_are_bounded(config: JavaScriptConfig) {
        let mut config = config;
        if config.runtime != Runtime::Bun {
            config.permissions.grant("run").expect("a kind");
            config.permissions.grant("write=/tmp").expect("a kind");
        }
        let Some(router) = router_of(config) else { return };
        let writes = module(
            "import fs from 'node:fs';
            export default () => {
                let written = 0;
                try {
                    for (; written < 64; written++) fs.appendFileSync('/tmp/full', new Uint8Array(1 << 18));
                } catch {}
                return written;
            };",
        );
        let execution = run(&router, &limited(writes, &[(Limit::DiskBytes, 4 << 20)])).expect("a result");
        let written = String::from_utf8_lossy(execution.value().expect("a result")).into_owned();
        // Some of it a runtime takes for itself.
        assert!((1..=16).contains(&written.parse::<u32>().expect("a number")), "{written}");
        assert!(execution.limits.get(Limit::DiskBytes).enforced);
        let begins = module(
            "import { spawn } from 'node:child_process';
            const begin = () => globalThis.Deno
                ? new Deno.Command('/bin/sleep', { args: ['60'] }).spawn()
                : spawn('/bin/sleep', ['60'], { stdio: 'ignore' }).on('error', () => {});
            export default async () => {
                for (;;) { try { begin(); } catch {} await new Promise((done) => setTimeout(done, 1)); }
            };",
        );
        // A run that was over before its worker began has no limits yet, and is given more time.
        let began = WALLS_MS.into_iter().any(|wall_ms| {
            let limits = [(Limit::Pids, 64), (Limit::WallMs, wall_ms)];
            let execution = match run(&router, &limited(begins.clone(), &limits)) {
                Err(RouteError::Timeout { execution, .. })
                | Err(RouteError::ResourceLimit { limit: Limit::CpuMs | Limit::Pids, execution }) => execution,
                other => panic!("{other:?}"),
            };
            let began = execution.limits.get(Limit::Pids).applied.is_some();
            if began {
                holds_processes(&execution, 64);
            }
            began
        });
        assert!(began, "it never began");
    }
}

on_each! {
    fn a_worker_is_used_again_whoever_started_it(config: JavaScriptConfig) {
        let Some(router) = router_of(config) else { return };
        // Each limit by its number, since two profiles do not have the same by default; but the one that asks for tools.
        let limits = Limit::ALL.map(|limit| {
            let number = limit.default_at(Profile::Standard).expect("each has one");
            (limit, i64::try_from(number).expect("it is small"))
        });
        let limits: Vec<_> = limits.into_iter().filter(|(limit, _)| *limit != Limit::ToolCalls).collect();
        let request = limited(module(
            "let calls = 0; export default () => {
                let sum = 0;
                for (let i = 0; i < 3e7; i++) sum += i % 7;
                return sum && ++calls;
            };",
        ), &limits);
        let mut cpu = Vec::new();
        for count in 1..=8_u32 {
            // Each call from a thread of its own, which is gone when the next begins.
            let execution = std::thread::scope(|scope| {
                scope.spawn(|| run(&router, &request).expect("a result")).join().expect("no panic")
            });
            assert_eq!(execution.value(), Some(count.to_string().as_bytes()));
            cpu.push(execution.limits.get(Limit::CpuMs).observed.expect("a count"));
        }
        // Each call is told its own, and none what was before it: a worker's whole time is more at each call, while of its calls
        // some take less than the one before.
        assert!(cpu.windows(2).any(|pair| pair[1] <= pair[0]), "{cpu:?}");
        let mut dev = request.clone();
        dev.profile = Profile::Dev;
        // Nothing else of its key is another.
        assert_eq!(value(&router, &dev), "1");
        assert_eq!(value(&router, &request), "9");
    }
}

on_each! {
    fn tools_are_reached_and_children_are_not_left(config: JavaScriptConfig) {
        let runtime = config.runtime;
        let mut config = config;
        if runtime != Runtime::Bun {
            config.permissions.grant("run").expect("a kind");
        }
        let Some(router) = router_of(config) else { return };
        let mut request = module("export default async (input, { tools }) => tools.run_tool('text:echo', input);");
        request.gateway = Some(tools(&Arc::default()));
        assert_eq!(value(&router, &request), r#"{"a":1}"#);
        let leaves = module(
            "import { spawn } from 'node:child_process';
            let calls = 0; export default () => {
                if (globalThis.Deno) new Deno.Command('/bin/sleep', { args: ['61'] }).spawn().unref();
                else spawn('/bin/sleep', ['61'], { detached: true, stdio: 'ignore' }).unref();
                return ++calls;
            };",
        );
        for _ in 0..2 {
            assert_eq!(value(&router, &leaves), "1");
        }
        let mut tsx = named("main.ts", "typescript", "export default (input: { a: number }): number => input.a;");
        tsx.profile = Profile::Standard;
        assert_eq!(value(&router, &tsx), "1");
    }
}

on_each! {
    fn what_is_stricter_is_denied(config: JavaScriptConfig) {
        let Some(router) = router_of(config) else { return };
        let mut request = module("export default () => 1;");
        request.profile = Profile::Hardened;
        assert!(matches!(run(&router, &request), Err(RouteError::Refused { refusal: Refusal::BackendDenied { .. }, .. })));
        program(&mut request).environment.insert("LD_PRELOAD".to_owned(), "/tmp/x.so".to_owned());
        request.profile = Profile::Standard;
        assert!(matches!(run(&router, &request), Err(RouteError::Refused { refusal: Refusal::BackendDenied { .. }, .. })));
        assert_eq!(failure(&router, &module("export default () => process.exit(4);")).0, "exit:4");
    }
}

/// Debian's own, if there is one, which denies less: what it lacks the sandbox has.
#[test]
fn an_older_node_reaches_no_network_either() {
    let mut config = JavaScriptConfig::new(Runtime::Node);
    config.executable = "/usr/bin/node".into();
    let launcher = env!("CARGO_BIN_EXE_tenzik-confine").to_owned();
    config.sandbox = Some(JavaScriptSandbox::new(vec![launcher]));
    let backend = JavaScript::new(config).expect("a configuration");
    let readiness = format!("{:?}", backend.probe());
    if !readiness.contains("node 20.") {
        eprintln!("skipped: no node 20 in a sandbox: {readiness}");
        return;
    }
    let router = crate::common::router(backend);
    let mut request = module(TRIES);
    request.input =
        (*br#"{"read":"/etc/passwd","write":"/tmp/x","run":"/bin/true","port":1}"#).into();
    assert_eq!(
        value(&router, &request),
        r#"{"net":false,"read":false,"run":false,"write":false}"#
    );
}
