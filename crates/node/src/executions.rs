//! Programs that are run for other nodes, each at most once.
//!
//! Enters: an [`Order`] under a [`Key`] that its caller chose. Leaves: [`Live`], which tells how far it is and, in the end, what came
//! of it, as often as it is asked. Refuses: more than may wait, a second order under the same key.
//!
//! A program may have effects, so a request that comes again, because its answer was lost, must not run again. A key is known
//! until its request has expired, and one that has expired is not taken. What a node knew is gone when it ends: its
//! [`boot`](Executions::boot) says which life of it a caller spoke to.
//!
//! An answer is held within a bound of bytes, for callers that read it and for those that lost theirs. An execution that nobody waits
//! for any more is cancelled after a while.

mod answer;
mod drive;
mod figures;
mod held;
mod kept;
mod live;
mod logged;
mod share;
mod table;

use std::collections::BTreeMap;
use std::sync::Arc;

use tenzik::backend::Backend;
use tenzik::router::{AlreadyRegistered, ExecuteRequest, Router, RouterConfig};
use tenzik_receipt::{Audience, Blake3, Label, RunSecret, Timestamp, Value, to_hex};
use tokio::sync::Semaphore;

use crate::config::ExecutionsConfig;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::runner::Runner;
use crate::server::Room;
use crate::sink::ReceiptSink;
use crate::system::{self, SystemError};

use answer::Answer;
use drive::Begun;
use figures::Figures;
use kept::Kept;
use share::Shares;
use table::{Found, Table};

pub(crate) use answer::End;
pub(crate) use held::LimitsHeld;
pub(crate) use live::{Attached, Live, State};
pub(crate) use share::Share;
pub(crate) use table::Key;

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

/// The programs that run here, and those that ran.
pub struct Executions {
    router: Router,
    config: ExecutionsConfig,
    boot: String,
    table: Table,
    kept: Kept,
    shares: Shares,
    figures: Figures,
    held: held::Held,
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
        let figures = Figures::registered(metrics);
        Ok(Self {
            router,
            boot: to_hex(&*system::random::<16>()?),
            table: Table::default(),
            kept: Kept::new(&config, figures.kept.clone()),
            shares: Shares::new(&config),
            figures,
            held: held::Held::default(),
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

    /// The limits that programs can be held to, as far as that is known now.
    pub(crate) async fn limits_held(self: &Arc<Self>) -> LimitsHeld {
        let asked = Arc::clone(self);
        self.held
            .told(move || held::ask(&asked.router, &asked.config.profiles))
            .await
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
                let begun = Begun {
                    live,
                    share,
                    _admitted: admitted,
                };
                tokio::spawn(Arc::clone(self).drive(begun, order, ext));
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
}
