//! The words with which a runtime becomes a worker.
//!
//! Enters: a configuration, the runtime's version, the places of a worker's files. Leaves: a command's words.
//! Refuses: versions that are too old, and TypeScript where the runtime does not run it.

use std::path::{Path, PathBuf};

use tenzik::backend::BackendError;
use tenzik_receipt::Label;

use super::config::{JavaScriptConfig, Runtime};
use super::permissions::Grant;

/// A runtime's version, as far as it makes a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) major: u32,
    /// Such as `node 26.12.1`.
    pub(super) label: Label,
}

impl Version {
    /// The first three numbers with points between them in what a runtime says of itself.
    pub(super) fn read(runtime: Runtime, told: &str) -> Option<Self> {
        let numbers = |word: &&str| {
            word.split('.').count() == 3 && word.starts_with(|c: char| c.is_ascii_digit())
        };
        let mut words = told
            .split_whitespace()
            .map(|word| word.trim_start_matches('v'));
        let word = words.find(numbers)?;
        let (major, _) = word.split_once('.')?;
        let word: String = word.chars().take(32).collect();
        Some(Self {
            major: major.parse().ok()?,
            label: Label::new(format!("{} {word}", runtime.name())).ok()?,
        })
    }

    /// Why it is too old, if it is.
    pub(super) fn refusal(&self, runtime: Runtime) -> Option<&'static str> {
        let (least, reason) = match runtime {
            Runtime::Bun => (1, "bun 1 or later is needed"),
            Runtime::Deno => (2, "deno 2 or later is needed"),
            Runtime::Node => (20, "node 20 or later is needed"),
        };
        (self.major < least).then_some(reason)
    }
}

/// Where a worker's files are, as the worker itself sees them.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) code: PathBuf,
    pub(super) worker: PathBuf,
    /// An empty file, which Bun reads instead of one that is in the code.
    pub(super) nothing: PathBuf,
}

impl Places {
    pub(super) fn below(directory: &Path) -> Self {
        Self {
            code: directory.join("code"),
            worker: directory.join("worker.mjs"),
            nothing: directory.join("nothing.toml"),
        }
    }
}

/// What a worker is for.
pub(super) struct Purpose<'a> {
    pub(super) language: &'a str,
    pub(super) memory_bytes: Option<u64>,
    /// The names of its variables.
    pub(super) variables: Vec<&'a str>,
}

/// Whether an entrypoint's name says what its language is: runtimes go by it.
pub(super) fn check_entrypoint(
    runtime: Runtime,
    version: &Version,
    language: &str,
    path: &str,
) -> Result<(), BackendError> {
    let denied = |reason: String| Err(BackendError::denied("start", reason));
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    let known: &[&str] = match language {
        "javascript" => &["cjs", "js", "mjs"],
        "typescript" if runtime == Runtime::Node && version.major < 22 => {
            return denied(format!(
                "{} does not run typescript: node 22 or later does",
                version.label
            ));
        }
        "typescript" => &["cts", "mts", "ts"],
        _ => return denied(format!("it does not run {language}")),
    };
    match extension.is_some_and(|extension| known.contains(&extension)) {
        true => Ok(()),
        false => denied(format!(
            "the entrypoint's name must end with one of .{}",
            known.join(", .")
        )),
    }
}

/// The words behind the executable.
pub(super) fn words(
    config: &JavaScriptConfig,
    version: &Version,
    places: &Places,
    purpose: &Purpose<'_>,
) -> Vec<String> {
    let mut words = match config.runtime {
        Runtime::Bun => bun(places),
        Runtime::Deno => deno(config, places, purpose),
        Runtime::Node => node(config, version, places, purpose),
    };
    words.extend(config.options.iter().cloned());
    words.extend([shown(&places.worker), shown(&places.code)]);
    words
}

fn bun(places: &Places) -> Vec<String> {
    let config = format!("--config={}", shown(&places.nothing));
    let fixed = ["run", "--no-install", "--no-env-file"].map(str::to_owned);
    [&fixed[..], &[config]].concat()
}

/// Deno denies what is not granted.
fn deno(config: &JavaScriptConfig, places: &Places, purpose: &Purpose<'_>) -> Vec<String> {
    let fixed = [
        "run",
        "--quiet",
        "--no-prompt",
        "--no-remote",
        "--no-npm",
        "--no-config",
        "--no-lock",
        "--cached-only",
    ];
    let mut words = fixed.map(str::to_owned).to_vec();
    let permissions = &config.permissions;
    let mut allow = |kind: &str, values: Option<Vec<String>>| match values {
        None => words.push(format!("--allow-{kind}")),
        Some(values) if values.is_empty() => {}
        Some(values) => words.push(format!("--allow-{kind}={}", values.join(","))),
    };
    let names = |grant: &Grant<String>| match grant {
        Grant::All => None,
        Grant::Only(names) => Some(names.iter().cloned().collect()),
    };
    allow(
        "env",
        Some(
            purpose
                .variables
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        ),
    );
    allow("net", names(&permissions.net));
    allow("read", paths(&permissions.read, &[&places.code]));
    allow("run", names(&permissions.run));
    // Its own way to say what came of a call.
    allow(
        "write",
        paths(&permissions.write, &[Path::new("/dev/fd/3")]),
    );
    if let Some(mebibytes) = heap_mebibytes(config, purpose) {
        words.push(format!("--v8-flags=--max-old-space-size={mebibytes}"));
    }
    words
}

