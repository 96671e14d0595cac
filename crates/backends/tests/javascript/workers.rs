//! Workers that are used again, and those that are not.

use std::time::Duration;

use tenzik::backend::Readiness;
use tenzik::router::{ExecuteRequest, Limit, RouteError, Router};
use tenzik_backends::{Backoff, JavaScript, JavaScriptConfig};
use tenzik_receipt::Label;

use super::{module, named, on_each, program, router_of};
use crate::common::{install, limited, run, value};

/// How often this very process was called.
const COUNTS: &str = "let calls = 0; export default () => ++calls;";

fn count(router: &Router, request: &ExecuteRequest) -> u64 {
    value(router, request).parse().expect("a number")
}

on_each! {
    fn a_worker_serves_the_same_again_and_nobody_else(config: JavaScriptConfig) {
        let router = router_of(config);
        let own = module(COUNTS);
        assert_eq!((count(&router, &own), count(&router, &own)), (1, 2));
        let mut tenant = own.clone();
        tenant.tenant = Some(Label::constant("another"));
        let mut variable = own.clone();
        program(&mut variable).environment.insert("A".to_owned(), "1".to_owned());
        let mut value = variable.clone();
        program(&mut value).environment.insert("A".to_owned(), "2".to_owned());
        let limits = limited(own.clone(), &[(Limit::OutputBytes, 1_000)]);
        let mut tools = own.clone();
        tools.gateway = Some(crate::common::tools(&std::sync::Arc::default()));
        let code = module(&format!("{COUNTS} "));
        let name = named("other.mjs", "javascript", COUNTS);
        for other in [tenant, variable, value, limits, tools, code, name] {
            assert_eq!((count(&router, &other), count(&router, &other)), (1, 2));
        }
        assert_eq!(count(&router, &own), 3);
        let execution = run(&router, &own).expect("a result");
        let receipt = String::from_utf8_lossy(&execution.receipt.to_bytes()).into_owned();
        assert!(receipt.contains("\"calls_before\":3"), "{receipt}");
    }
}

on_each! {
    fn without_warm_workers_each_call_is_the_first(config: JavaScriptConfig) {
        let mut config = config;
        config.workers_max = 0;
        let router = router_of(config);
        assert_eq!((count(&router, &module(COUNTS)), count(&router, &module(COUNTS))), (1, 1));
    }
}

on_each! {
    fn a_worker_that_misbehaved_is_not_used_again(config: JavaScriptConfig) {
        let router = router_of(config);
        let write = "import fs from 'node:fs';
            const write = (text) => globalThis.Deno ? Deno.writeTextFileSync('/dev/fd/3', text) : fs.writeSync(3, text);
            // Behind the result, but in the same turn: before the process is stopped, or as soon as it is woken.
            const behind = async (act) => { for (let n = 0; n < 999; n++) await 0; act(); };";
        for (what, act) in [
            ("waits for nobody", "void Promise.reject(new Error('nobody'));"),
            ("writes behind its result", "behind(() => write('more\n'));"),
            ("says something else first", "write('0123456789abcdef0123456789abcdef result {\"ok\":9}\n');"),
            ("leaves", "behind(() => process.exit(0));"),
        ] {
            let request = module(&format!(
                "{write} let calls = 0; export default async () => {{ {act} return ++calls; }};"
            ));
            for _ in 0..3 {
                match run(&router, &request) {
                    Ok(execution) => assert_eq!(execution.value(), Some(&b"1"[..]), "{what}"),
                    // It may be before its result, too.
                    Err(RouteError::Failed { .. }) => {}
                    Err(error) => panic!("{what}: {error}"),
                }
            }
        }
        let late = limited(
            module("let calls = 0; export default (input) => { if (++calls > 1) return calls; for (;;); };"),
            &[(Limit::WallMs, 700)],
        );
        for _ in 0..2 {
            assert!(matches!(run(&router, &late), Err(RouteError::Timeout { .. })));
        }
    }
}

// A guest that keeps the token of its first call and says with it, in its second, what it would like that to be.
on_each! {
    fn what_an_earlier_call_says_is_not_taken_for_the_next(config: JavaScriptConfig) {
        let router = router_of(config);
        let request = module(
            "import fs from 'node:fs';
            let lines = [], calls = 0;
            // The worker's lines go by `subarray` of their bytes.
            const before = Uint8Array.prototype.subarray;
            Uint8Array.prototype.subarray = function (...given) {
                const text = new TextDecoder().decode(this);
                if (/^[0-9a-f]{32} result /.test(text)) lines.push(text);
                return before.apply(this, given);
            };
            export default () => {
                calls++;
                for (const line of lines) {
                    const forged = line.replace(/\\{.*\\}/, '{\"ok\":\"forged\"}');
                    if (globalThis.Deno) Deno.writeTextFileSync('/dev/fd/3', forged);
                    else fs.writeSync(3, forged);
                }
                return [calls, lines.length];
            };",
        );
        assert_eq!(value(&router, &request), "[1,0]");
        assert_eq!(value(&router, &request), "[2,1]");
        // It was seen to say what was not its to say.
        assert_eq!(value(&router, &request), "[1,0]");
    }
}

