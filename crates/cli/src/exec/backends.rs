//! The backends that there are on this system.
//!
//! Enters: what command line and settings say of them. Leaves: a router that knows them, or their standing, for `doctor`.
//! Refuses: a root file system that is none.

use std::path::Path;
use std::sync::Arc;

use tenzik::backend::Backend;
use tenzik::router::Router;

use super::{Args, Standing};
use crate::error::{Exit, Failure};
use crate::settings::Runtimes;

/// What this command is called with to be the launcher of the OS sandbox. It is no verb.
#[cfg(target_os = "linux")]
pub(crate) const CONFINE: &str = "confine-in-sandbox";

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use tenzik::backend::{Backend, Readiness};
    use tenzik_backends::{
        ConfigError, Docker, DockerConfig, JavaScript, JavaScriptConfig, JavaScriptSandbox, Oci,
        OciConfig, OciRuntime, Process, ProcessConfig, RootError, Runtime, Sandbox, SandboxConfig,
        SandboxError,
    };
    use tenzik_receipt::Label;

    use super::{Args, CONFINE, Exit, Failure, Router, Runtimes, Standing, add};

    pub(super) fn register(
        router: &Router,
        args: &Args,
        runtimes: &Runtimes,
    ) -> Result<(), Failure> {
        // Nothing else has images.
        if args.image.is_some() {
            add(router, docker(None))?;
            return add(router, docker(Some("runsc")));
        }
        if let Some(root) = &args.root {
            add(router, contained(OciConfig::new, root)?)?;
            add(router, contained(OciConfig::gvisor, root)?)?;
        }
        javascript(router, args, runtimes)?;
        add(router, Process::new(ProcessConfig::default()))?;
        match sandbox() {
            Ok(sandbox) => add(router, sandbox),
            // `doctor` tells; here it is in nobody's way who did not ask for it.
            Err(_) if !args.asks_for("sandbox") => Ok(()),
            Err(error) => Err(no_sandbox(&error)),
        }
    }

    /// What helps where the launcher cannot be had.
    const LAUNCHER_HINT: &str = "let everybody read and execute the file of this command";

    /// What helps where a runtime that is there cannot be shown in a sandbox.
    const RUNTIME_HINT: &str =
        "let everybody read and execute what is named, and reach it from the root";

    fn no_sandbox(error: &SandboxError) -> Failure {
        Failure::new(Exit::Other, "sandbox", error.to_string(), LAUNCHER_HINT)
    }

    /// What runs in a container: a shell, which every image has.
    fn commands() -> BTreeMap<Label, Vec<String>> {
        BTreeMap::from([(Label::constant("shell"), vec!["/bin/sh".to_owned()])])
    }

    type Configured = fn(PathBuf, BTreeMap<Label, Vec<String>>) -> OciConfig;

    fn contained(config: Configured, root: &Path) -> Result<Oci, Failure> {
        Oci::new(config(root.to_owned(), commands())).map_err(|error| no_root(&error))
    }

    fn sandboxed(runtime: Runtime, runtimes: &Runtimes) -> Result<JavaScript, ConfigError> {
        let mut config = placed(runtime, runtimes);
        config.sandbox = Some(JavaScriptSandbox::new(launcher()));
        JavaScript::new(config)
    }

    /// A runtime where the settings have it.
    fn placed(runtime: Runtime, runtimes: &Runtimes) -> JavaScriptConfig {
        let mut config = JavaScriptConfig::new(runtime);
        let place = match runtime {
            Runtime::Bun => &runtimes.bun,
            Runtime::Deno => &runtimes.deno,
            Runtime::Node => &runtimes.node,
        };
        if let Some(path) = place {
            config.executable.clone_from(path);
        }
        config
    }

    /// The engine that its own client would ask, if that is behind a socket.
    fn docker(gvisor: Option<&str>) -> Docker {
        let mut config = DockerConfig::new(commands());
        let named = std::env::var("DOCKER_HOST").unwrap_or_default();
        if !named.is_empty() {
            // An engine elsewhere has no socket here, and so is told to be unavailable.
            config.socket = named.strip_prefix("unix://").unwrap_or(&named).into();
        }
        config.gvisor = gvisor.map(str::to_owned);
        Docker::new(config)
    }

    /// This command is its own launcher.
    fn launcher() -> Vec<String> {
        let own = std::env::current_exe().unwrap_or_else(|_| "tenzik".into());
        vec![own.to_string_lossy().into_owned(), CONFINE.to_owned()]
    }

    fn sandbox() -> Result<Sandbox, SandboxError> {
        Sandbox::new(SandboxConfig::new(launcher()))
    }

    /// A backend of a node's, by its name.
    pub(super) fn named(kind: &str, root: Option<&Path>) -> Result<Arc<dyn Backend>, Failure> {
        let function = |runtime| {
            let runtimes = Runtimes::of_user()?;
            sandboxed(runtime, &runtimes).map_err(|error| unfit(&error.to_string()))
        };
        // The configuration is refused that names one of these and no root.
        let root = root.unwrap_or_else(|| Path::new(""));
        Ok(match kind {
            "bun" => Arc::new(function(Runtime::Bun)?),
            "deno" => Arc::new(function(Runtime::Deno)?),
            "docker" => Arc::new(docker(None)),
            "docker-runsc" => Arc::new(docker(Some("runsc"))),
            "gvisor" => Arc::new(contained(OciConfig::gvisor, root)?),
            "node" => Arc::new(function(Runtime::Node)?),
            "process" => Arc::new(Process::new(ProcessConfig::default())),
            "runc" => Arc::new(contained(OciConfig::new, root)?),
            "sandbox" => Arc::new(sandbox().map_err(|error| no_sandbox(&error))?),
            _ => return Err(super::unknown(kind)),
        })
    }

    /// Each runtime that can be had as it was asked for; in the sandbox, unless this system itself is allowed and enough.
    fn javascript(router: &Router, args: &Args, runtimes: &Runtimes) -> Result<(), Failure> {
        let (mut some, mut first) = (false, None);
        for runtime in [Runtime::Node, Runtime::Deno, Runtime::Bun] {
            let backend = config(runtime, args, runtimes).and_then(|config| {
                JavaScript::new(config).map_err(|error: ConfigError| error.to_string())
            });
            match backend {
                Ok(backend) => {
                    add(router, backend)?;
                    some = true;
                }
                Err(reason) if args.asks_for(runtime.name()) => return Err(unfit(&reason)),
                Err(reason) => drop(first.get_or_insert(reason)),
            }
        }
        match first {
            Some(reason) if !some && args.is_function() => Err(unfit(&reason)),
            _ => Ok(()),
        }
    }

    fn config(
        runtime: Runtime,
        args: &Args,
        runtimes: &Runtimes,
    ) -> Result<JavaScriptConfig, String> {
        let mut config = placed(runtime, runtimes);
        let named = args
            .runtimes
            .iter()
            .rev()
            .find(|(name, _)| name == runtime.name());
        if let Some((_, path)) = named {
            config.executable.clone_from(path);
        }
        for text in &args.allow {
            let granted = config.permissions.grant(text);
            granted.map_err(|finding| finding.to_string())?;
        }
        // One command is one call.
        config.workers_max = 0;
        config.sandbox = (!args.isolates_nothing()).then(|| JavaScriptSandbox::new(launcher()));
        Ok(config)
    }

    fn unfit(reason: &str) -> Failure {
        let message = crate::text::shown(reason, crate::text::MESSAGE_CHARS_MAX);
        Failure::new(
            Exit::Usage,
            "javascript",
            message,
            "give what the runtime and the profile can keep",
        )
    }

    fn no_root(error: &RootError) -> Failure {
        let hint = "it needs the empty directories code, dev, proc and tmp, tmp with mode 1777";
        Failure::new(Exit::Usage, "root", error.to_string(), hint)
    }

    /// How a backend stands that needs files that everybody can reach.
    fn probed<E: std::fmt::Display>(backend: Result<impl Backend, E>, hint: &str) -> Readiness {
        match backend {
            Ok(backend) => backend.probe(),
            Err(error) => Readiness::Unavailable {
                reason: error.to_string(),
                remedy: hint.to_owned(),
            },
        }
    }

    pub(super) fn standing(runtimes: &Runtimes) -> Vec<Standing> {
        let process = Process::new(ProcessConfig::default());
        let standing = |name, profile, readiness| Standing {
            name,
            readiness,
            profile,
        };
        let functions = Runtime::ALL.map(|runtime| {
            let readiness = probed(sandboxed(runtime, runtimes), RUNTIME_HINT);
            standing(runtime.name(), "standard", readiness)
        });
        let others = vec![
            standing("process", process.profile_max().name(), process.probe()),
            standing("sandbox", "standard", probed(sandbox(), LAUNCHER_HINT)),
            standing("runc", "standard", Oci::look(OciRuntime::Runc)),
            standing("gvisor", "hardened", Oci::look(OciRuntime::Gvisor)),
            standing("docker", "standard", docker(None).probe()),
            standing("docker-runsc", "hardened", docker(Some("runsc")).probe()),
        ];
        others.into_iter().chain(functions).collect()
    }
}

