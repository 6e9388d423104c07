//! The effects on the Service. Each write starts from the newest known state of
//! the object, and the response to it becomes the newest known state.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Executor, Interruption};
use crate::controller::error::ReconcileError;
use crate::controller::memory::own_writes::changed;
use crate::controller::report::port_errors;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::condition::{ConditionReason, Readiness};
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::kubernetes::service_writer::ServicePatch;
use crate::plan::naming::CloudName;
use crate::plan::record::Publication;
use crate::plan::{Observed, Outcome};

impl Executor<'_> {
    pub(super) async fn add_finalizer(
        &self,
        announced: &BTreeSet<CloudName>,
        observed: &Observed,
    ) -> Result<Outcome, Interruption> {
        let publication = Publication {
            record: observed.announced(announced),
            ..Publication::default()
        };
        let readiness = Readiness::new(ConditionReason::Provisioning, "Ensuring load balancer");
        let still_serves = self.service.was_ready && !self.service.view.record.is_empty();
        let patch = ServicePatch {
            finalizer: Some(true),
            publication: Some(&publication),
            keep_ingress: true,
            // A Service that serves stays ready: on another cloud, or while another writer
            // removes the finalizer alone.
            readiness: (!observed.finalizer && !still_serves).then_some(&readiness),
            ..ServicePatch::default()
        };
        self.patch(&patch).await?;
        // The write's precondition on resourceVersion makes this the live object.
        if self.newest().metadata.deletion_timestamp.is_some() {
            return Err(ReconcileError::Changed.into());
        }
        Ok(Outcome::Done)
    }

    pub(super) async fn confirm_live(&self) -> Result<Outcome, Interruption> {
        let live = self.live().await?;
        // Only the fields that the plan reads are compared: others change often.
        let keys = &self.context.metadata_keys;
        let unchanged = view(&live, keys) == view(&self.newest(), keys);
        self.record_read(live);
        if unchanged {
            Ok(Outcome::Done)
        } else {
            Err(ReconcileError::Changed.into())
        }
    }

    pub(super) async fn publish(
        &self,
        publication: &Publication,
        readiness: Option<&Readiness>,
        observed: &Observed,
    ) -> Result<Outcome, Interruption> {
        let ports = port_errors(self.service, observed, self.context);
        let patch = ServicePatch {
            publication: Some(publication),
            readiness,
            ports: ports.as_ref(),
            ..ServicePatch::default()
        };
        match self.patch(&patch).await {
            Err(ReconcileError::Kubernetes(KubernetesError::Rejected(message)))
                if !publication.ingress.is_empty() =>
            {
                // The load balancers must be on record even if the API server refuses
                // their addresses. The error says so in the condition.
                let patch = ServicePatch {
                    publication: Some(publication),
                    keep_ingress: true,
                    ..ServicePatch::default()
                };
                self.patch(&patch).await?;
                Err(KubernetesError::Rejected(message).into())
            }
            written => {
                written?;
                Ok(Outcome::Done)
            }
        }
    }

    pub(super) async fn remove_finalizer(
        &self,
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

    /// Whether the Service that load balancers were created for is gone.
    /// kube-apiserver can accept a finalizer patch that races a DELETE and remove
    /// the object all the same.
    pub(super) async fn is_service_gone(&self) -> bool {
        matches!(
            self.live().await,
            Err(ReconcileError::Kubernetes(KubernetesError::Gone))
        )
    }

    /// Patches the Service and keeps the response for the next write.
    async fn patch(&self, patch: &ServicePatch<'_>) -> Result<(), ReconcileError> {
        let (context, view) = (self.context, &self.service.view);
        let before = self.newest();
        let changed = changed(&before, patch, &context.metadata_keys);
        let response = context.services.patch(self.leadership, &before, patch);
        let response = response.await;
        match response {
            Ok(Some(written)) => {
                let own_writes = &context.memory.own_writes;
                let restored = own_writes.record(&view.uid, self.service.spec_hash, changed);
                self.restored.lock().extend(restored);
                self.record_written(written);
            }
            Ok(None) => {}
            Err(KubernetesError::Conflict) => {
                // Read the newer state now, so that the next attempt need not wait for
                // the watch.
                if let Ok(live) = self.live().await {
                    self.record_read(live);
                }
                return Err(KubernetesError::Conflict.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The live object.
    ///
    /// # Errors
    /// [`KubernetesError::Gone`] also if the name now belongs to another Service.
    async fn live(&self) -> Result<Service, ReconcileError> {
        let live = self.context.services.get(&self.service.view.key).await?;
        // A UID that cannot be read is no proof that this is another Service.
        let ours = self.service.view.uid.as_str();
        let same = live.filter(|live| live.metadata.uid.as_deref().is_none_or(|uid| uid == ours));
        Ok(same.ok_or(KubernetesError::Gone)?)
    }

    /// The newest known state of the Service.
    fn newest(&self) -> Arc<Service> {
        self.object.lock().clone()
    }

    fn record_written(&self, object: Service) {
        let object = Arc::new(object);
        self.object.lock().clone_from(&object);
        let cache = &self.context.memory.mutation_cache;
        cache.record_written(&self.service.view.uid, object);
    }

    fn record_read(&self, object: Service) {
        let object = Arc::new(object);
        self.object.lock().clone_from(&object);
        let cache = &self.context.memory.mutation_cache;
        cache.record_read(&self.service.view.uid, object);
    }
}
