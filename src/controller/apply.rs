//! Step four: carries a plan out, action by action.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::Context;
use super::cloud_in_hand::CloudInHand;
use super::done::Done;
use super::failure::Failure;
use super::observe::{ObservedService, Seen};
use super::readiness::readiness;
use super::speech::announce;
use crate::cloud::{CloudError, ErrorKind, Priority, Verb, Which};
use crate::election::Leadership;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::condition::{Readiness, Reason};
use crate::kubernetes::service::view;
use crate::kubernetes::service_writer::Change;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::record::Publication;
use crate::plan::{Action, CreateRequest, Outcome, Plan, Urgency};

/// Carries a plan out. A failure ends the run for its cloud, or, if it is not
/// of one cloud, altogether.
pub async fn apply(
    plan: Plan,
    service: &ObservedService,
    seen: Seen,
    leadership: &Leadership,
    context: &Context,
) -> Done {
    let drifted = context.drift.drifted(&plan, service);
    announce(&plan, &drifted, service, context);
    let (plan, not_yet) = context.drift.in_turn(plan, &drifted, service);
    let Seen {
        observed,
        failures,
        disowned,
    } = seen;
    let mut run = Run {
        service,
        leadership,
        context,
        created: Vec::new(),
        failed: BTreeSet::new(),
        drifted,
        done: Done {
            observed,
            object: service.object.clone(),
            actions: Vec::new(),
            failures: failures
                .into_values()
                .map(Failure::from)
                .chain(not_yet)
                .collect(),
            waiting: plan.waiting,
            disowned,
        },
    };
    for action in plan.actions {
        if run.is_held_up(&action) {
            continue;
        }
        match run.perform(&action).await {
            Ok(outcome) => {
                run.done.observed.record_outcome(&action, outcome);
                run.done.actions.push(action);
            }
            Err(failure) => {
                let of_one_cloud = cloud_of(&action).cloned();
                let ends = failure.ends_the_run() || of_one_cloud.is_none();
                run.done.failures.push(failure);
                run.failed.extend(of_one_cloud);
                if ends {
                    break;
                }
            }
        }
    }
    run.done
}

impl Failure {
    fn ends_the_run(&self) -> bool {
        matches!(self, Self::Changed | Self::NotLeader(_) | Self::Stopping)
    }
}

/// The one cloud that an action is about.
fn cloud_of(action: &Action) -> Option<&CloudName> {
    match action {
        Action::Create { cloud, .. }
        | Action::Update { cloud, .. }
        | Action::Delete { cloud, .. }
        | Action::ConfirmGone { cloud, .. } => Some(cloud),
        Action::AddFinalizer
        | Action::ConfirmLive
        | Action::Publish { .. }
        | Action::AwaitServing { .. }
        | Action::RemoveFinalizer { .. } => None,
    }
}

struct Run<'a> {
    service: &'a ObservedService,
    leadership: &'a Leadership,
    context: &'a Context,
    /// What this run created and has not put on record yet.
    created: Vec<(CloudName, LoadBalancerId)>,
    failed: BTreeSet<CloudName>,
    /// Where what somebody else changed is put right.
    drifted: BTreeSet<CloudName>,
    done: Done,
}

