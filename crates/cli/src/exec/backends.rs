//! The backends that there are on this system.
//!
//! Enters: what the command line says of them. Leaves: a router that knows them, or their standing, for `doctor`.
//! Refuses: a root file system that is none.

use tenzik::router::Router;

use super::Args;
use crate::error::Failure;

/// One backend, for `doctor`: its name, and whether it is ready or why not and what would help.
pub(crate) struct Standing {
    pub(crate) name: &'static str,
    pub(crate) readiness: tenzik::backend::Readiness,
    pub(crate) profile: &'static str,
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use tenzik::backend::Backend;
    use tenzik_backends::{Oci, OciConfig, Process, ProcessConfig};
    use tenzik_receipt::Label;

    use super::{Args, Failure, Router, Standing};
    use crate::error::Exit;

    pub(super) fn register(router: &Router, args: &Args) -> Result<(), Failure> {
        if let Some(root) = &args.root {
            let shell = (Label::constant("shell"), vec!["/bin/sh".to_owned()]);
            let config = OciConfig::new(root.clone(), BTreeMap::from([shell]));
            let oci = Oci::new(config).map_err(|error| {
                let hint =
                    "it needs the empty directories code, dev, proc and tmp, tmp with mode 1777";
                Failure::new(Exit::Usage, "root", error.to_string(), hint)
            })?;
            add(router, oci)?;
        }
        add(router, Process::new(ProcessConfig::default()))
    }

    fn add(router: &Router, backend: impl Backend + 'static) -> Result<(), Failure> {
        router
            .register(Arc::new(backend))
            .map_err(|error| Failure::new(Exit::Other, "backend", error.to_string(), "report this"))
    }

    pub(super) fn standing() -> Vec<Standing> {
        let process = Process::new(ProcessConfig::default());
        vec![
            Standing {
                name: "process",
                readiness: process.probe(),
                profile: process.profile_max().name(),
            },
            Standing {
                name: "runc",
                readiness: Oci::look("runc"),
                profile: "standard",
            },
        ]
    }
}

/// Registers what this system has; the strictest first.
pub(super) fn register(router: &Router, args: &Args) -> Result<(), Failure> {
    #[cfg(target_os = "linux")]
    return linux::register(router, args);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (router, args);
        Ok(())
    }
}

/// How each stands.
pub(crate) fn standing() -> Vec<Standing> {
    #[cfg(target_os = "linux")]
    return linux::standing();
    #[cfg(not(target_os = "linux"))]
    Vec::new()
}
