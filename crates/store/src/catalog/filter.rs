//! Which rows of the catalog are wanted.
//!
//! Enters: conditions, all of which must hold. Leaves: SQL with parameters. Refuses: numbers that no database has.

use tenzik_receipt::{Blake3, PublicKey, RequestId, Timestamp};

use crate::sql::{SqlError, Value};

/// The most rows of one answer.
pub const SELECT_MAX: usize = 1_000;

/// Which rows are wanted; a condition that is `None` lets all through. With `after` set to the last row of one answer, the
/// next begins behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this log.
    pub origin: Option<String>,
    /// `attested`, `refused` or `wasm`.
    pub kind: Option<String>,
    /// With this status.
    pub status: Option<String>,
    /// Of this code.
    pub capsule: Option<Blake3>,
    /// Signed by this key.
    pub node: Option<PublicKey>,
    /// Issued at this time or later.
    pub since: Option<Timestamp>,
    /// Issued before this time.
    pub until: Option<Timestamp>,
    /// Of this request.
    pub request: Option<RequestId>,
    /// Behind this log and index.
    pub after: Option<(String, u64)>,
    /// At most so many rows, and at most [`SELECT_MAX`]; 0 gives none.
    pub limit: usize,
}

impl Filter {
    /// `WHERE`, `ORDER BY` and `LIMIT`, with their parameters.
    pub(super) fn sql(&self) -> Result<(String, Vec<Value>), SqlError> {
        let mut conditions: Vec<String> = Vec::new();
        let mut parameters: Vec<Value> = Vec::new();
        for (condition, value) in self.equalities()? {
            if let Some(value) = value {
                parameters.push(value);
                conditions.push(format!("{condition} ${}", parameters.len()));
            }
        }
        if let Some((origin, index)) = &self.after {
            parameters.extend([Value::text(origin.as_str()), Value::integer(*index)?]);
            let last = parameters.len();
            conditions.push(format!("(origin, place) > (${}, ${last})", last - 1));
        }
        let conditions = match conditions.as_slice() {
            [] => String::new(),
            conditions => format!("WHERE {} ", conditions.join(" AND ")),
        };
        parameters.push(Value::integer(self.limit.min(SELECT_MAX) as u64)?);
        let last = parameters.len();
        let sql = format!("{conditions}ORDER BY origin, place LIMIT ${last}");
        Ok((sql, parameters))
    }

    fn equalities(&self) -> Result<[(&'static str, Option<Value>); 8], SqlError> {
        let text = |text: &Option<String>| text.as_deref().map(Value::text);
        let time = |time: Option<Timestamp>| {
            let seconds = time.map(Timestamp::unix_seconds);
            seconds.map(Value::integer).transpose()
        };
        Ok([
            ("origin =", text(&self.origin)),
            ("kind =", text(&self.kind)),
            ("status =", text(&self.status)),
            (
                "capsule =",
                self.capsule.map(|it| Value::bytes(*it.as_bytes())),
            ),
            ("node =", self.node.map(|it| Value::bytes(*it.as_bytes()))),
            ("issued_at >=", time(self.since)?),
            ("issued_at <", time(self.until)?),
            (
                "request =",
                self.request.map(|it| Value::bytes(*it.as_bytes())),
            ),
        ])
    }
}
