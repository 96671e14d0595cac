//! An execution from the queue to the answer that is kept.
//!
//! Enters: an order that was let in. Leaves: its answer, to everybody who waits for it. Refuses: what nobody waits for any more, and
//! what has expired; neither runs.
//!
//! A crash before the answer is kept: the caller finds another boot, and knows that it does not know.

use std::sync::Arc;
use std::time::Duration;

use tenzik::control::Phase;
use tenzik::receipts::Circumstances;
use tenzik_receipt::{LogPromise, Timestamp};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep};

use super::answer::{self, Answer};
use super::live::Live;
use super::logged::logged;
use super::share::{Both, Share};
use super::{Executions, Ext, Order};
use crate::error::ApiError;
use crate::sink::ReceiptSink;
use crate::system;

/// How often it is looked whether anybody still waits.
const LOOK: Duration = Duration::from_millis(250);

/// An execution that was let in.
pub(super) struct Begun {
    pub(super) live: Arc<Live>,
    /// Given back before the share is.
    pub(super) _admitted: Both,
    pub(super) share: Arc<Share>,
}

/// An execution of which nothing runs any more.
struct Over {
    answer: Answer,
    /// Where its receipt goes before its caller gets it, and until when it may wait there.
    logs: Option<(Arc<dyn ReceiptSink>, Instant)>,
    place: Option<Both>,
}

impl Over {
    const fn without_receipt(answer: Answer) -> Self {
        Self {
            answer,
            logs: None,
            place: None,
        }
    }
}

impl Executions {
    /// To the kept answer. Who waits would wait for ever for what has panicked.
    pub(super) async fn drive(self: Arc<Self>, begun: Begun, order: Order, ext: Ext) {
        let own = Arc::clone(&self);
        let (live, share) = (Arc::clone(&begun.live), Arc::clone(&begun.share));
        let driven = tokio::spawn(async move {
            let over = match own.place(&live, &share).await {
                Some(place) => own.run(&live, order, ext, place).await,
                None => Over::without_receipt(Answer::cancelled()),
            };
            own.keep(&live, &share, over).await;
        });
        if let Err(error) = driven.await {
            let answer = Answer::failed(&answer::lost(error));
            let over = Over::without_receipt(answer);
            self.keep(&begun.live, &begun.share, over).await;
        }
    }

    /// Keeps an answer once there is space for it and its receipt is where it belongs. The place is given back when there is space:
    /// there are no more answers outside of the bound than places, and a log that does not work holds up no other program.
    async fn keep(&self, live: &Arc<Live>, share: &Arc<Share>, over: Over) {
        let Over {
            answer,
            logs,
            place,
        } = over;
        let space = self.kept.space(share, answer.bytes_max()).await;
        drop(place);
        let line = match (answer.receipt(), logs) {
            (Some(receipt), Some((sink, until))) => {
                let waits = || self.waits(live);
                match logged(&*sink, receipt, until, waits).await {
                    Ok(index) => answer.line_at(index),
                    Err(error) => answer.line_unlogged(&error),
                }
            }
            _ => answer.line(),
        };
        self.kept.end(live, line, space);
    }

    /// Whether a receipt goes on waiting for the log: not where the node ends.
    fn waits(&self, live: &Live) -> bool {
        live.logging();
        !(self.shares.node.places.is_closed() && live.control().is_cancelled())
    }

    /// Waits for a place; `None` if nobody wants it any more.
    async fn place(&self, live: &Live, share: &Share) -> Option<Both> {
        let waiting = self.shares.place(share);
        tokio::pin!(waiting);
        loop {
            tokio::select! {
                place = &mut waiting => {
                    self.look(live);
                    return place.filter(|_| !live.control().is_cancelled());
                }
                () = sleep(LOOK) => self.look(live),
            }
            // Who waits for the caller's other executions is not told by them that the node gives no more places.
            if live.control().is_cancelled() || self.shares.node.places.is_closed() {
                return None;
            }
        }
    }

    async fn run(self: &Arc<Self>, live: &Arc<Live>, order: Order, ext: Ext, place: Both) -> Over {
        live.started();
        let (now, log) = match promised(&order) {
            Ok(promised) => promised,
            Err(error) => return Over::without_receipt(Answer::failed(&error)),
        };
        let Order {
            request,
            audience,
            secret,
            sink,
            room,
        } = order;
        let logs = sink.zip(log.as_ref().map(|log| until(now, log)));
        let circumstances = Circumstances {
            audience: Some(audience),
            secret,
            log,
            ext,
            ..Circumstances::at(now)
        };
        let (own, control) = (Arc::clone(self), live.control().clone());
        let running = tokio::task::spawn_blocking(move || {
            let came = own
                .router
                .execute_controlled(&request, circumstances, &control);
            control.enter(Phase::Over);
            // Code is given back when nothing of it runs any more.
            drop((request, room));
            (came, place)
        });
        match self.over(live, running).await {
            Ok((came, place)) => Over {
                answer: Answer::of(came, &self.figures),
                logs,
                place: Some(place),
            },
            Err(error) => Over::without_receipt(Answer::failed(&answer::lost(error))),
        }
    }

    /// Waits for the end, and sees to it that somebody else does.
    async fn over<T>(&self, live: &Live, mut running: JoinHandle<T>) -> Result<T, JoinError> {
        loop {
            tokio::select! {
                came = &mut running => return came,
                () = sleep(LOOK) => self.look(live),
            }
        }
    }

    fn look(&self, live: &Live) {
        let patience = Duration::from_millis(self.config.abandoned_ms.into());
        if live.is_abandoned(patience) {
            live.control().cancel();
        }
    }
}

/// Now, and what the receipt will promise; an error if nothing is to run.
fn promised(order: &Order) -> Result<(Timestamp, Option<LogPromise>), ApiError> {
    let now = system::now().map_err(ApiError::internal)?;
    // It waited for too long: its receipt would be worth nothing, and its effects are wanted no more.
    if order.audience.expires_at <= now {
        return Err(ApiError::expired());
    }
    let promise = |sink: &Arc<dyn ReceiptSink>| sink.promise(now);
    let promise = order.sink.as_ref().map(promise).transpose();
    promise.map(|log| (now, log)).map_err(ApiError::unavailable)
}

/// When a receipt that is not in the log has broken its promise.
fn until(now: Timestamp, log: &LogPromise) -> Instant {
    let left = log
        .merge_by
        .unix_seconds()
        .saturating_sub(now.unix_seconds());
    // A day is the most that is promised.
    Instant::now() + Duration::from_secs(left.min(86_400))
}
