//! The client for the API server: with metrics of its requests, like those of client-go, and
//! with writes that end with the leadership.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tokio::sync::watch;
use tower::{Service, layer};

use super::connection;
use crate::election::Role;
use crate::telemetry::Metrics;

/// Builds the client. A connection that carries nothing to us for `silence`, counted from
/// the last request on it, ends with an error. A write to a Service is not sent any
/// more once the leadership has ended.
///
/// # Errors
/// The configuration is invalid.
pub fn client(
    config: &Config,
    silence: Duration,
    roles: watch::Receiver<Role>,
    metrics: Arc<Metrics>,
) -> Result<Client, kube::Error> {
    let host = config.cluster_url.authority().map(ToString::to_string);
    let host: Arc<str> = host.unwrap_or_default().into();
    let instrumented = layer::layer_fn(|inner| Instrumented {
        inner,
        metrics: metrics.clone(),
        host: host.clone(),
    });
    let service = connection::service(config, silence, roles)?;
    Ok(ClientBuilder::new(service, &config.default_namespace)
        .with_layer(&instrumented)
        .build())
}

/// The service that counts the requests of the client.
#[derive(Clone)]
struct Instrumented<S> {
    inner: S,
    metrics: Arc<Metrics>,
    host: Arc<str>,
}

impl<S, B> Service<Request<Body>> for Instrumented<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut sent = RequestInFlight {
            metrics: self.metrics.clone(),
            host: self.host.clone(),
            method: request.method().clone(),
            started: Instant::now(),
            status: None,
        };
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            sent.responded(response.as_ref().ok().map(Response::status));
            response
        })
    }
}

/// A request in flight; counted when dropped, also if its caller cancels it.
struct RequestInFlight {
    metrics: Arc<Metrics>,
    host: Arc<str>,
    method: Method,
    started: Instant,
    status: Option<StatusCode>,
}

impl RequestInFlight {
    /// A method rather than an assignment, so that the future captures the whole value.
    fn responded(&mut self, status: Option<StatusCode>) {
        self.status = status;
    }
}

impl Drop for RequestInFlight {
    fn drop(&mut self) {
        let code = self.status.as_ref().map_or("<error>", StatusCode::as_str);
        let (method, took) = (self.method.as_str(), self.started.elapsed());
        let kubernetes = &self.metrics.kubernetes;
        kubernetes.request(method, &self.host, code, took);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::FutureExt;

    use super::*;
    use crate::telemetry::MetricsFormat;

    #[test]
    fn a_hanging_request_that_its_caller_cancels_is_counted() {
        let metrics = Arc::new(Metrics::for_test(&[]));
        let silent = tower::service_fn(async |_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        });
        let mut client = Instrumented {
            inner: silent,
            metrics: metrics.clone(),
            host: "server".into(),
        };
        let request = Request::get("/").body(Body::empty()).unwrap();
        let response = client.call(request).now_or_never();
        assert!(response.is_none(), "the request hangs");
        let text = String::from_utf8(metrics.gather(MetricsFormat::Text)).unwrap();
        let line = "rest_client_requests_total{code=\"<error>\",host=\"server\",method=\"GET\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
