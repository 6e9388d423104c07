//! The condition of a Service that cannot be read.

use crate::controller::Context;
use crate::controller::context::uid;
use crate::election::Leadership;
use crate::kubernetes::condition::{ConditionReason, Readiness, find};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServicePatch;

/// Explains on the Service why nothing happens to it, unless the condition does so already
/// or nothing tells that the Service is ours. Every replica logs and counts all of them.
pub async fn explain_unreadable(service: &Service, leadership: &Leadership, context: &Context) {
    let keys = &context.metadata_keys;
    let fields = service.unreadable();
    let mut finalizers = service.metadata.finalizers.iter().flatten();
    let is_ours = finalizers.any(|name| name == keys.finalizer())
        || service
            .annotations()
            .any(|(name, _)| keys.strip(name).is_some());
    if fields.is_empty() || !is_ours {
        return;
    }
    let readiness = Readiness::new(
        ConditionReason::InvalidConfiguration,
        format!(
            "The value of {} cannot be read; the load balancers of this Service stay as they are until it is corrected",
            fields.join(", ")
        ),
    );
    if find(service, keys.condition()).is_some_and(|before| readiness.matches(before)) {
        return;
    }
    let note = readiness.message.clone();
    context
        .events
        .emit(service, EventReason::InvalidConfiguration, note);
    if !service.can_be_patched() {
        return;
    }
    let patch = ServicePatch {
        readiness: Some(&readiness),
        ..ServicePatch::default()
    };
    // A failure costs only the explanation.
    let written = context.services.patch(leadership, service, &patch).await;
    if let (Ok(Some(written)), Some(uid)) = (written, uid(service)) {
        let cache = &context.memory.mutation_cache;
        cache.record_written(&uid, written.into());
    }
}
