//! The desired state of a Service's load balancers, as the Service declares it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use super::action::Waiting;
use super::annotation::{self, DeletionPolicy, Needs, Switch, WhenAbsent};
use super::canonical;
use super::capabilities::{Capabilities, Clouds, Feature, Need};
use super::class::{self, Refused};
use super::health_check::HealthCheck;
use super::load_balancer::{Listener, LoadBalancer, LoadBalancerSpec, Protocol};
use super::naming::{CloudName, ClusterId, Owner};
use super::node_addresses::NodeAddresses;
use super::node_choice::NodeChoice;
use super::observed::Backends;
use super::problem::{Problem, ProblemKind, Subject};
use super::proxy_protocol::ProxyProtocol;
use super::requested_address;
use super::service::{PortView, ServiceView};
use super::service_size::TooLarge;

/// The desired state of a Service's load balancers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Desired {
    /// The Service is not managed and does not have our finalizer: no cloud is called
    /// for it.
    Unmanaged(NotOurs),
    /// The Service is no longer managed: its load balancers are deleted or retained, then our
    /// finalizer, record and condition are removed.
    Released(Release, Disposal),
    /// The Service is managed and its configuration is invalid: until a user edits it,
    /// only the back ends of its load balancers change.
    Invalid(Box<Invalid>),
    /// The Service is managed and its user has paused it: nothing of it changes at the clouds,
    /// and what is published stays.
    Paused,
    Managed(Box<Wanted>),
}

/// The reason for which a Service is not managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum NotOurs {
    /// `spec.type` is not `LoadBalancer`.
    NotLoadBalancer,
    /// The annotation `enable` is missing or says no.
    NotEnabled,
    /// The annotation `enable` says neither yes nor no.
    SwitchUnclear,
    /// `spec.loadBalancerClass` names another controller.
    ForeignClass,
    /// The Service is being deleted and does not have our finalizer.
    Deleting,
}

/// The reason for which a Service is no longer managed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Release {
    /// The Service is being deleted.
    Deleted,
    /// The Service object stays; it no longer asks for our load balancers.
    Stays(NotOurs),
}

/// What becomes of the load balancers of a released Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Disposal {
    Delete,
    /// They stay at their clouds, and our owner is taken off, where a cloud is able to do that.
    Retain {
        able: BTreeSet<CloudName>,
    },
    /// The Service says neither. What is deleted does not come back, so nothing is done.
    Unclear(Problem),
}

/// A managed Service whose configuration is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Invalid {
    pub owner: Owner,
    /// Never empty.
    pub problems: Vec<Problem>,
}

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
    template: LoadBalancerSpec,
    /// What each of the clouds cannot have of that.
    lacks: BTreeMap<CloudName, Lacks>,
    /// What those of the clouds may lack of it that have not told yet what they can do. Only
    /// the back ends change there; never empty for a cloud.
    untold: BTreeMap<CloudName, Vec<Problem>>,
    /// Why the load balancers on some of the clouds, not all, cannot become what is asked for.
    /// Only the back ends change there; never empty for a cloud.
    refused: BTreeMap<CloudName, Vec<Problem>>,
    /// Where the Service asks for its address, and in which words; `None` if it does not.
    asks_for_address: Option<(Subject, String)>,
}

/// What a cloud cannot have of what a Service declares, although the rest of it works.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
struct Lacks {
    /// Those of [`DEFAULTED`] that it does not have.
    features: BTreeSet<Feature>,
    /// Never all of them.
    ports: Vec<LackingPort>,
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
    fn of(can: Option<&Capabilities>) -> Self {
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
    pub problem: Problem,
}

impl LackingPort {
    /// Whether the listener is for it.
    pub fn is_of(&self, listener: &Listener) -> bool {
        (self.protocol, self.port) == (listener.protocol, listener.port)
    }
}

impl Wanted {
    /// Whether the load balancer on this cloud has both IP families.
    pub fn is_dual(&self, cloud: &CloudName) -> bool {
        self.template.address_families.len() > 1 && !self.lacks(cloud, Feature::DualStack)
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
        self.spec_with(cloud, nodes, |listener| found.has(listener), |_| false)
    }

