//! What is kept of a host call where somebody looks on.
//!
//! Enters: a call that is over. Leaves: its numbers, and the beginning of what its pointers led to.
//! Refuses: nothing. Where nobody looks on, nothing is done.

use super::{Call, Exit};
use crate::observation::{HostCall, SEEN_BYTES_MAX, Seen};
use crate::validation::TextEncoding;

/// A call's numbers, by name.
pub(in crate::execution) type Arguments = Vec<(&'static str, f64)>;

/// What a host function gives.
pub(in crate::execution) trait Answer {
    /// As a number, if it gives one.
    fn number(&self) -> Option<f64>;
}

impl Answer for () {
    fn number(&self) -> Option<f64> {
        None
    }
}

impl Answer for i32 {
    fn number(&self) -> Option<f64> {
        Some((*self).into())
    }
}

impl Answer for i64 {
    /// The one function that gives it is the clock, which is below 2^53.
    fn number(&self) -> Option<f64> {
        Some(*self as f64)
    }
}

impl Answer for f64 {
    fn number(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Call<'_> {
    /// Tells whoever looks on of this call, which began with so much fuel.
    pub(in crate::execution) fn record<R: Answer>(
        &mut self,
        before: i64,
        arguments: impl FnOnce() -> Arguments,
        answer: &Result<R, Exit>,
    ) {
        let Some(mut recorder) = self.host.recorder.take() else {
            return;
        };
        let (start, end) = (recorder.used(before), recorder.used(self.fuel));
        let call = HostCall {
            function: self.function,
            caller: recorder.caller(),
            fuel_before: start,
            fuel: end.saturating_sub(start),
            arguments: arguments(),
            memory: self.memory_seen(),
            answer: answer.as_ref().ok().and_then(Answer::number),
            result: self
                .gave_result
                .then(|| seen(self.host.result.as_bytes(), false)),
            ended_run: answer.is_err(),
        };
        recorder.called(call, before, self.fuel);
        self.host.recorder = Some(recorder);
    }

    /// A range is within the memory, or the call would not have had it.
    fn memory_seen(&self) -> Vec<Seen> {
        let wide = self.host.encoding == TextEncoding::Utf16;
        let ranges = self.ranges.iter();
        let parts = ranges.filter_map(|range| self.memory.get(range.clone()));
        parts.map(|part| seen(part, wide)).collect()
    }
}

/// The beginning of some bytes: as text where they are text, code units of 16 bits if it may be those, else as hex.
fn seen(bytes: &[u8], wide: bool) -> Seen {
    let first = &bytes[..bytes.len().min(SEEN_BYTES_MAX)];
    let text = match wide {
        true => utf16(first).or_else(|| utf8(first)),
        false => utf8(first),
    };
    let hex = || first.iter().map(|byte| format!("{byte:02x}")).collect();
    Seen {
        bytes: bytes.len(),
        begins: text.unwrap_or_else(hex),
    }
}

/// Cut bytes may end within a character.
fn utf8(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    is_plain(text).then(|| text.to_owned())
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    let text: String = char::decode_utf16(units).collect::<Result<_, _>>().ok()?;
    // Two letters of one byte each are a character of Chinese; nearly all text has something below that.
    let likely = text.is_ascii() || text.chars().any(|c| c.is_ascii());
    (rest.is_empty() && likely && is_plain(&text)).then_some(text)
}

fn is_plain(text: &str) -> bool {
    let may = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(may)
}
