//! Where a module's bytes go.
//!
//! Enters: a module. Leaves: bytes by section, and by function where the module names its functions. Refuses nothing: of what
//! cannot be read the rest counts as headers, and validation says what is wrong with it.

use std::collections::BTreeMap;

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// Bytes by part.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// Each section by its name, custom ones with theirs, in the module's order.
    pub(super) sections: Vec<(String, usize)>,
    /// Each function that the module defines, with its name if it has one.
    pub(super) functions: Vec<(Option<String>, usize)>,
}

/// Who wrote a function, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The author.
    Own,
    /// The SDK.
    Sdk,
    /// The language's own library.
    Library,
    /// Nobody can tell: others have names, and these have none.
    Unnamed,
}

impl Origin {
    /// Its name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Sdk => "sdk",
            Self::Library => "library",
            Self::Unnamed => "unnamed",
        }
    }

    /// By a function's name.
    pub(super) fn of(name: &str) -> Self {
        let library = [
            "~lib/",
            "core::",
            "compiler_builtins::",
            "_ZN4core",
            "memcpy",
            "memset",
            "memmove",
        ];
        // A function of the author's may be called tenzik-like too.
        let sdk = ["tenzik-run/", "tenzik-text/", "tenzik_", "tenzik."];
        if ["@tenzik/sdk/", "tenzik_sdk"]
            .iter()
            .any(|part| name.contains(part))
            || sdk.iter().any(|prefix| name.starts_with(prefix))
        {
            Self::Sdk
        } else if library.iter().any(|prefix| name.starts_with(prefix)) {
            Self::Library
        } else {
            Self::Own
        }
    }
}

impl Sizes {
    /// Bytes of all sections of that name.
    pub(super) fn section(&self, name: &str) -> usize {
        let of = self.sections.iter().filter(|(section, _)| section == name);
        of.map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of code by origin; nothing where no function has a name.
    pub(super) fn origins(&self) -> BTreeMap<Origin, usize> {
        let mut origins = BTreeMap::new();
        if self.functions.iter().all(|(name, _)| name.is_none()) {
            return origins;
        }
        for (name, bytes) in &self.functions {
            let origin = name.as_deref().map_or(Origin::Unnamed, Origin::of);
            *origins.entry(origin).or_default() += bytes;
        }
        origins
    }

    /// The largest functions that have a name, the largest first.
    pub(super) fn largest(&self) -> Vec<(&str, usize)> {
        let named = self.functions.iter();
        let named = named.filter_map(|(name, bytes)| Some((name.as_deref()?, *bytes)));
        let mut largest: Vec<_> = named.collect();
        largest.sort_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), *name));
        largest.truncate(5);
        largest
    }
}

/// Measures a module.
pub(super) fn measure(module: &[u8]) -> Sizes {
    let mut sizes = Sizes::default();
    let mut imported = 0;
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let Ok(payload) = payload else { break };
        if let Some((id, range)) = payload.as_section() {
            let name = match &payload {
                Payload::CustomSection(section) => format!("custom {}", section.name()),
                _ => section_name(id).to_owned(),
            };
            sizes.sections.push((name, range.len()));
        }
        match payload {
            Payload::ImportSection(imports) => imported = imports.count() as usize,
            Payload::CodeSectionEntry(body) => sizes.functions.push((None, body.range().len())),
            Payload::CustomSection(section) => {
                if let KnownCustom::Name(reader) = section.as_known() {
                    names.extend(function_names(reader));
                }
            }
            _ => {}
        }
    }
    for (index, (name, _)) in sizes.functions.iter_mut().enumerate() {
        *name = names.remove(&(imported + index));
    }
    sizes
}

fn function_names(reader: wasmparser::NameSectionReader<'_>) -> BTreeMap<usize, String> {
    let mut names = BTreeMap::new();
    for part in reader.into_iter().flatten() {
        if let Name::Function(map) = part {
            let named = map.into_iter().flatten();
            names.extend(named.map(|naming| (naming.index as usize, naming.name.to_owned())));
        }
    }
    names
}

const fn section_name(id: u8) -> &'static str {
    match id {
        1 => "types",
        2 => "imports",
        3 => "functions",
        4 => "table",
        5 => "memory",
        6 => "globals",
        7 => "exports",
        8 => "start",
        9 => "elements",
        10 => "code",
        11 => "data",
        12 => "data count",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_part() {
        let module = wat::parse_str(
            "(module (import \"tenzik_v1\" \"input_len\" (func (result i32)))
               (memory (export \"memory\") 1) (data (i32.const 0) \"0123456789\")
               (func $own (export \"run\")) (func $~lib/array/get (nop) (nop) (nop)))",
        )
        .expect("a module");
        let sizes = measure(&module);
        let all: usize = sizes.sections.iter().map(|(_, bytes)| bytes).sum();
        // The header, and for each section its identifier and a length of one byte.
        assert_eq!(all + 8 + 2 * sizes.sections.len(), module.len());
        assert_eq!(sizes.section("data"), 16);
        assert_eq!(
            sizes.functions,
            [
                (Some("own".to_owned()), 2),
                (Some("~lib/array/get".to_owned()), 5)
            ]
        );
        assert_eq!(
            sizes.origins(),
            BTreeMap::from([(Origin::Own, 2), (Origin::Library, 5)])
        );
        assert_eq!(sizes.largest()[0], ("~lib/array/get", 5));
    }

    #[test]
    fn an_author_may_begin_a_name_like_the_sdk() {
        for (name, origin) in [
            ("tenzik-run/f0", Origin::Sdk),
            ("~lib/@tenzik/sdk/assembly/typed/readText", Origin::Sdk),
            ("tenzik_fail", Origin::Sdk),
            ("_ZN10tenzik_sdk6number17h0E", Origin::Sdk),
            ("tenzik.raw", Origin::Sdk),
            ("tenzik-table/find", Origin::Own),
            ("tenzikTable", Origin::Own),
            ("~lib/map/Map#get", Origin::Library),
        ] {
            assert_eq!(Origin::of(name), origin, "{name}");
        }
    }

    #[test]
    fn what_is_no_module_has_no_parts() {
        assert!(measure(b"not a module").sections.is_empty());
        assert!(measure(b"").sections.is_empty());
    }
}
