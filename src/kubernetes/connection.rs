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
use tokio::sync::watch;
use tower::util::BoxService;
use tower::{BoxError, ServiceBuilder};

use crate::election::{PermittedBody, Role};

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
/// uses no proxy and sends nothing again, and nothing of a leader once its leadership has
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
        .map_request(move |request| while_leading(request, &roles.borrow()))
        .service(client);
    Ok(BoxService::new(service))
}

/// Lets the body of a write of the leader end with its leadership. A standby writes only
/// what needs none, such as an access review.
fn while_leading(request: Request<Body>, role: &Role) -> Request<PermittedBody<Body>> {
    let leadership = match role {
        Role::Leader(leadership) => Some(leadership.clone()),
        Role::Standby => None,
    };
    request.map(|body| PermittedBody::new(body, leadership))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::election::{Leadership, LeadershipLost, sole_leader};

    const LEASE: Duration = Duration::from_secs(10);

    fn leader() -> Role {
        Role::Leader(Leadership::until(
            sole_leader(1).term(),
            Instant::now() + LEASE,
        ))
    }

    /// What a connection that gets ready after `wait` sends of a write.
    async fn sent_after(wait: Duration, role: &Role) -> Result<Vec<u8>, BoxError> {
        let request = Request::patch("/").body(Body::from(b"change".to_vec()));
        let request = while_leading(request.unwrap(), role);
        advance(wait).await;
        let body = request.into_body().collect().await?;
        Ok(body.to_bytes().to_vec())
    }

    /// The process may be stopped while a connection is made for a write that had its permit.
    #[tokio::test(start_paused = true)]
    async fn a_write_is_not_sent_after_the_leadership_of_its_permit() {
        let in_time = sent_after(LEASE / 2, &leader()).await;
        assert_eq!(in_time.unwrap(), b"change");
        let late = sent_after(LEASE, &leader()).await.unwrap_err();
        assert!(late.is::<LeadershipLost>(), "{late:?}");
        let of_nobody = sent_after(LEASE, &Role::Standby).await;
        assert_eq!(of_nobody.unwrap(), b"change");
    }

    #[test]
    fn the_length_of_a_write_is_known_before_it_is_sent() {
        let request = Request::patch("/").body(Body::from(b"change".to_vec()));
        let request = while_leading(request.unwrap(), &Role::Leader(sole_leader(1)));
        assert_eq!(request.body().size_hint().exact(), Some(6));
    }
}
