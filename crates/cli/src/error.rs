//! Errors as the command line tells them: what happened, why, what to do, and the exit code that says so.
//!
//! Enters: each stage's own error, by [`Explain`]. Leaves: a [`Failure`], which `main` prints once.
//! Refuses: nothing. Texts that came from elsewhere are escaped before they get here.

use std::borrow::Cow;
use std::fmt;

/// The exit codes. Scripts rely on them; see `docs/cli.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It worked.
    Ok = 0,
    /// Anything that has no code of its own.
    Other = 1,
    /// The command line, a configuration or an input cannot be taken as it stands.
    Usage = 2,
    /// A verification failed, or a replay found another claim.
    Failed = 3,
    /// It cannot be told from what is here.
    CannotTell = 4,
    /// Policy or a missing grant.
    Denied = 5,
    /// The module is no capsule.
    InvalidCapsule = 6,
    /// The capsule failed, trapped or gave no valid output.
    CapsuleFailed = 7,
    /// A limit was hit.
    LimitHit = 8,
    /// Something named is not there.
    NotFound = 9,
}

/// What a stage's error has to say beside its message.
pub(crate) trait Explain: fmt::Display {
    /// The exit code.
    fn exit(&self) -> Exit;
    /// A stable name for scripts.
    fn code(&self) -> &'static str;
    /// What the reader can do about it.
    fn hint(&self) -> Cow<'static, str>;
}

/// An error on its way to the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// A stable name for scripts.
    pub(crate) code: &'static str,
    /// What happened, and why.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
    /// What it is about.
    pub(crate) about: Option<Box<About>>,
}

/// The run that an error is about, so that a report of it can be told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    /// The capsule's digest.
    pub(crate) capsule: String,
    /// The input's digest.
    pub(crate) input: String,
    /// Whether the run hides its input: then the digest is for the caller's own stderr alone.
    pub(crate) private: bool,
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            exit: error.exit(),
            code: error.code(),
            message: error.to_string(),
            hint: error.hint().into_owned(),
            about: None,
        }
    }
}

impl Failure {
    /// A failure that is about no run.
    pub(crate) fn new(
        exit: Exit,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            code,
            message: message.into(),
            hint: hint.into(),
            about: None,
        }
    }

    /// The failure as the `error` member of a JSON answer.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut error =
            serde_json::json!({"code": self.code, "message": self.message, "hint": self.hint});
        if let Some(about) = &self.about {
            error["capsule"] = about.capsule.as_str().into();
            if !about.private {
                error["input"] = about.input.as_str().into();
            }
        }
        error
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)?;
        if let Some(about) = &self.about {
            write!(
                f,
                "\n  of: capsule {}, input {}",
                about.capsule, about.input
            )?;
        }
        if self.hint.is_empty() {
            return Ok(());
        }
        write!(f, "\n  hint: {}", self.hint)
    }
}
