//! Tables of plans; each case states its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::annotation::{ENABLE, LB_BANDWIDTH, PROVIDER, SOURCE_RANGES};
use super::desired::Capabilities;
use super::load_balancer::{Addresses, LoadBalancer, State};
use super::naming::{CloudName, ClusterId, LoadBalancerId, ServiceKey, ServiceUid};
use super::record::{Ingress, Record};
use super::service::{PortView, ServiceView};
use super::*;

fn cluster() -> ClusterId {
    ClusterId::new("cluster")
}

fn clouds() -> Clouds {
    ["cloud1", "cloud2"]
        .map(|name| (CloudName::new(name), Capabilities::Full))
        .into()
}

fn service(provider: &str) -> ServiceView {
    ServiceView {
        key: ServiceKey {
            namespace: "default".into(),
            name: "web".into(),
        },
        uid: ServiceUid::new("uid"),
        deleting: false,
        is_load_balancer: true,
        class: None,
        annotations: [(ENABLE, "true"), (PROVIDER, provider)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ports: vec![PortView {
            name: String::new(),
            protocol: "TCP".into(),
            port: 80,
            node_port: Some(30080),
        }],
        source_ranges: Vec::new(),
        client_affinity_seconds: None,
        finalizer: true,
        record: Record::default(),
        published: Vec::new(),
    }
}

fn nodes(addresses: &[&str]) -> Backends {
    let addresses = addresses
        .iter()
        .map(|address| address.parse().expect("address"))
        .collect();
    Backends {
        addresses,
        none_confirmed: false,
    }
}

fn load_balancer(service: &ServiceView, nodes: &Backends) -> LoadBalancer {
    let Desired::Managed(wanted) = desired(service, &cluster(), &clouds()) else {
        panic!("fixture is managed");
    };
    LoadBalancer {
        id: LoadBalancerId::new("lb-1"),
        name: wanted.owner.load_balancer_name(),
        owner: Some(wanted.owner.clone()),
        spec: wanted.spec(&nodes.addresses),
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("address")],
            hostname: None,
        },
        state: State::Active,
    }
}

