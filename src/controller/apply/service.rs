//! The actions that read or write the Service. Each starts from the newest
//! state that was seen, and what it brings is what the next one starts from.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::Run;
use crate::controller::error::ReconcileError;
use crate::controller::readiness::readiness;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::service::view;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::Outcome;
use crate::plan::naming::CloudName;
use crate::plan::record::Publication;

impl Run<'_> {
    pub(super) async fn add_finalizer(&mut self) -> Result<Outcome, ReconcileError> {
        let readiness = Readiness {
            reason: ConditionReason::Provisioning,
            message: "a load balancer is being asked for".into(),
        };
        let change = ServicePatch {
            finalizer: Some(true),
            readiness: Some(&readiness),
            ..ServicePatch::default()
        };
        self.patch(&change).await?;
        // The precondition made this the live object.
        if self.done.object.metadata.deletion_timestamp.is_some() {
            return Err(ReconcileError::Changed);
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn confirm_live(&mut self) -> Result<Outcome, ReconcileError> {
        let live = self.live().await?;
        // Whatever else somebody writes to it all the time, the plan read no more.
        let metadata_keys = &self.context.metadata_keys;
        let unchanged = view(&live, metadata_keys) == view(&self.done.object, metadata_keys);
        self.remember(live);
        if unchanged {
            Ok(Outcome::Done)
        } else {
            Err(ReconcileError::Changed)
        }
    }

    pub(super) async fn publish(
        &mut self,
        clouds: &BTreeSet<CloudName>,
    ) -> Result<Outcome, ReconcileError> {
        let publication = self.done.observed.publication(clouds);
        let readiness = readiness(
            self.service,
            &self.done,
            self.context.metadata_keys.prefix(),
        );
        let change = ServicePatch {
            publication: Some(&publication),
            readiness: readiness.as_ref(),
            ..ServicePatch::default()
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
    ) -> Result<Outcome, ReconcileError> {
        let change = ServicePatch {
            finalizer: Some(false),
            publication: Some(&Publication::default()),
            keep_ingress: !clear_status,
            remove_condition: true,
            ..ServicePatch::default()
        };
        match self.patch(&change).await {
            Ok(()) | Err(ReconcileError::Kubernetes(KubernetesError::Gone)) => Ok(Outcome::Done),
            Err(failure) => Err(failure),
        }
    }

    /// Writes, and keeps the answer as the state that the next write starts from.
    async fn patch(&mut self, change: &ServicePatch<'_>) -> Result<(), ReconcileError> {
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
    pub(super) async fn live(&self) -> Result<Service, ReconcileError> {
        let live = self.context.services.get(&self.service.view.key).await?;
        let same = live
            .filter(|live| live.metadata.uid.as_deref() == Some(self.service.view.uid.as_str()));
        Ok(same.ok_or(KubernetesError::Gone)?)
    }

    fn remember(&mut self, object: Service) {
        self.done.object = Arc::new(object);
        self.context
            .mutation_cache
            .record(&self.service.view.uid, self.done.object.clone());
    }
}
