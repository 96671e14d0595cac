//! What may be a leaf: a receipt of one of the origin's nodes, in its canonical bytes.
//!
//! Enters: foreign bytes. Leaves: a [`Leaf`]. Refuses: what is no receipt, is signed by another key or badly, belongs to
//! another log, or is from the future; and, in a public log, an unkeyed receipt whose requester did not opt in.

use std::collections::BTreeMap;

use tenzik_receipt::{
    CheckName, Expectations, Outcome, PublicKey, ReadError, ReceiptId, SignedReceipt, Timestamp,
    Trust, TrustError, Verifier,
};

use crate::checkpoint::Origin;

/// The type of a receipt that this version reads.
const TYPE: &str = "tenzik/receipt/v1";
/// What a receipt's type begins with, in whatever version.
const TYPES: &str = "tenzik/receipt/";
/// The most bytes of a version's name.
const VERSION_BYTES_MAX: usize = 48;

/// Who may read a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Those whom the node lets.
    Private,
    /// Anyone. An unkeyed receipt names its input by a digest that can be guessed, so it needs its requester's consent,
    /// which is the log promise in it.
    Public,
}

/// A receipt that may enter a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub(crate) id: ReceiptId,
    pub(crate) bytes: Vec<u8>,
    /// Whether the log may hold it already.
    pub(crate) known: bool,
    pub(crate) merge_by: Option<Timestamp>,
}

impl Leaf {
    /// Whose leaf it is.
    pub const fn id(&self) -> ReceiptId {
        self.id
    }

    /// The canonical receipt.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why bytes are no leaf of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// It names an extension that a reader must understand, and this one does not.
    #[error("a critical extension is not known: {note}")]
    Extension {
        /// What was found.
        note: String,
    },
    /// It is not a receipt in its one form.
    #[error("not a receipt: {0}")]
    Form(#[from] ReadError),
    /// It is dated later than the clock allows.
    #[error("from the future: {note}")]
    Future {
        /// What was found.
        note: String,
    },
    /// The origin's list of nodes has not this one.
    #[error("{node} is no node of {origin}")]
    Node {
        /// The node that the receipt names.
        node: PublicKey,
        /// The log.
        origin: Origin,
    },
    /// It would be shown to anyone, and its requester did not say that it may.
    #[error("an unkeyed receipt without a log promise does not enter a public log")]
    NotOptedIn,
    /// It was promised to another log.
    #[error("promised to another log: {named}")]
    OtherLog {
        /// The log that the receipt names.
        named: String,
    },
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// It says that it is of another type: another version's, perhaps.
    #[error("the type {named} is not known")]
    Type {
        /// The type that it names.
        named: String,
    },
}

impl LeafError {
    /// Whether a log that holds such a leaf has broken its word, whoever reads it and with whatever version: bytes that are no
    /// receipt, a signature that does not hold, what was promised to another log, what was not to be shown.
    ///
    /// A list of nodes that is not up to date, a clock that is behind, and what a later version may know accuse nobody. `leaf` is
    /// what was refused: a word in it, such as a status, may be a later version's.
    pub fn accuses(&self, leaf: &[u8]) -> bool {
        match self {
            Self::Form(error) => !has_new_word(error, leaf),
            Self::NotOptedIn | Self::OtherLog { .. } | Self::Signature => true,
            Self::Extension { .. }
            | Self::Future { .. }
            | Self::Node { .. }
            | Self::Type { .. } => false,
        }
    }
}

/// The most bytes of a word such as a status.
const WORD_BYTES_MAX: usize = 24;

/// Whether all that is wrong with a receipt of the known type may be a word that is not known, such as a new status.
fn has_new_word(error: &ReadError, leaf: &[u8]) -> bool {
    match error {
        ReadError::Value { offset, .. } => {
            named_type(leaf) == Some(TYPE) && is_word(leaf.get(*offset..))
        }
        _ => false,
    }
}

/// Whether a short text of small letters begins here: names do, digests, times and numbers do not.
fn is_word(text: Option<&[u8]>) -> bool {
    let text = text.and_then(|text| text.strip_prefix(b"\""));
    let word = text.and_then(|text| text.split(|byte| *byte == b'"').next());
    word.is_some_and(|word| {
        let letter = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        (1..=WORD_BYTES_MAX).contains(&word.len()) && word.iter().all(letter)
    })
}

/// What an origin takes as leaves.
#[derive(Clone, Debug)]
pub struct LeafRules {
    origin: Origin,
    nodes: BTreeMap<PublicKey, Trust>,
    visibility: Visibility,
}

impl LeafRules {
    /// The rules of a log whose receipts are those of these nodes.
    ///
    /// # Errors
    /// [`TrustError`] if one of the keys is none, or weak.
    pub fn new(
        origin: Origin,
        nodes: impl IntoIterator<Item = PublicKey>,
        visibility: Visibility,
    ) -> Result<Self, TrustError> {
        let nodes = nodes
            .into_iter()
            .map(|node| Ok((node, Trust::in_receipts_of(node)?)));
        Ok(Self {
            origin,
            nodes: nodes.collect::<Result<_, TrustError>>()?,
            visibility,
        })
    }

