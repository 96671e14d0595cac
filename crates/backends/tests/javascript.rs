//! Node, Bun and Deno against the contract of functions: delivery, ends, permissions, tools and workers that are used again.
//! Each test runs on each runtime that is there; `npm ci --ignore-scripts` in `crates/backends/runtimes` installs them.
#![cfg(target_os = "linux")]

mod common;

#[path = "javascript/calls.rs"]
mod calls;
#[path = "javascript/options.rs"]
mod options;
#[path = "javascript/permissions.rs"]
mod permissions;
#[path = "javascript/sandbox.rs"]
mod sandbox;
#[path = "javascript/tools.rs"]
mod tools;
#[path = "javascript/workers.rs"]
mod workers;

use tenzik::router::{Code, CodeTree, ExecuteRequest, Program, RouteError, Router};
use tenzik::testing::{Leftovers, Look, Programs};
use tenzik_backends::{JavaScript, JavaScriptConfig, Runtime};
use tenzik_receipt::{Label, Profile};

/// A configuration with the executable that is tested; `None` where it is missing.
fn config(runtime: Runtime) -> Option<JavaScriptConfig> {
    let mut config = JavaScriptConfig::new(runtime);
    config.executable = common::javascript(runtime)?;
    Some(config)
}

fn router_of(config: JavaScriptConfig) -> Router {
    common::router(JavaScript::new(config).expect("a configuration"))
}

/// A module that is called with the input `{"a":1}`.
fn module(text: &str) -> ExecuteRequest {
    named("main.mjs", "javascript", text)
}

fn named(name: &str, language: &'static str, text: &str) -> ExecuteRequest {
    let tree = CodeTree::single(name, text.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant(language), tree);
    ExecuteRequest::new(Code::Program(program), *b"{\"a\":1}", Profile::Dev)
}

fn program(request: &mut ExecuteRequest) -> &mut Program {
    match &mut request.code {
        Code::Program(program) => program,
        Code::Capsule(_) => panic!("another code"),
    }
}

/// The code and message of a run that failed.
fn failure(router: &Router, request: &ExecuteRequest) -> (String, String) {
    match common::run(router, request) {
        Err(RouteError::Failed { code, execution }) => {
            let message = match &execution.ended {
                tenzik::backend::Ended::Failed { message, .. } => {
                    message.clone().unwrap_or_default()
                }
                _ => String::new(),
            };
            (code.as_str().to_owned(), message)
        }
        other => panic!("{other:?}"),
    }
}

/// The programs of the contract suites. `word` is a number of seconds that no other test sleeps for.
fn programs(word: String) -> Programs {
    let tree = |text: &str| CodeTree::single("main.mjs", text.as_bytes()).expect("a tree");
    let leaves = format!(
        "import {{ spawn }} from 'node:child_process';
        export default () => {{
            if (globalThis.Deno) new Deno.Command('/bin/sleep', {{ args: ['{word}'] }}).spawn().unref();
            else spawn('/bin/sleep', ['{word}'], {{ stdio: 'ignore' }}).unref();
            return new Promise((resolve) => setTimeout(() => resolve(1), 8000));
        }};"
    );
    Programs {
        language: Label::constant("javascript"),
        echoes: tree("export default (input, { text, verbatim }) => verbatim(text());"),
        fails: tree("export default () => process.exit(3);\n"),
        prints: tree("export default () => { console.log('{\"ok\":2}'); return 1; };"),
        sleeps: tree("export default () => new Promise((resolve) => setTimeout(resolve, 60000));"),
        echoes_bytes: Some(tree("export default (input) => input;")),
        says_nothing: Some(tree("export default () => process.exit(0);")),
        calls_tool: Some(tree(
            "export default async (input, { tools }) => tools.run_tool('text:echo', input);",
        )),
        leaves: Some(Leftovers {
            program: tree(&leaves),
            looks: vec![Look::new("process", move || common::is_running(&word))],
        }),
    }
}

/// A number that begins as it says, and has the runtime in it: their tests run at the same time.
fn word(begin: u32, runtime: Runtime) -> String {
    (begin + runtime as u32).to_string()
}

/// With children, where a runtime can deny them.
fn with_children(mut config: JavaScriptConfig) -> JavaScriptConfig {
    if config.runtime != Runtime::Bun {
        config.permissions.grant("run").expect("a kind");
    }
    config
}

/// A test for each runtime, under its name.
macro_rules! on_each {
    ($(#[$meta:meta])* fn $name:ident($config:ident: JavaScriptConfig) $body:block) => {
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "not every body names all of it")]
            use super::*;
            fn test($config: tenzik_backends::JavaScriptConfig) $body
            #[test]
            fn bun() {
                crate::config(tenzik_backends::Runtime::Bun).map(test).unwrap_or_default();
            }
            #[test]
            fn deno() {
                crate::config(tenzik_backends::Runtime::Deno).map(test).unwrap_or_default();
            }
            #[test]
            fn node() {
                crate::config(tenzik_backends::Runtime::Node).map(test).unwrap_or_default();
            }
        }
    };
}
use on_each;
