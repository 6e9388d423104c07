//! The rule for suspected orphans: load balancers that are provably ours and that no
//! Service has, and those of others that are attached to a Service which does not have them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::annotation::{DELETION_POLICY, DeletionPolicy};
use super::capabilities::{Clouds, Feature};
use super::load_balancer::{LoadBalancer, State};
use super::naming::{CloudName, ClusterId, LoadBalancerId, Owner};
use super::record::Record;
use super::service::ServiceView;

/// What an existing Service says about the load balancers that it may have.
///
/// Several installations may run in one cluster, each with another prefix. A Service
/// that none of them has released keeps its load balancers, even if this installation
/// does not manage it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Whether this installation manages the Service, or has not released it yet.
    pub is_managed: bool,
    /// Whether its user has paused it, or it cannot be read: it keeps its duplicates too, and
    /// what it is attached to.
    pub is_left_alone: bool,
    /// Whether the Service has the finalizer of an installation, of whatever prefix.
    pub has_finalizer: bool,
    /// The ids in the records of other installations: the annotations `lb-id` with
    /// another prefix than ours.
    pub named_by_others: BTreeSet<LoadBalancerId>,
    /// Our record.
    pub record: Record,
    /// What `existing-lb` names, whether or not the configuration offers it.
    pub existing: Option<LoadBalancerId>,
    /// What the Service says about the end of its load balancers.
    pub policy: StatedPolicy,
}

impl Claim {
    /// Whether the Service has, or asks for, this load balancer. (Two clouds with one account
    /// show the same load balancers.)
    fn leads_to(&self, id: &LoadBalancerId) -> bool {
        self.existing.as_ref() == Some(id) || self.record.ids().any(|recorded| recorded == id)
    }
}

/// What a Service says, or said last, about the end of its load balancers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StatedPolicy {
    #[default]
    Delete,
    Retain,
    /// Neither.
    Unclear,
}

impl StatedPolicy {
    pub fn of(service: &ServiceView) -> Self {
        match DELETION_POLICY.value(&service.annotations) {
            Ok(DeletionPolicy::Delete) => Self::Delete,
            Ok(DeletionPolicy::Retain) => Self::Retain,
            Err(_) => Self::Unclear,
        }
    }
}

/// The load balancers that one cloud shows.
#[derive(Clone, Debug)]
pub struct Shown<'a> {
    cloud: &'a CloudName,
    by_id: BTreeMap<&'a LoadBalancerId, &'a LoadBalancer>,
}

impl<'a> Shown<'a> {
    pub fn new(cloud: &'a CloudName, found: impl IntoIterator<Item = &'a LoadBalancer>) -> Self {
        let by_id = found.into_iter().map(|found| (&found.id, found)).collect();
        Self { cloud, by_id }
    }

    /// Whether the cloud has this load balancer of an owner, or it is attached to the Service,
    /// and is not being deleted.
    fn has(&self, id: &LoadBalancerId, owner: &Owner) -> bool {
        self.by_id.get(id).is_some_and(|found| {
            let shown = service_owner(found, &owner.cluster);
            found.state != State::Deleting && shown.as_deref() == Some(owner)
        })
    }
}

/// The reason for which a load balancer of ours seems to have no Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// The Service is gone, or it is not managed and no installation has a mark on it.
    NoService,
    /// The Service has another load balancer on the cloud, which is in its record. A
    /// create that took effect late leaves this where creates are not idempotent.
    Duplicate { recorded: LoadBalancerId },
    /// Others made it, and the Service neither has it in its record nor asks for it. An
    /// attachment that took effect late leaves this.
    NotAskedFor,
}

