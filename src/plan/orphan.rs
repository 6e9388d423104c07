//! The rule for suspected orphans: load balancers that are provably ours and that no
//! Service has.

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
    /// Whether its user has paused it, so that it keeps its duplicates too.
    pub is_paused: bool,
    /// Whether the Service has the finalizer of an installation, of whatever prefix.
    pub has_finalizer: bool,
    /// The ids in the records of other installations: the annotations `lb-id` with
    /// another prefix than ours.
    pub named_by_others: BTreeSet<LoadBalancerId>,
    /// Our record.
    pub record: Record,
    /// What the Service says about the end of its load balancers.
    pub policy: StatedPolicy,
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

    /// Whether the cloud has this load balancer of an owner, and is not deleting it.
    fn has(&self, id: &LoadBalancerId, owner: &Owner) -> bool {
        self.by_id.get(id).is_some_and(|found| {
            found.state != State::Deleting && provable_owner(found, &owner.cluster) == Some(owner)
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
}

/// The owner of a load balancer that is ours by every proof: by the id of the cluster
/// and by the derived name. An owner that no Service can have is not ours, because we
/// never wrote it.
pub fn provable_owner<'a>(found: &'a LoadBalancer, cluster: &ClusterId) -> Option<&'a Owner> {
    let owner = found.owner.as_ref()?;
    let is_ours = owner.cluster == *cluster
        // Others made it.
        && !owner.is_on_existing()
        && owner.load_balancer_name() == found.name
        && owner.service_key().is_valid();
    is_ours.then_some(owner)
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
    let owner = provable_owner(found, cluster)?;
    let Some(claim) = claim else {
        return Some(Suspicion::NoService);
    };
    if claim.named_by_others.contains(&found.id) {
        return None;
    }
    if !claim.is_managed {
        return (!claim.has_finalizer).then_some(Suspicion::NoService);
    }
    if claim.is_paused {
        return None;
    }
    let recorded = claim.record.get(shown.cloud)?;
    // Two clouds with one account show the same load balancers.
    let is_recorded = claim.record.ids().any(|id| *id == found.id);
    let is_duplicate = !is_recorded && shown.has(recorded, owner);
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
}

/// What becomes of an orphan on a cloud. A load balancer that is deleted does not come back, so
/// the policy of its Service is followed also if the Service has lost our finalizer.
pub fn fate(
    suspicion: &Suspicion,
    policy: StatedPolicy,
    cloud: &CloudName,
    clouds: &Clouds,
) -> Fate {
    let can_release = || {
        let can = clouds.get(cloud);
        can.is_some_and(|can| can.has(Feature::Release))
    };
    match (suspicion, policy) {
        // The policy is about the other one, which the Service has.
        (Suspicion::Duplicate { .. }, _) => Fate::Delete,
        (Suspicion::NoService, StatedPolicy::Delete) => Fate::Delete,
        (Suspicion::NoService, StatedPolicy::Retain) if can_release() => Fate::Release,
        (Suspicion::NoService, StatedPolicy::Retain) => Fate::Keep(WhyKept::CannotRelease),
        (Suspicion::NoService, StatedPolicy::Unclear) => Fate::Keep(WhyKept::UnclearPolicy),
    }
}

#[cfg(test)]
mod tests;
