//! An Event that is not written yet, in as few bytes as possible.

use crate::kubernetes::service_object::Service;
use opentelemetry::trace::TraceId;

use super::reason::{EventReason, EventType};
use crate::plan::excerpt;
use crate::telemetry::traces;

/// Maximum size of a note in the API: 1 KiB.
pub(super) const NOTE_LIMIT: usize = excerpt::MESSAGE_LIMIT;

/// The kind of the object that an Event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Service,
    Node,
}

/// The Service that an Event is about, or the Node; it need not exist any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceReference {
    pub(super) kind: Kind,
    /// The namespace of the Event too.
    pub namespace: Box<str>,
    pub name: Box<str>,
    pub uid: Box<str>,
}

impl ServiceReference {
    pub fn new(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            kind: Kind::Service,
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        }
    }

    /// A reference to a Node. The Events about objects without a namespace are in `default`.
    pub fn node(name: &str, uid: &str) -> Self {
        Self {
            kind: Kind::Node,
            ..Self::new("default", name, uid)
        }
    }
}

impl From<&Service> for ServiceReference {
    fn from(service: &Service) -> Self {
        let metadata = &service.metadata;
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().into();
        Self {
            kind: Kind::Service,
            namespace: text(&metadata.namespace),
            name: text(&metadata.name),
            uid: text(&metadata.uid),
        }
    }
}

/// An Event without its Service. The object for the API is built when it is written.
#[derive(Debug)]
pub(super) struct PendingEvent {
    note: Box<str>,
    trace: TraceId,
    /// The time of the first occurrence, in nanoseconds since 1970. It is also the end of
    /// the name of the Event, so it differs from that of every other Event.
    pub(super) first: i64,
    /// The time of the last occurrence.
    pub(super) last: i64,
    /// The number of occurrences.
    pub(super) count: i32,
    pub(super) reason: EventReason,
    /// The number of failed attempts to write it.
    pub(super) attempts: u8,
}

impl PendingEvent {
    /// An Event with the active trace, if that is exported.
    pub(super) fn new(reason: EventReason, note: String, time: i64) -> Self {
        let note = excerpt::message(&note, NOTE_LIMIT).into_owned();
        let trace = traces::active().filter(|span| span.is_sampled());
        Self {
            note: note.into(),
            trace: trace.map_or(TraceId::INVALID, |span| span.trace_id()),
            first: time,
            last: time,
            count: 1,
            reason,
            attempts: 0,
        }
    }

    pub(super) fn is_warning(&self) -> bool {
        self.reason.kind() == EventType::Warning
    }

    /// Whether the other one is a repetition. The trace differs from attempt to attempt,
    /// so it does not count.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.reason == other.reason && self.note == other.note
    }

    /// Counts a repetition. The note keeps the trace of the first occurrence.
    pub(super) fn repeat(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.last = self.last.max(other.last);
    }

    /// The note without the trace.
    pub(super) fn bare_note(&self) -> &str {
        &self.note
    }

    /// The note for the API: it ends with the trace, because Events have no field for it.
    pub(super) fn note(&self) -> String {
        if self.trace == TraceId::INVALID {
            return self.note.to_string();
        }
        let trace = format!(" (trace {})", self.trace);
        let end = self.note.floor_char_boundary(NOTE_LIMIT - trace.len());
        format!("{}{trace}", &self.note[..end])
    }
}

#[cfg(test)]
mod tests;
