//! `peers`: whose logs a node follows.
//!
//! Enters: a peers file, directly or by the node's configuration. Leaves: the file with a peer more or less, its comments
//! kept; how peers stand, if the node is asked. Refuses: changes after which the node would not read the file.

mod edit;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use tenzik_log::note::VerifierKey;
use tenzik_node::federation::peers::PEERS_BYTES_MAX;
use tenzik_node::federation::{Peer, PeerName, Peers};
use tenzik_receipt::PublicKey;

use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::remote::{self, Remote, RemoteArgs};
use crate::source::{Kind, POLICY, Source};
use crate::witnessed::log_key;
use crate::{files, serve, text};

/// The node's configuration, if neither it nor the peers file is named.
const CONFIG: &str = "node.toml";
/// A peers file.
const PEERS: Kind = Kind {
    what: "peers file",
    bytes_max: PEERS_BYTES_MAX as u64,
    too_large: Exit::Usage,
};

/// `peers`, as it is written.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Add a peer to the peers file
    Add(Box<Added>),
    /// List the peers, and how they stand if their node is asked
    Ls {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Take a peer out of the peers file
    Rm {
        /// What the peer is called
        #[arg(value_parser = name)]
        name: PeerName,
        #[command(flatten)]
        file: FileArgs,
    },
    /// Show one peer, and how it stands if its node is asked
    Show {
        /// What the peer is called
        #[arg(value_parser = name)]
        name: PeerName,
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

/// A peer to be added.
#[derive(Debug, clap::Args)]
pub(crate) struct Added {
    /// What to call it: lower-case letters, digits and hyphens
    #[arg(value_parser = name)]
    name: PeerName,
    /// Its log's key, as its operator told you
    #[arg(long, value_name = "VKEY", value_parser = log_key)]
    log: VerifierKey,
    /// Where its checkpoint and tiles are, such as https://node.example/log
    #[arg(long = "at", value_name = "URL", value_parser = remote::node_url)]
    url: String,
    /// A node whose receipts its log may hold; may be repeated
    #[arg(long = "node", value_name = "KEY", required = true)]
    nodes: Vec<PublicKey>,
    /// Where its other routes are, such as https://node.example; without it no blobs are fetched from it
    #[arg(long, value_name = "URL", value_parser = remote::node_url)]
    api: Option<String>,
    /// The file with the token to show it
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Show it the token without TLS, over a network that you trust
    #[arg(long, requires = "token_file")]
    plain_http: bool,
    /// Which witnesses must have cosigned its checkpoints: a file of c2sp.org/tlog-policy, which is copied in
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Do not cosign its checkpoints
    #[arg(long)]
    no_witness: bool,
    /// How many of a million of its receipts are run again
    #[arg(long, value_name = "N")]
    sample_ppm: Option<u32>,
    #[command(flatten)]
    file: FileArgs,
}

/// Which peers file.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct FileArgs {
    /// The peers file; without it, the one that the node's configuration names
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The node's configuration; without it and --file, node.toml here
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a peer is called.
pub(crate) fn name(text: &str) -> Result<PeerName, String> {
    let name = PeerName::new(text);
    name.ok_or_else(|| "it has 1 to 64 lower-case letters, digits and hyphens".to_owned())
}

/// Does what the verb says.
pub(crate) fn peers(verb: Verb) -> Result<Reply, Failure> {
    match verb {
        Verb::Add(added) => add(*added),
        Verb::Ls { file, remote } => {
            let (_, _, peers) = read(&file)?;
            let told = remote.open()?.map(|node| told(&node)).transpose()?;
            Ok(list(&peers, told.as_ref()))
        }
        Verb::Rm { name, file } => remove(&name, &file),
        Verb::Show { name, file, remote } => {
            let (path, _, peers) = read(&file)?;
            let peer = peers.named(name.as_str());
            let peer = peer.ok_or_else(|| no_such_peer(&name, &path))?;
            let told = remote.open()?.map(|node| told(&node)).transpose()?;
            Ok(show(peer, told.as_ref().map(|told| rows(told, "peers"))))
        }
    }
}

/// The file's path, its text, and what it says.
fn read(file: &FileArgs) -> Result<(PathBuf, String, Peers), Failure> {
    let path = file.path()?;
    let bytes = Source::File(path.clone()).read(PEERS)?;
    let text = String::from_utf8(bytes).map_err(|_| refused(&path, "it is not UTF-8"))?;
    let peers = Peers::from_toml(&text).map_err(|error| refused(&path, &error.to_string()))?;
    Ok((path, text, peers))
}

impl FileArgs {
    fn path(&self) -> Result<PathBuf, Failure> {
        if let Some(file) = &self.file {
            return Ok(file.clone());
        }
        let config = self.config.clone().unwrap_or_else(|| CONFIG.into());
        let read = serve::read(&config)?;
        read.federation.peers.ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                "no_peers_file",
                format!("{} names no peers file", text::path(&config)),
                "add to it, below [federation]: peers = \"peers.toml\"; or name the file with --file",
            )
        })
    }
}

