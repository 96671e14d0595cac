//! The two things that nobody can predict: the time and random bytes.
//!
//! Enters: nothing. Leaves: the system's clock and its randomness. Refuses: clocks before 1970 or beyond what a receipt can tell.

use std::time::{SystemTime, UNIX_EPOCH};

use tenzik_receipt::{Int, Timestamp};
use zeroize::Zeroizing;

/// What the system did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemError {
    /// A usable time.
    #[error("the system's clock is before 1970 or far beyond")]
    Clock,
    /// Random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// The time, to the second.
pub(crate) fn now() -> Result<Timestamp, SystemError> {
    let seconds = now_ms()?.get() / 1_000;
    Timestamp::from_unix_seconds(seconds).map_err(|_| SystemError::Clock)
}

/// The time in milliseconds since 1970.
pub(crate) fn now_ms() -> Result<Int, SystemError> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|_| SystemError::Clock)?;
    u64::try_from(since.as_millis())
        .ok()
        .and_then(|ms| Int::new(ms).ok())
        .ok_or(SystemError::Clock)
}

/// Random bytes that are erased when dropped.
pub(crate) fn random<const LEN: usize>() -> Result<Zeroizing<[u8; LEN]>, SystemError> {
    let mut bytes = Zeroizing::new([0; LEN]);
    getrandom::fill(bytes.as_mut_slice()).map_err(SystemError::Random)?;
    Ok(bytes)
}
