//! What is to run: a private copy of it, and its digest.
//!
//! Enters: files in memory or below a directory. Leaves: a [`CodeTree`], read once; what is hashed is what runs.
//! Refuses: paths that leave the tree, links and devices, more files or bytes than a bound, an entrypoint that is not there.
//!
//! A tree's digest is BLAKE3's key derivation with the context `tenzik 2026 code tree v1` over, for each file in the order of
//! its path's bytes: the path's length (8 bytes, big-endian), the path, one byte (1 if it may be executed), the content's
//! length (8 bytes, big-endian), the content.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use tenzik_receipt::Blake3;

/// The most files of a tree.
pub const FILES_MAX: usize = 10_000;
/// The most bytes of all of a tree's files together.
pub const TREE_BYTES_MAX: u64 = 256 << 20;
/// The longest path in a tree.
pub const PATH_BYTES_MAX: usize = 1_024;

const CONTEXT: &str = "tenzik 2026 code tree v1";

/// One file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What is in it.
    pub content: Arc<[u8]>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Code as files, with the one that is run. It cannot be changed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeTree {
    files: BTreeMap<String, File>,
    entrypoint: String,
    digest: Blake3,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// There is no file.
    #[error("there is no code")]
    Empty,
    /// The file to run is not in the tree.
    #[error("the entrypoint {path} is not in the tree")]
    NoEntrypoint {
        /// The path, at most 64 characters of it.
        path: String,
    },
    /// A path that is not relative, plain and within bounds.
    #[error("the path {path} is not a plain relative one of at most {PATH_BYTES_MAX} bytes")]
    Path {
        /// The path, at most 64 characters of it.
        path: String,
    },
    /// A file could not be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The path, at most 64 characters of it.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something that is neither file nor directory.
    #[error("{path} is neither a file nor a directory; links are not followed")]
    Special {
        /// The path, at most 64 characters of it.
        path: String,
    },
    /// Too much.
    #[error("the tree has more than {FILES_MAX} files or {TREE_BYTES_MAX} bytes")]
    TooLarge,
}

impl CodeTree {
    /// A tree of these files.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn new(
        files: BTreeMap<String, File>,
        entrypoint: impl Into<String>,
    ) -> Result<Self, CodeError> {
        let entrypoint = entrypoint.into();
        if files.is_empty() {
            return Err(CodeError::Empty);
        }
        if let Some(path) = files.keys().find(|path| !is_plain(path)) {
            return Err(CodeError::Path { path: shown(path) });
        }
        let bytes: u64 = files.values().map(|file| file.content.len() as u64).sum();
        if files.len() > FILES_MAX || bytes > TREE_BYTES_MAX {
            return Err(CodeError::TooLarge);
        }
        if !files.contains_key(&entrypoint) {
            return Err(CodeError::NoEntrypoint {
                path: shown(&entrypoint),
            });
        }
        let digest = digest(&files);
        Ok(Self {
            files,
            entrypoint,
            digest,
        })
    }

    /// A tree of one file, which is run. Where there is nothing in it, it is the router that refuses it, with a receipt.
    ///
    /// # Errors
    /// [`CodeError::Path`], [`CodeError::TooLarge`].
    pub fn single(name: &str, content: impl Into<Arc<[u8]>>) -> Result<Self, CodeError> {
        let file = File {
            content: content.into(),
            executable: false,
        };
        Self::new(BTreeMap::from([(name.to_owned(), file)]), name)
    }

    /// Reads all below a directory, once. What changes there later changes nothing.
    ///
    /// # Errors
    /// [`CodeError`]; a link or device anywhere below is refused.
    pub fn read(directory: &Path, entrypoint: &str) -> Result<Self, CodeError> {
        let mut reading = Reading::default();
        reading.directory(directory, "")?;
        Self::new(reading.files, entrypoint)
    }

    /// The files by path.
    pub const fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }

    /// The path of the file that is run.
    pub fn entrypoint(&self) -> &str {
        &self.entrypoint
    }

    /// The content of the file that is run.
    pub fn entry(&self) -> &Arc<[u8]> {
        // By `new`, which alone makes one.
        &self.files[&self.entrypoint].content
    }

    /// What a receipt commits to.
    pub const fn digest(&self) -> Blake3 {
        self.digest
    }

    /// Writes the files below a directory that is there and empty.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, directory: &Path) -> std::io::Result<()> {
        for (path, file) in &self.files {
            let path = directory.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(&path, &file.content)?;
            set_mode(&path, file.executable)?;
        }
        Ok(())
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, executable: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o555 } else { 0o444 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &Path, _: bool) -> std::io::Result<()> {
    Ok(())
}

/// Relative, without empty, `.` and `..` parts, and without what some system takes for a separator.
fn is_plain(path: &str) -> bool {
    (1..=PATH_BYTES_MAX).contains(&path.len())
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn digest(files: &BTreeMap<String, File>) -> Blake3 {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for (path, file) in files {
        hasher.update(&(path.len() as u64).to_be_bytes());
        hasher.update(path.as_bytes());
        hasher.update(&[u8::from(file.executable)]);
        hasher.update(&(file.content.len() as u64).to_be_bytes());
        hasher.update(&file.content);
    }
    Blake3::from_bytes(hasher.finalize().into())
}

fn shown(path: &str) -> String {
    path.escape_debug().take(64).collect()
}

#[derive(Default)]
struct Reading {
    files: BTreeMap<String, File>,
    bytes: u64,
}

impl Reading {
    fn directory(&mut self, directory: &Path, prefix: &str) -> Result<(), CodeError> {
        let read = |source| CodeError::Read {
            path: shown(prefix),
            source,
        };
        for entry in fs::read_dir(directory).map_err(read)? {
            let entry = entry.map_err(read)?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(CodeError::Path {
                    path: shown(&name.to_string_lossy()),
                });
            };
            let path = match prefix {
                "" => name.to_owned(),
                _ => format!("{prefix}/{name}"),
            };
            let kind = entry.file_type().map_err(read)?;
            match (kind.is_dir(), kind.is_file()) {
                (true, _) if path.len() <= PATH_BYTES_MAX => {
                    self.directory(&entry.path(), &path)?
                }
                (_, true) => self.file(&entry.path(), path)?,
                _ => return Err(CodeError::Special { path: shown(&path) }),
            }
        }
        Ok(())
    }

    fn file(&mut self, from: &Path, path: String) -> Result<(), CodeError> {
        let read = |source| CodeError::Read {
            path: shown(&path),
            source,
        };
        let file = fs::File::open(from).map_err(read)?;
        let executable = is_executable(&file.metadata().map_err(read)?);
        let room = TREE_BYTES_MAX - self.bytes;
        let mut content = Vec::new();
        file.take(room + 1)
            .read_to_end(&mut content)
            .map_err(read)?;
        self.bytes += content.len() as u64;
        if self.bytes > TREE_BYTES_MAX || self.files.len() >= FILES_MAX {
            return Err(CodeError::TooLarge);
        }
        let content = content.into();
        self.files.insert(
            path,
            File {
                content,
                executable,
            },
        );
        Ok(())
    }
}

#[cfg(unix)]
fn is_executable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &fs::Metadata) -> bool {
    false
}