fn add(mut added: Added) -> Result<Reply, Failure> {
    let (path, text, peers) = read(&added.file)?;
    added.token_file = added
        .token_file
        .map(|token| from_file(&token, &path))
        .transpose()?;
    if peers.named(added.name.as_str()).is_some() {
        return Err(Failure::new(
            Exit::Usage,
            "peer_exists",
            format!("there is a peer {} already", added.name),
            "take it out with `tenzik peers rm`, or choose another name",
        ));
    }
    let policy = added.policy.clone().map(|path| {
        let bytes = Source::File(path.clone()).read(POLICY)?;
        String::from_utf8(bytes).map_err(|_| refused(&path, "it is not UTF-8"))
    });
    let text = edit::add(&text, &added, policy.transpose()?).map_err(|why| refused(&path, why))?;
    let peers = keep(&path, &text)?;
    let peer = peers.named(added.name.as_str());
    let peer = peer.ok_or_else(|| no_such_peer(&added.name, &path))?;
    let line = format!(
        "added {} with the log {} to {}; the node reads it when it starts\n",
        peer.name,
        peer.origin(),
        text::path(&path)
    );
    Ok(Reply::new(
        line,
        json!({"change": "added", "peer": member(peer, None)}),
    ))
}

/// A path that was meant from here, as a file that is elsewhere names it.
fn from_file(path: &Path, file: &Path) -> Result<PathBuf, Failure> {
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| refused(path, &error.to_string()));
    let (path, file) = (absolute(path)?, absolute(file)?);
    let below = file.parent().and_then(|it| path.strip_prefix(it).ok());
    Ok(below.map_or_else(|| path.clone(), Path::to_owned))
}

fn remove(name: &PeerName, file: &FileArgs) -> Result<Reply, Failure> {
    let (path, text, peers) = read(file)?;
    let peer = peers.named(name.as_str());
    let peer = peer.ok_or_else(|| no_such_peer(name, &path))?;
    let text = edit::remove(&text, name.as_str()).map_err(|why| refused(&path, why))?;
    keep(&path, &text)?;
    let line = format!(
        "removed {name} from {}; the node reads it when it starts\n",
        text::path(&path)
    );
    Ok(Reply::new(
        line,
        json!({"change": "removed", "peer": member(peer, None)}),
    ))
}

/// Writes the file, if the node will read it.
fn keep(path: &Path, text: &str) -> Result<Peers, Failure> {
    let peers = Peers::from_toml(text).map_err(|error| refused(path, &error.to_string()))?;
    files::replace(path, text.as_bytes(), files::PUBLIC).map_err(|error| {
        Failure::new(
            Exit::Other,
            "not_written",
            format!("{} cannot be written: {error}", text::path(path)),
            "mend its permissions",
        )
    })?;
    Ok(peers)
}

/// What the node says of its peers, and of nodes that would be some.
fn told(node: &Remote) -> Result<Value, Failure> {
    let answer = node.json("/v1/peers")?;
    answer.ok_or_else(|| remote::absent("list of peers"))
}

fn rows<'a>(told: &'a Value, member: &str) -> &'a [Value] {
    told[member].as_array().map_or(&[], Vec::as_slice)
}

/// What the node says of one.
fn state_of<'a>(peer: &Peer, states: Option<&'a [Value]>) -> Option<&'a Value> {
    states?
        .iter()
        .find(|state| state["name"] == peer.name.as_str())
}

