//! The layer under the client of kube-leader-election that makes its requests safe.
//!
//! Without it, kube-leader-election patches without a precondition, trusts the
//! clocks of other machines, waits without a limit, and fails on a Lease without a
//! holder. The layer changes each request and response:
//!
//! - The response to a read carries the local decision on expiry: null fields are
//!   filled in, and `renewTime` is "long ago" or "far ahead" by the time for which
//!   *this process* has observed the Lease unchanged, regardless of any wall clock.
//! - A patch gets the `resourceVersion` of the read before it, so that of two
//!   replicas that read the same Lease one gets 409. It also replaces values that no
//!   server can read.
//! - A write carries the offset of terms, if there is one.
//! - A create fails while the holder of a deleted Lease may be alive.
//! - Every request has a deadline, and the time of sending a write is recorded.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::client::Body;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use super::clock::{Clock, Moment};
use super::lease_object::LeaseObject;
use super::observed_lease::{ObservedLease, Source, TERM_OFFSET, holder, version};

const LONG_AGO: Timestamp = Timestamp::UNIX_EPOCH;
/// The first day of 9999, not the last representable time, because durations are
/// added to it.
const FAR_AHEAD: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// An error of the layer itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum LayerError {
    #[error("no response to {method} within {after:?}")]
    NoResponse { method: Method, after: Duration },
    /// A create although the last observed holder may still lead.
    #[error("the Lease was deleted while {holder} held it")]
    HolderMayLive { holder: String },
    #[error("the Lease was patched without a read before the patch")]
    PatchWithoutRead,
    #[error("the patch of the Lease is not a JSON object")]
    NotAPatch,
    /// The version must be a number, because it becomes the term.
    #[error("the Lease's resourceVersion is not a number: {0:?}")]
    VersionNotANumber(Option<String>),
}

#[derive(Debug, Default)]
struct Exchange {
    /// The last read, until a patch uses it.
    read: Option<LeaseObject>,
    write_sent: Option<Moment>,
    /// A write was sent and its outcome is unknown.
    unconfirmed: bool,
}

/// Makes a [`LeaseService`]; clones share their state.
#[derive(Clone, Debug)]
pub(super) struct LeaseLayer {
    identity: Arc<str>,
    observed_lease: Arc<ObservedLease>,
    clock: Clock,
    exchange: Arc<Mutex<Exchange>>,
    request_timeout: Duration,
}

impl LeaseLayer {
    pub(super) fn new(
        identity: &str,
        observed_lease: Arc<ObservedLease>,
        clock: Clock,
        request_timeout: Duration,
    ) -> Self {
        Self {
            identity: identity.into(),
            observed_lease,
            clock,
            exchange: Arc::default(),
            request_timeout,
        }
    }

    /// The instant just before the last write was sent, whatever its outcome.
    pub(super) fn last_write_sent(&self) -> Option<Moment> {
        self.exchange().write_sent
    }

    /// Whether the outcome of the last write is unknown.
    pub(super) fn has_unconfirmed_write(&self) -> bool {
        self.exchange().unconfirmed
    }

    fn exchange(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock()
    }

    /// Returns the body of the request to send.
    fn prepare(&self, method: &Method, body: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let mut exchange = self.exchange();
        let body = if method == Method::PATCH {
            let read = exchange.read.take().ok_or(LayerError::PatchWithoutRead)?;
            self.with_metadata(&body, Some(&read))?
        } else if method == Method::POST
            && let Some(holder) = self.observed_lease.living_holder(&self.identity)
        {
            return Err(LayerError::HolderMayLive { holder }.into());
        } else if method == Method::POST {
            self.with_metadata(&body, None)?
        } else {
            body
        };
        if method != Method::GET {
            exchange.write_sent = Some(self.clock.now());
            exchange.unconfirmed = true;
        }
        Ok(body)
    }

