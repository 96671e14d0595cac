//! What a build has to say: size by part, imports with their price and calls, fuel of each run, what would make it smaller.
//!
//! Enters: a module, its sizes, the runs. Leaves: lines for people and members for programs. Refuses nothing.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tenzik::capability::{Grants, IMPORTS, Import};
use wasmparser::{Parser, Payload};

use super::parts::{self, Parts};
use super::size::{Origin, Sizes};
use crate::capsule::Folder;
use crate::capsule::trial::Trial;
use crate::output::Reply;
use crate::{capsule, check, test, text};

/// Of how many runs a line of an import tells the calls.
const RUNS_SHOWN_MAX: usize = 12;

/// How many parts of the library are named where something must go.
const LIBRARY_SHOWN_MAX: usize = 3;

/// Everything that is told of.
pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) module: &'a [u8],
    /// How many bytes it has without what is for debugging.
    pub(super) bytes: usize,
    /// Whether it traces: then no limit is meant for it.
    pub(super) traces: bool,
    pub(super) bytes_max: u32,
    pub(super) sizes: &'a Sizes,
    /// Whose its code is; none where that is told by names of functions alone.
    pub(super) parts: &'a Parts,
    pub(super) trials: &'a [Trial],
    pub(super) ungranted: &'a Grants,
    pub(super) folder: &'a Folder,
}

