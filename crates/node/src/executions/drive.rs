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
use tokio::time::sleep;

use super::answer::Answer;
use super::live::Live;
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

impl Executions {
    /// To the kept answer. Who waits would wait for ever for what has panicked.
    pub(super) async fn drive(self: Arc<Self>, begun: Begun, order: Order, ext: Ext) {
        let own = Arc::clone(&self);
        let (live, share) = (Arc::clone(&begun.live), Arc::clone(&begun.share));
        let driven = tokio::spawn(async move {
            let place = own.place(&live, &share).await;
            let (answer, place) = match place {
                Some(place) => own.run(&live, order, ext, place).await,
                None => (Answer::cancelled(), None),
            };
            own.keep(&live, &share, answer, place).await;
        });
        if let Err(error) = driven.await {
            let answer = Answer::failed(&ApiError::internal(error));
            self.keep(&begun.live, &begun.share, answer, None).await;
        }
    }

    /// Keeps an answer once there is space for it. Its place is given back only then: there are no more answers outside of the bound
    /// than there are places.
    async fn keep(
        &self,
        live: &Arc<Live>,
        share: &Arc<Share>,
        answer: Answer,
        place: Option<Both>,
    ) {
        let space = self.kept.space(share, answer.bytes()).await;
        drop(place);
        self.kept.end(live, answer.line(), space);
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

    async fn run(
        self: &Arc<Self>,
        live: &Arc<Live>,
        order: Order,
        ext: Ext,
        place: Both,
    ) -> (Answer, Option<Both>) {
        live.started();
        let (now, log) = match promised(&order) {
            Ok(promised) => promised,
            Err(error) => return (Answer::failed(&error), None),
        };
        let Order {
            request,
            audience,
            secret,
            sink,
            room,
        } = order;
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
            Ok((came, place)) => {
                let answer = Answer::of(came, sink.as_deref(), &self.figures).await;
                (answer, Some(place))
            }
            Err(error) => (Answer::failed(&ApiError::internal(error)), None),
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
