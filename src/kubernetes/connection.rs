//! The connections to the API server. One that is dead but not closed must not be used for
//! long: neither a request nor a watch would ever end on it.

use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::Config;
use kube::client::{Body, ConfigExt};
use tokio::sync::watch;
use tower::util::BoxService;
use tower::{BoxError, ServiceBuilder};

use crate::election::{Leadership, PermittedBody, Role};

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
/// uses no proxy and sends nothing again, and no write to a Service once the leadership has
/// ended.
///
/// # Errors
/// The configuration is invalid.
pub(super) fn service(
    config: &Config,
    silence: Duration,
    roles: watch::Receiver<Role>,
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
    // A process that lost its leadership never gets another one.
    let mut leadership = None;
    let client: legacy::Client<_, PermittedBody<Body>> =
        legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .map_request(move |request| while_leading(request, &roles.borrow(), &mut leadership))
        .service(client);
    Ok(BoxService::new(service))
}

/// Lets a write to a Service end with the last leadership of this process. Other requests need
/// none: an Event may be written after the release, and a standby asks for access reviews.
fn while_leading(
    request: Request<Body>,
    role: &Role,
    last: &mut Option<Leadership>,
) -> Request<PermittedBody<Body>> {
    if let Role::Leader(leadership) = role {
        *last = Some(leadership.clone());
    }
    let is_of_service =
        request.method() == Method::PATCH && request.uri().path().contains("/services/");
    let leadership = last.clone().filter(|_| is_of_service);
    request.map(|body| PermittedBody::new(body, leadership))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::election::{LeadershipLost, sole_leader};

    const LEASE: Duration = Duration::from_secs(10);
    const SERVICE: &str = "/api/v1/namespaces/shop/services/web/status";
    const EVENT: &str = "/apis/events.k8s.io/v1/namespaces/shop/events/web";

    fn leader() -> Role {
        let term = sole_leader(1).term();
        Role::Leader(Leadership::until(term, Instant::now() + LEASE))
    }

    fn patch(path: &str) -> Request<Body> {
        let request = Request::patch(path).body(Body::from(b"change".to_vec()));
        request.expect("a request")
    }

    /// What a connection that gets ready after `wait` sends of a write.
    async fn sent_after(
        wait: Duration,
        request: Request<PermittedBody<Body>>,
    ) -> Result<(), BoxError> {
        advance(wait).await;
        let body = request.into_body().collect().await?;
        assert_eq!(body.to_bytes().to_vec(), b"change");
        Ok(())
    }

    /// The process may be stopped while a connection is made for a write that had its permit.
    #[tokio::test(start_paused = true)]
    async fn a_write_is_not_sent_after_the_leadership_of_its_permit() {
        let rows = [
            (SERVICE, LEASE / 2, true),
            (SERVICE, LEASE, false),
            (EVENT, LEASE, true),
        ];
        for (path, wait, expected) in rows {
            let request = while_leading(patch(path), &leader(), &mut None);
            let sent = sent_after(wait, request).await;
            assert_eq!(sent.is_ok(), expected, "{path} after {wait:?}: {sent:?}");
        }
        // The election may tell of the loss before the request comes here.
        let mut last = None;
        while_leading(patch(EVENT), &leader(), &mut last);
        let request = while_leading(patch(SERVICE), &Role::Standby, &mut last);
        let late = sent_after(LEASE, request)
            .await
            .expect_err("its leadership has ended");
        assert!(late.is::<LeadershipLost>(), "{late:?}");
    }

    #[test]
    fn the_length_of_a_write_is_known_before_it_is_sent() {
        let request = while_leading(patch(SERVICE), &Role::Leader(sole_leader(1)), &mut None);
        assert_eq!(request.body().size_hint().exact(), Some(6));
    }
}
