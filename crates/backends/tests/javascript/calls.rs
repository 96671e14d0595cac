//! One call: what arrives, what comes back, and how a run ends.

use tenzik::control::Control;
use tenzik::receipts::Circumstances;
use tenzik::router::{CodeTree, Limit, Refusal, RouteError};
use tenzik_backends::{JavaScript, JavaScriptConfig, Runtime};
use tenzik_receipt::{InputType, Profile};

use super::{
    common, failure, module, named, on_each, program, programs, router_of, with_children, word,
};
use crate::common::{limited, run, value};

on_each! {
    fn it_keeps_the_contract_of_every_backend(config: JavaScriptConfig) {
        let programs = programs(word(73_910, config.runtime));
        let backend = JavaScript::new(with_children(config)).expect("a configuration");
        tenzik::testing::backend(&backend, &programs);
    }
}

on_each! {
    fn a_router_keeps_its_contract_with_it(config: JavaScriptConfig) {
        let programs = programs(word(73_920, config.runtime));
        tenzik::testing::router(&router_of(config), &programs, Profile::Dev);
    }
}

on_each! {
    fn input_and_environment_arrive_and_nothing_else(config: JavaScriptConfig) {
        let router = router_of(config);
        let mut request = module(
            "export default async (input) => {
                const { env } = process;
                const read = (name) => { try { return env[name] ?? 'none'; } catch { return 'none'; } };
                return [input, read('GIVEN'), read('CARGO_MANIFEST_DIR'), read('NODE_OPTIONS')];
            };",
        );
        program(&mut request).environment.insert("GIVEN".to_owned(), "é".to_owned());
        assert_eq!(value(&router, &request), r#"[{"a":1},"é","none","none"]"#);
    }
}

on_each! {
    fn functions_are_called_by_default_by_name_and_as_members(config: JavaScriptConfig) {
        let router = router_of(config);
        let text = "
            export const total = ({ a }) => a + 1;
            export default { nested: async function ({ a }) { return [a, this === undefined]; }, nothing() {} };";
        let call = |name: Option<&str>| {
            let mut request = module(text);
            program(&mut request).arguments.extend(name.map(str::to_owned));
            request
        };
        assert_eq!(value(&router, &call(Some("total"))), "2");
        assert_eq!(value(&router, &call(Some("nested"))), "[1,false]");
        assert_eq!(value(&router, &call(Some("nothing"))), "null");
        for name in [None, Some("toString"), Some("constructor"), Some("__proto__"), Some("missing")] {
            assert_eq!(failure(&router, &call(name)).0, "own:no_export", "{name:?}");
        }
        let mut two = call(Some("total"));
        program(&mut two).arguments.push("more".to_owned());
        assert!(matches!(run(&router, &two), Err(RouteError::Refused { refusal: Refusal::BackendDenied { .. }, .. })));
    }
}

on_each! {
    fn a_tree_of_typescript_runs_with_what_it_imports(config: JavaScriptConfig) {
        let router = router_of(config);
        let mut request = named("main.ts", "typescript", "x");
        let file = |text: &str| tenzik::router::File { content: text.as_bytes().into(), executable: false };
        let files = [
            ("src/a tool#1.ts".to_owned(), file(
                "import { twice } from './lib/twice.ts';
                 interface Input { a: number }
                 export default async (input: Input): Promise<number> => twice(input.a as number);",
            )),
            ("src/lib/twice.ts".to_owned(), file("export const twice = (n: number): number => n * 2;")),
        ];
        program(&mut request).tree = CodeTree::new(files.into_iter().collect(), "src/a tool#1.ts").expect("a tree");
        assert_eq!(value(&router, &request), "2");
    }
}

