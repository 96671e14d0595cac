//! A node, asked from the command line.
//!
//! Enters: `--url`, `--token-file`, `--ca`, paths. Leaves: bodies, each within a bound. Refuses: URLs that carry more than a
//! place, to show a token where others can read it, and answers that are not JSON where JSON is due.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tenzik_node::federation::client::{Answer, CA_BYTES_MAX, NoAuthorities, Patience, is_in_clear};
use tenzik_node::federation::{Client, ClientError};

use crate::error::{Exit, Failure};
use crate::source::{Kind, Source};
use crate::{keyfile, text};

/// A file of authorities.
const AUTHORITIES: Kind = Kind {
    what: "file of authorities",
    bytes_max: CA_BYTES_MAX,
    too_large: Exit::Usage,
};

/// The most bytes of a JSON answer.
const JSON_BYTES_MAX: u64 = 4 << 20;
/// How much of what a node says is shown.
const CHARS_MAX: usize = 300;

/// A node with the token that is shown to it.
pub(crate) struct Remote {
    client: Client,
    url: String,
    token: Option<String>,
}

/// What a node answered to something that was sent to it.
pub(crate) struct Answered {
    /// The status.
    pub(crate) status: u16,
    /// The JSON; null if it was none.
    pub(crate) body: Value,
    retry_after_s: Option<u64>,
}

/// A node's URL, without a slash at its end.
pub(crate) fn node_url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let printable = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}@".contains(&byte);
    let fits =
        |rest: &&str| !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(printable);
    match rest.map(|rest| rest.trim_end_matches('/')).filter(fits) {
        Some(_) => Ok(text.trim_end_matches('/').to_owned()),
        None => Err("a URL begins with http:// or https:// and has no query, name or blank".into()),
    }
}

/// How a node that has a URL is spoken to.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Manners {
    /// The file with the token that the node knows you by, of mode 0600
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// The authorities that vouch for the node, in PEM; without it, the web's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// Show the token without TLS to another machine, over a network that you trust
    #[arg(long, requires = "token_file")]
    plain_http: bool,
}

impl Manners {
    /// What asks a URL, and the token that it is shown.
    pub(crate) fn open(&self, url: &str) -> Result<(Client, Option<String>), Failure> {
        if self.token_file.is_some() && !self.plain_http && is_in_clear(url) {
            return Err(in_clear(url));
        }
        let token = self.token_file.as_deref().map(keyfile::read_token);
        let client = match &self.ca {
            None => Client::new(Patience::default()),
            Some(path) => {
                let pem = Source::File(path.clone()).read(AUTHORITIES)?;
                Client::with_authorities(Patience::default(), &pem)
                    .map_err(|error| no_authorities(path, &error))?
            }
        };
        Ok((client, token.transpose()?))
    }
}

fn in_clear(url: &str) -> Failure {
    Failure::new(
        Exit::Usage,
        "plain_http",
        format!("the token would go to {url} without TLS, for others to read"),
        "give an https:// URL, or --plain-http where you trust the network",
    )
}

fn no_authorities(path: &Path, error: &NoAuthorities) -> Failure {
    Failure::new(
        Exit::Usage,
        "ca_form",
        format!("{}: {error}", text::path(path)),
        "name a PEM file with the certificates of the authorities",
    )
}

impl Remote {
    /// The node at a URL.
    pub(crate) fn new(url: &str, manners: &Manners) -> Result<Self, Failure> {
        let (client, token) = manners.open(url)?;
        Ok(Self {
            client,
            url: url.to_owned(),
            token,
        })
    }

    /// The body at a path; `None` if there is nothing.
    pub(crate) fn get(&self, path: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let url = format!("{}{path}", self.url);
        let got = self.client.get(&url, self.token.as_deref(), 0, bytes_max);
        got.map_err(|error| unreachable(&error))
    }

    /// The JSON at a path; `None` if there is nothing.
    pub(crate) fn json(&self, path: &str) -> Result<Option<Value>, Failure> {
        let body = self.get(path, JSON_BYTES_MAX)?;
        body.map(|body| serde_json::from_slice(&body).map_err(|_| no_json()))
            .transpose()
    }

    /// Sends JSON, and gives what was answered.
    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Result<Answered, Failure> {
        let url = format!("{}{path}", self.url);
        let token = self.token.as_deref();
        let sent = self
            .client
            .post(&url, token, "application/json", body, JSON_BYTES_MAX);
        let answer: Answer = sent.map_err(|error| unreachable(&error))?;
        Ok(Answered {
            status: answer.status,
            body: serde_json::from_slice(&answer.body).unwrap_or_default(),
            retry_after_s: answer.retry_after_s,
        })
    }
}

/// What a node says when it refuses.
pub(crate) fn refused(what: &str, answered: &Answered) -> Failure {
    let Answered { status, body, .. } = answered;
    let said = |member: &str| body["error"][member].as_str();
    let why = text::shown(said("message").unwrap_or("it does not say why"), CHARS_MAX);
    let exit = exit_of(*status, said("code").unwrap_or_default());
    let hint = match (*status, answered.retry_after_s, said("hint")) {
        (401 | 403, ..) => "give a token that may do this with --token-file FILE".to_owned(),
        (_, Some(seconds), _) => again_in(seconds),
        (_, None, Some(hint)) => text::shown(hint, CHARS_MAX),
        (404, None, None) => "check the URL".to_owned(),
        _ => "try again later".to_owned(),
    };
    let message = format!("the node does not take {what}, with status {status}: {why}");
    Failure::new(exit, "refused_by_node", message, hint)
}

