//! Ed25519 at its edges: keys that anyone can sign for, and second forms of one signature, are refused.
//!
//! Each case is made here from curve arithmetic, so that it is known to be one that a lax verifier takes
//! or that some library has taken.

mod common;

use common::{at, receipt, requester, trust_both, trusted, verify_now, wasm, with_signature};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use ed25519_dalek::{Verifier as _, VerifyingKey};
use sha2::{Digest as _, Sha512};
use tenzik_receipt::{
    CheckName, Claim, Encode, Expectations, Outcome, PublicKey, RECEIPT_PAYLOAD, RawSignature,
    Receipt, RequestSignature, RequestStatement, SignedReceipt, Trust, TrustError, Verdict, pae,
    verify,
};

/// The order of the base point, least byte first.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn scalar(number: u64) -> Scalar {
    Scalar::from(number) * Scalar::from(0x9e37_79b9_7f4a_7c15_u64)
}

fn challenge(nonce: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(nonce)
        .chain_update(key)
        .chain_update(message);
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}

fn signature(nonce: [u8; 32], answer: [u8; 32]) -> RawSignature {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&nonce);
    bytes[32..].copy_from_slice(&answer);
    RawSignature::from_bytes(bytes)
}

fn named(key: [u8; 32]) -> (Receipt, Vec<u8>) {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.node = PublicKey::from_bytes(key);
    let message = pae(RECEIPT_PAYLOAD, &receipt.to_canonical());
    (receipt, message)
}

fn lax(key: [u8; 32], message: &[u8], signature: &RawSignature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    VerifyingKey::from_bytes(&key).is_ok_and(|key| key.verify(message, &signature).is_ok())
}

fn checked(receipt: &Receipt, signature: &RawSignature, trust: &Trust) -> Outcome {
    let bytes = with_signature(receipt, &format!("\"{signature}\""));
    let report = verify(&bytes, trust, at(common::NOW), &Expectations::default());
    assert!(
        SignedReceipt::from_bytes(&bytes).is_ok(),
        "the form is right"
    );
    common::outcome(&report, CheckName::Signature)
}

#[test]
fn a_key_of_small_order_is_neither_trusted_nor_believed() {
    for point in EIGHT_TORSION {
        let key = point.compress().to_bytes();
        let listed = Trust::in_receipts_of(PublicKey::from_bytes(key));
        assert!(matches!(listed, Err(TrustError::Key { .. })));
        let (receipt, message) = named(key);
        // Without any secret: some nonce makes the key's part of the equation vanish.
        let forged = (1..200).find_map(|number| {
            let answer = scalar(number);
            let nonce = (answer * ED25519_BASEPOINT_POINT).compress().to_bytes();
            let forged = signature(nonce, answer.to_bytes());
            lax(key, &message, &forged).then_some(forged)
        });
        let forged = forged.expect("one in eight holds");
        assert_eq!(checked(&receipt, &forged, &trust_both()), Outcome::Failed);
    }
}

#[test]
fn second_encodings_of_small_points_are_no_keys_either() {
    let mut one_plus_p = [0xff; 32];
    (one_plus_p[0], one_plus_p[31]) = (0xee, 0x7f);
    let mut p = one_plus_p;
    p[0] = 0xed;
    let mut minus_zero = [0; 32];
    (minus_zero[0], minus_zero[31]) = (1, 0x80);
    for key in [one_plus_p, p, minus_zero] {
        let listed = Trust::in_receipts_of(PublicKey::from_bytes(key));
        assert!(matches!(listed, Err(TrustError::Key { .. })), "{key:02x?}");
    }
    let no_point = (2..=255).map(|low| {
        let mut key = [0; 32];
        key[0] = low;
        key
    });
    let no_point = no_point
        .into_iter()
        .find(|key| VerifyingKey::from_bytes(key).is_err());
    let (receipt, _) = named(no_point.expect("half of all bytes are no point"));
    let any = signature([1; 32], [0; 32]);
    assert_eq!(checked(&receipt, &any, &trust_both()), Outcome::Failed);
}

/// A key whose secret scalar is known, which a fixed seed's hash would hide.
fn own() -> (Scalar, [u8; 32]) {
    let secret = scalar(77);
    (
        secret,
        (secret * ED25519_BASEPOINT_POINT).compress().to_bytes(),
    )
}

