//! A script of the suite, read once: its directives, and its modules rewritten.

use tenzik::metering::meter_module;
use tenzik::validation::FEATURES;
use wasmparser::{Parser, Payload, TypeRef};
use wast::lexer::Lexer;
use wast::parser::{ParseBuffer, parse};
use wast::{QuoteWat, Wast, WastDirective, WastExecute};

use crate::explained;

/// Where a script is from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Source<'a> {
    pub(crate) set: &'a str,
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
}

/// A directive, and the module in it if there is one to be run.
pub(crate) struct Directive<'a> {
    pub(crate) line: usize,
    pub(crate) wast: WastDirective<'a>,
    pub(crate) module: Option<Prepared>,
}

/// A module as its text or bytes are in the script.
pub(crate) enum Prepared {
    /// It cannot be encoded.
    Malformed,
    /// No features make it valid.
    Invalid,
    /// It is valid with a feature that is off.
    Off(&'static str),
    Accepted(Box<Accepted>),
}

/// A module that the features take.
#[derive(Default)]
pub(crate) struct Accepted {
    pub(crate) original: Vec<u8>,
    pub(crate) metered: Vec<u8>,
    pub(crate) start: bool,
    /// The modules that it imports from.
    pub(crate) imports: Vec<String>,
    pub(crate) pages: Option<Pages>,
}

/// What is known of a memory's maximum.
pub(crate) enum Pages {
    AtMost(u64),
    Imported { module: String, name: String },
}

/// Reads a script, and hands its directives on: they borrow what the reading leaves.
pub(crate) fn read<R>(source: Source<'_>, with: impl FnOnce(&[Directive<'_>]) -> R) -> R {
    let mut lexer = Lexer::new(source.text);
    lexer.allow_confusing_unicode(true);
    let buffer = ParseBuffer::new_with_lexer(lexer).expect("a script");
    let script =
        parse::<Wast<'_>>(&buffer).unwrap_or_else(|error| panic!("{}: {error}", source.file));
    let directives = script.directives.into_iter().map(|mut wast| Directive {
        line: wast.span().linecol_in(source.text).0 + 1,
        module: module(&mut wast),
        wast,
    });
    with(&directives.collect::<Vec<_>>())
}

fn module(directive: &mut WastDirective<'_>) -> Option<Prepared> {
    let encoded = match directive {
        WastDirective::Module(module)
        | WastDirective::ModuleDefinition(module)
        | WastDirective::AssertInvalid { module, .. }
        | WastDirective::AssertMalformed { module, .. } => encode(module),
        WastDirective::AssertUnlinkable { module, .. }
        | WastDirective::AssertTrap {
            exec: WastExecute::Wat(module),
            ..
        } => module.encode(),
        _ => return None,
    };
    Some(encoded.map_or(Prepared::Malformed, |bytes| Prepared::of(&bytes)))
}

fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>, wast::Error> {
    module.encode()
}

impl Prepared {
    fn of(bytes: &[u8]) -> Self {
        if explained::is_valid(bytes, FEATURES) {
            return Self::Accepted(Box::new(Accepted::of(bytes)));
        }
        explained::feature(bytes).map_or(Self::Invalid, Self::Off)
    }
}

impl Accepted {
    fn of(bytes: &[u8]) -> Self {
        let metered = meter_module(bytes).expect("a valid module can be metered");
        let metered = metered.bytes().to_vec();
        assert!(explained::is_valid(&metered, FEATURES), "{}", hex(bytes));
        let mut accepted = Self {
            original: bytes.to_vec(),
            metered,
            ..Self::default()
        };
        for payload in Parser::new(0).parse_all(bytes) {
            accepted.note(payload.expect("a valid module"));
        }
        accepted
    }

    fn note(&mut self, payload: Payload<'_>) {
        match payload {
            Payload::StartSection { .. } => self.start = true,
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let max = memory.expect("a valid memory").maximum;
                    self.pages = Some(Pages::AtMost(max.unwrap_or(65_536)));
                }
            }
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import.expect("a valid import");
                    self.imports.push(import.module.to_owned());
                    if let TypeRef::Memory(_) = import.ty {
                        let (module, name) = (import.module.to_owned(), import.name.to_owned());
                        self.pages = Some(Pages::Imported { module, name });
                    }
                }
            }
            _ => {}
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