/// What a refusal means for scripts. Only what was judged and found wanting is a failed verification: a quota, a conflict or a
/// body that is too long says nothing about the receipt.
fn exit_of(status: u16, code: &str) -> Exit {
    match (status, code) {
        (401 | 403, _) => Exit::Denied,
        (404, _) => Exit::NotFound,
        (408 | 409 | 413 | 415 | 429, _) => Exit::Other,
        (422, "foreign_node" | "not_opted_in" | "other_log") => Exit::Denied,
        (422, "unknown_node") => Exit::CannotTell,
        (400..500, _) => Exit::Failed,
        _ => Exit::Other,
    }
}

fn again_in(seconds: u64) -> String {
    format!("try again in {}", text::counted(seconds as usize, "second"))
}

/// Something that is not there, or that the node does not do.
pub(crate) fn absent(what: &str) -> Failure {
    Failure::new(
        Exit::NotFound,
        "not_found",
        format!("the node has no {what}"),
        "check the URL: it is the node's own, without a path",
    )
}

/// A node that does not answer as it should.
pub(crate) fn unreachable(error: &ClientError) -> Failure {
    let shown = text::shown(&error.to_string(), CHARS_MAX);
    match error {
        ClientError::Status { status: 409, .. } => Failure::new(
            Exit::NotFound,
            "pending",
            "the receipt is durable, and not in the published tree yet",
            "ask again in a moment; if the receipt promises the log, it says by when it will be",
        ),
        ClientError::Status {
            status: 401 | 403, ..
        } => Failure::new(
            Exit::Denied,
            "denied",
            format!("the node refuses: {shown}"),
            "give a token that may do this with --token-file FILE",
        ),
        ClientError::Status {
            retry_after_s: Some(seconds),
            ..
        } => Failure::new(
            Exit::Other,
            "network",
            format!("the node does not answer now: {shown}"),
            again_in(*seconds),
        ),
        _ => Failure::new(
            Exit::Other,
            "network",
            format!("the node does not answer as it should: {shown}"),
            "check the URL, and whether the node is up: its /readyz says what it lacks",
        ),
    }
}

fn no_json() -> Failure {
    Failure::new(
        Exit::Other,
        "network",
        "the node does not answer as it should: its body is no JSON",
        "check the URL: it is the node's own, without a path",
    )
}

/// `--url` where a node may be asked beside something else.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RemoteArgs {
    /// The node to ask, such as https://node.example
    #[arg(long, value_name = "URL", value_parser = node_url)]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    manners: Manners,
}

impl RemoteArgs {
    /// The node, if one is named.
    pub(crate) fn open(&self) -> Result<Option<Remote>, Failure> {
        let url = self.url.as_deref();
        url.map(|url| Remote::new(url, &self.manners)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        let answered = |status, code: &str, retry_after_s| Answered {
            status,
            body: serde_json::json!({"error": {"code": code, "message": "no", "hint": "wait"}}),
            retry_after_s,
        };
        for (status, code, exit) in [
            (401, "unauthorized", Exit::Denied),
            (403, "forbidden", Exit::Denied),
            (404, "not_found", Exit::NotFound),
            (408, "too_slow", Exit::Other),
            (409, "peer_frozen", Exit::Other),
            (413, "body_too_large", Exit::Other),
            (415, "media_type", Exit::Other),
            (422, "foreign_node", Exit::Denied),
            (422, "not_opted_in", Exit::Denied),
            (422, "other_log", Exit::Denied),
            (422, "unknown_node", Exit::CannotTell),
            (422, "signature", Exit::Failed),
            (422, "form", Exit::Failed),
            (429, "quota", Exit::Other),
            (503, "busy", Exit::Other),
        ] {
            let failure = refused("it", &answered(status, code, None));
            assert_eq!(failure.exit, exit, "{status} {code}");
        }
        let failure = refused("it", &answered(429, "quota", Some(17)));
        assert_eq!(failure.hint, "try again in 17 seconds");
        assert_eq!(refused("it", &answered(429, "quota", None)).hint, "wait");
        let asked = ClientError::Status {
            status: 429,
            retry_after_s: Some(1),
        };
        assert_eq!(unreachable(&asked).hint, "try again in 1 second");
    }

    #[test]
    fn a_url_is_a_place_and_nothing_more() {
        assert_eq!(
            node_url("https://n.example/").as_deref(),
            Ok("https://n.example")
        );
        assert_eq!(
            node_url("http://[::1]:8440/a").as_deref(),
            Ok("http://[::1]:8440/a")
        );
        for bad in [
            "",
            "n.example",
            "ftp://n.example",
            "https://",
            "https:///a",
            "https://n.example?a",
            "https://n.example#a",
            "https://name@n.example",
            "https://n.example/a b",
            "https://n.example/\r\nHost: other",
            "https://ä.example",
        ] {
            assert!(node_url(bad).is_err(), "{bad}");
        }
    }
}
