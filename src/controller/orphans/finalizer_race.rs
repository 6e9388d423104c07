//! Services that were removed although they had our finalizer.
//!
//! kube-apiserver may remove an object to which a patch has just added a
//! finalizer: a DELETE that began before the patch does not read the object again
//! before it takes effect. All of our writes then succeeded, and yet no reconcile
//! will delete the load balancer. The watch shows the case: a deleted Service with
//! our finalizer and without a deletion timestamp. (A Service that had a deletion
//! timestamp and lost its last finalizer is also shown with the finalizer, because
//! kube-apiserver does not store the state between; the timestamp tells them apart.)

use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use futures::stream;
use kube::ResourceExt;
use tokio::sync::mpsc;

use super::reference;
use crate::cloud::Which;
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::spans;
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::{CloudName, LoadBalancerId, Owner};
use crate::plan::{Disposal, disposal};
use crate::priority::Priority;
use crate::telemetry::traces;

/// The number of Services that are handled at the same time.
const CONCURRENCY: usize = 16;

/// The sending half, fed with every deleted Service that the watch shows.
pub struct FinalizerRaces(mpsc::UnboundedSender<Service>);

/// The receiving half, for [`run`].
pub struct LostServices(mpsc::UnboundedReceiver<Service>);

impl FinalizerRaces {
    pub fn new() -> (Self, LostServices) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), LostServices(receiver))
    }

    /// Queues a deleted Service, given in its last state, if it lost the race.
    pub fn observe(&self, service: &Service, finalizer: &str) {
        let was_marked = service.metadata.deletion_timestamp.is_some();
        if !was_marked && service.finalizers().iter().any(|name| name == finalizer) {
            // Sending fails only when the process is about to end; the sweep of the
            // next leader then finds the load balancer.
            let _ = self.0.send(service.clone());
        }
    }
}

/// Deletes or retains the load balancers of such Services while this replica leads. The
/// sweep deletes those for which it fails here.
pub async fn run(context: Arc<Context>, lost: LostServices) {
    let services = stream::unfold(lost.0, |mut receiver| async move {
        receiver.recv().await.map(|service| (service, receiver))
    });
    let handle = |service: Service| {
        let context = &context;
        async move { clean_up(&service, context).await }
    };
    services.for_each_concurrent(CONCURRENCY, handle).await;
    std::future::pending().await
}

async fn clean_up(service: &Service, context: &Context) {
    let view = view(service, &context.metadata_keys);
    let Some(view) = view.filter(|_| context.leadership().is_some()) else {
        return;
    };
    let owner = view.owner(&context.cluster);
    let disposal = disposal(&view, &context.known_clouds().clouds);
    let span = spans::of_orphan(&owner, context);
    span.run(dispose_on_all_clouds(&owner, &disposal, context))
        .await;
}

async fn dispose_on_all_clouds(owner: &Owner, disposal: &Disposal, context: &Context) {
    // Side by side: a cloud that hangs delays no other.
    let clouds = context.clouds.iter();
    join_all(clouds.map(|(name, cloud)| dispose_on(name, cloud, owner, disposal, context))).await;
}

async fn dispose_on(
    name: &CloudName,
    cloud: &CloudHandle,
    owner: &Owner,
    disposal: &Disposal,
    context: &Context,
) {
    let service = format!("{}/{}", owner.namespace, owner.name);
    let retains = match disposal {
        Disposal::Delete => false,
        Disposal::Retain { able } if able.contains(name) => true,
        // The sweep reports it, and deletes it after the grace period.
        Disposal::Retain { .. } | Disposal::Unclear(_) => return,
    };
    match end(cloud, owner, retains, context).await {
        Ok(None) => {}
        Ok(Some(id)) if retains => {
            tracing::warn!(cloud = %name, %id, service, "took the owner off the load balancer of a Service that was removed despite its finalizer");
            let note = format!(
                "Load balancer {id} on {name} is retained: it has no owner any more; its Service was removed despite the finalizer"
            );
            let reason = EventReason::RetainedLoadBalancer;
            context.events.emit_for(reference(owner), reason, note);
            context.metrics.inventory.retained(name.as_str());
        }
        Ok(Some(id)) => {
            tracing::warn!(cloud = %name, %id, service, "requested deletion of the load balancer of a Service that was removed despite its finalizer");
            let note = format!(
                "Deleting orphaned load balancer {id} on {name}: its Service was removed despite the finalizer"
            );
            let reason = EventReason::OrphanedLoadBalancer;
            context.events.emit_for(reference(owner), reason, note);
        }
        Err(error) => {
            let reason = Unfinished::Failed(&error).reason();
            traces::fail(reason.as_str(), error.to_string());
            let outcome = match retains {
                false => {
                    "failed to delete the load balancer of a Service that was removed despite its finalizer; the sweep will retry"
                }
                true => {
                    "failed to take the owner off the load balancer of a Service that was removed despite its finalizer; the sweep deletes it after orphanGracePeriod"
                }
            };
            tracing::warn!(cloud = %name, service, %error, "{outcome}");
        }
    }
}

/// Deletes or releases the load balancer of a Service on one cloud, after a live read has
/// shown that the Service is gone. Returns the id if there was one.
async fn end(
    cloud: &CloudHandle,
    owner: &Owner,
    retains: bool,
    context: &Context,
) -> Result<Option<LoadBalancerId>, ReconcileError> {
    let name = owner.load_balancer_name();
    let found = cloud
        .client
        .query(Which::Name(&name), Priority::User)
        .await?;
    let Some(found) = found.filter(|found| found.belongs_to(owner)) else {
        return Ok(None);
    };
    if context.live_claim(owner).await?.is_some() {
        return Ok(None);
    }
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    let permit = leadership.permit()?;
    if retains {
        cloud.client.release(&permit, &found.id, owner).await?;
    } else {
        cloud.client.delete(&permit, &found.id).await?;
    }
    cloud.inventory.forget(&found.id);
    Ok(Some(found.id))
}