fn kinds(plan: &Plan) -> Vec<String> {
    let name = |action: &Action| {
        let text = format!("{action:?}");
        text.split([' ', '{', '('])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    plan.actions.iter().map(name).collect()
}

struct Case {
    reason: &'static str,
    service: ServiceView,
    views: Vec<(&'static str, CloudView)>,
    backends: Backends,
    expect: &'static [&'static str],
}

#[test]
fn plans() {
    let base = service("cloud1");
    let one = nodes(&["10.0.0.1"]);
    let found = load_balancer(&base, &one);
    let present = || CloudView::Present(Box::new(found.clone()));
    let in_sync = ServiceView {
        record: Record::parse(Some("lb-1"), Some("cloud1")),
        published: vec![Ingress::Ip("192.0.2.1".parse().expect("address"))],
        ..base.clone()
    };
    let fresh = ServiceView {
        finalizer: false,
        ..base.clone()
    };
    let deleting = ServiceView {
        deleting: true,
        ..in_sync.clone()
    };
    let moved = ServiceView {
        annotations: service("cloud2").annotations,
        ..in_sync.clone()
    };
    let moved_from_many = ServiceView {
        record: Record::parse(Some("lb-1,lb-3,lb-4"), Some("cloud1,cloud3,cloud4")),
        ..moved.clone()
    };
    let provisioning = LoadBalancer {
        state: State::Provisioning,
        addresses: Addresses::default(),
        ..found.clone()
    };
    let foreign_class = ServiceView {
        class: Some("other".into()),
        ..fresh.clone()
    };
    let mut bad = in_sync.clone();
    bad.annotations.insert(LB_BANDWIDTH.into(), "fast".into());

    let mut named_port = in_sync.clone();
    named_port.ports[0].name = "http".into();
    let mut edited = in_sync.clone();
    edited.ports[0].port = 8080;

    let cases = [
        Case {
            reason: "a cloud that does not store names of ports is not updated for them",
            service: named_port,
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &[],
        },
        Case {
            reason: "a fresh Service gets its finalizer before its load balancer, then its record",
            service: fresh,
            views: vec![("cloud1", CloudView::Absent)],
            backends: one.clone(),
            expect: &["AddFinalizer", "Create", "Publish"],
        },
        Case {
            reason: "a retried create starts from the live Service",
            service: base.clone(),
            views: vec![("cloud1", CloudView::Absent)],
            backends: one.clone(),
            expect: &["ConfirmLive", "Create", "Publish"],
        },
        Case {
            reason: "a create whose response was lost is found by name and only recorded",
            service: base.clone(),
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &["Publish"],
        },
        Case {
            reason: "nothing to do for a Service that is in sync",
            service: in_sync.clone(),
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &[],
        },
        Case {
            reason: "an edit is applied from the live Service, not from an older state",
            service: edited,
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &["ConfirmLive", "Update", "Publish"],
        },
        Case {
            reason: "an additional Node causes an update",
            service: in_sync.clone(),
            views: vec![("cloud1", present())],
            backends: nodes(&["10.0.0.1", "10.0.0.2"]),
            expect: &["Update", "Publish"],
        },
        Case {
            reason: "the absence of all Nodes has to be confirmed",
            service: in_sync.clone(),
            views: vec![("cloud1", present())],
            backends: Backends::default(),
            expect: &[],
        },
        Case {
            reason: "the confirmed absence of all Nodes empties the load balancer",
            service: in_sync.clone(),
            views: vec![("cloud1", present())],
            backends: Backends {
                none_confirmed: true,
                ..Backends::default()
            },
            expect: &["Update", "Publish"],
        },
        Case {
            reason: "a deleted Service loses its finalizer last",
            service: deleting.clone(),
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &["ConfirmLive", "Delete", "ConfirmGone", "RemoveFinalizer"],
        },
        Case {
            reason: "an unreachable cloud keeps the finalizer on",
            service: deleting.clone(),
            views: vec![("cloud1", CloudView::Unreachable)],
            backends: one.clone(),
            expect: &[],
        },
        Case {
            reason: "a load balancer of another owner under our name is not deleted",
            service: deleting,
            views: vec![("cloud1", CloudView::NameTaken)],
            backends: one.clone(),
            expect: &["ConfirmLive", "RemoveFinalizer"],
        },
        Case {
            reason: "a move makes before it breaks",
            service: moved.clone(),
            views: vec![("cloud1", present()), ("cloud2", CloudView::Absent)],
            backends: one.clone(),
            expect: &[
                "ConfirmLive",
                "Create",
                "Publish",
                "AwaitServing",
                "Delete",
                "ConfirmGone",
                "Publish",
            ],
        },
        Case {
            reason: "a move waits until the new load balancer has an address",
            service: moved,
            views: vec![
                ("cloud1", present()),
                ("cloud2", CloudView::Present(Box::new(provisioning))),
            ],
            backends: one.clone(),
            expect: &["Publish"],
        },
        Case {
            reason: "a leftover does not wait for the cloud of another leftover",
            service: moved_from_many,
            views: vec![
                ("cloud1", present()),
                ("cloud2", present()),
                ("cloud3", CloudView::Unreachable),
                ("cloud4", CloudView::NotConfigured),
            ],
            backends: one.clone(),
            expect: &[
                "ConfirmLive",
                "Publish",
                "AwaitServing",
                "Delete",
                "ConfirmGone",
                "Publish",
            ],
        },
        Case {
            reason: "a Service of another class belongs to another controller",
            service: foreign_class,
            views: vec![],
            backends: one.clone(),
            expect: &[],
        },
        Case {
            reason: "an invalid value leaves the load balancer unchanged",
            service: bad,
            views: vec![("cloud1", present())],
            backends: nodes(&["10.0.0.9"]),
            expect: &[],
        },
    ];
    for case in cases {
        let mut observed = Observed::of_service(&case.service, case.backends);
        observed.clouds = case
            .views
            .into_iter()
            .map(|(name, view)| (CloudName::new(name), view))
            .collect();
        let plan = plan(&desired(&case.service, &cluster(), &clouds()), &observed);
        assert_eq!(kinds(&plan), case.expect, "{}: {plan:?}", case.reason);
    }
}

/// A near miss of the switch is no "off": only a plain no, or no annotation, lets go.
#[test]
fn only_a_plain_no_lets_go() {
    let marked = service("cloud1");
    let fresh = ServiceView {
        finalizer: false,
        ..service("cloud1")
    };
    let stripped = ServiceView {
        record: Record::parse(Some("lb-1"), Some("cloud1")),
        ..fresh.clone()
    };
    let outcome = |service: &ServiceView, value: Option<&str>| {
        let mut service = service.clone();
        service.annotations.remove(ENABLE);
        let switch = value.map(|value| (ENABLE.to_owned(), value.to_owned()));
        service.annotations.extend(switch);
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(_) => "managed",
            Desired::Invalid(_) => "invalid",
            Desired::Released(_) => "released",
            Desired::Unmanaged(NotOurs::SwitchUnclear) => "unclear",
            Desired::Unmanaged(_) => "unmanaged",
        }
    };
    // The value, and the outcome with our finalizer, with our record only, and without both.
    let cases = [
        (Some("true"), ["managed", "managed", "managed"]),
        (Some("True"), ["managed", "managed", "managed"]),
        (Some(" true\n"), ["managed", "managed", "managed"]),
        (Some("ture"), ["invalid", "invalid", "unclear"]),
        (Some(""), ["invalid", "invalid", "unclear"]),
        (Some("false"), ["released", "unmanaged", "unmanaged"]),
        (Some("No "), ["released", "unmanaged", "unmanaged"]),
        (None, ["released", "unmanaged", "unmanaged"]),
    ];
    for (value, expected) in cases {
        let found = [&marked, &stripped, &fresh].map(|service| outcome(service, value));
        assert_eq!(found, expected, "{value:?}");
    }
    let deleting = ServiceView {
        deleting: true,
        ..marked
    };
    assert_eq!(
        outcome(&deleting, Some("ture")),
        "released",
        "it can be deleted"
    );
}

