//! The one pass over a module's bytes: each section goes to the validator and to our own checks.
//!
//! Enters: bytes, of a bounded size. Leaves: [`Facts`], findings and the compile cost.
//! Refuses: what wasmparser refuses, as one finding; what the other files here refuse, in full.
//!
//! After the validator has failed it is not asked again, but reading goes on, so that a report is
//! as complete as it can be. What stands behind a place that cannot be parsed is not judged.

use wasmparser::{
    CompositeInnerType, ElementItems, Encoding, Error, ExternalKind, FromReader,
    ImportSectionReader, Parser, Payload, RefType, SectionLimited, TableSectionReader,
    TypeSectionReader, ValidPayload, Validator,
};

use super::code::Code;
use super::facts::{Facts, Global};
use super::features::FEATURES;
use super::finding::{FindingCode, Findings, message};
use super::shape::{self, CountLimit};
use super::{imports, segments};

/// What the pass leaves.
pub(super) struct Examined<'a> {
    pub(super) facts: Facts<'a>,
    pub(super) findings: Findings,
    pub(super) compile_cost: u64,
    /// Whether the module could be parsed to its end, so that what is missing is really missing.
    pub(super) complete: bool,
}

struct Pass<'a> {
    facts: Facts<'a>,
    findings: Findings,
    code: Code,
    validator: Option<Validator>,
}

/// Reads a module from end to end, or to the place where it cannot be parsed.
pub(super) fn examine(bytes: &[u8], for_debugging: bool) -> Examined<'_> {
    let mut pass = Pass {
        facts: Facts {
            bytes,
            for_debugging,
            ..Facts::default()
        },
        findings: Findings::default(),
        code: Code::default(),
        validator: Some(Validator::new_with_features(FEATURES)),
    };
    let complete = pass.payloads(bytes);
    pass.totals();
    Examined {
        compile_cost: pass.code.cost.total(),
        facts: pass.facts,
        findings: pass.findings,
        complete,
    }
}

/// Reports an error of the parser or the validator.
pub(super) fn invalid(findings: &mut Findings, error: &Error) {
    // A parser that was built without vectors does not know them as a feature.
    let vectors = error.message().starts_with("unexpected SIMD opcode");
    let (code, remedy) = if vectors || error.missing_wasm_feature().is_some() {
        let remedy = "build without the feature; docs/abi.md lists those that are on";
        (FindingCode::FeatureOff, remedy)
    } else {
        let remedy = "build the module again; it is damaged or its toolchain is broken";
        (FindingCode::InvalidModule, remedy)
    };
    findings.error(code, error.offset(), remedy, || {
        (
            in_words(error.message()),
            "a valid module with the features of docs/abi.md".into(),
        )
    });
}

/// The parser's message without what it adds for its own authors, in our words where everybody meets it.
fn in_words(told: &str) -> String {
    if told.starts_with("magic header not detected") {
        return "a file that does not begin with the bytes of a WebAssembly module".to_owned();
    }
    message(told.lines().next().unwrap_or_default())
}

impl<'a> Pass<'a> {
    fn payloads(&mut self, bytes: &'a [u8]) -> bool {
        let mut parser = Parser::new(0);
        parser.set_features(FEATURES);
        for payload in parser.parse_all(bytes) {
            match payload {
                Err(error) => {
                    invalid(&mut self.findings, &error);
                    return false;
                }
                Ok(Payload::Version {
                    encoding: Encoding::Component,
                    range,
                    ..
                }) => {
                    self.component(range.start);
                    return false;
                }
                Ok(payload) => self.payload(payload),
            }
        }
        true
    }

    fn component(&mut self, offset: usize) {
        let remedy = "build a core module, without componentising it";
        self.findings
            .error(FindingCode::Component, offset, remedy, || {
                ("a component".into(), "a core WebAssembly module".into())
            });
    }

    fn payload(&mut self, payload: Payload<'a>) {
        let function = match self
            .validator
            .as_mut()
            .map(|validator| validator.payload(&payload))
        {
            Some(Ok(ValidPayload::Func(function, _))) => Some(function),
            Some(Err(error)) => {
                invalid(&mut self.findings, &error);
                self.validator = None;
                None
            }
            _ => None,
        };
        match payload {
            Payload::CodeSectionEntry(body) => {
                self.code
                    .body(&body, function, &self.facts, &mut self.findings);
            }
            Payload::StartSection { func, range } => self.start(func, range.start),
            Payload::CustomSection(custom) => {
                self.facts.custom_sections += 1;
                self.facts.custom_bytes += custom.data().len() as u64;
            }
            other => self.section(other),
        }
    }

