//! `new`: a capsule's folder to begin with. It builds, and its runs pass.
//!
//! Enters: a name and a language. Leaves: a folder of that name, with source, description, example and what the language needs.
//! Refuses: names that are no file's, and a folder that is there: nothing is overwritten.

mod templates;

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::json;

use crate::args::Context;
use crate::capsule::{Language, is_name};
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::{build, files, text};

/// `new`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capsule's name, and the folder's
    name: String,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Language::AssemblyScript)]
    lang: Language,
    /// The SDK for AssemblyScript as package.json shall name it, such as file:tenzik-sdk.tgz; without it, a copy is put beside
    #[arg(long, value_name = "SPEC")]
    sdk: Option<String>,
}

/// Where the copy of the SDK is.
const SDK_FOLDER: &str = "tenzik-sdk";

/// Makes a folder.
pub(crate) fn new(args: &Args, context: &Context) -> Result<Reply, Failure> {
    // In the languages whose SDK is one file, the capsule's own would have its name.
    if !is_name(&args.name) || args.name == "tenzik" {
        return Err(Failure::new(
            Exit::Usage,
            "name",
            format!("{} is no capsule's name", text::shown(&args.name, 64)),
            "use letters, digits, `-`, `_` and `.`, at most 64, and begin with a letter or digit",
        ));
    }
    if args.sdk.is_some() && args.lang != Language::AssemblyScript {
        return Err(Failure::new(
            Exit::Usage,
            "usage",
            "--sdk is for AssemblyScript",
            "leave it out",
        ));
    }
    let folder = PathBuf::from(&args.name);
    let files = contents(args);
    write_all(&folder, &files)?;
    let names: Vec<&String> = files.iter().map(|(name, _)| name).collect();
    let next = next(args.lang, &args.name);
    let made = files
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !name.starts_with(SDK_FOLDER));
    let mut lines: String = made
        .map(|name| format!("made       {}/{name}\n", args.name))
        .collect();
    if files.iter().any(|(name, _)| name.starts_with(SDK_FOLDER)) {
        lines += &format!("made       {}/{SDK_FOLDER}, the SDK\n", args.name);
    }
    lines.extend(next.iter().map(|command| format!("next       {command}\n")));
    if let Some(missing) =
        build::missing(args.lang, &folder).filter(|_| args.lang != Language::AssemblyScript)
    {
        context
            .console
            .note(&format!("{}: {}", missing.message, missing.hint));
    }
    Ok(Reply::new(
        lines,
        json!({"name": args.name, "files": names, "next": next}),
    ))
}

/// Every file with its text.
fn contents(args: &Args) -> Vec<(String, String)> {
    let sdk = args
        .sdk
        .clone()
        .unwrap_or_else(|| format!("file:{SDK_FOLDER}"));
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let filled = |text: &str| {
        text.replace("\"NAME\"", &quoted(&args.name))
            .replace("\"LANGUAGE\"", &quoted(templates::language(args.lang)))
            .replace("\"SDK\"", &quoted(&sdk))
    };
    let files = templates::ANY.iter().chain(templates::of(args.lang));
    let mut files: Vec<(String, String)> = files
        .map(|(name, text)| (name.replace("NAME", &args.name), filled(text)))
        .collect();
    if args.lang == Language::AssemblyScript && args.sdk.is_none() {
        let copy = templates::SDK.iter();
        files.extend(copy.map(|(name, text)| (format!("{SDK_FOLDER}/{name}"), (*text).to_owned())));
    }
    files
}

fn next(language: Language, name: &str) -> Vec<String> {
    let install = (language == Language::AssemblyScript).then_some("npm install".to_owned());
    std::iter::once(format!("cd {name}"))
        .chain(install)
        .chain(["tenzik build".to_owned(), "tenzik test".to_owned()])
        .collect()
}

fn write_all(folder: &Path, contents: &[(String, String)]) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            "exists",
            format!("{} is there already", text::path(path)),
            "take another name, or move it away",
        ),
        _ => Failure::new(
            Exit::Other,
            "not_written",
            format!("{} cannot be made: {error}", text::path(path)),
            "make room, or mend the directory's permissions",
        ),
    };
    fs::create_dir(folder).map_err(|error| failed(folder, error))?;
    for (name, text) in contents {
        let path = folder.join(name);
        let made =
            fs::create_dir_all(files::directory(&path)).and_then(|()| fs::write(&path, text));
        made.map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// What npm puts into the package, or why that is not known here.
    fn packed() -> Result<Vec<String>, String> {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../capsules/sdk");
        let told = Command::new("npm")
            .args([
                "pack",
                "--dry-run",
                "--json",
                "--ignore-scripts",
                "--offline",
            ])
            .current_dir(sdk)
            .stdin(Stdio::null())
            .output();
        let told = told.map_err(|error| format!("no npm: {error}"))?;
        let words = String::from_utf8_lossy(&told.stderr).into_owned();
        let packs: serde_json::Value =
            serde_json::from_slice(&told.stdout).map_err(|error| format!("{error}: {words}"))?;
        let files = packs[0]["files"].as_array().ok_or(words)?;
        let path = |file: &serde_json::Value| file["path"].as_str().map(str::to_owned);
        Ok(files.iter().filter_map(path).collect())
    }

    #[test]
    fn the_copy_of_the_sdk_is_what_npm_packs() {
        let mut packed = match packed() {
            Ok(packed) => packed,
            Err(why) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {why}");
                return;
            }
            Err(why) => panic!("{why}"),
        };
        packed.sort_unstable();
        let mut copied: Vec<&str> = templates::SDK.iter().map(|(name, _)| *name).collect();
        copied.sort_unstable();
        assert_eq!(copied, packed);
    }
}
