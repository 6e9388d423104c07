//! The connections to the API server. One that is dead but not closed must not be used for
//! long: neither a request nor a watch would ever end on it.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::{Body, ConfigExt};
use tower::util::BoxService;
use tower::{BoxError, ServiceBuilder};

/// A connection that was not used for this time is closed: whether it still works would show
/// only at the deadline of the next request on it.
const IDLE: Duration = Duration::from_secs(15);

/// The kernel asks an idle peer for a sign of life after this time,
const KEEPALIVE: Duration = Duration::from_secs(15);
/// then again after each of these,
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
/// and gives up after so many without an answer.
const KEEPALIVE_RETRIES: u32 = 3;

/// The kernel gives up a connection whose peer does not acknowledge for this time. As for
/// client-go, which sends HTTP/2 pings: 30 s and 15 s.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// The service that sends requests as the configuration says. A connection that carries
/// nothing to us for `silence`, counted from the last request on it, ends with an error. It
/// uses no proxy and sends nothing again.
///
/// # Errors
/// The configuration is invalid.
pub(super) fn service(
    config: &Config,
    silence: Duration,
) -> Result<BoxService<Request<Body>, Response<Incoming>, BoxError>, kube::Error> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
    tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(Some(silence));
    // Otherwise the time of an idle connection would count for the next request on it.
    connector.set_reset_reader_on_write(true);
    connector.set_write_timeout(config.write_timeout);
    let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(BoxService::new(service))
}
