//! TLS for the listening side.
//!
//! Enters: PEM files. Leaves: an acceptor for TLS 1.2 and 1.3. Refuses: files that cannot be read, a key that others may read, and
//! one that does not belong to the certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsConfig;
use crate::files::{self, FileError};
use crate::text;

/// The most bytes of a PEM file: some hundred certificates.
const BYTES_MAX: u64 = 1024 * 1024;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file holds nothing of what it should.
    #[error("{} holds no {wanted} in PEM", text::path(path))]
    Form {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Key and certificate do not work.
    #[error("the TLS key or certificate cannot be used: {0}")]
    Rustls(#[from] rustls::Error),
    /// The authorities do not work.
    #[error("the client authorities cannot be used: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Reads the files.
pub(super) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => builder.with_client_cert_verifier(verifier(path, provider)?),
    };
    let chain = certificates(&config.certificate)?;
    let mut server = builder.with_single_cert(chain, key(&config.key)?)?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// A client may come without a certificate, and is then judged by its token; one that it shows must hold.
fn verifier(
    path: &Path,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(
        WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
            .allow_unauthenticated()
            .build()?,
    )
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = files::read(path, BYTES_MAX)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    found
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| TlsError::Form {
            path: path.to_owned(),
            wanted: "certificate",
        })
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let bytes = files::read_secret(path, BYTES_MAX)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|_| TlsError::Form {
        path: path.to_owned(),
        wanted: "secret key",
    })
}