fn node(
    config: &JavaScriptConfig,
    version: &Version,
    places: &Places,
    purpose: &Purpose<'_>,
) -> Vec<String> {
    let permission = match version.major {
        0..24 => "--experimental-permission",
        _ => "--permission",
    };
    let mut words = vec![
        permission.to_owned(),
        "--disable-warning=ExperimentalWarning".to_owned(),
    ];
    let permissions = &config.permissions;
    let own = [shown(&places.worker), below(&places.code)];
    for (kind, grant, own) in [
        ("read", &permissions.read, &own[..]),
        ("write", &permissions.write, &[]),
    ] {
        let granted = match grant {
            Grant::All => vec!["*".to_owned()],
            Grant::Only(paths) => paths.iter().map(|path| node_path(path)).collect(),
        };
        let all = own.iter().chain(&granted);
        words.extend(all.map(|path| format!("--allow-fs-{kind}={path}")));
    }
    if !permissions.run.is_nothing() {
        words.push("--allow-child-process".to_owned());
    }
    if !permissions.net.is_nothing() && version.major >= 25 {
        words.push("--allow-net".to_owned());
    }
    if matches!(version.major, 22..24) && purpose.language == "typescript" {
        words.push("--experimental-strip-types".to_owned());
    }
    if let Some(mebibytes) = heap_mebibytes(config, purpose) {
        words.push(format!("--max-old-space-size={mebibytes}"));
    }
    words
}

/// All below a directory. The directory beside it, which would be listed too, is more than Node 20 can take.
fn below(directory: &Path) -> String {
    format!("{}/*", shown(directory))
}

fn node_path(path: &Path) -> String {
    match path.is_dir() && path.parent().is_some() {
        true => below(path),
        false => shown(path),
    }
}

/// The paths of a grant, with a worker's own.
fn paths(grant: &Grant<PathBuf>, own: &[&Path]) -> Option<Vec<String>> {
    match grant {
        Grant::All => None,
        Grant::Only(paths) => {
            let granted = paths.iter().map(PathBuf::as_path);
            Some(own.iter().copied().chain(granted).map(shown).collect())
        }
    }
}

/// The bound on V8's old generation. Without an own one it is the whole of the memory limit, so that it is the control group
/// that ends what needs more.
fn heap_mebibytes(config: &JavaScriptConfig, purpose: &Purpose<'_>) -> Option<u64> {
    let bytes = match (config.heap_bytes_max, purpose.memory_bytes) {
        (Some(own), Some(limit)) => own.min(limit),
        (own, limit) => own.or(limit)?,
    };
    Some((bytes >> 20).max(1))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_each_says() {
        for (runtime, told, major, label) in [
            (Runtime::Node, "v26.12.1\n", 26, "node 26.12.1"),
            (Runtime::Bun, "1.4.4\n", 1, "bun 1.4.4"),
            (
                Runtime::Deno,
                "deno 2.9.6 (stable, release, x86_64)\nv8 15.0.245.2-rusty\n",
                2,
                "deno 2.9.6",
            ),
        ] {
            let version = Version::read(runtime, told).expect("a version");
            assert_eq!((version.major, version.label.as_str()), (major, label));
        }
        assert_eq!(Version::read(Runtime::Node, "no version here"), None);
    }

    #[test]
    fn an_old_node_is_told_apart_by_language_and_by_age() {
        let of = |told| Version::read(Runtime::Node, told).expect("a version");
        assert!(of("v18.1.0").refusal(Runtime::Node).is_some());
        assert_eq!(of("v20.20.2").refusal(Runtime::Node), None);
        let check =
            |told, language, path| check_entrypoint(Runtime::Node, &of(told), language, path);
        assert!(check("v20.20.2", "typescript", "a.ts").is_err_and(|error| error.denied));
        assert_eq!(check("v22.1.0", "typescript", "a.ts"), Ok(()));
        assert_eq!(check("v20.20.2", "javascript", "lib/a.mjs"), Ok(()));
        assert!(check("v26.0.0", "javascript", "a.ts").is_err());
        assert!(check("v26.0.0", "javascript", "main").is_err());
        assert!(check("v26.0.0", "python", "a.py").is_err());
    }

    #[test]
    fn a_worker_may_read_its_code_and_nothing_else_unless_granted() {
        let places = Places::below(Path::new("/p"));
        let purpose = Purpose {
            language: "javascript",
            memory_bytes: Some(64 << 20),
            variables: vec!["A", "B"],
        };
        let mut config = JavaScriptConfig::new(Runtime::Deno);
        let version = Version::read(Runtime::Deno, "2.9.6").expect("a version");
        let told = words(&config, &version, &places, &purpose).join(" ");
        assert!(told.ends_with(
            "--allow-env=A,B --allow-read=/p/code --allow-write=/dev/fd/3 --v8-flags=--max-old-space-size=64 /p/worker.mjs /p/code"
        ));
        config.runtime = Runtime::Node;
        config.permissions.grant("read=/usr").expect("a kind");
        config.permissions.grant("net").expect("a kind");
        let version = Version::read(Runtime::Node, "26.1.0").expect("a version");
        let told = words(&config, &version, &places, &purpose).join(" ");
        assert!(
            told.contains("--permission ")
                && told.contains("--allow-fs-read=/usr/* ")
                && told.contains("--allow-net ")
        );
        assert!(!told.contains("write") && !told.contains("child") && !told.contains("worker "));
    }
}
