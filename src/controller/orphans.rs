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
use crate::plan::annotation::LB_ID;
use crate::plan::naming::{ClusterId, LoadBalancerId, Owner};
use crate::plan::orphan::Claim;
use crate::plan::{Clouds, Desired, desired};

/// The action to take on an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanPolicy {
    /// Delete them, a few at a time.
    Delete,
    /// Report them by Event, log and metric, and keep them.
    Report,
}

/// The load balancers that a Service claims, for this installation and any other.
///
/// A Service of the watch's store lacks the annotations of other installations, but has
/// their finalizers.
pub fn claim(
    service: &Service,
    keys: &MetadataKeys,
    cluster: &ClusterId,
    clouds: &Clouds,
) -> Claim {
    let view = view(service, keys);
    let desired = view.as_ref().map(|view| desired(view, cluster, clouds));
    let ours = keys.annotation(LB_ID.name);
    let is_of_others =
        |name: &str| MetadataKeys::is_annotation_of_any_prefix(name, LB_ID.name) && name != ours;
    let named = service
        .annotations()
        .filter(|(name, _)| is_of_others(name))
        .flat_map(|(_, ids)| ids.split(','))
        .map(|id| LoadBalancerId::new(id.trim()));
    let mut finalizers = service.finalizers().iter();
    Claim {
        // One that cannot be read may have load balancers.
        is_managed: !matches!(desired, Some(Desired::Unmanaged(_))),
        is_paused: desired == Some(Desired::Paused),
        has_finalizer: finalizers.any(|name| MetadataKeys::is_finalizer_of_any_prefix(name)),
        named_by_others: named.collect(),
        record: view.map(|view| view.record).unwrap_or_default(),
    }
}

impl Context {
    fn claim(&self, service: &Service) -> Claim {
        let clouds = &self.known_clouds().clouds;
        claim(service, &self.metadata_keys, &self.cluster, clouds)
    }

    /// What the Service of an owner claims, by a live read, because the watch may lag;
    /// `None` if the Service is gone. A Service that cannot be read is there, also one whose
    /// UID cannot.
    async fn live_claim(&self, owner: &Owner) -> Result<Option<Claim>, ReconcileError> {
        let live = self.services.get_whole(&owner.service_key()).await?;
        let is_owner = |live: &Service| live.uid().is_none_or(|uid| uid == owner.uid.as_str());
        Ok(live.filter(is_owner).map(|live| self.claim(&live)))
    }
}

/// A reference to a Service that need not exist any more, for an Event about it.
fn reference(owner: &Owner) -> ServiceReference {
    ServiceReference::new(&owner.namespace, &owner.name, owner.uid.as_str())
}
