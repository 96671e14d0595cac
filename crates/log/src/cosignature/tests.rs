//! Cosignatures: a fixed vector, lines that do not count, merging.

use proptest::prelude::*;
use tenzik_receipt::KeyUse;

use super::*;
use crate::fixtures::{
    checkpoint, cosigned, log_key, log_secret, name, signed, time, witness_key, witness_name,
    witness_secret, witnessed,
};

const COSIGNATURE: &str = "\u{2014} w0.example DSJlEQAAAABkGFDLbkYfVkQLMhxEWE3Gtc+yTDLE+b2xxhcCPHJpVREyqD1gE/3mkJr3xF3g8lhFbWm9gYTUX7tEPhC7kOiCQcwGCg==";
const TIME: u64 = 1_679_315_147;

/// Bytes of a cosignature, whatever the time.
fn signed_at(seconds: u64) -> SignatureLine {
    let text = format!("cosignature/v1\ntime {seconds}\n{}", checkpoint(3));
    let signature = witness_secret(0).sign_cosignature(&text).expect("its use");
    let bytes = [seconds.to_be_bytes().as_slice(), signature.as_bytes()].concat();
    SignatureLine::new(witness_name(0), witness_key(0).id(), bytes)
}

#[test]
fn a_cosignature_is_this_line() {
    let line = cosigned(&checkpoint(3), 0, TIME);
    assert_eq!(line.to_string(), COSIGNATURE);
    assert_eq!(line, signed_at(TIME));
    let line = COSIGNATURE.parse().expect("a line");
    assert_eq!(
        verify(&line, &witness_key(0), &checkpoint(3)),
        Ok(time(TIME))
    );
}

#[test]
fn a_cosignature_is_of_one_checkpoint_and_one_time() {
    let key = witness_key(0);
    let refused = Err(CosignatureError::Signature { id: key.id() });
    let line = cosigned(&checkpoint(3), 0, TIME);
    assert_eq!(verify(&line, &key, &checkpoint(4)), refused);
    let mut bytes = line.signature().to_vec();
    for at in [0, 7, 8, 71] {
        // The first change makes the time too large to be said.
        bytes[at] ^= 1;
        let changed = SignatureLine::new(witness_name(0), key.id(), bytes.clone());
        let read = verify(&changed, &key, &checkpoint(3));
        assert!(read.is_err(), "{at}");
        assert_eq!(read == refused, at != 0);
        bytes[at] ^= 1;
    }
    for size in [1, 8, 64, 71, 73] {
        bytes.resize(size, 0);
        let cut = SignatureLine::new(witness_name(0), key.id(), bytes.clone());
        let read = verify(&cut, &key, &checkpoint(3));
        assert_eq!(read, Err(CosignatureError::Size { bytes: size }));
    }
}

#[test]
fn times_that_cannot_be_said_are_refused() {
    let last = Timestamp::MAX.unix_seconds();
    let key = witness_key(0);
    assert_eq!(
        verify(&signed_at(last), &key, &checkpoint(3)),
        Ok(Timestamp::MAX)
    );
    for seconds in [last + 1, i64::MAX as u64, 1 << 63, u64::MAX] {
        let read = verify(&signed_at(seconds), &key, &checkpoint(3));
        assert_eq!(read, Err(CosignatureError::Time { seconds }));
    }
}

#[test]
fn a_logs_key_is_no_cosigner() {
    let own = signed(3).note().signatures()[0].clone();
    let read = verify(&own, &log_key(), &checkpoint(3));
    let got = SignatureType::Ed25519;
    assert_eq!(read, Err(CosignatureError::KeyType { got }));
    // The log's key under the type of a witness: its signature over the text says no time.
    let key = VerifierKey::new(
        log_key().name().clone(),
        SignatureType::Cosignature,
        log_secret().public(),
    )
    .expect("a key");
    assert!(
        signed(3)
            .cosignatures(std::slice::from_ref(&key))
            .expect("none")
            .is_empty()
    );
    let moved = SignatureLine::new(key.name().clone(), key.id(), own.signature().to_vec());
    let read = verify(&moved, &key, &checkpoint(3));
    assert_eq!(read, Err(CosignatureError::Size { bytes: 64 }));
    let refused = cosign(&checkpoint(3), &log_secret(), log_key().name(), time(5));
    let (got, wanted) = (KeyUse::Checkpoint, KeyUse::Witness);
    assert_eq!(refused, Err(SignError::Use { got, wanted }));
}

