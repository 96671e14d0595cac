//! Builds the launcher of containers and of gVisor: one static executable, so that it runs in any root file system.
//!
//! Enters: `src/launch.c`. Leaves: `launch` in the output directory. Refuses nothing: where no C compiler is, or no
//! static C library, the file is empty, and the backends say so when they are asked.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=src/launch.c");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("launch");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    if let Err(reason) = compile(&out) {
        println!("cargo:warning=Docker and gVisor will not be there: {reason}");
        if let Err(error) = fs::write(&out, b"") {
            println!("cargo:warning={}: {error}", out.display());
        }
    }
}

fn compile(out: &Path) -> Result<(), String> {
    let compiler = cc::Build::new().opt_level_str("s").try_get_compiler();
    let mut command = compiler.map_err(|error| error.to_string())?.to_command();
    let done = command
        .args(["-static", "-s", "-Wall", "-Werror", "-o"])
        .arg(out)
        .arg("src/launch.c")
        .status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the C compiler ended with {status}")),
        Err(error) => Err(error.to_string()),
    }
}
