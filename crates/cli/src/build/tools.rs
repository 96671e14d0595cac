//! Which compiler builds a folder, and where it is.
//!
//! Enters: a folder, the environment. Leaves: the language, the source file and the command of a compiler that is there.
//! Refuses: folders without a source, compilers that are not there; the refusal says what to install.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::capsule::{Folder, Language};
use crate::error::{Exit, Failure};
use crate::text;

/// A command and its first arguments.
#[derive(Clone, Debug)]
pub(super) struct Found(Vec<OsString>);

impl Found {
    fn program(program: impl Into<OsString>) -> Self {
        Self(vec![program.into()])
    }

    /// The command, ready for its own arguments.
    pub(super) fn command(&self) -> Command {
        let mut words = self.0.iter();
        // There is a first word by construction; an empty name is no program, and is told as such.
        let mut command = Command::new(words.next().map_or(OsStr::new(""), OsString::as_os_str));
        command.args(words);
        command
    }
}

/// The language and the source of a folder.
pub(super) fn source(folder: &Folder) -> Result<(Language, PathBuf), Failure> {
    let name = &folder.name;
    let usual = [
        (Language::AssemblyScript, "index.ts".to_owned()),
        (Language::C, format!("{name}.c")),
        (Language::Rust, "src/lib.rs".to_owned()),
        (Language::Wat, format!("{name}.wat")),
        (Language::Zig, format!("{name}.zig")),
    ];
    let wanted = usual
        .iter()
        .filter(|(language, _)| folder.language.is_none_or(|is| is == *language));
    let named = folder.source.as_ref();
    let found = match (named, folder.language) {
        (Some(source), Some(language)) => Some((language, source.clone())),
        (Some(source), None) => of_extension(source).map(|language| (language, source.clone())),
        (None, _) => wanted
            .map(|(language, file)| (*language, PathBuf::from(file)))
            .find(|(_, file)| folder.path.join(file).is_file()),
    };
    let plain = |path: &Path| {
        path.components()
            .all(|part| matches!(part, std::path::Component::Normal(_)))
    };
    match found {
        Some((language, source)) if plain(&source) && folder.path.join(&source).is_file() => {
            Ok((language, source))
        }
        _ => {
            let files = usual.map(|(_, file)| file).join(", ");
            Err(Failure::new(
                Exit::NotFound,
                "no_source",
                format!("there is no source in {}", text::path(&folder.path)),
                format!("it may be one of {files}; or name it as `source` in capsule.json"),
            ))
        }
    }
}

fn of_extension(source: &Path) -> Option<Language> {
    match source.extension()?.to_str()? {
        "c" => Some(Language::C),
        "rs" => Some(Language::Rust),
        "ts" => Some(Language::AssemblyScript),
        "wat" => Some(Language::Wat),
        "zig" => Some(Language::Zig),
        _ => None,
    }
}

/// The SDK's compiler, from the folder upwards as Node looks for packages.
pub(super) fn assemblyscript(folder: &Path) -> Result<Found, Failure> {
    let missing =
        |what: &str, hint: String| Err(Failure::new(Exit::NotFound, "no_compiler", what, hint));
    if !on_path("node") {
        return missing(
            "AssemblyScript is built by node, which is not there",
            "install Node.js 20 or later with npm, from nodejs.org or your system's packages"
                .to_owned(),
        );
    }
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let tool = Path::new("node_modules/@tenzik/sdk/bin/tenzik-asc.js");
    let found = folder
        .ancestors()
        .map(|at| at.join(tool))
        .find(|path| path.is_file());
    match found {
        Some(path) => Ok(Found(vec!["node".into(), path.into()])),
        None => missing(
            "the package @tenzik/sdk is not installed",
            format!("run `npm install` in {}", text::path(&folder)),
        ),
    }
}

/// Zig, which compiles C too: by `ZIG`, by itself, or as a Python package.
fn zig() -> Option<Found> {
    if let Some(words) = std::env::var_os("ZIG").filter(|words| !words.is_empty()) {
        let words = words.to_string_lossy();
        return Some(Found(
            words.split_whitespace().map(OsString::from).collect(),
        ));
    }
    if on_path("zig") {
        return Some(Found::program("zig"));
    }
    // Isolated: a folder `ziglang` where this is called is no compiler.
    let python = Found(
        ["python3", "-I", "-m", "ziglang"]
            .map(OsString::from)
            .to_vec(),
    );
    answers(&python, "version").then_some(python)
}

