//! What another node says of itself: which life of it this is, and what it can hold programs to.
//!
//! Enters: its answer. Leaves: its `boot`, and limits by profile and language. Refuses: a `boot` that could not stand in a URL.
//!
//! It is a word without a signature. Who changes it on its way has a run refused or its result thrown away, or the default on
//! processes left to the node, which has its own; of what was held the receipt tells, and that is signed.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use tenzik::backend::BackendError;
use tenzik::router::Limit;
use tenzik_receipt::{Label, Profile, from_hex};

use super::{ASK, NODE_BYTES_MAX, Remote};
use crate::federation::client::Asking;
use crate::text;

/// How long it may take to say who it is.
const DESCRIBE: Duration = Duration::from_secs(5);
/// For how long its word on limits holds, and that there was none: as long as a router takes a backend for ready, or not.
const HOLDS_FOR: Duration = Duration::from_secs(60);
const SILENT_FOR: Duration = Duration::from_secs(5);

/// Limits that are held, by profile and language.
type Held = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// What it last said of its limits, or that it did not, and when.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<Last>);

type Last = Option<(Instant, Option<Held>)>;

/// What it says.
#[derive(Debug, Deserialize)]
pub(super) struct Described {
    pub(super) boot: String,
    #[serde(default)]
    limits: Held,
}

impl Remote {
    /// Asks the node, and remembers its limits.
    pub(super) fn describe(&self) -> Result<Described, BackendError> {
        let described = self.ask_description();
        let limits = described.as_ref().ok().map(|told| told.limits.clone());
        self.known.remember(limits);
        described
    }

    fn ask_description(&self) -> Result<Described, BackendError> {
        let url = self.url("/v1/executions");
        let token = self.config.token.as_deref();
        let opened = self.client.open(Asking::Get, &url, token, DESCRIBE);
        let opened = opened.map_err(|error| BackendError::failed(ASK, error))?;
        let denied = |reason: String| Err(BackendError::denied(ASK, reason));
        let body = match opened.status {
            200 => {
                let mut body = Vec::new();
                let read = opened.body.take(NODE_BYTES_MAX).read_to_end(&mut body);
                read.map_err(|error| BackendError::failed(ASK, error))?;
                body
            }
            404 => return denied("it runs no programs".to_owned()),
            status @ (401 | 403) => {
                return denied(format!("the node answers with status {status}"));
            }
            status => return Err(BackendError::failed(ASK, format!("status {status}"))),
        };
        let described: Described =
            serde_json::from_slice(&body).map_err(|error| unknown(&error))?;
        // It stands in a URL.
        if from_hex(&described.boot).is_none() {
            return Err(unknown(&"no life of a node is written so"));
        }
        Ok(described)
    }

    /// The limits that it can hold; `None` if it does not say.
    pub(super) fn limits(&self, language: &Label, profile: Profile) -> Option<Vec<Limit>> {
        if !self.known.is_fresh() {
            // A node that is not there is found so by whoever asks it to run something.
            let _ = self.describe();
        }
        self.known.limits(language, profile)
    }
}

impl Known {
    fn remember(&self, held: Option<Held>) {
        *self.lock() = Some((Instant::now(), held));
    }

    fn is_fresh(&self) -> bool {
        let known = self.lock();
        known.as_ref().is_some_and(|(at, held)| {
            at.elapsed()
                < if held.is_some() {
                    HOLDS_FOR
                } else {
                    SILENT_FOR
                }
        })
    }

    fn limits(&self, language: &Label, profile: Profile) -> Option<Vec<Limit>> {
        let known = self.lock();
        let held = known.as_ref()?.1.as_ref()?;
        let names = held.get(profile.name())?.get(language.as_str())?;
        // A limit that is not known here is not asked for.
        let limits = names.iter().filter_map(|name| Limit::from_name(name));
        Some(limits.collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Last> {
        // It is whole between statements, whoever panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(error: &dyn Display) -> BackendError {
    let reason = format!("it does not say who it is: {error}");
    BackendError::denied(ASK, text::shown(&reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Label = Label::constant("shell");

    fn known(text: &str) -> Known {
        let described: Described = serde_json::from_str(text).expect("a description");
        let known = Known::default();
        known.remember(Some(described.limits));
        known
    }

    #[test]
    fn what_a_node_does_not_say_is_not_known() {
        let silent = known(r#"{"version":1,"boot":"00","profiles":["hardened"]}"#);
        assert_eq!(silent.limits(&SHELL, Profile::Hardened), None);
        let other = known(r#"{"boot":"00","limits":{"hardened":{"javascript":["pids"]}}}"#);
        assert_eq!(other.limits(&SHELL, Profile::Hardened), None);
        assert_eq!(Known::default().limits(&SHELL, Profile::Hardened), None);
        let known = Known::default();
        known.remember(None);
        assert!(known.is_fresh() && !Known::default().is_fresh());
        assert_eq!(known.limits(&SHELL, Profile::Hardened), None);
    }

    #[test]
    fn a_limit_of_a_later_node_is_passed_over() {
        let known = known(r#"{"boot":"00","limits":{"hardened":{"shell":["gpu_ms","wall_ms"]}}}"#);
        let limits = known.limits(&SHELL, Profile::Hardened);
        assert_eq!(limits, Some(vec![Limit::WallMs]));
        assert_eq!(known.limits(&SHELL, Profile::Standard), None);
    }
}
