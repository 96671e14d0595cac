//! Programs that are run for other nodes, each at most once.
//!
//! Enters: an [`Order`] under a [`Key`] that its caller chose. Leaves: [`Live`], which tells how far it is and, in the end, what came
//! of it, as often as it is asked. Refuses: more than may wait, a second order under the same key.
//!
//! A program may have effects, so a request that comes again, because its answer was lost, must not run again. A key is known
//! until its request has expired, and one that has expired is not taken. What a node knew is gone when it ends: its
//! [`boot`](Executions::boot) says which life of it a caller spoke to.
//!
//! An answer is kept for callers that lost theirs, within a bound of bytes, the oldest going first. An execution that nobody waits
//! for any more is cancelled after a while.

mod answer;
mod figures;
mod live;
mod share;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tenzik::backend::Backend;
use tenzik::control::Phase;
use tenzik::receipts::Circumstances;
use tenzik::router::{AlreadyRegistered, ExecuteRequest, Router, RouterConfig};
use tenzik_receipt::{Audience, Blake3, Label, RunSecret, Timestamp, Value, to_hex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::config::ExecutionsConfig;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::runner::Runner;
use crate::server::Room;
use crate::sink::ReceiptSink;
use crate::system::{self, SystemError};

use answer::Answer;
use figures::Figures;
use share::{Both, Shares};
use table::{Found, Table};

pub(crate) use answer::End;
pub(crate) use live::{Attached, Live, State};
pub(crate) use share::Share;
pub(crate) use table::Key;

/// How often it is looked whether anybody still waits.
const LOOK: Duration = Duration::from_millis(250);

/// The extension of a receipt that names the execution: `{"id":…,"request":…}`. A claim has no entrypoint and of the environment the
/// names alone; the digest of the whole request has all of it. Of a private run it tells nothing: the secret is in the request.
pub(crate) const EXECUTION: Label = Label::constant("execution");

type Ext = BTreeMap<Label, Value>;

/// What the extension says.
pub(crate) fn named(id: &[u8; 32], body: Blake3) -> Value {
    let text = |text: String| Label::new(text).map_or(Value::Null, Value::Text);
    Value::Object(BTreeMap::from([
        (Label::constant("id"), text(to_hex(id))),
        (Label::constant("request"), text(body.to_string())),
    ]))
}

/// Why a node runs no programs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionsError {
    /// The configuration names backends, and none was given.
    #[error("no backend was given for [executions]")]
    NoBackend,
    /// Two backends of one name.
    #[error(transparent)]
    Registered(#[from] AlreadyRegistered),
    /// Chance.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// What is to run, and what its receipt says around it.
pub(crate) struct Order {
    pub(crate) request: ExecuteRequest,
    pub(crate) audience: Audience,
    pub(crate) secret: Option<RunSecret>,
    /// Where the receipt goes before its caller gets it.
    pub(crate) sink: Option<Arc<dyn ReceiptSink>>,
    /// The room of its body, as long as the code is held.
    pub(crate) room: Room,
}

/// That an execution runs or waits, and whose.
struct Admitted {
    // Given back before the share is.
    _both: Both,
    share: Arc<Share>,
}

/// The programs that run here, and those that ran.
pub struct Executions {
    router: Router,
    config: ExecutionsConfig,
    boot: String,
    table: Table,
    shares: Shares,
    figures: Figures,
}

impl Executions {
    /// A router over these backends that signs as the node does.
    ///
    /// # Errors
    /// [`ExecutionsError`].
    pub fn new(
        config: ExecutionsConfig,
        backends: Vec<Arc<dyn Backend>>,
        runner: &Runner,
        metrics: &Metrics,
    ) -> Result<Self, ExecutionsError> {
        let unsafe_host = config.unsafe_host;
        let router = Router::new(runner.pipeline(), RouterConfig { unsafe_host });
        if backends.is_empty() {
            return Err(ExecutionsError::NoBackend);
        }
        for backend in backends {
            router.register(backend)?;
        }
        Ok(Self {
            router,
            boot: to_hex(&*system::random::<16>()?),
            table: Table::new(config.kept_bytes_max),
            shares: Shares::new(&config),
            figures: Figures::registered(metrics),
            config,
        })
    }

    /// Which life of the node this is: 32 hex digits.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    pub(crate) const fn config(&self) -> &ExecutionsConfig {
        &self.config
    }

    /// What a caller may have under way. It is kept as long as something of it is.
    pub(crate) fn share(&self, caller: &Arc<str>) -> Arc<Share> {
        self.shares.of(caller)
    }

    /// Room for a body of the caller's.
    pub(crate) fn room(&self, share: &Share) -> Room {
        self.shares.room(share)
    }

    /// What is free for bodies, in KiB.
    pub(crate) fn bodies(&self) -> &Semaphore {
        &self.shares.node.bodies
    }

    /// Runs an order, unless there is one under the key. `body` is the digest of the whole request.
    ///
    /// # Errors
    /// [`ApiError`] 409 if another request has the key, 410 if its answer is no longer kept, 429 if the caller has its share, 503 if
    /// there is no room.
    pub(crate) fn begin(
        self: &Arc<Self>,
        key: Key,
        body: Blake3,
        now: Timestamp,
        order: Order,
    ) -> Result<Attached, ApiError> {
        let share = self.share(&key.caller);
        let admit = || match self.shares.node.places.is_closed() {
            true => Err(ApiError::busy()),
            false => self.shares.admit(&share),
        };
        let forget_at = order.audience.expires_at;
        match self.table.enter(&key, body, forget_at, now, admit)? {
            Found::Known(live) => live.attach(),
            Found::New(live, admitted) => {
                let attached = live.attach();
                let ext = BTreeMap::from([(EXECUTION, named(&key.id, body))]);
                let admitted = Admitted {
                    share,
                    _both: admitted,
                };
                let driven = Arc::clone(self).drive(Arc::clone(&live), order, ext, admitted);
                let own = Arc::clone(self);
                tokio::spawn(async move {
                    // Who waits would wait for ever for what has panicked.
                    if let Err(error) = tokio::spawn(driven).await {
                        let answer = Answer::failed(&ApiError::internal(error));
                        own.table.end(&live, answer.line());
                    }
                });
                attached
            }
        }
    }

    /// One that was begun, if it is known.
    pub(crate) fn find(&self, key: &Key) -> Option<Arc<Live>> {
        self.table.get(key)
    }

    /// Cancels one that was begun. One that was not never begins: its request may be on its way still.
    ///
    /// # Errors
    /// [`ApiError`] 429 if the caller has cancelled too many that never came, 503 if there is no room.
    pub(crate) fn cancel(&self, key: &Key, now: Timestamp) -> Result<Arc<Live>, ApiError> {
        // A request that was made until now has expired by then.
        let forget_at = self.config.expires_max(now);
        let line = Answer::cancelled().line();
        self.table.cancel(key, forget_at, now, line)
    }

    /// Takes nothing more, and lets nothing begin that waits.
    pub(crate) fn stop(&self) {
        self.shares.node.places.close();
    }

    /// Cancels everything.
    pub(crate) fn cancel_all(&self) {
        self.table.cancel_all();
    }

    /// Cancels everything, and waits until nothing runs.
    pub(crate) async fn close(&self) {
        self.stop();
        self.cancel_all();
        let all = self.config.at_once.get() + self.config.waiting_max;
        // It is never closed.
        let _ = self.shares.node.admitted.acquire_many(all).await;
    }

    /// From the queue to the kept answer. A crash before the answer is kept: the caller finds another boot, and knows that it does
    /// not know.
    async fn drive(self: Arc<Self>, live: Arc<Live>, order: Order, ext: Ext, admitted: Admitted) {
        let answer = match self.place(&live, &admitted.share).await {
            Some(place) => {
                live.started();
                self.run(&live, order, ext, place).await
            }
            None => Answer::cancelled(),
        };
        self.table.end(&live, answer.line());
        drop(admitted);
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
                () = tokio::time::sleep(LOOK) => self.look(live),
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
    ) -> Answer {
        let Order {
            request,
            audience,
            secret,
            sink,
            room,
        } = order;
        let promised = system::now().map_err(ApiError::internal).and_then(|now| {
            let promise = sink.as_ref().map(|sink| sink.promise(now)).transpose();
            promise.map_err(ApiError::unavailable).map(|log| (now, log))
        });
        let (now, log) = match promised {
            Ok(promised) => promised,
            Err(error) => return Answer::failed(&error),
        };
        // It waited for too long: its receipt would be worth nothing, and its effects are wanted no more.
        if audience.expires_at <= now {
            return Answer::failed(&ApiError::expired());
        }
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
            // Code and place are given back when nothing of it runs any more.
            drop((request, room, place));
            came
        });
        match self.over(live, running).await {
            Ok(came) => Answer::of(came, sink.as_deref(), &self.figures).await,
            Err(error) => Answer::failed(&ApiError::internal(error)),
        }
    }

    /// Waits for the end, and sees to it that somebody else does.
    async fn over<T>(
        &self,
        live: &Live,
        mut running: JoinHandle<T>,
    ) -> Result<T, tokio::task::JoinError> {
        loop {
            tokio::select! {
                came = &mut running => return came,
                () = tokio::time::sleep(LOOK) => self.look(live),
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
