//! Lists the files of the SDK for AssemblyScript, which `tenzik new` copies: those that its npm package has.
//!
//! Enters: `capsules/sdk`. Leaves: `sdk.rs` in the output folder, an array of names and texts. Refuses: a tree without the SDK.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What `package.json` has under `files`, and itself. A test of `new` holds this to it.
const PACKED: [&str; 8] = [
    "README.md",
    "asconfig.base.json",
    "assembly",
    "bin",
    "decorators.d.ts",
    "index.ts",
    "package.json",
    "transform",
];

fn main() -> io::Result<()> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    let sdk = manifest.join("../../capsules/sdk");
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = Vec::new();
    for name in PACKED {
        println!("cargo::rerun-if-changed={}", sdk.join(name).display());
        find(&sdk.join(name), &mut files)?;
    }
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        let name = file
            .strip_prefix(&sdk)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        let path = fs::canonicalize(&file)?;
        writeln!(list, "    ({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    list.push(']');
    let out = env::var_os("OUT_DIR")
        .map(PathBuf::from)
        .unwrap_or_default();
    fs::write(out.join("sdk.rs"), list)
}

fn find(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        find(&entry?.path(), files)?;
    }
    Ok(())
}
