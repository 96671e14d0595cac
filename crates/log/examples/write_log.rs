//! Writes a log of receipts as files, at the paths of tlog-tiles, for other implementations to read.
//!
//! `cargo run -p tenzik-log --example write_log -- DIRECTORY SIZE...`
//!
//! Enters: a directory and the sizes at which the tree is signed, ascending. Leaves: tiles, entry bundles, a checkpoint
//! of each size, proofs, signatures and keys. Every key is fixed, so the files are the same in each run. Refuses: sizes
//! that do not ascend.
//!
//! | file | what |
//! |---|---|
//! | `tile/...` | tiles and bundles; the partial ones of each size stay |
//! | `checkpoint` | the newest, with a cosignature |
//! | `checkpoint.SIZE` | of each size, without one |
//! | `add-checkpoint.SIZE` | the request that leads a witness from the size before to this one |
//! | `leaf.tlog-proof`, `leaf` | a proof with its receipt |
//! | `log.vkey`, `witness.vkey` | keys that verify notes |
//! | `receipt.dsse.json`, `node.hex` | an export, and the node's key |
//! | `raw/NAME.{pem,message,signature}` | signatures, of a checkpoint's text and of a receipt's PAE |

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tenzik_log::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tenzik_log::cosignature::cosign;
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_log::proof_file::TlogProof;
use tenzik_log::storage::StorageError;
use tenzik_log::tile::TilePath;
use tenzik_log::tree::{ReadTiles, Tree};
use tenzik_log::witness::AddCheckpoint;
use tenzik_log::{Frontier, Tile};
use tenzik_receipt::{
    Decode as _, Int, KeyUse, PublicKey, RawSignature, Receipt, SecretKey, Signature,
    SignedReceipt, Timestamp, export, to_hex,
};

const ORIGIN: &str = "node.example/log";
const WITNESS: &str = "witness.example/w1";
/// How many receipts are made before they are put into tiles: whole bundles.
const STEP: u64 = 4096;

type Done<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Done {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("usage: write_log DIRECTORY SIZE...")?;
    let sizes: Vec<u64> = arguments
        .map(|size| size.parse())
        .collect::<Result<_, _>>()?;
    if sizes.is_empty() || !sizes.is_sorted_by(|one, next| one < next) || sizes[0] == 0 {
        return Err("sizes must ascend, from 1 on".into());
    }
    let output = Output(PathBuf::from(directory));
    let receipts = Receipts::new()?;
    let newest = write_log(&output, &receipts, &sizes)?;
    let newest = write_newest(&output, newest)?;
    write_proof(&output, &receipts, &newest)?;
    write_signatures(&output, &receipts, &newest)
}

/// Grows the tree from size to size, and signs each.
fn write_log(output: &Output, receipts: &Receipts, sizes: &[u64]) -> Done<SignedCheckpoint> {
    let mut frontier = Frontier::new();
    let mut newest: Option<SignedCheckpoint> = None;
    for &size in sizes {
        while frontier.size() < size {
            let end = size.min((frontier.size() / STEP + 1) * STEP);
            let leaves: Vec<_> = (frontier.size()..end)
                .map(|index| receipts.signed(index).to_bytes())
                .collect();
            output.write_tiles(&frontier.extend(leaves)?)?;
        }
        let origin = Origin::new(ORIGIN)?;
        let signed = Checkpoint::new(origin, size, frontier.root()).sign(&log_key())?;
        output.write(&format!("checkpoint.{size}"), &signed.to_bytes())?;
        let old = newest.map_or(0, |newest| newest.checkpoint().size());
        let proof = output.tree(size).consistency(old)?;
        let request = AddCheckpoint::new(old, proof, &signed)?;
        output.write(&format!("add-checkpoint.{size}"), &request.to_bytes())?;
        newest = Some(signed);
    }
    Ok(newest.expect("there is a size"))
}

/// The newest checkpoint with the witness's cosignature.
fn write_newest(output: &Output, mut newest: SignedCheckpoint) -> Done<SignedCheckpoint> {
    let (log, witness) = (log_key(), witness_key());
    let log = verifier(ORIGIN, SignatureType::Ed25519, &log)?;
    let name = KeyName::new(WITNESS)?;
    let line = cosign(newest.checkpoint(), &witness, &name, time())?;
    let witness = verifier(WITNESS, SignatureType::Cosignature, &witness)?;
    newest.add_signatures(&[line], std::slice::from_ref(&witness))?;
    output.write("checkpoint", &newest.to_bytes())?;
    output.write("log.vkey", format!("{log}\n").as_bytes())?;
    output.write("witness.vkey", format!("{witness}\n").as_bytes())?;
    Ok(newest)
}

