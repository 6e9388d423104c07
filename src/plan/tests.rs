//! Tables of plans; each case states its reason.

mod asked;
mod back_end_limits;
mod dual_stack;
mod existing;
mod fixtures;
mod health_checks;
mod ip_modes;
mod lacking_ports;
mod lost_settings;
mod recorded;
mod refused;
mod requests;
mod untold;
mod updates;
mod upkeep;
mod when_changed;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Capabilities;
use super::annotation::{DELETION_POLICY, ENABLE, LB_BANDWIDTH, PAUSED, PROVIDER, SOURCE_RANGES};
use super::capabilities::Feature;
use super::kept::{Kept, UnderWay, Unmet};
use super::load_balancer::{Addresses, Algorithm, LoadBalancer, LoadBalancerSpec, State};
use super::naming::{CloudName, ClusterId, LoadBalancerId, ServiceKey, ServiceUid};
use super::node_addresses::NodeAddresses;
use super::record::{Ingress, Record};
use super::service::{PortView, ServiceView};
use super::*;
use fixtures::*;

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
            ..Addresses::default()
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
    bad.annotations
        .insert(LB_BANDWIDTH.name().into(), "fast".into());

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
            reason: "a Node that cannot be read may be any of the back ends",
            service: in_sync.clone(),
            views: vec![("cloud1", present())],
            backends: Backends {
                some_unknown: true,
                ..nodes(&["10.0.0.9"])
            },
            expect: &["Update", "Publish"],
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
            reason: "nor are those beside them that can be read",
            service: ServiceView {
                annotations: [(LB_BANDWIDTH.name().to_owned(), "9M".to_owned())]
                    .into_iter()
                    .chain(in_sync.annotations.clone())
                    .collect(),
                ..in_sync.clone()
            },
            views: vec![("cloud1", unread(found.clone(), &one))],
            backends: Backends::default(),
            expect: &[],
        },
        Case {
            reason: "another value that is not known keeps no edit back",
            service: in_sync.clone(),
            views: vec![(
                "cloud1",
                CloudView::Present(Box::new(not_understood.clone())),
            )],
            backends: Backends::default(),
            expect: &["ConfirmLive", "Update", "Publish"],
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
            reason: "nor one whose back ends cannot be read",
            service: moved.clone(),
            views: vec![
                ("cloud1", unread(found.clone(), &Backends::default())),
                ("cloud2", without_back_ends()),
            ],
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