#[test]
fn a_line_of_another_key_is_told_apart() {
    let line = cosigned(&checkpoint(3), 0, TIME);
    let read = verify(&line, &witness_key(1), &checkpoint(3));
    let (got, wanted) = (witness_key(0).id(), witness_key(1).id());
    assert_eq!(read, Err(CosignatureError::Key { got, wanted }));
    let renamed = SignatureLine::new(name("w9.example"), got, line.signature().to_vec());
    assert!(verify(&renamed, &witness_key(0), &checkpoint(3)).is_err());
}

#[test]
fn known_witnesses_are_found_and_others_passed_over() {
    let signed = witnessed(3, &[(0, 50), (1, 60), (2, 70)]);
    let found = signed.cosignatures(&[witness_key(2), witness_key(5), witness_key(0)]);
    assert_eq!(found, Ok(vec![(0, time(70)), (2, time(50))]));
    assert_eq!(signed.cosignatures(&[]), Ok(Vec::new()));
}

#[test]
fn a_known_witness_whose_line_fails_refuses_the_whole() {
    let mut signed = witnessed(3, &[(0, 50)]);
    let elsewhere = cosigned(&checkpoint(4), 1, 60);
    let id = witness_key(1).id();
    let refused = CosignatureError::Signature { id };
    let before = signed.clone();
    let keys = [witness_key(0), witness_key(1)];
    let lines = [cosigned(&checkpoint(3), 0, 90), elsewhere.clone()];
    assert_eq!(signed.add_signatures(&lines, &keys), Err(refused));
    assert_eq!(signed, before);
    let mut all = signed.note().signatures().to_vec();
    all.push(elsewhere);
    signed.set_note(all).expect("a note");
    assert_eq!(signed.cosignatures(&keys), Err(refused));
    assert!(signed.cosignatures(&keys[..1]).is_ok());
}

#[test]
fn lines_are_taken_once_and_the_newest_stays() {
    let mut signed = signed(3);
    let keys = [witness_key(0), witness_key(1)];
    let line = |number, seconds| cosigned(&checkpoint(3), number, seconds);
    assert_eq!(
        signed.add_signatures(&[line(0, 5), line(2, 5)], &keys),
        Ok(1)
    );
    assert_eq!(
        signed.add_signatures(&[line(0, 5), line(0, 5)], &keys),
        Ok(0)
    );
    assert_eq!(signed.add_signatures(&[line(0, 4)], &keys), Ok(0));
    assert_eq!(
        signed.add_signatures(&[line(0, 6), line(0, 8), line(0, 7), line(1, 1)], &keys),
        Ok(2)
    );
    let found = signed.cosignatures(&keys);
    assert_eq!(found, Ok(vec![(0, time(8)), (1, time(1))]));
    assert_eq!(signed.note().signatures().len(), 3);
    let opened = SignedCheckpoint::open(&signed.to_bytes(), &log_key());
    assert_eq!(opened, Ok(signed));
}

#[test]
fn a_full_note_takes_no_more() {
    let mut signed = signed(3);
    for number in 0..63 {
        let line = cosigned(&checkpoint(3), number, 5);
        signed
            .add_signatures(&[line], &[witness_key(number)])
            .expect("room");
    }
    let before = signed.clone();
    let line = cosigned(&checkpoint(3), 63, 5);
    let refused = signed.add_signatures(&[line], &[witness_key(63)]);
    let signatures = 65;
    assert_eq!(
        refused,
        Err(CosignatureError::Note(NoteError::Signatures { signatures }))
    );
    assert_eq!(signed, before);
}

proptest! {
    #[test]
    fn every_time_is_signed_as_it_is(seconds in 0..=Timestamp::MAX.unix_seconds()) {
        let line = cosigned(&checkpoint(3), 0, seconds);
        prop_assert_eq!(verify(&line, &witness_key(0), &checkpoint(3)), Ok(time(seconds)));
        prop_assert_eq!(line.to_string().parse(), Ok(line));
    }
}
