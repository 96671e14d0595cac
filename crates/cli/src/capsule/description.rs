//! `capsule.json` as it is written, and what it means.
//!
//! Enters: a folder's `capsule.json`. Leaves: a [`Folder`]. Refuses: members that are not known, names that are no file's, runs
//! with no input or two, with no expectation or two.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::value::RawValue;
use tenzik::capability::{Capability, Grants};
use tenzik::limits::LimitsAsked;
use tenzik_receipt::{InputType, Int, Seed};

use super::{Case, DESCRIPTION, Expected, Folder, FolderError, Given, Inline, Text};
use crate::error::Failure;
use crate::source::{CONFIG, Source};
use crate::text;

/// What a capsule can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Language {
    /// TypeScript's cousin, with the SDK's transform.
    #[value(name = "assemblyscript")]
    AssemblyScript,
    /// C, without a library.
    C,
    /// Rust, without its standard library.
    Rust,
    /// WebAssembly text.
    Wat,
    /// Zig.
    Zig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    name: String,
    #[expect(dead_code, reason = "for manifests; read so that it may stand there")]
    version: Option<String>,
    #[expect(dead_code, reason = "for people; read so that it must stand there")]
    description: String,
    language: Option<Language>,
    source: Option<PathBuf>,
    grants: Vec<String>,
    input_type: String,
    #[serde(default)]
    limits: Limits,
    #[serde(borrow)]
    example: WrittenCase<'a>,
    #[serde(borrow, default)]
    cases: Vec<WrittenCase<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCase<'a> {
    name: Option<String>,
    input: Option<String>,
    input_hex: Option<String>,
    input_file: Option<PathBuf>,
    input_gzip: Option<PathBuf>,
    #[serde(borrow)]
    output: Option<&'a RawValue>,
    output_file: Option<PathBuf>,
    status: Option<String>,
    code: Option<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    clock_ms: Option<u64>,
    seed: Option<String>,
    grants: Option<Vec<String>>,
    #[serde(default)]
    limits: Limits,
}

/// Limits, each the host's default where it is left out.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    fuel: Option<u64>,
    host_calls: Option<u32>,
    memory_pages: Option<u32>,
    output_bytes: Option<u32>,
    time_ms: Option<u32>,
}

/// Reads a folder's description.
pub(super) fn read(folder: &Path) -> Result<Folder, Failure> {
    let path = folder.join(DESCRIPTION);
    if !path.exists() {
        let path = text::path(&path);
        return Err(FolderError::Undescribed { path }.into());
    }
    let form = |problem: String| FolderError::Form {
        path: text::path(&path),
        problem: text::shown(&problem, text::MESSAGE_CHARS_MAX),
    };
    let bytes = Source::File(path.clone()).read(CONFIG)?;
    let text = String::from_utf8(bytes).map_err(|_| form("not UTF-8".to_owned()))?;
    let written: Written<'_> =
        serde_json::from_str(&text).map_err(|error| form(error.to_string()))?;
    let resolved = resolve(&written, &text).map_err(|wrong| match wrong {
        Wrong::Case(run, problem) => FolderError::Case {
            path: text::path(&path),
            run: text::shown(&run, text::MESSAGE_CHARS_MAX),
            problem,
        },
        Wrong::Form(problem) => form(problem),
    })?;
    Ok(Folder {
        path: folder.to_owned(),
        name: written.name.clone(),
        language: written.language,
        source: written.source.clone(),
        grants: resolved.grants,
        cases: resolved.cases,
        text: text.clone(),
    })
}

/// What is wrong with a description, before anyone is told where it is.
enum Wrong {
    Case(String, &'static str),
    Form(String),
}

/// A name that is a file's, everywhere, and steers no terminal.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let first = name.bytes().next();
    (1..=64).contains(&name.len())
        && first.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(plain)
}

/// What a description means, names and files aside.
struct Resolved {
    grants: Grants,
    cases: Vec<Case>,
}

fn resolve(written: &Written<'_>, text: &str) -> Result<Resolved, Wrong> {
    if !is_name(&written.name) {
        return Err(Wrong::Form(
            "`name` must be letters, digits, `-`, `_` and `.`, at most 64, and begin with a letter or digit".to_owned(),
        ));
    }
    let input_type = InputType::from_name(&written.input_type)
        .ok_or_else(|| Wrong::Form("`input_type` must be json or bytes".to_owned()))?;
    let resolver = Resolver {
        text,
        input_type,
        grants: grants(&written.grants).map_err(Wrong::Form)?,
        limits: written.limits,
    };
    let first = resolver.case(&written.example, true);
    let others = written.cases.iter().map(|case| resolver.case(case, false));
    let cases: Result<_, _> = std::iter::once(first).chain(others).collect();
    Ok(Resolved {
        cases: cases?,
        grants: resolver.grants,
    })
}

