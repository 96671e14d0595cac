//! A Docker engine against its contract, by its own runtime and by gVisor's: delivery, isolation, and each limit, by programs
//! that try to break them, and by engines that fail.
#![cfg(target_os = "linux")]

mod common;
#[path = "docker/versions.rs"]
mod versions;

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::engine::{Engine, engine};
use common::hostile::{self, Target, WALLS_MS};
use common::watch::{argued, bombed, watched};
use common::{
    busybox_root, is_gone, is_running, limited, router, run, shell, shell_command, value,
};
use tenzik::backend::{Backend, Readiness};
use tenzik::router::{Code, ExecuteRequest, Execution, Limit, Refusal, RouteError, Router};
use tenzik::testing::Look;
use tenzik_backends::{Docker, DockerConfig};
use tenzik_receipt::{Profile, Sha256};

/// Each runtime that is here, with the strictest profile that it serves.
fn targets() -> Vec<Target> {
    let Some(engine) = engine() else {
        return Vec::new();
    };
    let target = |gvisor, profile| Target {
        router: router(engine.backend(gvisor)),
        profile,
        memory_bytes: 96 << 20,
        cpu_ms: 600,
        connects: "echo hello | nc -w 1 127.0.0.1 $port && r=1",
    };
    let mut targets = vec![target(false, Profile::Standard)];
    if engine.gvisor {
        targets.push(target(true, Profile::Hardened));
    }
    targets
}

