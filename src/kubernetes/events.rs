//! Events on Services: what happened, for `kubectl describe`.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};
use strum::IntoStaticStr;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, timeout};

use crate::telemetry::traces;

/// Events that wait to be written; more are dropped, with a line in the log.
const BACKLOG: usize = 1024;
/// The longest that writing one may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// What the API takes: 1 KiB.
const NOTE_LIMIT: usize = 1024;

/// Reasons: upstream's of `service-controller` as far as there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr)]
pub enum EventReason {
    /// A load balancer is about to be created or changed for a new state of the Service.
    EnsuringLoadBalancer,
    /// It is as wanted and serves.
    EnsuredLoadBalancer,
    /// It got other back ends.
    UpdatedLoadBalancer,
    /// Something failed; it is tried again.
    SyncLoadBalancerFailed,
    /// There is no Node to serve.
    UnAvailableLoadBalancer,
    /// It is about to be deleted.
    DeletingLoadBalancer,
    /// It is gone.
    DeletedLoadBalancer,
    /// The Service cannot be carried out as written.
    InvalidConfiguration,
    /// An annotation with our prefix means nothing to us.
    UnknownAnnotation,
    /// A load balancer that the Service points to is not ours: it is left alone.
    LoadBalancerNotOwned,
    /// A load balancer has no Service any more.
    OrphanedLoadBalancer,
    /// Somebody else changed or deleted a load balancer of ours: it is put right.
    LoadBalancerDrifted,
    /// Somebody else writes the addresses that we publish.
    StatusOverwritten,
}

impl EventReason {
    fn kind(self) -> EventType {
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

/// Where Events are handed in; they are written in order, in the background.
#[derive(Clone)]
pub struct Events {
    sender: mpsc::Sender<Message>,
}

enum Message {
    Write(Box<(Event, ObjectReference)>),
    /// Answered when everything before it is written.
    Flush(oneshot::Sender<()>),
}

impl Events {
    /// The hand-in, and the writer that must be run; it ends when every
    /// [`Events`] is dropped and everything is written.
    pub fn new(
        client: Client,
        identity: &str,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let reporter = Reporter {
            controller: "my-cloud-controller-manager".into(),
            instance: Some(identity.to_owned()),
        };
        let recorder = Recorder::new(client, reporter);
        let (sender, receiver) = mpsc::channel(BACKLOG);
        (Self { sender }, write(recorder, receiver))
    }

    /// Waits until everything handed in so far is written, or could not be.
    pub async fn flush(&self) {
        let (flushed, done) = oneshot::channel();
        if self.sender.send(Message::Flush(flushed)).await.is_ok() {
            // Dropped without an answer, the writer is gone: nothing to wait for.
            let _ = done.await;
        }
    }

    /// Hands in an Event about a Service; never waits and never fails its caller.
    pub fn emit(&self, service: &Service, reason: EventReason, note: String) {
        self.emit_for(service.object_ref(&()), reason, note);
    }

    /// As [`Events::say`], about an object that need not exist any more.
    pub fn emit_for(&self, object: ObjectReference, reason: EventReason, note: String) {
        let event = Event {
            type_: reason.kind(),
            reason: <&str>::from(reason).into(),
            action: action(reason, &note),
            note: Some(fitting(note, &trace())),
            secondary: None,
        };
        // The second half is for Warnings: a wave of good news must not drown one.
        let is_full = reason.kind() == EventType::Normal && self.sender.capacity() < BACKLOG / 2;
        let message = Message::Write(Box::new((event, object)));
        if is_full || self.sender.try_send(message).is_err() {
            tracing::warn!(
                reason = <&str>::from(reason),
                "the queue of Events is full; an Event was dropped"
            );
        }
    }
}

/// What tells two Events apart: the recorder counts an Event with the same
/// reason and action as a repetition and keeps the first one's note.
fn action(reason: EventReason, note: &str) -> String {
    let mut hasher = DefaultHasher::new();
    note.hash(&mut hasher);
    format!("{}-{:08x}", <&str>::from(reason), hasher.finish() >> 32)
}

/// The trace that tells more, if it is exported. Not part of what tells two
/// Events apart; kube's recorder has no place for it but the note.
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
                // Nobody waits any more: nothing to tell.
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
    fn the_trace_is_in_the_note_and_does_not_tell_two_events_apart() {
        let exports = Metrics::for_test(&[]).program.span_exports();
        let tracer = Traces::without_collector(exports).tracer();
        let (sender, mut receiver) = mpsc::channel(BACKLOG);
        let events = Events { sender };
        let mut say = |traced: bool, note: &str| {
            let work = tracer.lazy_span("reconcile", Default::default);
            let saying = work.run(async {
                if traced {
                    traces::begin();
                }
                let reason = EventReason::SyncLoadBalancerFailed;
                events.emit_for(ObjectReference::default(), reason, note.to_owned());
            });
            saying.now_or_never().unwrap();
            match receiver.try_recv() {
                Ok(Message::Write(write)) => write.0,
                _ => panic!("no Event"),
            }
        };
        let (quiet, first, second) = (say(false, "down"), say(true, "down"), say(true, "down"));
        assert_eq!(quiet.note.as_deref(), Some("down"), "no span, no trace");
        let note = first.note.as_deref().unwrap();
        assert!(
            note.starts_with("down (trace ") && note.ends_with(')'),
            "{note}"
        );
        assert_ne!(first.note, second.note);
        assert_eq!(first.action, second.action, "counted as one");
        assert_eq!(first.action, quiet.action, "counted as one");

        let long = say(true, &"ü".repeat(NOTE_LIMIT)).note.unwrap();
        assert!(long.len() <= NOTE_LIMIT, "{}", long.len());
        assert!(long.ends_with(')'), "{long}");
    }
}
