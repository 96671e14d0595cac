//! An entry: compiled code under a code of authenticity.
//!
//! Enters: a module that an engine of this process has compiled; the bytes of a file. Leaves: bytes for a file; a module.
//! Refuses: bytes that were not written with the local key, under just this name.
//!
//! | bytes | what |
//! |---|---|
//! | 16 | `tenzik code v1`, a newline, a zero |
//! | 32 | BLAKE3, keyed with the local key, of the 16 bytes above, the entry's name (32 bytes) and all that follows |
//! | 8 | length of the code, little-endian |
//! | the rest | the code, as wasmtime serialises it |
//!
//! This is the one file of the library with `unsafe` code in it.

use wasmtime::{Engine, Module};

use super::key::LocalKey;

const MAGIC: &[u8; 16] = b"tenzik code v1\n\0";
const MAC_BYTES: usize = blake3::OUT_LEN;
const LENGTH_BYTES: usize = size_of::<u64>();

/// What a name is derived under, beside the engine's fingerprint and the module.
const NAME_CONTEXT: &str = "tenzik 2026-11-20 name of compiled code v1";

/// Names what was compiled, by which engine and how. Another module or another setting is another name.
pub(super) struct Name(blake3::Hash);

impl Name {
    pub(super) fn of(fingerprint: &blake3::Hash, module: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(NAME_CONTEXT);
        // It has a fixed length, so no two pairs are the same bytes.
        hasher.update(fingerprint.as_bytes());
        Self(hasher.update(module).finalize())
    }

    /// The file that the entry is in.
    pub(super) fn file(&self) -> String {
        format!("{}{ENDING}", self.0.to_hex())
    }

    /// Whether a file's name is that of an entry.
    pub(super) fn is_file(file: &str) -> bool {
        file.strip_suffix(ENDING)
            .is_some_and(|name| blake3::Hash::from_hex(name).is_ok())
    }
}

const ENDING: &str = ".code";

/// The entry of a module. Nothing but what a compiler of this process has made is ever sealed.
pub(super) fn seal(module: &Module, name: &Name, key: &LocalKey) -> wasmtime::Result<Vec<u8>> {
    let code = module.serialize()?;
    let length = (code.len() as u64).to_le_bytes();
    let mac = mac(name, &length, &code, key);
    Ok([&MAGIC[..], mac.as_bytes(), &length, &code].concat())
}

/// Code that was sealed with the local key. Only [`Authentic::open`] makes one.
pub(super) struct Authentic<'a>(&'a [u8]);

impl<'a> Authentic<'a> {
    /// The code of an entry; `None` if anything of it is not as it was sealed, or it was sealed under another name.
    pub(super) fn open(entry: &'a [u8], name: &Name, key: &LocalKey) -> Option<Self> {
        let rest = entry.strip_prefix(MAGIC)?;
        let (sealed, rest) = rest.split_first_chunk::<MAC_BYTES>()?;
        let (length, code) = rest.split_first_chunk::<LENGTH_BYTES>()?;
        if u64::from_le_bytes(*length) != code.len() as u64 {
            return None;
        }
        // Hashes are compared in constant time.
        let authentic = mac(name, length, code, key) == blake3::Hash::from_bytes(*sealed);
        authentic.then_some(Self(code))
    }

    /// The module. wasmtime refuses what another version of it made, or one of other settings.
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Module> {
        #[expect(
            unsafe_code,
            reason = "wasmtime takes the caller's word for it that the bytes are its own"
        )]
        // SAFETY: the bytes must be what `Module::serialize` gave, unchanged. They are in this process's memory, where no
        // file shows through, and `open` has found a code of authenticity over all of them. That can only be made with the
        // local key, which nobody but this user can read, and nothing makes it but `seal`, which calls `serialize` itself.
        // They may be another wasmtime's: those it refuses by itself.
        unsafe {
            Module::deserialize(engine, self.0)
        }
    }
}

fn mac(name: &Name, length: &[u8; LENGTH_BYTES], code: &[u8], key: &LocalKey) -> blake3::Hash {
    let mut hasher = key.hasher();
    hasher.update(MAGIC).update(name.0.as_bytes());
    hasher.update(length).update(code).finalize()
}
