//! The parts that `doctor` looks at.
//!
//! Enters: the system, the user's files. Leaves: a [`Part`] each. Refuses: nothing.

use std::path::Path;

use tenzik::backend::Readiness;
use tenzik::capability::ABI;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::execution::{ENGINE_VERSION, EngineError, Executor, check_code_dir};
use tenzik::metering::METERING;
use tenzik::outcome::Request;
use tenzik::rules::rules;
use tenzik::sandbox::{Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};
use tenzik_receipt::{KeyUse, PublicKey, Status, Trust};

use super::{Part, State};
use crate::error::{Exit, Failure};
use crate::home::Home;
use crate::settings::{PROJECT_FILE, Runtimes, Settings, unknown_variables};
use crate::{exec, keyfile, system, text, trust};

/// Every part, those that others build on first.
pub(super) fn all() -> Vec<Part> {
    let mut parts = vec![
        version(),
        rules_part(),
        target(),
        engine(),
        pool(),
        randomness(),
    ];
    match Home::find() {
        Ok(home) => parts.extend(of_user(&home)),
        Err(error) => parts.push(Part::refused("home", error)),
    }
    parts.push(variables());
    // What keeps the settings from being read is a part of its own.
    let runtimes = Runtimes::of_user().unwrap_or_default();
    parts.extend(exec::standing(&runtimes).into_iter().map(backend));
    parts
}

/// A backend that is not there is in nobody's way until somebody asks for it.
fn backend(standing: exec::Standing) -> Part {
    match standing.readiness {
        Readiness::Ready { version } => Part::ready(
            standing.name,
            format!("{version}, profile {}", standing.profile),
        ),
        Readiness::Unavailable { reason, remedy } => {
            Part::new(standing.name, State::NotYet, reason, remedy)
        }
    }
}

fn of_user(home: &Home) -> Vec<Part> {
    match Settings::load(home) {
        Ok(settings) => vec![
            configuration(home),
            key(&settings, home),
            trust_file(&settings, home),
            store(home),
            compiled_code(&settings),
        ],
        Err(error) => vec![Part::refused("config", error)],
    }
}

fn version() -> Part {
    let version = env!("CARGO_PKG_VERSION");
    Part::ready(
        "version",
        format!("tenzik {version}, wasmtime {ENGINE_VERSION}"),
    )
}

fn rules_part() -> Part {
    Part::ready("rules", format!("{ABI}, {METERING}, {}", rules()))
}

/// Where the engine's target is not named, it looks for the features of the CPU it meets.
fn target() -> Part {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let pinned = matches!(
        (os, arch),
        ("linux", "x86_64" | "aarch64") | ("macos", "aarch64")
    );
    if pinned {
        return Part::ready(
            "target",
            format!("{arch} {os}, the same code on every CPU of it"),
        );
    }
    Part::new(
        "target",
        State::NotReady,
        format!("{arch} {os} is not pinned: code is made for the CPU that is found"),
        "receipts hold all the same; for the same code everywhere, run on Linux or an Apple computer",
    )
}

/// Runs a capsule that does nothing: whether memory can be had shows only then.
fn engine() -> Part {
    match run_nothing() {
        Ok(Status::Ok) => Part::ready("engine", "a capsule runs"),
        Ok(status) => Part::new(
            "engine",
            State::NotReady,
            format!("a capsule that does nothing ended {status}"),
            "a run reserves 4 GiB of addresses and more: raise `ulimit -v`",
        ),
        Err(failure) => Part::refused("engine", failure),
    }
}

fn run_nothing() -> Result<Status, Failure> {
    let (security, runtime) = (SecurityConfig::default(), on_demand());
    let executor = Executor::new(&security, &runtime)?;
    let failed = |message: String| Failure {
        exit: Exit::Other,
        code: "engine",
        message,
        hint: "report this".to_owned(),
        about: None,
    };
    let capsule = validate(NOTHING, &ValidationConfig::default())
        .map_err(|rejection| failed(rejection.to_string()))?;
    let bound = Sandbox::new(&security, &runtime)
        .bind(capsule, &Terms::default())
        .map_err(|error| failed(error.to_string()))?;
    let outcome = executor.execute(&bound, &Request::bytes(&b""[..]));
    let outcome = outcome.map_err(|error| failed(error.to_string()))?;
    Ok(outcome.status())
}

/// `(module (memory (export "memory") 1) (func (export "run")))`
const NOTHING: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x04\x01\x02\0\x0b";

fn on_demand() -> RuntimeConfig {
    RuntimeConfig {
        allocation: tenzik::config::Allocation::OnDemand,
        ..RuntimeConfig::default()
    }
}

