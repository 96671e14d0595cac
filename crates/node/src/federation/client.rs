//! Requests to other nodes, each within bounds of time and size.
//!
//! Enters: a URL and a path below it, authorities to believe. Leaves: a body of at most so many bytes. Refuses: redirects,
//! longer bodies, servers that no believed authority vouches for, and
//! answers that take longer than the whole time that a request has, however steadily their bytes drip.

use std::io::Read as _;
use std::net::IpAddr;
use std::time::Duration;

use ureq::Agent;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// The most bytes of a PEM file: some hundred certificates.
pub const CA_BYTES_MAX: u64 = 1 << 20;

/// How a node asks others.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
}

/// How long requests may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// To connect, with the TLS handshake. Default 5 s.
    pub connect_ms: u64,
    /// The whole request, body included. Default 30 s.
    pub request_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            request_ms: 30_000,
        }
    }
}

/// A file of authorities has no certificate, or something that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds no certificates in PEM")]
pub struct NoAuthorities;

/// Why there is no answer. Everything here is the peer's or the network's doing, and may be tried again later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The body is longer than what was asked for can be.
    #[error("the answer has more than {bytes_max} bytes")]
    Oversized {
        /// What is allowed.
        bytes_max: u64,
    },
    /// The range that was answered is not the one that was asked for.
    #[error("another range was answered than the one that was asked for")]
    Range,
    /// Another status than the ones that this request can have.
    #[error("status {status}")]
    Status {
        /// The status.
        status: u16,
        /// In how many seconds to ask again, if the answer says so.
        retry_after_s: Option<u64>,
    },
    /// The time is over.
    #[error("no complete answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("no connection, or it broke: {0}")]
    Transport(Box<ureq::Error>),
}

/// A body with its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The content type, as it was sent.
    pub content_type: Option<String>,
    /// In how many seconds to ask again, if the answer says so.
    pub retry_after_s: Option<u64>,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client with these patience settings that believes the web's authorities.
    pub fn new(patience: Patience) -> Self {
        Self::believing(patience, RootCerts::WebPki)
    }

    /// One that believes the authorities in a PEM file, and those alone.
    ///
    /// # Errors
    /// [`NoAuthorities`].
    pub fn with_authorities(patience: Patience, pem: &[u8]) -> Result<Self, NoAuthorities> {
        let certificate = |item| match item {
            Ok(PemItem::Certificate(certificate)) => Ok(certificate),
            _ => Err(NoAuthorities),
        };
        let roots: Vec<Certificate<'static>> =
            parse_pem(pem).map(certificate).collect::<Result<_, _>>()?;
        match roots.is_empty() {
            true => Err(NoAuthorities),
            false => Ok(Self::believing(patience, RootCerts::new_with_certs(&roots))),
        }
    }

    fn believing(patience: Patience, roots: RootCerts) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_millis(patience.connect_ms)))
            .timeout_global(Some(Duration::from_millis(patience.request_ms)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_response_header_size(16 * 1024)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .user_agent(concat!("tenzik/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: Agent::new_with_config(config),
        }
    }

    /// The body at a URL, from a byte on; `None` if there is nothing at that URL.
    ///
    /// A server that does not know ranges sends the whole, which is cut here.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get(
        &self,
        url: &str,
        token: Option<&str>,
        from: u64,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        self.get_counting(url, token, from, bytes_max, &mut 0)
    }

    /// The same, and says how many bytes of a body arrived, whatever came of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get_counting(
        &self,
        url: &str,
        token: Option<&str>,
        from: u64,
        bytes_max: u64,
        arrived: &mut u64,
    ) -> Result<Option<Vec<u8>>, ClientError> {
        let mut request = self.agent.get(url);
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = request.call().map_err(failed)?;
        match response.status() {
            StatusCode::OK => {
                let body = read(response, from.saturating_add(bytes_max), arrived)?;
                let from = usize::try_from(from).unwrap_or(usize::MAX);
                Ok(Some(body.get(from..).unwrap_or_default().to_vec()))
            }
            StatusCode::PARTIAL_CONTENT if from > 0 => {
                check_range(&response, from)?;
                Ok(Some(read(response, bytes_max, arrived)?))
            }
            // The resource has no byte there: nothing is new.
            StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => Ok(Some(Vec::new())),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(ClientError::Status {
                status: status.as_u16(),
                retry_after_s: retry_after_s(&response),
            }),
        }
    }

    /// Sends a body, and gives whatever is answered.
    ///
    /// # Errors
    /// [`ClientError`], but for [`ClientError::Status`]: which ones are good the caller knows.
    pub fn post(
        &self,
        url: &str,
        token: Option<&str>,
        content_type: &str,
        body: &[u8],
        bytes_max: u64,
    ) -> Result<Answer, ClientError> {
        let mut request = self
            .agent
            .post(url)
            .header(header::CONTENT_TYPE, content_type);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let response = request.send(body).map_err(failed)?;
        let content_type = response.headers().get(header::CONTENT_TYPE);
        Ok(Answer {
            status: response.status().as_u16(),
            content_type: content_type
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            retry_after_s: retry_after_s(&response),
            body: read(response, bytes_max, &mut 0)?,
        })
    }
}

