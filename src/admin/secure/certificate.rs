//! The certificate of the listener, reloaded when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;

/// Interval between two reads of the files.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The error of reading a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("{path}: {error}")]
    Unreadable { path: PathBuf, error: String },
    #[error("{path} contains no PEM {kind}")]
    NoPem {
        path: PathBuf,
        /// `certificate` or `key`.
        kind: &'static str,
    },
    /// The key does not belong to the certificate, for example.
    #[error("{certificate} and {key} cannot be used together: {error}")]
    Pair {
        certificate: PathBuf,
        key: PathBuf,
        error: String,
    },
}

/// A certificate and its key, in two files.
pub(super) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<CertificateState>,
}

struct CertificateState {
    /// The configuration for new connections.
    current: Arc<ServerConfig>,
    /// The contents of the files at the last read, whether usable or not.
    contents: Result<Contents, CertificateError>,
    last_read: Instant,
}

/// The bytes of both files.
type Contents = (Vec<u8>, Vec<u8>);

impl Certificate {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    /// A file is unreadable, or the two cannot be used together.
    pub(super) fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let contents = contents(&certificate, &key)?;
        let current = server_config(&contents, &certificate, &key)?;
        let state = CertificateState {
            current,
            contents: Ok(contents),
            last_read: Instant::now(),
        };
        Ok(Self {
            certificate,
            key,
            state: Mutex::new(state),
        })
    }

    /// The configuration for a new connection. If the files are unusable (half of a
    /// rotation, for example), the previous pair stays in use.
    ///
    /// Reads two small local files on the calling task, which is rare enough.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock();
        if state.last_read.elapsed() < RELOAD_INTERVAL {
            return state.current.clone();
        }
        state.last_read = Instant::now();
        let found = contents(&self.certificate, &self.key);
        if found == state.contents {
            return state.current.clone();
        }
        let usable = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|contents| server_config(contents, &self.certificate, &self.key));
        match usable {
            Ok(config) => {
                tracing::info!("the metrics certificate was reloaded");
                state.current = config;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot reload the metrics certificate; the previous one stays in use");
            }
        }
        state.contents = found;
        state.current.clone()
    }
}

fn contents(certificate: &Path, key: &Path) -> Result<Contents, CertificateError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| CertificateError::Unreadable {
            path: path.to_owned(),
            error: error.to_string(),
        })
    };
    Ok((read(certificate)?, read(key)?))
}

fn server_config(
    (chain, private): &Contents,
    certificate: &Path,
    key: &Path,
) -> Result<Arc<ServerConfig>, CertificateError> {
    let no_pem = |path: &Path, kind| CertificateError::NoPem {
        path: path.to_owned(),
        kind,
    };
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| no_pem(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|_| no_pem(key, "key"))?;
    let unusable = |error: rustls::Error| CertificateError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        error: error.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
