//! The load balancers that a managed Service asks for, and what each of its clouds can have of
//! that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::action::Waiting;
use super::backends::Backends;
use super::capabilities::{Capabilities, Feature};
use super::existing;
use super::health_check::HealthCheck;
use super::load_balancer::{Listener, LoadBalancer, LoadBalancerSpec, Protocol};
use super::naming::{CloudName, LoadBalancerId, Owner};
use super::node_addresses::NodeAddresses;
use super::node_choice::NodeChoice;
use super::port_status::PortError;
use super::problem::{Problem, Subject};
use super::upkeep::Upkeep;

/// The load balancers that a managed Service asks for. With the addresses of the
/// Nodes it gives a [`LoadBalancerSpec`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Wanted {
    pub owner: Owner,
    /// The clouds, with one load balancer on each; never empty.
    pub clouds: BTreeSet<CloudName>,
    /// Which Nodes are back ends.
    pub nodes: NodeChoice,
    /// What the Service declares, without back ends: `nodes` is empty.
    pub(super) template: LoadBalancerSpec,
    /// As in [`Upkeep`].
    pub(super) checking: BTreeSet<CloudName>,
    /// What each of the clouds cannot have of that.
    pub(super) lacks: BTreeMap<CloudName, Lacks>,
    /// What those of the clouds may lack of it that have not told yet what they can do. Only
    /// the back ends change there; never empty for a cloud.
    pub(super) untold: BTreeMap<CloudName, Vec<Problem>>,
    /// Why the load balancers on some of the clouds, not all, cannot be or become what is asked
    /// for. They are only kept up there; never empty for a cloud.
    pub(super) refused: BTreeMap<CloudName, Vec<Problem>>,
    /// The load balancer that others made and the Service asks for, on its only cloud.
    pub(super) existing: Option<LoadBalancerId>,
    /// The most back ends of a load balancer of the spec on each cloud that has it; `None` for
    /// any number. Empty if none of the Service's clouds limits them.
    pub(super) most_back_ends: BTreeMap<CloudName, Option<usize>>,
    /// Where the Service asks for its address, and in which words; `None` if it does not.
    pub(super) asks_for_address: Option<(Subject, String)>,
}

/// What a cloud cannot have of what a Service declares, although the rest of it works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Lacks {
    /// Those of [`DEFAULTED`] that it does not have.
    features: BTreeSet<Feature>,
    /// Never all of them.
    pub(super) ports: Vec<LackingPort>,
}

/// The features of which a Service gets the default, or its preference, without asking for it: a
/// cloud that lacks one decides itself. What a user asks for there is refused beforehand.
const DEFAULTED: [Feature; 7] = [
    Feature::HealthChecks,
    Feature::Internal,
    Feature::ProxyProtocol,
    Feature::AppProtocol,
    Feature::IdleTimeout,
    Feature::Tags,
    Feature::DualStack,
];

impl Lacks {
    /// What a cloud that can do this lacks, before its ports are judged.
    pub(super) fn of(can: Option<&Capabilities>) -> Self {
        let features = DEFAULTED.into_iter();
        let features = features.filter(|feature| can.is_none_or(|can| !can.has(*feature)));
        Self {
            features: features.collect(),
            ports: Vec::new(),
        }
    }

    fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Leaves the settings to the cloud that it lacks.
    fn take_from(&self, spec: &mut LoadBalancerSpec) {
        for listener in &mut spec.listeners {
            self.open(Feature::ProxyProtocol, &mut listener.proxy_protocol);
            self.open(Feature::AppProtocol, &mut listener.app_protocol);
        }
        self.open(Feature::Internal, &mut spec.internal);
        self.open(Feature::IdleTimeout, &mut spec.idle_timeout);
        self.open(Feature::Tags, &mut spec.tags);
        // Prefer, not require: the cloud gives an address of the family that it has.
        if self.has(Feature::DualStack) {
            spec.address_families.clear();
        }
    }

    fn open<T>(&self, feature: Feature, setting: &mut Option<T>) {
        if self.has(feature) {
            *setting = None;
        }
    }
}

/// A port that a cloud cannot have, beside others that it can.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct LackingPort {
    pub protocol: Protocol,
    pub port: u16,
    pub error: PortError,
    pub problem: Problem,
}

