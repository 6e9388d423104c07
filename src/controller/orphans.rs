//! Load balancers whose Service is gone. [`sweep`] finds them in the clouds' lists;
//! [`finalizer_race`] finds them when the watch shows that a Service was removed
//! despite our finalizer.

pub mod finalizer_race;
pub mod sweep;

use kube::ResourceExt;

use super::Context;
use super::error::ReconcileError;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::ServiceReference;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::{ClusterId, Owner};
use crate::plan::{Clouds, Desired, desired};

/// The action to take on an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// Delete them, a few at a time.
    Delete,
    /// Report them by Event, log and metric, and keep them.
    Report,
}

/// Whether a Service may have load balancers of ours: it has our finalizer, or is about to
/// get it, or cannot be read.
pub fn may_have_load_balancers(
    service: &Service,
    keys: &MetadataKeys,
    cluster: &ClusterId,
    clouds: &Clouds,
) -> bool {
    view(service, keys)
        .is_none_or(|view| !matches!(desired(&view, cluster, clouds), Desired::Unmanaged(_)))
}

impl Context {
    fn may_have_load_balancers(&self, service: &Service) -> bool {
        may_have_load_balancers(
            service,
            &self.metadata_keys,
            &self.cluster,
            &self.capabilities,
        )
    }

    /// Whether the Service of an owner is gone or no longer managed, by a live read:
    /// the watch may lag. A Service that cannot be read is there, also one whose UID cannot.
    async fn is_service_gone(&self, owner: &Owner) -> Result<bool, ReconcileError> {
        let live = self.services.get(&owner.service_key()).await?;
        let is_owner = |live: &Service| live.uid().is_none_or(|uid| uid == owner.uid.as_str());
        let live = live.filter(is_owner);
        Ok(live.is_none_or(|live| !self.may_have_load_balancers(&live)))
    }
}

/// A reference to a Service that need not exist any more, for an Event about it.
fn reference(owner: &Owner) -> ServiceReference {
    ServiceReference::new(&owner.namespace, &owner.name, owner.uid.as_str())
}
