//! What a reconcile may observe: a Service, each cloud's load balancer, the Nodes.
//!
//! A scene is a short description that shrinks well and reads well; the plan's
//! types are made from it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::Capabilities;
use my_cloud_controller_manager::plan::load_balancer::{
    Addresses, LoadBalancer, LoadBalancerSpec, State,
};
use my_cloud_controller_manager::plan::naming::{
    CloudName, ClusterId, LoadBalancerId, Owner, ServiceKey, ServiceUid,
};
use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::record::{Ingress, Record};
use my_cloud_controller_manager::plan::service::{PortView, ServiceView};
use my_cloud_controller_manager::plan::{
    Backends, CloudView, Clouds, Desired, Observed, Plan, desired, plan,
};

use crate::expected::{address, cloud_name, cluster, id, owner, wanted_spec, without_names};
use crate::world::World;

/// What a reconcile may observe.
#[derive(Clone, Debug)]
pub struct Scene {
    pub kind: Kind,
    pub deleting: bool,
    pub mistake: Mistake,
    pub pause: Pause,
    pub finalizer: bool,
    pub published: Published,
    pub nodes: Nodes,
    /// cloud1, cloud2, cloud3.
    pub clouds: [Cloud; 3],
}

/// What the Service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    LoadBalancer,
    ClusterIp,
    NotEnabled,
    OtherClass,
}

/// What is invalid in the Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    None,
    Bandwidth,
    NodeSelector,
    Protocol,
    CloudName,
}

/// The annotation `paused`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    None,
    On,
    /// Neither a yes nor a no.
    Unclear,
}

/// The addresses in the status of the Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    Nothing,
    /// The address of the load balancer that cloud1 has.
    OfCloud1,
    /// An address that nothing has.
    Stale,
}

/// Nodes that may serve; the back ends of a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    Two,
    One,
    None,
    NoneConfirmed,
}

/// One cloud.
#[derive(Clone, Copy, Debug)]
pub struct Cloud {
    /// Whether the user names it.
    pub named: bool,
    pub recorded: Recorded,
    pub there: There,
    /// Whether a create gives no address yet and a delete is not done at once.
    pub slow: bool,
    /// Whether it keeps neither owners nor names of listeners, as in the basic profile.
    pub forgetful: bool,
}

/// The record of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Nothing,
    Id,
    /// The id of something that this Service does not have.
    WrongId,
}

/// What a cloud has under our name, and whether that can be observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum There {
    Nothing,
    Ours(Ours),
    SomebodyElses,
    NotConfigured,
    Unreachable,
    /// A call to it is still under way.
    Unanswered,
}

/// Our load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ours {
    pub nodes: Nodes,
    pub other_bandwidth: bool,
    pub life: Life,
}

/// The state of our load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Active,
    ActiveWithoutAddress,
    Provisioning,
    Error,
    Deleting,
}

impl Nodes {
    pub fn addresses(self) -> NodeAddresses {
        let count = match self {
            Self::Two => 2,
            Self::One => 1,
            Self::None | Self::NoneConfirmed => 0,
        };
        (0..count)
            .map(|last| IpAddr::from([10, 0, 0, last]))
            .collect()
    }

    pub fn backends(self) -> Backends {
        Backends {
            addresses: self.addresses(),
            none_confirmed: self == Self::NoneConfirmed,
            ..Backends::default()
        }
    }
}

impl Scene {
    /// The load balancer of ours on this cloud, if it shows one.
    pub fn ours(&self, index: usize) -> Option<LoadBalancer> {
        let cloud = &self.clouds[index];
        let There::Ours(ours) = cloud.there else {
            return None;
        };
        let mut spec = self.kept(index, wanted_spec(ours.nodes));
        if ours.other_bandwidth {
            spec.bandwidth = "9M".into();
        }
        let (state, has_address) = match ours.life {
            Life::Active => (State::Active, true),
            Life::ActiveWithoutAddress => (State::Active, false),
            Life::Provisioning => (State::Provisioning, false),
            Life::Error => (State::Error("no capacity".into()), false),
            Life::Deleting => (State::Deleting, true),
        };
        Some(LoadBalancer {
            id: id(index),
            name: owner().load_balancer_name(),
            owner: (!cloud.forgetful).then(owner),
            spec,
            is_understood: true,
            has_other_back_ends: false,
            opaque_listener: None,
            addresses: Addresses {
                ips: has_address.then(|| address(index)).into_iter().collect(),
                ..Addresses::default()
            },
            state,
        })
    }

    /// The part of a requested spec that this cloud keeps.
    pub fn kept(&self, index: usize, spec: LoadBalancerSpec) -> LoadBalancerSpec {
        if self.clouds[index].forgetful {
            without_names(spec)
        } else {
            spec
        }
    }

    /// The configured clouds.
    pub fn configured(&self) -> Clouds {
        let configured = |index: &usize| self.clouds[*index].there != There::NotConfigured;
        (0..self.clouds.len())
            .filter(configured)
            .map(|index| (cloud_name(index), Capabilities::standard()))
            .collect()
    }