/// An answer whose body comes bit by bit.
pub(crate) struct Opened {
    /// The status.
    pub(crate) status: u16,
    /// The body, as it comes, within the time that the whole request has.
    pub(crate) body: Box<dyn std::io::Read + Send>,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asking<'a> {
    Delete,
    Get,
    Post(&'a [u8]),
}

impl Client {
    /// Asks, and gives whatever is answered as it comes. `request` is the time of all of it, in place of the client's own.
    ///
    /// # Errors
    /// [`ClientError::Timeout`] and [`ClientError::Transport`].
    pub(crate) fn open(
        &self,
        asking: Asking<'_>,
        url: &str,
        token: Option<&str>,
        request: Duration,
    ) -> Result<Opened, ClientError> {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let called = match asking {
            Asking::Post(body) => {
                let post = self.agent.post(url).config();
                let post = post.timeout_global(Some(request)).build();
                let mut post = post.header(header::CONTENT_TYPE, "application/json");
                if let Some(bearer) = bearer {
                    post = post.header(header::AUTHORIZATION, bearer);
                }
                post.send(body)
            }
            Asking::Delete | Asking::Get => {
                let call = match asking {
                    Asking::Delete => self.agent.delete(url),
                    _ => self.agent.get(url),
                };
                let mut call = call.config().timeout_global(Some(request)).build();
                if let Some(bearer) = bearer {
                    call = call.header(header::AUTHORIZATION, bearer);
                }
                call.call()
            }
        };
        let response = called.map_err(failed)?;
        Ok(Opened {
            status: response.status().as_u16(),
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

/// Whether what is sent to a URL can be read on its way: without TLS, to another machine.
pub fn is_in_clear(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(host) => host.split(']').next(),
        None => host.split(':').next(),
    };
    let host = host.unwrap_or_default();
    host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `Retry-After` in seconds; its other form, a date, is passed over.
fn retry_after_s(response: &Response<ureq::Body>) -> Option<u64> {
    let value = response.headers().get(header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok()
}

/// That the answer begins where it was asked to.
fn check_range(response: &Response<ureq::Body>, from: u64) -> Result<(), ClientError> {
    let range = response.headers().get(header::CONTENT_RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    let begins = range.and_then(|range| range.strip_prefix(&format!("bytes {from}-")));
    begins.map(|_| ()).ok_or(ClientError::Range)
}

fn read(
    mut response: Response<ureq::Body>,
    bytes_max: u64,
    arrived: &mut u64,
) -> Result<Vec<u8>, ClientError> {
    // One byte more than is allowed tells a body that fits from one that was cut.
    let limit = bytes_max.saturating_add(1);
    let mut body = Vec::new();
    let reader = response.body_mut().as_reader();
    let done = reader.take(limit).read_to_end(&mut body);
    *arrived = body.len() as u64;
    match done {
        Ok(_) if body.len() as u64 <= bytes_max => Ok(body),
        Ok(_) => Err(ClientError::Oversized { bytes_max }),
        Err(error) => Err(failed(ureq::Error::from(error))),
    }
}

fn failed(error: ureq::Error) -> ClientError {
    match error {
        ureq::Error::Timeout(_) => ClientError::Timeout,
        other => ClientError::Transport(Box::new(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_the_machine_without_tls_is_in_clear() {
        for url in [
            "https://n.example",
            "http://localhost:8440/log",
            "http://127.0.0.1",
            "http://127.8.9.1:1/a@b",
            "http://[::1]:8440",
        ] {
            assert!(!is_in_clear(url), "{url}");
        }
        for url in [
            "http://n.example",
            "http://10.0.0.1:8440/log",
            "http://127.0.0.1.n.example",
            "http://127.0.0.1@n.example/127.0.0.1",
            "http://localhost@n.example",
            "http://[::2]:8440",
            "http://0.0.0.0",
        ] {
            assert!(is_in_clear(url), "{url}");
        }
    }

    #[test]
    fn a_file_without_authorities_is_told() {
        for pem in ["", "text", "-----BEGIN CERTIFICATE-----\n"] {
            let client = Client::with_authorities(Patience::default(), pem.as_bytes());
            assert_eq!(client.map(drop), Err(NoAuthorities), "{pem}");
        }
    }
}
