//! The values that pass between the steps of one attempt to reconcile a Service.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::{ReconcileError, Unfinished};
use super::memory::left_calls::{OutdatedFailure, Tried};
use super::memory::own_writes::Part;
use super::observe::cloud_query::QueryResult;
use super::workqueue::Need;
use crate::cloud::CloudError;
use crate::kubernetes::node_watch::NodeSet;
use crate::kubernetes::service_object::Service;
use crate::plan::kept::Unmet;
use crate::plan::load_balancer::State;
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::service::ServiceView;
use crate::plan::{Action, Backends, Desired, Observed, Waiting};
use crate::reason::Reason;

/// A hash of the user's input in a Service. A change of it ends every delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecHash(u64);

impl SpecHash {
    /// The hash of a Service's spec and annotations, without our own annotations.
    pub fn of(service: &ServiceView) -> Self {
        let mut hasher = DefaultHasher::new();
        service.user_input().hash(&mut hasher);
        Self(hasher.finish())
    }

    /// That of a Service that cannot be read: the hash of the fields that cannot.
    pub fn of_unreadable(fields: &[&str]) -> Self {
        let mut hasher = DefaultHasher::new();
        fields.hash(&mut hasher);
        Self(hasher.finish())
    }

    #[cfg(test)]
    pub const fn for_test(hash: u64) -> Self {
        Self(hash)
    }
}

/// The state of a Service at the beginning of an attempt.
#[derive(Clone)]
pub struct ObservedService {
    /// The object from which the writes of the attempt start.
    pub object: Arc<Service>,
    /// The parts of the object that the plan reads.
    pub view: ServiceView,
    pub desired: Desired,
    pub spec_hash: SpecHash,
    /// `None` until all Nodes are listed.
    pub nodes: Option<NodeSet>,
    /// Whether every load balancer served, by our condition: its status was "True", or
    /// only Nodes were missing.
    pub was_ready: bool,
    /// What earlier attempts know of the values that the clouds show otherwise than requested.
    pub unmet: Unmet,
    /// Whether the Service was edited since this leader saw it in sync; `None` if this
    /// leader has not seen that.
    pub is_edited: Option<bool>,
    pub started: Instant,
}

impl ObservedService {
    /// The version of the Nodes; 0 until all are listed.
    pub fn nodes_version(&self) -> u64 {
        self.nodes.as_ref().map_or(0, |nodes| nodes.version)
    }

    /// What an update of this attempt is made for.
    pub fn tried(&self) -> Tried {
        Tried {
            spec_hash: self.spec_hash,
            nodes: self.nodes_version(),
        }
    }

    /// The Service as an invalid one, if it asks for a change that its load balancers cannot
    /// make.
    pub fn refused(&self, observed: &Observed) -> Option<Self> {
        let desired = self.desired.refused(observed)?;
        Some(Self {
            desired,
            ..self.clone()
        })
    }
}

/// The end of an attempt after its first steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Skip {
    /// There is nothing to do, or an input is missing: a change triggers the next
    /// attempt.
    UntilChange,
    /// The delay of the Service has not passed yet.
    For(Duration),
    /// The Service has a value that cannot be read; a change triggers the next attempt.
    Unreadable,
    /// A cloud that the attempt would call has no place free.
    UntilPlace(Need),
}

/// The state of the clouds for a Service.
pub struct ObservedClouds {
    /// The input of the plan.
    pub observed: Observed,
    /// The errors of the clouds that could not be queried.
    pub errors: BTreeMap<CloudName, CloudError>,
    /// The load balancers that the Service's record names and that belong to another
    /// owner.
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
    /// Updates of earlier attempts that failed meanwhile.
    pub outdated: Vec<OutdatedFailure>,
}

