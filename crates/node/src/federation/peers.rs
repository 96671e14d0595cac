//! The peers file: whose logs this node follows, and what it spends on them.
//!
//! Enters: TOML that an operator wrote. Leaves: [`Peers`]. Refuses: members that are not known, two peers of one name or
//! one log, keys that cannot be used, URLs that are not HTTP, tokens that would go over a network in clear.
//!
//! ```toml
//! version = 1
//!
//! [[peer]]
//! name = "beta"
//! log = "beta.example/log+2f1c3d4e+AQ…"      # its log's key; the name in it is the origin
//! url = "https://beta.example/log"           # where checkpoint and tiles are
//! nodes = ["ed25519:…"]                      # whose receipts it may hold
//! policy = """
//! witness one witness.example/one+8a7b6c5d+BA…
//! quorum one
//! """
//!
//! [peer.audit]
//! sample_ppm = 10000
//! ```

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use tenzik_log::checkpoint::Origin;
use tenzik_log::note::{SignatureType, VerifierKey};
use tenzik_log::policy::{Policy, PolicyFileError};
use tenzik_log::sampling::RatePpm;
use tenzik_log::{LeafRules, Visibility};
use tenzik_receipt::{PublicKey, TrustError};

use super::client::is_in_clear;
use crate::config::LogVisibility;

/// The most bytes of a peers file.
pub const PEERS_BYTES_MAX: usize = 1 << 20;
/// The most peers.
pub const PEERS_MAX: usize = 256;
/// The most nodes of a peer.
const NODES_MAX: usize = 64;

/// What a peer is called here: 1 to 64 lower-case letters, digits and hyphens, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerName(String);

impl PeerName {
    /// The name, if the text is one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let first = text.bytes().next().is_some_and(fits);
        let rest = text.len() <= 64 && text.bytes().all(|byte| fits(byte) || byte == b'-');
        (first && rest).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Another node, as this one's operator knows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// What it is called here.
    pub name: PeerName,
    /// The key of its log. The key's name is the log's origin.
    pub log: VerifierKey,
    /// Where its checkpoint and tiles are, without a slash at the end.
    pub url: String,
    /// Where its other routes are, without a slash at the end; `None` if blobs cannot be fetched from it.
    pub api: Option<String>,
    /// The file with the token that this node shows there; in a peers file its path is meant from where that file is.
    pub token_file: Option<PathBuf>,
    /// What its leaves must be.
    pub rules: LeafRules,
    /// Which witnesses must have cosigned its checkpoints before they count.
    pub policy: Policy,
    /// Whether this node cosigns its checkpoints, if it is a witness.
    pub witness: bool,
    /// What is spent on it.
    pub audit: AuditBudget,
}

impl Peer {
    /// The log's name.
    pub const fn origin(&self) -> &Origin {
        self.rules.origin()
    }
}

/// What a node spends on auditing one peer, each day from midnight UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditBudget {
    /// How many of a million new leaves are run again. Default 10,000, one in a hundred; 0 audits none.
    #[serde(deserialize_with = "rate")]
    pub sample_ppm: RatePpm,
    /// Fuel of all runs. Default 100,000,000,000.
    pub fuel_per_day: u64,
    /// Bytes of capsules and inputs that are fetched. Default 256 MiB.
    pub bytes_per_day: u64,
    /// Capsules that were not seen before, each of which is compiled. Default 256.
    pub capsules_per_day: u64,
    /// From how many unaudited in a million samples on the peer is called opaque. Default 200,000, one in five.
    #[serde(deserialize_with = "rate")]
    pub unaudited_ppm_max: RatePpm,
}

impl Default for AuditBudget {
    fn default() -> Self {
        Self {
            sample_ppm: RatePpm::new(10_000).unwrap_or(RatePpm::ALL),
            fuel_per_day: 100_000_000_000,
            bytes_per_day: 256 << 20,
            capsules_per_day: 256,
            unaudited_ppm_max: RatePpm::new(200_000).unwrap_or(RatePpm::ALL),
        }
    }
}