on_each! {
    fn between_calls_a_worker_does_nothing(config: JavaScriptConfig) {
        let router = router_of(config);
        let request = module(
            "let ticks = 0; export default () => {
                const before = ticks;
                if (!before) setInterval(() => { ticks++; }, 1);
                return before;
            };",
        );
        assert_eq!(value(&router, &request), "0");
        // Some turns are taken until it is stopped; thousands, if it is not.
        std::thread::sleep(Duration::from_secs(5));
        let ticks = count(&router, &request);
        assert!(ticks < 1_000, "{ticks} turns of a loop between two calls");
    }
}

on_each! {
    fn workers_are_bounded_and_go_with_their_backend(config: JavaScriptConfig) {
        let mut config = config;
        config.workers_max = 2;
        let executable = config.executable.display().to_string();
        let mark = format!("mark-{}-{}", std::process::id(), config.runtime.name());
        let backend = JavaScript::new(config).expect("a configuration");
        let router = crate::common::router(backend);
        let request = |index: u32| {
            let mut request = module(COUNTS);
            program(&mut request).environment.insert("MARK".to_owned(), format!("{mark}-{index}"));
            request
        };
        for index in 0..4 {
            assert_eq!(count(&router, &request(index)), 1);
        }
        assert_eq!(marked(&mark), 2, "{executable}");
        drop(router);
        assert_eq!(marked(&mark), 0, "{executable}");
    }
}

on_each! {
    fn a_worker_that_waited_too_long_goes(config: JavaScriptConfig) {
        let mut config = config;
        config.workers_idle_max = Duration::from_millis(50);
        let mark = format!("idle-{}-{}", std::process::id(), config.runtime.name());
        let router = router_of(config);
        let mut request = module(COUNTS);
        program(&mut request).environment.insert("MARK".to_owned(), mark.clone());
        assert_eq!(count(&router, &request), 1);
        let gone = (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            marked(&mark) == 0
        });
        assert!(gone);
        assert_eq!(count(&router, &request), 1);
    }
}

/// How many processes have this text in their environment.
fn marked(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc")
        .expect("processes")
        .filter_map(Result::ok);
    entries
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(mark)
        })
        .count()
}

/// A worker that does not start is started again; one that began to run code is not.
#[test]
fn a_worker_that_does_not_start_is_started_again_and_code_never() {
    let Some(mut config) = super::config(tenzik_backends::Runtime::Node) else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let count = directory.path().join("count");
    let script = directory.path().join("node");
    let text = format!(
        "#!/bin/sh\n[ \"$1\" = --version ] && exec {node} --version\necho x >>{count}\n[ $(wc -l <{count}) -lt 3 ] && exit 7\nexec {node} \"$@\"\n",
        node = config.executable.display(),
        count = count.display(),
    );
    install(text.as_bytes(), &script);
    config.executable = script;
    config.workers_max = 0;
    config.backoff.initial = Duration::from_millis(5);
    let starts = || {
        std::fs::read_to_string(&count)
            .expect("a count")
            .lines()
            .count()
    };

    let patient = JavaScript::new(config.clone()).expect("a configuration");
    assert!(matches!(
        tenzik::backend::Backend::probe(&patient),
        Readiness::Ready { .. }
    ));
    assert_eq!(starts(), 3);
    let router = crate::common::router(patient);
    let exits = module("export default () => process.exit(5);");
    let ended = super::failure(&router, &exits).0;
    // The router looked whether it is ready, and then it was run once.
    assert_eq!((ended.as_str(), starts()), ("exit:5", 5));

    std::fs::write(&count, "").expect("a count");
    config.backoff = Backoff {
        elapsed: Duration::ZERO,
        ..config.backoff
    };
    let once = JavaScript::new(config).expect("a configuration");
    let Readiness::Unavailable { reason, remedy } = tenzik::backend::Backend::probe(&once) else {
        panic!("it is ready");
    };
    assert!(
        reason.contains("ended before") && remedy.contains("npm"),
        "{reason}; {remedy}"
    );
    assert_eq!(starts(), 1);
}

#[test]
fn a_runtime_that_is_not_there_is_unavailable_with_a_remedy() {
    for runtime in tenzik_backends::Runtime::ALL {
        let mut config = JavaScriptConfig::new(runtime);
        config.executable = "/nonexistent/runtime".into();
        let backend = JavaScript::new(config.clone()).expect("a configuration");
        let readiness = tenzik::backend::Backend::probe(&backend);
        assert!(
            matches!(readiness, Readiness::Unavailable { ref remedy, .. } if remedy.contains("npm"))
        );
        // Another program under its name is none either.
        config.executable = "/bin/true".into();
        let backend = JavaScript::new(config).expect("a configuration");
        assert!(matches!(
            tenzik::backend::Backend::probe(&backend),
            Readiness::Unavailable { .. }
        ));
    }
}