    pub fn service(&self) -> ServiceView {
        let named = (0..self.clouds.len()).filter(|index| self.clouds[*index].named);
        let named: Vec<String> = named.map(|index| cloud_name(index).to_string()).collect();
        let provider = match self.mistake {
            Mistake::CloudName => "cloud9".into(),
            _ => named.join(","),
        };
        let bandwidth = match self.mistake {
            Mistake::Bandwidth => "fast",
            _ => "5M",
        };
        let selector = match self.mistake {
            Mistake::NodeSelector => "pool in edge",
            _ => "",
        };
        let enable = (self.kind != Kind::NotEnabled).to_string();
        let paused = match self.pause {
            Pause::None => "no",
            Pause::On => "true",
            Pause::Unclear => "True",
        };
        ServiceView {
            key: ServiceKey {
                namespace: "default".into(),
                name: "web".into(),
            },
            uid: ServiceUid::new("uid"),
            deleting: self.deleting,
            is_load_balancer: self.kind != Kind::ClusterIp,
            class: (self.kind == Kind::OtherClass).then(|| "other".into()),
            refused: Vec::new(),
            too_large: Vec::new(),
            annotations: [
                ("enable", enable),
                ("provider", provider),
                ("lb-bandwidth", bandwidth.into()),
                ("node-selector", selector.into()),
                ("paused", paused.into()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
            ports: vec![PortView {
                name: "http".into(),
                protocol: match self.mistake {
                    Mistake::Protocol => "SCTP".into(),
                    _ => "TCP".into(),
                },
                port: 80,
                node_port: Some(30080),
                app_protocol: None,
            }],
            source_ranges: Vec::new(),
            client_affinity_seconds: None,
            ip_families: Default::default(),
            requires_dual_stack: false,
            health_check_node_port: None,
            requested_ip: None,
            defaults: Default::default(),
            offers: Default::default(),
            finalizer: self.finalizer,
            record: self.record(),
            published: match self.published {
                Published::Nothing => Vec::new(),
                Published::OfCloud1 => vec![Ingress::Ip(address(0))],
                Published::Stale => vec![Ingress::Ip(IpAddr::from([192, 0, 2, 99]))],
            },
            published_modes: Default::default(),
        }
    }

    fn record(&self) -> Record {
        let recorded = self.clouds.iter().enumerate();
        let recorded = recorded.filter_map(|(index, cloud)| match cloud.recorded {
            Recorded::Nothing => None,
            Recorded::Id => Some((cloud_name(index), id(index))),
            Recorded::WrongId => Some((cloud_name(index), LoadBalancerId::new("lb-wrong"))),
        });
        recorded.collect()
    }

    /// The world in which only this Service lives.
    pub fn world(&self) -> World {
        let mut world = World {
            services: Default::default(),
            clouds: Default::default(),
            configured: self.configured(),
            backends: self.nodes.backends(),
            torn: Default::default(),
            owners: Default::default(),
            saved: Default::default(),
        };
        world.add(self.service());
        let mut has_any = false;
        for (index, cloud) in self.clouds.iter().enumerate() {
            let mut there = crate::cloud::Cloud {
                unreachable: matches!(cloud.there, There::Unreachable | There::Unanswered),
                slow: cloud.slow,
                forgetful: cloud.forgetful,
                ..Default::default()
            };
            if let Some(ours) = self.ours(index) {
                there.put(ours);
                has_any = true;
            }
            if cloud.there == There::SomebodyElses {
                there.put_theirs(under_our_name(index));
            }
            world.clouds.insert(cloud_name(index), there);
        }
        if has_any && !self.finalizer {
            world.torn.insert(owner().uid);
        }
        world
    }

    /// Everything that is there, even where the controller would not query.
    pub fn observed(&self) -> Observed {
        let mut observed = Observed::of_service(&self.service(), self.nodes.backends());
        for (index, cloud) in self.clouds.iter().enumerate() {
            let view = match (cloud.there, self.ours(index)) {
                (_, Some(ours)) => CloudView::Present(Box::new(ours)),
                (There::SomebodyElses, _) => CloudView::NameTaken,
                (There::NotConfigured, _) => CloudView::NotConfigured,
                (There::Unreachable, _) => CloudView::Unreachable,
                (There::Unanswered, _) => CloudView::Unanswered,
                (There::Nothing | There::Ours(_), _) => CloudView::Absent,
            };
            observed.clouds.insert(cloud_name(index), view);
        }
        observed
    }

    pub fn desired(&self) -> Desired {
        desired(&self.service(), &cluster(), &self.configured())
    }

    pub fn plan(&self) -> Plan {
        plan(&self.desired(), &self.observed())
    }

    /// The same scene with this cloud only.
    pub fn with_only(&self, cloud: &CloudName) -> Self {
        let mut scene = self.clone();
        for (index, other) in scene.clouds.iter_mut().enumerate() {
            if cloud_name(index) != *cloud {
                other.named = false;
                other.recorded = Recorded::Nothing;
                other.there = There::Nothing;
            }
        }
        scene
    }

    /// The clouds that a managed Service wants; `None` for one that is not managed.
    pub fn wanted_clouds(&self) -> Option<BTreeSet<CloudName>> {
        match self.desired() {
            Desired::Managed(wanted) => Some(wanted.clouds),
            _ => None,
        }
    }
}

/// A load balancer of another cluster that has the name of ours.
fn under_our_name(index: usize) -> LoadBalancer {
    let of_another = Owner {
        cluster: ClusterId::new("another"),
        ..owner()
    };
    LoadBalancer {
        id: LoadBalancerId::new(format!("theirs-{}", index + 1)),
        name: owner().load_balancer_name(),
        owner: Some(of_another),
        spec: wanted_spec(Nodes::One),
        is_understood: true,
        has_other_back_ends: false,
        opaque_listener: None,
        addresses: Addresses {
            ips: vec![address(100 + index)],
            ..Addresses::default()
        },
        state: State::Active,
    }
}
