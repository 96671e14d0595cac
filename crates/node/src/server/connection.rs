//! One connection: handshake, requests, end.
//!
//! Enters: a socket. Leaves: answers. Refuses: handshakes and heads that are too slow, and clients that take nothing of an answer
//! for a while, or not all of it in time.
//! What is no HTTP is answered 400 by the HTTP library, a head that is too large 431, a target that is too long 414; these have
//! no body.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tenzik_receipt::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::paced::Paced;
use super::{Shared, ms};
use crate::auth::Peer;
use crate::error::ApiError;

/// What a client may still send after the last answer, so that the answer reaches it: a socket that is closed over unread bytes
/// takes back what was written.
const LINGER_BYTES_MAX: u64 = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(1);

/// Serves a connection until it ends, or until `told` and its request is answered.
pub(super) async fn serve(
    shared: &Shared,
    stream: TcpStream,
    address: SocketAddr,
    told: watch::Receiver<bool>,
) {
    // Answers are written whole.
    let _ = stream.set_nodelay(true);
    let mut peer = Peer {
        address,
        certificate: None,
    };
    let Some(acceptor) = &shared.tls else {
        return serve_http(shared, stream, peer, told).await;
    };
    if let Some(stream) = handshake(shared, acceptor, stream, address).await {
        let certificates = stream.get_ref().1.peer_certificates();
        let own = certificates.and_then(|chain| chain.first());
        peer.certificate = own.map(|certificate| Sha256::of(certificate));
        serve_http(shared, stream, peer, told).await;
    }
}

async fn handshake(
    shared: &Shared,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    let patience = ms(shared.node.config.limits.header_timeout_ms);
    let refused = match timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => return Some(stream),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "too slow".to_owned(),
    };
    tracing::debug!(%address, error = crate::text::shown(&refused), "no handshake");
    shared.node.metrics.cut.inc();
    None
}

async fn serve_http<S>(shared: &Shared, stream: S, peer: Peer, mut told: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let limits = &shared.node.config.limits;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(ms(limits.write_timeout_ms)));
    let stream = Paced::new(Box::pin(stream), ms(limits.answer_timeout_ms));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        shared.app.clone().oneshot(request.map(Body::new))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ms(limits.header_timeout_ms))
        .max_buf_size(limits.header_bytes_max as usize)
        .max_headers(limits.headers_max as usize)
        .serve_connection(TokioIo::new(stream), service);
    let mut is_told = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            _ = told.wait_for(|stopping| *stopping), if !is_told => {
                is_told = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner();
    if let Err(error) = ended {
        shared.node.metrics.cut.inc();
        tracing::debug!(address = %peer.address, %error, "connection cut");
        // Between two requests silence is no fault.
        if error.is_timeout() && !parts.read_buf.is_empty() {
            let _ = timeout(LINGER, stream.write_all(&too_slow())).await;
        }
    }
    let _ = timeout(LINGER, linger(&mut stream)).await;
}

/// The answer to a head that never came to its end. The HTTP library has none for it.
fn too_slow() -> Vec<u8> {
    let body = ApiError::too_slow().to_body();
    let head = format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body].concat()
}

async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
