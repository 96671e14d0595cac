//! `init`: the user's own key and trust file, made ahead of the first run.
//!
//! Enters: nothing. Leaves: both, and where they are. Refuses: nothing that is there already; a second time changes
//! nothing.

use serde_json::json;
use tenzik_receipt::KeyUse;

use crate::args::Context;
use crate::error::Failure;
use crate::output::Reply;
use crate::{own, text, trust};

/// Makes what is not there yet.
pub(crate) fn init(context: &Context) -> Result<Reply, Failure> {
    let home = &context.home;
    let key = own::find_or_make(home, &context.console)?;
    let trust_file = home.trust_file();
    if !trust_file.exists() {
        trust::add(&trust_file, own::added(&key), home)?;
    }
    let key_file = home.key_file(KeyUse::Receipt);
    let lines = format!(
        "key        {} in {}\ntrust      {}\n",
        key.public(),
        text::path(&key_file),
        text::path(&trust_file)
    );
    let members = json!({
        "key": key.public().to_string(),
        "key_file": text::path(&key_file),
        "trust": text::path(&trust_file),
    });
    Ok(Reply::new(lines, members))
}
