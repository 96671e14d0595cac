//! Which of a runtime's own options may be given.
//!
//! Enters: a word of the configuration. Leaves: whether it is on the runtime's list, in its one spelling.
//! Refuses: everything else. Runtimes take `_` for `-`, values behind `=` or in the next word, short forms and beginnings of
//! names; none of these is on a list, so there is no spelling of `--require`, `--import`, `--loader`, `--inspect`,
//! `--env-file`, `--eval` or `--allow-…` that gets through.

use super::config::Runtime;

/// What stands behind an option's name.
#[derive(Clone, Copy)]
enum Takes {
    Nothing,
    /// A whole number of so many digits at most.
    Number(usize),
    OneOf(&'static [&'static str]),
}

const NODE: &[(&str, Takes)] = &[
    ("--disable-proto", Takes::OneOf(&["delete", "throw"])),
    ("--disallow-code-generation-from-strings", Takes::Nothing),
    (
        "--dns-result-order",
        Takes::OneOf(&["ipv4first", "ipv6first", "verbatim"]),
    ),
    ("--enable-source-maps", Takes::Nothing),
    ("--expose-gc", Takes::Nothing),
    ("--frozen-intrinsics", Takes::Nothing),
    ("--jitless", Takes::Nothing),
    ("--max-http-header-size", Takes::Number(6)),
    ("--max-semi-space-size", Takes::Number(3)),
    ("--no-addons", Takes::Nothing),
    ("--no-deprecation", Takes::Nothing),
    ("--no-warnings", Takes::Nothing),
    ("--stack-trace-limit", Takes::Number(3)),
    ("--throw-deprecation", Takes::Nothing),
    ("--trace-deprecation", Takes::Nothing),
    ("--trace-uncaught", Takes::Nothing),
    ("--trace-warnings", Takes::Nothing),
];
const BUN: &[(&str, Takes)] = &[("--smol", Takes::Nothing)];
const DENO: &[(&str, Takes)] = &[("--no-code-cache", Takes::Nothing)];

/// Whether a word is an option that a runtime may be given.
pub(super) fn is_allowed(runtime: Runtime, word: &str) -> bool {
    let list = match runtime {
        Runtime::Bun => BUN,
        Runtime::Deno => DENO,
        Runtime::Node => NODE,
    };
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let takes = list.iter().find(|(known, _)| *known == name);
    match (takes.map(|(_, takes)| takes), value) {
        (Some(Takes::Nothing), None) => true,
        (Some(Takes::Number(digits)), Some(value)) => {
            (1..=*digits).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit())
        }
        (Some(Takes::OneOf(values)), Some(value)) => values.contains(&value),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What would load code, open a debugger, read variables, widen permissions or leave the function that is to be called.
    const DANGEROUS: &[&str] = &[
        "--allow-addons",
        "--allow-all",
        "--allow-child-process",
        "--allow-env",
        "--allow-ffi",
        "--allow-fs-read",
        "--allow-fs-write",
        "--allow-inspector",
        "--allow-net",
        "--allow-read",
        "--allow-run",
        "--allow-wasi",
        "--allow-worker",
        "--allow-write",
        "--build-snapshot",
        "--conditions",
        "--config",
        "--cpu-prof",
        "--diagnostic-dir",
        "--env-file",
        "--env-file-if-exists",
        "--eval",
        "--experimental-config-file",
        "--experimental-default-config-file",
        "--experimental-loader",
        "--heap-prof",
        "--icu-data-dir",
        "--import",
        "--input-type",
        "--inspect",
        "--inspect-brk",
        "--inspect-port",
        "--inspect-publish-uid",
        "--inspect-wait",
        "--loader",
        "--max-old-space-size",
        "--no-experimental-permission",
        "--no-permission",
        "--openssl-config",
        "--permission-audit",
        "--permission-set",
        "--preload",
        "--print",
        "--redirect-warnings",
        "--require",
        "--run",
        "--snapshot-blob",
        "--test",
        "--unstable",
        "--v8-flags",
        "--watch",
        "-A",
        "-C",
        "-R",
        "-W",
        "-c",
        "-e",
        "-i",
        "-p",
        "-r",
    ];

    const RUNTIMES: [Runtime; 3] = [Runtime::Bun, Runtime::Deno, Runtime::Node];

    /// How a runtime may read a name as another: `_` for `-`, a value at once, more or fewer dashes, other letters, blanks.
    fn spelling() -> impl Strategy<Value = String> {
        let name = prop::sample::select(DANGEROUS);
        let value = prop::sample::select(vec![
            "",
            "=",
            "=x",
            "=/etc/passwd",
            " x",
            "=1",
            "\0",
            "\n--smol",
        ]);
        let dashes = prop::sample::select(vec!["", "-", "--", "---", "—"]);
        (name, value, dashes, any::<u32>(), 0..3_usize, any::<bool>()).prop_map(
            |(name, value, dashes, mask, shorter, negated)| {
                let bare = name.trim_start_matches('-');
                let letters = bare.chars().enumerate().map(|(index, letter)| {
                    let flip = mask & (1 << (index % 32)) != 0;
                    match letter {
                        '-' if flip => '_',
                        letter if flip && mask & 1 != 0 => letter.to_ascii_uppercase(),
                        letter => letter,
                    }
                });
                let spelled: String = letters.collect();
                let kept = spelled.len().saturating_sub(shorter).max(1);
                let no = if negated { "no-" } else { "" };
                format!("{dashes}{no}{}{value}", &spelled[..kept])
            },
        )
    }

    proptest! {
        #[test]
        fn no_spelling_of_what_is_dangerous_gets_through(word in spelling()) {
            for runtime in RUNTIMES {
                prop_assert!(!is_allowed(runtime, &word), "{word:?}");
            }
        }

        /// Whatever gets through is one plain word that begins as an option of its list.
        #[test]
        fn what_gets_through_is_plain(word in "-{0,3}[a-z_=-]{0,24}[0-9]{0,4}") {
            for runtime in RUNTIMES {
                if is_allowed(runtime, &word) {
                    prop_assert!(word.starts_with("--") && !word.contains([' ', '_', '/', '\0', '\n']));
                    prop_assert!(!DANGEROUS.iter().any(|name| word.starts_with(name)));
                }
            }
        }
    }

    #[test]
    fn a_list_has_its_words_in_one_spelling() {
        let node = |word| is_allowed(Runtime::Node, word);
        assert!(node("--no-warnings") && node("--stack-trace-limit=50"));
        assert!(node("--disable-proto=throw") && is_allowed(Runtime::Bun, "--smol"));
        for word in [
            "--no_warnings",
            "--no-warnings=",
            "--no-warn",
            "--stack-trace-limit",
            "--stack-trace-limit=",
            "--stack-trace-limit=-1",
            "--stack-trace-limit=5000",
            "--disable-proto=",
            "--smol",
            "",
            "-",
            "--",
        ] {
            assert!(!node(word), "{word}");
        }
    }
}
