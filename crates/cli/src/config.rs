//! `config`: what is in force, and where it comes from.
//!
//! Enters: the resolved settings. Leaves: each key with its value.
//! Refuses: nothing; settings that cannot be read are refused before.

use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::args::Context;
use crate::output::Reply;
use crate::settings::{KEYS, Key, Kind, Settings};

/// `config`, as it is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show every setting
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
    },
}

/// Shows the settings.
pub(crate) fn config(verb: &Verb, context: &Context) -> Reply {
    let Verb::Show { origin } = verb;
    let settings = &context.settings;
    let lines: String = KEYS
        .iter()
        .map(|key| line(key, settings, *origin))
        .collect();
    let members: Map<String, Value> = KEYS
        .iter()
        .map(|key| (key.name.to_owned(), member(key, settings, *origin)))
        .collect();
    Reply::new(lines, json!({"settings": members}))
}

fn line(key: &Key, settings: &Settings, origin: bool) -> String {
    let value = match (key.get)(settings) {
        Value::Null => match key.kind {
            Kind::Directory => "(none)".to_owned(),
            Kind::Executable => "(the system's)".to_owned(),
            _ => "(your own)".to_owned(),
        },
        value => value.to_string(),
    };
    let setting = format!("{} = {value}", key.name);
    if origin {
        return format!("{setting:<56} # {}\n", settings.origin(key));
    }
    format!("{setting}\n")
}

fn member(key: &Key, settings: &Settings, origin: bool) -> Value {
    let value = (key.get)(settings);
    if origin {
        return json!({"value": value, "origin": settings.origin(key).to_string()});
    }
    value
}
