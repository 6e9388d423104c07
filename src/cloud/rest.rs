//! The operations of a cloud over its HTTP API.

mod answer;
mod capabilities;
mod list;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::RwLock;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::address_policy::AddressPolicy;
use super::call::{CallObserver, Verb};
use super::error::{CloudError, ErrorKind};
use super::http_client::{ApiClient, ApiRequest};
use super::limiter::Limiter;
use super::node_address_pool::NodeAddressPool;
use super::settings::RestSettings;
use super::span::CallSpan;
use super::token::TokenFile;
use super::transport::{self, CloudSetupError};
use super::wire::{
    DeleteBody, DesiredBody, LoadBalancerBody, Object, QueryBody, Reading, ReleaseBody,
};
use super::{Cloud, Listed, Told, Which};
use super::{body, bounds};
use crate::election::WritePermit;
use crate::plan::CreateRequest;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{ClusterId, LoadBalancerId, Owner};
use crate::priority::Priority;
use crate::telemetry::log_throttle::LogThrottle;

pub use answer::{Answer, Asked};

/// A cloud with an HTTP API.
pub struct RestCloud {
    api_client: ApiClient,
    urls: ApiUrls,
    node_addresses: NodeAddressPool,
    addresses: AddressPolicy,
    /// What it has told last that it can do; before that, what its profile says.
    features: RwLock<Arc<BTreeSet<Feature>>>,
}

struct ApiUrls {
    create: Url,
    delete: Url,
    release: Url,
    update: Url,
    query: Url,
    list: Url,
    capabilities: Url,
}

impl RestCloud {
    /// Builds the client; sends no request.
    ///
    /// # Errors
    /// The endpoint, the CA file, the proxy or the cryptography provider of the process
    /// is unusable.
    pub fn new(settings: RestSettings, observer: CallObserver) -> Result<Self, CloudSetupError> {
        let address = |verb| transport::address(&settings, verb);
        let urls = ApiUrls {
            create: address(Verb::Create)?,
            delete: address(Verb::Delete)?,
            release: address(Verb::Release)?,
            update: address(Verb::Update)?,
            query: address(Verb::Query)?,
            list: address(Verb::List)?,
            capabilities: address(Verb::Capabilities)?,
        };
        let api_client = ApiClient {
            client: transport::client(&settings)?,
            limiter: Limiter::new(settings.concurrency, settings.requests_per_second),
            token: settings.token_file.map(TokenFile::new),
            cloud: settings.name,
            profile: settings.profile,
            request_timeout: settings.request_timeout,
            observer,
            stopping: CancellationToken::new(),
            log_throttle: LogThrottle::default(),
        };
        let features = settings.profile.capabilities().features;
        Ok(Self {
            api_client,
            urls,
            features: RwLock::new(Arc::new(features)),
            node_addresses: NodeAddressPool::default(),
            addresses: settings.addresses,
        })
    }

    /// Makes calls that wait for a slot fail when `stopping` is cancelled.
    #[must_use]
    pub fn stopping_on(mut self, stopping: CancellationToken) -> Self {
        self.api_client.stopping = stopping;
        self
    }

    /// Shares the throttle of repeated log lines with other clouds.
    #[must_use]
    pub fn logging_with(mut self, log_throttle: LogThrottle) -> Self {
        self.api_client.log_throttle = log_throttle;
        self
    }

    fn span(&self, verb: Verb, address: &Url) -> CallSpan {
        CallSpan::new(&self.api_client.cloud, verb, address)
    }

    fn unsupported(&self, verb: Verb, what: &str) -> CloudError {
        let message = format!("not sent: the cloud's API does not support {what}");
        self.api_client.error(verb, ErrorKind::Unsupported, message)
    }

    fn desired(
        &self,
        verb: Verb,
        id: Option<&LoadBalancerId>,
        request: &CreateRequest,
    ) -> Result<Vec<u8>, CloudError> {
        DesiredBody::new(self.api_client.profile, id, request)
            .map(|body| json(&body))
            .map_err(|what| self.unsupported(verb, what))
    }

