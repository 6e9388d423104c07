//! A state of the world: the API server, the clouds, two replicas, and the
//! requests between them.

use my_cloud_controller_manager::plan::execution::Execution;
use my_cloud_controller_manager::plan::record::Publication;

use crate::execution::LaneNumber;
use crate::shared::Shared;

/// The number of clouds.
pub const CLOUDS: u8 = 2;

/// A load balancer's id: the cloud, the Service UID that its name is derived
/// from, and how many of that name the cloud had created before. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    pub cloud: u8,
    pub uid: u8,
    pub nth: u8,
}

/// A load balancer as its cloud has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Balancer {
    pub id: Id,
    /// Whether its owner is the Service of its name, or a stranger.
    pub is_ours: bool,
    /// Whether its owner was taken off: it is nobody's.
    pub is_retained: bool,
    /// One of two bandwidths.
    pub bandwidth: u8,
    pub phase: Phase,
}

/// A load balancer's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Provisioning,
    Active,
    Deleting,
}

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spec {
    pub kind: Kind,
    /// The clouds named, as a set of bits.
    pub clouds: u8,
    pub bandwidth: u8,
    /// Whether its load balancers stay when it ends.
    pub retains: bool,
}

/// Whether the Service wants a load balancer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    LoadBalancer,
    ClusterIp,
    NotEnabled,
}

/// The Service object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// `metadata.resourceVersion`; only order and equality matter.
    pub version: u8,
    pub facts: Facts,
}

/// A Service without its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facts {
    pub uid: u8,
    pub deleting: bool,
    pub finalizer: bool,
    pub spec: Spec,
    /// Record and addresses.
    pub published: Shared<Publication>,
}

/// A request on its way whose sender no longer waits for the response. It may
/// arrive now, later, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Request {
    Create {
        cloud: u8,
        uid: u8,
        bandwidth: u8,
    },
    Update {
        id: Id,
        bandwidth: u8,
    },
    Delete {
        id: Id,
    },
    Release {
        id: Id,
    },
    /// The delete of a load balancer that was created for nobody. It is sent only if a query
    /// has just shown that the load balancer is ours.
    Undo {
        id: Id,
    },
    /// A patch of the Service, preconditioned on `from`.
    Patch {
        from: u8,
        to: Facts,
    },
}

/// One replica of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// Whether the replica believes that it leads.
    pub leads: bool,
    /// The state of its watch; `None` before the first list.
    pub cache: Option<Option<Object>>,
    /// The newest of its writes that its watch has not shown yet.
    pub own_write: Option<Object>,
    /// The load balancers that it believes to exist.
    pub inventory: Vec<Balancer>,
    /// The reconcile under way.
    pub run: Option<Run>,
    /// What earlier ones have left behind at clouds that take long, sorted.
    pub left: Vec<Run>,
}

/// An effect that is under way at a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The reconcile: `None` for the one under way, and the index of one that was left behind.
    pub left: Option<usize>,
    pub lane: LaneNumber,
}

impl Replica {
    /// The reconcile of an effect.
    pub fn run_at(&self, at: At) -> Option<Run> {
        match at.left {
            None => self.run,
            Some(index) => self.left.get(index).copied(),
        }
    }

    /// Replaces the reconcile of an effect by what follows from it.
    pub fn replace(&mut self, at: At, run: Option<Run>) {
        match (at.left, run) {
            (None, run) => self.run = run,
            (Some(index), Some(run)) => self.left[index] = run,
            (Some(index), None) => drop(self.left.remove(index)),
        }
    }

    /// All effects that are under way.
    pub fn under_way(&self) -> impl Iterator<Item = (At, Run)> {
        let left = self.left.iter().copied().enumerate();
        let left = left.map(|(index, run)| (Some(index), run));
        let all = self.run.map(|run| (None, run)).into_iter().chain(left);
        all.flat_map(|(left, run)| run.lanes().map(move |lane| (At { left, lane }, run)))
    }
}

/// A plan being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The newest state of the Service that the replica has seen.
    pub object: Object,
    pub execution: Shared<Execution>,
}

/// The world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub service: Option<Object>,
    /// The Service before its last change.
    pub earlier: Option<Object>,
    /// All load balancers of all clouds, sorted.
    pub balancers: Vec<Balancer>,
    /// How many load balancers were created, by cloud and UID.
    pub created: [[u8; 2]; CLOUDS as usize],
    /// Requests that may still arrive, sorted.
    pub requests: Vec<Request>,
    pub replicas: [Replica; 2],
    /// Faults that may still happen.
    pub faults: u8,
    /// How many of the user's edits are done.
    pub edits: u8,
    /// Whether the finalizer alone no longer guards every load balancer: a
    /// response was lost, a request arrived twice, two replicas led, or a
    /// deletion won a race against our finalizer.
    pub uncertain: bool,
    pub violations: Violations,
}

/// Events that must never happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Violations {
    /// A load balancer was deleted although its live Service wanted it.
    pub wrong_delete: bool,
    /// A stranger's load balancer was changed or deleted.
    pub hijack: bool,
    /// A move deleted the old load balancer before the new one served.
    pub gap: bool,
    /// A load balancer that its live Service no longer wanted was deleted while its address
    /// was published.
    pub published_gone: bool,
    /// A load balancer was deleted that was to be retained.
    pub not_retained: bool,
    /// A create was undone although its load balancer was recorded.
    pub recorded_undone: bool,
}

impl State {
    /// The load balancer that a create or a query finds by its name.
    pub fn by_name(&self, cloud: u8, uid: u8) -> Option<Balancer> {
        let mut all = self.balancers.iter();
        all.find(|found| found.id.cloud == cloud && found.id.uid == uid)
            .copied()
    }

    /// The load balancer of an id.
    pub fn by_id(&self, id: Id) -> Option<Balancer> {
        self.balancers.iter().find(|found| found.id == id).copied()
    }

    /// The load balancers on one cloud.
    pub fn on(&self, cloud: u8) -> impl Iterator<Item = Balancer> + '_ {
        let all = self.balancers.iter().copied();
        all.filter(move |found| found.id.cloud == cloud)
    }
}
