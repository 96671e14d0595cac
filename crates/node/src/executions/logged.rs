//! The receipt of a program on its way into the log.
//!
//! Enters: a receipt that promises the log. Leaves: its place there. Refuses: to go on where the log can take it no more, or not in
//! time for what it promises.
//!
//! The program has run, and is not run again: its receipt is all that there is of it. So a log that is busy, or cannot be read
//! for a while, is asked again, with pauses that grow, for as long as the promise can be kept. After that nobody may have the
//! receipt: it would prove that the node broke its word.

use std::time::Duration;

use tenzik_receipt::SignedReceipt;
use tokio::time::{Instant, sleep, timeout_at};

use crate::sink::{ReceiptSink, SinkError};

/// The first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The receipt's index in the log. `waits` is told of each refusal before a pause, and says whether to go on.
///
/// # Errors
/// The last [`SinkError`].
pub(super) async fn logged(
    sink: &dyn ReceiptSink,
    receipt: &SignedReceipt,
    until: Instant,
    waits: impl Fn() -> bool,
) -> Result<u64, SinkError> {
    let mut pause = PAUSE;
    loop {
        let error = match timeout_at(until, sink.accept(receipt)).await {
            Ok(Ok(placed)) => return Ok(placed.index),
            Ok(Err(error @ SinkError::Now { .. })) => error,
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                let why = "it does not answer in time for what the receipt promises".to_owned();
                return Err(SinkError::Ever { why });
            }
        };
        if Instant::now() + pause >= until || !waits() {
            return Err(error);
        }
        tracing::warn!(%error, "a receipt waits for the log");
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}