fn rate<'a, D: Deserializer<'a>>(from: D) -> Result<RatePpm, D::Error> {
    let parts = u32::deserialize(from)?;
    RatePpm::new(parts).ok_or_else(|| D::Error::custom("at most 1000000 parts in a million"))
}

/// Why a peers file is not used. The caller's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeersError {
    /// Two peers are the same.
    #[error("two peers have the {what} {value}")]
    Doubled {
        /// Name or log.
        what: &'static str,
        /// Which.
        value: String,
    },
    /// It is not TOML of the known members.
    #[error("line {line}: {message}")]
    Form {
        /// The line, counted from 1; 0 if it cannot be told.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A log's key is of the type for cosignatures.
    #[error("peer {peer}: the key of a log is of type 1, this one is not")]
    KeyType {
        /// The peer.
        peer: PeerName,
    },
    /// A node's key cannot be used.
    #[error("peer {peer}: {error}")]
    Node {
        /// The peer.
        peer: PeerName,
        /// What is wrong.
        error: TrustError,
    },
    /// Too few or too many of something.
    #[error("{what}: {got}, of at most {allowed}")]
    Number {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// How many are allowed.
        allowed: usize,
    },
    /// A token would go over the network in clear.
    #[error(
        "peer {peer}: its token would go to another machine without TLS; give an https:// URL, or plain_http = true where the network is trusted"
    )]
    Plain {
        /// The peer.
        peer: PeerName,
    },
    /// The policy cannot be read.
    #[error("peer {peer}, policy: {error}")]
    Policy {
        /// The peer.
        peer: PeerName,
        /// What is wrong.
        error: PolicyFileError,
    },
    /// A URL cannot be used.
    #[error(
        "peer {peer}: a URL begins with http:// or https:// and has no query, blank or slash at its end"
    )]
    Url {
        /// The peer.
        peer: PeerName,
    },
}

/// The peers of a node.
#[derive(Clone, Debug, Default)]
pub struct Peers(Vec<Peer>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: Version,
    #[serde(default)]
    peer: Vec<Written>,
}

struct Version;

impl<'a> Deserialize<'a> for Version {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        match u64::deserialize(from)? {
            1 => Ok(Self),
            _ => Err(D::Error::custom("version is 1")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "name")]
    name: PeerName,
    #[serde(deserialize_with = "text")]
    log: VerifierKey,
    url: String,
    api: Option<String>,
    token_file: Option<PathBuf>,
    #[serde(default)]
    plain_http: bool,
    nodes: Vec<Key>,
    #[serde(default = "no_quorum")]
    policy: String,
    #[serde(default = "yes")]
    witness: bool,
    #[serde(default)]
    visibility: LogVisibility,
    #[serde(default)]
    audit: AuditBudget,
}

const fn yes() -> bool {
    true
}

fn no_quorum() -> String {
    "quorum none\n".to_owned()
}

struct Key(PublicKey);

impl<'a> Deserialize<'a> for Key {
    fn deserialize<D: Deserializer<'a>>(from: D) -> Result<Self, D::Error> {
        text(from).map(Self)
    }
}