fn grants(names: &[String]) -> Result<Grants, String> {
    let grants = names.iter().map(|name| name.parse::<Capability>());
    grants
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

/// What a run has unless it says otherwise, and where its strings stand.
struct Resolver<'a> {
    text: &'a str,
    input_type: InputType,
    grants: Grants,
    limits: Limits,
}

impl Resolver<'_> {
    fn case(&self, written: &WrittenCase<'_>, example: bool) -> Result<Case, Wrong> {
        let name = match &written.name {
            Some(name) => name.clone(),
            None if example => "example".to_owned(),
            None => return Err(Wrong::Form("a run in `cases` has no `name`".to_owned())),
        };
        let wrong = |problem| Wrong::Case(name.clone(), problem);
        let granted = written.grants.as_deref().map(grants).transpose();
        let seed = match &written.seed {
            None => Seed::from_bytes([0; 32]),
            Some(seed) => seed
                .parse()
                .map_err(|_| wrong("`seed` must be 64 hex digits"))?,
        };
        Ok(Case {
            input: given(written, example).map_err(wrong)?,
            input_type: self.input_type,
            clock_ms: Int::new(written.clock_ms.unwrap_or(0))
                .map_err(|_| wrong("`clock_ms` must be below 2^53"))?,
            seed,
            grants: granted
                .map_err(|_| wrong("`grants` has a name that is no capability"))?
                .unwrap_or_else(|| self.grants.clone()),
            limits: self.limits.overridden(&written.limits),
            expected: self.expected(written, example).map_err(wrong)?,
            name,
        })
    }

    fn expected(&self, written: &WrittenCase<'_>, example: bool) -> Result<Expected, &'static str> {
        let ending = [&written.status, &written.code]
            .into_iter()
            .any(Option::is_some);
        match (written.output, &written.output_file, &written.status) {
            (Some(_), Some(_), _) => Err("it has both `output` and `output_file`"),
            (Some(_), _, _) | (_, Some(_), _) if ending || written.message.is_some() => {
                Err("a run with an output has no `status`, `code` and `message`")
            }
            (Some(output), None, _) => Ok(Expected::Output(self.text(output, example)?)),
            (None, Some(path), _) => Ok(Expected::Output(Text::File(path.clone()))),
            (None, None, None) => Err("it says neither `output` nor `output_file` nor `status`"),
            (None, None, Some(status)) if status == "ok" || status == "aborted" => {
                Err("`status` is for runs that end otherwise than well, each time")
            }
            (None, None, Some(status)) => Ok(Expected::Ending {
                status: status.clone(),
                code: written.code.clone(),
                message: written.message.map(|raw| self.inline(raw)).transpose()?,
            }),
        }
    }

    /// In the example `output` names a file.
    fn text(&self, raw: &RawValue, example: bool) -> Result<Text, &'static str> {
        let inline = self.inline(raw)?;
        Ok(match example {
            true => Text::File(inline.text.into()),
            false => Text::Inline(inline),
        })
    }

    fn inline(&self, raw: &RawValue) -> Result<Inline, &'static str> {
        let text = serde_json::from_str(raw.get())
            .map_err(|_| "`output` and `message` must be strings")?;
        Ok(Inline {
            text,
            place: place(self.text, raw.get()),
        })
    }
}

/// Where a part of a text stands in it.
pub(super) fn place(text: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + part.len()
}

fn given(written: &WrittenCase<'_>, example: bool) -> Result<Given, &'static str> {
    let (text, hex) = (&written.input, &written.input_hex);
    match (text, hex, &written.input_file, &written.input_gzip) {
        (Some(name), None, None, None) if example => Ok(Given::File(name.into())),
        (Some(text), None, None, None) => Ok(Given::Bytes(text.clone().into_bytes())),
        (None, Some(hex), None, None) => tenzik_receipt::from_hex(hex)
            .map(Given::Bytes)
            .ok_or("`input_hex` must be lower-case hex digits"),
        (None, None, Some(path), None) => Ok(Given::File(path.clone())),
        (None, None, None, Some(path)) => Ok(Given::Gzip(path.clone())),
        (None, None, None, None) => Err("it has no `input`"),
        _ => Err("it has more than one input"),
    }
}

impl Limits {
    fn overridden(self, by: &Self) -> LimitsAsked {
        LimitsAsked {
            fuel: by.fuel.or(self.fuel),
            host_calls: by.host_calls.or(self.host_calls),
            memory_pages: by.memory_pages.or(self.memory_pages),
            output_bytes: by.output_bytes.or(self.output_bytes),
            time_ms: by.time_ms.or(self.time_ms),
        }
    }
}
