//! The writes to a Service. Each write is one merge patch of the status subresource,
//! with the resourceVersion of the read as precondition; a conflict is retried after a
//! new read.
//!
//! kube-apiserver accepts annotations, finalizers, `status.loadBalancer` and
//! `status.conditions` in one such patch (tested in `testbed/tests`), so the controller
//! needs no permission to write `services` itself and cannot change a `spec`.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use opentelemetry::KeyValue;
use serde_json::{Map, Value, json};

use super::condition::{self, Condition, Readiness};
use super::port_errors;
use super::request_slots::RequestSlots;
use super::service::view;
use super::service_object::Service;
use super::{KubernetesError, MetadataKeys, within};
use crate::election::Leadership;
use crate::plan::annotation::{LB_CLOUD, LB_ID};
use crate::plan::naming::ServiceKey;
use crate::plan::port_status::PortErrors;
use crate::plan::record::{Ingress, Publication};
use crate::telemetry::Metrics;
use crate::telemetry::traces::ClientSpan;

/// Time limit for one request.
const DEADLINE: Duration = Duration::from_secs(10);

/// Maximum number of new reads after conflicts, before the whole attempt is retried.
const RETRIES: usize = 8;

/// A conflict of a write with itself: a webhook or a policy answers so.
const UNCHANGED: &str = "it reported a conflict although the Service is unchanged; an admission webhook or policy may be the cause";

/// The answer to a write shows another state.
const NOT_KEPT: &str = "it accepted the write but did not keep the finalizer, the record or the addresses; an admission webhook or policy may have removed them";

/// Reads and patches Services.
pub struct ServiceWriter {
    client: Client,
    metadata_keys: MetadataKeys,
    metrics: Arc<Metrics>,
    slots: Arc<RequestSlots>,
}

/// A change of a Service; all other fields stay as they are.
#[derive(Clone, Debug, Default)]
pub struct ServicePatch<'a> {
    /// Adds our finalizer (`true`) or removes it (`false`).
    pub finalizer: Option<bool>,
    /// The record and the addresses to write.
    pub publication: Option<&'a Publication>,
    /// Writes only the record, because another controller publishes the addresses.
    pub keep_ingress: bool,
    /// The condition to set.
    pub readiness: Option<&'a Readiness>,
    /// Removes our conditions.
    pub remove_condition: bool,
    /// The errors of ports; `None` leaves them as they are.
    pub ports: Option<&'a PortErrors>,
}