impl Report<'_> {
    /// The answer, as far as the module is one that runs.
    pub(super) fn reply(&self) -> Reply {
        Reply::new(self.lines(), self.members())
    }

    fn lines(&self) -> String {
        let mut lines = vec![line(
            "built",
            format!("{}, {}", text::path(self.path), self.size()),
        )];
        lines.extend(
            self.sizes.sections.iter().map(|(name, bytes)| {
                line("size", format!("{bytes:>7}  {}", text::shown(name, 60)))
            }),
        );
        lines.push(line("size", format!("{:>7}  headers", self.headers())));
        for (origin, bytes) in self.origins() {
            lines.push(line("code", format!("{bytes:>7}  {}", origin.name())));
        }
        for (part, bytes) in self.parts.iter().take(parts::TOLD) {
            let name = text::shown(&part.name, 80);
            lines.push(line(
                "part",
                format!("{bytes:>7}  {}: {name}", part.origin.name()),
            ));
        }
        for (name, bytes) in self.sizes.largest() {
            lines.push(line(
                "function",
                format!("{bytes:>7}  {}", text::shown(name, 80)),
            ));
        }
        lines.extend(
            imports(self.module)
                .into_iter()
                .map(|row| line("import", self.import_line(row))),
        );
        if !self.ungranted.is_empty() {
            lines.push(line("missing", capsule::grants_remedy(self.ungranted)));
        }
        for trial in self.trials {
            let fuel = trial
                .usage
                .as_ref()
                .map_or_else(|| "none".to_owned(), |usage| usage.fuel.to_string());
            let wrong = if trial.passed() {
                ""
            } else {
                "  (not what it must give: see `tenzik test`)"
            };
            lines.push(line(
                "fuel",
                format!("{fuel:>7}  {}{wrong}", text::shown(&trial.name, 60)),
            ));
        }
        lines.extend(
            self.remedies()
                .into_iter()
                .map(|remedy| line("smaller", remedy)),
        );
        lines.concat()
    }

    /// Bytes of code by who wrote them, as exactly as that is known.
    fn origins(&self) -> BTreeMap<Origin, usize> {
        match self.parts.is_empty() {
            true => self.sizes.origins(),
            false => parts::origins(self.parts),
        }
    }

    /// The module's size, and what of it is held against the limit.
    fn size(&self) -> String {
        let (all, bytes) = (self.module.len(), self.bytes);
        match (self.traces, all == bytes) {
            (true, _) => format!("{all} bytes, for debugging"),
            (false, true) => format!("{bytes} bytes of {}", self.bytes_max),
            (false, false) => format!("{all} bytes; without names {bytes} of {}", self.bytes_max),
        }
    }

    /// The module's header, and each section's identifier and length.
    fn headers(&self) -> usize {
        let inside: usize = self.sizes.sections.iter().map(|(_, bytes)| bytes).sum();
        self.module.len().saturating_sub(inside)
    }

    fn import_line(&self, row: &Import) -> String {
        let price = match row.price.byte {
            0 => format!("{} fuel", row.price.base),
            byte => format!("{} fuel and {byte} a byte", row.price.base),
        };
        let calls: Vec<String> = self
            .calls(row.name)
            .take(RUNS_SHOWN_MAX)
            .map(|count| count.to_string())
            .collect();
        let more = if self.trials.len() > RUNS_SHOWN_MAX {
            ", …"
        } else {
            ""
        };
        match calls.is_empty() {
            true => format!("{:<18} {price}", row.name),
            false => format!(
                "{:<18} {price:<26} calls {}{more}",
                row.name,
                calls.join(", ")
            ),
        }
    }

    /// How often each run calls a function.
    fn calls(&self, name: &str) -> impl Iterator<Item = u32> {
        self.trials.iter().map(move |trial| {
            let calls = trial.usage.iter().flat_map(|usage| usage.calls());
            calls
                .filter(|(called, _)| *called == name)
                .map(|(_, count)| count)
                .sum()
        })
    }

    /// What would bring it under the limit, if it is over.
    fn remedies(&self) -> Vec<String> {
        let over = self.bytes.saturating_sub(self.bytes_max as usize);
        if over == 0 || self.traces {
            return Vec::new();
        }
        let named = self.bytes < self.module.len();
        let mut remedies = vec![format!("{over} bytes must go")];
        let custom = self
            .sizes
            .sections
            .iter()
            .filter(|(name, _)| name.starts_with("custom"));
        let custom: usize = custom.map(|(_, bytes)| bytes).sum();
        if custom > 0 && !named {
            remedies.push(format!(
                "{custom} bytes are custom sections, which nothing needs to run"
            ));
        }
        let (code, data) = (self.sizes.section("code"), self.sizes.section("data"));
        if data > code / 2 {
            remedies.push(format!(
                "{data} bytes are data: shorten texts, or compute tables when they are needed"
            ));
        }
        let count = self.sizes.functions.len();
        let largest = self
            .sizes
            .functions
            .iter()
            .map(|(_, bytes)| *bytes)
            .max()
            .unwrap_or(0);
        remedies.push(format!(
            "{code} bytes are code of {count} functions, the largest of {largest}"
        ));
        let library = self.parts.iter();
        let library = library.filter(|(part, _)| part.origin == Origin::Library);
        remedies.extend(library.take(LIBRARY_SHOWN_MAX).map(|(part, bytes)| {
            let name = text::shown(&part.name, 80);
            format!("{bytes} bytes of code are of the library: {name}")
        }));
        if !named {
            remedies.push(
                "`tenzik build --debug` names the largest functions, and whose they are".to_owned(),
            );
        }
        remedies
    }

    fn members(&self) -> Value {
        let sections: BTreeMap<&str, usize> =
            self.sizes
                .sections
                .iter()
                .fold(BTreeMap::new(), |mut all, (name, bytes)| {
                    *all.entry(name.as_str()).or_default() += bytes;
                    all
                });
        let origins: BTreeMap<&str, usize> = self
            .origins()
            .into_iter()
            .map(|(origin, bytes)| (origin.name(), bytes))
            .collect();
        json!({
            "name": self.folder.name,
            "module": self.path.to_string_lossy(),
            "bytes": self.module.len(),
            "bytes_counted": (!self.traces).then_some(self.bytes),
            "bytes_max": self.bytes_max,
            "sections": sections,
            "headers": self.headers(),
            "code": origins,
            "functions": self.sizes.largest().into_iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes})).collect::<Vec<_>>(),
            "parts": self.parts.iter().map(|(part, bytes)| json!({"origin": part.origin.name(), "name": part.name, "bytes": bytes})).collect::<Vec<_>>(),
            "imports": imports(self.module).into_iter().map(|row| json!({
                "name": row.name,
                "fuel": row.price.base,
                "fuel_per_byte": row.price.byte,
                "calls": self.calls(row.name).collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "grants_missing": check::names(self.ungranted),
            "runs": self.trials.iter().map(test::member).collect::<Vec<_>>(),
            "smaller": self.remedies(),
        })
    }
}

fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<10} {value}\n")
}

/// What the module imports that has a price, each once, in the order of the table.
fn imports(module: &[u8]) -> Vec<&'static Import> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module).flatten() {
        if let Payload::ImportSection(reader) = payload {
            let imports = reader.into_imports().flatten();
            names.extend(imports.map(|import| (import.module, import.name)));
        }
    }
    let imported = |row: &&Import| names.contains(&(row.module, row.name));
    IMPORTS.iter().filter(imported).collect()
}
