//! A receipt as a row of the catalog.
//!
//! Enters: a receipt with its log and index, or a row of the table. Leaves: the other. Refuses: a row that no receipt gives.

use tenzik_receipt::{Blake3, ClaimId, PublicKey, ReceiptId, RequestId, SignedReceipt, Timestamp};

use crate::sql::{Row, SqlError, Value};

/// In the order in which they are written and read.
pub(super) const COLUMNS: &str = "origin, place, receipt, request, claim, node, capsule, kind, status, issued_at, private, replayable";

/// A receipt's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogRow {
    /// The log.
    pub origin: String,
    /// The receipt's index in it.
    pub index: u64,
    /// Which receipt it is.
    pub receipt: ReceiptId,
    /// What was asked.
    pub request: RequestId,
    /// What came of it.
    pub claim: ClaimId,
    /// Who says so.
    pub node: PublicKey,
    /// The code: a capsule's bytes or a tree.
    pub capsule: Blake3,
    /// `attested`, `refused` or `wasm`.
    pub kind: String,
    /// The status's name; a refusal's is `refused`.
    pub status: String,
    /// When the node says that it signed.
    pub issued_at: Timestamp,
    /// Whether its figures are keyed commitments.
    pub private: bool,
    /// Whether anyone who holds capsule and input can run it again.
    pub replayable: bool,
}

impl CatalogRow {
    /// The row of a receipt.
    pub fn of(origin: &str, index: u64, receipt: &SignedReceipt) -> Self {
        let (body, claim) = (receipt.receipt(), receipt.claim());
        Self {
            origin: origin.to_owned(),
            index,
            receipt: receipt.id(),
            request: claim.request_id(),
            claim: claim.id(),
            node: body.node,
            capsule: claim.code(),
            kind: claim.kind().to_owned(),
            status: claim.status().to_owned(),
            issued_at: body.issued_at,
            private: claim.is_private(),
            replayable: claim.is_replayable(),
        }
    }

    pub(super) fn values(&self) -> Result<Vec<Value>, SqlError> {
        Ok(vec![
            Value::text(self.origin.as_str()),
            Value::integer(self.index)?,
            Value::bytes(*self.receipt.as_bytes()),
            Value::bytes(*self.request.as_bytes()),
            Value::bytes(*self.claim.as_bytes()),
            Value::bytes(*self.node.as_bytes()),
            Value::bytes(*self.capsule.as_bytes()),
            Value::text(self.kind.as_str()),
            Value::text(self.status.as_str()),
            Value::integer(self.issued_at.unix_seconds())?,
            Value::Integer(i64::from(self.private)),
            Value::Integer(i64::from(self.replayable)),
        ])
    }

    pub(super) fn read(mut row: Row) -> Result<Self, SqlError> {
        let issued_at = row.integer(9)?;
        Ok(Self {
            origin: row.text(0)?,
            index: row.integer(1)?,
            receipt: ReceiptId::from_bytes(row.array(2)?),
            request: RequestId::from_bytes(row.array(3)?),
            claim: ClaimId::from_bytes(row.array(4)?),
            node: PublicKey::from_bytes(row.array(5)?),
            capsule: Blake3::from_bytes(row.array(6)?),
            kind: row.text(7)?,
            status: row.text(8)?,
            issued_at: Timestamp::from_unix_seconds(issued_at).map_err(|error| {
                SqlError::Unexpected {
                    what: format!("{issued_at} as a time: {error}"),
                }
            })?,
            private: row.integer(10)? != 0,
            replayable: row.integer(11)? != 0,
        })
    }
}
