//! The evidence file: ordinary JSON that carries signed things as they are.
//!
//! Enters: foreign bytes. Leaves: [`Evidence`], unverified. Refuses: more than [`EVIDENCE_BYTES_MAX`], members that are
//! not known or doubled, base64 that is not canonical, and every spelling but the one that is written.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tenzik_receipt::Sha256;

use super::EvidenceError;

/// The most bytes of an evidence file: a capsule and an input of some megabytes, in base64.
pub const EVIDENCE_BYTES_MAX: usize = 32 << 20;
/// The most hashes of a proof: those between two trees of 2^63 leaves.
const HASHES_MAX: usize = 64;

/// Signed things that contradict each other. Nothing is verified yet: see [`Evidence::verify`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Evidence {
    /// A log holds what it may not hold.
    BadLeaf(BadLeaf),
    /// A receipt is not in the log that it was promised to.
    BrokenPromise(BrokenPromise),
    /// A log signed two trees.
    Equivocation(Equivocation),
    /// A node signed a claim that a re-run contradicts.
    ForgedClaim(ForgedClaim),
}

/// A leaf with the proof that the log has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadLeaf {
    /// The leaf's bytes; base64 in the file, since they may be anything.
    #[serde(with = "bytes")]
    pub leaf: Vec<u8>,
    /// The `.tlog-proof` file's text.
    pub proof: String,
}

/// A promise, and witnesses' later word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokenPromise {
    /// A checkpoint of the log with cosignatures that are dated after the promise.
    pub checkpoint: String,
    /// The canonical receipt.
    pub receipt: String,
}

/// Two checkpoints of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivocation {
    /// The checkpoint of the smaller tree.
    pub one: String,
    /// The checkpoint of the larger tree, or of one of the same size.
    pub other: String,
    /// The root that the larger tree has at the smaller one's size; null if the sizes are equal.
    #[serde(serialize_with = "write_hash", deserialize_with = "read_hash")]
    pub prefix: Option<Sha256>,
    /// The proof that the larger tree begins with the tree of that root (RFC 6962 section 2.1.2).
    #[serde(serialize_with = "write_hashes", deserialize_with = "read_hashes")]
    pub proof: Vec<Sha256>,
}

/// A receipt with what is needed to run it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgedClaim {
    /// The capsule; base64 in the file.
    #[serde(with = "bytes")]
    pub capsule: Vec<u8>,
    /// The input; base64 in the file.
    #[serde(with = "bytes")]
    pub input: Vec<u8>,
    /// The canonical receipt.
    pub receipt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    evidence: Evidence,
    r#type: FileType,
}

#[derive(Serialize, Deserialize)]
enum FileType {
    #[serde(rename = "tenzik/evidence/v1")]
    V1,
}

impl Evidence {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let file = File {
            evidence: self.clone(),
            r#type: FileType::V1,
        };
        serde_json::to_vec(&file).expect("strings and lists can be written as JSON")
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`EvidenceError::File`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvidenceError> {
        let refused = |what: String| EvidenceError::File { what };
        if bytes.len() > EVIDENCE_BYTES_MAX {
            let got = bytes.len();
            return Err(refused(format!(
                "it has {got} bytes, {EVIDENCE_BYTES_MAX} are allowed"
            )));
        }
        // Of the reader's words only the place is passed on: the rest may repeat the file.
        let file: File = serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            refused(format!("line {line}, column {column}"))
        })?;
        // JSON has many spellings of one thing; a file's name is its digest.
        if file.evidence.to_bytes() != bytes {
            return Err(refused("it is not in its one spelling".to_owned()));
        }
        Ok(file.evidence)
    }
}

mod bytes {
    use super::*;

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode(text);
        bytes.map_err(|_| serde::de::Error::custom("not base64"))
    }
}

fn write_hash<S: Serializer>(hash: &Option<Sha256>, to: S) -> Result<S::Ok, S::Error> {
    hash.map(|hash| hash.to_string()).serialize(to)
}

fn read_hash<'a, D: Deserializer<'a>>(from: D) -> Result<Option<Sha256>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let hash = text.map(|text| text.parse()).transpose();
    hash.map_err(serde::de::Error::custom)
}

fn write_hashes<S: Serializer>(hashes: &[Sha256], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(hashes.iter().map(ToString::to_string))
}

fn read_hashes<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<Sha256>, D::Error> {
    from.deserialize_seq(Hashes)
}

/// Reads hashes one by one, and stops at the first that is too many.
struct Hashes;

impl<'a> Visitor<'a> for Hashes {
    type Value = Vec<Sha256>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {HASHES_MAX} hashes")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut texts: A) -> Result<Self::Value, A::Error> {
        let mut hashes = Vec::new();
        while let Some(text) = texts.next_element::<String>()? {
            if hashes.len() == HASHES_MAX {
                return Err(serde::de::Error::custom("too many hashes"));
            }
            hashes.push(text.parse().map_err(serde::de::Error::custom)?);
        }
        Ok(hashes)
    }
}
