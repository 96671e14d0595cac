//! The files of a folder that go into its module, by their names in each other.
//!
//! Enters: the source that is compiled. Leaves: the digest of it and of every file of the folder that one of them names between
//! quotes, as imports, includes and embedded files are named in each language; of a crate every file in Rust and its manifests.
//! Refuses: more files than there may be. A name that is no file's, or not in the folder, is no source: what it finds too much
//! costs a build, and what is in packages is for their versions to say.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use tenzik_receipt::Blake3;

use super::{Digests, SOURCES_MAX, SourcesError};
use crate::build::watch;
use crate::capsule::{Folder, Language};
use crate::error::Failure;
use crate::text;

/// A longer text between quotes is no file's name.
const NAME_BYTES_MAX: usize = 256;
/// What an import may leave out at its end.
const ENDS: [&str; 3] = ["", ".ts", "/index.ts"];

/// The digest of each source, by its path from the folder.
pub(super) fn closure(
    folder: &Folder,
    language: Language,
    source: &Path,
) -> Result<Digests, Failure> {
    let mut waiting = vec![source.to_owned()];
    if language == Language::Rust {
        waiting.extend(files_of_crate(folder));
    }
    let mut found = BTreeMap::new();
    while let Some(path) = waiting.pop() {
        let name = path.to_string_lossy().into_owned();
        if found.contains_key(&name) {
            continue;
        }
        // What leads out of the folder is not its file, even where a compiler would take it.
        let Ok(Some(bytes)) = folder.read(&path) else {
            continue;
        };
        if found.len() == SOURCES_MAX {
            return Err(SourcesError::TooMany {
                path: text::path(&folder.path),
                allowed: SOURCES_MAX,
            }
            .into());
        }
        found.insert(name, Blake3::of(&bytes).to_string());
        waiting.extend(named(folder, &path, &bytes));
    }
    Ok(found)
}

/// The files that a source names.
fn named(folder: &Folder, source: &Path, text: &[u8]) -> Vec<PathBuf> {
    let beside = source.parent().unwrap_or(Path::new(""));
    let names = quoted(text).flat_map(|name| ENDS.map(|end| format!("{name}{end}")));
    let paths = names.flat_map(|name| [beside.join(&name), PathBuf::from(name)]);
    paths
        .filter_map(|path| plain(&path))
        .filter(|path| !watch::is_made(path) && folder.path.join(path).is_file())
        .collect()
}

/// Every text between two like quotes on one line. A quote that ends a text may begin the next too: an apostrophe in a comment
/// would else hide a name.
fn quoted(text: &[u8]) -> impl Iterator<Item = &str> {
    let quotes = text.iter().enumerate();
    quotes.filter_map(|(at, quote)| {
        let end = match quote {
            b'"' | b'\'' | b'`' => *quote,
            b'<' => b'>',
            _ => return None,
        };
        let rest = text.get(at + 1..)?;
        let rest = rest.get(..NAME_BYTES_MAX).unwrap_or(rest);
        let length = rest.iter().position(|byte| [end, b'\n'].contains(byte))?;
        let name = (rest[length] == end && length > 0).then(|| &rest[..length])?;
        std::str::from_utf8(name).ok()
    })
}

/// The path without `.` and `..`, if it is one into the folder.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(part) => plain.push(part),
            Component::ParentDir if plain.pop() => {}
            _ => return None,
        }
    }
    Some(plain)
}

