//! The backends that there are on this system.
//!
//! Enters: what the command line says of them. Leaves: a router that knows them, or their standing, for `doctor`.
//! Refuses: a root file system that is none.

use tenzik::router::Router;

use super::Args;
use crate::error::Failure;

/// What this command is called with to be the launcher of the OS sandbox. It is no verb.
#[cfg(target_os = "linux")]
pub(crate) const CONFINE: &str = "confine-in-sandbox";

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

    use tenzik::backend::{Backend, Readiness};
    use tenzik_backends::{
        Oci, OciConfig, OciRuntime, Process, ProcessConfig, RootError, Sandbox, SandboxConfig,
        SandboxError,
    };
    use tenzik_receipt::Label;

    use super::{Args, CONFINE, Failure, Router, Standing};
    use crate::error::Exit;

    pub(super) fn register(router: &Router, args: &Args) -> Result<(), Failure> {
        if let Some(root) = &args.root {
            for config in [OciConfig::new, OciConfig::gvisor] {
                let shell = (Label::constant("shell"), vec!["/bin/sh".to_owned()]);
                let config = config(root.clone(), BTreeMap::from([shell]));
                add(router, Oci::new(config).map_err(|error| no_root(&error))?)?;
            }
        }
        add(router, Process::new(ProcessConfig::default()))?;
        match sandbox() {
            Ok(sandbox) => add(router, sandbox),
            // `doctor` tells; here it is in nobody's way who did not ask for it.
            Err(_) if !args.asks_for("sandbox") => Ok(()),
            Err(error) => Err(Failure::new(
                Exit::Other,
                "sandbox",
                error.to_string(),
                "let everybody read and execute the file of this command",
            )),
        }
    }

    /// This command is its own launcher.
    fn sandbox() -> Result<Sandbox, SandboxError> {
        let own = std::env::current_exe().unwrap_or_else(|_| "tenzik".into());
        let launcher = [own.to_string_lossy().into_owned(), CONFINE.to_owned()];
        Sandbox::new(SandboxConfig::new(launcher.into()))
    }

    fn no_root(error: &RootError) -> Failure {
        let hint = "it needs the empty directories code, dev, proc and tmp, tmp with mode 1777";
        Failure::new(Exit::Usage, "root", error.to_string(), hint)
    }

    fn add(router: &Router, backend: impl Backend + 'static) -> Result<(), Failure> {
        router
            .register(Arc::new(backend))
            .map_err(|error| Failure::new(Exit::Other, "backend", error.to_string(), "report this"))
    }

    pub(super) fn standing() -> Vec<Standing> {
        let process = Process::new(ProcessConfig::default());
        let sandboxed = match sandbox() {
            Ok(sandbox) => sandbox.probe(),
            Err(error) => Readiness::Unavailable {
                reason: error.to_string(),
                remedy: "let everybody read and execute the file of this command".to_owned(),
            },
        };
        let standing = |name, profile, readiness| Standing {
            name,
            readiness,
            profile,
        };
        vec![
            standing("process", process.profile_max().name(), process.probe()),
            standing("sandbox", "standard", sandboxed),
            standing("runc", "standard", Oci::look(OciRuntime::Runc)),
            standing("gvisor", "hardened", Oci::look(OciRuntime::Gvisor)),
        ]
    }
}

/// Registers what this system has. Of those that fit the first is taken: a container where there is a root for it, this
/// system itself where that is allowed, and the sandbox where it is not.
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
