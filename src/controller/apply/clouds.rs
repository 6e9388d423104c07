//! The effects on a cloud.

use super::{Executor, Interruption};
use crate::cloud::{CloudError, ErrorKind, Operation, Rejection, Verb, Which};
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::error::ReconcileError;
use crate::plan::existing;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{CreateRequest, Desired, Observed, Outcome, Released, Urgency, Waiting};
use crate::priority::Priority;

/// What an update sends.
#[derive(Clone, Copy)]
pub(super) struct Requests<'a> {
    pub request: &'a CreateRequest,
    /// Sent in this order if the cloud rejects the request.
    pub fallbacks: &'a [CreateRequest],
}

/// The requests to a load balancer that others made, with what it is now.
struct Renewed {
    live: LoadBalancer,
    request: CreateRequest,
    fallbacks: Vec<CreateRequest>,
}

impl Renewed {
    fn requests(&self) -> Requests<'_> {
        Requests {
            request: &self.request,
            fallbacks: &self.fallbacks,
        }
    }
}

impl Executor<'_> {
    pub(super) async fn create(
        &self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<Outcome, Interruption> {
        let cloud = self.cloud(name)?;
        let permit = self.leadership.permit()?;
        let priority = self.priority(name, Urgency::User);
        let created = cloud.client.create(&permit, request, priority).await;
        let created = created.inspect_err(|error| cloud.doubt_after(error))?;
        let pending_creates = &self.context.memory.pending_creates;
        pending_creates.resolve(&self.service.view.uid, name);
        let foreign = created
            .owner
            .as_ref()
            .is_some_and(|owner| !owner.is_same_service(&request.owner));
        if foreign || created.name != request.name {
            let message = format!(
                "the cloud returned load balancer {}, which does not belong to this Service",
                created.id
            );
            let operation = Operation {
                cloud: name.clone(),
                verb: Verb::Create,
            };
            return Err(CloudError::new(operation, ErrorKind::NameTaken, message).into());
        }
        cloud.inventory.record_created(created.clone());
        Ok(Outcome::Found(Box::new(created)))
    }

    pub(super) async fn update(
        &self,
        name: &CloudName,
        before: &LoadBalancer,
        requests: Requests<'_>,
        urgency: Urgency,
    ) -> Result<Outcome, Interruption> {
        let cloud = self.cloud(name)?;
        let priority = self.priority(name, urgency);
        let renewed;
        let (before, requests) = if requests.request.owner.is_on_existing() {
            renewed = self.renewed(name, before, requests, priority).await?;
            (&renewed.live, renewed.requests())
        } else {
            self.ensure_shown(name, before, priority).await?;
            (before, requests)
        };
        let permit = self.leadership.permit()?;
        let client = &cloud.client;
        let updated = client.update(&permit, before, requests.request, priority);
        let updated = updated.await;
        if urgency == Urgency::Background {
            self.count_node_sync(name, updated.is_ok());
        }
        match updated {
            Ok(updated) => {
                cloud.inventory.record(updated.clone());
                Ok(Outcome::Found(Box::new(updated)))
            }
            Err(error) => {
                // The state of the load balancer is unknown: the next attempt queries it.
                cloud.inventory.forget(&before.id);
                cloud.doubt_after(&error);
                if may_concern_the_content(&error) {
                    self.fall_back(cloud, before, requests.fallbacks).await?;
                }
                Err(error.into())
            }
        }
    }

    /// The requests to a load balancer that others made, made anew of what the cloud shows now:
    /// an update sends what others put on it too, and would undo what they have changed since.
    ///
    /// # Errors
    /// The query failed, or another plan is needed.
    async fn renewed(
        &self,
        name: &CloudName,
        before: &LoadBalancer,
        requests: Requests<'_>,
        priority: Priority,
    ) -> Result<Renewed, ReconcileError> {
        let live = self.query_by_id(name, &before.id, priority).await?;
        let live = live.ok_or(ReconcileError::Changed)?;
        let renewed = |request| existing::renewed(request, before, &live);
        let request = renewed(requests.request).ok_or(ReconcileError::Changed)?;
        let fallbacks = requests.fallbacks.iter().filter_map(renewed).collect();
        Ok(Renewed {
            live,
            request,
            fallbacks,
        })
    }

    /// Sends the part of a rejected request that the cloud takes, so that at least the
    /// back ends follow the Nodes. The rejection stays the error of the attempt.
    async fn fall_back(
        &self,
        cloud: &CloudHandle,
        before: &LoadBalancer,
        fallbacks: &[CreateRequest],
    ) -> Result<(), Interruption> {
        for request in fallbacks {
            let permit = self.leadership.permit()?;
            let priority = Priority::Background;
            let updated = cloud.client.update(&permit, before, request, priority);
            match updated.await {
                Ok(updated) => {
                    let (id, back_ends) = (&before.id, updated.spec.nodes.len());
                    tracing::info!(%id, back_ends, "the cloud rejected an update and took the same back ends without what it may have rejected");
                    cloud.inventory.record(updated);
                    return Ok(());
                }
                Err(error) if may_concern_the_content(&error) => {}
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Continues only if the cloud itself has shown this load balancer to be ours: the
    /// answer to a create has neither name nor owner, and proves nothing.
    pub(super) async fn ensure_shown(
        &self,
        name: &CloudName,
        found: &LoadBalancer,
        priority: Priority,
    ) -> Result<(), Interruption> {
        let cloud = self.cloud(name)?;
        // The owner of what others made was never in the answer to a create.
        if cloud.inventory.is_shown(&found.id) || found.existing_owner().is_some() {
            return Ok(());
        }
        let Some(shown) = self.ours_now(name, &found.id, priority).await? else {
            cloud.inventory.forget(&found.id);
            return Err(ReconcileError::Changed.into());
        };
        cloud.inventory.record(shown);
        Ok(())
    }

    /// Deletes a load balancer after a query has shown that it is still ours: the
    /// plan may rest on a list that is minutes old, and a delete carries only an id.
    pub(super) async fn delete(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
    ) -> Result<Outcome, Interruption> {
        let cloud = self.cloud(name)?;
        let live = self.ours_now(name, id, Priority::User).await?;
        if live.is_none() {
            return Ok(Outcome::Done);
        }
        let permit = self.leadership.permit()?;
        cloud.client.delete(&permit, id).await?;
        Ok(Outcome::Done)
    }

    /// Takes our owner off a load balancer, and continues only if the cloud shows that it is off:
    /// without the finalizer, the sweep would delete what still has our owner.
    pub(super) async fn release(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        what: Released,
    ) -> Result<Outcome, Interruption> {
        let cloud = self.cloud(name)?;
        let owner = self.service.view.owner(&self.context.cluster);
        let owner = match what {
            Released::Own => owner,
            Released::OfOthers { .. } => owner.on_existing(),
        };
        cloud.inventory.forget(id);
        let live = self.query_by_id(name, id, Priority::User).await?;
        if !live.is_some_and(|live| live.belongs_to(&owner)) {
            return Err(ReconcileError::Changed.into());
        }
        let permit = self.leadership.permit()?;
        let released = cloud.release(name, &permit, (id, &owner), Priority::User);
        released.await?;
        if what == Released::Own {
            self.context.metrics.inventory.retained(name.as_str());
        }
        Ok(Outcome::Done)
    }

    /// Continues only if no cloud that the Service names shows the load balancer that is to
    /// be deleted as a leftover of another cloud. A create on a second cloud of the same
    /// account returns the load balancer of the first.
    pub(super) async fn ensure_unwanted(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        observed: &Observed,
    ) -> Result<(), Interruption> {
        let Desired::Managed(wanted) = &self.service.desired else {
            return Ok(());
        };
        let has_same_id = |(other, found): &(&CloudName, &LoadBalancer)| {
            wanted.clouds.contains(*other) && *other != name && found.id == *id
        };
        for (other, _) in observed.present().filter(has_same_id) {
            // Both are asked now, so that an old answer does not tell them apart.
            let here = self.query_by_id(name, id, Priority::User).await?;
            let there = self.query_by_id(other, id, Priority::User).await?;
            if let (Some(here), Some(there)) = (here, there)
                && here.looks_like(&there)
            {
                let mut clouds = [name.clone(), other.clone()];
                clouds.sort();
                let id = id.clone();
                return Err(Interruption::Waiting(Waiting::ShownTwice { clouds, id }));
            }
        }
        Ok(())
    }

    /// What the cloud itself shows of a load balancer of this Service now; `None` if it is gone.
    ///
    /// # Errors
    /// The query failed, or the load balancer is not ours any more.
    async fn ours_now(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        priority: Priority,
    ) -> Result<Option<LoadBalancer>, ReconcileError> {
        let owner = self.service.view.owner(&self.context.cluster);
        let live = self.query_by_id(name, id, priority).await?;
        if live.as_ref().is_some_and(|live| !live.belongs_to(&owner)) {
            self.cloud(name)?.inventory.forget(id);
            return Err(ReconcileError::Changed);
        }
        Ok(live)
    }

    async fn query_by_id(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        priority: Priority,
    ) -> Result<Option<LoadBalancer>, ReconcileError> {
        let client = &self.cloud(name)?.client;
        Ok(client.query(Which::Id(id), priority).await?)
    }

    pub(super) async fn confirm_gone(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
    ) -> Result<Outcome, Interruption> {
        let cloud = self.cloud(name)?;
        match self.query_by_id(name, id, Priority::User).await? {
            None => {
                cloud.inventory.forget(id);
                Ok(Outcome::Done)
            }
            Some(still) => {
                cloud.inventory.record(still);
                let waiting = Waiting::StillDeleting(name.clone(), id.clone());
                Err(Interruption::Waiting(waiting))
            }
        }
    }

    /// Deletes a load balancer that was created for a Service that is gone.
    pub(super) async fn undo_create(&self, name: &CloudName, id: &LoadBalancerId) {
        tracing::warn!(cloud = %name, %id, "the Service was deleted while its load balancer was being created; deleting the load balancer");
        let deleted = async {
            self.delete(name, id).await?;
            self.confirm_gone(name, id).await
        };
        let error = match deleted.await {
            Ok(_) => return,
            Err(Interruption::Error(error)) => error.to_string(),
            Err(Interruption::Waiting(_)) => "the load balancer still exists".to_owned(),
        };
        tracing::error!(cloud = %name, %id, error, "failed to delete the load balancer of a deleted Service; it is an orphan for the sweep");
    }

    fn count_node_sync(&self, name: &CloudName, succeeded: bool) {
        let metrics = &self.context.metrics.nodes;
        if !succeeded {
            metrics.not_synced(name.as_str());
            return;
        }
        let node_sync = &self.context.memory.node_sync;
        let Some(nodes) = &self.service.nodes else {
            return;
        };
        let took = node_sync.mark_in_sync(&self.service.view.uid, name, nodes);
        // A Service that chooses other Nodes has not waited for a change of them.
        if let Some(took) = took.filter(|_| self.service.is_edited != Some(true)) {
            metrics.synced(name.as_str(), took);
        }
    }

    /// The priority of a call: repairs of drift come after user changes.
    fn priority(&self, name: &CloudName, urgency: Urgency) -> Priority {
        match urgency {
            Urgency::User if !self.repairs.contains_key(name) => Priority::User,
            Urgency::User | Urgency::Background => Priority::Background,
        }
    }

    fn cloud(&self, name: &CloudName) -> Result<&CloudHandle, ReconcileError> {
        // A plan acts only on observed clouds, which are all configured.
        self.context.clouds.get(name).ok_or(ReconcileError::Changed)
    }
}

/// Whether a cloud may take an update with another content.
fn may_concern_the_content(error: &CloudError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Rejected(Rejection::InvalidArgument | Rejection::QuotaExceeded)
            | ErrorKind::Unsupported
            | ErrorKind::Unspecified
    )
}
