//! What a witness answers.
//!
//! Enters: signature lines, or the foreign bytes of an answer. Leaves: the other.
//! Refuses: other spellings, more than a note could take.

use crate::lines::decimal;
use crate::note::{NoteError, SignatureLine, plain_text, read_signatures, write_signatures};

/// The body of an answer with status 200: each line with its newline.
pub fn write_cosignatures(lines: &[SignatureLine]) -> Vec<u8> {
    write_signatures(lines).into_bytes()
}

/// Reads the body of an answer with status 200. Nothing is verified:
/// [`SignedCheckpoint::add_signatures`](crate::checkpoint::SignedCheckpoint::add_signatures) does that.
///
/// # Errors
/// [`NoteError`]: 1 to 64 lines, 64 KiB at most.
pub fn read_cosignatures(body: &[u8]) -> Result<Vec<SignatureLine>, NoteError> {
    read_signatures(plain_text(body)?)
}

/// Reads the body of an answer with status 409 and the type [`LATEST_SIZE_TYPE`](super::LATEST_SIZE_TYPE): the latest
/// size that the witness cosigned. `None` if it is anything else.
pub fn read_latest_size(body: &[u8]) -> Option<u64> {
    let digits = body.strip_suffix(b"\n")?;
    decimal(std::str::from_utf8(digits).ok()?)
}
