//! One effect with all that it needs, so that it is performed while others change what is
//! known.

use std::sync::Arc;

use super::clouds::Requests;
use super::{Executor, Interruption, Progress};
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::condition;
use crate::kubernetes::condition::Readiness;
use crate::plan::execution::{Effect, Lane};
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::record::Publication;
use crate::plan::{Action, Observed, Outcome, Waiting};
use crate::priority::Priority;

/// An effect to perform.
pub(super) struct Task {
    pub lane: Lane,
    effect: Owned,
}

enum Owned {
    Action(Box<Begun>),
    CheckService,
    Undo {
        cloud: CloudName,
        id: LoadBalancerId,
    },
}

/// An action, with what is known when it begins.
struct Begun {
    action: Action,
    observed: Observed,
    /// What the action publishes.
    publication: Option<Publication>,
    /// The condition that it writes with it.
    readiness: Option<Readiness>,
    /// Whether the action records created load balancers.
    is_recording: bool,
}

/// How an effect ended.
pub(super) enum End {
    Action(Result<Outcome, Interruption>),
    ServiceChecked {
        is_gone: bool,
    },
    Undone,
    /// Nothing was to be done for a while.
    Rested,
}

impl Task {
    pub(super) fn new(
        lane: Lane,
        effect: Effect<'_>,
        progress: &Progress,
        executor: &Executor<'_>,
    ) -> Self {
        let effect = match effect {
            Effect::Apply(action) => {
                Owned::Action(Box::new(Begun::new(action, progress, executor)))
            }
            Effect::CheckService => Owned::CheckService,
            Effect::Undo { cloud, id } => Owned::Undo {
                cloud: cloud.clone(),
                id: id.clone(),
            },
        };
        Self { lane, effect }
    }
}

impl Begun {
    fn new(action: &Action, progress: &Progress, executor: &Executor<'_>) -> Self {
        let execution = &progress.execution;
        let observed = execution.observed();
        let publishes = matches!(action, Action::Publish { .. });
        let readiness = || {
            let resting = progress.resting.iter().map(Arc::as_ref);
            let errors = progress.errors.iter().chain(resting);
            let unfinished = Unfinished::all(errors, &progress.waiting);
            let prefix = executor.context.metadata_keys.prefix();
            // An update that is under way may fail: the last attempt counts until it has ended.
            let known = observed.without_answers_of(&execution.updating());
            condition::readiness(&executor.service.desired, &known, unfinished, prefix)
        };
        Self {
            action: action.clone(),
            observed: observed.clone(),
            publication: execution.publication().filter(|_| publishes).cloned(),
            readiness: publishes.then(readiness).flatten(),
            is_recording: publishes && execution.is_recording(),
        }
    }
}

impl Executor<'_> {
    pub(super) async fn perform(&self, task: Task) -> (Lane, End) {
        let Task { lane, effect } = task;
        let end = match effect {
            Owned::Action(begun) => End::Action(self.act(*begun).await),
            Owned::CheckService => End::ServiceChecked {
                is_gone: self.is_service_gone().await,
            },
            Owned::Undo { cloud, id } => {
                self.undo_create(&cloud, &id).await;
                End::Undone
            }
        };
        (lane, end)
    }

    async fn act(&self, begun: Begun) -> Result<Outcome, Interruption> {
        let Begun {
            action,
            observed,
            publication,
            readiness,
            is_recording,
        } = begun;
        // Created load balancers are recorded even while the process stops.
        if self.context.stopping.is_cancelled() && !is_recording {
            return Err(ReconcileError::Stopping.into());
        }
        self.leadership.permit()?;
        let observed = &observed;
        match &action {
            Action::AddFinalizer { clouds } => self.add_finalizer(clouds, observed).await,
            Action::ConfirmLive => self.confirm_live().await,
            Action::Create { cloud, request } => self.create(cloud, request).await,
            Action::Update {
                cloud,
                id,
                request,
                fallbacks,
                urgency,
            } => {
                let before = observed.to_update(cloud).filter(|known| known.id == *id);
                let before = before.ok_or(ReconcileError::Changed)?;
                let requests = Requests { request, fallbacks };
                self.update(cloud, before, requests, *urgency).await
            }
            Action::Publish { .. } => {
                let publication = publication.ok_or(ReconcileError::Changed)?;
                self.publish(&publication, readiness.as_ref(), observed)
                    .await
            }
            Action::AwaitServing { clouds } => {
                if let Some(cloud) = clouds.iter().find(|cloud| !observed.serves(cloud)) {
                    return Err(Interruption::Waiting(Waiting::Provisioning(cloud.clone())));
                }
                let present = observed.present();
                for (cloud, found) in present.filter(|(cloud, _)| clouds.contains(*cloud)) {
                    self.ensure_shown(cloud, found, Priority::User).await?;
                }
                Ok(Outcome::Done)
            }
            Action::Delete { cloud, id } => {
                self.ensure_unwanted(cloud, id, observed).await?;
                self.delete(cloud, id).await
            }
            Action::Release { cloud, id, what } => self.release(cloud, id, *what).await,
            Action::ConfirmGone { cloud, id } => self.confirm_gone(cloud, id).await,
            Action::RemoveFinalizer { clear_status } => self.remove_finalizer(*clear_status).await,
        }
    }
}
