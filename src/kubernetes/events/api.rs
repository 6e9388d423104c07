//! The requests that write Events, and the objects in them (events.k8s.io/v1).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Client;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::timeout;

use super::pending_event::{Kind, PendingEvent, ServiceReference};
use super::written_events::WrittenEvent;
use crate::kubernetes::KubernetesError;

/// Time limit for one request.
const DEADLINE: Duration = Duration::from_secs(5);
/// The field `reportingController` of every Event.
const CONTROLLER: &str = "my-cloud-controller-manager";

/// The request that wrote an Event, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Operation {
    CreateEvent,
    PatchEvent,
}

/// Writes Events to the API server.
#[derive(Clone)]
pub(super) struct EventApi {
    client: Client,
    /// The field `reportingInstance`.
    instance: Arc<str>,
}

impl EventApi {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        let instance = instance.into();
        Self { client, instance }
    }

    /// Counts the Event on the one that it repeats, or creates it if there is none, also
    /// if that one was removed in the meantime.
    ///
    /// # Errors
    /// The API server failed or rejected the request.
    pub(super) async fn write(
        &self,
        service: &ServiceReference,
        event: &PendingEvent,
        repeats: Option<WrittenEvent>,
    ) -> Result<(Operation, WrittenEvent), KubernetesError> {
        if let Some(written) = repeats {
            let count = written.count.saturating_add(event.count);
            let written = WrittenEvent { count, ..written };
            match self.patch(service, written, event.last).await {
                Err(KubernetesError::Gone) => {}
                result => return result.map(|()| (Operation::PatchEvent, written)),
            }
        }
        let written = WrittenEvent {
            first: event.first,
            count: event.count,
        };
        match self.create(service, event).await {
            // The name is that of no other Event: an earlier attempt, whose answer was
            // lost, has created it, and further ones may have been counted since.
            Err(KubernetesError::Conflict) if event.count > 1 => {
                self.patch(service, written, event.last).await?;
            }
            Err(KubernetesError::Conflict) => {}
            result => result?,
        }
        Ok((Operation::CreateEvent, written))
    }

    async fn create(
        &self,
        service: &ServiceReference,
        event: &PendingEvent,
    ) -> Result<(), KubernetesError> {
        let object = self.object(service, event);
        let (api, parameters) = (self.api(service), PostParams::default());
        within(DEADLINE, api.create(&parameters, &object))
            .await
            .map(drop)
    }

    async fn patch(
        &self,
        service: &ServiceReference,
        written: WrittenEvent,
        last: i64,
    ) -> Result<(), KubernetesError> {
        let patch = Patch::Merge(json!({ "series": series(written.count, last) }));
        let name = name(service, written.first);
        let (api, parameters) = (self.api(service), PatchParams::default());
        let request = api.patch(&name, &parameters, &patch);
        within(DEADLINE, request).await.map(drop)
    }

    fn api(&self, service: &ServiceReference) -> Api<Event> {
        Api::namespaced(self.client.clone(), &service.namespace)
    }

    fn object(&self, service: &ServiceReference, event: &PendingEvent) -> Event {
        let reason = <&str>::from(event.reason);
        Event {
            // The API demands an action; Events of this controller have one for each reason.
            action: Some(reason.into()),
            event_time: Some(micro_time(event.first)),
            metadata: ObjectMeta {
                name: Some(name(service, event.first)),
                namespace: Some(service.namespace.to_string()),
                ..ObjectMeta::default()
            },
            note: Some(event.note()),
            reason: Some(reason.into()),
            regarding: Some(ObjectReference {
                api_version: Some("v1".into()),
                kind: Some(format!("{:?}", service.kind)),
                namespace: match service.kind {
                    Kind::Service => Some(service.namespace.to_string()),
                    Kind::Node => None,
                },
                name: Some(service.name.to_string()),
                uid: Some(service.uid.to_string()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some(CONTROLLER.into()),
            reporting_instance: Some(self.instance.to_string()),
            // One occurrence is no series: the API demands at least two.
            series: (event.count > 1).then(|| series(event.count, event.last)),
            type_: Some(<&str>::from(event.reason.kind()).into()),
            ..Event::default()
        }
    }
}

/// The name of an Event in the API: the time makes it different from all others.
fn name(service: &ServiceReference, first: i64) -> String {
    format!("{}.{first:x}", service.name)
}

fn series(count: i32, last: i64) -> EventSeries {
    EventSeries {
        count,
        last_observed_time: micro_time(last),
    }
}

fn micro_time(nanoseconds: i64) -> MicroTime {
    // Every number of 64 bits is a time in the range of jiff.
    MicroTime(Timestamp::from_nanosecond(i128::from(nanoseconds)).unwrap_or(Timestamp::MAX))
}

/// Limits the time of a request, because the client has no read timeout.
async fn within<T>(
    deadline: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubernetesError> {
    match timeout(deadline, request).await {
        Ok(result) => result.map_err(KubernetesError::from),
        Err(_) => Err(KubernetesError::Timeout(deadline)),
    }
}
