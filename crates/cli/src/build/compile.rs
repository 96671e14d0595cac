//! A source's module, by the compiler of its language.
//!
//! Enters: a folder. Leaves: `NAME.wasm` in it, or with names and lines `NAME.debug.wasm`; of AssemblyScript also the manifest. Refuses:
//! what the compiler refuses. Its messages go to stderr, without what in a source would steer a terminal. Where it fails, the
//! module of before stays.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use wasmparser::{Parser, Payload};

use super::tools;
use crate::capsule::{Folder, Language};
use crate::error::{Exit, Failure};
use crate::progress::Progress;
use crate::source::{CAPSULE, Source};
use crate::{files, text};

/// The header of the ABI, for folders that have none of their own.
const HEADER: &str = include_str!("../../../../capsules/sdk-c/tenzik.h");
/// The only custom section that is kept.
const MANIFEST: &str = "tenzik:manifest";
/// The stack of capsules that keep their buffers elsewhere; it lets them fit one page.
const STACK_BYTES: u32 = 1024;
/// How much of what a compiler says is held at once.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Whether what a compiler says is shown. Of a second build it would be the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Shown,
    Hidden,
}

/// Compiles a folder, and gives the module's path.
pub(super) fn compile(folder: &Folder, debug: bool) -> Result<PathBuf, Failure> {
    let (language, source) = tools::source(folder)?;
    let name = if debug {
        debug_name(folder)
    } else {
        format!("{}.wasm", folder.name)
    };
    if language == Language::AssemblyScript {
        assemblyscript(folder, &source, &name, debug)?;
        return Ok(folder.path.join(&name));
    }
    let module = module(folder, language, &source, debug, Words::Shown)?;
    let module = if debug {
        module
    } else {
        stripped(&module).into_owned()
    };
    write(folder, &name, &module)
}

/// The module with what is for debugging.
pub(super) fn debug_name(folder: &Folder) -> String {
    format!("{}.debug.wasm", folder.name)
}

/// Puts a module into the folder.
pub(super) fn write(folder: &Folder, name: &str, module: &[u8]) -> Result<PathBuf, Failure> {
    let path = folder.path.join(name);
    files::replace(&path, module, files::PUBLIC).map_err(|error| not_written(&path, &error))?;
    Ok(path)
}

/// The module as the compiler made it, of any language but AssemblyScript.
pub(super) fn module(
    folder: &Folder,
    language: Language,
    source: &Path,
    debug: bool,
    words: Words,
) -> Result<Vec<u8>, Failure> {
    let scratch =
        tempfile::tempdir().map_err(|error| not_written(&std::env::temp_dir(), &error))?;
    let out = scratch.path().join("capsule.wasm");
    match language {
        Language::Wat => wat(&folder.path.join(source)),
        Language::Rust => {
            run(rust(scratch.path(), debug)?, &folder.path, source, words)?;
            read(&module_of_crate(scratch.path())?)
        }
        _ => {
            let command = command(language, source, scratch.path(), &out, debug)?;
            run(command, &folder.path, source, words)?;
            if !out.is_file() {
                return Err(no_module());
            }
            read(&out)
        }
    }
}

/// A module's bytes.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    Ok(Source::File(path.to_owned()).read(CAPSULE)?)
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        "not_written",
        format!("{} cannot be written: {error}", text::path(path)),
        "make room, or mend its permissions",
    )
}

/// A source as a path that no compiler takes for an option of its own, whatever it is called.
fn here(source: &Path) -> PathBuf {
    Path::new(".").join(source)
}

fn assemblyscript(folder: &Folder, source: &Path, out: &str, debug: bool) -> Result<(), Failure> {
    let mut command = tools::assemblyscript(&folder.path)?.command();
    command.arg(here(source)).args(["-o", out]);
    if debug {
        command.arg("--debug");
    }
    let path = folder.path.join(out);
    // The compiler puts a new file in the place of the old one.
    let written = || fs::metadata(&path).and_then(|data| data.modified()).ok();
    let before = written();
    run(command, &folder.path, source, Words::Shown)?;
    match written() {
        Some(now) if Some(now) != before => Ok(()),
        _ => Err(no_module()),
    }
}

fn wat(source: &Path) -> Result<Vec<u8>, Failure> {
    wat::parse_file(source).map_err(|error| {
        // The words of the reader are lines with a mark under the place; they are the answer.
        eprint!("{}", text::lines(&format!("{error}\n")));
        build_failed("the text is no module")
    })
}

fn command(
    language: Language,
    source: &Path,
    scratch: &Path,
    out: &Path,
    debug: bool,
) -> Result<Command, Failure> {
    match language {
        Language::Zig => zig(source, scratch, out, debug),
        _ => c(source, scratch, out, debug),
    }
}

fn c(source: &Path, scratch: &Path, out: &Path, debug: bool) -> Result<Command, Failure> {
    let header = scratch.join("tenzik.h");
    fs::write(&header, HEADER).map_err(|error| not_written(&header, &error))?;
    let (compiler, first) = tools::c()?;
    let mut command = compiler.command();
    command.args(first);
    command
        .args([
            "-mcpu=mvp",
            "-std=c11",
            "-Os",
            "-nostdlib",
            "-Wall",
            "-Wextra",
            "-I",
            ".",
        ])
        .arg("-I")
        .arg(scratch)
        .args(["-Wl,--no-entry", "-Wl,--gc-sections"])
        .arg(format!("-Wl,-z,stack-size={STACK_BYTES}"))
        .arg(if debug {
            "-gline-tables-only"
        } else {
            "-Wl,--strip-all"
        })
        .arg("-o")
        .arg(out)
        .arg(here(source));
    Ok(command)
}

