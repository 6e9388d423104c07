//! The actions that read or write a cloud.

use std::collections::BTreeSet;

use super::Run;
use crate::cloud::{CloudError, ErrorKind, Priority, Verb, Which};
use crate::controller::cloud_handle::CloudHandle;
use crate::controller::error::ReconcileError;
use crate::kubernetes::KubernetesError;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::{Action, CreateRequest, Outcome, Urgency};

impl Run<'_> {
    pub(super) async fn create(
        &mut self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<Outcome, ReconcileError> {
        let cloud = self.cloud(name)?;
        let permit = self.leadership.permit()?;
        let created = cloud
            .client
            .create(&permit, request, self.priority(name, Urgency::User))
            .await;
        let created = created.inspect_err(|error| {
            if error.outcome_unknown() {
                self.context.pending_creates.record(name, &request.name);
            }
        })?;
        self.context.pending_creates.resolve(name, &request.name);
        let foreign = created
            .owner
            .as_ref()
            .is_some_and(|owner| !owner.is_same_service(&request.owner));
        if foreign || created.name != request.name {
            let message = format!(
                "the cloud answered with load balancer {}, which is not ours",
                created.id
            );
            return Err(
                CloudError::new(name.clone(), Verb::Create, ErrorKind::NameTaken, message).into(),
            );
        }
        cloud.inventory.record(created.clone());
        self.created.push((name.clone(), created.id.clone()));
        Ok(Outcome::Found(Box::new(created)))
    }

    pub(super) async fn update(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        request: &CreateRequest,
        urgency: Urgency,
    ) -> Result<Outcome, ReconcileError> {
        let priority = self.priority(name, urgency);
        let cloud = self.cloud(name)?;
        let nodes = &self.context.metrics.nodes;
        let permit = self.leadership.permit()?;
        match cloud.client.update(&permit, id, request, priority).await {
            Ok(updated) => {
                if urgency == Urgency::Background {
                    nodes.synced(&self.service.view.uid, name);
                }
                cloud.inventory.record(updated.clone());
                Ok(Outcome::Found(Box::new(updated)))
            }
            Err(error) => {
                if urgency == Urgency::Background {
                    nodes.not_synced(name);
                }
                // Whatever it is now, the next attempt asks the cloud.
                cloud.inventory.forget(id);
                Err(error.into())
            }
        }
    }

    pub(super) fn await_serving(
        &self,
        clouds: &BTreeSet<CloudName>,
    ) -> Result<Outcome, ReconcileError> {
        let observed = &self.done.observed;
        match clouds.iter().find(|cloud| !observed.serves(cloud)) {
            None => Ok(Outcome::Done),
            Some(cloud) => Err(ReconcileError::NotServing {
                cloud: cloud.clone(),
            }),
        }
    }

    /// Deletes what the cloud still says is ours: the list that the plan was
    /// made from may be minutes old, and a delete carries nothing but an id.
    pub(super) async fn delete(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
    ) -> Result<Outcome, ReconcileError> {
        let cloud = self.cloud(name)?;
        let owner = self.service.view.owner(&self.context.cluster);
        match cloud.client.query(Which::Id(id), Priority::User).await? {
            None => return Ok(Outcome::Done),
            Some(live) if live.belongs_to(&owner) => {}
            Some(_) => {
                cloud.inventory.forget(id);
                return Err(ReconcileError::Changed);
            }
        }
        let permit = self.leadership.permit()?;
        cloud.client.delete(&permit, id).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn confirm_gone(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
    ) -> Result<Outcome, ReconcileError> {
        let cloud = self.cloud(name)?;
        let found = cloud.client.query(Which::Id(id), Priority::User).await?;
        match found {
            None => {
                cloud.inventory.forget(id);
                Ok(Outcome::Done)
            }
            Some(still) => {
                cloud.inventory.record(still);
                Err(ReconcileError::StillDeleting {
                    cloud: name.clone(),
                    id: id.clone(),
                })
            }
        }
    }

    /// A Service that was deleted while we created for it: kube-apiserver was
    /// seen to accept a finalizer patch that raced a DELETE, after which the
    /// object was gone all the same. Nothing would ever delete what was made.
    pub(super) async fn undo_creates_if_gone(&mut self) {
        if self.created.is_empty()
            || !matches!(
                self.live().await,
                Err(ReconcileError::Kubernetes(KubernetesError::Gone))
            )
        {
            return;
        }
        for (name, id) in std::mem::take(&mut self.created) {
            tracing::warn!(cloud = %name, %id, "the Service vanished while its load balancer was created: deleting it");
            let deleted = async {
                self.delete(&name, &id).await?;
                self.confirm_gone(&name, &id).await
            };
            if let Err(failure) = deleted.await {
                tracing::error!(cloud = %name, %id, error = %failure, "a load balancer without a Service is left behind");
            }
        }
    }

    /// Counts what was put right.
    pub(super) fn count_repair(&self, action: &Action) {
        if let Action::Create { cloud, .. } | Action::Update { cloud, .. } = action
            && self.is_drift(cloud)
        {
            let inventory = &self.context.metrics.inventory;
            inventory.drifted(cloud.as_str(), "repaired");
        }
    }

    fn is_drift(&self, name: &CloudName) -> bool {
        self.repairs.contains_key(name)
    }

    /// For what drifted nobody waits who would have changed anything.
    fn priority(&self, name: &CloudName, urgency: Urgency) -> Priority {
        match urgency {
            Urgency::User if !self.is_drift(name) => Priority::User,
            Urgency::User | Urgency::Background => Priority::Background,
        }
    }

    fn cloud(&self, name: &CloudName) -> Result<&CloudHandle, ReconcileError> {
        // The plan acts only on clouds that were seen, and only configured ones are.
        self.context.clouds.get(name).ok_or(ReconcileError::Changed)
    }
}