/// Every file in Rust of a crate and of the crates in its folder, and what says how they are compiled. Cargo may write a lock
/// file while it builds, so that is none.
fn files_of_crate(folder: &Folder) -> Vec<PathBuf> {
    let mut files = vec![PathBuf::from(".cargo/config.toml")];
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        let entries = std::fs::read_dir(folder.path.join(&inside));
        for entry in entries.into_iter().flatten().flatten() {
            let path = inside.join(entry.file_name());
            // Links are not followed: one may lead to itself.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let is_source =
                path.extension().is_some_and(|end| end == "rs") || path.ends_with("Cargo.toml");
            match is_folder {
                true if !watch::is_made(&path) => folders.push(path),
                false if is_source => files.push(path),
                _ => {}
            }
        }
        if files.len() > SOURCES_MAX {
            break;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(files: &[(&str, &str)], language: Language) -> Result<Vec<String>, Failure> {
        let place = tempfile::tempdir().expect("a directory");
        let description = r#"{"name":"a","description":"","grants":[],"input_type":"json","example":{"input":"i","output":"o"}}"#;
        for (name, text) in [("capsule.json", description)].iter().chain(files) {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let folder = Folder::open(place.path())?;
        let found = closure(&folder, language, Path::new(files[0].0))?;
        Ok(found.into_keys().collect())
    }

    #[test]
    fn each_language_names_its_files_in_its_own_way() {
        let found = sources(
            &[
                (
                    "index.ts",
                    "// it isn't all\nimport { a } from \"./lib/a\"; export * from './b';",
                ),
                ("lib/a.ts", "import \"../c.ts\"; import \"../../out\";"),
                ("b/index.ts", "import { x } from '@tenzik/sdk';"),
                ("c.ts", ""),
                ("model.ts", "not imported"),
            ],
            Language::AssemblyScript,
        );
        let expected = ["b/index.ts", "c.ts", "index.ts", "lib/a.ts"];
        assert_eq!(found.as_deref(), Ok(&expected.map(str::to_owned)[..]));
        let found = sources(
            &[
                ("a.c", "#include <tenzik.h>\n#include \"in/x.h\""),
                ("tenzik.h", ""),
                ("in/x.h", "#include \"y.h\""),
                ("in/y.h", ""),
            ],
            Language::C,
        );
        let expected = ["a.c", "in/x.h", "in/y.h", "tenzik.h"];
        assert_eq!(found.as_deref(), Ok(&expected.map(str::to_owned)[..]));
        let found = sources(
            &[
                ("a.zig", "const t = @embedFile(\"table.bin\");"),
                ("table.bin", ""),
                ("a.debug.wasm", "\"a.debug.wasm\""),
            ],
            Language::Zig,
        );
        let expected = ["a.zig", "table.bin"];
        assert_eq!(found.as_deref(), Ok(&expected.map(str::to_owned)[..]));
    }

    #[test]
    fn all_of_a_crate_is_its_source_but_what_was_built() {
        let found = sources(
            &[
                ("src/lib.rs", "mod x; include_str!(\"words.txt\");"),
                ("src/x.rs", ""),
                ("src/words.txt", ""),
                ("Cargo.toml", ""),
                ("Cargo.lock", ""),
                (".cargo/config.toml", ""),
                ("sdk/src/lib.rs", ""),
                ("target/debug/build/x.rs", ""),
            ],
            Language::Rust,
        );
        let expected = [
            ".cargo/config.toml",
            "Cargo.toml",
            "sdk/src/lib.rs",
            "src/lib.rs",
            "src/words.txt",
            "src/x.rs",
        ];
        assert_eq!(found.as_deref(), Ok(&expected.map(str::to_owned)[..]));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let place = tempfile::tempdir().expect("a directory");
        std::fs::write(place.path().join("secret"), "").expect("a file");
        let inside = place.path().join("a");
        std::fs::create_dir(&inside).expect("a directory");
        let write = |name: &str, text: &str| {
            std::fs::write(inside.join(name), text).expect("a file");
        };
        write(
            "capsule.json",
            r#"{"name":"a","description":"","grants":[],"input_type":"json","example":{"input":"i","output":"o"}}"#,
        );
        write("a.c", "#include \"../secret\"\n#include \"link\"");
        std::os::unix::fs::symlink("../secret", inside.join("link")).expect("a link");
        let folder = Folder::open(&inside).unwrap_or_else(|failure| panic!("{failure}"));
        let found = closure(&folder, Language::C, Path::new("a.c"));
        let names = found.map(|found| found.into_keys().collect::<Vec<_>>());
        assert_eq!(names, Ok(vec!["a.c".to_owned()]));
    }
}