on_each! {
    fn ends_are_told_as_they_were(config: JavaScriptConfig) {
        let router = router_of(config);
        for (text, code, message) in [
            (
                "export default () => { throw Object.assign(new Error('none\\u0007 left'), { code: 'no_stock' }); };",
                "own:no_stock",
                "none left",
            ),
            ("export default async () => { throw new TypeError('odd'); };", "own:TypeError", "odd"),
            ("export default () => { throw 'a text'; };", "own:error", "a text"),
            ("export default () => { throw null; };", "own:error", "null"),
            (
                "export default () => { throw { get code() { throw 1; }, get message() { throw 2; } }; };",
                "own:error",
                "",
            ),
            ("export default () => () => 1;", "own:no_value", "the result is no JSON value"),
            (
                "export default () => { Promise.reject(new Error('nobody')); return new Promise(() => {}); };",
                "own:unhandled_rejection",
                "nobody",
            ),
            (
                "export default () => { setTimeout(() => { throw new Error('late'); }); return new Promise(() => {}); };",
                "own:uncaught_exception",
                "late",
            ),
            ("export default () => { process.exit(3); };", "exit:3", ""),
            ("export default () => { process.exit(0); };", "no_result", ""),
            ("export default () => { process.kill(process.pid, 'SIGKILL'); return new Promise(() => {}); };", "signal:9", ""),
            ("export default (input, { verbatim }) => verbatim('{\"a\":1,\"a\":2}');", "invalid_output", ""),
            ("export default (input, { verbatim }) => verbatim('} nonsense');", "bad_result", ""),
        ] {
            if text.contains("process.kill") && router.backends()[0].kind.as_str() == "deno" {
                continue; // It denies that.
            }
            assert_eq!(failure(&router, &module(text)), (code.to_owned(), message.to_owned()), "{text}");
        }
        for text in ["export default (", "import 'missing-package'; export default () => 1;"] {
            let (code, _) = failure(&router, &module(text));
            assert!(code.starts_with("own:"), "{code}: {text}");
        }
    }
}

on_each! {
    fn what_looks_like_a_result_is_none(config: JavaScriptConfig) {
        let router = router_of(config);
        let forged = module(
            "export default () => {
                console.log('{\"ok\":9}');
                console.log('0123456789abcdef0123456789abcdef result {\"ok\":9}');
                console.error('{\"status\":\"ok\"}');
                return 1;
            };",
        );
        let execution = run(&router, &forged).expect("a result");
        assert_eq!(execution.value(), Some(&b"1"[..]));
        let stdout = String::from_utf8_lossy(&execution.stdout.bytes);
        assert!(stdout.starts_with("{\"ok\":9}\n0123"), "{stdout}");
        assert_eq!(execution.stderr.bytes, b"{\"status\":\"ok\"}\n");
    }
}

/// It shares its process with the worker, so it may speak for it: then what it says is a value, or nothing.
const WRITES: &str = "
    const write = async (text) => {
        if (globalThis.Deno) Deno.writeTextFileSync('/dev/fd/3', text);
        else (await import('node:fs')).writeSync(3, text);
    };";

on_each! {
    fn what_code_writes_for_the_worker_is_a_value_at_most(config: JavaScriptConfig) {
        let router = router_of(config);
        for line in [
            "{\"ok\":9}\\n",
            "{\"status\":\"ok\",\"limits\":{}}\\n",
            "result {\"ok\":9}\\n",
            "\\n",
            "\\u0000\\n",
            "ready {\"denies\":[\"everything\"]}\\n",
        ] {
            let text = format!("{WRITES} export default async () => {{ await write('{line}'); return 1; }};");
            assert_eq!(failure(&router, &module(&text)).0, "bad_result", "{line}");
        }
        let endless = format!(
            "{WRITES} export default async () => {{ for (;;) await write('x'.repeat(10000)); }};"
        );
        let endless = limited(module(&endless), &[(Limit::OutputBytes, 1_000)]);
        assert!(matches!(
            run(&router, &endless),
            Err(RouteError::ResourceLimit { limit: Limit::OutputBytes, .. })
        ));
    }
}

