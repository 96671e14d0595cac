//! Every capsule of the repository, by its own `capsule.json`: each run gives what it must, leaves a receipt that
//! verifies, and is found the same when it is run again.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use common::second::Second;
use common::{assert_verifies, circumstances, order, path, pipeline};
use serde::Deserialize;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::{Ending, Outcome, Request};
use tenzik::pipeline::Pipeline;
use tenzik::replay::{Evidence, Replay, Replayer};
use tenzik_receipt::{Claim, InputType, Int, Seed};

/// `capsules/sdk/README.md` describes the members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    version: Option<String>,
    #[expect(dead_code, reason = "for `tenzik build`")]
    language: Option<String>,
    #[expect(dead_code, reason = "for `tenzik build`")]
    source: Option<PathBuf>,
    description: String,
    grants: Vec<String>,
    input_type: String,
    #[serde(default)]
    limits: Limits,
    example: Case,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: Option<String>,
    input: Option<String>,
    input_hex: Option<String>,
    input_file: Option<PathBuf>,
    input_gzip: Option<PathBuf>,
    output: Option<String>,
    output_file: Option<PathBuf>,
    status: Option<String>,
    code: Option<String>,
    message: Option<String>,
    clock_ms: Option<u64>,
    seed: Option<String>,
    grants: Option<Vec<String>>,
    #[serde(default)]
    limits: Limits,
}

/// Limits, each the default where it is left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    fuel: Option<u64>,
    host_calls: Option<u32>,
    memory_pages: Option<u32>,
    output_bytes: Option<u32>,
    time_ms: Option<u32>,
}

impl Limits {
    /// A run's own limits weigh more than its capsule's.
    fn over(&self, capsule: &Self) -> LimitsAsked {
        LimitsAsked {
            fuel: self.fuel.or(capsule.fuel),
            host_calls: self.host_calls.or(capsule.host_calls),
            memory_pages: self.memory_pages.or(capsule.memory_pages),
            output_bytes: self.output_bytes.or(capsule.output_bytes),
            time_ms: self.time_ms.or(capsule.time_ms),
        }
    }
}

impl Case {
    fn input(&self, folder: &Path, example: bool) -> Vec<u8> {
        let read = |name: &Path| fs::read(folder.join(name)).expect("the input file");
        match self {
            Self {
                input: Some(name), ..
            } if example => read(Path::new(name)),
            Self {
                input: Some(text), ..
            } => text.clone().into_bytes(),
            Self {
                input_hex: Some(hex),
                ..
            } => tenzik_receipt::from_hex(hex).expect("hex"),
            Self {
                input_file: Some(name),
                ..
            } => read(name),
            Self {
                input_gzip: Some(name),
                ..
            } => {
                let mut bytes = Vec::new();
                flate2::read::GzDecoder::new(&read(name)[..])
                    .read_to_end(&mut bytes)
                    .expect("gzip");
                bytes
            }
            _ => panic!("a run without input"),
        }
    }

    fn output(&self, folder: &Path, example: bool) -> Option<Vec<u8>> {
        let read = |name: &Path| fs::read(folder.join(name)).expect("the output file");
        match (&self.output, &self.output_file) {
            (Some(name), None) if example => Some(read(Path::new(name))),
            (Some(text), None) => Some(text.clone().into_bytes()),
            (None, Some(name)) => Some(read(name)),
            (None, None) => None,
            _ => panic!("a run with two outputs"),
        }
    }