    /// Reads the response to a query.
    fn queried(&self, which: Which<'_>, body: &[u8]) -> Result<LoadBalancer, CloudError> {
        let body = self.load_balancer(Verb::Query, body)?;
        let found = body.found(&self.reading(), which);
        let found = found.map_err(|message| self.protocol(Verb::Query, message))?;
        self.warn_of_refused(Verb::Query, &found);
        Ok(self.sharing_nodes(found))
    }

    /// Converts the response to a create, or to an update of a load balancer that was
    /// `before`.
    fn changed(
        &self,
        verb: Verb,
        body: LoadBalancerBody<'_>,
        before: Option<&LoadBalancer>,
        request: &CreateRequest,
    ) -> Result<LoadBalancer, CloudError> {
        let changed = match before {
            None => body.created(&self.reading(), request),
            Some(before) => body.updated(&self.reading(), before, request),
        };
        let changed = changed.map_err(|message| self.protocol(verb, message))?;
        // The cloud should have responded with AlreadyExists.
        if let Some(owner) = &changed.owner
            && !owner.is_same_service(&request.owner)
        {
            let message = "the load balancer of this name belongs to another owner";
            return Err(self.api_client.error(verb, ErrorKind::NameTaken, message));
        }
        // First those of the request, which are those of the watch of Nodes.
        self.node_addresses.shared(request.spec.nodes.clone());
        self.warn_of_refused(verb, &changed);
        Ok(self.sharing_nodes(changed))
    }

    fn reading(&self) -> Reading<'_> {
        Reading {
            profile: self.api_client.profile,
            addresses: &self.addresses,
            features: self.features.read().clone(),
        }
    }

    /// Logs that a load balancer has addresses that are not published.
    fn warn_of_refused(&self, verb: Verb, found: &LoadBalancer) {
        if let Some(refused) = &found.addresses.refused
            && self.api_client.should_log(verb, "refused_address")
        {
            let (cloud, id) = (&self.api_client.cloud, &found.id);
            tracing::warn!(%cloud, %id, refused, "the cloud shows a load balancer with an address that is not published");
        }
    }

    /// The load balancer, with its back ends in one allocation with all that have the same.
    fn sharing_nodes(&self, mut found: LoadBalancer) -> LoadBalancer {
        found.spec.nodes = self.node_addresses.shared(found.spec.nodes);
        found
    }

    /// Reads the body of a response about one load balancer.
    fn load_balancer<'b>(
        &self,
        verb: Verb,
        body: &'b [u8],
    ) -> Result<LoadBalancerBody<'b>, CloudError> {
        let Object(body) = self.parse(verb, body)?;
        Ok(body)
    }

    fn parse<'b, T: Deserialize<'b>>(&self, verb: Verb, body: &'b [u8]) -> Result<T, CloudError> {
        serde_json::from_slice(body).map_err(|error| self.mismatch(verb, &error))
    }

    fn mismatch(&self, verb: Verb, error: &serde_json::Error) -> CloudError {
        let message = format!("the response does not match the API: {error}");
        self.protocol(verb, body::excerpt(message.as_bytes()))
    }

    fn protocol(&self, verb: Verb, message: impl Into<String>) -> CloudError {
        self.api_client.error(verb, ErrorKind::Protocol, message)
    }
}