/// The owner of a load balancer that is ours by every proof: by the id of the cluster
/// and by the derived name; or that of the Service to which one of others is attached. An
/// owner that no Service can have is not ours, because we never wrote it.
pub fn service_owner<'a>(found: &'a LoadBalancer, cluster: &ClusterId) -> Option<Cow<'a, Owner>> {
    let owner = found.owner.as_ref()?;
    let is_ours = owner.cluster == *cluster
        && (owner.is_on_existing() || owner.load_balancer_name() == found.name)
        && owner.service_key().is_valid();
    is_ours.then(|| owner.of_service())
}

/// Why a load balancer may be an orphan; `None` if it is not ours by every proof, or if
/// the Service of its owner has it. `claim` is that Service's; `None` if there is no such
/// Service.
///
/// This is only a suspicion: the claim may be out of date, so a live read decides.
pub fn suspect(
    found: &LoadBalancer,
    cluster: &ClusterId,
    claim: Option<&Claim>,
    shown: &Shown<'_>,
) -> Option<Suspicion> {
    let owner = service_owner(found, cluster)?;
    let Some(claim) = claim else {
        return Some(Suspicion::NoService);
    };
    if claim.named_by_others.contains(&found.id) {
        return None;
    }
    if !claim.is_managed {
        return (!claim.has_finalizer).then_some(Suspicion::NoService);
    }
    if claim.is_left_alone {
        return None;
    }
    if found.existing_owner().is_some() {
        return (!claim.leads_to(&found.id)).then_some(Suspicion::NotAskedFor);
    }
    let recorded = claim.record.get(shown.cloud)?;
    // Two clouds with one account show the same load balancers.
    let is_recorded = claim.record.ids().any(|id| *id == found.id);
    let is_duplicate = !is_recorded && shown.has(recorded, &owner);
    is_duplicate.then(|| Suspicion::Duplicate {
        recorded: recorded.clone(),
    })
}

/// What becomes of an orphan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Delete,
    /// Our owner is taken off, and it stays at its cloud.
    Release,
    /// Others made it: the listeners of the Service and our owner are taken off.
    Detach,
    /// It stays as it is.
    Keep(WhyKept),
}

/// The reason for which an orphan is neither deleted nor released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyKept {
    /// It is to be retained, and its cloud cannot take owners off, or has not told yet that it can.
    CannotRelease,
    /// The Service says neither that it is to be deleted nor that it is to be retained.
    UnclearPolicy,
    /// Others made it, and its cloud cannot let go of it, or has not told yet that it can.
    CannotDetach,
    /// Others made it, and it has something that is not known here and an update would take away.
    NotKnown,
}

/// What becomes of an orphan on a cloud. A load balancer that is deleted does not come back, so
/// the policy of its Service is followed also if the Service has lost our finalizer. What others
/// made is never deleted, whatever the policy says.
pub fn fate(
    found: &LoadBalancer,
    suspicion: &Suspicion,
    policy: StatedPolicy,
    cloud: &CloudName,
    clouds: &Clouds,
) -> Fate {
    let can = |feature| clouds.get(cloud).is_some_and(|can| can.has(feature));
    if found.existing_owner().is_some() {
        return match can(Feature::Attach) && can(Feature::Release) {
            false => Fate::Keep(WhyKept::CannotDetach),
            true if found.is_whole() => Fate::Detach,
            true => Fate::Keep(WhyKept::NotKnown),
        };
    }
    match (suspicion, policy) {
        // The policy is about the other one, which the Service has.
        (Suspicion::Duplicate { .. }, _) => Fate::Delete,
        // Only of what others made, which is above.
        (Suspicion::NotAskedFor, _) => Fate::Keep(WhyKept::CannotDetach),
        (Suspicion::NoService, StatedPolicy::Delete) => Fate::Delete,
        (Suspicion::NoService, StatedPolicy::Retain) if can(Feature::Release) => Fate::Release,
        (Suspicion::NoService, StatedPolicy::Retain) => Fate::Keep(WhyKept::CannotRelease),
        (Suspicion::NoService, StatedPolicy::Unclear) => Fate::Keep(WhyKept::UnclearPolicy),
    }
}

#[cfg(test)]
mod tests;
