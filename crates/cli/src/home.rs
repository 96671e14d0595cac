//! Where the user's own things are.
//!
//! Enters: `TENZIK_HOME`, the XDG variables, `HOME`. Leaves: the paths of keys, trust file, receipts and state.
//! Refuses: a system that says nowhere where the user lives. Nothing is created here.

use std::borrow::Cow;
use std::env;
use std::path::PathBuf;

use tenzik_receipt::KeyUse;

use crate::error::{Exit, Explain};

/// The user's directories. Each is made when something is first written to it.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    config: PathBuf,
    data: PathBuf,
    state: PathBuf,
}

/// Neither `TENZIK_HOME` nor `HOME` is set.
#[derive(Debug, thiserror::Error)]
#[error("neither TENZIK_HOME nor HOME says where your keys and receipts belong")]
pub(crate) struct NoHome;

impl Explain for NoHome {
    fn exit(&self) -> Exit {
        Exit::Other
    }

    fn code(&self) -> &'static str {
        "no_home"
    }

    fn hint(&self) -> Cow<'static, str> {
        "set TENZIK_HOME to a directory of yours".into()
    }
}

impl Home {
    /// Finds the directories.
    pub(crate) fn find() -> Result<Self, NoHome> {
        if let Some(root) = env::var_os("TENZIK_HOME").filter(|root| !root.is_empty()) {
            let root = PathBuf::from(root);
            return Ok(Self {
                config: root.join("config"),
                data: root.join("data"),
                state: root.join("state"),
            });
        }
        Ok(Self {
            config: xdg("XDG_CONFIG_HOME", ".config")?,
            data: xdg("XDG_DATA_HOME", ".local/share")?,
            state: xdg("XDG_STATE_HOME", ".local/state")?,
        })
    }

    /// The user's configuration file.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// The user's own trust file.
    pub(crate) fn trust_file(&self) -> PathBuf {
        self.config.join("trust.json")
    }

    /// The user's own key for one use.
    pub(crate) fn key_file(&self, key_use: KeyUse) -> PathBuf {
        self.data
            .join("keys")
            .join(format!("{}.key", key_use.name()))
    }

    /// The store of receipts.
    pub(crate) fn receipts(&self) -> PathBuf {
        self.data.join("receipts")
    }

    /// Which versions of trust files were seen.
    pub(crate) fn trust_versions(&self) -> PathBuf {
        self.state.join("trust-versions.json")
    }

    /// What is locked while a trust file or the versions change.
    pub(crate) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }
}

/// A directory by the XDG rules: the variable if it is an absolute path, else the place below `HOME`.
fn xdg(variable: &str, below_home: &str) -> Result<PathBuf, NoHome> {
    let set = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let base = match set {
        Some(base) => base,
        None => env::home_dir()
            .filter(|home| !home.as_os_str().is_empty())
            .ok_or(NoHome)?
            .join(below_home),
    };
    Ok(base.join("tenzik"))
}
