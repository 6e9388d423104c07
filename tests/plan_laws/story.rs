//! Several Services in one world, and what happens to them.

use my_cloud_controller_manager::plan::desired::Capabilities;
use my_cloud_controller_manager::plan::load_balancer::{Addresses, LoadBalancer, State};
use my_cloud_controller_manager::plan::naming::{
    ClusterId, LoadBalancerId, LoadBalancerName, Owner, ServiceKey, ServiceUid,
};

use crate::cloud::Cloud;
use crate::executor::Trouble;
use crate::expected::{address, cloud_name, cluster, wanted_spec};
use crate::scene::{Kind, Nodes};
use crate::world::World;

/// A Service's place, by its index: there is at most one of each at a time.
pub type Slot = usize;

/// Namespace and name of each place.
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

/// The UID of the n-th Service (from 1) at a place.
pub fn uid(key: &ServiceKey, nth: usize) -> ServiceUid {
    ServiceUid::new(format!("{key} {nth}"))
}

/// A world without Services, and all that happens in it.
#[derive(Clone, Debug)]
pub struct Story {
    /// cloud1, cloud2, cloud3.
    pub clouds: [Place; 3],
    pub steps: Vec<Step>,
}

/// A cloud at the beginning.
#[derive(Clone, Debug)]
pub struct Place {
    pub slow: bool,
    pub forgetful: bool,
    pub quota: Option<usize>,
    pub theirs: Vec<Theirs>,
}

/// Somebody else's load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theirs {
    /// Of another cluster, for a Service of the same namespace, name and UID.
    OfAnotherCluster,
    /// Of another cluster, under the name that the first Service would give its own.
    UnderOurName,
    /// Of nobody.
    Unowned,
    /// Of this cluster and of no Service, under a name that we never gave.
    MadeByHand,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    User(Act),
    Reconcile(Slot, Option<Trouble>),
    /// The sweep looks at every cloud.
    Sweep,
    /// What is under way at the clouds is done.
    Time,
    Nodes(Nodes),
    /// A cloud (by its index) has room for so many from now on.
    Quota(usize, Option<usize>),
    /// A cloud says nothing any more, or speaks again.
    Silence(usize, bool),
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Creates the Service, or edits the one that is there.
    Apply(Slot, Wish),
    /// Creates the Service again as it was when it was deleted, with the
    /// finalizer, record and addresses of the one that is gone.
    Restore(Slot),
    Delete(Slot),
    /// Takes our finalizer off by force.
    TearOff(Slot),
    /// Writes another Service's record and addresses onto a Service.
    Copy(Slot, Slot),
    /// The same with what is nobody's of ours.
    Claim(Slot),
}

/// What a user wants a Service to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
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
        for (index, place) in story.clouds.iter().enumerate() {
            let mut cloud = Cloud {
                slow: place.slow,
                forgetful: place.forgetful,
                quota: place.quota,
                ..Cloud::default()
            };
            for theirs in &place.theirs {
                cloud.put_theirs(theirs.load_balancer());
            }
            world.clouds.insert(cloud_name(index), cloud);
            world
                .configured
                .insert(cloud_name(index), Capabilities::Full);
        }
        world
    }

    /// One thing happens.
    ///
    /// # Errors
    /// What must never be was, at some moment: says what.
    pub fn happen(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::User(act) => self.act(act),
            Step::Reconcile(slot, trouble) => drop(self.round(&key(slot), trouble)?),
            Step::Sweep => self.sweep()?,
            Step::Time => self.time_goes_by(),
            Step::Nodes(nodes) => self.backends = nodes.backends(),
            Step::Quota(index, quota) => self.at(index).quota = quota,
            Step::Silence(index, silent) => self.at(index).silent = silent,
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
            id: LoadBalancerId::new(format!("theirs: {self:?}")),
            name,
            owner,
            spec: wanted_spec(Nodes::One),
            addresses: Addresses {
                ips: vec![address(100 + self as usize)],
                hostname: None,
            },
            state: State::Active,
        }
    }
}

impl Act {
    /// The Service that it is about.
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
