//! `doctor`: whether everything is ready, line by line, and what to do where it is not.
//!
//! Enters: the system as it is. Leaves: a line for each part. Refuses: nothing; it works where nothing else does, makes
//! no key and changes no file.

mod parts;

use serde_json::{Value, json};

use crate::error::{Exit, Failure};
use crate::output::Reply;

/// How one part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Ready,
    /// Not there, and made when it is needed.
    NotYet,
    /// Something is in the way.
    NotReady,
}

/// One line.
#[derive(Clone, Debug)]
struct Part {
    name: &'static str,
    state: State,
    told: String,
    remedy: String,
}

impl Part {
    fn ready(name: &'static str, told: impl Into<String>) -> Self {
        Self::new(name, State::Ready, told, "")
    }

    fn new(
        name: &'static str,
        state: State,
        told: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            state,
            told: told.into(),
            remedy: remedy.into(),
        }
    }

    fn refused(name: &'static str, failure: impl Into<Failure>) -> Self {
        let failure = failure.into();
        Self::new(name, State::NotReady, failure.message, failure.hint)
    }

    const fn state(&self) -> &'static str {
        match self.state {
            State::Ready => "ready",
            State::NotYet => "not yet",
            State::NotReady => "NOT READY",
        }
    }

    fn line(&self) -> String {
        let line = format!("{:<12} {:<10} {}\n", self.name, self.state(), self.told);
        if self.remedy.is_empty() {
            return line;
        }
        format!("{line}{:<23} remedy: {}\n", "", self.remedy)
    }

    fn member(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state().to_lowercase().replace(' ', "_"),
            "told": self.told,
            "remedy": self.remedy,
        })
    }
}

/// Looks at every part.
pub(crate) fn doctor() -> Reply {
    let parts = parts::all();
    let lines: String = parts.iter().map(Part::line).collect();
    let members: Vec<Value> = parts.iter().map(Part::member).collect();
    let broken = parts
        .iter()
        .filter(|part| part.state == State::NotReady)
        .count();
    let failure = (broken > 0).then(|| Failure {
        exit: Exit::Other,
        code: "not_ready",
        message: format!(
            "{broken} of {} parts {} not ready",
            parts.len(),
            if broken == 1 { "is" } else { "are" }
        ),
        hint: "do what stands at `remedy`".to_owned(),
        about: None,
    });
    Reply::new(lines, json!({"parts": members})).failing(failure)
}
