//! Services that went although our finalizer was on them.
//!
//! kube-apiserver may remove an object that a patch has just given a finalizer:
//! a DELETE that began before the patch does not look again when it is carried
//! out after it, nor after the patch that follows. Then every write of ours was
//! answered with success, and yet no reconcile will delete the load balancer.
//! The watch shows it: a deleted Service that has our finalizer and was never
//! marked for deletion. (A Service that was marked and lost its last finalizer
//! is shown with it too: kube-apiserver does not store the state between.)

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use tokio::sync::mpsc;

use super::reference;
use crate::cloud::{Priority, Which};
use crate::controller::Context;
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::spans;
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service::view;
use crate::plan::naming::{LoadBalancerId, Owner};
use crate::telemetry::traces;

/// Services that are handled at once; more wait.
const CONCURRENCY: usize = 16;

/// The sending half: takes every deleted Service that the watch shows.
pub struct FinalizerRaces(mpsc::UnboundedSender<Service>);

/// The receiving half, for [`run`].
pub struct LostServices(mpsc::UnboundedReceiver<Service>);

impl FinalizerRaces {
    /// Both halves.
    pub fn new() -> (Self, LostServices) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), LostServices(receiver))
    }

    /// Records a deleted Service, in its last state, if it lost the race.
    pub fn observe(&self, service: &Service, finalizer: &str) {
        let was_marked = service.metadata.deletion_timestamp.is_some();
        if !was_marked && service.finalizers().iter().any(|name| name == finalizer) {
            // Without a receiver the process is about to end, and the sweep of the
            // next leader finds the load balancer.
            let _ = self.0.send(service.clone());
        }
    }
}

/// Deletes the load balancers of such Services, if this replica leads. The sweep
/// deletes those for which that fails.
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
    span.run(delete_on_all_clouds(&owner, context)).await;
}

async fn delete_on_all_clouds(owner: &Owner, context: &Context) {
    let service = format!("{}/{}", owner.namespace, owner.name);
    for (name, cloud) in &context.clouds {
        match delete(cloud, owner, context).await {
            Ok(None) => {}
            Ok(Some(id)) => {
                tracing::warn!(cloud = %name, %id, service, "the Service vanished although our finalizer was on it: its load balancer is deleted");
                let note =
                    format!("load balancer {id} on {name} has no Service any more: it is deleted");
                let reason = EventReason::OrphanedLoadBalancer;
                context.events.emit_for(reference(owner), reason, note);
            }
            Err(error) => {
                let reason = Unfinished::Failed(&error).reason();
                traces::fail(reason.as_str(), error.to_string());
                tracing::warn!(cloud = %name, service, %error, "what a vanished Service left is not deleted; the sweep follows");
            }
        }
    }
}

/// Deletes the load balancer of a Service that is gone by a live read.
async fn delete(
    cloud: &CloudHandle,
    owner: &Owner,
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
    if !context.is_service_gone(owner).await? {
        return Ok(None);
    }
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    let permit = leadership.permit()?;
    cloud.client.delete(&permit, &found.id).await?;
    cloud.inventory.forget(&found.id);
    Ok(Some(found.id))
}
