//! Tables of plans; each case states its reason.

use std::collections::{BTreeMap, BTreeSet};

use super::annotation::{ENABLE, LB_BANDWIDTH, PROVIDER, SOURCE_RANGES};
use super::desired::Capabilities;
use super::kept::Kept;
use super::load_balancer::{Addresses, LoadBalancer, State};
use super::naming::{CloudName, ClusterId, LoadBalancerId, ServiceKey, ServiceUid};
use super::node_addresses::IpFamily;
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
        ip_family: IpFamily::V4,
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
        is_understood: true,
        addresses: Addresses {
            ips: vec!["192.0.2.1".parse().expect("address")],
            hostname: None,
            refused: None,
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

/// A load balancer with these back ends and a value that this program does not know.
fn unread(found: LoadBalancer, nodes: &Backends) -> CloudView {
    CloudView::Present(Box::new(LoadBalancer {
        spec: found.spec_with_nodes(&nodes.addresses),
        is_understood: false,
        ..found
    }))
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
    let announced = ServiceView {
        record: Record::parse(None, Some("cloud1")),
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
    let moved_within_an_account = moved.clone();
    let moved_from_many = ServiceView {
        record: Record::parse(Some("lb-1,lb-3,lb-4"), Some("cloud1,cloud3,cloud4")),
        ..moved.clone()
    };
    let on_cloud2 = LoadBalancer {
        addresses: Addresses {
            ips: vec!["198.51.100.1".parse().expect("address")],
            hostname: None,
            refused: None,
        },
        ..found.clone()
    };
    let provisioning = LoadBalancer {
        state: State::Provisioning,
        addresses: Addresses::default(),
        ..found.clone()
    };
    let without_back_ends = || {
        let mut found = on_cloud2.clone();
        found.spec.nodes = Backends::default().addresses;
        CloudView::Present(Box::new(found))
    };
    let not_understood = LoadBalancer {
        is_understood: false,
        ..found.clone()
    };
    let on_both = ServiceView {
        annotations: service("cloud1,cloud2").annotations,
        ..in_sync.clone()
    };
    let failed = LoadBalancer {
        state: State::Error("no capacity".into()),
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
            service: announced,
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
            reason: "a value that is not known is not as requested",
            service: in_sync.clone(),
            views: vec![("cloud1", unread(found.clone(), &one))],
            backends: one.clone(),
            expect: &["ConfirmLive", "Update", "Publish"],
        },
        Case {
            reason: "back ends that cannot be read are not taken away by one observation",
            service: in_sync.clone(),
            views: vec![("cloud1", unread(found.clone(), &Backends::default()))],
            backends: Backends::default(),
            expect: &[],
        },
        Case {
            reason: "a load balancer that is only partly understood can be deleted",
            service: deleting.clone(),
            views: vec![("cloud1", unread(found.clone(), &one))],
            backends: one.clone(),
            expect: &["ConfirmLive", "Delete", "ConfirmGone", "RemoveFinalizer"],
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
                "AddFinalizer",
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
            service: moved.clone(),
            views: vec![
                ("cloud1", present()),
                ("cloud2", CloudView::Present(Box::new(provisioning.clone()))),
            ],
            backends: one.clone(),
            expect: &["Publish"],
        },
        Case {
            reason: "a leftover does not wait for the cloud of another leftover",
            service: moved_from_many,
            views: vec![
                ("cloud1", present()),
                ("cloud2", CloudView::Present(Box::new(on_cloud2.clone()))),
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
            reason: "a load balancer that the wanted cloud shows too is no leftover of another",
            service: moved_within_an_account,
            views: vec![("cloud1", present()), ("cloud2", present())],
            backends: one.clone(),
            expect: &["Publish"],
        },
        Case {
            reason: "nor if the user never named the other cloud",
            service: in_sync.clone(),
            views: vec![("cloud1", present()), ("cloud2", present())],
            backends: one.clone(),
            expect: &[],
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
            service: bad.clone(),
            views: vec![("cloud1", present())],
            backends: one.clone(),
            expect: &[],
        },
        Case {
            reason: "a Node that left does not stay a back end because of an invalid value",
            service: bad.clone(),
            views: vec![("cloud1", present()), ("cloud2", CloudView::Unreachable)],
            backends: nodes(&["10.0.0.9"]),
            expect: &["Update"],
        },
        Case {
            reason: "an invalid value is no reason to empty a load balancer",
            service: bad.clone(),
            views: vec![("cloud1", present())],
            backends: Backends::default(),
            expect: &[],
        },
        Case {
            reason: "what still serves follows the Nodes while its successor is refused",
            service: moved.clone(),
            views: vec![("cloud1", present()), ("cloud2", CloudView::NameTaken)],
            backends: nodes(&["10.0.0.9"]),
            expect: &["Update", "Publish"],
        },
        Case {
            reason: "a move that is complete does not update what it deletes",
            service: moved.clone(),
            views: vec![
                ("cloud1", present()),
                ("cloud2", CloudView::Present(Box::new(on_cloud2.clone()))),
            ],
            backends: nodes(&["10.0.0.9"]),
            expect: &[
                "ConfirmLive",
                "Update",
                "Publish",
                "AwaitServing",
                "Delete",
                "ConfirmGone",
                "Publish",
            ],
        },
        Case {
            reason: "one load balancer under two names is updated under the wanted one",
            service: moved.clone(),
            views: vec![
                ("cloud1", CloudView::Present(Box::new(provisioning.clone()))),
                ("cloud2", CloudView::Present(Box::new(provisioning))),
            ],
            backends: nodes(&["10.0.0.9"]),
            expect: &["Update", "Publish"],
        },
        Case {
            reason: "what is not known here would be lost with an update of the back ends",
            service: bad.clone(),
            views: vec![("cloud1", CloudView::Present(Box::new(not_understood)))],
            backends: nodes(&["10.0.0.9"]),
            expect: &[],
        },
        Case {
            reason: "a move does not delete the last back ends while no Node is eligible",
            service: moved.clone(),
            views: vec![("cloud1", present()), ("cloud2", without_back_ends())],
            backends: Backends::default(),
            expect: &["Publish"],
        },
        Case {
            reason: "the other cloud's load balancer follows the Nodes if one has failed",
            service: on_both,
            views: vec![
                ("cloud1", CloudView::Present(Box::new(failed))),
                ("cloud2", present()),
            ],
            backends: nodes(&["10.0.0.9"]),
            expect: &["Update", "Update", "Publish"],
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
        (Some("True"), ["invalid", "invalid", "unclear"]),
        (Some("true\n"), ["invalid", "invalid", "unclear"]),
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
fn an_address_that_is_refused_is_an_error_of_the_cloud() {
    let base = service("cloud1");
    let mut found = load_balancer(&base, &nodes(&["10.0.0.1"]));
    found.addresses = Addresses {
        refused: Some("its address 127.0.0.1 is a loopback address".into()),
        ..Addresses::default()
    };
    let Desired::Managed(wanted) = desired(&base, &cluster(), &clouds()) else {
        panic!("fixture is managed");
    };
    let mut observed = Observed::of_service(&base, nodes(&["10.0.0.1"]));
    let view = CloudView::Present(Box::new(found.clone()));
    observed.clouds.insert(CloudName::new("cloud1"), view);
    let refused = found.addresses.refused.clone().expect("a reason");
    let expected = Waiting::CloudError(CloudName::new("cloud1"), refused);
    assert_eq!(unready(&wanted, &observed), BTreeSet::from([expected]));
    let publication = observed.publication(&wanted.clouds);
    assert!(publication.ingress.is_empty() && !publication.record.is_empty());
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
        publication.record,
        Record::parse(Some("lb-1"), Some("cloud1"))
    );
}

#[test]
fn every_problem_of_a_service_is_reported() {
    let mut wrong = service("cloud3");
    wrong.annotations.insert(LB_BANDWIDTH.into(), "0M".into());
    wrong.ports[0].protocol = "SCTP".into();
    let Desired::Invalid(invalid) = desired(&wrong, &cluster(), &clouds()) else {
        panic!("three mistakes");
    };
    let problems = invalid.problems;
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

#[test]
fn addresses_are_cleared_only_where_we_may_have_published_them() {
    let forged = ServiceView {
        published: vec![Ingress::Ip("192.0.2.55".parse().expect("address"))],
        ..service("cloud1")
    };
    let recorded = |ids: Option<&str>| ServiceView {
        record: Record::parse(ids, Some("cloud1")),
        ..forged.clone()
    };
    let found = load_balancer(&service("cloud1"), &nodes(&[]));
    let present = CloudView::Present(Box::new(found));
    let cases = [
        (
            forged.clone(),
            CloudView::Absent,
            false,
            "only a finalizer, which may be forged",
        ),
        (
            forged.clone(),
            CloudView::NameTaken,
            false,
            "the cloud has somebody else's",
        ),
        (
            recorded(Some("lb-1")),
            CloudView::Absent,
            true,
            "there is a record",
        ),
        (
            recorded(None),
            CloudView::Absent,
            true,
            "a create was announced",
        ),
        (
            forged,
            present,
            true,
            "the cloud has a load balancer of the Service",
        ),
    ];
    for (mut service, view, clear_status, reason) in cases {
        service.annotations.remove(ENABLE);
        let mut observed = Observed::of_service(&service, nodes(&[]));
        observed.clouds = [(CloudName::new("cloud1"), view)].into();
        let plan = plan(&desired(&service, &cluster(), &clouds()), &observed);
        let last = plan.actions.last();
        assert_eq!(
            last,
            Some(&Action::RemoveFinalizer { clear_status }),
            "{reason}"
        );
    }
}

#[test]
fn a_create_is_announced_in_the_record_first() {
    let case = |record: Record, views: &[(&str, CloudView)]| {
        let service = ServiceView {
            record,
            ..service("cloud1,cloud2")
        };
        let mut observed = Observed::of_service(&service, nodes(&["10.0.0.1"]));
        let view = |(cloud, view): &(&str, CloudView)| (CloudName::new(cloud), view.clone());
        observed.clouds = views.iter().map(view).collect();
        plan(&desired(&service, &cluster(), &clouds()), &observed)
    };
    let absent = [("cloud1", CloudView::Absent), ("cloud2", CloudView::Absent)];
    let announced = |plan: &Plan| match plan.actions.first() {
        Some(Action::AddFinalizer { clouds }) => clouds
            .iter()
            .map(|cloud| cloud.as_str().to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let plan = case(Record::default(), &absent);
    assert_eq!(announced(&plan), ["cloud1", "cloud2"], "both are created");
    let plan = case(Record::parse(Some("lb-1"), Some("cloud1")), &absent);
    assert_eq!(announced(&plan), ["cloud2"], "cloud1 is on record");
    let plan = case(Record::parse(None, Some("cloud1,cloud2")), &absent);
    assert_eq!(kinds(&plan)[0], "ConfirmLive", "both were announced before");
    let unreachable = [
        ("cloud1", CloudView::Absent),
        ("cloud2", CloudView::Unreachable),
    ];
    let plan = case(Record::default(), &unreachable);
    assert_eq!(announced(&plan), ["cloud1"], "nothing is sent to cloud2");
}

#[test]
fn a_release_queries_the_clouds_on_record() {
    let full = clouds();
    let basic = [
        ("cloud1", Capabilities::Full),
        ("cloud2", Capabilities::Basic),
    ];
    let basic: Clouds = basic.map(|(name, can)| (CloudName::new(name), can)).into();
    let none = Record::default();
    let on_cloud1 = Record::parse(None, Some("cloud1"));
    let cases = [
        (
            &none,
            "cloud2",
            &full,
            "cloud2",
            "nothing on record: the annotation decides",
        ),
        (
            &none,
            "cluod1",
            &full,
            "cloud1,cloud2",
            "nothing on record, and a typing error",
        ),
        (
            &on_cloud1,
            "cluod1",
            &full,
            "cloud1",
            "a typing error concerns no cloud",
        ),
        (
            &on_cloud1,
            "cloud2",
            &full,
            "cloud1",
            "no create was sent to cloud2",
        ),
        (
            &on_cloud1,
            "cloud2",
            &basic,
            "cloud1,cloud2",
            "no list of cloud2 corrects a record",
        ),
    ];
    for (record, provider, clouds, expected, reason) in cases {
        let service = ServiceView {
            record: record.clone(),
            deleting: true,
            ..service(provider)
        };
        let desired = desired(&service, &cluster(), clouds);
        let queried = clouds_to_query(&service, &desired, clouds);
        let queried: Vec<&str> = queried.iter().map(CloudName::as_str).collect();
        assert_eq!(queried.join(","), expected, "{reason}");
    }
}

/// The back ends that an update sends, then those of its fallbacks.
fn sent_back_ends(service: &ServiceView, found: &LoadBalancer, backends: Backends) -> Vec<String> {
    let mut observed = Observed::of_service(service, backends);
    let present = CloudView::Present(Box::new(found.clone()));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    let plan = plan(&desired(service, &cluster(), &clouds()), &observed);
    let mut sent = Vec::new();
    for action in &plan.actions {
        if let Action::Update {
            request, fallbacks, ..
        } = action
        {
            sent.extend([request].into_iter().chain(fallbacks).map(|request| {
                let bandwidth = &request.spec.bandwidth;
                let nodes = request.spec.nodes.iter().map(ToString::to_string);
                format!("{bandwidth} {}", nodes.collect::<Vec<_>>().join(","))
            }));
        }
    }
    sent
}

#[test]
fn what_a_cloud_may_reject_is_followed_by_what_it_takes() {
    let in_sync = service("cloud1");
    let mut edited = in_sync.clone();
    edited.annotations.insert(LB_BANDWIDTH.into(), "7M".into());
    let mut bad = in_sync.clone();
    bad.annotations.insert(LB_BANDWIDTH.into(), "fast".into());
    let before = nodes(&["10.0.0.1", "10.0.0.2"]);
    let found = load_balancer(&in_sync, &before);
    let cases: [(&str, &ServiceView, &[&str], &[&str]); 7] = [
        (
            "a Node joins",
            &in_sync,
            &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.2,10.0.0.3"],
        ),
        ("a Node leaves", &in_sync, &["10.0.0.1"], &["5M 10.0.0.1"]),
        (
            "one leaves, and one that the cloud cannot take joins",
            &in_sync,
            &["10.0.0.1", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.3", "5M 10.0.0.1"],
        ),
        (
            "all are replaced: nothing is emptied",
            &in_sync,
            &["10.0.0.3"],
            &["5M 10.0.0.3"],
        ),
        (
            "an edit alone",
            &edited,
            &["10.0.0.1", "10.0.0.2"],
            &["7M 10.0.0.1,10.0.0.2"],
        ),
        (
            "an edit that the cloud may reject, and Nodes that changed",
            &edited,
            &["10.0.0.1", "10.0.0.3"],
            &[
                "7M 10.0.0.1,10.0.0.3",
                "5M 10.0.0.1,10.0.0.3",
                "5M 10.0.0.1",
            ],
        ),
        (
            "an invalid Service keeps the rest of what it has",
            &bad,
            &["10.0.0.1", "10.0.0.3"],
            &["5M 10.0.0.1,10.0.0.3", "5M 10.0.0.1"],
        ),
    ];
    for (reason, service, now, expected) in cases {
        assert_eq!(
            sent_back_ends(service, &found, nodes(now)),
            expected,
            "{reason}"
        );
    }
}

#[test]
fn back_ends_change_without_a_second_request_for_what_the_cloud_keeps_otherwise() {
    let mut bad = service("cloud1");
    bad.annotations.insert(LB_BANDWIDTH.into(), "fast".into());
    let requested = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let mut shown = requested.clone();
    shown.spec.bandwidth = "10M".into();
    let cloud = CloudName::new("cloud1");
    let mut observed = Observed::of_service(&bad, nodes(&["10.0.0.9"]));
    let kept = Kept::of(&requested.spec, &shown).expect("it keeps 10M");
    observed.kept.insert(cloud.clone(), kept);
    let present = CloudView::Present(Box::new(shown.clone()));
    observed.clouds.insert(cloud.clone(), present);

    let plan = plan(&desired(&bad, &cluster(), &clouds()), &observed);
    let [action @ Action::Update { request, .. }] = &plan.actions[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(request.spec.bandwidth, "5M", "as it was requested before");
    shown.spec.nodes = request.spec.nodes.clone();
    observed.record_outcome(action, Outcome::Found(Box::new(shown)));
    assert!(observed.kept.contains_key(&cloud), "it is still known");
}