    /// The same as it is requested: with the health checks and the settings that it has, too. A
    /// request without them would take them away.
    pub fn spec_of(
        &self,
        found: &LoadBalancer,
        cloud: &CloudName,
        nodes: &NodeAddresses,
    ) -> LoadBalancerSpec {
        let is_checked = |listener: &Listener| {
            let mut shown = found.spec.listeners.iter();
            shown.any(|shown| shown.is_same_port(listener) && !shown.health_check.is_unspecified())
        };
        let mut spec = self.spec_with(cloud, nodes, |listener| found.has(listener), is_checked);
        spec.keep_settings(&found.spec);
        spec
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
    fn lacks(&self, cloud: &CloudName, feature: Feature) -> bool {
        let lacks = self.lacks.get(cloud);
        lacks.is_some_and(|lacks| lacks.has(feature))
    }

    /// Whether the load balancer on one of the clouds is for private networks only; `None` if
    /// the cloud decides.
    pub(super) fn internal(&self, cloud: &CloudName) -> Option<bool> {
        let declared = self.template.internal;
        declared.filter(|_| !self.lacks(cloud, Feature::Internal))
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

    /// The wait for what a cloud has to tell, or for an edit, before anything but back ends
    /// changes there.
    pub(super) fn hold(&self, cloud: &CloudName) -> Option<Waiting> {
        if let Some(problems) = self.untold.get(cloud) {
            return Some(Waiting::Untold(cloud.clone(), problems.clone()));
        }
        let problems = self.refused.get(cloud)?;
        Some(Waiting::Refused(cloud.clone(), problems.clone()))
    }

    /// Whether a cloud has not told yet whether it can have it.
    pub fn is_untold(&self, cloud: &CloudName) -> bool {
        self.untold.contains_key(cloud)
    }

    /// Whether the load balancer on a cloud cannot become what is asked for.
    pub(super) fn is_refused(&self, cloud: &CloudName) -> bool {
        self.refused.contains_key(cloud)
    }

    /// The same with load balancers that cannot become what is asked for.
    pub(super) fn with_refused(self, refused: BTreeMap<CloudName, Vec<Problem>>) -> Self {
        Self { refused, ..self }
    }

    /// The same with clouds that have not told yet whether they can have it.
    pub(super) fn with_untold(self, untold: BTreeMap<CloudName, Vec<Problem>>) -> Self {
        Self { untold, ..self }
    }

    /// The problems of all ports that a cloud cannot have.
    pub(super) fn port_problems(&self) -> Vec<Problem> {
        let ports = self.lacks.values().flat_map(|lacks| &lacks.ports);
        ports.map(|port| port.problem.clone()).collect()
    }
}

impl Desired {
    /// The desired state of a Service with one more problem, if it is managed.
    pub fn with_problem(self, problem: Problem) -> Self {
        let (owner, mut problems) = match self {
            Self::Managed(wanted) => (wanted.owner, Vec::new()),
            Self::Invalid(invalid) => (invalid.owner, invalid.problems),
            other @ (Self::Unmanaged(_) | Self::Released(..) | Self::Paused) => return other,
        };
        problems.push(problem);
        Self::Invalid(Box::new(Invalid { owner, problems }))
    }
}

/// Derives the desired state from a Service.
///
/// A pause holds up what a managed Service asks for, whatever else is wrong with it. It does not
/// hold up the end of the management: nobody would look after a load balancer whose Service has
/// given it up, and its node ports may belong to another Service by then.
pub fn desired(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    match unpaused(service, cluster, clouds) {
        Desired::Managed(_) | Desired::Invalid(_) if is_paused(service) => Desired::Paused,
        desired => desired,
    }
}

/// Whether its annotation says so. A value that is neither a yes nor a no is invalid instead.
fn is_paused(service: &ServiceView) -> bool {
    annotation::PAUSED.optional(&service.annotations) == Ok(Some(Switch::On))
}

/// The desired state as if the Service was not paused.
fn unpaused(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    // Another writer may have removed the finalizer alone.
    let is_marked = service.finalizer || !service.record.is_empty();
    let switch = annotation::ENABLE.optional(&service.annotations);
    let not_ours = if !service.is_load_balancer {
        Some(NotOurs::NotLoadBalancer)
    } else if service.class.is_some() {
        Some(NotOurs::ForeignClass)
    } else {
        match &switch {
            Ok(Some(Switch::On)) => None,
            Ok(Some(Switch::Off) | None) => Some(NotOurs::NotEnabled),
            Err(_) => Some(NotOurs::SwitchUnclear),
        }
    };
    let released = |release| Desired::Released(release, disposal(service, clouds));
    match (service.finalizer, service.deleting, not_ours) {
        (true, true, _) => released(Release::Deleted),
        // A typing error in the switch must not delete a load balancer.
        (_, false, Some(NotOurs::SwitchUnclear)) if is_marked => {
            Desired::Invalid(Box::new(Invalid {
                owner: service.owner(cluster),
                problems: switch.err().into_iter().collect(),
            }))
        }
        // Only a class of the configuration made it ours.
        (true, false, Some(NotOurs::ForeignClass))
            if switch == Ok(None) && !service.record.is_empty() =>
        {
            let class = service.class.as_deref().unwrap_or_default();
            Desired::Invalid(Box::new(Invalid {
                owner: service.owner(cluster),
                problems: vec![class::gone(class)],
            }))
        }
        (true, false, Some(reason)) => released(Release::Stays(reason)),
        (false, _, Some(reason)) => Desired::Unmanaged(reason),
        (false, true, None) => Desired::Unmanaged(NotOurs::Deleting),
        (_, false, None) => wanted(service, cluster, clouds),
    }
}

/// What the Service says about the end of its load balancers.
pub fn disposal(service: &ServiceView, clouds: &Clouds) -> Disposal {
    match annotation::DELETION_POLICY.value(&service.annotations) {
        Ok(DeletionPolicy::Delete) => Disposal::Delete,
        Ok(DeletionPolicy::Retain) => {
            let able = clouds.iter().filter(|(_, can)| can.has(Feature::Release));
            Disposal::Retain {
                able: able.map(|(cloud, _)| cloud.clone()).collect(),
            }
        }
        Err(problem) => Disposal::Unclear(problem),
    }
}

/// The clouds to query for a Service, in addition to those whose inventory has a
/// load balancer of its name.
///
/// The record has every cloud on which a create was sent, so no other cloud holds up a
/// release. The annotation names further ones if the record is empty, because it was
/// removed or was written by an earlier version; if the annotation is invalid too, every
/// cloud is queried. A cloud that cannot list its load balancers is queried as long as
/// the annotation names it, because nothing else would show what a forged record hides.
pub fn clouds_to_query(
    service: &ServiceView,
    desired: &Desired,
    clouds: &Clouds,
) -> BTreeSet<CloudName> {
    let mut queried: BTreeSet<CloudName> = service.record.clouds().cloned().collect();
    match desired {
        Desired::Unmanaged(_) | Desired::Paused => return BTreeSet::new(),
        // Only what exists is of interest.
        Desired::Invalid(_) => {}
        Desired::Managed(wanted) => queried.extend(wanted.clouds.iter().cloned()),
        Desired::Released(..) => {
            let has_record = !queried.is_empty();
            let lists =
                |cloud: &CloudName| clouds.get(cloud).is_some_and(|can| can.has(Feature::List));
            match chosen_clouds(service, clouds) {
                Ok(named) => {
                    let named = named.into_iter();
                    queried.extend(named.filter(|cloud| !has_record || !lists(cloud)));
                }
                Err(_) if !has_record => queried.extend(clouds.keys().cloned()),
                Err(_) => {}
            }
        }
    }
    queried
}

fn wanted(service: &ServiceView, cluster: &ClusterId, clouds: &Clouds) -> Desired {
    // Other problems may be due to what is missing.
    if !service.too_large.is_empty() {
        let problems = service.too_large.iter().copied();
        return Desired::Invalid(Box::new(Invalid {
            owner: service.owner(cluster),
            problems: problems.map(TooLarge::problem).collect(),
        }));
    }
    let mut problems = Problems::default();
    let chosen = problems.keep(chosen_clouds(service, clouds));
    let template = template(service, &mut problems);
    let nodes = NodeChoice {
        selector: problems.keep(annotation::NODE_SELECTOR.value(&service.annotations)),
        address_type: problems.keep(annotation::NODE_ADDRESS_TYPE.optional(&service.annotations)),
    };
    problems.keep(annotation::PAUSED.optional(&service.annotations));
    problems.keep(annotation::DELETION_POLICY.optional(&service.annotations));
    let Problems(mut problems) = problems;
    problems.extend(service.refused.iter().map(Refused::problem));
    let mut lacks = BTreeMap::new();
    if problems.is_empty() {
        (problems, lacks) = unsupported(&chosen, &template, service, clouds);
    }
    if !problems.is_empty() {
        return Desired::Invalid(Box::new(Invalid {
            owner: service.owner(cluster),
            problems,
        }));
    }
    let asks_for_address =
        (!template.addresses.is_empty()).then(|| requested_address::stated(service));
    Desired::Managed(Box::new(Wanted {
        owner: service.owner(cluster),
        template,
        lacks,
        untold: BTreeMap::new(),
        refused: BTreeMap::new(),
        asks_for_address,
        clouds: chosen,
        nodes,
    }))
}

/// The problems that were found so far.
#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    /// The value; in place of an invalid one any other, because all problems are told at once.
    fn keep<T: Default>(&mut self, value: Result<T, Problem>) -> T {
        value.unwrap_or_else(|problem| {
            self.0.push(problem);
            T::default()
        })
    }
}

/// The spec that a Service declares, without back ends.
fn template(service: &ServiceView, problems: &mut Problems) -> LoadBalancerSpec {
    let annotations = &service.annotations;
    let ports = service.ports.iter().enumerate();
    let listeners = ports.map(|(index, port)| {
        let found = listener(service, index, port);
        found.map(|found| vec![found])
    });
    LoadBalancerSpec {
        nodes: NodeAddresses::default(),
        spec: problems.keep(annotation::LB_SPEC.value(annotations)),
        bandwidth: problems.keep(annotation::LB_BANDWIDTH.value(annotations)),
        algorithm: problems.keep(annotation::ALGORITHM.value(annotations)),
        source_ranges: problems.keep(source_ranges(service)),
        listeners: listeners.flat_map(|found| problems.keep(found)).collect(),
        client_affinity_seconds: service.client_affinity_seconds,
        internal: Some(problems.keep(annotation::INTERNAL.value(annotations))),
        idle_timeout: Some(problems.keep(annotation::IDLE_TIMEOUT.value(annotations))),
        tags: Some(
            problems
                .keep(annotation::TAGS.value(annotations))
                .or(&service.default_tags),
        ),
        addresses: problems.keep(requested_address::declared(service)),
        address_families: service.ip_families.iter().collect(),
    }
}

/// The source ranges in the field, or in the annotation where the field is empty.
fn source_ranges(service: &ServiceView) -> Result<Vec<String>, Problem> {
    if !service.source_ranges.is_empty() {
        return Ok(canonical::ranges(&service.source_ranges));
    }
    annotation::SOURCE_RANGES.value(&service.annotations)
}

/// The clouds that a Service names.
fn chosen_clouds(service: &ServiceView, clouds: &Clouds) -> Result<BTreeSet<CloudName>, Problem> {
    let allowed: Vec<&str> = clouds.keys().map(CloudName::as_str).collect();
    let of_configuration = |problem: Problem| Problem {
        rule: annotation::rule_of_clouds(&allowed),
        example: format!("{:?}", allowed.first().copied().unwrap_or("cloud1")),
        ..problem
    };
    let provider = annotation::PROVIDER;
    let chosen = provider.value(&service.annotations);
    let chosen = chosen.map_err(&of_configuration)?;
    if chosen.iter().all(|cloud| clouds.contains_key(cloud)) {
        return Ok(chosen);
    }
    let value = service.annotations.get(provider.name());
    Err(of_configuration(
        provider.about.problem(value.map(String::as_str)),
    ))
}

fn listener(service: &ServiceView, index: usize, port: &PortView) -> Result<Listener, Problem> {
    let problem = |field: &str, value: Option<String>, rule: &str, example: &str| Problem {
        kind: ProblemKind::Invalid,
        subject: Subject::Field(format!("spec.ports[{index}].{field}")),
        value,
        rule: rule.into(),
        example: example.into(),
    };
    let protocol = match port.protocol.as_str() {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        other => {
            let rule = "load balancers support TCP, UDP and SCTP only";
            return Err(problem("protocol", Some(other.to_owned()), rule, "\"TCP\""));
        }
    };
    let Some(node_port) = port.node_port else {
        let rule = "load balancers reach Nodes through node ports, so the Service must not have \
                    allocateLoadBalancerNodePorts: false";
        return Err(problem("nodePort", None, rule, "30080"));
    };
    let has_tcp = service.ports.iter().any(|port| port.protocol == "TCP");
    let proxy_protocol = ProxyProtocol::declared(&service.annotations, port, protocol, has_tcp)?;
    Ok(Listener {
        name: port.name.clone(),
        protocol,
        port: port.port,
        node_port,
        health_check: HealthCheck::declared(
            &service.annotations,
            service.health_check_node_port,
            port,
            protocol,
            node_port,
        )?,
        proxy_protocol: Some(proxy_protocol),
        app_protocol: Some(port.app_protocol.clone().unwrap_or_default()),
    })
}

/// What the Service asks for and a cloud that it names cannot do: the problems of the whole
/// Service, and what each cloud lacks although the rest works there.
fn unsupported(
    chosen: &BTreeSet<CloudName>,
    template: &LoadBalancerSpec,
    service: &ServiceView,
    clouds: &Clouds,
) -> (Vec<Problem>, BTreeMap<CloudName, Lacks>) {
    let mut problems = Vec::new();
    let able = |cloud: &CloudName| {
        let can = clouds.get(cloud);
        let listeners = template.listeners.iter();
        let able = listeners.filter(|listener| {
            can.is_some_and(|can| Need::Protocol(listener.protocol).is_met_by(can))
        });
        able.count()
    };
    let left: BTreeMap<&CloudName, usize> =
        chosen.iter().map(|cloud| (cloud, able(cloud))).collect();
    let mut lacks: BTreeMap<CloudName, Lacks> = chosen
        .iter()
        .map(|cloud| (cloud.clone(), Lacks::of(clouds.get(cloud))))
        .collect();
    for demand in demands(template, service) {
        let is_able = |cloud: &CloudName, number: Option<usize>| {
            let need = match (&demand.need, number) {
                // Only the ports that work need a listener.
                (Need::Listeners(spec, _), Some(number)) => Need::Listeners(spec, number),
                (need, _) => need.clone(),
            };
            clouds.get(cloud).is_some_and(|can| need.is_met_by(can))
        };
        let others: Vec<&str> = clouds
            .keys()
            .filter(|cloud| is_able(cloud, None))
            .map(CloudName::as_str)
            .collect();
        for (cloud, number) in &left {
            if is_able(cloud, Some(*number)) {
                continue;
            }
            let problem = demand.unmet_by(cloud, &others);
            match (demand.port, lacks.get_mut(*cloud)) {
                (Some(listener), Some(lacks)) if *number > 0 => lacks.ports.push(LackingPort {
                    protocol: listener.protocol,
                    port: listener.port,
                    problem,
                }),
                _ => problems.push(problem),
            }
        }
    }
    (problems, lacks)
}

/// A value of a Service and what it needs of each cloud.
struct Demand<'a> {
    need: Need<'a>,
    subject: Subject,
    value: String,
    /// A value that needs less.
    example: &'static str,
    /// The port that alone has the need.
    port: Option<&'a Listener>,
}

impl Demand<'_> {
    fn unmet_by(&self, cloud: &CloudName, able: &[&str]) -> Problem {
        let others = match able {
            [] => String::new(),
            able => format!(" ({} can)", able.join(", ")),
        };
        Problem {
            kind: ProblemKind::Unsupported,
            subject: self.subject.clone(),
            value: Some(self.value.clone()),
            rule: format!("{cloud} does not support {}{others}", self.need),
            example: self.example.to_owned(),
        }
    }
}

