//! Writes to a Service: each is one merge patch of the status subresource,
//! preconditioned on the resourceVersion that it was computed from; a conflict
//! is retried from a fresh read.
//!
//! kube-apiserver takes annotations, finalizers, `status.loadBalancer` and
//! `status.conditions` from one such patch (tested in `testbed/tests`), so no
//! rule for `services` itself is needed: we cannot change any `spec`.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use opentelemetry::KeyValue;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::condition::{self, Readiness};
use super::service::view;
use super::{KubernetesError, MetadataKeys};
use crate::election::Leadership;
use crate::plan::annotation::{LB_CLOUD, LB_ID};
use crate::plan::naming::ServiceKey;
use crate::plan::record::{Ingress, Publication};
use crate::telemetry::Metrics;
use crate::telemetry::traces::ClientSpan;

/// The longest that a request may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Requests in flight, so that a thousand Services at once do not open a
/// thousand connections.
const CONCURRENCY: usize = 32;

/// Fresh reads after a conflict, before the whole attempt is made anew.
const RETRIES: usize = 8;

/// Reads and patches Services.
pub struct ServiceWriter {
    client: Client,
    metadata_keys: MetadataKeys,
    metrics: Arc<Metrics>,
    slots: Semaphore,
}

/// What to change; everything else on the Service stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ServicePatch<'a> {
    /// Put our finalizer on (`true`) or take it off.
    pub finalizer: Option<bool>,
    /// Write record and addresses.
    pub publication: Option<&'a Publication>,
    /// Write the record only: the addresses are somebody else's.
    pub keep_ingress: bool,
    /// Set our condition.
    pub readiness: Option<&'a Readiness>,
    /// Take our condition off.
    pub remove_condition: bool,
}

impl ServiceWriter {
    /// Over a client whose own retries are off: a retry of ours starts from a fresh read.
    pub fn new(client: Client, metadata_keys: MetadataKeys, metrics: Arc<Metrics>) -> Self {
        let slots = Semaphore::new(CONCURRENCY);
        Self {
            client,
            metadata_keys,
            metrics,
            slots,
        }
    }

    /// The live Service; `None` if there is none of this name.
    ///
    /// # Errors
    /// Whatever kept the API server from telling.
    pub async fn get(&self, key: &ServiceKey) -> Result<Option<Service>, KubernetesError> {
        let api = self.api(&key.namespace);
        let _slot = self.slots.acquire().await;
        let trace = span_of("GET services/{name}", "GET");
        let answer = trace.run(within(DEADLINE, api.get_opt(&key.name))).await;
        ended(trace, &answer);
        answer
    }

    /// Applies the change to this state of the Service and returns what it
    /// became; without a request if it changes nothing.
    ///
    /// Somebody who came first with what means nothing to us is no obstacle:
    /// the change is then made from a fresh read. Else whoever writes to a
    /// Service all the time would keep us from it for good.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] if the Service no longer asks for the same
    /// or has other marks of ours, [`KubernetesError::Gone`] if it is no more,
    /// [`KubernetesError::NotLeader`] if the term ended before the request was sent.
    pub async fn patch(
        &self,
        leadership: &Leadership,
        service: &Service,
        change: &ServicePatch<'_>,
    ) -> Result<Option<Service>, KubernetesError> {
        let planned_for = view(service, &self.metadata_keys);
        let mut written = self.patch_exactly(leadership, service, change).await;
        for _ in 0..RETRIES {
            let (Err(KubernetesError::Conflict), Some(view_before)) = (&written, &planned_for)
            else {
                break;
            };
            let live = self.get(&view_before.key).await?;
            let live = live.ok_or(KubernetesError::Gone)?;
            if view(&live, &self.metadata_keys) != planned_for {
                break;
            }
            written = self.patch_exactly(leadership, &live, change).await;
        }
        written
    }

    async fn patch_exactly(
        &self,
        leadership: &Leadership,
        service: &Service,
        change: &ServicePatch<'_>,
    ) -> Result<Option<Service>, KubernetesError> {
        let Some(patch) = self.merge_patch(service, change) else {
            return Ok(None);
        };
        let api = self.api(&service.namespace().unwrap_or_default());
        let _slot = self.slots.acquire().await;
        let permit = leadership.permit()?;
        let deadline = DEADLINE.min(permit.time_left());
        let name = service.name_any();
        let parameters = PatchParams::default();
        let patch = Patch::Merge(&patch);
        let request = api.patch_status(&name, &parameters, &patch);
        let trace = span_of("PATCH services/{name}/status", "PATCH");
        let answer = trace.run(within(deadline, request)).await;
        ended(trace, &answer);
        let code = answer.as_ref().map_or_else(KubernetesError::code, |_| "ok");
        self.metrics.kubernetes.write("patch_service", code);
        answer.map(Some)
    }

