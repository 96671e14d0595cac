//! The end of writing after a failure.
//!
//! Enters: the writing calls of a storage. Leaves: their answers. Refuses: each call after one that failed, since then nobody knows
//! what the disk holds, unless the call says that it did not begin. A sync that failed is never tried again: the system may call that one a success.

use std::sync::atomic::{AtomicBool, Ordering};

use tenzik_log::StorageError;

/// What all writing calls of one storage go through.
pub(crate) struct Gate {
    /// The storage's name.
    name: String,
    closed: AtomicBool,
}

impl Gate {
    pub(crate) const fn new(name: String) -> Self {
        Self {
            name,
            closed: AtomicBool::new(false),
        }
    }

    /// Does a writing call, unless one has failed before.
    pub(crate) fn pass<T>(
        &self,
        write: impl FnOnce() -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StorageError::Io {
                doing: format!("writing to {}", self.name),
                error: "a write failed before; the storage must be opened anew".into(),
            });
        }
        let done = write();
        match done {
            Ok(_) | Err(StorageError::Unready { .. }) => {}
            Err(_) => self.closed.store(true, Ordering::SeqCst),
        }
        done
    }
}
