//! How every backend stands, for `doctor`.
//!
//! Enters: where the settings have the JavaScript runtimes. Leaves: for each backend whether it is ready, or why not and what
//! would help. Refuses: nothing.

use tenzik::backend::Readiness;
use tenzik::router::WASM;
use tenzik_receipt::{Label, Profile};

use super::backends;
use crate::settings::Runtimes;

/// One backend, for `doctor`: its name, and whether it is ready or why not and what would help.
pub(crate) struct Standing {
    pub(crate) name: &'static str,
    pub(crate) readiness: Readiness,
    pub(crate) profile: &'static str,
}

/// Each of them, those of this system first.
pub(crate) fn standing(runtimes: &Runtimes) -> Vec<Standing> {
    let mut all = backends::standing(runtimes);
    all.extend([wasm(), remote()]);
    all
}

/// The capsule path is in this program.
fn wasm() -> Standing {
    Standing {
        name: WASM.as_str(),
        readiness: Readiness::Ready {
            version: Label::constant(concat!("tenzik ", env!("CARGO_PKG_VERSION"))),
        },
        profile: Profile::Hardened.name(),
    }
}

/// Which node runs code is said with each command.
fn remote() -> Standing {
    Standing {
        name: "remote",
        readiness: Readiness::Unavailable {
            reason: "no node is named".to_owned(),
            remedy: "`tenzik exec --url URL --node KEY` names one".to_owned(),
        },
        profile: Profile::Hardened.name(),
    }
}
