//! Services that went although our finalizer was on them.
//!
//! kube-apiserver may remove an object that a patch just gave a finalizer: a
//! DELETE that began before the patch does not look again when it is carried
//! out after it, nor after the patch that follows. Then every write of ours was
//! answered well, and yet there is nobody to delete the load balancer for. The
//! watch tells: it shows a deleted Service that has our finalizer and was never
//! marked for deletion. (One that was, and lost its last finalizer, is shown
//! with it too: kube-apiserver does not store the state between.)

use std::sync::Arc;

use futures::StreamExt;
use futures::stream;
use k8s_openapi::api::core::v1::Service;
use kube::{Resource, ResourceExt};
use tokio::sync::mpsc;

use super::Context;
use super::cloud_handle::CloudHandle;
use super::error::ReconcileError;
use super::reconcile::key;
use super::sweep::is_gone;
use super::trace;
use crate::cloud::{Priority, Which};
use crate::kubernetes::events::EventReason;
use crate::kubernetes::service::view;
use crate::plan::naming::Owner;
use crate::telemetry::traces;

/// Handled at once: more wait.
const AT_ONCE: usize = 16;

/// Where such Services are handed in.
pub struct FinalizerRaces(mpsc::UnboundedSender<Service>);

/// What was handed in.
pub struct LostServices(mpsc::UnboundedReceiver<Service>);

impl FinalizerRaces {
    /// Where to hand in, and what comes out.
    pub fn new() -> (Self, LostServices) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), LostServices(receiver))
    }

    /// Hands in a deleted Service, in its last state.
    pub fn report(&self, service: &Service, finalizer: &str) {
        let was_marked = service.metadata.deletion_timestamp.is_some();
        if !was_marked && service.finalizers().iter().any(|name| name == finalizer) {
            // Nobody to receive it: the process is about to end, and the sweep follows.
            let _ = self.0.send(service.clone());
        }
    }
}

/// Deletes what such Services left at the clouds, if we lead. What fails is
/// the sweep's to mend.
pub async fn follow(context: Arc<Context>, reported: LostServices) {
    let services = stream::unfold(reported.0, |mut receiver| async move {
        receiver.recv().await.map(|service| (service, receiver))
    });
    let handle = |service: Service| {
        let context = &context;
        async move { clean_up(&service, context).await }
    };
    services.for_each_concurrent(AT_ONCE, handle).await;
    std::future::pending().await
}

async fn clean_up(service: &Service, context: &Context) {
    let Some(view) =
        view(service, &context.metadata_keys).filter(|_| context.leadership().is_some())
    else {
        return;
    };
    let owner = view.owner(&context.cluster);
    let work = trace::clean_up(&owner, context);
    work.run(clean_up_after(service, &owner, context)).await;
}

async fn clean_up_after(service: &Service, owner: &Owner, context: &Context) {
    let key = key(service);
    for (name, cloud) in &context.clouds {
        match delete(cloud, owner, context).await {
            Ok(None) => {}
            Ok(Some(id)) => {
                tracing::warn!(cloud = %name, %id, service = %key, "the Service vanished although our finalizer was on it: its load balancer is deleted");
                let note =
                    format!("load balancer {id} on {name} has no Service any more: it is deleted");
                let object = service.object_ref(&());
                context
                    .events
                    .emit_for(object, EventReason::OrphanedLoadBalancer, note);
            }
            Err(failure) => {
                traces::fail(failure.reason(), failure.to_string());
                tracing::warn!(cloud = %name, service = %key, error = %failure, "what a vanished Service left is not deleted; the sweep follows");
            }
        }
    }
}

/// Deletes the load balancer of a Service that is gone by a live read.
async fn delete(
    cloud: &CloudHandle,
    owner: &Owner,
    context: &Context,
) -> Result<Option<String>, ReconcileError> {
    let name = owner.load_balancer_name();
    let found = cloud
        .client
        .query(Which::Name(&name), Priority::User)
        .await?;
    let Some(found) = found.filter(|found| found.belongs_to(owner)) else {
        return Ok(None);
    };
    if !is_gone(owner, context).await? {
        return Ok(None);
    }
    let leadership = context.leadership().ok_or(ReconcileError::Stopping)?;
    cloud
        .client
        .delete(&leadership.permit()?, &found.id)
        .await?;
    cloud.inventory.forget(&found.id);
    Ok(Some(found.id.to_string()))
}