    fn api(&self, namespace: &str) -> Api<Service> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The merge patch (RFC 7386) of a change; `None` if it changes nothing.
    fn merge_patch(&self, service: &Service, change: &ServicePatch<'_>) -> Option<Value> {
        let mut metadata = Map::new();
        let mut status = Map::new();
        if let Some(wanted) = change.finalizer {
            self.set_finalizer(service, wanted, &mut metadata);
        }
        if let Some(publication) = change.publication {
            self.set_record(service, publication, &mut metadata);
            if !change.keep_ingress {
                set_ingress(service, &publication.ingress, &mut status);
            }
        }
        self.set_condition(service, change, &mut status);
        if metadata.is_empty() && status.is_empty() {
            return None;
        }
        metadata.insert("resourceVersion".into(), json!(service.resource_version()));
        let mut patch = json!({ "metadata": metadata });
        if !status.is_empty() {
            patch["status"] = Value::Object(status);
        }
        Some(patch)
    }

    /// A merge patch replaces lists whole, so the others' finalizers go along;
    /// the precondition keeps them what they were.
    fn set_finalizer(&self, service: &Service, wanted: bool, metadata: &mut Map<String, Value>) {
        let ours = self.metadata_keys.finalizer();
        let is_on = service.finalizers().iter().any(|name| name == ours);
        if is_on == wanted {
            return;
        }
        let others = service.finalizers().iter().filter(|name| *name != ours);
        let mut finalizers: Vec<&str> = others.map(String::as_str).collect();
        if wanted {
            finalizers.push(ours);
        }
        metadata.insert("finalizers".into(), json!(finalizers));
    }

    fn set_record(
        &self,
        service: &Service,
        publication: &Publication,
        metadata: &mut Map<String, Value>,
    ) {
        let (ids, clouds) = publication.record.annotations().unzip();
        let mut annotations = Map::new();
        for (name, value) in [(LB_ID, ids), (LB_CLOUD, clouds)] {
            let name = self.metadata_keys.annotation(name);
            if service.annotations().get(&name) != value.as_ref() {
                annotations.insert(name, json!(value));
            }
        }
        if !annotations.is_empty() {
            metadata.insert("annotations".into(), Value::Object(annotations));
        }
    }

    fn set_condition(
        &self,
        service: &Service,
        change: &ServicePatch<'_>,
        status: &mut Map<String, Value>,
    ) {
        let kind = self.metadata_keys.condition();
        let before = condition::find(service, kind);
        let after = match change.readiness {
            Some(readiness) if before.is_some_and(|before| readiness.matches(before)) => return,
            Some(readiness) => Some(readiness.condition(kind, before)),
            None if change.remove_condition && before.is_some() => None,
            None => return,
        };
        let others = condition::all(service)
            .iter()
            .filter(|other| other.type_ != kind);
        let conditions: Vec<Condition> = others.cloned().chain(after).collect();
        status.insert("conditions".into(), json!(conditions));
    }
}

fn set_ingress(service: &Service, wanted: &[Ingress], status: &mut Map<String, Value>) {
    if super::service::published(service) == wanted {
        return;
    }
    let entry = |entry: &Ingress| match entry {
        Ingress::Ip(ip) => json!({ "ip": ip }),
        Ingress::Hostname(hostname) => json!({ "hostname": hostname }),
    };
    let entries: Vec<Value> = wanted.iter().map(entry).collect();
    status.insert("loadBalancer".into(), json!({ "ingress": entries }));
}

/// A span for a request to the API server.
fn span_of(name: &'static str, method: &'static str) -> ClientSpan {
    ClientSpan::begin(name, || vec![KeyValue::new("http.request.method", method)])
}

fn ended<T>(span: ClientSpan, answer: &Result<T, KubernetesError>) {
    match answer {
        Ok(_) => span.succeeded(),
        Err(error) => span.failed(error.code(), error.to_string()),
    }
}

/// Ends a request that takes too long: the client has no read timeout of its own.
async fn within<T>(
    deadline: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubernetesError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(answer) => answer.map_err(KubernetesError::from),
        Err(_) => Err(KubernetesError::Timeout(deadline)),
    }
}
