//! A state of the world: the API server, the clouds, two replicas, and what is
//! under way between them.

use my_cloud_controller_manager::plan::Plan;
use my_cloud_controller_manager::plan::execution::Execution;
use my_cloud_controller_manager::plan::record::Publication;

use crate::rules::Rule;
use crate::shared::Shared;
use crate::world::World;

/// How many clouds there are.
pub const CLOUDS: u8 = 2;

/// A load balancer's id: the cloud, the Service UID that its name is derived
/// from, and how many of that name the cloud had made before. Never used again.
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
    /// Whether the cloud says that the Service of this name owns it, or somebody else.
    pub is_ours: bool,
    /// Which of two bandwidths it has.
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

/// What the user asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wish {
    pub kind: Kind,
    /// The clouds named, as a set of bits.
    pub clouds: u8,
    pub bandwidth: u8,
}

/// Whether the Service asks for a load balancer at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    LoadBalancer,
    ClusterIp,
    NotEnabled,
}

/// The Service object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// `metadata.resourceVersion`; only order and equality mean something.
    pub version: u8,
    pub facts: Facts,
}

/// All of a Service but its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facts {
    pub uid: u8,
    pub deleting: bool,
    pub finalizer: bool,
    pub wish: Wish,
    /// Record and addresses.
    pub says: Shared<Publication>,
}

/// A change that somebody asked for and nobody waits for any more. It may
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
    /// A patch of the Service, preconditioned on `from`.
    Patch {
        from: u8,
        to: Facts,
    },
}

/// One replica of the controller.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Replica {
    /// Whether it believes that it leads.
    pub leads: bool,
    /// What its watch shows; `None` before the first list.
    pub cache: Option<Option<Object>>,
    /// Its newest own write that the watch has not shown yet.
    pub own: Option<Object>,
    /// What it takes the clouds to have.
    pub inventory: Vec<Balancer>,
    /// The reconcile under way.
    pub run: Option<Run>,
}

/// A plan being carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    /// The newest state of the Service seen.
    pub object: Object,
    pub execution: Shared<Execution>,
    /// The whole plan, with what is done of it. It decides nothing any more; it
    /// tells states apart that an `Execution` does not.
    pub plan: Shared<Plan>,
}

/// The world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub service: Option<Object>,
    /// The Service as it was one change ago.
    pub earlier: Option<Object>,
    /// All load balancers of all clouds, sorted.
    pub balancers: Vec<Balancer>,
    /// How many load balancers were made, by cloud and UID.
    pub made: [[u8; 2]; CLOUDS as usize],
    /// Requests that may still arrive, sorted.
    pub requests: Vec<Request>,
    pub replicas: [Replica; 2],
    /// Faults that may still happen.
    pub faults: u8,
    /// How many of the user's edits are done.
    pub edits: u8,
    /// Whether the finalizer alone cannot be enough any more: a request got no
    /// answer or came twice, two replicas led, or a deletion raced our
    /// finalizer and won.
    pub doubt: bool,
    pub crimes: Crimes,
}

/// What must never have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Crimes {
    /// A load balancer was deleted that its live Service wanted there.
    pub wrong_delete: bool,
    /// Somebody else's load balancer was changed or deleted.
    pub hijack: bool,
    /// The old load balancer of a move went before a new one served.
    pub gap: bool,
}

impl State {
    /// The load balancers that a request or a look by name finds.
    pub fn by_name(&self, cloud: u8, uid: u8) -> Option<Balancer> {
        let mut all = self.balancers.iter();
        all.find(|found| found.id.cloud == cloud && found.id.uid == uid)
            .copied()
    }

    /// The load balancer of an id.
    pub fn by_id(&self, id: Id) -> Option<Balancer> {
        self.balancers.iter().find(|found| found.id == id).copied()
    }

    /// What one cloud has.
    pub fn on(&self, cloud: u8) -> impl Iterator<Item = Balancer> + '_ {
        let all = self.balancers.iter().copied();
        all.filter(move |found| found.id.cloud == cloud)
    }

    /// The one form of all states that nothing can tell apart: requests that
    /// can have no effect any more are dropped, resourceVersions are numbered
    /// from zero, equal replicas have no order.
    pub fn normalise(&mut self, world: &World) {
        self.balancers.sort_unstable();
        let (service, balancers) = (self.service, std::mem::take(&mut self.balancers));
        self.requests.retain(|request| match request {
            Request::Create { .. } => true,
            Request::Update { id, .. } | Request::Delete { id } => {
                balancers.iter().any(|found| found.id == *id)
            }
            Request::Patch { from, .. } => {
                let fits = |live: Object| live.version == *from || !world.keeps(Rule::Precondition);
                service.is_some_and(fits)
            }
        });
        self.balancers = balancers;
        self.requests.sort_unstable();
        if self.faults == 0 {
            self.earlier = None;
        }
        for replica in &mut self.replicas {
            replica.inventory.sort_unstable();
            let shown = replica.cache.flatten();
            // Mirrors src/controller/own_writes.rs and Context::forget.
            replica.own = replica.own.filter(|own| {
                shown.is_some_and(|shown| {
                    shown.facts.uid == own.facts.uid && shown.version < own.version
                })
            });
        }
        self.renumber();
        self.replicas.sort_unstable();
    }

    /// The newest resourceVersion anybody has seen: normalised, they are
    /// numbered without gaps, so it is below 256.
    pub fn newest_version(&self) -> u8 {
        let replicas = self.replicas.iter().flat_map(|replica| {
            let run = replica.run.map(|run| run.object);
            [replica.cache.flatten(), replica.own, run]
        });
        let objects = replicas.chain([self.service, self.earlier]).flatten();
        let patches = self.requests.iter().map(|request| match request {
            Request::Patch { from, .. } => *from,
            _ => 0,
        });
        let versions = objects.map(|object| object.version).chain(patches);
        versions.max().unwrap_or(0)
    }

    fn renumber(&mut self) {
        let mut used = [false; 256];
        self.for_each_version(|version| used[usize::from(*version)] = true);
        let mut numbers = [0_u8; 256];
        let mut next = 0;
        for (version, is_used) in used.into_iter().enumerate() {
            numbers[version] = next;
            next += u8::from(is_used);
        }
        self.for_each_version(|version| *version = numbers[usize::from(*version)]);
    }

    fn for_each_version(&mut self, mut visit: impl FnMut(&mut u8)) {
        let objects = [&mut self.service, &mut self.earlier].into_iter().flatten();
        objects.for_each(|object| visit(&mut object.version));
        for replica in &mut self.replicas {
            let seen = [
                replica.cache.as_mut().and_then(Option::as_mut),
                replica.own.as_mut(),
            ];
            seen.into_iter()
                .flatten()
                .for_each(|object| visit(&mut object.version));
            if let Some(run) = &mut replica.run {
                visit(&mut run.object.version);
            }
        }
        for request in &mut self.requests {
            if let Request::Patch { from, .. } = request {
                visit(from);
            }
        }
    }
}
