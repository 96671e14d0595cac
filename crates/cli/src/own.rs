//! The user's own key and trust file, made when they are first needed.
//!
//! Enters: the settings and the user's directories. Leaves: a receipt key that the user's own trust file trusts.
//! Refuses: to make a key where the settings name one that is not there.

use std::path::PathBuf;

use tenzik_receipt::{KeyUse, SecretKey};

use crate::error::{Exit, Failure};
use crate::home::Home;
use crate::keyfile;
use crate::output::Console;
use crate::settings::Settings;
use crate::{text, trust};

/// The receipt key: the one named by a flag, or by the settings, or the user's own.
pub(crate) fn receipt_key(
    flag: Option<PathBuf>,
    settings: &Settings,
    home: &Home,
    console: &Console,
) -> Result<SecretKey, Failure> {
    let key = match flag.or_else(|| settings.key.clone()) {
        Some(path) => keyfile::read_for(&path, KeyUse::Receipt)?,
        None => find_or_make(home, console)?,
    };
    let trust_file = trust::configured(settings, home);
    if let Some(at) = trust::revoked_at(&trust_file, key.public()) {
        console.note(&format!(
            "the key {} was revoked at {at} in {}: by that file its receipts do not hold; move the key file away to sign with another",
            key.public(),
            text::path(&trust_file)
        ));
    }
    Ok(key)
}

/// The user's own key, made and trusted if there is none.
pub(crate) fn find_or_make(home: &Home, console: &Console) -> Result<SecretKey, Failure> {
    let path = home.key_file(KeyUse::Receipt);
    if path.exists() {
        return Ok(keyfile::read_for(&path, KeyUse::Receipt)?);
    }
    match make(home) {
        // Another process was quicker; its key is ours.
        Err(failure) if failure.code == "key_exists" => {
            Ok(keyfile::read_for(&path, KeyUse::Receipt)?)
        }
        Err(failure) => Err(failure),
        Ok(key) => {
            console.note(&format!(
                "made your key {} in {}; it signs your receipts",
                key.public(),
                text::path(&path)
            ));
            Ok(key)
        }
    }
}

/// The user's own key, as it gets into a trust file.
pub(crate) fn added(key: &SecretKey) -> trust::Added {
    trust::Added {
        key: key.public(),
        key_use: KeyUse::Receipt,
        label: Some("my own".to_owned()),
        from: None,
    }
}

/// Makes the user's own key and adds it to the user's own trust file.
pub(crate) fn make(home: &Home) -> Result<SecretKey, Failure> {
    let key = keyfile::make(&home.key_file(KeyUse::Receipt), KeyUse::Receipt)?;
    trust::add(&home.trust_file(), added(&key), home).map_err(|failure| Failure {
        // The key is there and whole; only the trust is missing.
        exit: Exit::Other,
        message: format!(
            "the key {} was made, but not trusted: {}",
            key.public(),
            failure.message
        ),
        hint: format!("tenzik key trust {}", key.public()),
        ..failure
    })?;
    Ok(key)
}
