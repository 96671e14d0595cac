//! What a host sets beside permissions: each value that is accepted is seen at work.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tenzik::router::RouteError;
use tenzik_backends::Runtime;

use super::{module, on_each, program, router_of};
use crate::common::{run, value};

on_each! {
    fn variables_of_the_hosts_arrive_and_those_of_the_request_count(config: JavaScriptConfig) {
        let mut config = config;
        for name in ["OF_HOST", "OF_BOTH"] {
            config.environment.insert(name.to_owned(), "host".to_owned());
        }
        let router = router_of(config);
        let mut request = module(
            "export default () => ['OF_HOST', 'OF_BOTH'].map((name) => globalThis.process.env[name]);",
        );
        assert_eq!(value(&router, &request), r#"["host","host"]"#);
        program(&mut request).environment.insert("OF_BOTH".to_owned(), "request".to_owned());
        assert_eq!(value(&router, &request), r#"["host","request"]"#);
    }
}

// Of Bun's and Deno's nothing can be seen from inside but that they are taken.
on_each! {
    fn options_of_a_runtimes_own_act(config: JavaScriptConfig) {
        let mut config = config;
        let option = match config.runtime {
            Runtime::Bun => "--smol",
            Runtime::Deno => "--no-code-cache",
            Runtime::Node => "--stack-trace-limit=3",
        };
        let frames = module(
            "const deep = (left) => left ? deep(left - 1) + 0 : new Error('x').stack.split('\\n').length - 1;
            export default () => deep(20);",
        );
        let before = value(&router_of(config.clone()), &frames);
        config.options = vec![option.to_owned()];
        let expected = if config.runtime == Runtime::Node { "3".to_owned() } else { before.clone() };
        assert_eq!(value(&router_of(config), &frames), expected);
        assert_ne!(before, "3");
    }
}

on_each! {
    fn the_file_of_the_worker_has_the_mode_that_was_asked_for(config: JavaScriptConfig) {
        for mode in [0o444, 0o400, 0o555] {
            let mut config = config.clone();
            config.worker_file_mode = mode;
            let router = router_of(config);
            let place = "export default () => globalThis.Deno ? Deno.cwd() : process.cwd();";
            let code = value(&router, &module(place));
            let code: PathBuf = serde_json::from_str(&code).expect("a path");
            // It is there as long as the worker waits.
            let file = code.with_file_name("worker.mjs");
            let found = std::fs::metadata(&file).expect("the worker's file").permissions();
            assert_eq!(found.mode() & 0o7777, mode, "{}", file.display());
        }
    }
}

/// What fills some 200 MiB of V8's heap has room without the bound, and ends with it. Bun has no such bound, which its
/// configuration says.
#[test]
fn a_heap_is_bounded() {
    for runtime in [Runtime::Deno, Runtime::Node] {
        let Some(mut config) = super::config(runtime) else {
            return;
        };
        let fills = module(
            "export default () => {
                const kept = [];
                for (let n = 0; n < 2e6; n++) kept.push({ n, other: [n] });
                return kept.length;
            };",
        );
        assert_eq!(value(&router_of(config.clone()), &fills), "2000000");
        config.heap_bytes_max = Some(64 << 20);
        let ended = run(&router_of(config), &fills);
        assert!(
            matches!(ended, Err(RouteError::Failed { .. })),
            "{}: {ended:?}",
            runtime.name()
        );
    }
}

/// The exchange that `docs/backends.md` shows, with a worker that nothing of this crate has started.
#[test]
fn a_worker_speaks_as_the_document_says() {
    let Some(config) = super::config(Runtime::Node) else {
        return;
    };
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(own.join("../../docs/backends.md")).expect("the document");
    let mut blocks = text
        .split("```\n")
        .skip_while(|block| !block.starts_with("call "));
    let asked = blocks.next().expect("what goes to it").trim_end();
    let answered = blocks.nth(1).expect("what comes from it");
    let (length, frame) = asked.split_once('\n').expect("two parts");
    assert_eq!(length, format!("call {}", frame.len()));

    let code = tempfile::tempdir().expect("a directory");
    let text = "export default ({ a }) => a + 1;";
    std::fs::write(code.path().join("main.mjs"), text).expect("a file");
    let frame = frame.replace("/code", &code.path().display().to_string());
    let mut worker = Command::new("sh")
        .args(["-c", r#"exec timeout 60 "$0" "$1" "$2" 3>&1"#])
        .arg(&config.executable)
        .arg(own.join("src/javascript/worker.mjs"))
        .arg(code.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell");
    let asked = format!("call {}\n{frame}", frame.len());
    let stdin = worker.stdin.as_mut().expect("a pipe");
    stdin.write_all(asked.as_bytes()).expect("it reads");
    let stdout = worker.stdout.take().expect("a pipe");
    let said: Vec<_> = BufReader::new(stdout)
        .lines()
        .take(2)
        .map_while(Result::ok)
        .collect();
    // Its input is at its end, and so is it.
    assert!(worker.wait().expect("an end").success());
    assert_eq!(said, [r#"ready {"denies":[]}"#, answered.trim_end()]);
}