on_each! {
    fn a_guest_that_changes_what_the_worker_uses_changes_its_own_value(config: JavaScriptConfig) {
        let router = router_of(config);
        for text in [
            "JSON.stringify = () => '{\"ok\":9}'; JSON.parse = () => { throw 1; }; export default () => 1;",
            "globalThis.Promise = class { then() {} }; Promise.prototype.then = 1; export default async () => 1;",
            "Object.prototype.then = undefined; Object.prototype.ok = 9; Object.prototype.token = 'x'; export default () => 1;",
            "Error.prototype.toString = () => { throw 1; }; globalThis.console = undefined; export default () => 1;",
        ] {
            assert_eq!(value(&router, &module(text)), "1", "{text}");
        }
    }
}

on_each! {
    fn the_clock_ends_what_never_ends(config: JavaScriptConfig) {
        let router = router_of(config);
        for text in [
            "export default () => { for (;;); };",
            "for (;;); export default () => 1;",
            "export default () => new Promise(() => {});",
            "process.on?.('SIGTERM', () => {}); export default () => { for (;;); };",
        ] {
            let request = limited(module(text), &[(Limit::WallMs, 700)]);
            match run(&router, &request) {
                Err(RouteError::Timeout { allowed_ms: 700, execution }) => {
                    assert!(execution.limits.get(Limit::WallMs).enforced);
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}

on_each! {
    fn output_is_cut_at_its_limit_and_standard_error_at_its_own(config: JavaScriptConfig) {
        let mut config = config;
        config.stderr_bytes_max = Some(100);
        let router = router_of(config);
        let text = "export default () => {
            console.log('x'.repeat(99999)); console.error('y'.repeat(99999)); return 1;
        };";
        let request = limited(module(text), &[(Limit::OutputBytes, 1_000)]);
        let execution = run(&router, &request).expect("a result");
        assert_eq!((execution.stdout.bytes.len(), execution.stdout.dropped), (1_000, 99_000));
        assert_eq!((execution.stderr.bytes.len(), execution.stderr.dropped), (100, 99_900));
        let long = limited(module("export default () => 'x'.repeat(9999);"), &[(Limit::OutputBytes, 1_000)]);
        assert!(matches!(
            run(&router, &long),
            Err(RouteError::ResourceLimit { limit: Limit::OutputBytes, .. })
        ));
    }
}

on_each! {
    fn bytes_go_in_and_come_out_as_they_are(config: JavaScriptConfig) {
        let router = router_of(config);
        let input: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        for text in [
            "export default (input) => input;",
            "export default (input) => input.buffer;",
            "export default (input) => new DataView(input.buffer, input.byteOffset, input.byteLength);",
        ] {
            let mut request = module(text);
            request.input_type = InputType::Bytes;
            request.input = input.clone().into();
            let execution = run(&router, &request).expect("a result");
            assert_eq!(execution.value(), Some(&input[..]), "{text}");
        }
    }
}

on_each! {
    fn a_host_bounds_the_time_of_its_calls(config: JavaScriptConfig) {
        let mut config = config;
        config.timeout_max = Some(std::time::Duration::from_millis(700));
        let router = router_of(config);
        match run(&router, &module("export default () => new Promise(() => {});")) {
            Err(RouteError::Timeout { execution, .. }) => {
                assert_eq!(execution.limits.get(Limit::WallMs).applied, Some(700));
            }
            other => panic!("{other:?}"),
        }
    }
}

on_each! {
    fn a_cancelled_run_is_ended(config: JavaScriptConfig) {
        let router = router_of(config);
        let control = Control::default();
        let request = module("export default () => { for (;;); };");
        let came = std::thread::scope(|scope| {
            let run = scope.spawn(|| router.execute_controlled(&request, Circumstances::at(common::now()), &control));
            common::cancel_when_it_runs(&control);
            run.join().expect("no panic")
        });
        assert!(matches!(came, Err(RouteError::Aborted { .. })), "{came:?}");
    }
}

on_each! {
    fn a_request_above_dev_is_denied_without_a_sandbox(config: JavaScriptConfig) {
        let router = router_of(config);
        for profile in [Profile::Standard, Profile::Hardened] {
            let mut request = module("export default () => 1;");
            request.profile = profile;
            assert!(matches!(run(&router, &request), Err(RouteError::Refused { refusal: Refusal::BackendDenied { .. }, .. })));
        }
    }
}

on_each! {
    fn what_would_change_the_runtime_is_denied(config: JavaScriptConfig) {
        let router = router_of(config);
        for name in ["NODE_OPTIONS", "LD_PRELOAD", "BUN_OPTIONS", "DENO_DIR", "npm_config_x", "HOME", "PATH"] {
            let mut request = module("export default () => 1;");
            program(&mut request).environment.insert(name.to_owned(), "x".to_owned());
            match run(&router, &request) {
                Err(RouteError::Refused { refusal: Refusal::BackendDenied { reason, .. }, .. }) => assert!(reason.contains(name), "{reason}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        for (file, language) in [("main", "javascript"), ("main.ts", "javascript"), ("main.mjs", "typescript")] {
            let request = named(file, language, "export default () => 1;");
            assert!(matches!(run(&router, &request), Err(RouteError::Refused { refusal: Refusal::BackendDenied { .. }, .. })), "{file}");
        }
    }
}

/// Files of the code that a runtime would read by itself.
#[test]
fn settings_among_the_code_are_not_read() {
    for runtime in Runtime::ALL {
        let Some(config) = super::config(runtime) else {
            return;
        };
        let router = router_of(config);
        let mut request = module("x");
        let file = |text: &str| tenzik::router::File {
            content: text.as_bytes().into(),
            executable: false,
        };
        let files = [
            (".env", "SMUGGLED=1\nNODE_OPTIONS=--inspect"),
            ("bunfig.toml", "preload = [\"./preload.mjs\"]"),
            (
                "deno.json",
                "{\"imports\": {\"a\": \"./preload.mjs\"}, \"permissions\": {\"default\": {\"read\": true}}}",
            ),
            (
                "preload.mjs",
                "globalThis.preloaded = true; export default 1;",
            ),
            (
                "main.mjs",
                "export default async () => {
                    let smuggled; try { smuggled = process.env.SMUGGLED; } catch {}
                    return [smuggled ?? null, globalThis.preloaded ?? null];
                };",
            ),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), file(text)));
        program(&mut request).tree =
            CodeTree::new(files.into_iter().collect(), "main.mjs").expect("a tree");
        assert_eq!(
            value(&router, &request),
            "[null,null]",
            "{}",
            runtime.name()
        );
    }
}

/// Debian's own, if there is one: it knows `--experimental-permission`, and no TypeScript.
#[test]
fn an_older_node_runs_javascript_and_refuses_typescript() {
    let mut config = JavaScriptConfig::new(Runtime::Node);
    config.executable = "/usr/bin/node".into();
    let router = router_of(config);
    let standing = &router.backends()[0];
    let old = matches!(&standing.readiness, tenzik::backend::Readiness::Ready { version } if version.as_str().starts_with("node 20."));
    if !old {
        eprintln!(
            "skipped: /usr/bin/node is no node 20: {:?}",
            standing.readiness
        );
        return;
    }
    assert_eq!(value(&router, &module("export default ({ a }) => a;")), "1");
    match run(
        &router,
        &named("main.ts", "typescript", "export default (a: number) => 1;"),
    ) {
        Err(RouteError::Refused {
            refusal: Refusal::BackendDenied { reason, .. },
            ..
        }) => assert!(reason.contains("22"), "{reason}"),
        other => panic!("{other:?}"),
    }
}
