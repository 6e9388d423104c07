//! Events on Services, for `kubectl describe`.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use strum::{EnumIter, IntoStaticStr};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use super::service_object::Service;
use crate::telemetry::traces;

/// Size of the queue of Events; further Events are dropped, with a log line.
const QUEUE_SIZE: usize = 1024;
/// Time limit for writing one Event.
const DEADLINE: Duration = Duration::from_secs(5);
/// Maximum size of a note in the API: 1 KiB.
const NOTE_LIMIT: usize = 1024;

/// Reasons: upstream's of `service-controller` as far as there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, IntoStaticStr)]
pub enum EventReason {
    /// A load balancer is about to be created or updated for a change of the Service.
    EnsuringLoadBalancer,
    /// The load balancer has the desired state and serves.
    EnsuredLoadBalancer,
    /// The back ends of the load balancer were updated.
    UpdatedLoadBalancer,
    /// A reconcile failed and is retried.
    SyncLoadBalancerFailed,
    /// There is no eligible Node.
    UnAvailableLoadBalancer,
    /// The load balancer is about to be deleted.
    DeletingLoadBalancer,
    /// The load balancer was deleted.
    DeletedLoadBalancer,
    /// The specification of the Service is invalid.
    InvalidConfiguration,
    /// An annotation with our prefix is unknown.
    UnknownAnnotation,
    /// The Service refers to a load balancer of another owner, which is left alone.
    LoadBalancerNotOwned,
    /// The Service of a load balancer does not exist any more.
    OrphanedLoadBalancer,
    /// A load balancer was changed or deleted outside the cluster; it is restored.
    LoadBalancerDrifted,
    /// Another client overwrites the published addresses.
    StatusOverwritten,
}

impl EventReason {
    /// The type of its Events.
    pub fn kind(self) -> EventType {
        match self {
            Self::EnsuringLoadBalancer
            | Self::EnsuredLoadBalancer
            | Self::UpdatedLoadBalancer
            | Self::DeletingLoadBalancer
            | Self::DeletedLoadBalancer => EventType::Normal,
            Self::SyncLoadBalancerFailed
            | Self::UnAvailableLoadBalancer
            | Self::InvalidConfiguration
            | Self::UnknownAnnotation
            | Self::LoadBalancerNotOwned
            | Self::OrphanedLoadBalancer
            | Self::LoadBalancerDrifted
            | Self::StatusOverwritten => EventType::Warning,
        }
    }
}

/// The queue of Events, which are written in order in the background.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<(Event, ObjectReference)>),
    /// Completed when all Events before it are written.
    Flush(oneshot::Sender<()>),
}

impl Events {
    /// Returns the queue, and its writer, which must be polled. The writer ends when every
    /// [`Events`] is dropped and all Events are written.
    pub fn new(
        client: Client,
        identity: &str,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let reporter = Reporter {
            controller: "my-cloud-controller-manager".into(),
            instance: Some(identity.to_owned()),
        };
        let recorder = Recorder::new(client, reporter);
        let (sender, receiver) = mpsc::channel(QUEUE_SIZE);
        (Self { sender }, write(recorder, receiver))
    }

    /// Waits until all Events so far are written or have failed.
    pub async fn flush(&self) {
        let (flushed, done) = oneshot::channel();
        if self.sender.send(Message::Flush(flushed)).await.is_ok() {
            // An error means that the writer has ended.
            let _ = done.await;
        }
    }

    /// Emits an Event on a Service; never blocks and never fails.
    pub fn emit(&self, service: &Service, reason: EventReason, note: String) {
        self.emit_for(service.object_ref(&()), reason, note);
    }

    /// Like [`Events::emit`], for an object that may not exist any more.
    pub fn emit_for(&self, object: ObjectReference, reason: EventReason, note: String) {
        let event = Event {
            type_: reason.kind(),
            reason: <&str>::from(reason).into(),
            action: action(reason, &note),
            note: Some(fitting(note, &trace())),
            secondary: None,
        };
        // The second half of the queue is for Warnings, which many Normal Events must not
        // displace.
        let is_full = reason.kind() == EventType::Normal && self.sender.capacity() < QUEUE_SIZE / 2;
        let message = Message::Write(Box::new((event, object)));
        if is_full || self.sender.try_send(message).is_err() {
            tracing::warn!(
                reason = <&str>::from(reason),
                "the queue of Events is full; an Event was dropped"
            );
        }
    }
}

/// The action of an Event, with a hash of its note: the recorder counts an Event with
/// the same reason and action as a repetition and keeps the note of the first one.
fn action(reason: EventReason, note: &str) -> String {
    let mut hasher = DefaultHasher::new();
    note.hash(&mut hasher);
    format!("{}-{:08x}", <&str>::from(reason), hasher.finish() >> 32)
}

/// The id of the active trace, if it is exported, for the note: the recorder of kube
/// has no other field for it. It is not part of the action.
fn trace() -> String {
    traces::active()
        .filter(|span| span.is_sampled())
        .map(|span| format!(" (trace {})", span.trace_id()))
        .unwrap_or_default()
}

fn fitting(mut note: String, trace: &str) -> String {
    let limit = NOTE_LIMIT - trace.len();
    if note.len() > limit {
        note.truncate(note.floor_char_boundary(limit));
    }
    note + trace
}

async fn write(recorder: Recorder, mut receiver: mpsc::Receiver<Message>) {
    while let Some(message) = receiver.recv().await {
        let (event, service) = match message {
            Message::Write(write) => *write,
            Message::Flush(flushed) => {
                // An error means that the caller of `flush` has stopped waiting.
                let _ = flushed.send(());
                continue;
            }
        };
        match timeout(DEADLINE, recorder.publish(&event, &service)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, reason = event.reason, "an Event was not written")
            }
            Err(_) => tracing::warn!(
                reason = event.reason,
                "an Event was not written within {DEADLINE:?}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::telemetry::Metrics;
    use crate::telemetry::traces::Traces;

    #[test]
    fn the_trace_is_in_the_note_and_not_in_the_action() {
        let exports = Metrics::for_test(&[]).program.span_exports();
        let tracer = Traces::without_collector(exports).tracer();
        let (sender, mut receiver) = mpsc::channel(QUEUE_SIZE);
        let events = Events { sender };
        let mut emit = |traced: bool, note: &str| {
            let work = tracer.lazy_span("reconcile", Default::default);
            let emitting = work.run(async {
                if traced {
                    traces::begin();
                }
                let reason = EventReason::SyncLoadBalancerFailed;
                events.emit_for(ObjectReference::default(), reason, note.to_owned());
            });
            emitting.now_or_never().unwrap();
            match receiver.try_recv() {
                Ok(Message::Write(write)) => write.0,
                _ => panic!("no Event"),
            }
        };
        let (quiet, first, second) = (emit(false, "down"), emit(true, "down"), emit(true, "down"));
        assert_eq!(quiet.note.as_deref(), Some("down"), "no span, no trace");
        let note = first.note.as_deref().unwrap();
        assert!(
            note.starts_with("down (trace ") && note.ends_with(')'),
            "{note}"
        );
        assert_ne!(first.note, second.note);
        assert_eq!(first.action, second.action, "counted as one");
        assert_eq!(first.action, quiet.action, "counted as one");

        let long = emit(true, &"ü".repeat(NOTE_LIMIT)).note.unwrap();
        assert!(long.len() <= NOTE_LIMIT, "{}", long.len());
        assert!(long.ends_with(')'), "{long}");
    }
}