    fn request(&self, input: Vec<u8>, input_type: &str) -> Request {
        let seed = self
            .seed
            .as_deref()
            .map_or(Seed::from_bytes([0; 32]), |seed| {
                seed.parse().expect("a seed")
            });
        Request {
            input_type: InputType::from_name(input_type).expect("an input type"),
            clock_ms: Int::new(self.clock_ms.unwrap_or(0)).expect("a clock"),
            seed,
            ..Request::bytes(input)
        }
    }
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<_> = fs::read_dir(path("capsules"))
        .expect("the folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|folder| folder.join("capsule.json").exists())
        .collect();
    folders.sort();
    folders
}

fn describe(folder: &Path) -> Description {
    let bytes = fs::read(folder.join("capsule.json")).expect("the description");
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

fn message(ending: &Ending) -> Option<&str> {
    match ending {
        Ending::Failed(message) => Some(message),
        _ => None,
    }
}

fn assert_outcome(case: &Case, outcome: &Outcome, expected: Option<Vec<u8>>, label: &str) {
    let (got, ending) = (outcome.output(), outcome.ending());
    match (expected, &case.status) {
        (Some(expected), None) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(got.map(text), Some(text(&expected)), "{label}: {ending:?}");
            assert_eq!(got, Some(&expected[..]), "{label}");
        }
        (None, Some(status)) => {
            assert_eq!(outcome.status().name(), status, "{label}: {ending:?}");
            if case.message.is_some() {
                assert_eq!(message(ending), case.message.as_deref(), "{label}");
            }
        }
        _ => panic!("{label}: either an output or a status is expected"),
    }
}

fn assert_code(case: &Case, claim: &Claim, label: &str) {
    let Claim::Wasm(claim) = claim else {
        panic!("{label}: {}", claim.kind());
    };
    let code = claim
        .detail
        .as_ref()
        .and_then(|detail| detail.open())
        .map(|d| d.code.as_str());
    assert_eq!(code, case.code.as_deref(), "{label}");
}

/// Runs a case, and gives its line in the table of exact figures.
fn run(
    pipeline: &Pipeline,
    second: &Second,
    replayer: &Replayer,
    folder: &Path,
    case: &Case,
    example: bool,
) -> String {
    let description = describe(folder);
    let label = format!(
        "{}: {}",
        description.name,
        case.name.as_deref().unwrap_or("example")
    );
    let capsule = fs::read(folder.join(format!("{}.wasm", description.name))).expect("the module");
    let input = case.input(folder, example);
    let grants = case.grants.as_ref().unwrap_or(&description.grants);
    let grants: Vec<&str> = grants.iter().map(String::as_str).collect();
    let request = case.request(input.clone(), &description.input_type);
    let mut order = order(capsule.clone(), &grants, request);
    order.terms.limits = case.limits.over(&description.limits);
    let run = pipeline
        .run(&order, circumstances())
        .unwrap_or_else(|error| panic!("{label}: {error}"));
    second.assert_agrees(&order, &run.outcome);
    assert_outcome(case, &run.outcome, case.output(folder, example), &label);
    assert_code(case, run.receipt.claim(), &label);
    assert_verifies(&run.receipt);
    let evidence = Evidence {
        capsule: &capsule,
        input: &input,
        secret: None,
        seed: None,
        transcript: None,
    };
    assert_eq!(
        replayer.replay(run.receipt.claim(), &evidence),
        Ok(Replay::Same),
        "{label}"
    );
    figures(&label, &run.outcome)
}

fn figures(label: &str, outcome: &Outcome) -> String {
    let usage = outcome.usage().expect("not aborted");
    let calls: u32 = usage.calls().map(|(_, count)| count).sum();
    let (status, fuel, pages) = (outcome.status(), usage.fuel, usage.memory_pages_peak);
    let label = label.replace('\t', "\\t");
    format!("{label}\t{}\t{fuel}\t{pages}\t{calls}\n", status.name())
}

/// Capsules that only compute; they belong to `benches/metering.rs`.
fn kernels(pipeline: &Pipeline, second: &Second) -> String {
    let run = |name| {
        let capsule = common::read(&format!("benches/kernels/{name}.wasm"));
        let mut order = order(capsule, &[], Request::bytes(&b""[..]));
        order.terms.limits.fuel = Some(1_000_000_000);
        let run = pipeline.run(&order, circumstances()).expect("a run");
        second.assert_agrees(&order, &run.outcome);
        figures(&format!("kernel: {name}"), &run.outcome)
    };
    ["fib", "json-scan", "matmul", "sha256", "sieve"]
        .map(run)
        .concat()
}

/// A change of the metering, or of a price, is a change of this table. `TENZIK_WRITE=1` writes it anew.
fn assert_golden(lines: &str) {
    const GOLDEN: &str = "docs/fuel.tsv";
    let table = format!("run\tstatus\tfuel\tmemory pages\thost calls\n{lines}");
    if std::env::var_os("TENZIK_WRITE").is_some() {
        fs::write(path(GOLDEN), &table).expect("the table can be written");
    }
    let golden = fs::read_to_string(path(GOLDEN)).expect("the table");
    for (ours, golden) in table.lines().zip(golden.lines()) {
        assert_eq!(ours, golden, "{GOLDEN} is out of date");
    }
    assert_eq!(table.len(), golden.len(), "{GOLDEN} is out of date");
}

#[test]
fn every_run_gives_what_its_capsule_says() {
    let (pipeline, replayer) = (pipeline(), Replayer::new(60_000).expect("an engine"));
    let second = Second::new(&SecurityConfig::default(), &RuntimeConfig::default());
    let folders = folders();
    assert!(folders.len() >= 20, "{folders:?}");
    let mut lines = String::new();
    for folder in folders {
        let description = describe(&folder);
        assert!(!description.description.is_empty());
        assert_ne!(description.version.as_deref(), Some(""));
        lines += &run(
            &pipeline,
            &second,
            &replayer,
            &folder,
            &description.example,
            true,
        );
        for case in &description.cases {
            lines += &run(&pipeline, &second, &replayer, &folder, case, false);
        }
    }
    assert_golden(&(lines + &kernels(&pipeline, &second)));
}

#[test]
fn every_capsule_is_small_and_asks_for_exactly_what_it_imports() {
    for folder in folders() {
        let description = describe(&folder);
        let bytes =
            fs::read(folder.join(format!("{}.wasm", description.name))).expect("the module");
        assert!(
            bytes.len() <= 5 * 1024,
            "{}: {} bytes",
            description.name,
            bytes.len()
        );
        let capsule = tenzik::validation::validate(bytes, &Default::default()).expect("valid");
        let mut grants = description.grants;
        grants.sort();
        assert_eq!(capsule.required_grants().to_string(), grants.join(","));
    }
}

/// What each of these was promised to stay within, in bytes. They are written as an author would write them; `order-total`, by
/// hand on the ABI, is older, and `typed-total` is what became of it with types.
const TARGETS: [(&str, u64); 4] = [
    ("csv-to-json", 1_800),
    ("digest", 600),
    ("hello", 500),
    ("typed-total", 1_500),
];

/// The names and bytes in the table of `capsules/README.md`.
fn table() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path("capsules/README.md")).expect("the text");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| [`"));
    let row = |row: &str| {
        let (name, rest) = row.split_once('`').expect("a name");
        let bytes = rest.trim_end_matches(['|', ' ']).rsplit('|').next();
        let bytes = bytes.expect("a last column").trim().replace(',', "");
        (name.to_owned(), bytes.parse().expect("a number of bytes"))
    };
    rows.map(row).collect()
}

#[test]
fn each_module_has_the_bytes_that_the_table_says_and_keeps_its_target() {
    let name = |folder: &PathBuf| {
        folder
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned)
    };
    let names = folders()
        .iter()
        .map(|folder| name(folder).expect("a name"))
        .collect::<Vec<_>>();
    let bytes = |name: &String| {
        let module = path("capsules").join(name).join(format!("{name}.wasm"));
        fs::metadata(module).expect("a module").len()
    };
    let sizes: BTreeMap<String, u64> = names
        .iter()
        .map(|name| (name.clone(), bytes(name)))
        .collect();
    assert_eq!(table(), sizes);
    for (name, bytes_max) in TARGETS {
        assert!(
            sizes[name] <= bytes_max,
            "{name}: {} bytes of {bytes_max}",
            sizes[name]
        );
    }
    let readme = fs::read_to_string(path("README.md")).expect("the text");
    let total = sizes["typed-total"].to_string();
    let told = format!(
        "That is a whole capsule, of {},{} bytes",
        &total[..1],
        &total[1..]
    );
    assert!(readme.contains(&told), "README.md does not say: {told}");
}
