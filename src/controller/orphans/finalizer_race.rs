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

use super::{reference, why_kept};
use crate::cloud::Which;
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::spans;
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, Owner};
use crate::plan::orphan::{Fate, Suspicion};
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

/// Deletes or releases the load balancers of such Services while this replica leads. Those for
/// which it fails here are orphans for the sweep, which follows the same policy.
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
    let span = spans::of_orphan(&owner, context);
    span.run(dispose_on_all_clouds(&owner, context)).await;
}

async fn dispose_on_all_clouds(owner: &Owner, context: &Context) {
    // Side by side: a cloud that hangs delays no other.
    let clouds = context.clouds.iter();
    join_all(clouds.map(|(name, cloud)| dispose_on(name, cloud, owner, context))).await;
}

async fn dispose_on(name: &CloudName, cloud: &CloudHandle, owner: &Owner, context: &Context) {
    let service = format!("{}/{}", owner.namespace, owner.name);
    let found = match left_on(cloud, owner, context).await {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => {
            fail(&error);
            tracing::warn!(cloud = %name, service, %error, "failed to look for the load balancer of a Service that was removed despite its finalizer; if there is one, it is an orphan for the sweep");
            return;
        }
    };
    let id = &found.id;
    // The watch has shown the end of the Service, and with it the last policy.
    let fate = context.fate((&found, &Suspicion::NoService), owner, None, name);
    let done = match fate {
        Fate::Delete => delete(cloud, &found, context).await,
        Fate::Release => release(name, cloud, &found, owner, context).await,
        // It was found by our name and our owner, as none that others made is.
        Fate::Detach => return,
        Fate::Keep(why) => {
            let why = why_kept(why, name);
            tracing::warn!(cloud = %name, %id, service, "left the load balancer of a Service that was removed despite its finalizer to the sweep: {why}");
            return;
        }
    };
    let emit = |note: String| {
        let reason = EventReason::OrphanedLoadBalancer;
        context.events.emit_for(reference(owner), reason, note);
    };
    match (done, fate) {
        (Ok(()), Fate::Release) => {
            let why = "its Service was removed despite the finalizer";
            context.report_retained(name, id, owner, why);
        }
        (Ok(()), _) => {
            tracing::warn!(cloud = %name, %id, service, "requested deletion of the load balancer of a Service that was removed despite its finalizer");
            emit(format!(
                "Deleting orphaned load balancer {id} on {name}: its Service was removed despite the finalizer"
            ));
        }
        (Err(error), Fate::Release) => {
            fail(&error);
            tracing::warn!(cloud = %name, %id, service, %error, "failed to take the owner off the load balancer of a Service that was removed despite its finalizer; it is an orphan for the sweep");
            // If the call took effect all the same, no list shows the load balancer any more.
            emit(format!(
                "Error releasing orphaned load balancer {id} on {name}, now an orphan for the sweep: {error}"
            ));
        }
        (Err(error), _) => {
            fail(&error);
            tracing::warn!(cloud = %name, %id, service, %error, "failed to delete the load balancer of a Service that was removed despite its finalizer; it is an orphan for the sweep");
        }
    }
}

fn fail(error: &ReconcileError) {
    let reason = Unfinished::Failed(error).reason();
    traces::fail(reason.as_str(), error.to_string());
}

/// The load balancer that a Service has left on one cloud, if a live read shows that the Service
/// is gone.
async fn left_on(
    cloud: &CloudHandle,
    owner: &Owner,
    context: &Context,
) -> Result<Option<LoadBalancer>, ReconcileError> {
    let name = owner.load_balancer_name();
    let query = cloud.client.query(Which::Name(&name), Priority::User);
    let Some(found) = query.await?.filter(|found| found.belongs_to(owner)) else {
        return Ok(None);
    };
    let is_gone = context.live_claim(owner).await?.is_none();
    Ok(is_gone.then_some(found))
}

async fn delete(
    cloud: &CloudHandle,
    found: &LoadBalancer,
    context: &Context,
) -> Result<(), ReconcileError> {
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    cloud
        .client
        .delete(&leadership.permit()?, &found.id)
        .await?;
    cloud.inventory.forget(&found.id);
    Ok(())
}

async fn release(
    name: &CloudName,
    cloud: &CloudHandle,
    found: &LoadBalancer,
    owner: &Owner,
    context: &Context,
) -> Result<(), ReconcileError> {
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    let permit = leadership.permit()?;
    let released = cloud.release(name, &permit, (&found.id, owner), Priority::User);
    Ok(released.await?)
}
