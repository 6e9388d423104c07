//! `/metrics` for authorized clients: TLS on a separate listener. The API server
//! authenticates a client (TokenReview) and authorizes it (SubjectAccessReview), as
//! with `filters.WithAuthenticationAndAuthorization` of controller-runtime.
//!
//! - [`certificate`]: the certificate and key, reloaded when their files change.
//! - [`tls_listener`]: accepts connections and performs their TLS handshakes.
//! - [`access`]: the guard of the routes; [`reviews`]: the requests to the API server;
//!   [`decisions`]: the cache of its decisions, for one minute.
//!
//! There is no self-signed certificate in memory, unlike in controller-runtime: a
//! scraper could not verify it, and would send its token to any server.

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

/// The settings of the secure listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecureMetricsConfig {
    pub address: SocketAddr,
    /// PEM file with the certificate and its intermediate certificates.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// A listener with its certificate that does not serve yet.
pub struct SecureMetrics {
    listener: TcpListener,
    certificate: Certificate,
}

/// The error of [`SecureMetrics::bind`].
#[derive(Debug, thiserror::Error)]
pub enum SecureMetricsError {
    #[error("--metrics-secure-address {address}: {error}")]
    Address {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("--metrics-tls-cert-file, --metrics-tls-key-file: {0}")]
    Certificate(#[from] CertificateError),
}

impl SecureMetrics {
    /// Reads the certificate and listens on the address.
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

    /// Serves until it is dropped; `client` makes the reviews.
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