#[test]
fn a_nonce_of_small_order_is_refused_in_each_of_its_encodings() {
    let (secret, key) = own();
    let trust = Trust::in_receipts_of(PublicKey::from_bytes(key)).expect("a key");
    let (receipt, message) = named(key);
    let signed = |nonce: [u8; 32]| {
        let answer = challenge(&nonce, &key, &message) * secret;
        signature(nonce, answer.to_bytes())
    };
    let plain = signed(EdwardsPoint::identity().compress().to_bytes());
    assert!(lax(key, &message, &plain), "a lax verifier takes it");
    assert_eq!(checked(&receipt, &plain, &trust), Outcome::Failed);
    let mut one_plus_p = [0xff; 32];
    (one_plus_p[0], one_plus_p[31]) = (0xee, 0x7f);
    let mut minus_zero = [0; 32];
    (minus_zero[0], minus_zero[31]) = (1, 0x80);
    for nonce in [one_plus_p, minus_zero] {
        assert_eq!(checked(&receipt, &signed(nonce), &trust), Outcome::Failed);
    }
}

#[test]
fn the_answer_has_one_form() {
    let signed = common::signed();
    let tenzik_receipt::Signature::Single(good) = *signed.signature() else {
        panic!("it was signed alone");
    };
    let (nonce, answer) = good.as_bytes().split_at(32);
    let nonce: [u8; 32] = nonce.try_into().expect("32 bytes");
    let mut larger = [0; 32];
    let mut carry = 0;
    for (index, sum) in larger.iter_mut().enumerate() {
        let total = u16::from(answer[index]) + u16::from(ORDER[index]) + carry;
        *sum = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(
        checked(signed.receipt(), &good, &trust_both()),
        Outcome::Passed
    );
    let second = signature(nonce, larger);
    assert_eq!(
        checked(signed.receipt(), &second, &trust_both()),
        Outcome::Failed
    );
    let (zero, order) = (signature(nonce, [0; 32]), signature(nonce, ORDER));
    assert_eq!(
        checked(signed.receipt(), &zero, &trust_both()),
        Outcome::Failed
    );
    assert_eq!(
        checked(signed.receipt(), &order, &trust_both()),
        Outcome::Failed
    );
}

/// Verifiers that multiply by the cofactor take all of these; ours takes those that hold without.
#[test]
fn a_key_with_a_small_part_is_held_to_the_equation_without_cofactor() {
    let secret = scalar(99);
    let key = (secret * ED25519_BASEPOINT_POINT + EIGHT_TORSION[1])
        .compress()
        .to_bytes();
    let trust = Trust::in_receipts_of(PublicKey::from_bytes(key)).expect("it is not weak");
    let (receipt, message) = named(key);
    let (mut held, mut refused) = (0, 0);
    for number in 1..60 {
        let (nonce, point) = (scalar(number), scalar(number) * ED25519_BASEPOINT_POINT);
        let nonce_bytes = point.compress().to_bytes();
        let factor = challenge(&nonce_bytes, &key, &message);
        let signed = signature(nonce_bytes, (nonce + factor * secret).to_bytes());
        let divisible = factor.to_bytes()[0].is_multiple_of(8);
        let expected = if divisible {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        assert_eq!(checked(&receipt, &signed, &trust), expected);
        if divisible { held += 1 } else { refused += 1 }
    }
    assert!(
        held > 0 && refused > 0,
        "{held} held, {refused} were refused"
    );
}

#[test]
fn the_requesters_signature_is_held_as_strictly() {
    let weak = EIGHT_TORSION[0].compress().to_bytes();
    let mut receipt = receipt(Claim::Wasm(wasm()));
    let nonce = (scalar(5) * ED25519_BASEPOINT_POINT).compress().to_bytes();
    let forged = signature(nonce, scalar(5).to_bytes());
    let statement = RequestStatement::of(&receipt).to_canonical();
    let message = pae(tenzik_receipt::REQUEST_PAYLOAD, &statement);
    assert!(lax(weak, &message, &forged), "a lax verifier takes it");
    receipt.request = Some(RequestSignature {
        requester: PublicKey::from_bytes(weak),
        signature: forged,
    });
    let report = verify_now(&common::sign(receipt).to_bytes(), &Expectations::default());
    assert_eq!(
        common::outcome(&report, CheckName::Request),
        Outcome::Failed
    );
    assert_eq!(report.verdict(), Verdict::Failed);
}

#[test]
fn a_trusted_key_is_unpacked_to_the_key_that_is_listed() {
    let file = common::trust_file(vec![trusted(&common::node()), trusted(&requester())]);
    assert!(file.accept(at(common::NOW), 0).is_ok());
    assert_eq!(
        verify_now(&common::signed().to_bytes(), &Expectations::default()).verdict(),
        Verdict::Passed
    );
}
