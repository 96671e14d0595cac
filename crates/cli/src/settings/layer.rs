//! One place that has a say: a file or the environment.
//!
//! Enters: TOML text, variables. Leaves: values by key, each in range, with its origin.
//! Refuses: what [`ConfigError`] names.

use std::env;
use std::path::{Path, PathBuf};

use tenzik::capability::{Capability, Grants};

use super::table::{KEYS, Key, Kind, Value};
use super::{ConfigError, Origin, Preset};
use crate::files::directory;
use crate::home::Home;
use crate::source::{CONFIG, Source};
use crate::text;

/// The project's file, in the current directory.
pub(crate) const PROJECT_FILE: &str = "tenzik.toml";

/// Where the user's things are: a variable, but no key.
const HOME_VARIABLE: &str = "TENZIK_HOME";

/// How many characters of a foreign key or value are shown.
const SHOWN_CHARS_MAX: usize = 60;

/// The values of one place.
pub(crate) struct Layer(Vec<(&'static Key, Value, Origin)>);

impl IntoIterator for Layer {
    type Item = (&'static Key, Value, Origin);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Layer {
    /// The user's file, if there is one.
    pub(crate) fn user(home: &Home) -> Result<Self, ConfigError> {
        let path = home.config_file();
        let origin = Origin::User(path.clone());
        Self::file(&path, &origin)
    }

    /// The project's file, if there is one.
    pub(crate) fn project() -> Result<Self, ConfigError> {
        let path = PathBuf::from(PROJECT_FILE);
        let origin = Origin::Project(path.clone());
        let layer = Self::file(&path, &origin)?;
        let foreign = |(key, ..): &&(&Key, Value, Origin)| key.kind.is_users();
        match layer.0.iter().find(foreign) {
            Some((key, ..)) => Err(ConfigError::NotYours {
                place: PROJECT_FILE.to_owned(),
                key: key.name,
                variable: key.variable(),
            }),
            None => Ok(layer),
        }
    }

    /// The variables that are set.
    pub(crate) fn environment() -> Result<Self, ConfigError> {
        let mut values = Vec::new();
        for key in KEYS {
            let variable = key.variable();
            let Some(text) = env::var_os(&variable).filter(|text| !text.is_empty()) else {
                continue;
            };
            let text = text.to_string_lossy();
            let value = from_text(key.kind, &text)
                .ok_or_else(|| refused(key, &variable, &quoted(&text)))?;
            values.push((key, value, Origin::Environment(variable)));
        }
        Ok(Self(values))
    }

    fn file(path: &Path, origin: &Origin) -> Result<Self, ConfigError> {
        if !path.exists() {
            return Ok(Self(Vec::new()));
        }
        let bytes = Source::File(path.to_owned()).read(CONFIG)?;
        let place = text::path(path);
        let table = parse(&bytes, &place)?;
        let mut leaves = Vec::new();
        flatten(String::new(), table, &mut leaves);
        let base = directory(path);
        leaves
            .into_iter()
            .map(|(name, value)| {
                let key = find(&name, &place)?;
                let value = from_toml(key.kind, &value, &base)
                    .ok_or_else(|| refused(key, &place, &quoted(&value.to_string())))?;
                Ok((key, value, origin.clone()))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// Variables of our prefix that set nothing.
pub(crate) fn unknown_variables() -> Vec<String> {
    let known: Vec<_> = KEYS.iter().map(Key::variable).collect();
    env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("TENZIK_") && name != HOME_VARIABLE)
        .filter(|name| !known.contains(name))
        .map(|name| text::shown(&name, SHOWN_CHARS_MAX))
        .collect()
}

fn parse(bytes: &[u8], place: &str) -> Result<toml::Table, ConfigError> {
    let form = |line, reason: &str| ConfigError::Form {
        place: place.to_owned(),
        line,
        reason: text::shown(reason, 200),
    };
    let source = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        form(line_of(before), "it is not UTF-8")
    })?;
    source.parse().map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start.min(bytes.len()));
        form(line_of(&bytes[..at]), error.message())
    })
}

fn line_of(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// Every value with the names of its tables before its own.
fn flatten(prefix: String, table: toml::Table, leaves: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let name = match prefix.as_str() {
            "" => name,
            prefix => format!("{prefix}.{name}"),
        };
        match value {
            // A table in the place of a value is a value of the wrong kind.
            toml::Value::Table(table) if !KEYS.iter().any(|key| key.name == name) => {
                flatten(name, table, leaves);
            }
            value => leaves.push((name, value)),
        }
    }
}

fn find(name: &str, place: &str) -> Result<&'static Key, ConfigError> {
    KEYS.iter()
        .find(|key| key.name == name)
        .ok_or_else(|| ConfigError::UnknownKey {
            place: place.to_owned(),
            key: text::shown(name, SHOWN_CHARS_MAX),
            nearest: nearest(name),
        })
}

/// The key that shares the most pairs of letters with a name.
fn nearest(name: &str) -> &'static str {
    let name = &name.as_bytes()[..name.len().min(SHOWN_CHARS_MAX)];
    let shared = |key: &&Key| {
        let pairs = key.name.as_bytes().windows(2);
        let common = pairs.filter(|pair| name.windows(2).any(|other| other == *pair));
        2 * common.count() as i64 - key.name.len() as i64
    };
    KEYS.iter().max_by_key(shared).map_or("", |key| key.name)
}

fn from_toml(kind: Kind, value: &toml::Value, base: &Path) -> Option<Value> {
    match (kind, value) {
        (Kind::Flag, toml::Value::Boolean(flag)) => Some(Value::Flag(*flag)),
        (Kind::Grants, toml::Value::Array(names)) => {
            let names: Option<Vec<_>> = names.iter().map(toml::Value::as_str).collect();
            grants(names?.into_iter()).map(Value::Grants)
        }
        (Kind::Number(max), toml::Value::Integer(number)) => {
            within(u64::try_from(*number).ok()?, max)
        }
        (Kind::Directory | Kind::Executable | Kind::Path, toml::Value::String(path)) => {
            Some(Value::Path(base.join(path)))
        }
        (Kind::Preset, toml::Value::String(name)) => Preset::from_name(name).map(Value::Preset),
        _ => None,
    }
}

fn from_text(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Flag => text.parse().ok().map(Value::Flag),
        Kind::Grants => grants(text.split(',')).map(Value::Grants),
        Kind::Number(max) => within(text.parse().ok()?, max),
        Kind::Directory | Kind::Executable | Kind::Path => Some(Value::Path(text.into())),
        Kind::Preset => Preset::from_name(text).map(Value::Preset),
    }
}

fn within(number: u64, max: u64) -> Option<Value> {
    (1..=max).contains(&number).then_some(Value::Number(number))
}

fn grants<'a>(names: impl Iterator<Item = &'a str>) -> Option<Grants> {
    let names = names.map(str::trim);
    names.map(|name| name.parse::<Capability>().ok()).collect()
}

fn refused(key: &Key, place: &str, got: &str) -> ConfigError {
    ConfigError::Value {
        place: place.to_owned(),
        key: key.name,
        got: got.to_owned(),
        wanted: match key.kind {
            Kind::Flag => "true or false".to_owned(),
            Kind::Grants => "a list of base64, hash, json, random, time, tools".to_owned(),
            Kind::Number(max) => format!("a whole number from 1 to {max}"),
            Kind::Directory | Kind::Executable | Kind::Path => "a path".to_owned(),
            Kind::Preset => "default, development or production".to_owned(),
        },
    }
}

fn quoted(text: &str) -> String {
    text::shown(text, SHOWN_CHARS_MAX)
}