fn list(peers: &Peers, told: Option<&Value>) -> Reply {
    let states = told.map(|told| rows(told, "peers"));
    let mut lines: String = peers.iter().map(|peer| line(peer, states)).collect();
    let members: Vec<Value> = peers.iter().map(|peer| member(peer, states)).collect();
    let mut members = json!({"peers": members});
    if let Some(told) = told {
        let announced = rows(told, "announced");
        lines.extend(announced.iter().map(announcement));
        members["announced"] = json!(announced);
    }
    Reply::new(lines, members)
}

/// What a node that is no peer said of itself: nothing of it is known to be true.
fn announcement(row: &Value) -> String {
    let word = |value: &Value| text::shown(value.as_str().unwrap_or("-"), 300);
    let said = &row["announcement"];
    format!(
        "announced by {} at {}, no peer: {} {}\n",
        word(&row["caller"]),
        word(&row["at"]),
        word(&said["log"]),
        word(&said["url"]),
    )
}

fn line(peer: &Peer, states: Option<&[Value]>) -> String {
    let (name, origin) = (&peer.name, peer.origin());
    let state = match (states, state_of(peer, states)) {
        (None, _) => String::new(),
        (Some(_), None) => " not known to the node: it has not read the file since".to_owned(),
        (Some(_), Some(state)) => {
            let word = |name: &str| text::shown(state[name].as_str().unwrap_or("-"), 200);
            let count = |name: &str| state[name].as_u64().unwrap_or_default();
            let reason = match state["reason"].as_str().or(state["failure"].as_str()) {
                Some(reason) => format!(" ({})", text::shown(reason, 200)),
                None => String::new(),
            };
            format!(
                " {} {} entries, {} bad, pulled {}{reason}",
                word("standing"),
                count("entries"),
                count("bad"),
                word("pulled_at"),
            )
        }
    };
    format!("{name} {origin} {}{state}\n", peer.url)
}

fn show(peer: &Peer, states: Option<&[Value]>) -> Reply {
    let nodes: Vec<_> = peer.rules.nodes().map(|node| node.to_string()).collect();
    let or_none = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    let audit = &peer.audit;
    let mut lines = vec![
        ("name", peer.name.to_string()),
        ("log", peer.log.to_string()),
        ("url", peer.url.clone()),
        ("api", or_none(peer.api.clone())),
        (
            "token_file",
            or_none(peer.token_file.as_deref().map(text::path)),
        ),
        ("nodes", nodes.join(", ")),
        ("witnesses", peer.policy.witnesses().len().to_string()),
        (
            "cosigned",
            if peer.witness { "yes" } else { "no" }.to_owned(),
        ),
        (
            "audited",
            format!("{} of a million", audit.sample_ppm.parts()),
        ),
    ];
    if states.is_some() {
        let state = state_of(peer, states).map(|state| text::shown(&state.to_string(), 2_000));
        lines.push((
            "state",
            state.unwrap_or_else(|| "not known to the node".to_owned()),
        ));
    }
    let lines = lines.into_iter();
    let lines: String = lines
        .map(|(name, value)| format!("{name:<11} {value}\n"))
        .collect();
    Reply::new(lines, json!({"peer": member(peer, states)}))
}

fn member(peer: &Peer, states: Option<&[Value]>) -> Value {
    json!({
        "name": peer.name.as_str(),
        "origin": peer.origin().as_str(),
        "log": peer.log.to_string(),
        "url": peer.url,
        "api": peer.api,
        "nodes": peer.rules.nodes().map(|node| node.to_string()).collect::<Vec<_>>(),
        "witness": peer.witness,
        "sample_ppm": peer.audit.sample_ppm.parts(),
        "state": state_of(peer, states),
    })
}

fn no_such_peer(name: &PeerName, path: &Path) -> Failure {
    Failure::new(
        Exit::NotFound,
        "not_found",
        format!("{} has no peer {name}", text::path(path)),
        "`tenzik peers ls` lists them",
    )
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        "peers_form",
        format!("{}: {}", text::path(path), text::shown(why, 400)),
        "nothing was changed; mend what is named",
    )
}
