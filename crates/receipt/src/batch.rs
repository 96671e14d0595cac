//! Batches: many receipts under one signature.
//!
//! Enters: unsigned receipts, one by one or in a list, and the key that signs them.
//! Leaves: [`PreparedReceipt`], which lacks nothing but the signature; signed receipts, each verifiable by itself.
//! Refuses: a receipt that may not be signed, alone, where it is prepared; an empty batch and one that is too large.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::canonical::Encode as _;
use crate::digest::Sha256;
use crate::key::{SecretKey, SignError};
use crate::merkle;
use crate::pae::{BATCH_PAYLOAD, RECEIPT_PAYLOAD, pae_head};
use crate::receipt::{
    BATCH_MAX, BatchRoot, BatchSignature, Nonce, Receipt, Signature, SignedReceipt,
};

/// A receipt that a key is going to sign with others: checked, written in its one form and hashed.
///
/// All that costs time is done here, by whoever has the receipt. What is left is a tree and one signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedReceipt {
    receipt: Box<Receipt>,
    payload: Vec<u8>,
    leaf: Sha256,
}

impl PreparedReceipt {
    /// The receipt's number, by which a batch may be ordered.
    pub const fn nonce(&self) -> &Nonce {
        &self.receipt.nonce
    }

    fn signed(self, signature: BatchSignature) -> SignedReceipt {
        SignedReceipt::new(self.receipt, self.payload, Signature::Batch(signature))
    }
}

/// The hash of the leaf that a receipt is in a batch, over the bytes that a single signature signs.
pub(crate) fn leaf(payload: &[u8]) -> Sha256 {
    merkle::leaf_hash_of(&pae_head(RECEIPT_PAYLOAD, payload.len()), payload)
}

impl SecretKey {
    /// Makes a receipt ready to be signed with others.
    ///
    /// # Errors
    /// As [`sign_receipt`](Self::sign_receipt) has them: what is prepared is signed.
    pub fn prepare(&self, receipt: Receipt) -> Result<PreparedReceipt, SignError> {
        let payload = self.payload(&receipt)?;
        let leaf = leaf(&payload);
        Ok(PreparedReceipt {
            receipt: Box::new(receipt),
            payload,
            leaf,
        })
    }

    /// Signs many receipts at once; each can be verified without the others.
    ///
    /// # Errors
    /// [`SignError`], and then none is signed: as for one receipt, or there is none or more than [`BATCH_MAX`].
    pub fn sign_batch(&self, receipts: Vec<Receipt>) -> Result<Vec<SignedReceipt>, SignError> {
        // Before the work, so that nobody makes us do it for nothing.
        batch_size(receipts.len())?;
        let prepared = receipts.into_iter().map(|receipt| self.prepare(receipt));
        self.sign_prepared(prepared.collect::<Result<_, _>>()?)
    }

    /// Signs prepared receipts at once, in this order.
    ///
    /// # Errors
    /// [`SignError`], and then none is signed: there is none, there are more than [`BATCH_MAX`], or another key has
    /// prepared one.
    pub fn sign_prepared(
        &self,
        receipts: Vec<PreparedReceipt>,
    ) -> Result<Vec<SignedReceipt>, SignError> {
        let size = batch_size(receipts.len())?;
        receipts
            .iter()
            .try_for_each(|prepared| self.require_own(prepared.receipt.node))?;
        let tree = merkle::Tree::new(receipts.iter().map(|prepared| prepared.leaf).collect());
        let root = BatchRoot {
            node: self.public(),
            root: tree.root(),
            size: size.into(),
        };
        let root_sig = self.sign(BATCH_PAYLOAD, &root.to_canonical());
        let signature = |index: u32| BatchSignature {
            index: index.into(),
            path: tree.path(index as usize),
            root_sig,
            size: size.into(),
        };
        let signed = receipts
            .into_iter()
            .zip(0..)
            .map(|(prepared, index)| prepared.signed(signature(index)));
        Ok(signed.collect())
    }
}

/// So many receipts as a batch's size.
fn batch_size(size: usize) -> Result<u32, SignError> {
    let fits = (1..=BATCH_MAX).contains(&size);
    let count = u32::try_from(size).ok().filter(|_| fits);
    count.ok_or(SignError::BatchSize { size })
}