fn runtimes() -> impl Iterator<Item = (Router, Profile)> {
    targets()
        .into_iter()
        .map(|target| (target.router, target.profile))
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
    for (router, profile) in runtimes() {
        let text = r#"printf '{"ok":["%s","%s","%s"]}\n' "$(tr -d '"')" "$(id -u)" "$(pwd)" >&3"#;
        let execution = run(&router, &shell(text, profile)).expect("a result");
        assert_eq!(
            execution.value(),
            Some(&br#"["{a:1}","65534","/code"]"#[..])
        );
        let image = engine().map(|engine| engine.image);
        assert_eq!(execution.isolation.image, image);
        let enforced = |limit| execution.limits.get(limit).enforced;
        if profile == Profile::Standard {
            let all = "bounded_tmp no_capabilities no_network no_new_privileges read_only_root seccomp user_nobody";
            assert_eq!(Target::seen(&execution), all.split(' ').collect::<Vec<_>>());
            assert!(
                Limit::ALL.into_iter().all(enforced),
                "{:?}",
                execution.limits
            );
            assert!(execution.isolation.seccomp.is_some());
        } else {
            let all = "bounded_tmp gvisor no_network no_new_privileges read_only_root seccomp";
            assert_eq!(Target::seen(&execution), all.split(' ').collect::<Vec<_>>());
            let others = Limit::ALL.into_iter().filter(|limit| *limit != Limit::Pids);
            assert!(others.into_iter().all(enforced), "{:?}", execution.limits);
            assert!(!enforced(Limit::Pids) && execution.isolation.runtime.is_some());
        }
    }
}

#[test]
fn a_program_that_ends_at_once_was_looked_at_too() {
    for (router, profile) in runtimes() {
        let Err(RouteError::Failed { code, execution }) = run(&router, &shell("exit 3", profile))
        else {
            panic!("it failed");
        };
        assert_eq!(code.as_str(), "exit:3");
        assert!(execution.limits.get(Limit::MemoryBytes).enforced);
    }
}

#[test]
fn nothing_of_the_host_can_be_read_or_written() {
    for target in targets() {
        hostile::reads_and_writes_nothing_of_the_host(&target);
        let text = r#"n=
            grep -v 127.0.0.1 /etc/resolv.conf | grep nameserver && n="$n name_server"
            ls /sys/kernel/* && n="$n sys"
            echo x > /.tenzik/new && n="$n way"
            echo x > /.tenzik/launch && n="$n launcher"
            rm /.tenzik/result && n="$n pipe"
            echo x > /dev/shm/new && n="$n shm"
            echo "{\"ok\":\"$n\"}" >&3"#;
        assert_eq!(target.value(text), "\"\"");
    }
}

#[test]
fn neither_loopback_nor_network_can_be_reached() {
    for target in targets() {
        hostile::reaches_no_loopback(&target);
    }
}

#[test]
fn a_program_that_fills_the_memory_meets_its_limit() {
    for target in targets() {
        hostile::fills_the_memory(&target);
    }
}

/// The engine's own word for a program that was killed is an exit code that any program can take.
#[test]
fn a_program_cannot_say_that_it_met_a_limit() {
    for (router, profile) in runtimes() {
        let failed = run(&router, &shell("exit 137", profile));
        assert!(
            matches!(&failed, Err(RouteError::Failed { code, .. }) if code.as_str() == "exit:137"),
            "{failed:?}"
        );
    }
}

#[test]
fn a_fork_bomb_meets_a_limit_and_is_gone() {
    for (router, profile) in runtimes() {
        let bounds_processes = profile == Profile::Standard;
        let mut bomb = argued(shell(hostile::BOMB, profile), "98871");
        bomb = limited(bomb, &[(Limit::MemoryBytes, 128 << 20)]);
        if bounds_processes {
            bomb = limited(bomb, &[(Limit::Pids, 16)]);
        }
        // One that was over before it went off shows nothing, and is given more time.
        let went_off = WALLS_MS.into_iter().any(|wall_ms| {
            let bomb = limited(bomb.clone(), &[(Limit::WallMs, wall_ms)]);
            let (came, found) = watched(&["98871"], || run(&router, &bomb));
            let (limit, execution) = reached(came);
            let met = [Limit::CpuMs, Limit::MemoryBytes, Limit::Pids, Limit::WallMs];
            assert!(met.contains(&limit), "{limit:?}");
            assert!(found.is_gone());
            let went_off = bombed(&execution) && found.is_whole();
            if went_off && bounds_processes {
                hostile::holds_processes(&execution, 16);
            }
            went_off
        });
        assert!(went_off, "it never went off");
    }
}

#[test]
fn under_gvisor_a_limit_on_processes_is_refused_and_not_dropped() {
    for (router, profile) in runtimes() {
        let asked = limited(shell("true", profile), &[(Limit::Pids, 16)]);
        let denied = matches!(
            run(&router, &asked),
            Err(RouteError::Refused {
                refusal: Refusal::BackendDenied { .. },
                ..
            })
        );
        assert_eq!(denied, profile == Profile::Hardened);
    }
}

#[test]
fn a_program_that_burns_the_processor_meets_its_limit() {
    for target in targets() {
        hostile::burns_the_processor(&target);
    }
}

#[test]
fn a_program_that_fills_the_disk_finds_it_full() {
    for target in targets() {
        hostile::fills_the_disk(&target);
    }
}

#[test]
fn the_clock_ends_all_of_it() {
    for target in targets() {
        hostile::ignores_the_clock(&target, ["98872", "98873", "98874"]);
    }
}

#[test]
fn of_two_guests_neither_sees_the_other() {
    for target in targets() {
        hostile::sees_no_other_guest(&target, "98890");
    }
}

#[test]
fn what_is_left_behind_is_ended_also_in_a_session_of_its_own() {
    for target in targets() {
        hostile::leaves_something_behind(&target, "98875");
    }
}

#[test]
fn a_forbidden_system_call_is_a_violation() {
    for (router, profile) in runtimes() {
        let ended = run(&router, &shell("exec unshare -m true", profile));
        match profile {
            Profile::Standard => {
                assert!(
                    matches!(ended, Err(RouteError::SandboxViolation { .. })),
                    "{ended:?}"
                );
            }
            // There it is refused by a kernel that is not the host's.
            _ => assert!(matches!(ended, Err(RouteError::Failed { .. })), "{ended:?}"),
        }
    }
}

#[test]
fn standard_output_is_never_the_result_and_a_flood_of_it_is_bounded() {
    for (router, profile) in runtimes() {
        let forged = run(
            &router,
            &shell(r#"echo '{"ok":1}'; echo '{"ok":1}' >&2"#, profile),
        );
        assert!(
            matches!(&forged, Err(RouteError::Failed { code, .. }) if code.as_str() == "no_result"),
            "{forged:?}"
        );
        let text = r#"yes | head -c 3000000; echo '{"ok":1}' >&3"#;
        let request = limited(shell(text, profile), &[(Limit::OutputBytes, 1_000)]);
        let execution = run(&router, &request).expect("a result");
        assert_eq!(execution.stdout.bytes.len(), 1_000);
        assert_eq!(execution.stdout.dropped, 2_999_000);
    }
}

#[test]
fn a_result_without_an_end_is_a_limit_that_was_reached() {
    for (router, profile) in runtimes() {
        let request = limited(
            shell("yes | tr -d '\\n' >&3", profile),
            &[(Limit::OutputBytes, 1_000)],
        );
        assert_eq!(reached(run(&router, &request)).0, Limit::OutputBytes);
    }
}

#[test]
fn tools_are_reached_by_a_descriptor_and_a_guessed_token_reaches_none() {
    for (router, profile) in runtimes() {
        common::reaches_tools(&router, profile);
    }
}

#[test]
fn it_serves_its_profile_and_no_stricter_one() {
    for (router, profile) in runtimes() {
        let hardened = run(&router, &shell(r#"echo '{"ok":1}' >&3"#, Profile::Hardened));
        match profile {
            Profile::Standard => {
                assert!(
                    matches!(
                        hardened,
                        Err(RouteError::Refused {
                            refusal: Refusal::BackendDenied { .. },
                            ..
                        })
                    ),
                    "{hardened:?}"
                );
            }
            _ => assert!(hardened.is_ok(), "{hardened:?}"),
        }
    }
}

#[test]
fn an_image_that_is_not_there_or_has_a_volume_is_denied() {
    let Some(engine) = engine() else { return };
    let router = router(engine.backend(false));
    let asked = |image: Sha256| {
        let mut request = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
        if let Code::Program(program) = &mut request.code {
            program.image = Some(image);
        }
        run(&router, &request)
    };
    let unknown = asked(Sha256::from_bytes([7; 32]));
    assert!(
        matches!(
            unknown,
            Err(RouteError::Refused {
                refusal: Refusal::BackendDenied { .. },
                ..
            })
        ),
        "{unknown:?}"
    );
    let with_volume = engine.import(busybox_root().expect("a root"), "VOLUME /data");
    match asked(with_volume) {
        Err(RouteError::Refused {
            refusal: Refusal::BackendDenied { reason, .. },
            ..
        }) => {
            assert!(reason.contains("/data"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        engine.says(&["volume", "ls", "-q"]),
        "",
        "its volume is gone too"
    );
    assert!(asked(engine.image).is_ok());
}

#[test]
fn an_images_own_words_decide_nothing() {
    let Some(engine) = engine() else { return };
    let change = "ENTRYPOINT [\"/bin/false\"]";
    let image = engine.import(busybox_root().expect("a root"), change);
    let mut request = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
    if let Code::Program(program) = &mut request.code {
        program.image = Some(image);
    }
    assert_eq!(value(&router(engine.backend(false)), &request), "1");
}

#[test]
fn where_no_engine_is_it_says_so_with_a_remedy() {
    let mut config = DockerConfig::new(shell_command());
    config.socket = PathBuf::from("/nonexistent/docker.sock");
    match Docker::new(config).probe() {
        Readiness::Unavailable { remedy, .. } => assert!(remedy.contains("docker.io"), "{remedy}"),
        Readiness::Ready { version } => panic!("{version}"),
    }
}

/// What listens at a socket and says these bytes to whoever comes.
fn impostor(says: &'static [u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("s");
    let listener = UnixListener::bind(&socket).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut question = [0; 4_096];
            let _ = stream.read(&mut question);
            let _ = stream.write_all(says);
        }
    });
    (directory, socket)
}

#[test]
fn an_engine_that_speaks_nonsense_is_unavailable() {
    for says in [
        &b""[..],
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"ApiVersion\":\"1.41\"}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"ApiVersion\":\"no\"}",
        b"HTTP/1.1 500 Oh\r\ncontent-length: 13\r\n\r\n{\"message\":1}",
    ] {
        let (_directory, socket) = impostor(says);
        let mut config = DockerConfig::new(shell_command());
        config.socket = socket;
        let backend = Docker::new(config);
        assert!(
            matches!(backend.probe(), Readiness::Unavailable { .. }),
            "{:?}",
            String::from_utf8_lossy(says)
        );
    }
}

/// What passes bytes on between a backend and the engine, until it is cut; it may change words of what the backend asks, or keep
/// back what has a word in it.
struct Between {
    directory: tempfile::TempDir,
    cut: Arc<AtomicBool>,
}

#[derive(Clone, Copy)]
struct Changes {
    words: &'static [(&'static str, &'static str)],
    late: Option<&'static str>,
}

/// How late what is kept back is passed on.
const LATE: Duration = Duration::from_secs(12);

impl Between {
    fn new(engine: &Engine, words: &'static [(&'static str, &'static str)]) -> Self {
        Self::with(engine, Changes { words, late: None })
    }

    fn with(engine: &Engine, changes: Changes) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join("s")).expect("a socket");
        let (cut, to) = (Arc::new(AtomicBool::new(false)), engine.socket());
        let is_cut = Arc::clone(&cut);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(near) = stream else { return };
                if !is_cut.load(Ordering::SeqCst) {
                    pass(&near, &to, changes);
                }
            }
        });
        Self { directory, cut }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }
}

fn pass(near: &UnixStream, to: &Path, changes: Changes) {
    let far = UnixStream::connect(to).expect("the engine");
    let (mut asks, mut asked) = (
        near.try_clone().expect("a clone"),
        far.try_clone().expect("a clone"),
    );
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(count) = asks.read(&mut buffer) {
            let mut words = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if changes.late.is_some_and(|word| words.contains(word)) {
                std::thread::sleep(LATE);
            }
            for (from, to) in changes.words {
                // Of the same length, so that what the header says holds.
                assert_eq!(from.len(), to.len());
                words = words.replace(from, to);
            }
            if count == 0 || asked.write_all(words.as_bytes()).is_err() {
                return;
            }
        }
    });
    let (mut answers, mut answered) = (far, near.try_clone().expect("a clone"));
    std::thread::spawn(move || std::io::copy(&mut answers, &mut answered));
}

#[test]
fn an_engine_that_drops_what_it_was_asked_runs_nothing() {
    const LIES: [(&str, &[(&str, &str)]); 6] = [
        (
            "bound on processes",
            &[("\"PidsLimit\":128", "\"PidsLimit\":  0")],
        ),
        (
            "bound on memory",
            &[
                ("\"Memory\":536870912", "\"Memory\":636870912"),
                ("\"MemorySwap\":536870912", "\"MemorySwap\":636870912"),
            ],
        ),
        ("bounded_tmp", &[(",size=67108864", ",size=77108864")]),
        (
            "read_only_root",
            &[("\"ReadonlyRootfs\":true", "\"ReadonlyRootfs\":null")],
        ),
        (
            "no_capabilities",
            &[("\"CapDrop\":[\"ALL\"]", "\"CapDrop\":[     ]")],
        ),
        (
            "user_nobody",
            &[("\"User\":\"65534:65534\"", "\"User\":\"65533:65534\"")],
        ),
    ];
    let Some(engine) = engine() else { return };
    for (what, changes) in LIES {
        let between = Between::new(engine, changes);
        let router = router(engine.backend_at(between.socket(), false));
        match run(&router, &shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard)) {
            Err(RouteError::Refused {
                refusal: Refusal::BackendDenied { reason, .. },
                ..
            }) => {
                assert!(reason.contains(what), "{what}: {reason}");
            }
            other => panic!("{what}: {other:?}"),
        }
    }
}

fn names(engine: &Engine) -> Vec<String> {
    let told = engine.says(&[
        "ps",
        "-a",
        "--format",
        "{{.Names}} {{.Command}}",
        "--no-trunc",
    ]);
    told.lines().map(str::to_owned).collect()
}

fn has(engine: &Engine, word: &str) -> bool {
    names(engine).iter().any(|name| name.contains(word))
}

/// Waits until the engine has none: what was stopped while it was made is removed by a thread.
fn is_removed(engine: &Engine, word: &str) -> bool {
    (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        !has(engine, word)
    })
}

/// A shell program that its container's command shows by this word.
fn marked(text: &str, word: &str) -> ExecuteRequest {
    let mut request = shell(text, Profile::Standard);
    if let Code::Program(program) = &mut request.code {
        program.arguments = vec![word.to_owned()];
    }
    request
}

/// Without the engine nobody says how a program ended that gave no result. One that gave it has ended, too: its container is removed
/// when the engine is there again.
#[test]
fn an_engine_that_dies_in_a_run_takes_no_result_and_nothing_is_left() {
    let Some(engine) = engine() else { return };
    let between = Between::new(engine, &[]);
    let router = router(engine.backend_at(between.socket(), false));
    let came = without_engine(
        &between,
        &router,
        "sleep 98876; echo '{\"ok\":1}' >&3",
        "98876",
    );
    assert_eq!(came.expect("a result").value(), Some(&b"1"[..]));
    match without_engine(&between, &router, "sleep 98883; exit 3", "98883") {
        // The program ran, so it is not to be run again.
        Err(RouteError::Backend { error, .. }) => {
            assert!(!error.retryable && !error.denied, "{error}");
        }
        other => panic!("{other:?}"),
    }
    assert!(is_gone("98876") && is_gone("98883"));
    assert_eq!(
        value(&router, &shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard)),
        "1"
    );
    assert!(is_removed(engine, "dies"), "{:?}", names(engine));
}

/// What comes of a program whose sleep is ended when its engine cannot be reached any more.
fn without_engine(
    between: &Between,
    router: &Router,
    text: &str,
    word: &str,
) -> Result<Execution, RouteError> {
    let came = std::thread::scope(|scope| {
        let ran = scope.spawn(|| run(router, &marked(text, "dies")));
        assert!((0..1_000).any(|_| {
            std::thread::sleep(Duration::from_millis(20));
            is_running(word)
        }));
        between.cut.store(true, Ordering::SeqCst);
        let sleep = format!("sleep {word}");
        let killed = Command::new("pkill").args(["-x", "-f", &sleep]).status();
        assert!(killed.expect("it starts").success());
        ran.join().expect("no panic")
    });
    between.cut.store(false, Ordering::SeqCst);
    came
}

#[test]
fn nothing_of_a_container_is_left_at_the_engine_however_it_ended() {
    let Some(engine) = engine() else { return };
    for (router, profile) in runtimes() {
        let mut slow = limited(marked("sleep 98877", "stopped"), &[(Limit::WallMs, 1_500)]);
        slow.profile = profile;
        assert_eq!(reached(run(&router, &slow)).0, Limit::WallMs);
        let mut failing = marked("exit 3", "however");
        failing.profile = profile;
        assert!(run(&router, &failing).is_err());
        let mut good = marked(r#"echo '{"ok":1}' >&3"#, "however");
        good.profile = profile;
        assert_eq!(value(&router, &good), "1");
        assert!(!has(engine, "however"), "{:?}", names(engine));
        assert!(is_removed(engine, "stopped"), "{:?}", names(engine));
    }
}

/// An engine was waited for, 30 seconds for each question, whatever the run's time was and whoever cancelled it.
#[test]
fn an_engine_that_is_slow_is_waited_for_no_longer_than_the_run_may_take() {
    let Some(engine) = engine() else { return };
    std::thread::scope(|scope| {
        for (late, word) in [
            ("/containers/json?", "98879"),
            ("/containers/create", "98880"),
            ("/start ", "98881"),
        ] {
            scope.spawn(move || is_not_waited_for(engine, late, word));
        }
    });
}

fn is_not_waited_for(engine: &Engine, late: &'static str, word: &str) {
    let changes = Changes {
        words: &[],
        late: Some(late),
    };
    let between = Between::with(engine, changes);
    let router = router(engine.backend_at(between.socket(), false));
    let request = marked(&format!("sleep {word}"), word);
    let request = limited(request, &[(Limit::WallMs, 500)]);
    let began = Instant::now();
    assert_eq!(reached(run(&router, &request)).0, Limit::WallMs, "{late}");
    assert!(began.elapsed() < LATE, "{late}: {:?}", began.elapsed());
    // It comes to be, if at all, when nobody waits for it any more, and is removed then.
    std::thread::sleep(LATE);
    let gone = is_removed(engine, word) && is_gone(word);
    assert!(gone, "{late}: {:?}", names(engine));
}

/// A container that had very many processes may take an engine minutes to remove. Each further run waited for that, half a minute at
/// a time, and was over before it began.
#[test]
fn an_engine_that_is_slow_to_remove_holds_no_run_up() {
    let Some(engine) = engine() else { return };
    let changes = Changes {
        words: &[],
        late: Some("DELETE "),
    };
    let between = Between::with(engine, changes);
    let router = router(engine.backend_at(between.socket(), false));
    let text = r#"echo '{"ok":1}' >&3"#;
    let request = limited(marked(text, "removed-late"), &[(Limit::WallMs, 8_000)]);
    for _ in 0..3 {
        assert_eq!(value(&router, &request), "1");
    }
    assert!(is_removed(engine, "removed-late"), "{:?}", names(engine));
}

/// A run that was stopped while the engine started its container took the files away that the container was to mount: the engine
/// forgot the container, and its shim stayed for ever. Where it came to be, its launcher waited for the word in a read that no
/// signal ends under gVisor, and so did the engine that was to remove it.
#[test]
fn a_run_that_is_stopped_before_it_begins_leaves_nothing_of_the_engines_behind() {
    let Some(engine) = Engine::another() else {
        return;
    };
    let shim = engine.containerd();
    let gvisor = [false, true]
        .into_iter()
        .filter(|gvisor| !gvisor || engine.gvisor);
    for gvisor in gvisor {
        let router = router(engine.backend(gvisor));
        let (_, all) = watched(&[&shim], || {
            for wall_ms in (50..800).step_by(50) {
                let mut request =
                    limited(marked("sleep 98882", "early"), &[(Limit::WallMs, wall_ms)]);
                request.profile = Profile::Standard;
                assert_eq!(reached(run(&router, &request)).0, Limit::WallMs);
            }
        });
        assert!(all.is_whole() && all.is_gone(), "gVisor: {gvisor}");
        assert!(is_removed(&engine, "early"), "{:?}", names(&engine));
    }
}

/// Not a test of its own: the host that the next one kills.
#[test]
#[ignore = "started by another test, as a process"]
fn a_host_that_will_be_killed() {
    let (Ok(socket), Ok(image)) = (
        std::env::var("TENZIK_TEST_SOCKET"),
        std::env::var("TENZIK_TEST_IMAGE"),
    ) else {
        return;
    };
    let mut config = DockerConfig::new(shell_command());
    config.socket = PathBuf::from(socket);
    config.image = Some(image.parse().expect("a digest"));
    let router = router(Docker::new(config));
    drop(run(&router, &marked("sleep 98878", "orphan")));
}

#[test]
fn what_a_killed_host_left_is_removed_by_the_next_and_what_a_living_one_runs_is_not() {
    let Some(engine) = engine() else { return };
    // It has no time to remove its files.
    let temporary = tempfile::tempdir().expect("a directory");
    let mut host = Command::new(std::env::current_exe().expect("a path"))
        .env("TMPDIR", temporary.path())
        .args(["--exact", "--ignored", "a_host_that_will_be_killed"])
        .env("TENZIK_TEST_SOCKET", engine.socket())
        .env("TENZIK_TEST_IMAGE", engine.image.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    assert!((0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        is_running("98878")
    }));
    let one = shell(r#"echo '{"ok":1}' >&3"#, Profile::Standard);
    assert_eq!(value(&router(engine.backend(false)), &one), "1");
    assert!(has(engine, "orphan"), "its host lives");
    host.kill().expect("it is ours");
    host.wait().expect("an end");
    assert_eq!(value(&router(engine.backend(false)), &one), "1");
    assert!(!has(engine, "orphan"), "{:?}", names(engine));
    assert!(is_gone("98878"));
}

#[test]
fn it_keeps_the_contract_of_every_backend() {
    let Some(engine) = engine() else { return };
    let container = |word| Look::new("container", move || has(engine, &common::entrypoint(word)));
    let process = Look::new("process", || is_running("73905"));
    let programs = common::programs_that_leave("73905", vec![process, container("73905")]);
    tenzik::testing::backend(&engine.backend(false), &programs);
    if engine.gvisor {
        let programs = common::programs_that_leave("73906", vec![container("73906")]);
        tenzik::testing::backend(&engine.backend(true), &programs);
    }
}

#[test]
fn a_router_keeps_its_contract_with_it() {
    for (router, profile) in runtimes() {
        tenzik::testing::router(&router, &common::programs(), profile);
    }
}