fn zig(source: &Path, scratch: &Path, out: &Path, debug: bool) -> Result<Command, Failure> {
    let mut emit = OsString::from("-femit-bin=");
    emit.push(out);
    let mut command = tools::zig_wanted()?.command();
    command
        .arg("build-exe")
        .arg(here(source))
        .args([
            "-target",
            "wasm32-freestanding",
            "-mcpu=mvp",
            "-O",
            "ReleaseSmall",
        ])
        .args([
            "-fno-entry",
            "--export=run",
            "--stack",
            &STACK_BYTES.to_string(),
            "--name",
            "capsule",
        ])
        .arg(if debug { "-fno-strip" } else { "-fstrip" })
        .arg("--cache-dir")
        .arg(scratch.join("cache"))
        .arg(emit);
    Ok(command)
}

/// The folder is a crate: its profile and its `.cargo/config.toml` say how it is compiled, so that cargo alone does the same.
fn rust(scratch: &Path, debug: bool) -> Result<Command, Failure> {
    let mut command = tools::cargo()?.command();
    command
        .args(["build", "--release", "--target", tools::RUST_TARGET])
        // Without it cargo would take the crate of a folder above.
        .args(["--manifest-path", "Cargo.toml"])
        .arg("--target-dir")
        .arg(scratch);
    if debug {
        command
            .env("CARGO_PROFILE_RELEASE_STRIP", "false")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    }
    Ok(command)
}

/// The module that a crate was built into, whatever its name.
fn module_of_crate(scratch: &Path) -> Result<PathBuf, Failure> {
    let folder = scratch.join(tools::RUST_TARGET).join("release");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut modules = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "wasm"));
    match (modules.next(), modules.next()) {
        (Some(module), None) => Ok(module),
        (None, _) => Err(no_module()),
        (Some(_), Some(_)) => Err(build_failed("the crate has more than one module")),
    }
}

/// Runs a compiler in the folder. All that it says goes to stderr: stdout is for the report.
fn run(mut command: Command, folder: &Path, source: &Path, words: Words) -> Result<(), Failure> {
    let _progress = Progress::begin(format!("compiling {}", text::path(source)));
    let program = text::shown(&command.get_program().to_string_lossy(), 100);
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        // Colours could not be told from what the source would like to do to the terminal.
        .envs([("NO_COLOR", "1"), ("CARGO_TERM_COLOR", "never")])
        .env_remove("CLICOLOR_FORCE")
        // With it a compiler would name the folder as the shell does, which may be by a link.
        .env_remove("PWD")
        .env_remove("FORCE_COLOR");
    let told = match words {
        Words::Shown => tell(command, &mut io::stderr()),
        Words::Hidden => tell(command, &mut io::sink()),
    };
    let out = told.map_err(|error| {
        Failure::new(
            Exit::NotFound,
            "no_compiler",
            format!("the compiler {program} cannot be started: {error}"),
            "install it, or mend PATH",
        )
    })?;
    match out.success() {
        true => Ok(()),
        false => Err(build_failed(&format!("the compiler ended with {out}"))),
    }
}

fn build_failed(message: &str) -> Failure {
    Failure::new(
        Exit::Other,
        "build_failed",
        message,
        "its own words are above",
    )
}

fn no_module() -> Failure {
    Failure::new(
        Exit::Other,
        "build_failed",
        "the compiler ended well, and wrote no module",
        "it may not be the compiler that its name says; its own words are above, if it had any",
    )
}

/// Runs a command. What it says, on either stream, is told without what steers a terminal.
fn tell(mut command: Command, out: &mut impl Write) -> io::Result<ExitStatus> {
    let (said, saying) = io::pipe()?;
    command.stdout(saying.try_clone()?).stderr(saying);
    let mut child = command.spawn()?;
    // It holds the ends that are written to; while they are open there may be more to read.
    drop(command);
    let mut said = BufReader::new(said);
    loop {
        let mut line = Vec::new();
        if (&mut said)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return child.wait();
        }
        out.write_all(text::lines(&String::from_utf8_lossy(&line)).as_bytes())?;
    }
}

/// The module without custom sections but its manifest. What cannot be read stays as it is, for validation to refuse.
pub(super) fn stripped(module: &[u8]) -> Cow<'_, [u8]> {
    let mut kept = module.get(..8).unwrap_or_default().to_vec();
    let mut at = kept.len();
    for payload in Parser::new(0).parse_all(module) {
        let Ok(payload) = payload else {
            return Cow::Borrowed(module);
        };
        let Some((_, range)) = payload.as_section() else {
            continue;
        };
        let dropped =
            matches!(&payload, Payload::CustomSection(section) if section.name() != MANIFEST);
        // From the end of the section before: the identifier and the length belong to it.
        if !dropped {
            kept.extend_from_slice(module.get(at..range.end).unwrap_or_default());
        }
        at = range.end;
    }
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_sections_go_and_the_rest_stays() {
        let plain =
            wat::parse_str("(module (func (export \"f\") (param i32)) (data \"x\") (memory 1))")
                .expect("a module");
        let custom = wat::parse_str(
            "(module (@custom \"producers\" (before first) \"abc\") (func $named (export \"f\") (param i32)) (data \"x\") (memory 1))",
        )
        .expect("a module");
        assert!(custom.len() > plain.len());
        assert_eq!(stripped(&custom), plain);
        assert_eq!(stripped(&plain), plain);
        assert_eq!(stripped(b"no module"), &b"no module"[..]);
        let manifest =
            wat::parse_str("(module (@custom \"tenzik:manifest\" \"{}\"))").expect("a module");
        assert_eq!(stripped(&manifest), manifest);
    }
}