    /// Adds the `resourceVersion` of the read as a precondition and the offset of terms, if
    /// there is one, to a Lease or a merge patch of it.
    fn with_metadata(&self, body: &[u8], read: Option<&LeaseObject>) -> Result<Vec<u8>, BoxError> {
        let mut metadata = Map::new();
        if let Some(read) = read {
            let version = read.metadata.resource_version.clone();
            metadata.insert("resourceVersion".to_owned(), version.into());
        }
        let offset = self.observed_lease.offset();
        if offset > 0 {
            let annotations = json!({ TERM_OFFSET: offset.to_string() });
            metadata.insert("annotations".to_owned(), annotations);
        }
        with_metadata(body, metadata, read)
    }

    /// Records the response and returns its body for kube-leader-election.
    fn record_response(
        &self,
        method: &Method,
        sent: Instant,
        status: StatusCode,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, BoxError> {
        if method != Method::GET && !status.is_server_error() {
            self.exchange().unconfirmed = false;
        }
        if method == Method::GET && status == StatusCode::NOT_FOUND {
            self.exchange().read = None;
            self.observed_lease.record_deletion();
        }
        if !status.is_success() {
            return Ok(body);
        }
        let mut lease: LeaseObject = serde_json::from_slice(&body)?;
        let Some(version) = version(&lease.metadata) else {
            let found = lease.metadata.resource_version;
            return Err(LayerError::VersionNotANumber(found).into());
        };
        self.observed_lease
            .record(version, &lease, Source::Response { sent });
        if method == Method::GET {
            self.exchange().read = Some(lease.clone());
            let free = self.observed_lease.may_be_taken(version, &lease);
            lease.spec = with_local_expiry(lease.spec, free);
        }
        Ok(serde_json::to_vec(&lease.typed())?)
    }
}

/// Adds fields to the metadata of a Lease or a merge patch. kube-leader-election sets no
/// annotations.
fn with_metadata(
    body: &[u8],
    added: Map<String, Value>,
    read: Option<&LeaseObject>,
) -> Result<Vec<u8>, BoxError> {
    let mut body: Value = serde_json::from_slice(body)?;
    let fields = body.as_object_mut().ok_or(LayerError::NotAPatch)?;
    if let Some(read) = read {
        read.repair(fields);
    }
    let metadata = fields
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    metadata
        .as_object_mut()
        .ok_or(LayerError::NotAPatch)?
        .extend(added);
    Ok(serde_json::to_vec(&body)?)
}

/// The spec with every field that kube-leader-election requires, and with a
/// `renewTime` from which it derives the local decision on expiry.
fn with_local_expiry(spec: LeaseSpec, free: bool) -> LeaseSpec {
    let transitions = spec
        .lease_transitions
        // kube-leader-election adds one without an overflow check.
        .filter(|count| (0..i32::MAX).contains(count));
    LeaseSpec {
        holder_identity: Some(holder(&spec).unwrap_or_default().to_owned()),
        lease_duration_seconds: Some(1),
        lease_transitions: Some(transitions.unwrap_or_default()),
        renew_time: Some(MicroTime(if free { LONG_AGO } else { FAR_AHEAD })),
        ..spec
    }
}

impl<S> Layer<S> for LeaseLayer {
    type Service = LeaseService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LeaseService {
            inner,
            layer: self.clone(),
        }
    }
}

/// The service that changes requests and responses as the module describes.
#[derive(Clone, Debug)]
pub(super) struct LeaseService<S> {
    inner: S,
    layer: LeaseLayer,
}

impl<S> Service<Request<Body>> for LeaseService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // Use the service that was polled ready, and keep its clone.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (method, after) = (request.method().clone(), layer.request_timeout);
            tokio::time::timeout(after, exchange(inner, &layer, request))
                .await
                .map_err(|_| LayerError::NoResponse { method, after })?
        })
    }
}

async fn exchange<S>(
    mut inner: S,
    layer: &LeaseLayer,
    request: Request<Body>,
) -> Result<Response<Body>, BoxError>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Into<BoxError>,
{
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let body = layer.prepare(&method, body.collect_bytes().await?.to_vec())?;
    let sent = Instant::now();
    let request = Request::from_parts(head, Body::from(body));
    let (head, body) = inner.call(request).await.map_err(Into::into)?.into_parts();
    let body = body.collect_bytes().await?.to_vec();
    let body = layer.record_response(&method, sent, head.status, body)?;
    Ok(Response::from_parts(head, Body::from(body)))
}