impl Cloud for RestCloud {
    fn query<'a>(
        &'a self,
        which: Which<'a>,
        priority: Priority,
    ) -> BoxFuture<'a, Result<Option<LoadBalancer>, CloudError>> {
        let span = self.span(Verb::Query, &self.urls.query);
        match which {
            Which::Id(id) => span.id(id),
            Which::Name(name) => span.name(name),
        }
        let api_request = ApiRequest {
            verb: Verb::Query,
            address: &self.urls.query,
            priority,
            permit: None,
            idempotency_key: None,
            body: json(&QueryBody::from(which)),
            limit: bounds::ONE,
        };
        let read = move |body: &[u8]| self.queried(which, body);
        let call = self.api_client.call(span, api_request, read);
        call.map(|result| none_if_not_found(result.map(Some), None))
            .boxed()
    }

    fn list<'a>(&'a self, cluster: &'a ClusterId) -> BoxFuture<'a, Result<Listed, CloudError>> {
        self.list_all(cluster).boxed()
    }

    fn create<'a>(
        &'a self,
        permit: &'a WritePermit,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        async move {
            let body = self.desired(Verb::Create, None, request)?;
            let span = self.span(Verb::Create, &self.urls.create);
            span.name(&request.name);
            let api_request = ApiRequest {
                verb: Verb::Create,
                address: &self.urls.create,
                priority,
                permit: Some(permit),
                idempotency_key: Some(request.name.as_str()),
                body,
                limit: bounds::ONE,
            };
            let read = |body: &[u8]| {
                let body = self.load_balancer(Verb::Create, body)?;
                let created = self.changed(Verb::Create, body, None, request)?;
                Ok((created, body.shows_immutable(request)))
            };
            let (created, is_shown) = self.api_client.call(span, api_request, read).await?;
            if is_shown {
                return Ok(created);
            }
            // The address of one that is not as requested must not be published.
            let shown = self.query(Which::Id(&created.id), priority).await;
            match shown {
                Ok(Some(found)) => Ok(found),
                Ok(None) | Err(_) => Ok(created.until_shown()),
            }
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        permit: &'a WritePermit,
        before: &'a LoadBalancer,
        request: &'a CreateRequest,
        priority: Priority,
    ) -> BoxFuture<'a, Result<LoadBalancer, CloudError>> {
        async move {
            let id = &before.id;
            let body = self.desired(Verb::Update, Some(id), request)?;
            let span = self.span(Verb::Update, &self.urls.update);
            span.id(id);
            span.name(&request.name);
            let api_request = ApiRequest {
                verb: Verb::Update,
                address: &self.urls.update,
                priority,
                permit: Some(permit),
                idempotency_key: None,
                body,
                limit: bounds::ONE,
            };
            let read = |body: &[u8]| {
                let body = self.load_balancer(Verb::Update, body)?;
                let updated = self.changed(Verb::Update, body, Some(before), request)?;
                Ok((
                    updated,
                    body.shows_changes(&self.reading(), before, request),
                ))
            };
            let (updated, is_shown) = self.api_client.call(span, api_request, read).await?;
            // Whose it is now, the answer need not say.
            let is_attached = !before.belongs_to(&request.owner);
            if is_shown && !is_attached {
                return Ok(updated);
            }
            // Otherwise what the cloud keeps in its own way would show as drift later.
            match self.query(Which::Id(id), priority).await {
                Ok(Some(found)) if found.belongs_to(&request.owner) => Ok(found),
                Ok(_) => {
                    let message = format!("{id} is not there, or not ours, after its update");
                    Err(self
                        .api_client
                        .error(Verb::Update, ErrorKind::Conflict, message))
                }
                Err(error) if is_attached => Err(error),
                Err(_) => Ok(updated),
            }
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        let span = self.span(Verb::Delete, &self.urls.delete);
        span.id(id);
        let api_request = ApiRequest {
            verb: Verb::Delete,
            address: &self.urls.delete,
            priority: Priority::User,
            permit: Some(permit),
            idempotency_key: None,
            body: json(&DeleteBody { lb_id: id }),
            limit: bounds::ONE,
        };
        let call = self.api_client.call(span, api_request, |_| Ok(()));
        call.map(|result| none_if_not_found(result, ())).boxed()
    }

    fn release<'a>(
        &'a self,
        permit: &'a WritePermit,
        id: &'a LoadBalancerId,
        owner: &'a Owner,
    ) -> BoxFuture<'a, Result<(), CloudError>> {
        let span = self.span(Verb::Release, &self.urls.release);
        span.id(id);
        let api_request = ApiRequest {
            verb: Verb::Release,
            address: &self.urls.release,
            priority: Priority::User,
            permit: Some(permit),
            idempotency_key: None,
            body: json(&ReleaseBody { lb_id: id, owner }),
            limit: bounds::ONE,
        };
        let call = self.api_client.call(span, api_request, |_| Ok(()));
        call.map(|result| none_if_not_found(result, ())).boxed()
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Option<Told>, CloudError>> {
        self.read_capabilities().boxed()
    }
}

/// Turns the error "not found" into `none`.
fn none_if_not_found<T>(result: Result<T, CloudError>, none: T) -> Result<T, CloudError> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(none),
        result => result,
    }
}

fn json(body: &impl Serialize) -> Vec<u8> {
    // Cannot fail: the bodies have only strings, numbers and lists.
    serde_json::to_vec(body).unwrap_or_default()
}
