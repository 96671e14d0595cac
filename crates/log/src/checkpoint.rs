//! Checkpoints: a log's size and root, signed (c2sp.org/tlog-checkpoint).
//!
//! Enters: foreign bytes and the log's key, or a checkpoint and the log's secret key. Leaves: a [`SignedCheckpoint`].
//! Refuses: other spellings, origins that no receipt could name, notes that the log's key did not sign exactly once.

mod origin;
#[cfg(test)]
mod tests;

use std::fmt;
use std::slice;
use std::str::FromStr;

use tenzik_receipt::{SecretKey, Sha256, SignError};

pub use origin::{NotAnOrigin, Origin};

use crate::lines::{base64, decimal, hash, lines};
use crate::note::{
    KeyId, Note, NoteError, SignatureLine, SignatureType, VerifierKey, VerifierKeyError,
};

/// Why bytes are no checkpoint of a log, or why none was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// An extension line is empty.
    #[error("extension line {line} is empty")]
    Extension {
        /// Which one, counted from 0.
        line: usize,
    },
    /// The key is none under which a log signs.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// The log's key is for cosignatures.
    #[error("the log's key is of type {got}, a log signs with ed25519")]
    KeyType {
        /// The key's type.
        got: SignatureType,
    },
    /// Fewer lines than origin, size and root need.
    #[error("a checkpoint has three lines or more, this has {lines}")]
    Lines {
        /// How many there are.
        lines: usize,
    },
    /// No signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// None of the log's keys signed it.
    #[error("not signed by the log's key")]
    NotSigned,
    /// The first line.
    #[error(transparent)]
    Origin(#[from] NotAnOrigin),
    /// Another log's checkpoint. The specification recommends that origin and key have one name; here they must.
    #[error("the origin is {got}, the key's name is another")]
    OtherOrigin {
        /// The checkpoint's.
        got: Origin,
    },
    /// The third line.
    #[error("the root is no hash of 32 bytes in Base 64")]
    Root,
    /// The secret key signs no checkpoints.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A line of the log's key is not its signature.
    #[error("the signature of the log's key {id} does not verify")]
    Signature {
        /// The key.
        id: KeyId,
    },
    /// The log's key stands twice.
    #[error("more than one signature of the log's key {id}")]
    SignedTwice {
        /// The key.
        id: KeyId,
    },
    /// The second line.
    #[error("the size is no decimal number below 2^64 without leading zeroes")]
    Size,
}

/// What a log says of its tree. Nothing of it is verified unless it comes from a [`SignedCheckpoint`].
///
/// ```text
/// node.example/log
/// 20852163
/// CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Origin,
    size: u64,
    root: Sha256,
    /// Not empty, without newlines.
    extensions: Vec<String>,
}

impl Checkpoint {
    /// A checkpoint without extension lines: our own have none, because no monitor could audit them.
    pub const fn new(origin: Origin, size: u64, root: Sha256) -> Self {
        Self {
            origin,
            size,
            root,
            extensions: Vec::new(),
        }
    }

    /// Reads the checkpoint of a signed note without verifying it, to find out whose it says it is.
    ///
    /// # Errors
    /// [`CheckpointError`] if note or checkpoint are not of the form.
    pub fn peek(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Note::from_bytes(bytes)?.text().parse()
    }

    /// The log.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub const fn root(&self) -> Sha256 {
        self.root
    }

    /// Lines of which this crate knows nothing, as they are.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs it as the log, whose name as a key is the origin.
    ///
    /// # Errors
    /// [`CheckpointError::Sign`] if the key is no checkpoint key; [`CheckpointError::Note`] if the extension lines leave
    /// no room for a signature.
    pub fn sign(&self, key: &SecretKey) -> Result<SignedCheckpoint, CheckpointError> {
        let text = self.to_string();
        let signature = key.sign_checkpoint(&text)?;
        let signer = VerifierKey::new(
            self.origin.name().clone(),
            SignatureType::Ed25519,
            key.public(),
        )?;
        let line = SignatureLine::new(
            signer.name().clone(),
            signer.id(),
            signature.as_bytes().to_vec(),
        );
        Ok(SignedCheckpoint {
            checkpoint: self.clone(),
            note: Note::new(text, vec![line])?,
            signer,
        })
    }
}

