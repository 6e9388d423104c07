//! Load balancers whose Service is gone. [`sweep`] finds them in the clouds' lists;
//! [`finalizer_race`] finds them when the watch shows that a Service was removed
//! despite our finalizer. Both follow the policy of the Service: what is to be retained is
//! released or kept.

pub mod finalizer_race;
pub mod sweep;

use kube::ResourceExt;

use super::Context;
use super::context::uid;
use super::error::ReconcileError;
use super::memory::last_policies::Last;
use crate::kubernetes::MetadataKeys;
use crate::kubernetes::events::{EventReason, ServiceReference};
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::annotation::{DELETION_POLICY, EXISTING_LB, LB_ID};
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerId, Owner};
use crate::plan::orphan::{Claim, Fate, StatedPolicy, Suspicion, WhyKept, fate};
use crate::plan::service::ServiceView;
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
    let existing = view.as_ref().and_then(|view| {
        let id = EXISTING_LB.optional(&view.annotations);
        id.ok().flatten()
    });
    Claim {
        // One that cannot be read may have load balancers.
        is_managed: !matches!(desired, Some(Desired::Unmanaged(_))),
        is_left_alone: matches!(desired, None | Some(Desired::Paused)),
        has_finalizer: finalizers.any(|name| MetadataKeys::is_finalizer_of_any_prefix(name)),
        named_by_others: named.collect(),
        policy: stated_policy(view.as_ref()),
        existing,
        record: view.map(|view| view.record).unwrap_or_default(),
    }
}

/// What a Service says about the end of its load balancers; nothing clear if it cannot be read.
fn stated_policy(service: Option<&ServiceView>) -> StatedPolicy {
    service.map_or(StatedPolicy::Unclear, StatedPolicy::of)
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

    /// Remembers what a deleted Service, given in its last state, said about the end of its
    /// load balancers.
    pub fn remember_policy(&self, deleted: &Service) {
        if let Some(last) = self.last_words(deleted) {
            self.memory.last_policies.record(last);
        }
    }

    /// Prepares for a new list of all Services: it lacks those that were deleted while the watch
    /// was away, and no event shows their end.
    pub fn begin_list(&self) {
        let services = self.watched.services.state();
        let alive = services.iter().filter_map(|service| uid(service));
        let words = services
            .iter()
            .filter_map(|service| self.last_words(service));
        let before = words.filter(|last| last.policy != StatedPolicy::Delete);
        let last_policies = &self.memory.last_policies;
        last_policies.begin_list(&alive.collect(), before.collect());
    }

    /// Remembers what the Services said that the new list lacks.
    pub fn end_list(&self) {
        let services = self.watched.services.state();
        let alive = services.iter().filter_map(|service| uid(service));
        self.memory.last_policies.end_list(&alive.collect());
    }

    /// What a Service says about the end of its load balancers.
    fn last_words(&self, service: &Service) -> Option<Last> {
        let name = self.metadata_keys.annotation(DELETION_POLICY.name());
        let policy = match service.annotation(&name) {
            None => StatedPolicy::Delete,
            Some(_) => stated_policy(view(service, &self.metadata_keys).as_ref()),
        };
        Some(Last {
            uid: uid(service)?,
            namespace: service.namespace()?,
            policy,
        })
    }

    /// What becomes of an orphan on a cloud. `claim` is that of its Service, or `None` if there
    /// is no such Service.
    fn fate(
        &self,
        (found, suspicion): (&LoadBalancer, &Suspicion),
        owner: &Owner,
        claim: Option<&Claim>,
        cloud: &CloudName,
    ) -> Fate {
        let policy = match claim {
            Some(claim) => claim.policy,
            None => self.memory.last_policies.get(&owner.uid),
        };
        fate(found, suspicion, policy, cloud, &self.known_clouds().clouds)
    }

    /// Reports that a load balancer without a Service was released.
    fn report_retained(&self, cloud: &CloudName, id: &LoadBalancerId, owner: &Owner, why: &str) {
        let service = format!("{}/{}", owner.namespace, owner.name);
        tracing::warn!(%cloud, %id, service, uid = %owner.uid, "took the owner off an orphaned load balancer, which is retained: {why}");
        let note = format!(
            "Load balancer {id} on {cloud} is retained: it has no owner any more, and nobody changes or deletes it from here; {why}"
        );
        let reason = EventReason::RetainedLoadBalancer;
        self.events.emit_for(reference(owner), reason, note);
        self.metrics.inventory.retained(cloud.as_str());
    }

    /// Reports that nothing of a Service is on a load balancer of others any more.
    fn report_detached(&self, cloud: &CloudName, id: &LoadBalancerId, owner: &Owner, why: &str) {
        let service = format!("{}/{}", owner.namespace, owner.name);
        tracing::warn!(%cloud, %id, service, uid = %owner.uid, "detached a Service from a load balancer that others made: {why}");
        let note = format!(
            "Detached from load balancer {id} on {cloud}, which others made: our listeners and our owner are off; {why}"
        );
        let reason = EventReason::OrphanedLoadBalancer;
        self.events.emit_for(reference(owner), reason, note);
    }
}

fn why_kept(why: WhyKept, cloud: &CloudName) -> String {
    match why {
        WhyKept::CannotRelease => format!(
            "it is kept, because deletion-policy is \"retain\" and {cloud} has not told that it can take owners off; delete it there, or set deletion-policy to \"delete\" if the Service exists"
        ),
        WhyKept::CannotDetach => format!(
            "it is kept, because {cloud} has not told that it can attach and release; take our listeners and our owner off there"
        ),
        WhyKept::NotKnown => "it is kept, because the load balancer has something that is not known here and an update would take away; take our listeners and our owner off at the cloud".to_owned(),
        WhyKept::UnclearPolicy => "it is kept, because deletion-policy is neither \"delete\" nor \"retain\"; delete it at the cloud, or correct the annotation if the Service exists".to_owned(),
    }
}

/// A reference to a Service that need not exist any more, for an Event about it.
fn reference(owner: &Owner) -> ServiceReference {
    ServiceReference::new(&owner.namespace, &owner.name, owner.uid.as_str())
}