impl ObservedClouds {
    /// The state that queries have shown so far.
    pub fn of(
        view: &ServiceView,
        unmet: Unmet,
        backends: Backends,
        results: impl IntoIterator<Item = (CloudName, QueryResult)>,
    ) -> Self {
        let observed = Observed {
            unmet,
            ..Observed::of_service(view, backends)
        };
        let mut clouds = Self {
            observed,
            errors: BTreeMap::new(),
            disowned: Vec::new(),
            outdated: Vec::new(),
        };
        for (name, result) in results {
            let QueryResult {
                view,
                disowned,
                outdated,
            } = result;
            clouds.outdated.extend(outdated);
            clouds
                .disowned
                .extend(disowned.map(|id| (name.clone(), id)));
            clouds.observed.clouds.insert(name, view);
        }
        clouds.observed.resolve_unmet();
        clouds
    }
}

/// The action on one cloud that repairs a change made outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// The load balancer that was changed; `None` if it was deleted.
    pub changed: Option<LoadBalancerId>,
    /// Whether this is the first attempt at the repair.
    pub is_new: bool,
    /// The time until its slot; `None` once the slot has come.
    pub wait: Option<Duration>,
}

/// The repairs in a plan, by cloud.
pub type Repairs = BTreeMap<CloudName, Repair>;

/// The result of applying a plan.
pub struct ApplyResult {
    /// The observed state after the last action.
    pub observed: Observed,
    /// The newest known state of the Service.
    pub object: Arc<Service>,
    /// The actions that succeeded, in order.
    pub actions: Vec<Action>,
    /// The errors, in order.
    pub errors: Vec<ReconcileError>,
    /// The last errors of the clouds without which the attempt went on.
    pub resting: Vec<Arc<ReconcileError>>,
    /// The waits, which are not errors.
    pub waiting: BTreeSet<Waiting>,
    /// As in [`ObservedClouds`].
    pub disowned: Vec<(CloudName, LoadBalancerId)>,
    /// The repairs of drift, those that wait for their slot included.
    pub repairs: Repairs,
    /// The parts of the Service that another writer had changed, and that were restored.
    pub restored: BTreeSet<Part>,
    /// Whether an update was left behind.
    pub left_updates: bool,
}

impl ApplyResult {
    /// The errors, those of clouds that rest too.
    pub fn failures(&self) -> impl Iterator<Item = &ReconcileError> {
        self.errors
            .iter()
            .chain(self.resting.iter().map(Arc::as_ref))
    }

    /// The errors, those of clouds that rest too, then the waits.
    pub fn unfinished(&self) -> impl Iterator<Item = Unfinished<'_>> {
        Unfinished::all(self.failures(), &self.waiting)
    }

    /// Why the Service itself is refused; `None` if it is not.
    pub fn refusal(&self) -> Option<Reason> {
        let mut waiting = self.waiting.iter();
        let invalid = waiting.find(|waiting| matches!(waiting, Waiting::Invalid(_)))?;
        Some(Unfinished::Waiting(invalid).reason())
    }

    /// The clouds on which a repair waits for its slot.
    pub fn queued_repairs(&self) -> impl Iterator<Item = &CloudName> {
        self.waiting.iter().filter_map(|waiting| match waiting {
            Waiting::RepairSlot(cloud) => Some(cloud),
            _ => None,
        })
    }

    /// Whether the attempt created a load balancer, or found one of its name, that is not
    /// as requested: the next attempt updates it.
    pub fn has_unmet_create(&self) -> bool {
        self.actions.iter().any(|action| {
            let Action::Create { cloud, request } = action else {
                return false;
            };
            let found = self.observed.load_balancer(cloud);
            found.is_some_and(|found| found.state == State::Active && !found.meets(&request.spec))
        })
    }

    /// Whether the attempt only changed the addresses of a Service that was ready: another
    /// writer or the cloud had changed them.
    pub fn restores_status(&self, service: &ObservedService) -> bool {
        matches!(self.actions[..], [Action::Publish { .. }])
            && !service.view.published.is_empty()
            && service.view.record == self.observed.record
            && (service.view.published != self.observed.ingress
                || !(self.observed.modes).are_met_by(&service.view.published_modes))
            && service.was_ready
    }
}
