//! Which function of a module a byte is in, for whoever debugs one that has names.
//!
//! Enters: a module, an offset. Leaves: the function's name. Refuses nothing: a module without names, such as `tenzik build`
//! makes without `--debug`, has none to give.

use wasmparser::{KnownCustom, Name, Parser, Payload};

/// The name of the function whose code has this byte.
pub(crate) fn function_at(module: &[u8], offset: usize) -> Option<String> {
    let (mut defined, mut found, mut imported) = (0, None, 0);
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        match payload {
            Payload::ImportSection(imports) => imported = imports.count(),
            Payload::CodeSectionEntry(body) => {
                if body.range().contains(&offset) {
                    found = Some(imported + defined);
                }
                defined += 1;
            }
            Payload::CustomSection(section) => {
                if let (KnownCustom::Name(names), Some(index)) = (section.as_known(), found) {
                    return name_of(names, index);
                }
            }
            _ => {}
        }
    }
    None
}

fn name_of(names: wasmparser::NameSectionReader<'_>, index: u32) -> Option<String> {
    names.into_iter().flatten().find_map(|part| match part {
        Name::Function(map) => {
            let mut named = map.into_iter().flatten();
            named
                .find(|naming| naming.index == index)
                .map(|naming| naming.name.to_owned())
        }
        _ => None,
    })
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
