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
