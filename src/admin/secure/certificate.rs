//! The certificate of the listener, read again when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(10);

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("{path}: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: String,
    },
    /// A file is not what it should be.
    #[error("{path} contains no PEM {what}")]
    NoPem {
        /// The file.
        path: PathBuf,
        /// Certificate or key.
        what: &'static str,
    },
    /// The two do not go together.
    #[error("{certificate} and {key} cannot be used together: {error}")]
    Pair {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
        /// Why.
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
    /// What new connections get.
    in_use: Arc<ServerConfig>,
    /// What was in the files at the last look, whether or not it was of use.
    seen: Result<Contents, CertificateError>,
    looked: Instant,
}

/// The bytes of both files.
type Contents = (Vec<u8>, Vec<u8>);

impl Certificate {
    /// # Errors
    /// [`CertificateError`].
    pub(super) fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let contents = contents(&certificate, &key)?;
        let in_use = server_config(&contents, &certificate, &key)?;
        let state = CertificateState {
            in_use,
            seen: Ok(contents),
            looked: Instant::now(),
        };
        Ok(Self {
            certificate,
            key,
            state: Mutex::new(state),
        })
    }

    /// For a new connection. What is of no use (half of a rotation, say) leaves
    /// the last pair in use.
    ///
    /// Reads two small local files on the calling task, as seldom as that is.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        let mut state = self.state.lock();
        if state.looked.elapsed() < LOOK {
            return state.in_use.clone();
        }
        state.looked = Instant::now();
        let found = contents(&self.certificate, &self.key);
        if found == state.seen {
            return state.in_use.clone();
        }
        let usable = found
            .as_ref()
            .map_err(Clone::clone)
            .and_then(|contents| server_config(contents, &self.certificate, &self.key));
        match usable {
            Ok(config) => {
                tracing::info!("the metrics certificate was reloaded");
                state.in_use = config;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot reload the metrics certificate; the previous one stays in use");
            }
        }
        state.seen = found;
        state.in_use.clone()
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
    let no_pem = |path: &Path, what| CertificateError::NoPem {
        path: path.to_owned(),
        what,
    };
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| no_pem(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(private).map_err(|_| no_pem(key, "key"))?;
    let unfit = |error: rustls::Error| CertificateError::Pair {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        error: error.to_string(),
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
