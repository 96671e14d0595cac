//! Receipts to hand in: one of the published vectors, with another number each.

use serde_json::Value;
use tenzik_log::checkpoint::Origin;
use tenzik_receipt::{
    Decode as _, Int, KeyUse, LogPromise, PublicKey, Receipt, SecretKey, SignedReceipt, Timestamp,
};

/// A node that only signs.
pub struct Receipts {
    node: SecretKey,
    first: Receipt,
}

impl Receipts {
    /// Receipts that promise this log.
    pub fn of(origin: &str) -> Self {
        Self::signed_by(0x11, Some(origin))
    }

    /// Receipts of the key that is made of this byte, with a promise or without one.
    pub fn signed_by(seed: u8, origin: Option<&str>) -> Self {
        let vectors = include_str!("../../../receipt/tests/vectors/receipts.json");
        let vectors: Value = serde_json::from_str(vectors).expect("JSON");
        let payload = vectors["receipts"][0]["payload"].as_str().expect("a text");
        let mut first = Receipt::from_canonical(payload.as_bytes()).expect("a receipt");
        let node = SecretKey::from_seed(&[seed; 32], KeyUse::Receipt, Timestamp::EPOCH);
        first.node = node.public();
        // Whenever the test runs, it is not from the future.
        first.issued_at = "2025-01-01T00:00:00Z".parse().expect("a time");
        first.log = origin.map(|origin| LogPromise {
            merge_by: "2025-01-01T00:01:00Z".parse().expect("a time"),
            origin: Origin::new(origin).expect("an origin").label(),
        });
        Self { node, first }
    }

    /// The key that signs them.
    pub fn key(&self) -> PublicKey {
        self.node.public()
    }

    /// The receipt of this number.
    pub fn signed(&self, number: u64) -> SignedReceipt {
        let mut receipt = self.first.clone();
        receipt.nonce.seq = Int::new(number).expect("less than 2^53");
        self.node.sign_receipt(receipt).expect("the node's own")
    }

    /// The same receipt under another signature: that of a batch.
    pub fn signed_anew(&self, number: u64) -> SignedReceipt {
        let both = [number, number + 1].map(|number| self.signed(number).receipt().clone());
        let batch = self.node.sign_batch(both.into());
        batch.expect("the node's own").swap_remove(0)
    }

    /// Its canonical bytes.
    pub fn bytes(&self, number: u64) -> Vec<u8> {
        self.signed(number).to_bytes()
    }
}
