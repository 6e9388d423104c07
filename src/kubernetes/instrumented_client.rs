//! A client whose requests are counted and timed, as client-go's are.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use kube::client::{Body, ClientBuilder};
use kube::{Client, Config};
use tower::{Service, layer};

use crate::telemetry::Metrics;

/// A client for this configuration.
///
/// # Errors
/// The configuration does not make a client.
pub fn client(config: Config, metrics: Arc<Metrics>) -> Result<Client, kube::Error> {
    let host = config.cluster_url.authority().map(ToString::to_string);
    let host: Arc<str> = host.unwrap_or_default().into();
    let measured = layer::layer_fn(|inner| Instrumented {
        inner,
        metrics: metrics.clone(),
        host: host.clone(),
    });
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&measured)
        .build())
}

/// The service under the client.
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
        let mut sent = Sent {
            metrics: self.metrics.clone(),
            host: self.host.clone(),
            method: request.method().clone(),
            started: Instant::now(),
            status: None,
        };
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            sent.answered(answer.as_ref().ok().map(Response::status));
            answer
        })
    }
}

/// A request under way; counted when dropped, also by a caller who gave up.
struct Sent {
    metrics: Arc<Metrics>,
    host: Arc<str>,
    method: Method,
    started: Instant,
    status: Option<StatusCode>,
}

impl Sent {
    fn answered(&mut self, status: Option<StatusCode>) {
        self.status = status;
    }
}

impl Drop for Sent {
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
    fn a_request_that_hangs_until_its_caller_gives_up_is_counted() {
        let metrics = Arc::new(Metrics::for_test(&[]));
        let silent = tower::service_fn(async |_: Request<Body>| {
            std::future::pending::<Result<Response<Body>, Infallible>>().await
        });
        let mut measured = Instrumented {
            inner: silent,
            metrics: metrics.clone(),
            host: "server".into(),
        };
        let request = Request::get("/").body(Body::empty()).unwrap();
        let answer = measured.call(request).now_or_never();
        assert!(answer.is_none(), "it hangs");
        let text = String::from_utf8(metrics.gather(MetricsFormat::Text)).unwrap();
        let line = "rest_client_requests_total{code=\"<error>\",host=\"server\",method=\"GET\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