impl fmt::Display for Checkpoint {
    /// The note's text, with the newline at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = base64(self.root.as_bytes());
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)?;
        self.extensions
            .iter()
            .try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads a note's text, with the newline at its end.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<_> = lines(text).ok_or(NoteError::Unended)?.collect();
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(CheckpointError::Lines { lines: lines.len() });
        };
        if let Some(line) = extensions.iter().position(|line| line.is_empty()) {
            return Err(CheckpointError::Extension { line });
        }
        Ok(Self {
            origin: Origin::new(origin)?,
            size: decimal(size).ok_or(CheckpointError::Size)?,
            root: hash(root).ok_or(CheckpointError::Root)?,
            extensions: extensions.iter().copied().map(str::to_owned).collect(),
        })
    }
}

/// A checkpoint that its log signed: the log's signature is verified, others are kept as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    signer: VerifierKey,
}

impl SignedCheckpoint {
    /// Opens a note with the log's key.
    ///
    /// # Errors
    /// [`CheckpointError`]. Exactly one line must be of this key, and it must verify.
    pub fn open(bytes: &[u8], key: &VerifierKey) -> Result<Self, CheckpointError> {
        Self::open_any(bytes, slice::from_ref(key))
    }

    /// Opens a note with the keys of a log that changes them. The first that signed is the [`signer`](Self::signer).
    ///
    /// # Errors
    /// [`CheckpointError`]. A line of any of these keys that does not verify refuses the whole, and one key at least
    /// must have signed.
    pub fn open_any(bytes: &[u8], keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::from_bytes(bytes)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        let mut signer = None;
        for key in keys {
            if signed_by(&note, &checkpoint, key)? && signer.is_none() {
                signer = Some(key.clone());
            }
        }
        Ok(Self {
            checkpoint,
            note,
            signer: signer.ok_or(CheckpointError::NotSigned)?,
        })
    }

    /// What the log says.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note, with every signature line that it had.
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The log's key that signed.
    pub const fn signer(&self) -> &VerifierKey {
        &self.signer
    }

    /// The note's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    /// The same with the signature of its log alone: others say nothing of what the log said, and anybody can add them.
    #[must_use]
    pub fn alone(&self) -> Self {
        let own = self.note.signatures_of(&self.signer).next();
        let own = own.expect("it was opened or signed with this key").clone();
        let note = Note::new(self.note.text().to_owned(), vec![own]);
        Self {
            checkpoint: self.checkpoint.clone(),
            note: note.expect("a part of a note is one"),
            signer: self.signer.clone(),
        }
    }

    /// Puts other signature lines below those of the log.
    pub(crate) fn set_note(&mut self, signatures: Vec<SignatureLine>) -> Result<(), NoteError> {
        self.note = Note::new(self.note.text().to_owned(), signatures)?;
        Ok(())
    }
}

/// Whether a log's key signed a note, exactly once.
fn signed_by(
    note: &Note,
    checkpoint: &Checkpoint,
    key: &VerifierKey,
) -> Result<bool, CheckpointError> {
    if key.signature_type() != SignatureType::Ed25519 {
        let got = key.signature_type();
        return Err(CheckpointError::KeyType { got });
    }
    if checkpoint.origin.name() != key.name() {
        let got = checkpoint.origin.clone();
        return Err(CheckpointError::OtherOrigin { got });
    }
    let id = key.id();
    let mut lines = note.signatures_of(key);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(false),
        (Some(line), None) if key.verifies(note.text(), line) => Ok(true),
        (Some(_), None) => Err(CheckpointError::Signature { id }),
        (Some(_), Some(_)) => Err(CheckpointError::SignedTwice { id }),
    }
}
