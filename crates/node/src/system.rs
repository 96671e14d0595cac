//! What only the system knows: the time, random bytes, how many files may be open.
//!
//! Enters: nothing. Leaves: the system's clock, its randomness, its limit. Refuses: clocks before 1970 or beyond what a receipt can tell.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit, setrlimit};
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

/// Lets the process have as many files open as the system allows it, and says how many that is; `None` if there is no limit.
/// Most systems begin with 1,024, which is less than the connections that a node takes.
pub(crate) fn raise_open_files() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    match setrlimit(Resource::Nofile, limit) {
        Ok(()) => limit.maximum,
        Err(_) => before,
    }
}

/// Random bytes that are erased when dropped.
pub(crate) fn random<const LEN: usize>() -> Result<Zeroizing<[u8; LEN]>, SystemError> {
    let mut bytes = Zeroizing::new([0; LEN]);
    getrandom::fill(bytes.as_mut_slice()).map_err(SystemError::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let raised = raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, raised);
        assert_eq!(limit.current, limit.maximum);
    }
}
