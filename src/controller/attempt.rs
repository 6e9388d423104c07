//! What passes between the steps of one attempt to reconcile a Service.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Service;

use super::error::{ReconcileError, Unfinished};
use crate::cloud::CloudError;
use crate::kubernetes::node_watch::NodeSet;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::service::ServiceView;
use crate::plan::{Action, Desired, Observed, Waiting};

/// A hash of what the user set on a Service: a change of it ends every delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecHash(u64);

impl SpecHash {
    /// The hash of a Service's spec and annotations, without our own.
    pub fn of(service: &ServiceView) -> Self {
        let mut hasher = DefaultHasher::new();
        service.user_input().hash(&mut hasher);
        Self(hasher.finish())
    }

    #[cfg(test)]
    pub const fn for_test(hash: u64) -> Self {
        Self(hash)
    }
}

/// A Service as it was read for one attempt.
pub struct ObservedService {
    /// The object that every write of the attempt starts from.
    pub object: Arc<Service>,
    /// The parts of the object that the plan reads.
    pub view: ServiceView,
    /// What the Service asks for.
    pub desired: Desired,
    pub spec_hash: SpecHash,
    /// The Nodes; `None` until all are listed.
    pub nodes: Option<NodeSet>,
    /// Whether our condition was true.
    pub was_ready: bool,
    /// When the attempt began.
    pub started: Instant,
}

impl ObservedService {
    /// Version of the Nodes; 0 until all are listed.
    pub fn nodes_version(&self) -> u64 {
        self.nodes.as_ref().map_or(0, |nodes| nodes.version)
    }
}

/// Why an attempt ends after its first steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// There is nothing to do, or not everything that is needed is known yet: a
    /// change triggers the next attempt.
    UntilChange,
    /// A delay has not passed yet.
    For(Duration),
}

impl Skip {
    /// When to try again; `None`: a change triggers the next attempt.
    pub fn requeue_after(self) -> Option<Duration> {
        match self {
            Self::UntilChange => None,
            Self::For(delay) => Some(delay),
        }
    }
}

/// What the clouds have for a Service.
pub struct ObservedClouds {
    /// The input of the plan.
    pub observed: Observed,
    /// The clouds that did not answer, and why.
    pub errors: BTreeMap<CloudName, CloudError>,
    /// Load balancers that the Service's annotations name although another owner
    /// has them.
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
}

/// A cloud's part of a plan that restores what was changed outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The load balancer that was changed; `None`: it was deleted.
    pub changed: Option<LoadBalancerId>,
    /// Whether this is the first attempt at it.
    pub is_new: bool,
    /// Until its slot; `None` once that has come.
    pub wait: Option<Duration>,
}

/// The repairs in a plan, by cloud.
pub type Repairs = BTreeMap<CloudName, Repair>;

/// How applying a plan ended.
pub struct ApplyResult {
    /// What there is now.
    pub observed: Observed,
    /// The newest state of the Service that an answer showed.
    pub object: Arc<Service>,
    /// The actions that succeeded, in order.
    pub actions: Vec<Action>,
    /// What failed, in order.
    pub errors: Vec<ReconcileError>,
    /// What is left undone although nothing failed.
    pub waiting: BTreeSet<Waiting>,
    /// As in [`ObservedClouds`].
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
    /// The repairs of drift, those that wait for their slot included.
    pub repairs: Repairs,
}

impl ApplyResult {
    /// Everything that is left to do: errors first.
    pub fn unfinished(&self) -> impl Iterator<Item = Unfinished<'_>> {
        let errors = self.errors.iter().map(Unfinished::Failed);
        errors.chain(self.waiting.iter().map(Unfinished::Waiting))
    }

    /// The clouds where a repair waits for its slot.
    pub fn queued_repairs(&self) -> impl Iterator<Item = &CloudName> {
        self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::RepairSlot(cloud) => Some(cloud),
            _ => None,
        })
    }

    /// Whether all that was done is to restore the addresses of a Service that
    /// was ready: another writer changes them too.
    pub fn restores_status(&self, service: &ObservedService) -> bool {
        matches!(self.actions[..], [Action::Publish { .. }])
            && !service.view.published.is_empty()
            && service.view.record == self.observed.record
            && service.view.published != self.observed.ingress
            && service.was_ready
    }
}
