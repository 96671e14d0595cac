//! What the OS sandbox starts inside, for tests and for programs that embed the backends: see `tenzik_backends::confine`.
//! The `tenzik` command has the same in itself.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    tenzik_backends::confine()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("there is no OS sandbox on this system");
    ExitCode::FAILURE
}
