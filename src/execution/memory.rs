//! The memory limit, as wasmtime asks for it.
//!
//! Enters: what the engine is about to grow. Leaves: whether it may. A growth beyond the capsule's limit gives the
//! capsule -1; one that the limit allows and the system refuses ends the run, because a re-run need not meet it.

use wasmtime::ResourceLimiter;

use super::host::Exit;
use super::native::State;
use crate::limits::PAGE_BYTES;

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let pages = desired as u64 / PAGE_BYTES;
        let declared = maximum.is_none_or(|maximum| desired <= maximum);
        Ok(declared && pages <= self.host.limits.memory_pages.into())
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::execution::host::Host;
    use crate::execution::traps;
    use crate::limits::Limits;
    use crate::outcome::{AbortCode, Ending, Request};
    use crate::validation::TextEncoding;

    /// The engine asks what to do where the system gives no memory that the limit allows. The capsule must not see a -1.
    #[test]
    fn a_growth_that_the_system_refuses_is_an_aborted_run() {
        let request = Request::bytes(&b""[..]);
        let (limits, now) = (Limits::DEFAULT, Instant::now());
        let host = Host::new(&request, None, TextEncoding::Utf8, limits, now);
        let answer =
            State::new(host).memory_grow_failed(wasmtime::Error::msg("the system has no memory"));
        let error = answer.expect_err("the run goes on");
        assert_eq!(
            traps::ending_unmetered(&error, &[]),
            Ending::Aborted(AbortCode::MemoryRefused)
        );
    }
}
