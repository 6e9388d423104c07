//! What each cloud can do: asked for at takeover, at intervals, and when a cloud refuses a
//! request as invalid.
//!
//! Only the leader asks, because only it plans. Until a cloud has answered, it counts as what
//! its profile says; an answer that cannot be used changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Context;
use super::cloud_handle::CloudHandle;
use super::resync::spread;
use crate::kubernetes::condition::{self, ConditionReason};
use crate::kubernetes::service;
use crate::kubernetes::service_object::Service;
use crate::plan::annotation::PROVIDER;
use crate::plan::naming::CloudName;
use crate::plan::{Capabilities, KnownClouds};
use crate::priority::Priority;

/// The shortest time between two questions to a cloud that refuses requests: Services that it
/// refuses are retried with a backoff, and may be thousands.
const DOUBT_PAUSE: Duration = Duration::from_secs(10);

/// Asks the cloud at intervals, and when it is in doubt. The first question is the caller's.
pub async fn follow(name: &CloudName, cloud: &CloudHandle, interval: Duration, context: &Context) {
    let pause = DOUBT_PAUSE.min(interval);
    let mut again = pause;
    loop {
        sleep(pause).await;
        // Services wait for the first answer.
        let next = if context.known_clouds().untold.contains(name) {
            let next = again;
            again = again.saturating_mul(2).min(interval);
            next
        } else {
            again = pause;
            spread(interval)
        };
        tokio::select! {
            () = sleep(next.saturating_sub(pause)) => {}
            () = cloud.doubt.notified() => {}
        }
        ask(name, cloud, context).await;
    }
}

/// Asks the cloud, and queues the Services that the answer concerns.
pub async fn ask(name: &CloudName, cloud: &CloudHandle, context: &Context) {
    let (capabilities, quota) = match cloud.client.capabilities().await {
        Ok(told) if cloud.is_credible(told.as_ref()) => cloud.told(told),
        Ok(_) => {
            tracing::warn!(cloud = %name, "the cloud, which has told what it can do, does not know the question any more; it is asked once more, and until then what it told last counts");
            cloud.doubt.notify_one();
            return;
        }
        Err(error) => {
            tracing::warn!(cloud = %name, %error, "the cloud did not tell what it can do; what it told last counts");
            return;
        }
    };
    context
        .metrics
        .capabilities
        .told(name.as_str(), &capabilities, quota);
    let (is_first, has_changed) = learn(name, capabilities, context);
    if !is_first && !has_changed {
        return;
    }
    for service in context.watched.services.state() {
        let is_named = names(&service, name, context);
        if is_first && is_named && service::is_pending(&service, &context.metadata_keys) {
            // It waits for this answer.
            context.enqueue(&service, Priority::User);
        } else if is_unexplained(&service, context) || (has_changed && is_named) {
            context.enqueue(&service, Priority::Background);
        }
    }
}

/// Records an answer. Returns whether it is the first one, and whether it changes what the
/// cloud can do.
fn learn(name: &CloudName, capabilities: Capabilities, context: &Context) -> (bool, bool) {
    let (mut is_first, mut has_changed) = (false, false);
    context.capabilities.send_if_modified(|known| {
        is_first = known.untold.contains(name);
        let before = known.clouds.get(name);
        let before = before.filter(|before| **before != capabilities);
        has_changed = before.is_some();
        if let Some(before) = before.filter(|_| !is_first) {
            report_change(name, before, &capabilities);
        }
        if is_first || has_changed {
            let mut next = KnownClouds::clone(known);
            next.learn(name.clone(), capabilities);
            *known = Arc::new(next);
        }
        is_first || has_changed
    });
    (is_first, has_changed)
}

fn report_change(name: &CloudName, before: &Capabilities, now: &Capabilities) {
    let (before, now) = (before.names(), now.names());
    let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
    let gained = list(now.difference(&before).copied().collect());
    let lost = list(before.difference(&now).copied().collect());
    if lost.is_empty() {
        tracing::info!(cloud = %name, gained, "the cloud tells that it can do something else than before");
    } else {
        tracing::warn!(cloud = %name, gained, lost, "the cloud tells that it cannot do something any more; load balancers that use it stay as they are");
    }
}

/// Whether a Service names the cloud, or has a load balancer there.
fn names(service: &Service, cloud: &CloudName, context: &Context) -> bool {
    let view = service::view(service, &context.metadata_keys);
    view.is_some_and(|view| {
        let provider = view.annotations.get(PROVIDER.name());
        let mut named = provider.into_iter().flat_map(|value| value.split(','));
        named.any(|name| name.trim() == cloud.as_str()) || view.record.has(cloud)
    })
}

/// Whether a Service may wait for what a cloud tells.
fn is_unexplained(service: &Service, context: &Context) -> bool {
    let waits = [ConditionReason::Unsupported, ConditionReason::SyncFailed];
    let condition = condition::find(service, context.metadata_keys.condition());
    condition.is_some_and(|condition| waits.iter().any(|reason| condition.is_for(*reason)))
}