impl LackingPort {
    /// Whether the listener is for it.
    pub fn is_of(&self, listener: &Listener) -> bool {
        (self.protocol, self.port) == (listener.protocol, listener.port)
    }

    /// Leaves the health check as a load balancer has it, if the cloud cannot have the one that
    /// is asked for.
    fn keep_check(&self, found: &LoadBalancer, spec: &mut LoadBalancerSpec) {
        let mut shown = found.spec.listeners.iter();
        let shown = shown.find(|shown| self.is_of(shown));
        let (Some(shown), PortError::Annotation) = (shown, self.error) else {
            return;
        };
        for listener in spec.listeners.iter_mut().filter(|one| self.is_of(one)) {
            listener.health_check.clone_from(&shown.health_check);
        }
    }
}

impl Wanted {
    /// The load balancer that others made and the Service asks for.
    pub fn existing(&self) -> Option<&LoadBalancerId> {
        self.existing.as_ref()
    }

    /// What its load balancers get whatever has to wait.
    pub(super) fn upkeep(&self) -> Upkeep {
        Upkeep {
            owner: self.owner.clone(),
            listeners: self.template.listeners.clone(),
            checking: self.checking.clone(),
        }
    }

    /// Whether the load balancer on this cloud has both IP families. One that others made keeps
    /// those that it has.
    pub fn is_dual(&self, cloud: &CloudName) -> bool {
        self.existing.is_none()
            && self.template.address_families.len() > 1
            && !self.lacks(cloud, Feature::DualStack)
    }

    /// The same of a load balancer that exists: one that has both keeps them, although the cloud
    /// may not have told yet, or no more, that it has both.
    pub fn is_dual_for(&self, found: &LoadBalancer, cloud: &CloudName) -> bool {
        let declared = &self.template.address_families;
        let has_all = || declared.iter().all(|family| found.has_family(*family));
        self.is_dual(cloud) || (declared.len() > 1 && has_all())
    }

    /// Whether the load balancer on one of the clouds should have no back end.
    pub fn lacks_nodes(&self, backends: &Backends) -> bool {
        let mut clouds = self.clouds.iter();
        clouds.any(|cloud| backends.addresses_for(self.is_dual(cloud)).is_empty())
    }

    /// The desired spec on one of the clouds, with these back ends.
    pub fn spec(&self, cloud: &CloudName, nodes: &NodeAddresses) -> LoadBalancerSpec {
        self.spec_with(cloud, nodes, |_| false, |_| false)
    }

    /// The desired spec of a load balancer that exists, as it is compared: with the listeners
    /// that it has, although the cloud may tell by now that it does not give them.
    pub fn spec_beside(
        &self,
        found: &LoadBalancer,
        cloud: &CloudName,
        nodes: &NodeAddresses,
    ) -> LoadBalancerSpec {
        let spec = self.spec_with(cloud, nodes, |listener| found.has(listener), |_| false);
        self.beside_others(found, spec)
    }

    /// The same as it is requested: with the health checks and the settings that it has, too. A
    /// request without them would take them away.
    pub fn spec_of(
        &self,
        found: &LoadBalancer,
        cloud: &CloudName,
        nodes: &NodeAddresses,
    ) -> LoadBalancerSpec {
        let has = |listener: &Listener| found.has(listener);
        let mut spec = self.spec_with(cloud, nodes, has, |listener| found.checks(listener));
        if self.lacks(cloud, Feature::HealthChecks) {
            for port in self.lacking_ports(cloud) {
                port.keep_check(found, &mut spec);
            }
        }
        spec.keep_settings(&found.spec);
        self.beside_others(found, spec)
    }

    fn beside_others(&self, found: &LoadBalancer, own: LoadBalancerSpec) -> LoadBalancerSpec {
        match self.existing {
            Some(_) => existing::beside_others(found, own, &self.owner),
            None => own,
        }
    }

