//! The HTTP client of the exporter.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::blocking::{Client, ClientBuilder};

use super::{ENDPOINTS, TracesError};

/// The one for traces first, as with the endpoints.
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const CERTIFICATES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const TIMEOUT: Duration = Duration::from_secs(10);

/// Builds it. Not the exporter's own: that one wants the system's authorities
/// for plain HTTP too, of which an image may have none, and reads no file of
/// authorities. A blocking one, because it is used on a thread of the SDK's own.
pub(super) fn client(variable: impl Fn(&str) -> Option<String>) -> Result<Client, TracesError> {
    let set = |names: [&str; 2]| {
        let values = names.into_iter().filter_map(&variable);
        values.into_iter().find(|value| !value.trim().is_empty())
    };
    let timeout = set(TIMEOUTS).and_then(|text| text.trim().parse().ok());
    let authorities = match set(CERTIFICATES) {
        Some(path) => Some(authorities(path.into())?),
        // Plain HTTP needs none.
        None => set(ENDPOINTS)
            .is_some_and(|endpoint| endpoint.starts_with("http:"))
            .then(Vec::new),
    };
    let mut builder = Client::builder().timeout(timeout.map_or(TIMEOUT, Duration::from_millis));
    if let Some(authorities) = authorities {
        builder = builder.tls_certs_only(authorities);
    }
    built(builder)
}

/// On a thread of its own: a blocking client may not be built on an asynchronous one.
fn built(builder: ClientBuilder) -> Result<Client, TracesError> {
    let thread = std::thread::Builder::new().spawn(move || builder.build());
    match thread.map_err(TracesError::Thread)?.join() {
        Ok(built) => built.map_err(TracesError::Client),
        // A release has ended by then.
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn authorities(path: PathBuf) -> Result<Vec<Certificate>, TracesError> {
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(TracesError::UnreadableAuthority { path, source }),
    };
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(TracesError::NoAuthority { path }),
    }
}
