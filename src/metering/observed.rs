//! The module that is looked at while it runs, and where each of its bytes came from.
//!
//! Enters: a [`ValidatedCapsule`]. Leaves: a module that counts as the metered one does, and calls the host where a function
//! begins and ends; the place in the capsule of a place in it. Refuses: nothing that validation accepted.
//!
//! The calls cost no fuel and no stack. Fuel is in its global at every moment, also within loops, so that a trap loses none.

use std::ops::Range;

use wasmparser::{Parser, Payload};

use super::MeterError;
use super::module::{Purpose, Rewritten, rewrite};
use crate::validation::ValidatedCapsule;

/// A stretch of the capsule's code that was taken over as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    /// Its place in what was written.
    pub(super) at: usize,
    /// Its place in the capsule.
    pub(super) source: usize,
    pub(super) len: usize,
}

/// A module to be run for looking at.
pub(crate) struct ObservedModule {
    bytes: Vec<u8>,
    places: Places,
    /// The index of the first function that the capsule defines.
    functions_imported: u32,
    /// The code of each of them, in the capsule.
    bodies: Vec<Range<usize>>,
}

impl ObservedModule {
    /// Rewrites a capsule.
    pub(crate) fn of(capsule: &ValidatedCapsule) -> Result<Self, MeterError> {
        let Rewritten { bytes, copied } = rewrite(capsule.bytes(), Purpose::Observe)?;
        let (mut functions_imported, mut bodies) = (0, Vec::new());
        for part in Parser::new(0).parse_all(capsule.bytes()) {
            match part? {
                // A capsule imports nothing else.
                Payload::ImportSection(imports) => {
                    functions_imported = imports.into_imports().count() as u32;
                }
                Payload::CodeSectionEntry(body) => bodies.push(body.range()),
                _ => {}
            }
        }
        Ok(Self {
            functions_imported,
            bodies,
            places: Places::of(&bytes, copied),
            bytes,
        })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the function is the capsule's, and not one that was added.
    pub(crate) fn is_capsules(&self, function: u32) -> bool {
        self.body(function).is_some()
    }

    /// The place in the capsule of a place in this module, in a function; of something added, what stands before it there, if
    /// anything does.
    pub(crate) fn capsule_offset(&self, function: u32, offset: usize) -> Option<usize> {
        let (stretch, into) = self.places.stretch(offset)?;
        let offset = stretch.source + into.min(stretch.len.saturating_sub(1));
        self.body(function)?.contains(&offset).then_some(offset)
    }

    fn body(&self, function: u32) -> Option<&Range<usize>> {
        let defined = function.checked_sub(self.functions_imported)?;
        self.bodies.get(defined as usize)
    }
}

/// Where the bytes of a rewritten module came from.
pub(super) struct Places {
    code: usize,
    copied: Vec<Stretch>,
}

impl Places {
    pub(super) fn of(module: &[u8], copied: Vec<Stretch>) -> Self {
        Self {
            // A module without code has no stretches.
            code: code_offset(module).unwrap_or(0),
            copied,
        }
    }

    /// The place in the capsule, if the byte is the capsule's.
    pub(super) fn exact(&self, offset: usize) -> Option<usize> {
        let (stretch, into) = self.stretch(offset)?;
        (into < stretch.len).then_some(stretch.source + into)
    }

    /// The last stretch that begins there or before, and how far into it or beyond it the place is.
    fn stretch(&self, offset: usize) -> Option<(Stretch, usize)> {
        let offset = offset.checked_sub(self.code)?;
        let behind = self.copied.partition_point(|stretch| stretch.at <= offset);
        let stretch = *self.copied.get(behind.checked_sub(1)?)?;
        Some((stretch, offset - stretch.at))
    }
}

fn code_offset(module: &[u8]) -> Option<usize> {
    Parser::new(0)
        .parse_all(module)
        .find_map(|payload| match payload {
            Ok(Payload::CodeSectionStart { range, .. }) => Some(range.start),
            _ => None,
        })
}
