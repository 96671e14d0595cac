//! The memory limit, and the peak that a claim names.
//!
//! Enters: what the engine is about to grow. Leaves: whether it may. A growth beyond the capsule's limit gives the
//! capsule -1; one that the limit allows and the system refuses ends the run, because a re-run need not meet it.

use wasmtime::ResourceLimiter;

use super::host::{Exit, Host};
use crate::limits::PAGE_BYTES;

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let pages = desired as u64 / PAGE_BYTES;
        let declared = maximum.is_none_or(|maximum| desired <= maximum);
        if !declared || pages > self.limits.memory_pages.into() {
            return Ok(false);
        }
        // Within the limit, which is a u32.
        self.memory_pages_peak = self.memory_pages_peak.max(pages as u32);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(Exit::MemoryRefused.into())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Tables have their initial size for good: the instruction to grow one is not among the features.
        Ok(true)
    }
}
