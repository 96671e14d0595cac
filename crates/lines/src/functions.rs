//! The functions of a module: where their code is, and what they are called.
//!
//! Enters: a module. Leaves: [`Functions`], as far as it can be read. Refuses nothing: one without names has none to give.

use std::collections::HashMap;
use std::ops::Range;

use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload, TypeRef};

/// The functions of a module, as far as it can be read.
#[derive(Debug, Default)]
pub struct Functions {
    /// How many are imported; they come first.
    imported: u32,
    /// The code of each that is not.
    bodies: Vec<Range<usize>>,
    /// Names by index, as they are: whoever shows one bounds and escapes it.
    pub names: HashMap<u32, String>,
}

impl Functions {
    /// Reads a module; what is behind a place that is not of the form is not read.
    pub fn of(module: &[u8]) -> Self {
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
    pub fn bodies(&self) -> &[Range<usize>] {
        &self.bodies
    }

    /// The name of the function whose code has this byte of the module.
    pub fn name_at(&self, byte: usize) -> Option<&str> {
        let mut bodies = self.bodies.iter();
        let defined = bodies.position(|body| body.contains(&byte))?;
        self.name_of_body(defined)
    }

    /// The name of a function that is not imported, by its place among those.
    pub fn name_of_body(&self, defined: usize) -> Option<&str> {
        let index = self.imported.checked_add(u32::try_from(defined).ok()?)?;
        self.names.get(&index).map(String::as_str)
    }

    /// The code of a function, by its index.
    pub fn body(&self, index: u32) -> Option<&Range<usize>> {
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
        let functions = Functions::of(&module);
        let names: Vec<_> = (0..module.len())
            .map(|byte| functions.name_at(byte))
            .collect();
        let count = |name: &str| names.iter().filter(|found| **found == Some(name)).count();
        // A count of locals, one instruction, and the end.
        assert_eq!((count("first"), count("second"), count("other")), (3, 3, 0));
        assert_eq!(Functions::of(b"no module").name_at(3), None);
    }
}