#[test]
fn the_annotation_of_others_restricts_where_the_field_is_empty() {
    let ranges = |field: &[&str], annotation: &str| {
        let mut service = service("cloud1");
        service.source_ranges = field.iter().map(|range| (*range).to_owned()).collect();
        service
            .annotations
            .insert(SOURCE_RANGES.into(), annotation.into());
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(wanted) => wanted.spec(&NodeAddresses::default()).source_ranges,
            other => vec![format!("{other:?}")],
        }
    };
    assert_eq!(
        ranges(&[], "10.0.0.0/8, 192.0.2.0/24"),
        ["10.0.0.0/8", "192.0.2.0/24"]
    );
    assert_eq!(
        ranges(&["192.0.2.0/24"], "10.0.0.0/8"),
        ["192.0.2.0/24"],
        "the field wins"
    );
    assert!(ranges(&[], "").is_empty());
    let invalid = ranges(&[], "office").join("");
    assert!(
        invalid.contains("Invalid") && invalid.contains("office"),
        "{invalid}"
    );
}

#[test]
fn a_move_keeps_the_old_address_until_the_new_one_is_there() {
    let moved = service("cloud2");
    let old = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let address = Ingress::Ip("192.0.2.1".parse().expect("address"));
    let mut observed = Observed::of_service(&moved, nodes(&["10.0.0.1"]));
    observed.ingress = vec![address.clone()];
    observed.clouds = BTreeMap::from([
        (CloudName::new("cloud1"), CloudView::Present(Box::new(old))),
        (CloudName::new("cloud2"), CloudView::Absent),
    ]);
    let publication = observed.publication(&BTreeSet::from([CloudName::new("cloud2")]));
    assert_eq!(publication.ingress, [address]);
    assert_eq!(
        publication.record.annotations(),
        Some(("lb-1".into(), "cloud1".into()))
    );
}

#[test]
fn every_problem_of_a_service_is_reported() {
    let mut wrong = service("cloud3");
    wrong.annotations.insert(LB_BANDWIDTH.into(), "0M".into());
    wrong.ports[0].protocol = "SCTP".into();
    let Desired::Invalid(problems) = desired(&wrong, &cluster(), &clouds()) else {
        panic!("three mistakes");
    };
    let subjects: Vec<_> = problems
        .iter()
        .map(|problem| problem.describe("mycloud.com"))
        .collect();
    assert_eq!(problems.len(), 3, "{subjects:?}");
    assert!(
        subjects[0].contains("cloud1, cloud2"),
        "allowed clouds are listed: {subjects:?}"
    );
}