/// `run` needs no pool; a program that embeds the engine does by default.
fn pool() -> Part {
    let runtime = RuntimeConfig::default();
    match Executor::new(&SecurityConfig::default(), &runtime) {
        Ok(_) => Part::ready(
            "pool",
            format!(
                "address space for {} instances at once",
                runtime.instances_max
            ),
        ),
        Err(error) => Part::new(
            "pool",
            State::NotReady,
            error.to_string(),
            "`run` works without; to embed the engine, raise `ulimit -v` or lower `instances_max`",
        ),
    }
}

fn randomness() -> Part {
    match system::random::<32>() {
        Ok(_) => Part::ready("random", "the system gives random bytes"),
        Err(error) => Part::refused("random", error),
    }
}

fn configuration(home: &Home) -> Part {
    let user = home.config_file();
    let told = |path: &std::path::Path| {
        let state = if path.exists() { "read" } else { "not there" };
        format!("{} ({state})", text::path(path))
    };
    let project = std::path::Path::new(PROJECT_FILE);
    Part::ready("config", format!("{}, {}", told(&user), told(project)))
}

fn key(settings: &Settings, home: &Home) -> Part {
    let own = home.key_file(KeyUse::Receipt);
    let path = settings.key.clone().unwrap_or_else(|| own.clone());
    if !path.exists() && settings.key.is_none() {
        let told = format!("none in {}", text::path(&path));
        return Part::new(
            "key",
            State::NotYet,
            told,
            "`tenzik run` or `tenzik init` makes it",
        );
    }
    match keyfile::read_for(&path, KeyUse::Receipt) {
        Ok(key) => key_found(key.public(), &path, settings, home),
        Err(error) => Part::refused("key", error),
    }
}

/// A key that your own trust file has as revoked still signs, and nobody with that file accepts it.
fn key_found(key: PublicKey, path: &Path, settings: &Settings, home: &Home) -> Part {
    let trust = trust::configured(settings, home);
    match trust::revoked_at(&trust, key) {
        None => Part::ready("key", format!("{key} in {}", text::path(path))),
        Some(at) => Part::new(
            "key",
            State::NotReady,
            format!("{key} was revoked at {at} in {}", text::path(&trust)),
            format!(
                "move {} away; the next `tenzik run` makes another",
                text::path(path)
            ),
        ),
    }
}

fn trust_file(settings: &Settings, home: &Home) -> Part {
    let path = trust::configured(settings, home);
    if !path.exists() && settings.trust.is_none() {
        let told = format!("none in {}", text::path(&path));
        return Part::new(
            "trust",
            State::NotYet,
            told,
            "`tenzik run` or `tenzik init` makes it",
        );
    }
    match accepted(&path, home) {
        Ok(told) => Part::ready("trust", told),
        Err(failure) => Part::refused("trust", failure),
    }
}

fn accepted(path: &std::path::Path, home: &Home) -> Result<String, Failure> {
    let file = trust::read(path)?;
    let _: Trust = trust::accept(path, &file, system::now()?, home)?;
    Ok(format!(
        "{}, version {}, {}, good until {}",
        text::path(path),
        file.version,
        text::counted(file.keys.len(), "key"),
        file.expires_at
    ))
}

fn store(home: &Home) -> Part {
    match crate::store::list(home) {
        Ok(paths) => {
            let told = format!(
                "{} in {}",
                text::counted(paths.len(), "receipt"),
                text::path(&home.receipts())
            );
            Part::ready("receipts", told)
        }
        Err(error) => Part::refused("receipts", error),
    }
}

/// Nothing is made: the directory and its key come with the first run.
fn compiled_code(settings: &Settings) -> Part {
    let Some(path) = &settings.runtime.code_dir else {
        return Part::ready("code", "compiled code is not kept");
    };
    match check_code_dir(path) {
        Ok(true) => Part::ready("code", format!("compiled code in {}", text::path(path))),
        Ok(false) => Part::new(
            "code",
            State::NotYet,
            format!("no directory {}", text::path(path)),
            "`tenzik run` makes it",
        ),
        Err(error) => Part::refused("code", EngineError::from(error)),
    }
}

fn variables() -> Part {
    match unknown_variables().join(", ") {
        names if names.is_empty() => {
            Part::ready("environment", "every TENZIK_ variable that is set is known")
        }
        names => Part::new(
            "environment",
            State::NotYet,
            format!("set, but unknown: {names}"),
            "`tenzik config show` lists the settings; TENZIK_LIMITS_FUEL sets limits.fuel",
        ),
    }
}
