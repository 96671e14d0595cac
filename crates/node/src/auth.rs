//! Who asks.
//!
//! Enters: a request's `Authorization` header, or the client certificate of its connection. Leaves: [`Caller`].
//! Refuses: credentials that are nobody's with 401, and more requests than the caller's quota with 429. A request that
//! names a token is judged by the token alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts as Head;
use tenzik_receipt::Sha256;

use crate::callers::{KnownCaller, Role};
use crate::error::ApiError;
use crate::node::Node;
use crate::quota::Who;
use crate::system;

/// The other end of a connection; it stands in the extensions of each of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The digest of its certificate's DER form, if the handshake accepted one.
    pub certificate: Option<Sha256>,
}

/// Who asks. As an argument of a handler it counts one request of the caller's quota.
#[derive(Clone, Debug)]
pub struct Caller {
    known: Option<Arc<KnownCaller>>,
    address: IpAddr,
}

impl Caller {
    /// Goes on if the caller has the role.
    ///
    /// # Errors
    /// [`ApiError`] 401 for nobody in particular, 403 for somebody without the role.
    pub fn require(&self, role: Role) -> Result<(), ApiError> {
        match &self.known {
            None => Err(ApiError::unauthorized()),
            Some(_) if self.has(role) => Ok(()),
            Some(_) => Err(ApiError::forbidden(role)),
        }
    }

    /// Goes on if the caller has the role, or one of those that may do the same.
    ///
    /// # Errors
    /// As for [`require`](Self::require): what is missing is `role`.
    pub fn require_or(&self, role: Role, others: &[Role]) -> Result<(), ApiError> {
        match others.iter().any(|other| self.has(*other)) {
            true => Ok(()),
            false => self.require(role),
        }
    }

    /// Whether the caller has the role.
    pub fn has(&self, role: Role) -> bool {
        self.known
            .as_ref()
            .is_some_and(|caller| caller.roles.contains(&role))
    }

    /// The caller's name; `None` for nobody in particular.
    pub fn name(&self) -> Option<&str> {
        self.known.as_ref().map(|caller| caller.name.as_str())
    }

    /// Whose quota counts.
    pub fn who(&self) -> Who {
        self.name()
            .map_or_else(|| Who::address(self.address), Who::caller)
    }
}

impl FromRequestParts<Node> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Head, node: &Node) -> Result<Self, ApiError> {
        let peer = *head
            .extensions
            .get::<Peer>()
            .ok_or_else(|| ApiError::internal("a request without a peer"))?;
        let address = peer.address.ip();
        let Ok(known) = identify(head, &peer, node)? else {
            // Whoever guesses is slowed down like anybody without a name.
            node.quotas.request(&Who::address(address))?;
            node.metrics.unknown_credentials.inc();
            return Err(ApiError::unauthorized());
        };
        let caller = Self { known, address };
        node.quotas.request(&caller.who())?;
        if let Some(name) = caller.name() {
            tracing::Span::current().record("caller", name);
        }
        Ok(caller)
    }
}

/// A credential was shown, and is nobody's.
struct Nobody;

type Identified = Result<Option<Arc<KnownCaller>>, Nobody>;

fn identify(head: &Head, peer: &Peer, node: &Node) -> Result<Identified, ApiError> {
    let now = system::now().map_err(ApiError::internal)?;
    let callers = node.callers();
    let mut values = head.headers.get_all(AUTHORIZATION).iter();
    let found = match (values.next(), values.next()) {
        (None, _) => {
            let certificate = peer.certificate.as_ref();
            // An authority may vouch for many who have no role here.
            Ok(certificate.and_then(|digest| callers.by_certificate(digest, now)))
        }
        (Some(value), None) => bearer(value.as_bytes())
            .and_then(|token| callers.by_token(token, now))
            .map(Some)
            .ok_or(Nobody),
        (Some(_), Some(_)) => Err(Nobody),
    };
    Ok(found.map(|caller| caller.cloned()))
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1); the scheme's name has no case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}
