//! The actions that read or write the Service. Each starts from the newest
//! state that was seen, and what it brings is what the next one starts from.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::Run;
use crate::controller::failure::Failure;
use crate::controller::readiness::readiness;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::condition::{Readiness, Reason};
use crate::kubernetes::service::view;
use crate::kubernetes::service_writer::Change;
use crate::plan::Outcome;
use crate::plan::naming::CloudName;
use crate::plan::record::Publication;

impl Run<'_> {
    pub(super) async fn add_finalizer(&mut self) -> Result<Outcome, Failure> {
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

    pub(super) async fn confirm_live(&mut self) -> Result<Outcome, Failure> {
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

    pub(super) async fn publish(
        &mut self,
        clouds: &BTreeSet<CloudName>,
    ) -> Result<Outcome, Failure> {
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

    pub(super) async fn remove_finalizer(
        &mut self,
        clear_status: bool,
    ) -> Result<Outcome, Failure> {
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
    pub(super) async fn live(&self) -> Result<Service, Failure> {
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
}