/// The proof of a leaf in the middle.
fn write_proof(output: &Output, receipts: &Receipts, newest: &SignedCheckpoint) -> Done {
    let size = newest.checkpoint().size();
    let index = size / 2;
    let path = output.tree(size).inclusion(index)?;
    let proof = TlogProof::new(Some(b"made for a test".to_vec()), index, path, newest)?;
    output.write("leaf.tlog-proof", &proof.to_bytes())?;
    output.write("leaf", &receipts.signed(index).to_bytes())
}

fn write_signatures(output: &Output, receipts: &Receipts, newest: &SignedCheckpoint) -> Done {
    let receipt = receipts.signed(0);
    output.write("receipt.dsse.json", &export::to_dsse(&receipt)?)?;
    let node = to_hex(receipts.node.public().as_bytes());
    output.write("node.hex", node.as_bytes())?;
    let Signature::Single(signature) = receipt.signature() else {
        return Err("a receipt that was signed alone has a signature of its own".into());
    };
    let node = receipts.node.public();
    write_raw(output, "receipt", node, &receipt.signed_bytes(), signature)?;
    let text = newest.note().text();
    let log = log_key();
    let signature = log.sign_checkpoint(text)?;
    write_raw(
        output,
        "checkpoint",
        log.public(),
        text.as_bytes(),
        &signature,
    )
}

/// A message with its signature, and the key as a SubjectPublicKeyInfo (RFC 8410 section 4).
fn write_raw(
    output: &Output,
    name: &str,
    key: PublicKey,
    message: &[u8],
    signature: &RawSignature,
) -> Done {
    const HEAD: [u8; 12] = [
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
    ];
    let key = STANDARD.encode([HEAD.as_slice(), key.as_bytes()].concat());
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n");
    output.write(&format!("raw/{name}.pem"), pem.as_bytes())?;
    output.write(&format!("raw/{name}.message"), message)?;
    output.write(&format!("raw/{name}.signature"), signature.as_bytes())
}

/// The receipts of the log: one from the published vectors, with another sequence number each.
struct Receipts {
    node: SecretKey,
    first: Receipt,
}

impl Receipts {
    fn new() -> Done<Self> {
        let vectors = include_str!("../../receipt/tests/vectors/receipts.json");
        let vectors: serde_json::Value = serde_json::from_str(vectors)?;
        let payload = vectors["receipts"][0]["payload"].as_str();
        let first =
            Receipt::from_canonical(payload.ok_or("no receipt in the vectors")?.as_bytes())?;
        let node = key(0x11, KeyUse::Receipt);
        Ok(Self { node, first })
    }

    fn signed(&self, index: u64) -> SignedReceipt {
        let mut receipt = self.first.clone();
        receipt.nonce.seq = Int::new(index).expect("a log of fewer than 2^53 receipts");
        let signed = self.node.sign_receipt(receipt);
        signed.expect("the vectors' node key signs the vectors' receipts")
    }
}

fn key(seed: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH)
}

fn log_key() -> SecretKey {
    key(0x33, KeyUse::Checkpoint)
}

fn witness_key() -> SecretKey {
    key(0x44, KeyUse::Witness)
}

fn verifier(name: &str, kind: SignatureType, key: &SecretKey) -> Done<VerifierKey> {
    Ok(VerifierKey::new(KeyName::new(name)?, kind, key.public())?)
}

fn time() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().expect("a time")
}

/// The directory that is written.
struct Output(PathBuf);

impl Output {
    fn write(&self, name: &str, bytes: &[u8]) -> Done {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        Ok(fs::write(path, bytes)?)
    }

    fn write_tiles(&self, tiles: &[Tile]) -> Done {
        tiles
            .iter()
            .try_for_each(|(path, bytes)| self.write(&path.to_string(), bytes))
    }

    /// The tree of a size for which tiles were written.
    fn tree(&self, size: u64) -> Tree<impl ReadTiles + '_> {
        let read = |path: TilePath| {
            fs::read(self.0.join(path.to_string()))
                .map(Some)
                .map_err(|error| StorageError::Io {
                    doing: format!("reading {path}"),
                    error: Box::new(error),
                })
        };
        Tree::new(size, read)
    }
}
