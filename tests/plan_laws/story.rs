//! Several Services in one world, and what happens to them.

use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{
    ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceKey, ServiceUid,
};

use crate::cloud::Cloud;
use crate::expected::{address, cloud_name, cluster, wanted_spec};
use crate::fault::Fault;
use crate::scene::{Kind, Nodes};
use crate::world::World;

/// The index of a Service's key: there is at most one Service of each at a time.
pub type Slot = usize;

/// Namespace and name of each slot.
const SLOTS: [(&str, &str); 4] = [
    ("default", "web"),
    ("default", "api"),
    ("shop", "web"),
    ("shop", "api"),
];

pub fn key(slot: Slot) -> ServiceKey {
    let (namespace, name) = SLOTS[slot];
    ServiceKey {
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// The UID of the n-th Service (from 1) of a key.
pub fn uid(key: &ServiceKey, nth: usize) -> ServiceUid {
    ServiceUid::new(format!("{key} {nth}"))
}

/// A world without Services, and all that happens in it.
#[derive(Clone, Debug)]
pub struct Story {
    /// cloud1, cloud2, cloud3.
    pub clouds: [CloudSetup; 3],
    pub steps: Vec<Step>,
}

/// A cloud at the start.
#[derive(Clone, Debug)]
pub struct CloudSetup {
    pub slow: bool,
    pub forgetful: bool,
    pub quota: Option<usize>,
    pub theirs: Vec<Theirs>,
}

/// A load balancer that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// Of another cluster, for a Service of the same namespace, name and UID.
    OfAnotherCluster,
    /// Of another cluster, under the name that the first Service would give its own.
    UnderOurName,
    /// Without an owner.
    Unowned,
    /// Of this cluster and of no Service, under a name that we never gave.
    MadeByHand,
}

/// One step of a story.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    User(Edit),
    Reconcile(Slot, Option<Fault>),
    /// The sweep looks at every cloud.
    Sweep,
    /// The clouds finish what they have begun.
    Time,
    Nodes(Nodes),
    /// A cloud (by its index) has room for so many from now on.
    Quota(usize, Option<usize>),
    /// A cloud (by its index) becomes unreachable or reachable.
    Unreachable(usize, bool),
}

/// An edit by a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Creates the Service, or edits the one that is there.
    Apply(Slot, Spec),
    /// Creates the Service again as it was when it was deleted, with the
    /// finalizer, record and addresses of the one that is gone.
    Restore(Slot),
    Delete(Slot),
    /// Removes our finalizer by force.
    TearOff(Slot),
    /// Writes another Service's record and addresses onto a Service.
    Copy(Slot, Slot),
    /// The same with load balancers that are not ours.
    Claim(Slot),
}

/// What a user wants of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    pub kind: Kind,
    /// Which clouds it names.
    pub clouds: [bool; 3],
    pub ports: Ports,
    pub bandwidth: &'static str,
}

/// The ports of a Service: so many, from this one on, every other one for UDP
/// and TCP both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    pub count: u16,
    pub first: u16,
}

impl World {
    /// The world in which a story begins.
    pub fn before(story: &Story) -> Self {
        let mut world = Self {
            services: Default::default(),
            clouds: Default::default(),
            configured: Default::default(),
            backends: Nodes::Two.backends(),
            torn: Default::default(),
            owners: Default::default(),
            saved: Default::default(),
        };
        for (index, setup) in story.clouds.iter().enumerate() {
            let mut cloud = Cloud {
                slow: setup.slow,
                forgetful: setup.forgetful,
                quota: setup.quota,
                ..Cloud::default()
            };
            for theirs in &setup.theirs {
                cloud.put_theirs(theirs.load_balancer());
            }
            world.clouds.insert(cloud_name(index), cloud);
            world
                .configured
                .insert(cloud_name(index), Capabilities::standard());
        }
        world
    }

    /// One step happens.
    ///
    /// # Errors
    /// The invariant that did not hold at some moment.
    pub fn take_step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::User(edit) => self.edit(edit),
            Step::Reconcile(slot, fault) => drop(self.round(&key(slot), fault)?),
            Step::Sweep => self.sweep()?,
            Step::Time => self.time_goes_by(),
            Step::Nodes(nodes) => self.backends = nodes.backends(),
            Step::Quota(index, quota) => self.at(index).quota = quota,
            Step::Unreachable(index, unreachable) => self.at(index).unreachable = unreachable,
        }
        self.check()
            .map_err(|wrong| format!("{wrong} after {step:?}"))
    }

    fn at(&mut self, index: usize) -> &mut Cloud {
        self.clouds.entry(cloud_name(index)).or_default()
    }
}

impl Theirs {
    fn load_balancer(self) -> LoadBalancer {
        let first = Owner {
            cluster: cluster(),
            namespace: SLOTS[0].0.into(),
            name: SLOTS[0].1.into(),
            uid: uid(&key(0), 1),
        };
        let of_another = Owner {
            cluster: ClusterId::new("another"),
            ..first.clone()
        };
        let (owner, name) = match self {
            Self::OfAnotherCluster => {
                let name = of_another.load_balancer_name();
                (Some(of_another), name)
            }
            Self::UnderOurName => (Some(of_another), first.load_balancer_name()),
            Self::Unowned => (None, LoadBalancerName::new("unowned")),
            Self::MadeByHand => {
                let uid = ServiceUid::new("of no Service");
                (
                    Some(Owner { uid, ..first }),
                    LoadBalancerName::new("made-by-hand"),
                )
            }
        };
        LoadBalancer {
            id: LoadBalancerId::new(format!("theirs:{self:?}")),
            name,
            owner,
            spec: wanted_spec(Nodes::One),
            is_understood: true,
            has_other_back_ends: false,
            opaque_listener: None,
            addresses: Addresses {
                ips: vec![address(100 + self as usize)],
                ..Addresses::default()
            },
            state: State::Active,
        }
    }
}

impl Edit {
    /// The slot of the edited Service.
    pub fn slot(self) -> Slot {
        match self {
            Self::Apply(slot, _)
            | Self::Restore(slot)
            | Self::Delete(slot)
            | Self::TearOff(slot)
            | Self::Copy(slot, _)
            | Self::Claim(slot) => slot,
        }
    }
}