/// Registers what this system has. Of those that fit the first is taken: a container where there is a root for it, this
/// system itself where that is allowed, and the sandbox where it is not. Where a node is named, there is nothing but that.
pub(super) fn register(router: &Router, args: &Args, runtimes: &Runtimes) -> Result<(), Failure> {
    if let Some(remote) = args.remote()? {
        return add(router, remote);
    }
    #[cfg(target_os = "linux")]
    return linux::register(router, args, runtimes);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (router, args, runtimes);
        Ok(())
    }
}

fn add(router: &Router, backend: impl Backend + 'static) -> Result<(), Failure> {
    router
        .register(Arc::new(backend))
        .map_err(|error| Failure::new(Exit::Other, "backend", error.to_string(), "report this"))
}

/// A backend of a node's, by its name in `[executions]`. `root` is for those that have one.
pub(crate) fn named(kind: &str, root: Option<&Path>) -> Result<Arc<dyn Backend>, Failure> {
    #[cfg(target_os = "linux")]
    return linux::named(kind, root);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = root;
        Err(unknown(kind))
    }
}

fn unknown(kind: &str) -> Failure {
    let kind = crate::text::shown(kind, 64);
    Failure::new(
        Exit::Usage,
        "config",
        format!("there is no backend {kind} on this system"),
        "`tenzik doctor` lists those that there are",
    )
}

/// How those of this system stand, with the JavaScript runtimes where the settings have them.
pub(super) fn standing(runtimes: &Runtimes) -> Vec<Standing> {
    #[cfg(target_os = "linux")]
    return linux::standing(runtimes);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = runtimes;
        Vec::new()
    }
}