    /// The log.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Who may read it.
    pub const fn visibility(&self) -> Visibility {
        self.visibility
    }

    /// The nodes whose receipts it takes.
    pub fn nodes(&self) -> impl Iterator<Item = PublicKey> {
        self.nodes.keys().copied()
    }

    /// A receipt that this process has just signed: its signature is not checked again, and no log holds it yet.
    ///
    /// # Errors
    /// [`LeafError`], but for form, signature, extension and date.
    pub fn sealed(&self, receipt: &SignedReceipt) -> Result<Leaf, LeafError> {
        self.trust(receipt)?;
        self.admit(receipt, receipt.to_bytes(), false)
    }

    /// A receipt that somebody hands in, at a time.
    ///
    /// # Errors
    /// [`LeafError`].
    pub fn read(
        &self,
        bytes: &[u8],
        at: Timestamp,
        verifier: &mut Verifier,
    ) -> Result<(Leaf, SignedReceipt), LeafError> {
        let receipt = self.signed(bytes, at, verifier)?;
        let leaf = self.admit(&receipt, bytes.to_vec(), true)?;
        Ok((leaf, receipt))
    }

    /// A receipt that one of the nodes signed, whether or not it may be in the log.
    ///
    /// # Errors
    /// [`LeafError`], but for [`LeafError::NotOptedIn`] and [`LeafError::OtherLog`].
    pub fn signed(
        &self,
        bytes: &[u8],
        at: Timestamp,
        verifier: &mut Verifier,
    ) -> Result<SignedReceipt, LeafError> {
        let receipt = SignedReceipt::from_bytes(bytes).map_err(|error| unread(bytes, error))?;
        let node = receipt.receipt().node;
        let stranger = match self.nodes.contains_key(&node) {
            true => None,
            // No signature of a weak key shows anything.
            false => Some(Trust::in_receipts_of(node).map_err(|_| LeafError::Signature)?),
        };
        let trust = stranger.as_ref().or_else(|| self.nodes.get(&node));
        let trust = trust.expect("it is one of the nodes or a stranger");
        let report = verifier.verify(bytes, trust, at, &Expectations::default());
        for check in report.checks() {
            if check.outcome == Outcome::Passed {
                continue;
            }
            let note = check.note.to_string();
            match check.name {
                CheckName::Form | CheckName::Key | CheckName::Signature => {
                    return Err(LeafError::Signature);
                }
                CheckName::Extensions => return Err(LeafError::Extension { note }),
                CheckName::IssuedAt => return Err(LeafError::Future { note }),
                // How the run ended and whom it was for is no matter of the log's.
                _ => {}
            }
        }
        self.trust(&receipt)?;
        Ok(receipt)
    }

    fn trust(&self, receipt: &SignedReceipt) -> Result<&Trust, LeafError> {
        let node = receipt.receipt().node;
        self.nodes.get(&node).ok_or_else(|| LeafError::Node {
            node,
            origin: self.origin.clone(),
        })
    }

    fn admit(
        &self,
        receipt: &SignedReceipt,
        bytes: Vec<u8>,
        known: bool,
    ) -> Result<Leaf, LeafError> {
        let promise = receipt.receipt().log.as_ref();
        match promise {
            Some(promise) if promise.origin.as_str() != self.origin.as_str() => {
                return Err(LeafError::OtherLog {
                    named: promise.origin.as_str().to_owned(),
                });
            }
            None if self.visibility == Visibility::Public && !receipt.claim().is_private() => {
                return Err(LeafError::NotOptedIn);
            }
            _ => {}
        }
        Ok(Leaf {
            id: receipt.id(),
            bytes,
            known,
            // A receipt that is handed in may come after its time; that is not this log being late.
            merge_by: promise.filter(|_| !known).map(|promise| promise.merge_by),
        })
    }
}

/// Why bytes are no receipt.
fn unread(bytes: &[u8], error: ReadError) -> LeafError {
    match named_type(bytes).filter(|named| *named != TYPE) {
        Some(named) => LeafError::Type {
            named: named.to_owned(),
        },
        None => LeafError::Form(error),
    }
}

/// The type of a receipt, in whatever version. A canonical object says it at its end, whatever else is in it.
fn named_type(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_prefix('{')?.strip_suffix("\"}")?;
    let (_, named) = text.rsplit_once(",\"type\":\"")?;
    let version = named.strip_prefix(TYPES)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let fits = (1..=VERSION_BYTES_MAX).contains(&version.len()) && version.bytes().all(is_plain);
    fits.then_some(named)
}
