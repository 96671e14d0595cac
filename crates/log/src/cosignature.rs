//! Cosignatures: a witness's word that it saw a checkpoint, and when (c2sp.org/tlog-cosignature, Ed25519).
//!
//! Enters: checkpoints, signature lines, keys. Leaves: signature lines, times.
//! Refuses: keys of another type, times after the year 9999, which no receipt could name. It never asks what time it is:
//! whether a time is in the future is for the caller to say.

#[cfg(test)]
mod tests;

use tenzik_receipt::{RawSignature, SecretKey, SignError, Timestamp};

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::note::{KeyId, KeyName, NoteError, SignatureLine, SignatureType, VerifierKey};

/// The time of 8 bytes and the signature of 64.
const COSIGNATURE_BYTES: usize = 72;

/// Why a line is no cosignature of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignatureError {
    /// The line is another key's.
    #[error("the line is of key {got}, not of {wanted}")]
    Key {
        /// The id of the line's key.
        got: KeyId,
        /// The id of the key that was given.
        wanted: KeyId,
    },
    /// The key is not for cosignatures.
    #[error("the key is of type {got}, a witness signs with one of type cosignature")]
    KeyType {
        /// The key's type.
        got: SignatureType,
    },
    /// The checkpoint would have too many signatures or bytes.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The signature does not verify.
    #[error("the cosignature of key {id} does not verify")]
    Signature {
        /// The key.
        id: KeyId,
    },
    /// Not a time and a signature.
    #[error("{bytes} bytes, a cosignature has {COSIGNATURE_BYTES}")]
    Size {
        /// How many there are.
        bytes: usize,
    },
    /// The time is later than any that a [`Timestamp`] can say; the specification would allow 2^63 - 1.
    #[error("a cosignature's time is after the year 9999: {seconds} seconds")]
    Time {
        /// Seconds since 1970.
        seconds: u64,
    },
}

/// What is signed: two lines and the checkpoint.
fn message(checkpoint: &Checkpoint, time: Timestamp) -> String {
    format!("cosignature/v1\ntime {}\n{checkpoint}", time.unix_seconds())
}

/// Cosigns a checkpoint as the witness of this name.
///
/// The caller has decided that the witness may, with [`witness::decide`](crate::witness::decide), and has made it durable.
///
/// # Errors
/// [`SignError::Use`] if this is no witness key.
pub fn cosign(
    checkpoint: &Checkpoint,
    key: &SecretKey,
    name: &KeyName,
    time: Timestamp,
) -> Result<SignatureLine, SignError> {
    let signature = key.sign_cosignature(&message(checkpoint, time))?;
    let id = KeyId::of(name, SignatureType::Cosignature, key.public());
    let mut bytes = time.unix_seconds().to_be_bytes().to_vec();
    bytes.extend_from_slice(signature.as_bytes());
    Ok(SignatureLine::new(name.clone(), id, bytes))
}

/// When the key's owner cosigned the checkpoint.
///
/// # Errors
/// [`CosignatureError`].
pub fn verify(
    line: &SignatureLine,
    key: &VerifierKey,
    checkpoint: &Checkpoint,
) -> Result<Timestamp, CosignatureError> {
    if key.signature_type() != SignatureType::Cosignature {
        let got = key.signature_type();
        return Err(CosignatureError::KeyType { got });
    }
    let id = key.id();
    if line.id() != id || line.name() != key.name() {
        let got = line.id();
        return Err(CosignatureError::Key { got, wanted: id });
    }
    let (time, signature) = parts(line.signature())?;
    if key
        .public()
        .verifies(message(checkpoint, time).as_bytes(), &signature)
    {
        return Ok(time);
    }
    Err(CosignatureError::Signature { id })
}

fn parts(bytes: &[u8]) -> Result<(Timestamp, RawSignature), CosignatureError> {
    let refused = CosignatureError::Size { bytes: bytes.len() };
    let (time, signature) = bytes.split_first_chunk().ok_or(refused)?;
    let signature = signature.try_into().map_err(|_| refused)?;
    let seconds = u64::from_be_bytes(*time);
    let time =
        Timestamp::from_unix_seconds(seconds).map_err(|_| CosignatureError::Time { seconds })?;
    Ok((time, RawSignature::from_bytes(signature)))
}

impl SignedCheckpoint {
    /// Which of these witnesses cosigned, by their place in `witnesses`, and when. Of several times of one witness, the
    /// newest. Lines of other keys are passed over.
    ///
    /// # Errors
    /// [`CosignatureError`] if a line of one of these keys does not verify: then the whole note is not to be relied on.
    pub fn cosignatures(
        &self,
        witnesses: &[VerifierKey],
    ) -> Result<Vec<(usize, Timestamp)>, CosignatureError> {
        let mut found = Vec::new();
        for (index, key) in witnesses.iter().enumerate() {
            let newest = self.newest(self.note().signatures_of(key), key)?;
            found.extend(newest.map(|(time, _)| (index, time)));
        }
        Ok(found)
    }

    /// Takes over the cosignatures that a witness answered with. Lines of keys that are not among `witnesses` are passed
    /// over; of one key, the newest line stays. How many lines are new.
    ///
    /// # Errors
    /// [`CosignatureError`] if a line of one of these keys does not verify, and then nothing is taken.
    pub fn add_signatures(
        &mut self,
        lines: &[SignatureLine],
        witnesses: &[VerifierKey],
    ) -> Result<usize, CosignatureError> {
        let mut signatures = self.note().signatures().to_vec();
        let mut added = 0;
        for key in witnesses {
            let own = |line: &&SignatureLine| line.id() == key.id() && line.name() == key.name();
            let had = self.newest(self.note().signatures().iter().filter(own), key)?;
            let comes = self.newest(lines.iter().filter(own), key)?;
            if let Some((_, line)) = comes.filter(|comes| had.is_none_or(|had| comes.0 > had.0)) {
                signatures.retain(|line| !own(&line));
                signatures.push(line.clone());
                added += 1;
            }
        }
        self.set_note(signatures)?;
        Ok(added)
    }

    /// The newest of a key's lines, all of which must verify.
    fn newest<'a>(
        &self,
        lines: impl Iterator<Item = &'a SignatureLine>,
        key: &VerifierKey,
    ) -> Result<Option<(Timestamp, &'a SignatureLine)>, CosignatureError> {
        let mut newest: Option<(Timestamp, &SignatureLine)> = None;
        for line in lines {
            let time = verify(line, key, self.checkpoint())?;
            if newest.is_none_or(|(other, _)| time > other) {
                newest = Some((time, line));
            }
        }
        Ok(newest)
    }
}