/// All that a Service needs of a cloud, in the order in which problems are told.
fn demands<'a>(template: &'a LoadBalancerSpec, service: &ServiceView) -> Vec<Demand<'a>> {
    let demand = |need, subject, value: &str, example| Demand {
        need,
        subject,
        value: value.to_owned(),
        example,
        port: None,
    };
    let spec = &*template.spec;
    let (ports, number) = (&template.listeners, template.listeners.len());
    let mut demands = vec![
        demand(
            Need::Spec(spec),
            Subject::annotation(annotation::LB_SPEC.name()),
            spec,
            "\"standard\"",
        ),
        demand(
            Need::Bandwidth(spec, &template.bandwidth),
            Subject::annotation(annotation::LB_BANDWIDTH.name()),
            &template.bandwidth,
            "\"5M\"",
        ),
        demand(
            Need::Listeners(spec, number),
            Subject::field("spec.ports"),
            &format!("{number} ports"),
            "one Service for each port",
        ),
    ];
    demands.extend(ports.iter().enumerate().map(|(index, port)| Demand {
        port: Some(port),
        ..demand(
            Need::Protocol(port.protocol),
            Subject::Field(format!("spec.ports[{index}].protocol")),
            port.protocol.as_str(),
            "\"TCP\"",
        )
    }));
    demands.push(demand(
        Need::Algorithm(template.algorithm),
        Subject::annotation(annotation::ALGORITHM.name()),
        template.algorithm.as_str(),
        "\"round-robin\"",
    ));
    let policy = annotation::DELETION_POLICY.value(&service.annotations);
    if policy == Ok(DeletionPolicy::Retain) {
        let subject = Subject::annotation(annotation::DELETION_POLICY.name());
        let need = Need::Feature(Feature::Release);
        demands.push(demand(need, subject, "retain", "\"delete\""));
    }
    if !template.source_ranges.is_empty() {
        let (subject, example) = if service.source_ranges.is_empty() {
            let annotation = annotation::SOURCE_RANGES.name();
            (Subject::annotation(annotation), "\"\"")
        } else {
            (
                Subject::field("spec.loadBalancerSourceRanges"),
                "an empty list",
            )
        };
        let ranges = template.source_ranges.join(",");
        let need = Need::Feature(Feature::SourceRanges);
        demands.push(demand(need, subject, &ranges, example));
    }
    if let (Some(ip), None) = (
        &service.requested_ip,
        service.annotations.get(annotation::ADDRESS.name()),
    ) {
        let (need, subject) = (
            Need::Feature(Feature::Address),
            Subject::field("spec.loadBalancerIP"),
        );
        demands.push(demand(need, subject, ip, "no such field"));
    }
    if template.addresses.len() > 1 {
        let (subject, value) = requested_address::stated(service);
        let need = Need::Feature(Feature::DualStack);
        demands.push(demand(need, subject, &value, "one address"));
    }
    demands.extend(demands_of_annotations(service));
    if template.client_affinity_seconds.is_some() {
        demands.push(demand(
            Need::Feature(Feature::Affinity),
            Subject::field("spec.sessionAffinity"),
            "ClientIP",
            "\"None\"",
        ));
    }
    if service.requires_dual_stack {
        demands.push(demand(
            Need::Feature(Feature::DualStack),
            Subject::field("spec.ipFamilyPolicy"),
            "RequireDualStack",
            "\"PreferDualStack\"",
        ));
    }
    demands
}

/// What the annotations need that are there with our prefix.
fn demands_of_annotations<'a>(service: &ServiceView) -> Vec<Demand<'a>> {
    let mut demands = Vec::new();
    for about in annotation::ALL {
        let (feature, default) = match (about.needs, about.when_absent) {
            (Needs::Nothing | Needs::Value, _) => continue,
            (Needs::FeatureUnlessDefault(feature), WhenAbsent::Value(default)) => {
                (feature, Some(default))
            }
            (Needs::Feature(feature) | Needs::FeatureUnlessDefault(feature), _) => (feature, None),
        };
        let ports = service.ports.iter().map(|port| &*port.name);
        let ours = about.names(ports);
        let ours = ours.filter(|name| !annotation::is_full_name(name));
        for name in ours {
            let Some(value) = service.annotations.get(&*name) else {
                continue;
            };
            if default == Some(value.trim()) {
                continue;
            }
            demands.push(Demand {
                need: Need::Feature(feature),
                subject: Subject::annotation(&name),
                value: value.clone(),
                example: "no such annotation",
                port: None,
            });
        }
    }
    demands
}
