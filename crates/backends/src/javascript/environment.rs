//! Which variables a function may be given.
//!
//! Enters: a name. Leaves: why it may not be set, if it may not. Refuses: what a runtime or the system's loader reads to become
//! something else, and what the worker needs for itself.

/// Names that begin so belong to a runtime, its libraries or the loader. `NODE_ENV` alone is for programs.
const PREFIXES: &[&str] = &[
    "BUN_",
    "DENO_",
    "DYLD_",
    "GLIBC_",
    "JSC_",
    "LD_",
    "MALLOC_",
    "NODE_",
    "NPM_",
    "OPENSSL_",
    "SSL_CERT_",
    "SSLKEYLOG",
    "UV_",
    "V8_",
    "XDG_",
];
const NAMES: &[&str] = &[
    "GCONV_PATH",
    "HOME",
    "HOSTALIASES",
    "LOCPATH",
    "PATH",
    "RES_OPTIONS",
    "TMPDIR",
];
const FREE: &[&str] = &["NODE_ENV"];

/// Why a variable may not be set. Capital letters make no difference: some are read in small ones.
pub(super) fn refusal(name: &str) -> Option<&'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() || !name.bytes().all(plain) {
        return Some("is no plain name");
    }
    let name = name.to_ascii_uppercase();
    if FREE.contains(&name.as_str()) {
        return None;
    }
    if PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Some("is read by a runtime or the system's loader");
    }
    NAMES
        .contains(&name.as_str())
        .then_some("is the worker's own, or read by the system's libraries")
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn what_makes_a_runtime_another_is_refused_and_the_rest_is_not() {
        for name in [
            "NODE_OPTIONS",
            "node_options",
            "NODE_PATH",
            "NODE_EXTRA_CA_CERTS",
            "LD_PRELOAD",
            "LD_AUDIT",
            "BUN_CONFIG_PRELOAD",
            "BUN_OPTIONS",
            "DENO_DIR",
            "DENO_V8_FLAGS",
            "npm_config_registry",
            "GLIBC_TUNABLES",
            "HOME",
            "PATH",
            "A=B",
            "1A",
            "",
            "LD_PRELOAD ",
        ] {
            assert!(refusal(name).is_some(), "{name:?}");
        }
        for name in ["NODE_ENV", "API_KEY", "LDAP", "Denominator", "_"] {
            assert_eq!(refusal(name), None, "{name:?}");
        }
    }
}