    fn section(&mut self, payload: Payload<'a>) {
        match payload {
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => self.imports(section),
            Payload::FunctionSection(section) => {
                self.each(section, &shape::FUNCTIONS, |pass, ty, _| {
                    pass.facts.functions.push(ty)
                });
            }
            Payload::TableSection(section) => self.tables(section),
            Payload::MemorySection(section) => {
                self.items(section, |pass, memory, _| pass.facts.memories.push(memory));
            }
            Payload::GlobalSection(section) => {
                self.each(section, &shape::GLOBALS, |pass, global, _| {
                    let value = segments::constant(&global.init_expr);
                    pass.facts.globals.push(Global {
                        ty: global.ty,
                        value,
                    });
                })
            }
            Payload::ExportSection(section) => {
                self.each(section, &shape::EXPORTS, |pass, export, offset| {
                    if export.kind == ExternalKind::Func {
                        pass.code
                            .cost
                            .entry(pass.facts.arity_of_function(export.index));
                    }
                    pass.facts.exports.push((export, offset));
                })
            }
            Payload::ElementSection(section) => {
                self.each(section, &shape::ELEMENT_SEGMENTS, |pass, element, _| {
                    segments::element(&mut pass.facts, &mut pass.findings, &element);
                    if let ElementItems::Functions(functions) = element.items {
                        for function in functions.into_iter().map_while(Result::ok) {
                            pass.code.cost.entry(pass.facts.arity_of_function(function));
                        }
                    }
                });
            }
            Payload::DataSection(section) => {
                self.each(section, &shape::DATA_SEGMENTS, |pass, data, _| {
                    segments::data(&mut pass.facts, &mut pass.findings, &data);
                })
            }
            _ => {} // the validator knows what to say about the rest
        }
    }

    fn types(&mut self, section: TypeSectionReader<'a>) {
        self.each(section, &shape::TYPES, |pass, group, offset| {
            for ty in group.into_types() {
                pass.code.cost.ty();
                let function = match ty.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(function),
                    _ => None,
                };
                if let Some(function) = &function {
                    let (params, results) = (function.params().len(), function.results().len());
                    shape::check(&mut pass.findings, &shape::PARAMS, params as u64, offset);
                    shape::check(&mut pass.findings, &shape::RESULTS, results as u64, offset);
                }
                pass.facts.types.push(function);
            }
        });
    }

    fn imports(&mut self, section: ImportSectionReader<'a>) {
        let (start, count) = (section.range().start, u64::from(section.count()));
        shape::check(&mut self.findings, &shape::IMPORTS, count, start);
        for (offset, import) in section.into_imports_with_offsets().map_while(Result::ok) {
            self.code.cost.import();
            imports::check(&mut self.facts, &mut self.findings, &import, offset);
        }
    }

    fn tables(&mut self, section: TableSectionReader<'a>) {
        self.items(section, |pass, table, offset| {
            let remedy = "define at most one table, of functions";
            if table.ty.element_type != RefType::FUNCREF {
                pass.findings.error(FindingCode::Table, offset, remedy, || {
                    (
                        "table of other references".into(),
                        "a table of `funcref`".into(),
                    )
                });
            }
            if pass.facts.tables.len() == 1 {
                pass.findings.error(FindingCode::Table, offset, remedy, || {
                    ("a second table".into(), "at most one".into())
                });
            }
            shape::check(
                &mut pass.findings,
                &shape::TABLE_SLOTS,
                table.ty.initial,
                offset,
            );
            pass.facts.tables.push(table.ty.initial);
        });
    }

    fn start(&mut self, function: u32, offset: usize) {
        self.facts.start = Some(function);
        if function < self.facts.imported.functions {
            let remedy = "start with a function of the module's own";
            self.findings
                .error(FindingCode::StartImported, offset, remedy, || {
                    (
                        "an imported start function".into(),
                        "a function defined here".into(),
                    )
                });
        }
    }

    /// Checks what only the whole module shows.
    fn totals(&mut self) {
        let Self {
            facts,
            findings,
            code,
            ..
        } = self;
        shape::check(findings, &shape::CUSTOM_BYTES, facts.custom_bytes, None);
        shape::check(
            findings,
            &shape::CUSTOM_SECTIONS,
            facts.custom_sections,
            None,
        );
        code.totals(findings);
    }

    /// Checks a section's count, and reads its items.
    fn each<T: FromReader<'a>>(
        &mut self,
        section: SectionLimited<'a, T>,
        limit: &CountLimit,
        item: impl FnMut(&mut Self, T, usize),
    ) {
        let start = section.range().start;
        shape::check(&mut self.findings, limit, u64::from(section.count()), start);
        self.items(section, item);
    }

    /// Reads a section's items. One that cannot be read ends the section: if the validator was
    /// still there, it has said so.
    fn items<T: FromReader<'a>>(
        &mut self,
        section: SectionLimited<'a, T>,
        mut item: impl FnMut(&mut Self, T, usize),
    ) {
        for (offset, value) in section.into_iter_with_offsets().map_while(Result::ok) {
            item(self, value, offset);
        }
    }
}
