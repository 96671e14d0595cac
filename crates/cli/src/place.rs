//! Which function of a module a byte is in, for whoever debugs one that has names.
//!
//! Enters: a module, an offset. Leaves: the function's name. Refuses nothing: a module without names, such as `tenzik build`
//! makes without `--debug`, has none to give.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload, TypeRef};

/// The name of the function whose code has this byte.
pub(crate) fn function_at(module: &[u8], offset: usize) -> Option<String> {
    let mut functions = Functions::of(module);
    let mut bodies = functions.bodies.iter();
    let defined = bodies.position(|body| body.contains(&offset))?;
    let index = functions.imported + u32::try_from(defined).ok()?;
    functions.names.remove(&index)
}

/// The functions of a module, as far as it can be read.
#[derive(Debug, Default)]
pub(crate) struct Functions {
    /// How many are imported; they come first.
    imported: u32,
    /// The code of each that is not.
    bodies: Vec<Range<usize>>,
    /// By index.
    pub(crate) names: HashMap<u32, String>,
}

impl Functions {
    /// Reads a module.
    pub(crate) fn of(module: &[u8]) -> Self {
        let mut functions = Self::default();
        for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
            match payload {
                Payload::ImportSection(imports) => {
                    let imports = imports.into_imports().flatten();
                    let of_functions = imports.filter(|one| matches!(one.ty, TypeRef::Func(_)));
                    functions.imported = u32::try_from(of_functions.count()).unwrap_or(u32::MAX);
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(body.range()),
                Payload::CustomSection(section) => {
                    if let KnownCustom::Name(names) = section.as_known() {
                        functions.names.extend(named(names));
                    }
                }
                _ => {}
            }
        }
        functions
    }

    /// The code of each function that is not imported, in the module's order.
    pub(crate) fn bodies(&self) -> &[Range<usize>] {
        &self.bodies
    }

    /// The name of a function that is not imported, by its place among those.
    pub(crate) fn name_of_body(&self, defined: usize) -> Option<&str> {
        let index = self.imported.checked_add(u32::try_from(defined).ok()?)?;
        self.names.get(&index).map(String::as_str)
    }

    /// The code of a function.
    pub(crate) fn body(&self, index: u32) -> Option<&Range<usize>> {
        let defined = index.checked_sub(self.imported)?;
        self.bodies.get(defined as usize)
    }
}

fn named(names: NameSectionReader<'_>) -> Vec<(u32, String)> {
    let maps = names.into_iter().flatten().filter_map(|part| match part {
        Name::Function(map) => Some(map),
        _ => None,
    });
    let namings = maps.flat_map(|map| map.into_iter().flatten());
    namings
        .map(|naming| (naming.index, naming.name.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_in_its_function() {
        let module = wat::parse_str(
            "(module (import \"a\" \"b\" (func $other)) (func $first (nop)) (func $second (unreachable)))",
        )
        .expect("a module");
        let names: Vec<_> = (0..module.len())
            .map(|byte| function_at(&module, byte))
            .collect();
        let count = |name: &str| {
            names
                .iter()
                .filter(|found| found.as_deref() == Some(name))
                .count()
        };
        // A count of locals, one instruction, and the end.
        assert_eq!((count("first"), count("second"), count("other")), (3, 3, 0));
        assert_eq!(function_at(b"no module", 3), None);
    }
}
