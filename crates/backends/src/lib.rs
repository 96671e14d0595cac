//! Backends of the router for code that is no capsule.
//!
//! | backend | keeps code apart by | serves |
//! |---|---|---|
//! | [`Process`] | nothing but a process group and an empty environment | `dev` |
//! | [`Sandbox`] | namespaces, Landlock, a system-call filter, cgroups | `standard` |
//! | [`JavaScript`] with Bun, Deno or Node | as `Sandbox`, and the runtime's own permissions; without it a process group | `standard`; `dev` |
//! | [`Oci`] with runc | namespaces, capabilities, a system-call filter, cgroups | `standard` |
//! | [`Docker`] | what runc does, by an engine | `standard` |
//! | [`Docker`] with gVisor | what gVisor does, by an engine | `hardened` |
//! | [`Oci`] with gVisor | a system of its own in a process, which is kept apart itself | `hardened` |
//!
//! Enters: a [`Job`](tenzik::backend::Job). Leaves: an [`Attempt`](tenzik::backend::Attempt) in which each limit that is said
//! to be enforced was seen in force in that very run. Refuses: languages and images that it was not told of.
//!
//! A program reads its input from descriptor 0 and writes one line of JSON to descriptor 3, its result:
//!
//! ```json
//! {"ok":{"total":12}}
//! ```
//!
//! Where the run has tools, descriptor 4 is a socket that speaks as [`tenzik::gateway::proxy`] has it.
//!
//! The first whole line counts, and the run is over with it; `docs/backends.md` has the rest. Nothing is ever read from
//! standard output but what is kept for people.
//!
//! It is a crate of its own so that whoever embeds capsules carries none of it.

#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod cgroup;
mod confine;
mod counted;
mod digest;
mod docker;
mod filter;
mod guest;
mod javascript;
mod launcher;
mod oci;
mod process;
mod program;
mod sandbox;
mod seen;
mod supervise;
mod tools;

pub use confine::confine;
pub use docker::{Docker, DockerConfig};
pub use javascript::{
    Backoff, ConfigError, Finding, Grant, JavaScript, JavaScriptConfig, JavaScriptSandbox,
    Permissions, Runtime,
};
pub use oci::{Oci, OciConfig, OciRuntime, RootError};
pub use process::{Process, ProcessConfig};
pub use sandbox::{Sandbox, SandboxConfig, SandboxError};
