//! What a Service needs of its clouds, and what one of them lacks for it.

use std::collections::{BTreeMap, BTreeSet};

use super::annotation::{self, DeletionPolicy, Needs, WhenAbsent};
use super::capabilities::{Clouds, Feature, Need};
use super::load_balancer::{Listener, LoadBalancerSpec};
use super::naming::CloudName;
use super::port_status::PortError;
use super::problem::{Problem, ProblemKind, Subject};
use super::requested_address;
use super::service::ServiceView;
use super::wanted::{LackingPort, Lacks};

/// What the Service asks for and a cloud that it names cannot do: the problems of the whole
/// Service, and what each cloud lacks although the rest works there.
pub(super) fn unsupported(
    chosen: &BTreeSet<CloudName>,
    template: &LoadBalancerSpec,
    service: &ServiceView,
    clouds: &Clouds,
) -> (Vec<Problem>, BTreeMap<CloudName, Lacks>) {
    let mut problems = Vec::new();
    let demands = demands(template, service);
    let is_met = |need: &Need<'_>, cloud: &CloudName| {
        let can = clouds.get(cloud);
        can.is_some_and(|can| need.is_met_by(can))
    };
    let able = |cloud: &CloudName| {
        let unmet = demands.iter().filter(|demand| !is_met(&demand.need, cloud));
        let port_of = |listener: &Listener| (listener.protocol, listener.port);
        let lacking = unmet.filter_map(|demand| demand.port.map(port_of));
        let lacking: BTreeSet<_> = lacking.collect();
        let listeners = template.listeners.iter().map(port_of);
        listeners.filter(|port| !lacking.contains(port)).count()
    };
    let left: BTreeMap<&CloudName, usize> =
        chosen.iter().map(|cloud| (cloud, able(cloud))).collect();
    let mut lacks: BTreeMap<CloudName, Lacks> = chosen
        .iter()
        .map(|cloud| (cloud.clone(), Lacks::of(clouds.get(cloud))))
        .collect();
    for demand in &demands {
        let is_able = |cloud: &CloudName, number: Option<usize>| {
            let need = match (&demand.need, number) {
                // Only the ports that work need a listener.
                (Need::Listeners(spec, _), Some(number)) => Need::Listeners(spec, number),
                (need, _) => need.clone(),
            };
            is_met(&need, cloud)
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
                    error: match demand.need {
                        Need::Protocol(_) => PortError::Protocol,
                        _ => PortError::Annotation,
                    },
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
        let others = who_can(able);
        Problem {
            kind: ProblemKind::Unsupported,
            subject: self.subject.clone(),
            value: Some(self.value.clone()),
            rule: format!("{cloud} does not support {}{others}", self.need),
            example: self.example.to_owned(),
        }
    }
}

/// The clouds that can do something, as a part of a message about one that cannot.
pub(super) fn who_can(able: &[&str]) -> String {
    match able {
        [] => String::new(),
        able => format!(" ({} can)", able.join(", ")),
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
    let existing = service.annotations.get(annotation::EXISTING_LB.name());
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
    if let Some(id) = existing {
        // It has its own spec, bandwidth and number of listeners. Our owner must come off again.
        let subject = Subject::annotation(annotation::EXISTING_LB.name());
        let need = Need::Feature(Feature::Release);
        demands = vec![demand(need, subject, id, "no such annotation")];
    }
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
    demands.extend(demands_of_annotations(ports, service));
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
fn demands_of_annotations<'a>(listeners: &'a [Listener], service: &ServiceView) -> Vec<Demand<'a>> {
    let mut demands = Vec::new();
    for about in annotation::ALL {
        let (feature, default) = match (about.needs, about.when_absent) {
            (Needs::Nothing | Needs::Value, _) => continue,
            (Needs::FeatureUnlessDefault(feature), WhenAbsent::Value(default)) => {
                (feature, Some(default))
            }
            (Needs::Feature(feature) | Needs::FeatureUnlessDefault(feature), _) => (feature, None),
        };
        // The listeners are in the order of the ports, and their names may be others.
        let ports = service.ports.iter().zip(listeners);
        let of_ports = ports.filter(|(port, _)| about.per_port && !port.name.is_empty());
        let of_ports =
            of_ports.map(|(port, listener)| (about.name_of_port(&port.name), Some(listener)));
        let ours = std::iter::once((about.name.to_owned(), None)).chain(of_ports);
        let ours = ours.filter(|(name, _)| !annotation::is_full_name(name));
        for (name, port) in ours {
            let Some(value) = service.annotations.get(&name) else {
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
                port,
            });
        }
    }
    demands
}
