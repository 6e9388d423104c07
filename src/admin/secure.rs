//! `/metrics` for those who may read it: TLS on a listener of its own, and the
//! API server asked who the client is (TokenReview) and what it may do
//! (SubjectAccessReview), as controller-runtime's
//! `filters.WithAuthenticationAndAuthorization` does it.
//!
//! - [`certificate`]: the pair of files, read again when they change.
//! - [`tls_listener`]: connections after their handshake.
//! - [`access`]: who is let in; [`reviews`]: what the API server says;
//!   [`decisions`]: what it said within the last minute.
//!
//! There is no certificate made up in memory, as controller-runtime has one: a
//! scraper could not tell it from anybody else's, and would hand its token to
//! whoever answers.

mod access;
mod certificate;
mod decisions;
mod reviews;
mod tls_listener;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use kube::Client;
use tokio::net::TcpListener;

use super::{Health, connections, scrape};
use crate::telemetry::Metrics;
use access::Access;
use certificate::Certificate;
pub use certificate::CertificateError;
use tls_listener::TlsListener;

/// Where, and with which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureMetricsConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// PEM file with the certificate and those between it and its authority.
    pub certificate: PathBuf,
    /// PEM file with its key.
    pub key: PathBuf,
}

/// A listener with its certificate, not yet served.
pub struct SecureMetrics {
    listener: TcpListener,
    certificate: Certificate,
}

/// Why it cannot be.
#[derive(Debug, thiserror::Error)]
pub enum SecureMetricsError {
    /// The address cannot be had.
    #[error("--metrics-secure-address {address}: {error}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's word.
        error: io::Error,
    },
    /// The certificate cannot be used.
    #[error("--metrics-tls-cert-file, --metrics-tls-key-file: {0}")]
    Certificate(#[from] CertificateError),
}

impl SecureMetrics {
    /// Reads the certificate and takes the address.
    ///
    /// # Errors
    /// [`SecureMetricsError`].
    pub async fn bind(config: SecureMetricsConfig) -> Result<Self, SecureMetricsError> {
        let address = config.address;
        let certificate = Certificate::read(config.certificate, config.key)?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| SecureMetricsError::Address { address, error })?;
        Ok(Self {
            listener,
            certificate,
        })
    }

    /// Serves until it is dropped. The client asks on our behalf who the others are.
    ///
    /// # Errors
    /// The listener has no address.
    pub async fn serve(
        self,
        health: Arc<Health>,
        metrics: Arc<Metrics>,
        client: Client,
    ) -> io::Result<()> {
        let access = Arc::new(Access::new(client));
        let router = access::guarded(scrape::route(health, metrics), access);
        let listener = TlsListener::new(self.listener, self.certificate)?;
        connections::serve(listener, router).await;
        Ok(())
    }
}
