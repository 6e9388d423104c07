//! The HTTP client of one cloud.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, NoProxy, Proxy, Url, redirect};

use super::call::Verb;
use super::settings::RestSettings;
use crate::plan::naming::CloudName;

/// Time limit for a connection: three repeats of a lost SYN.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Time after which an idle connection is closed. Most servers and gateways close it
/// later, so few requests meet a connection that is about to end.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const USER_AGENT: &str = concat!("my-cloud-controller-manager/", env!("CARGO_PKG_VERSION"));

/// The error of building the client of a cloud.
#[derive(Debug, thiserror::Error)]
pub enum CloudSetupError {
    /// The endpoint is not of the form `http://host` or `https://host`.
    #[error("{cloud}: the endpoint must be an http or https URL")]
    Endpoint { cloud: CloudName },
    /// The file with the certificate authorities cannot be read.
    #[error("{cloud}: cannot read {path}: {source}")]
    UnreadableAuthority {
        cloud: CloudName,
        path: PathBuf,
        source: std::io::Error,
    },
    /// The file with the certificate authorities contains no certificate.
    #[error("{cloud}: {path} contains no PEM certificate")]
    NoAuthority { cloud: CloudName, path: PathBuf },
    /// The process has no cryptography provider; install one first.
    #[error("{cloud}: no default rustls CryptoProvider is installed")]
    NoCryptoProvider { cloud: CloudName },
    #[error("{cloud}: {source}")]
    Client {
        cloud: CloudName,
        source: reqwest::Error,
    },
}

/// Builds the client: without redirects and retries, and without a proxy except the
/// one that `HTTPS_PROXY` names for https.
pub(super) fn client(settings: &RestSettings) -> Result<Client, CloudSetupError> {
    let cloud = || settings.name.clone();
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(CloudSetupError::NoCryptoProvider { cloud: cloud() });
    }
    let failed = |source| CloudSetupError::Client {
        cloud: cloud(),
        source,
    };
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(USER_AGENT)
        .connect_timeout(settings.request_timeout.min(CONNECT_TIMEOUT))
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(settings.concurrency)
        .no_proxy();
    let proxy = std::env::var("HTTPS_PROXY").or_else(|_| std::env::var("https_proxy"));
    if let Some(proxy) = proxy.ok().filter(|proxy| !proxy.is_empty()) {
        let proxy = Proxy::https(proxy).map_err(failed)?;
        builder = builder.proxy(proxy.no_proxy(NoProxy::from_env()));
    }
    if let Some(path) = &settings.ca_file {
        builder = builder.tls_certs_only(authorities(settings, path)?);
    } else if settings.endpoint.scheme() == "http" {
        // Plain HTTP needs no authorities, and an image may lack them.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(failed)
}

fn authorities(settings: &RestSettings, path: &Path) -> Result<Vec<Certificate>, CloudSetupError> {
    let (cloud, path) = (settings.name.clone(), path.to_owned());
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => {
            return Err(CloudSetupError::UnreadableAuthority {
                cloud,
                path,
                source,
            });
        }
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(CloudSetupError::NoAuthority { cloud, path }),
    }
}

/// The URL `{endpoint}/api/v1/lb/<verb>`.
pub(super) fn address(settings: &RestSettings, verb: Verb) -> Result<Url, CloudSetupError> {
    let failed = || CloudSetupError::Endpoint {
        cloud: settings.name.clone(),
    };
    let mut url = settings.endpoint.clone();
    if !matches!(url.scheme(), "http" | "https") {
        return Err(failed());
    }
    url.path_segments_mut()
        .map_err(|()| failed())?
        .pop_if_empty()
        .extend(["api", "v1", "lb", verb.as_str()]);
    Ok(url)
}