    /// What the cloud can have, and what a load balancer there has already.
    fn spec_with(
        &self,
        cloud: &CloudName,
        nodes: &NodeAddresses,
        has: impl Fn(&Listener) -> bool,
        is_checked: impl Fn(&Listener) -> bool,
    ) -> LoadBalancerSpec {
        let mut spec = self.template.clone();
        spec.nodes.clone_from(nodes);
        let Some(lacks) = self.lacks.get(cloud) else {
            return spec;
        };
        spec.listeners.retain(|listener| {
            has(listener) || !lacks.ports.iter().any(|port| port.is_of(listener))
        });
        for listener in &mut spec.listeners {
            if lacks.has(Feature::HealthChecks) && !is_checked(listener) {
                listener.health_check = HealthCheck::Unspecified;
            }
        }
        lacks.take_from(&mut spec);
        spec
    }

    /// Whether one of the clouds does not have the feature; of [`DEFAULTED`].
    pub(super) fn lacks(&self, cloud: &CloudName, feature: Feature) -> bool {
        let lacks = self.lacks.get(cloud);
        lacks.is_some_and(|lacks| lacks.has(feature))
    }

    /// Whether the load balancer on one of the clouds is to be for private networks only; `None`
    /// if nobody asks for either, or if the cloud decides.
    pub(super) fn internal(&self, cloud: &CloudName) -> Option<bool> {
        let declared = self.template.internal;
        declared.filter(|_| !self.lacks(cloud, Feature::Internal))
    }

    /// What a user should know of a load balancer that is for private networks only, although
    /// the Service does not say so any more: another one in its place would be public.
    pub fn stays_internal(&self, cloud: &CloudName, found: &LoadBalancer) -> Option<String> {
        let is_asked_for = self.existing.is_some() || self.template.internal.is_some();
        let is_internal = found.spec.internal == Some(true);
        (is_internal && !is_asked_for).then(|| {
            format!(
                "it stays internal on {cloud}, which the Service does not ask for any more; a new one would be public"
            )
        })
    }

    /// The addresses that the Service asks for.
    pub(super) fn addresses(&self) -> &[IpAddr] {
        &self.template.addresses
    }

    pub(super) fn asks_for_address(&self) -> Option<&(Subject, String)> {
        self.asks_for_address.as_ref()
    }

    /// The listeners that the Service declares.
    pub fn listeners(&self) -> &[Listener] {
        &self.template.listeners
    }

    /// The ports that a cloud cannot have.
    pub fn lacking_ports(&self, cloud: &CloudName) -> &[LackingPort] {
        self.lacks.get(cloud).map_or(&[], |lacks| &lacks.ports)
    }

    /// The wait for what a cloud has to tell, or for an edit, before anything but the upkeep
    /// is done there.
    pub(super) fn hold(&self, cloud: &CloudName) -> Option<Waiting> {
        if let Some(problems) = self.untold.get(cloud) {
            return Some(Waiting::Untold(cloud.clone(), problems.clone()));
        }
        let problems = self.refused.get(cloud)?;
        Some(Waiting::Refused(cloud.clone(), problems.clone()))
    }

    /// Whether only back ends change on a cloud.
    pub(super) fn is_held(&self, cloud: &CloudName) -> bool {
        self.is_untold(cloud) || self.is_refused(cloud)
    }

    /// Whether a cloud has not told yet whether it can have it.
    pub fn is_untold(&self, cloud: &CloudName) -> bool {
        self.untold.contains_key(cloud)
    }

    /// Whether the load balancer on a cloud cannot be or become what is asked for.
    pub(super) fn is_refused(&self, cloud: &CloudName) -> bool {
        self.refused.contains_key(cloud)
    }

    /// The same with load balancers that cannot be or become what is asked for.
    pub(super) fn with_refused(self, refused: BTreeMap<CloudName, Vec<Problem>>) -> Self {
        Self { refused, ..self }
    }

    /// The same with clouds that have not told yet whether they can have it.
    pub(super) fn with_untold(self, untold: BTreeMap<CloudName, Vec<Problem>>) -> Self {
        let mut checking = self.checking;
        checking.retain(|cloud| !untold.contains_key(cloud));
        Self {
            untold,
            checking,
            ..self
        }
    }

    /// The problems of all ports that a cloud cannot have.
    pub(super) fn port_problems(&self) -> Vec<Problem> {
        let ports = self.lacks.values().flat_map(|lacks| &lacks.ports);
        ports.map(|port| port.problem.clone()).collect()
    }
}
