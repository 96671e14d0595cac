//! Every capsule of the repository against its model in TypeScript, on generated inputs, to the byte.
//!
//! Node makes the inputs and the models' answers (`capsules/test/answers.mjs`); the engine runs the capsules.
//! `TENZIK_ANSWERS` is the number of inputs for each capsule, 1,000 without it.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use common::{circumstances, order, path, pipeline, read};
use serde::Deserialize;
use tenzik::outcome::{Ending, Request};
use tenzik_receipt::{InputType, Int};

/// One line of what Node prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    capsule: String,
    input: String,
    clock_ms: u64,
    seed: String,
    output: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Description {
    grants: Vec<String>,
    input_type: String,
}

/// The exit code of a Node that cannot read TypeScript.
const CANNOT: i32 = 77;

/// What Node prints, or nothing if there is no Node that can.
fn lines() -> Option<Vec<Line>> {
    let count = std::env::var("TENZIK_ANSWERS").unwrap_or_else(|_| "1000".to_owned());
    let ran = Command::new("node")
        .arg(path("capsules/test/answers.mjs"))
        .args([&count, "--emit"])
        .output();
    let reason = match ran {
        Ok(ran) if ran.status.success() => {
            let text = String::from_utf8(ran.stdout).expect("text");
            return Some(text.lines().map(line).collect());
        }
        Ok(ran) if node_is_old() || ran.status.code() == Some(CANNOT) => {
            String::from_utf8_lossy(&ran.stderr).into_owned()
        }
        Ok(ran) => panic!("{}", String::from_utf8_lossy(&ran.stderr)),
        Err(error) => error.to_string(),
    };
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no node of version 20 or later that reads TypeScript: {reason}"
    );
    println!("skipped: no node of version 20 or later that reads TypeScript: {reason}");
    None
}

fn line(line: &str) -> Line {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn node_is_old() -> bool {
    let version = Command::new("node").arg("--version").output();
    let text = version.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text);
    let major = text.trim_start_matches('v').split('.').next();
    major.and_then(|major| major.parse::<u32>().ok()) < Some(20)
}

/// Every folder that describes a capsule.
fn capsules() -> BTreeSet<String> {
    let entries = std::fs::read_dir(path("capsules")).expect("the capsules");
    entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|folder| folder.join("capsule.json").is_file())
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect()
}

#[test]
fn capsules_answer_as_their_models_do() {
    let Some(lines) = lines() else { return };
    let pipeline = pipeline();
    let mut of = BTreeMap::new();
    let mut counts = BTreeMap::<String, usize>::new();
    for line in lines {
        let name = &line.capsule;
        let (module, about) = of.entry(name.clone()).or_insert_with(|| {
            let about: Description =
                serde_json::from_slice(&read(&format!("capsules/{name}/capsule.json")))
                    .expect("a description");
            (read(&format!("capsules/{name}/{name}.wasm")), about)
        });
        let grants: Vec<&str> = about.grants.iter().map(String::as_str).collect();
        let request = Request {
            input_type: InputType::from_name(&about.input_type).expect("an input type"),
            clock_ms: Int::new(line.clock_ms).expect("a clock"),
            seed: line.seed.parse().expect("a seed"),
            ..Request::bytes(line.input.clone().into_bytes())
        };
        let run = pipeline
            .run(&order(module.clone(), &grants, request), circumstances())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = run
            .outcome
            .output()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let message = match run.outcome.ending() {
            Ending::Failed(message) => Some(message.clone()),
            _ => None,
        };
        assert_eq!(
            (output, message),
            (line.output, line.message),
            "{name}: {}",
            line.input
        );
        *counts.entry(line.capsule).or_default() += 1;
    }
    let modelled: BTreeSet<String> = counts.keys().cloned().collect();
    assert_eq!(modelled, capsules(), "a capsule without `model.ts`");
    println!("{counts:?}");
}
