//! The condition of a Service that cannot be read.

use std::time::Duration;

use crate::controller::Context;
use crate::controller::attempt::SpecHash;
use crate::controller::context::uid;
use crate::controller::memory::requeue::{AttemptInput, Requeue};
use crate::election::Leadership;
use crate::kubernetes::condition::{ConditionReason, Readiness, find};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServicePatch;

/// Explains on the Service why nothing happens to it, unless the condition does so already
/// or nothing tells that the Service is ours. Every replica logs and counts all of them.
///
/// Returns the delay after which it has to be explained again, because another writer has
/// undone the last explanation already.
pub async fn explain_unreadable(
    service: &Service,
    leadership: &Leadership,
    context: &Context,
) -> Option<Duration> {
    let keys = &context.metadata_keys;
    let fields = service.unreadable();
    let mut finalizers = service.metadata.finalizers.iter().flatten();
    let is_ours = finalizers.any(|name| name == keys.finalizer())
        || service
            .annotations()
            .any(|(name, _)| keys.strip(name).is_some());
    if fields.is_empty() || !is_ours {
        return None;
    }
    let uid = uid(service)?;
    let spec_hash = SpecHash::of_unreadable(fields);
    let requeue = &context.memory.requeue;
    let readiness = Readiness::new(
        ConditionReason::InvalidConfiguration,
        format!(
            "The value of {} cannot be read; the load balancers of this Service stay as they are until it is corrected",
            fields.join(", ")
        ),
    );
    if find(service, keys.condition()).is_some_and(|before| readiness.matches(before)) {
        return None;
    }
    if let Some(delay) = requeue.remaining(&uid, spec_hash, 0) {
        return Some(delay);
    }
    let input = AttemptInput {
        spec_hash,
        nodes: 0,
        follows_nodes: false,
    };
    let _next = requeue.schedule(&uid, input, std::iter::once(Requeue::Restore));
    let note = readiness.message.clone();
    context
        .events
        .emit(service, EventReason::InvalidConfiguration, note);
    if !service.can_be_patched() {
        return None;
    }
    let patch = ServicePatch {
        readiness: Some(&readiness),
        ..ServicePatch::default()
    };
    // A failure costs only the explanation.
    let written = context.services.patch(leadership, service, &patch).await;
    if let Ok(Some(written)) = written {
        let cache = &context.memory.mutation_cache;
        cache.record_written(&uid, written.into());
    }
    None
}
