//! The HTTP client of the trace exporter.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Certificate;
use reqwest::blocking::{Client, ClientBuilder};

use super::{ENDPOINTS, TracesError};

/// The variable for traces takes precedence, as for the endpoints.
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const CERTIFICATES: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const TIMEOUT: Duration = Duration::from_secs(10);

/// Builds the client. The default client of the exporter needs the authorities of
/// the system even for plain HTTP, which an image may lack, and cannot read a file of
/// authorities. The client is blocking, because a thread of the SDK uses it.
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

/// Builds the client on a separate thread: a blocking client must not be built on a
/// thread of the asynchronous runtime.
fn built(builder: ClientBuilder) -> Result<Client, TracesError> {
    let thread = std::thread::Builder::new().spawn(move || builder.build());
    match thread.map_err(TracesError::Thread)?.join() {
        Ok(built) => built.map_err(TracesError::Client),
        // A release build aborts on a panic and does not get here.
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