impl Run<'_> {
    /// Whether an earlier failure stands in the way of an action.
    fn is_held_up(&self, action: &Action) -> bool {
        match action {
            // Everything must be gone before the finalizer is.
            Action::RemoveFinalizer { .. } => !self.failed.is_empty(),
            _ => cloud_of(action).is_some_and(|cloud| self.failed.contains(cloud)),
        }
    }

    async fn perform(&mut self, action: &Action) -> Result<Outcome, Failure> {
        // What was created still goes on record.
        let is_owed = matches!(action, Action::Publish { .. }) && !self.created.is_empty();
        if self.context.stopping.is_cancelled() && !is_owed {
            return Err(Failure::Stopping);
        }
        self.leadership.permit()?;
        match action {
            Action::AddFinalizer => self.add_finalizer().await,
            Action::ConfirmLive => self.confirm_live().await,
            Action::Create { cloud, request } => self.create(cloud, request).await,
            Action::Update {
                cloud,
                id,
                request,
                urgency,
            } => self.update(cloud, id, request, *urgency).await,
            Action::Publish { clouds } => self.publish(clouds).await,
            Action::AwaitServing { clouds } => self.await_serving(clouds),
            Action::Delete { cloud, id } => self.delete(cloud, id).await,
            Action::ConfirmGone { cloud, id } => self.confirm_gone(cloud, id).await,
            Action::RemoveFinalizer { clear_status } => self.remove_finalizer(*clear_status).await,
        }
    }

    async fn add_finalizer(&mut self) -> Result<Outcome, Failure> {
        let readiness = Readiness {
            reason: Reason::Provisioning,
            message: "a load balancer is being asked for".into(),
        };
        let change = Change {
            finalizer: Some(true),
            readiness: Some(&readiness),
            ..Change::default()
        };
        self.patch(&change).await?;
        // The precondition made this the live object.
        if self.done.object.metadata.deletion_timestamp.is_some() {
            return Err(Failure::Changed);
        }
        Ok(Outcome::Done)
    }

    async fn confirm_live(&mut self) -> Result<Outcome, Failure> {
        let live = self.live().await?;
        // Whatever else somebody writes to it all the time, the plan read no more.
        let marks = &self.context.marks;
        let unchanged = view(&live, marks) == view(&self.done.object, marks);
        self.remember(live);
        if unchanged {
            Ok(Outcome::Done)
        } else {
            Err(Failure::Changed)
        }
    }

    async fn create(
        &mut self,
        name: &CloudName,
        request: &CreateRequest,
    ) -> Result<Outcome, Failure> {
        let cloud = self.cloud(name)?;
        let permit = self.leadership.permit()?;
        let created = cloud
            .client
            .create(&permit, request, self.priority(name, Urgency::User))
            .await;
        let created = created.inspect_err(|error| {
            if error.outcome_unknown() {
                self.context.doubts.raise(name, &request.name);
            }
        })?;
        self.context.doubts.settle(name, &request.name);
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
        cloud.inventory.learn(created.clone());
        self.created.push((name.clone(), created.id.clone()));
        Ok(Outcome::Found(Box::new(created)))
    }

    async fn update(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
        request: &CreateRequest,
        urgency: Urgency,
    ) -> Result<Outcome, Failure> {
        let priority = self.priority(name, urgency);
        let cloud = self.cloud(name)?;
        let nodes = &self.context.metrics.nodes;
        let permit = self.leadership.permit()?;
        match cloud.client.update(&permit, id, request, priority).await {
            Ok(updated) => {
                if urgency == Urgency::Background {
                    nodes.synced(&self.service.view.uid, name);
                }
                cloud.inventory.learn(updated.clone());
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

    async fn publish(&mut self, clouds: &BTreeSet<CloudName>) -> Result<Outcome, Failure> {
        let publication = self.done.observed.publication(clouds);
        let readiness = readiness(self.service, &self.done, self.context.marks.prefix());
        let change = Change {
            publication: Some(&publication),
            readiness: readiness.as_ref(),
            ..Change::default()
        };
        match self.patch(&change).await {
            Ok(()) => {
                self.created.clear();
                Ok(Outcome::Done)
            }
            Err(failure) => {
                self.undo_creates_if_gone().await;
                Err(failure)
            }
        }
    }

    fn await_serving(&self, clouds: &BTreeSet<CloudName>) -> Result<Outcome, Failure> {
        let serves = |cloud: &CloudName| {
            self.done
                .observed
                .serves_on(&BTreeSet::from([cloud.clone()]))
        };
        match clouds.iter().find(|cloud| !serves(cloud)) {
            None => Ok(Outcome::Done),
            Some(cloud) => Err(Failure::NotServing {
                cloud: cloud.clone(),
            }),
        }
    }

    /// Deletes what the cloud still says is ours: the list that the plan was
    /// made from may be minutes old, and a delete carries nothing but an id.
    async fn delete(&self, name: &CloudName, id: &LoadBalancerId) -> Result<Outcome, Failure> {
        let cloud = self.cloud(name)?;
        let owner = self.service.view.owner(&self.context.cluster);
        match cloud.client.query(Which::Id(id), Priority::User).await? {
            None => return Ok(Outcome::Done),
            Some(live) if live.belongs_to(&owner) => {}
            Some(_) => {
                cloud.inventory.forget(id);
                return Err(Failure::Changed);
            }
        }
        let permit = self.leadership.permit()?;
        cloud.client.delete(&permit, id).await?;
        Ok(Outcome::Done)
    }

    async fn confirm_gone(
        &self,
        name: &CloudName,
        id: &LoadBalancerId,
    ) -> Result<Outcome, Failure> {
        let cloud = self.cloud(name)?;
        let found = cloud.client.query(Which::Id(id), Priority::User).await?;
        match found {
            None => {
                cloud.inventory.forget(id);
                Ok(Outcome::Done)
            }
            Some(still) => {
                cloud.inventory.learn(still);
                Err(Failure::StillThere {
                    cloud: name.clone(),
                    id: id.clone(),
                })
            }
        }
    }

    async fn remove_finalizer(&mut self, clear_status: bool) -> Result<Outcome, Failure> {
        let change = Change {
            finalizer: Some(false),
            publication: Some(&Publication::default()),
            keep_ingress: !clear_status,
            remove_condition: true,
            ..Change::default()
        };
        match self.patch(&change).await {
            Ok(()) | Err(Failure::Kubernetes(KubernetesError::Gone)) => Ok(Outcome::Done),
            Err(failure) => Err(failure),
        }
    }

    /// For what drifted nobody waits who would have changed anything.
    fn priority(&self, name: &CloudName, urgency: Urgency) -> Priority {
        match urgency {
            Urgency::User if !self.drifted.contains(name) => Priority::User,
            Urgency::User | Urgency::Background => Priority::Background,
        }
    }

    fn cloud(&self, name: &CloudName) -> Result<&CloudInHand, Failure> {
        // The plan acts only on clouds that were seen, and only configured ones are.
        self.context.clouds.get(name).ok_or(Failure::Changed)
    }

    /// Writes, and keeps the answer as the state that the next write starts from.
    async fn patch(&mut self, change: &Change<'_>) -> Result<(), Failure> {
        let answer = self
            .context
            .services
            .patch(self.leadership, &self.done.object, change)
            .await;
        match answer {
            Ok(Some(written)) => self.remember(written),
            Ok(None) => {}
            Err(KubernetesError::Conflict) => {
                // The watch will show the newer state; the next attempt need not wait for it.
                if let Ok(live) = self.live().await {
                    self.remember(live);
                }
                return Err(KubernetesError::Conflict.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The live object, if it is still the one that we know.
    async fn live(&self) -> Result<Service, Failure> {
        let live = self.context.services.get(&self.service.view.key).await?;
        let same = live
            .filter(|live| live.metadata.uid.as_deref() == Some(self.service.view.uid.as_str()));
        Ok(same.ok_or(KubernetesError::Gone)?)
    }

    fn remember(&mut self, object: Service) {
        self.done.object = Arc::new(object);
        self.context
            .own_writes
            .remember(&self.service.view.uid, self.done.object.clone());
    }

    /// A Service that was deleted while we created for it: kube-apiserver was
    /// seen to accept a finalizer patch that raced a DELETE, after which the
    /// object was gone all the same. Nothing would ever delete what was made.
    async fn undo_creates_if_gone(&mut self) {
        if self.created.is_empty()
            || !matches!(
                self.live().await,
                Err(Failure::Kubernetes(KubernetesError::Gone))
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
}