/// Zig, or what to install.
pub(super) fn zig_wanted() -> Result<Found, Failure> {
    zig().ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "no_compiler",
            "there is no zig",
            "install it with `pip install ziglang==0.17.0` or from ziglang.org, or set ZIG to the command",
        )
    })
}

/// A clang that makes WebAssembly, with its linker. It is told where the linker is: the clang of Debian looks for one of its own
/// version only, and that of another system may come without any.
fn clang() -> Option<Found> {
    let versions = (14..=22)
        .rev()
        .map(|version| (format!("clang-{version}"), format!("wasm-ld-{version}")));
    std::iter::once(("clang".to_owned(), "wasm-ld".to_owned()))
        .chain(versions)
        .find_map(|(compiler, linker)| Some((path_of(&compiler)?, path_of(&linker)?)))
        .map(|(compiler, linker)| {
            let mut option = OsString::from("-fuse-ld=");
            option.push(linker);
            Found(vec![compiler.into(), option])
        })
}

/// cargo, if its compiler has the library of the target.
pub(super) fn cargo() -> Result<Found, Failure> {
    has_rust_target()?;
    if on_path("cargo") {
        return Ok(Found::program("cargo"));
    }
    Err(Failure::new(
        Exit::NotFound,
        "no_compiler",
        "there is no cargo",
        "install Rust from rustup.rs, or on Debian cargo",
    ))
}

fn has_rust_target() -> Result<(), Failure> {
    let rustc = std::env::var_os("RUSTC").filter(|name| !name.is_empty());
    let rustc = Found::program(rustc.unwrap_or_else(|| "rustc".into()));
    let mut command = rustc.command();
    command.args(["--print", "target-libdir", "--target", RUST_TARGET]);
    let refused =
        |what: String, hint: &str| Failure::new(Exit::NotFound, "no_compiler", what, hint);
    let out = command.stdin(Stdio::null()).output().map_err(|error| {
        refused(
            format!("there is no rustc: {error}"),
            "install Rust from rustup.rs, or set RUSTC to the command",
        )
    })?;
    let library = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim());
    if out.status.success() && library.is_dir() {
        return Ok(());
    }
    Err(refused(
        format!("rustc has no library for {RUST_TARGET}"),
        "run `rustup target add wasm32-unknown-unknown`, or on Debian install libstd-rust-dev-wasm32 and lld",
    ))
}

/// The target of capsules in Rust.
pub(super) const RUST_TARGET: &str = "wasm32-unknown-unknown";

/// What is missing to build a language.
pub(super) fn missing(language: Language, folder: &Path) -> Option<Failure> {
    let found = match language {
        Language::AssemblyScript => assemblyscript(folder),
        Language::C => c().map(|(found, _)| found),
        Language::Rust => cargo(),
        Language::Wat => return None,
        Language::Zig => zig_wanted(),
    };
    found.err()
}

/// A compiler for C, and the first arguments that it needs.
pub(super) fn c() -> Result<(Found, &'static [&'static str]), Failure> {
    if let Some(zig) = zig() {
        return Ok((zig, &["cc", "--target=wasm32-freestanding"]));
    }
    let clang = clang().map(|clang| (clang, &["--target=wasm32-unknown-unknown"][..]));
    clang.ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            "no_compiler",
            "there is neither zig nor a clang with wasm-ld",
            "install zig with `pip install ziglang==0.17.0`, or on Debian clang and lld",
        )
    })
}

fn on_path(program: &str) -> bool {
    path_of(program).is_some()
}

/// Where a program is, as an absolute path.
fn path_of(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let name = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|path| path.is_file())
        .and_then(|path| std::path::absolute(path).ok())
}

fn answers(found: &Found, argument: &str) -> bool {
    let mut command = found.command();
    command.arg(argument).stdin(Stdio::null());
    command.output().is_ok_and(|out| out.status.success())
}