impl ServiceWriter {
    /// `client` must not retry: a retry here starts with a new read.
    pub fn new(
        client: Client,
        metadata_keys: MetadataKeys,
        slots: Arc<RequestSlots>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            client,
            metadata_keys,
            metrics,
            slots,
        }
    }

    /// Reads the Service from the API server; `None` if it does not exist.
    ///
    /// # Errors
    /// The API server failed or rejected the request, or no Service can have this name.
    pub async fn get(&self, key: &ServiceKey) -> Result<Option<Service>, KubernetesError> {
        let service = self.get_whole(key).await?;
        Ok(service.map(|service| self.trimmed(service)))
    }

    /// As [`get`](Self::get), with the annotations of other installations.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_whole(&self, key: &ServiceKey) -> Result<Option<Service>, KubernetesError> {
        // The client puts the name into the path of the URL as it is.
        if !key.is_valid() {
            let message = format!("{:?} is not the name of a Service", key.to_string());
            return Err(KubernetesError::Rejected(message));
        }
        let api = self.api(&key.namespace);
        let _slot = self.slots.acquire().await;
        let trace = span_of("GET services/{name}", "GET");
        let result = trace.run(within(DEADLINE, api.get_opt(&key.name))).await;
        end_span(trace, &result);
        result
    }

    /// Applies the change to this state of the Service and returns the new state; makes no
    /// request, and returns `None`, if nothing changes.
    ///
    /// If another client wrote first, but not to fields that the plan reads, the change is
    /// made after a new read. Otherwise a client that writes to the Service all the time
    /// would block our writes for ever.
    ///
    /// # Errors
    /// [`KubernetesError::Conflict`] if the fields that the plan reads have changed,
    /// [`KubernetesError::Gone`] if the Service does not exist any more,
    /// [`KubernetesError::NotLeader`] if the leadership ended before the request was sent,
    /// [`KubernetesError::Unreadable`] if the patch would have to repeat a list of others of
    /// which a part cannot be read.
    /// [`KubernetesError::Rejected`] also if the answer shows that the finalizer or the
    /// publication was not kept, or if the API server reports a conflict although nothing
    /// has changed.
    pub async fn patch(
        &self,
        leadership: &Leadership,
        service: &Service,
        change: &ServicePatch<'_>,
    ) -> Result<Option<Service>, KubernetesError> {
        let planned_for = view(service, &self.metadata_keys);
        let mut version = service.resource_version();
        let mut written = self.patch_exactly(leadership, service, change).await;
        for _ in 0..RETRIES {
            let (Err(KubernetesError::Conflict), Some(view_before)) = (&written, &planned_for)
            else {
                break;
            };
            let live = self.get(&view_before.key).await?;
            let live = live.ok_or(KubernetesError::Gone)?;
            if live.resource_version() == version {
                return Err(KubernetesError::Rejected(UNCHANGED.into()));
            }
            version = live.resource_version();
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
        if !service.can_be_patched() {
            let fields = service.unreadable().join(", ");
            return Err(KubernetesError::Unreadable(fields));
        }
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
        let result = trace.run(within(deadline, request)).await;
        end_span(trace, &result);
        let code = result.as_ref().map_or_else(KubernetesError::code, |_| "ok");
        self.metrics.kubernetes.write("patch_service", code);
        let written = self.trimmed(result?);
        if self.has_kept(&written, change) {
            Ok(Some(written))
        } else {
            Err(KubernetesError::Rejected(NOT_KEPT.into()))
        }
    }

    /// Whether the answer to a write has the finalizer, the record and the addresses of it.
    /// An admission webhook can change the object before it is stored.
    fn has_kept(&self, written: &Service, change: &ServicePatch<'_>) -> bool {
        let essential = ServicePatch {
            readiness: None,
            remove_condition: false,
            ports: None,
            ..change.clone()
        };
        self.merge_patch(written, &essential).is_none()
    }

    fn trimmed(&self, mut service: Service) -> Service {
        service.trim(&self.metadata_keys);
        service
    }

    fn api(&self, namespace: &str) -> Api<Service> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The merge patch (RFC 7386) of a change; `None` if nothing changes.
    fn merge_patch(&self, service: &Service, change: &ServicePatch<'_>) -> Option<Value> {
        let mut metadata = Map::new();
        let mut status = Map::new();
        if let Some(wanted) = change.finalizer {
            self.set_finalizer(service, wanted, &mut metadata);
        }
        if let Some(publication) = change.publication {
            self.set_record(service, publication, &mut metadata);
        }
        self.set_ingress(service, change, &mut status);
        self.set_conditions(service, change, &mut status);
        if metadata.is_empty() && status.is_empty() {
            return None;
        }
        metadata.insert("resourceVersion".into(), json!(service.resource_version()));
        if service.has_odd_owner {
            // One empty entry is how the API is told to forget all of them; with the odd one
            // it would refuse this patch and every other.
            metadata.insert("managedFields".into(), json!([{}]));
        }
        let mut patch = json!({ "metadata": metadata });
        if !status.is_empty() {
            patch["status"] = Value::Object(status);
        }
        Some(patch)
    }

    /// Sets the finalizers. A merge patch replaces the whole list, so it includes the
    /// finalizers of others; the precondition protects their changes.
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
        let record = &publication.record;
        let (ids, clouds) = (record.id_annotation(), record.cloud_annotation());
        let mut annotations = Map::new();
        for (name, value) in [(LB_ID.name, ids), (LB_CLOUD.name, clouds)] {
            let name = self.metadata_keys.annotation(name);
            if service.annotation(&name) != value.as_deref() {
                annotations.insert(name, json!(value));
            }
        }
        if !annotations.is_empty() {
            metadata.insert("annotations".into(), Value::Object(annotations));
        }
    }

    /// Sets our conditions. A merge patch replaces the whole list, so it repeats those of others.
    fn set_conditions(
        &self,
        service: &Service,
        change: &ServicePatch<'_>,
        status: &mut Map<String, Value>,
    ) {
        let mut conditions = service.conditions.clone();
        let mut replace = |kind: &str, after: Option<Condition>| {
            conditions.retain(|other| other.type_ != kind);
            conditions.extend(after);
        };
        let kind = self.metadata_keys.condition();
        let before = condition::find(service, kind);
        match change.readiness {
            Some(readiness) if before.is_some_and(|before| readiness.matches(before)) => {}
            Some(readiness) => replace(kind, Some(readiness.condition(kind, before))),
            None if change.remove_condition && before.is_some() => replace(kind, None),
            None => {}
        }
        let prefix = self.metadata_keys.prefix();
        if change.remove_condition {
            if port_errors::find(service).is_some() {
                replace(port_errors::CONDITION, None);
            }
        } else if let Some(ports) = change.ports
            && !port_errors::are_told(service, ports, prefix)
        {
            let after = port_errors::condition(service, ports, prefix);
            replace(port_errors::CONDITION, after);
        }
        if conditions != service.conditions {
            status.insert("conditions".into(), json!(conditions));
        }
    }

    /// Sets the addresses, their modes and the errors of their ports.
    fn set_ingress(
        &self,
        service: &Service,
        change: &ServicePatch<'_>,
        status: &mut Map<String, Value>,
    ) {
        let publication = change.publication.filter(|_| !change.keep_ingress);
        let (wanted, modes) = match publication {
            Some(publication) => (&publication.ingress, &publication.modes),
            None => (&service.ingress, &service.ip_modes),
        };
        let prefix = self.metadata_keys.prefix();
        let ports = port_errors::ports(service, wanted, change.ports, prefix);
        let has_modes = modes.are_met_by(&service.ip_modes);
        if service.ingress == *wanted && has_modes && service.port_statuses == ports {
            return;
        }
        let entries = wanted.iter().map(|address| {
            let mut entry = match address {
                Ingress::Ip(ip) => json!({ "ip": ip }),
                Ingress::Hostname(hostname) => json!({ "hostname": hostname }),
            };
            if let Some(mode) = modes.to_write(address) {
                entry["ipMode"] = json!(mode.as_str());
            }
            if let Some(ports) = ports.get(address) {
                entry["ports"] = ports.iter().map(port_errors::json).collect();
            }
            entry
        });
        let entries: Vec<Value> = entries.collect();
        status.insert("loadBalancer".into(), json!({ "ingress": entries }));
    }
}

/// A span for a request to the API server.
fn span_of(name: &'static str, method: &'static str) -> ClientSpan {
    ClientSpan::begin(name, || vec![KeyValue::new("http.request.method", method)])
}

fn end_span<T>(span: ClientSpan, result: &Result<T, KubernetesError>) {
    match result {
        Ok(_) => span.succeeded(),
        Err(error) => span.failed(error.code(), error.to_string()),
    }
}

#[cfg(test)]
mod tests;
