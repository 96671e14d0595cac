//! What the router and the proxy add to what they stand in front of. Every figure is one of this run, with its floor beside it.
//!
//! `cargo bench --workspace --bench router`; with names of parts behind `--` (router, proxy, runc, javascript, docker, at_once)
//! only those. Under `cargo test` each side is called a few times. Nothing is asserted of time: a busy machine is no defect.
#![allow(missing_docs, reason = "a bench has no readers of its interface")]

#[cfg(target_os = "linux")]
#[path = "../tests/common/mod.rs"]
mod common;

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::time::{Duration, Instant};

    use tenzik::control::Control;
    use tenzik::gateway::proxy::{Client, Token, serve};
    use tenzik::gateway::{Json, Session, SessionLimits, ToolGateway as _, ToolId};
    use tenzik::router::{Code, CodeTree, ExecuteRequest, Limit, Program};
    use tenzik::testing::Echo;
    use tenzik_backends::{
        JavaScript, JavaScriptConfig, JavaScriptSandbox, Oci, OciConfig, Process, ProcessConfig,
        Runtime,
    };
    use tenzik_receipt::{KeyUse, Label, Profile, SecretKey};

    use super::common::engine::engine;
    use super::common::{
        busybox_root, cannot_run, javascript, limited, now, router, run, shell, shell_command,
        tools, value,
    };

    pub(super) fn main() {
        let measured = std::env::args().any(|argument| argument == "--bench");
        let times = |full: u32| if measured { full } else { 3 };
        let named: Vec<String> = std::env::args()
            .skip(1)
            .filter(|argument| !argument.starts_with('-'))
            .collect();
        let wanted = |name: &str| named.is_empty() || named.iter().any(|wanted| wanted == name);
        let parts: [(&str, &dyn Fn()); 6] = [
            ("router", &|| of_the_router(times(2_000))),
            ("proxy", &|| {
                on_one_processor("proxy", &|| of_the_proxy(times(20_000)))
            }),
            ("runc", &|| of_runc(times(40))),
            ("javascript", &|| of_javascript(times(40))),
            ("docker", &|| of_docker(times(20))),
            ("at_once", &|| at_once(if measured { 1_000 } else { 20 })),
        ];
        for (name, part) in parts {
            if wanted(name) {
                part();
            }
        }
    }

    /// The median of so many turns of each side, in turns.
    fn medians(times: u32, mut sides: [&mut dyn FnMut(); 2]) -> [Duration; 2] {
        let mut taken = [Vec::new(), Vec::new()];
        for _ in 0..times {
            for (side, taken) in sides.iter_mut().zip(&mut taken) {
                let started = Instant::now();
                side();
                taken.push(started.elapsed());
            }
        }
        taken.map(|mut taken| {
            taken.sort();
            taken[taken.len() / 2]
        })
    }

    fn told(what: &str, [ours, floor]: [Duration; 2]) {
        let ratio = ours.as_secs_f64() / floor.as_secs_f64();
        println!("{what}: {ours:.1?}, floor {floor:.1?}, ratio {ratio:.2}");
    }

    /// The floor is one signature, which every receipt has.
    fn of_the_router(times: u32) {
        let router = router(Echo);
        let request = shell("true", Profile::Standard);
        let key = SecretKey::from_seed(&[7; 32], KeyUse::Checkpoint, now());
        let text = "x".repeat(1_600);
        let both = medians(
            times,
            [&mut || drop(run_only(&router, &request)), &mut || {
                drop(key.sign_checkpoint(&text))
            }],
        );
        told(
            "a run on a backend that does nothing, against its signature",
            both,
        );
        println!(
            "  the router's own: {:.1?}",
            both[0].saturating_sub(both[1])
        );
    }

    fn run_only(
        router: &tenzik::router::Router,
        request: &ExecuteRequest,
    ) -> Result<tenzik::router::Execution, tenzik::router::RouteError> {
        router.execute(request, tenzik::receipts::Circumstances::at(now()))
    }

    /// Does a part in a process that has one processor. With more, the kernel puts the threads of one side together and those of
    /// the other apart as it happens, and a wake costs ten times as much.
    fn on_one_processor(name: &str, part: &dyn Fn()) {
        const ALREADY: &str = "TENZIK_BENCH_ON_ONE_PROCESSOR";
        if std::env::var_os(ALREADY).is_some() {
            return part();
        }
        let mode = std::env::args().any(|argument| argument == "--bench");
        let itself = std::env::current_exe().expect("a path");
        let ran = Command::new("taskset")
            .args(["-c", "0"])
            .arg(itself)
            .args(mode.then_some("--bench"))
            .arg(name)
            .env(ALREADY, "1")
            .status();
        match ran {
            Ok(status) => assert!(status.success(), "{status}"),
            Err(error) => {
                println!("on all processors, without taskset: {error}");
                part();
            }
        }
    }

    /// The floor is a socket pair that echoes lines of the same length.
    fn of_the_proxy(times: u32) {
        let limits = SessionLimits {
            tool_calls: u32::MAX,
            chain_steps: 1,
        };
        let gateway = tools(&Arc::new(AtomicU32::new(0)));
        let session = Arc::new(Session::new(gateway, limits, Control::default()));
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let writer = ours.try_clone().expect("a clone");
        std::thread::spawn(move || {
            serve(&session, &Token::from_bytes([1; 32]), true, &ours, writer)
        });
        let reader = theirs.try_clone().expect("a clone");
        let client = Client::connect(reader, theirs, None).expect("a gateway");
        let (tool, control) = (ToolId::new("text:echo").expect("an id"), Control::default());
        let arguments = Json::new(format!("\"{}\"", "x".repeat(1_000))).expect("JSON");

        let (bare, mut echoing) = UnixStream::pair().expect("a pair");
        std::thread::spawn(move || {
            let mut lines = BufReader::new(echoing.try_clone().expect("a clone"));
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                echoing.write_all(&line).expect("it reads");
                line.clear();
            }
        });
        let mut lines = BufReader::new(bare.try_clone().expect("a clone"));
        let (mut bare, sent) = (bare, format!("{}\n", "x".repeat(1_080)));
        let mut line = String::new();
        let both = medians(
            times,
            [
                &mut || {
                    drop(
                        client
                            .run_tool(&tool, &arguments, &control)
                            .expect("a result"),
                    )
                },
                &mut || {
                    bare.write_all(sent.as_bytes()).expect("it reads");
                    line.clear();
                    lines.read_line(&mut line).expect("an echo");
                },
            ],
        );
        told(
            "a call through the proxy, against a socket that echoes",
            both,
        );
    }

    /// The floor is `runc run` of the same container: root, mounts, masks, filter, limits, program.
    fn of_runc(times: u32) {
        let Some(root) = busybox_root() else { return };
        let mut config = OciConfig::new(root.to_owned(), shell_command());
        config.state = Path::new(env!("CARGO_TARGET_TMPDIR")).join("runc-bench");
        let runtime = config.runtime.clone();
        let backend = Oci::new(config).expect("a root file system");
        if cannot_run(&backend) {
            return;
        }
        let router = router(backend);
        let request = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
        let bundle = tempfile::tempdir().expect("a directory");
        let code = bundle.path().join("code");
        std::fs::create_dir(&code).expect("a directory");
        std::fs::write(code.join("main.sh"), "echo '{\"ok\":1}'").expect("a file");
        let spec = spec_of_runc(root, &code);
        std::fs::write(bundle.path().join("config.json"), spec).expect("a bundle");
        let mut count = 0;
        let both = medians(
            times,
            [
                &mut || assert_eq!(value(&router, &request), "1"),
                &mut || {
                    count += 1;
                    let ran = Command::new(&runtime)
                        .arg("run")
                        .arg("--bundle")
                        .arg(bundle.path())
                        .arg(format!("tenzik-bench-{count}"))
                        .stdin(Stdio::null())
                        .output();
                    assert_eq!(ran.expect("it starts").stdout, b"{\"ok\":1}\n");
                },
            ],
        );
        told("a container through the router, against `runc run`", both);
    }

    /// A function on a worker that waits for it, against one on a fresh process.
    fn of_javascript(times: u32) {
        for runtime in Runtime::ALL {
            let Some(executable) = javascript(runtime) else {
                continue;
            };
            let launcher = env!("CARGO_BIN_EXE_tenzik-confine").to_owned();
            for sandbox in [None, Some(JavaScriptSandbox::new(vec![launcher]))] {
                let profile = match sandbox {
                    None => Profile::Dev,
                    Some(_) => Profile::Standard,
                };
                let backend = |workers_max| {
                    let mut config = JavaScriptConfig::new(runtime);
                    config.executable.clone_from(&executable);
                    config.sandbox.clone_from(&sandbox);
                    config.workers_max = workers_max;
                    JavaScript::new(config).expect("a configuration")
                };
                if cannot_run(&backend(0)) {
                    continue;
                }
                let (warm, fresh) = (router(backend(1)), router(backend(0)));
                let text = "export default ({ a }) => a + 1;";
                let tree = CodeTree::single("main.mjs", text.as_bytes()).expect("a tree");
                let program = Program::new(Label::constant("javascript"), tree);
                let request = ExecuteRequest::new(Code::Program(program), *b"{\"a\":1}", profile);
                // The worker is there when it is measured.
                assert_eq!(value(&warm, &request), "2");
                let both = medians(
                    times,
                    [&mut || drop(run_only(&warm, &request)), &mut || {
                        drop(run_only(&fresh, &request))
                    }],
                );
                let faster = both[1].as_secs_f64() / both[0].as_secs_f64();
                println!(
                    "{} at {}: a warm call {:.1?}, a fresh process {:.1?}, {faster:.0} times faster",
                    runtime.name(),
                    profile.name(),
                    both[0],
                    both[1]
                );
            }
        }
    }

    /// The floor is the engine's own client with the same image, filter and limits.
    fn of_docker(times: u32) {
        let Some(engine) = engine() else { return };
        let router = router(engine.backend(false));
        let request = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
        let filter = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seccomp.json");
        let (image, filter) = (
            engine.image.to_string(),
            format!("seccomp={}", filter.display()),
        );
        let words = [
            "run --rm --network none --read-only --cap-drop ALL --user 65534:65534 --memory 512m --memory-swap 512m",
            "--pids-limit 128 --ipc none --log-driver none --tmpfs /tmp:size=67108864,noexec,nosuid,nodev",
            "--security-opt no-new-privileges --security-opt",
        ];
        let mut words: Vec<&str> = words.iter().flat_map(|line| line.split(' ')).collect();
        words.extend([&filter, &image, "/bin/sh", "-c", "echo 1"]);
        let both = medians(
            times,
            [
                &mut || assert_eq!(value(&router, &request), "1"),
                &mut || assert_eq!(engine.says(&words), "1"),
            ],
        );
        told(
            "a container by an engine through the router, against `docker run`",
            both,
        );
    }

    fn spec_of_runc(root: &Path, code: &Path) -> String {
        let namespaces = ["cgroup", "ipc", "mount", "network", "pid", "uts"];
        let namespaces: Vec<_> = namespaces
            .iter()
            .map(|kind| serde_json::json!({"type": kind}))
            .collect();
        let seccomp: serde_json::Value =
            serde_json::from_str(include_str!("../src/seccomp.json")).expect("JSON");
        let plain = ["nosuid", "noexec", "nodev"];
        serde_json::json!({
            "ociVersion": "1.0.2",
            "hostname": "tenzik",
            "root": {"path": root, "readonly": true},
            "process": {
                "terminal": false, "user": {"uid": 65_534, "gid": 65_534}, "args": ["/bin/sh", "/code/main.sh"],
                "env": ["PATH=/bin"], "cwd": "/code", "noNewPrivileges": true, "capabilities": {},
                "rlimits": [
                    {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
                    {"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024},
                ],
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": plain},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755", "size=64k"]},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
                    "options": ["nosuid", "nodev", "noexec", "mode=1777", "size=67108864"]},
                {"destination": "/code", "type": "bind", "source": code, "options": ["bind", "ro", "nosuid", "nodev"]},
            ],
            "linux": {
                "cgroupsPath": "/tenzik/bench",
                "namespaces": namespaces,
                "resources": {
                    "devices": [{"allow": false, "access": "rwm"}],
                    "memory": {"limit": 536_870_912, "swap": 536_870_912}, "pids": {"limit": 128},
                },
                "seccomp": seccomp,
                "maskedPaths": [
                    "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/scsi",
                    "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
                ],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        })
        .to_string()
    }

    /// All at once, each on a thread of its own: none is lost, and what they hold is told.
    fn at_once(count: usize) {
        let router = router(Process::new(ProcessConfig::default()));
        let request = limited(
            shell(r#"echo '{"ok":1}' >&3"#, Profile::Dev),
            &[(Limit::WallMs, 600_000)],
        );
        let started = Instant::now();
        let before = resident_kib();
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..count)
                .map(|_| scope.spawn(|| run(&router, &request)))
                .collect();
            for run in runs {
                assert_eq!(
                    run.join().expect("no panic").expect("a result").value(),
                    Some(&b"1"[..])
                );
            }
        });
        let (taken, held) = (started.elapsed(), resident_kib().saturating_sub(before));
        println!(
            "{count} processes at once: all ended in {taken:.1?}; {held} KiB more than before"
        );
    }

    /// The most that this process held, in KiB.
    fn resident_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").expect("a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
        number.expect("a number")
    }
}

fn main() {
    #[cfg(target_os = "linux")]
    linux::main();
}
