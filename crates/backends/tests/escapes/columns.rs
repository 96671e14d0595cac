//! The backends that are here, each with a router of its own.

use std::path::Path;

use tenzik::capability::Grants;
use tenzik::config::SecurityConfig;
use tenzik::router::Router;
use tenzik_backends::{
    Grant, JavaScript, JavaScriptConfig, JavaScriptSandbox, Oci, OciConfig, Process, ProcessConfig,
    Runtime, Sandbox, SandboxConfig,
};
use tenzik_receipt::{Profile, Sha256};

use crate::common::engine::engine;
use crate::common::{
    busybox_root, cannot_run, javascript, missing, router, router_of, shell_command,
};

/// One backend.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) profile: Profile,
    pub(crate) router: Router,
    /// Whether it can bound how many processes there are.
    pub(crate) holds_pids: bool,
    /// Whether it can see the bound on what is written in force.
    pub(crate) sees_disk: bool,
    pub(crate) guest: Guest,
    /// The image that its programs name, where it has images.
    pub(crate) image: Option<Sha256>,
}

/// What runs on a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guest {
    Capsule,
    /// A function of JavaScript.
    Function,
    Shell,
}

impl Column {
    pub(crate) fn is_javascript(&self) -> bool {
        self.guest == Guest::Function
    }
}

/// All that can run here. What is missing is told, and in continuous integration nothing may be.
pub(crate) fn columns() -> Vec<Column> {
    [process(), sandbox(), runc(), gvisor()]
        .into_iter()
        .chain([docker(false), docker(true)])
        .chain(Runtime::ALL.map(functions))
        .chain([wasm()])
        .flatten()
        .collect()
}

/// The capsule path. It allows tools, and so much fuel that a clock is met first.
fn wasm() -> Option<Column> {
    let security = SecurityConfig {
        allowed_capabilities: Grants::all(),
        ..SecurityConfig::development()
    };
    Some(Column {
        name: "`wasm`",
        profile: Profile::Hardened,
        router: router_of(&security),
        holds_pids: true,
        sees_disk: true,
        guest: Guest::Capsule,
        image: None,
    })
}

fn process() -> Option<Column> {
    Some(Column {
        name: "`process`",
        profile: Profile::Dev,
        router: router(Process::new(ProcessConfig::default())),
        holds_pids: false,
        sees_disk: false,
        guest: Guest::Shell,
        image: None,
    })
}

fn sandbox() -> Option<Column> {
    let launcher = env!("CARGO_BIN_EXE_tenzik-confine").to_owned();
    let backend = Sandbox::new(SandboxConfig::new(vec![launcher])).expect("a launcher");
    (!cannot_run(&backend)).then(|| Column {
        name: "`sandbox`",
        profile: Profile::Standard,
        router: router(backend),
        holds_pids: true,
        sees_disk: true,
        guest: Guest::Shell,
        image: None,
    })
}

fn runc() -> Option<Column> {
    let config = OciConfig::new(root()?.to_owned(), shell_command());
    container("`runc`", Profile::Standard, config)
}

/// It counts the Sentry's threads with the program's, so it bounds no processes.
fn gvisor() -> Option<Column> {
    let config = OciConfig::gvisor(root()?.to_owned(), shell_command());
    let column = container("`gvisor`", Profile::Hardened, config)?;
    Some(Column {
        holds_pids: false,
        ..column
    })
}

/// An engine of this test's own.
fn docker(gvisor: bool) -> Option<Column> {
    let engine = engine()?;
    if gvisor && !engine.gvisor {
        missing("the engine has no gVisor");
        return None;
    }
    let (name, profile) = match gvisor {
        true => ("`docker-runsc`", Profile::Hardened),
        false => ("`docker`", Profile::Standard),
    };
    Some(Column {
        name,
        profile,
        router: router(engine.backend(gvisor)),
        holds_pids: !gvisor,
        sees_disk: true,
        guest: Guest::Shell,
        image: Some(engine.image),
    })
}

/// In the OS sandbox, with all programs and its one place to write permitted where the runtime denies them: what holds these
/// attempts is the sandbox.
fn functions(runtime: Runtime) -> Option<Column> {
    let mut config = JavaScriptConfig::new(runtime);
    config.executable = javascript(runtime)?;
    if runtime != Runtime::Bun {
        config.permissions.run = Grant::All;
        config.permissions.grant("write=/tmp").expect("a kind");
    }
    let launcher = env!("CARGO_BIN_EXE_tenzik-confine").to_owned();
    config.sandbox = Some(JavaScriptSandbox::new(vec![launcher]));
    let backend = JavaScript::new(config).expect("a configuration");
    (!cannot_run(&backend)).then(|| Column {
        name: match runtime {
            Runtime::Bun => "`bun`",
            Runtime::Deno => "`deno`",
            Runtime::Node => "`node`",
        },
        profile: Profile::Standard,
        router: router(backend),
        holds_pids: true,
        sees_disk: true,
        guest: Guest::Function,
        image: None,
    })
}

fn root() -> Option<&'static Path> {
    let root = busybox_root();
    if root.is_none() {
        missing("no static busybox for a root file system: apt-get install busybox-static");
    }
    root
}

fn container(name: &'static str, profile: Profile, mut config: OciConfig) -> Option<Column> {
    let state = format!("escapes-{}", profile.name());
    config.state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(state);
    let backend = Oci::new(config).expect("a root file system");
    (!cannot_run(&backend)).then(|| Column {
        name,
        profile,
        router: router(backend),
        holds_pids: true,
        sees_disk: true,
        guest: Guest::Shell,
        image: None,
    })
}
