//! A client whose requests are counted and timed, as client-go's are.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use futures::future::BoxFuture;
use http::{Request, Response};
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
    let measured = layer::layer_fn(|inner| Measured {
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
struct Measured<S> {
    inner: S,
    metrics: Arc<Metrics>,
    host: Arc<str>,
}

impl<S, B> Service<Request<Body>> for Measured<S>
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
        let method = request.method().clone();
        let answer = self.inner.call(request);
        let (metrics, host) = (self.metrics.clone(), self.host.clone());
        Box::pin(async move {
            let started = Instant::now();
            let answer = answer.await;
            let code = answer.as_ref().map(|answer| answer.status());
            let code = code.as_ref().map_or("<error>", |code| code.as_str());
            let took = started.elapsed();
            metrics
                .kubernetes
                .request(method.as_str(), &host, code, took);
            answer
        })
    }
}
