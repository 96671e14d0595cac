//! The only two things that a run is given which nobody can predict: the time and random bytes.
//!
//! Enters: nothing. Leaves: the system's clock and the system's randomness. Refuses: clocks before 1970, and systems
//! that have no randomness.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use tenzik_receipt::{Int, Timestamp};
use zeroize::Zeroizing;

use crate::error::{Exit, Explain};

/// What the system did not give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SystemError {
    /// A usable time.
    #[error("the system's clock is before 1970 or far beyond")]
    Clock,
    /// Random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

impl Explain for SystemError {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Random(_) => "random",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Clock => "set the system's clock".into(),
            Self::Random(_) => "run it where the system's random source can be reached".into(),
        }
    }
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
