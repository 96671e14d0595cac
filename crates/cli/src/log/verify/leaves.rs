//! The receipts of a log, each by itself.
//!
//! Enters: entries, and whose receipts the log is for. Leaves: how many are good, and which are not. Refuses: nothing;
//! what is no receipt is counted as such.

use serde_json::{Value, json};
use tenzik_log::{LeafError, LeafRules};
use tenzik_receipt::{Outcome, SignedReceipt, Timestamp, Verifier};

use super::Line;
use crate::error::Failure;
use crate::{system, text};

/// How many bad leaves are named; all are counted.
const NAMED_MAX: usize = 20;

/// What was found so far.
pub(super) struct Leaves {
    rules: Option<LeafRules>,
    at: Timestamp,
    verifier: Verifier,
    good: u64,
    bad: u64,
    unsure: u64,
    named: Vec<(u64, String)>,
}

impl Leaves {
    /// Nothing yet. Without rules only the form is looked at.
    pub(super) fn new(rules: Option<LeafRules>) -> Result<Self, Failure> {
        Ok(Self {
            rules,
            at: system::now()?,
            verifier: Verifier::default(),
            good: 0,
            bad: 0,
            unsure: 0,
            named: Vec::new(),
        })
    }

    /// Looks at entries, the first of which is at `start`.
    pub(super) fn judge(&mut self, start: u64, entries: &[Vec<u8>]) {
        for (index, entry) in (start..).zip(entries) {
            let read = match &self.rules {
                None => SignedReceipt::from_bytes(entry)
                    .map(drop)
                    .map_err(LeafError::from),
                Some(rules) => rules.read(entry, self.at, &mut self.verifier).map(drop),
            };
            match read {
                Ok(()) => self.good += 1,
                Err(error) => self.refuse(index, entry, &error),
            }
        }
    }

    fn refuse(&mut self, index: u64, entry: &[u8], error: &LeafError) {
        // What another reader may understand, and a clock that is behind, accuse nobody. Whose receipts the log is for was
        // said by whoever asks.
        match error.accuses(entry) || matches!(error, LeafError::Node { .. }) {
            true => self.bad += 1,
            false => self.unsure += 1,
        }
        if self.named.len() < NAMED_MAX {
            self.named
                .push((index, text::shown(&error.to_string(), 300)));
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let all = self.good + self.bad + self.unsure;
        let counts = format!("{} of {all} good", self.good);
        let outcome = match (self.bad, self.unsure) {
            (0, 0) => Outcome::Passed,
            (0, _) => Outcome::Unknown,
            _ => Outcome::Failed,
        };
        let mut lines = Vec::new();
        match &self.rules {
            Some(_) => lines.push(Line::new(
                "receipts",
                outcome,
                format!("{counts}, signatures included"),
            )),
            None => {
                lines.push(Line::new(
                    "receipts",
                    outcome,
                    format!("{counts}, by their form"),
                ));
                let note = "say whose receipts the log is for with --node";
                lines.push(Line::new("signatures", Outcome::NotChecked, note));
            }
        }
        let note = "nothing was run again; `tenzik audit` does that with one receipt";
        lines.push(Line::new("claims", Outcome::NotChecked, note));
        lines
    }

    /// Those that are not good, for people.
    pub(super) fn bad_lines(&self) -> String {
        let lines = self.named.iter();
        let mut lines: String = lines
            .map(|(index, why)| format!("entry {index}: {why}\n"))
            .collect();
        let more = (self.bad + self.unsure).saturating_sub(self.named.len() as u64);
        if more > 0 {
            lines += &format!("and {more} more\n");
        }
        lines
    }

    /// Those that are not good, for programs.
    pub(super) fn bad_members(&self) -> Vec<Value> {
        let named = self.named.iter();
        named
            .map(|(index, why)| json!({"index": index, "why": why}))
            .collect()
    }
}
