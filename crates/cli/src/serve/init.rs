//! `serve init`: a directory from which a node can be served at once.
//!
//! Enters: a directory's name, perhaps an origin. Leaves: keys of mode 0600, `callers.toml`, `peers.toml`, `node.toml`, and
//! one token, which is shown once. Refuses: to overwrite any of these.
//!
//! `node.toml` is written last: where it is, the rest is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use tenzik_log::checkpoint::Origin;
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_receipt::{Blake3, KeyUse, PublicKey, SecretKey, to_hex};

use crate::error::{Exit, Failure};
use crate::output::{Console, Reply};
use crate::{files, keyfile, system, text};

/// How many digits of the log's key stand in an origin that nobody chose.
const DIGITS: usize = 16;
/// The files that are written beside the keys.
const NODE: &str = "node.toml";
const CALLERS: &str = "callers.toml";
const PEERS: &str = "peers.toml";

/// `serve init`, as it is written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The directory; it is made if it is not there
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The log's name, such as node.example/log, which cannot be changed later; without it, one is made of the log's key
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    origin: Option<Origin>,
}

fn origin(text: &str) -> Result<Origin, String> {
    Origin::new(text).map_err(|error| error.to_string())
}

/// What others must know of the node.
struct Made {
    node: PublicKey,
    log: VerifierKey,
    witness: VerifierKey,
    token: String,
}

/// Makes the files.
pub(super) fn init(args: Args, console: Console) -> Result<Reply, Failure> {
    let directory = args.directory;
    for name in [
        NODE,
        CALLERS,
        PEERS,
        "receipt.key",
        "checkpoint.key",
        "witness.key",
    ] {
        let path = directory.join(name);
        if path.exists() {
            return Err(exists(&path));
        }
    }
    files::private_directory(&directory).map_err(|error| not_written(&directory, &error))?;
    let receipt = key(&directory, KeyUse::Receipt)?;
    let checkpoint = key(&directory, KeyUse::Checkpoint)?;
    let witness = key(&directory, KeyUse::Witness)?;
    let origin = match args.origin {
        Some(origin) => origin,
        None => made_of(checkpoint.public()),
    };
    let witness_name = witness_name(&origin);
    let token = to_hex(&*system::random::<32>()?);
    let made = Made {
        node: receipt.public(),
        log: verifier(origin.name().clone(), SignatureType::Ed25519, &checkpoint)?,
        witness: verifier(witness_name.clone(), SignatureType::Cosignature, &witness)?,
        token,
    };
    write(&directory, CALLERS, &callers(&made.token), files::PRIVATE)?;
    write(&directory, PEERS, PEERS_TEXT, files::PUBLIC)?;
    write(
        &directory,
        NODE,
        &node(&origin, &witness_name),
        files::PUBLIC,
    )?;
    console.note("the token is shown this once: callers.toml has only its digest");
    Ok(told(&directory, &origin, &made))
}

fn key(directory: &Path, key_use: KeyUse) -> Result<SecretKey, Failure> {
    keyfile::make(&directory.join(format!("{key_use}.key")), key_use)
}

/// No two nodes have one key, so no two have one name.
fn made_of(key: PublicKey) -> Origin {
    let digits = to_hex(key.as_bytes());
    let name = format!("node-{}/log", &digits[..DIGITS]);
    Origin::new(&name).expect("letters, digits, a hyphen and a slash are an origin")
}

/// The origin's first part, as it may be a host's name.
fn witness_name(origin: &Origin) -> KeyName {
    let host = origin.as_str().split('/').next().unwrap_or_default();
    KeyName::new(&format!("{host}/witness")).unwrap_or_else(|_| origin.name().clone())
}

fn verifier(
    name: KeyName,
    signature_type: SignatureType,
    key: &SecretKey,
) -> Result<VerifierKey, Failure> {
    VerifierKey::new(name, signature_type, key.public())
        .map_err(|error| Failure::new(Exit::Other, "log_key", error.to_string(), "report this"))
}

/// Paths are relative to the file, so the directory can be moved.
fn node(origin: &Origin, witness: &KeyName) -> String {
    format!(
        "\
# A Tenzik node. docs/node.md has every key; what is absent has its default.

listen = \"127.0.0.1:8440\"     # other machines: a public address, and [tls]
data_dir = \"data\"
origin = \"{origin}\"           # the log's name; it cannot be changed
callers = \"{CALLERS}\"        # who may do what

[keys]
receipt = \"receipt.key\"
checkpoint = \"checkpoint.key\"
witness = \"witness.key\"

[federation]
witness_name = \"{witness}\"
peers = \"{PEERS}\"            # whose logs are followed: tenzik peers
"
    )
}

const PEERS_TEXT: &str = "\
# Whose logs this node follows. `tenzik peers add` adds one and keeps comments.
version = 1
";

fn callers(token: &str) -> String {
    format!(
        "\
# Who may do what. A token stands here as its digest: printf %s \"$TOKEN\" | b3sum

[[caller]]
name = \"operator\"
roles = [\"admin\", \"append\", \"blobs\", \"metrics\", \"run\"]
tokens = [\"{}\"]
",
        Blake3::of(token.as_bytes())
    )
}

fn write(directory: &Path, name: &str, content: &str, mode: u32) -> Result<(), Failure> {
    let path = directory.join(name);
    match files::create(&path, content.as_bytes(), mode) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path)),
        Err(error) => Err(not_written(&path, &error)),
    }
}

fn told(directory: &Path, origin: &Origin, made: &Made) -> Reply {
    let config = directory.join(NODE);
    let config = fs::canonicalize(&config).unwrap_or(config);
    let config = text::path(&config);
    let lines = format!(
        "config     {config}\norigin     {origin}\nnode       {}\nlog        {}\nwitness    {}\ntoken      {}\n\
         next       tenzik serve --config {config}\n",
        made.node, made.log, made.witness, made.token
    );
    let members = json!({
        "config": config,
        "origin": origin.as_str(),
        "node": made.node.to_string(),
        "log": made.log.to_string(),
        "witness": made.witness.to_string(),
        "token": made.token,
    });
    Reply::new(lines, members)
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        Exit::Other,
        "exists",
        format!(
            "{} is there already, and nothing is overwritten",
            text::path(path)
        ),
        "name another directory, or serve from this one",
    )
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Other,
        "not_written",
        format!("{} cannot be written: {error}", text::path(path)),
        "name a directory where you may write",
    )
}
