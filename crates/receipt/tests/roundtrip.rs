//! What is written is read again, as the same value and the same bytes, and is RFC 8785 by another's hand.

mod common;

use common::{node, sign, strategies};
use proptest::prelude::*;
use tenzik_receipt::{Decode, Encode, Receipt, SecretKey, SignedReceipt, TrustFile, Value, verify};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn by_another_hand(bytes: &[u8]) -> Vec<u8> {
    let json: serde_json::Value = serde_json::from_slice(bytes).expect("JSON");
    serde_json_canonicalizer::to_vec(&json).expect("canonical JSON")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_signed_receipt_reads_back_as_it_was(receipt in strategies::receipt()) {
        let signed = sign(receipt.clone());
        let bytes = signed.to_bytes();
        let read = SignedReceipt::from_bytes(&bytes).expect("what was written is read");
        prop_assert_eq!(read.receipt(), &receipt);
        prop_assert_eq!(&read, &signed);
        prop_assert_eq!(read.to_bytes(), bytes);
        prop_assert_eq!(read.payload(), receipt.to_canonical());
        prop_assert_eq!(Receipt::from_canonical(read.payload()), Ok(receipt));
    }

    #[test]
    fn batch_receipts_read_back_as_they_were(receipts in prop::collection::vec(strategies::receipt(), 1..5)) {
        let ids: Vec<_> = receipts.iter().map(|receipt| sign(receipt.clone()).id()).collect();
        let batch = node().sign_batch(receipts).expect("a batch");
        for (signed, id) in batch.iter().zip(ids) {
            let bytes = signed.to_bytes();
            let read = SignedReceipt::from_bytes(&bytes).expect("what was written is read");
            prop_assert_eq!(&read, signed);
            prop_assert_eq!(by_another_hand(&bytes), bytes);
            prop_assert_eq!(signed.id(), id, "signing in a batch keeps the id");
        }
    }

    #[test]
    fn the_encoding_is_rfc_8785(receipt in strategies::receipt()) {
        let signed = sign(receipt);
        prop_assert_eq!(by_another_hand(&signed.to_bytes()), signed.to_bytes());
        prop_assert_eq!(by_another_hand(signed.payload()), signed.payload());
    }

    #[test]
    fn extension_values_read_back(value in strategies::value()) {
        let bytes = value.to_canonical();
        prop_assert_eq!(by_another_hand(&bytes), bytes.clone());
        prop_assert_eq!(Value::from_canonical(&bytes), Ok(value));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(SignedReceipt::from_bytes(&bytes).is_err());
        prop_assert!(SecretKey::from_file(&bytes).is_err());
        prop_assert!(TrustFile::from_bytes(&bytes).is_err());
        let report = verify(&bytes, &common::trust_both(), common::at(common::NOW), &Default::default());
        prop_assert_eq!(report.checks().len(), 1);
        prop_assert!(report.unverified().is_none());
        let _ = Value::from_canonical(&bytes);
    }

    #[test]
    fn a_receipt_with_any_part_replaced_never_panics_and_stays_canonical_if_it_reads(
        receipt in strategies::receipt(),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
        patch in "[\\[\\]{}\",:0-9a-f]{0,12}",
    ) {
        let bytes = sign(receipt).to_bytes();
        let (one, other) = (cut.0.index(bytes.len()), cut.1.index(bytes.len()));
        let (from, to) = (one.min(other), one.max(other));
        let changed = [&bytes[..from], patch.as_bytes(), &bytes[to..]].concat();
        if let Ok(read) = SignedReceipt::from_bytes(&changed) {
            prop_assert_eq!(read.to_bytes(), changed.clone());
            prop_assert_eq!(by_another_hand(&changed), changed);
        }
    }
}
