//! What is in force: presets, files and environment, resolved.
//!
//! Enters: the user's file, the project's `tenzik.toml`, `TENZIK_…` variables, in rising order of weight; flags are
//! the verbs' own and weigh most. Leaves: [`Settings`], every value set, each with where it comes from.
//! Refuses: keys that are not known, values of another kind or out of range, and a project file that would choose the
//! user's key, whom the user trusts, where compiled code is taken from, or which programs run code.

mod error;
mod layer;
mod table;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use tenzik::config::{Allocation, RuntimeConfig, SecurityConfig};

use crate::home::Home;
use crate::text;

pub(crate) use error::ConfigError;
pub(crate) use layer::{PROJECT_FILE, unknown_variables};
pub(crate) use table::{KEYS, Key, Kind};

use layer::Layer;
use table::Value;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A variable of the environment.
    Environment(String),
    /// The preset.
    Preset,
    /// The project's file.
    Project(PathBuf),
    /// The user's file.
    User(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(variable) => f.write_str(variable),
            Self::Preset => f.write_str("preset"),
            Self::Project(path) | Self::User(path) => f.write_str(&text::path(path)),
        }
    }
}

/// A set of values to start from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Preset {
    /// What fits most.
    #[default]
    Default,
    /// For authors of capsules.
    Development,
    /// For strangers' capsules.
    Production,
}

impl Preset {
    const ALL: [Self; 3] = [Self::Default, Self::Development, Self::Production];

    /// Its name in configurations.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    fn settings(self) -> Settings {
        let (security, runtime) = match self {
            Self::Default => (SecurityConfig::default(), RuntimeConfig::default()),
            Self::Development => (SecurityConfig::development(), RuntimeConfig::development()),
            Self::Production => (SecurityConfig::production(), RuntimeConfig::production()),
        };
        Settings {
            preset: self,
            key: None,
            trust: None,
            security,
            // One process runs one capsule: there is nothing to pool and nothing to keep.
            runtime: RuntimeConfig {
                allocation: Allocation::OnDemand,
                cache_entries_max: 0,
                instances_max: 1,
                ..runtime
            },
            runtimes: Runtimes::default(),
            origins: BTreeMap::new(),
        }
    }
}

/// Every value, resolved.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// What the other values start from.
    pub(crate) preset: Preset,
    /// The key file; absent means the user's own.
    pub(crate) key: Option<PathBuf>,
    /// The trust file; absent means the user's own.
    pub(crate) trust: Option<PathBuf>,
    /// What is permitted.
    pub(crate) security: SecurityConfig,
    /// What a run has unless it asks.
    pub(crate) runtime: RuntimeConfig,
    /// Where the JavaScript runtimes are.
    pub(crate) runtimes: Runtimes,
    origins: BTreeMap<&'static str, Origin>,
}

/// Where the JavaScript runtimes are; one that is absent is looked for in the usual places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runtimes {
    pub(crate) bun: Option<PathBuf>,
    pub(crate) deno: Option<PathBuf>,
    pub(crate) node: Option<PathBuf>,
}

impl Runtimes {
    /// What is set for this system's user, for a verb that has no other part in the user's settings. A user without a home has
    /// variables.
    pub(crate) fn of_user() -> Result<Self, ConfigError> {
        let settings = match Home::find() {
            Ok(home) => Settings::load(&home)?,
            Err(_) => resolve(vec![Layer::environment()?]),
        };
        Ok(settings.runtimes)
    }
}

impl Settings {
    /// Reads every place that has a say.
    pub(crate) fn load(home: &Home) -> Result<Self, ConfigError> {
        let user = Layer::user(home)?;
        let project = Layer::project()?;
        Ok(resolve(vec![user, project, Layer::environment()?]))
    }

    /// Where a key's value comes from.
    pub(crate) fn origin(&self, key: &Key) -> &Origin {
        self.origins.get(key.name).unwrap_or(&Origin::Preset)
    }
}

/// Later layers weigh more. The preset goes first, whichever layer names it.
fn resolve(layers: Vec<Layer>) -> Settings {
    let mut values: BTreeMap<&'static str, (&Key, Value, Origin)> = BTreeMap::new();
    for (key, value, origin) in layers.into_iter().flatten() {
        values.insert(key.name, (key, value, origin));
    }
    let preset = match values.get("preset") {
        Some((_, Value::Preset(preset), _)) => *preset,
        _ => Preset::default(),
    };
    let mut settings = preset.settings();
    for (key, value, origin) in values.into_values() {
        (key.set)(&mut settings, value);
        settings.origins.insert(key.name, origin);
    }
    // What a run has without asking is never more than it may ask for.
    let most = settings.security.limits_max;
    settings.runtime.limits = settings.runtime.limits.at_most(&most);
    settings
}
