//! The effects on the Service. Each starts from the newest state that is known,
//! and its answer is what the next one starts from.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;

use super::{Executor, Interruption};
use crate::controller::error::{ReconcileError, Unfinished};
use crate::controller::report::condition;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::service::view;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::naming::CloudName;
use crate::plan::record::Publication;
use crate::plan::{Observed, Outcome};

impl Executor<'_> {
    pub(super) async fn add_finalizer(&mut self) -> Result<Outcome, Interruption> {
        let readiness = Readiness {
            reason: ConditionReason::Provisioning,
            message: "a load balancer is being asked for".into(),
        };
        let patch = ServicePatch {
            finalizer: Some(true),
            readiness: Some(&readiness),
            ..ServicePatch::default()
        };
        self.patch(&patch).await?;
        // The precondition made this the live object.
        if self.object.metadata.deletion_timestamp.is_some() {
            return Err(ReconcileError::Changed.into());
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn confirm_live(&mut self) -> Result<Outcome, Interruption> {
        let live = self.live().await?;
        // Fields that the plan does not read may be written all the time.
        let keys = &self.context.metadata_keys;
        let unchanged = view(&live, keys) == view(&self.object, keys);
        self.record(live);
        if unchanged {
            Ok(Outcome::Done)
        } else {
            Err(ReconcileError::Changed.into())
        }
    }

    pub(super) async fn publish(
        &mut self,
        clouds: &BTreeSet<CloudName>,
        observed: &Observed,
    ) -> Result<Outcome, Interruption> {
        let publication = observed.publication(clouds);
        let errors = self.errors.iter().map(Unfinished::Failed);
        let unfinished = errors.chain(self.waiting.iter().map(Unfinished::Waiting));
        let prefix = self.context.metadata_keys.prefix();
        let readiness = condition::readiness(self.service, observed, unfinished, prefix);
        let patch = ServicePatch {
            publication: Some(&publication),
            readiness: readiness.as_ref(),
            ..ServicePatch::default()
        };
        self.patch(&patch).await?;
        Ok(Outcome::Done)
    }

    pub(super) async fn remove_finalizer(
        &mut self,
        clear_status: bool,
    ) -> Result<Outcome, Interruption> {
        let patch = ServicePatch {
            finalizer: Some(false),
            publication: Some(&Publication::default()),
            keep_ingress: !clear_status,
            remove_condition: true,
            ..ServicePatch::default()
        };
        match self.patch(&patch).await {
            Ok(()) | Err(ReconcileError::Kubernetes(KubernetesError::Gone)) => Ok(Outcome::Done),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the Service that load balancers were created for is gone:
    /// kube-apiserver was seen to accept a finalizer patch that raced a DELETE,
    /// after which the object was gone all the same.
    pub(super) async fn is_service_gone(&self) -> bool {
        matches!(
            self.live().await,
            Err(ReconcileError::Kubernetes(KubernetesError::Gone))
        )
    }

    /// Writes, and keeps the answer as the state that the next write starts from.
    async fn patch(&mut self, patch: &ServicePatch<'_>) -> Result<(), ReconcileError> {
        let answer = self
            .context
            .services
            .patch(self.leadership, &self.object, patch)
            .await;
        match answer {
            Ok(Some(written)) => self.record(written),
            Ok(None) => {}
            Err(KubernetesError::Conflict) => {
                // The watch will show the newer state; the next attempt need not wait for it.
                if let Ok(live) = self.live().await {
                    self.record(live);
                }
                return Err(KubernetesError::Conflict.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The live object, if it still is the Service that was planned for.
    async fn live(&self) -> Result<Service, ReconcileError> {
        let live = self.context.services.get(&self.service.view.key).await?;
        let same = live
            .filter(|live| live.metadata.uid.as_deref() == Some(self.service.view.uid.as_str()));
        Ok(same.ok_or(KubernetesError::Gone)?)
    }

    fn record(&mut self, object: Service) {
        self.object = Arc::new(object);
        let cache = &self.context.memory.mutation_cache;
        cache.record(&self.service.view.uid, self.object.clone());
    }
}