fn text<'a, D: Deserializer<'a>, T: std::str::FromStr<Err: fmt::Display>>(
    from: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

fn name<'a, D: Deserializer<'a>>(from: D) -> Result<PeerName, D::Error> {
    let text = String::deserialize(from)?;
    let name = PeerName::new(&text);
    name.ok_or_else(|| {
        D::Error::custom("a name has 1 to 64 lower-case letters, digits and hyphens")
    })
}

impl Peers {
    /// Reads a peers file.
    ///
    /// # Errors
    /// [`PeersError`].
    pub fn from_toml(text: &str) -> Result<Self, PeersError> {
        bounded("bytes", text.len(), PEERS_BYTES_MAX)?;
        let file: File = toml::from_str(text).map_err(|error| form(text, &error))?;
        let File {
            version: Version,
            peer,
        } = file;
        bounded("peers", peer.len(), PEERS_MAX)?;
        let peers: Vec<Peer> = peer
            .into_iter()
            .map(Peer::resolve)
            .collect::<Result<_, _>>()?;
        let (mut names, mut logs) = (BTreeSet::new(), BTreeSet::new());
        for peer in &peers {
            doubled("name", peer.name.as_str(), &mut names)?;
            doubled("log", peer.origin().as_str(), &mut logs)?;
        }
        Ok(Self(peers))
    }

    /// The same, read from a file in this directory: paths are meant from there.
    #[must_use]
    pub fn below(mut self, directory: &Path) -> Self {
        let paths = self
            .0
            .iter_mut()
            .filter_map(|peer| peer.token_file.as_mut());
        paths.for_each(|path| *path = directory.join(&*path));
        self
    }

    /// All of them, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Peer> {
        self.0.iter()
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&Peer> {
        self.iter().find(|peer| peer.name.as_str() == name)
    }

    /// The one whose log has this origin.
    pub fn of_log(&self, origin: &Origin) -> Option<&Peer> {
        self.iter().find(|peer| peer.origin() == origin)
    }
}

impl Peer {
    fn resolve(written: Written) -> Result<Self, PeersError> {
        let peer = written.name;
        if written.log.signature_type() != SignatureType::Ed25519 {
            return Err(PeersError::KeyType { peer });
        }
        for url in std::iter::once(&written.url).chain(&written.api) {
            if !is_url(url) {
                return Err(PeersError::Url { peer });
            }
            if written.token_file.is_some() && !written.plain_http && is_in_clear(url) {
                return Err(PeersError::Plain { peer });
            }
        }
        bounded("nodes of a peer", written.nodes.len(), NODES_MAX)?;
        let Ok(origin) = Origin::new(written.log.name().as_str()) else {
            return Err(PeersError::KeyType { peer });
        };
        let visibility = match written.visibility {
            LogVisibility::Private => Visibility::Private,
            LogVisibility::Public => Visibility::Public,
        };
        let nodes = written.nodes.into_iter().map(|node| node.0);
        let rules = match LeafRules::new(origin, nodes, visibility) {
            Ok(rules) => rules,
            Err(error) => return Err(PeersError::Node { peer, error }),
        };
        let policy = match Policy::from_bytes(written.policy.as_bytes()) {
            Ok(policy) => policy,
            Err(error) => return Err(PeersError::Policy { peer, error }),
        };
        Ok(Self {
            name: peer,
            log: written.log,
            url: written.url,
            api: written.api,
            token_file: written.token_file,
            rules,
            policy,
            witness: written.witness,
            audit: written.audit,
        })
    }
}

fn is_url(url: &str) -> bool {
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let printable = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.ends_with('/')
            && !rest.starts_with('/')
            && rest.bytes().all(printable)
    })
}

fn bounded(what: &'static str, got: usize, allowed: usize) -> Result<(), PeersError> {
    if got <= allowed {
        return Ok(());
    }
    Err(PeersError::Number { what, got, allowed })
}

fn doubled<'a>(
    what: &'static str,
    value: &'a str,
    seen: &mut BTreeSet<&'a str>,
) -> Result<(), PeersError> {
    if seen.insert(value) {
        return Ok(());
    }
    let value = value.to_owned();
    Err(PeersError::Doubled { what, value })
}

fn form(text: &str, error: &toml::de::Error) -> PeersError {
    let before = error.span().and_then(|span| text.get(..span.start));
    PeersError::Form {
        line: before.map_or(0, |before| before.matches('\n').count() + 1),
        message: error.message().chars().take(200).collect(),
    }
}

#[cfg(test)]
#[path = "peers_tests.rs"]
mod tests;
