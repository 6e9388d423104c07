//! Services with both IP families, on clouds that have both and on others.

use super::*;
use crate::plan::backends::SecondFamily;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::LoadBalancerSpec;
use crate::plan::node_addresses::{IpFamilies, IpFamily};
use crate::plan::problem::{ProblemKind, describe_problems};
use crate::plan::settling::Unsettled;

/// cloud1 has both families, cloud2 decides itself.
fn clouds() -> Clouds {
    let mut clouds = fixtures::clouds();
    let cloud1 = clouds.get_mut(&CloudName::new("cloud1"));
    let features = &mut cloud1.expect("cloud1").features;
    features.insert(Feature::DualStack);
    clouds
}

fn with_families(provider: &str, first: IpFamily, is_dual: bool) -> ServiceView {
    ServiceView {
        ip_families: IpFamilies { first, is_dual },
        ..service(provider)
    }
}

fn wanted(service: &ServiceView) -> Wanted {
    match desired(service, &cluster(), &clouds()) {
        Desired::Managed(wanted) => *wanted,
        other => panic!("{other:?}"),
    }
}

/// The back ends of both families; the first is IPv4.
fn both(v4: &[&str], v6: &[&str]) -> Backends {
    let (first, second) = (nodes(v4), nodes(v6));
    Backends {
        second: Some(Box::new(SecondFamily {
            both: first.addresses.joined(&second.addresses),
            backends: Backends {
                family: IpFamily::V6,
                ..second
            },
        })),
        ..first
    }
}

#[test]
fn a_cloud_is_asked_for_the_families_that_it_has() {
    let (v4, v6) = (IpFamily::V4, IpFamily::V6);
    let cases: [(ServiceView, &str, &[IpFamily], bool); 6] = [
        (with_families("cloud1", v4, false), "cloud1", &[v4], false),
        (with_families("cloud1", v6, false), "cloud1", &[v6], false),
        (with_families("cloud1", v4, true), "cloud1", &[v4, v6], true),
        (with_families("cloud1", v6, true), "cloud1", &[v4, v6], true),
        // Silently: it is preferred, not required.
        (with_families("cloud2", v4, true), "cloud2", &[], false),
        (
            with_families("cloud1,cloud2", v6, true),
            "cloud2",
            &[],
            false,
        ),
    ];
    for (service, cloud, families, is_dual) in cases {
        let cloud = CloudName::new(cloud);
        let wanted = wanted(&service);
        let spec = wanted.spec(&cloud, &NodeAddresses::default());
        assert_eq!(spec.address_families, families.iter().copied().collect());
        assert_eq!(wanted.is_dual(&cloud), is_dual);
    }
}

#[test]
fn what_is_required_and_lacking_is_told() {
    let required = |provider| ServiceView {
        requires_dual_stack: true,
        ..with_families(provider, IpFamily::V4, true)
    };
    assert!(wanted(&required("cloud1")).is_dual(&CloudName::new("cloud1")));
    let Desired::Invalid(invalid) = desired(&required("cloud1,cloud2"), &cluster(), &clouds())
    else {
        panic!("cloud2 has one family");
    };
    assert_eq!(problem::kind(&invalid.problems), ProblemKind::Unsupported);
    assert_eq!(
        describe_problems(&invalid.problems, "mycloud.com"),
        "spec.ipFamilyPolicy is \"RequireDualStack\": cloud2 does not support dual stack (cloud1 \
         can), for example \"PreferDualStack\""
    );
}

/// The back ends that a plan sends to a new load balancer on each cloud.
#[test]
fn each_cloud_gets_the_back_ends_of_its_families_in_shared_sets() {
    let service = with_families("cloud1,cloud2", IpFamily::V4, true);
    let seen = both(&["10.0.0.1", "10.0.0.2"], &["fd00::1"]);
    let mut observed = Observed::of_service(&service, seen.clone());
    for cloud in ["cloud1", "cloud2"] {
        let view = CloudView::Absent;
        observed.clouds.insert(CloudName::new(cloud), view);
    }
    let plan = plan(&desired(&service, &cluster(), &clouds()), &observed);
    let created = |name: &str| {
        let mut actions = plan.actions.iter();
        actions.find_map(|action| match action {
            Action::Create { cloud, request } if cloud.as_str() == name => {
                Some(&request.spec.nodes)
            }
            _ => None,
        })
    };
    let second = seen.second.as_ref().expect("a second family");
    let shares = |cloud, set| created(cloud).is_some_and(|nodes| nodes.is_shared_with(set));
    assert!(shares("cloud1", &second.both), "{plan:?}");
    assert!(shares("cloud2", &seen.addresses), "{plan:?}");
}

/// The rules of [`backends`] hold for each family.
#[test]
fn no_family_is_emptied_by_a_look_that_may_be_a_mistake() {
    let service = with_families("cloud1", IpFamily::V4, true);
    let all: [&str; 4] = ["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"];
    let found = load_balancer(&service, &nodes(&all));
    let confirmed = |mut seen: Backends| {
        if let Some(second) = &mut seen.second {
            second.backends.none_confirmed = true;
        }
        seen
    };
    let unsettled = |mut seen: Backends| {
        let second = seen.second.as_mut().expect("a second family");
        second.backends.unsettled = Some(Unsettled::default());
        seen
    };
    let cases: [(&str, Backends, bool, &[&str]); 7] = [
        (
            "both as they are seen",
            both(&["10.0.0.2", "10.0.0.3"], &["fd00::3"]),
            true,
            &["10.0.0.2", "10.0.0.3", "fd00::3"],
        ),
        (
            "none of IPv6: perhaps a mistake",
            both(&["10.0.0.1"], &[]),
            true,
            &["10.0.0.1", "fd00::1", "fd00::2"],
        ),
        (
            "none of IPv6: believed",
            confirmed(both(&["10.0.0.1"], &[])),
            true,
            &["10.0.0.1"],
        ),
        (
            "none of IPv4: perhaps a mistake",
            both(&[], &["fd00::1"]),
            true,
            &["10.0.0.1", "10.0.0.2", "fd00::1"],
        ),
        ("none at all", both(&[], &[]), true, &all),
        (
            "most of IPv6 at the start of the process",
            unsettled(both(&["10.0.0.1", "10.0.0.2"], &["fd00::9"])),
            true,
            &["10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2", "fd00::9"],
        ),
        (
            "the Service has one family now",
            nodes(&["10.0.0.1"]),
            false,
            &["10.0.0.1"],
        ),
    ];
    for (why, seen, is_dual, expected) in cases {
        let observed = Observed::of_service(&service, seen);
        let kept = backends(&observed, &found, is_dual);
        assert_eq!(kept, nodes(expected).addresses, "{why}");
    }
}

#[test]
fn families_that_one_side_leaves_open_are_no_difference() {
    let families = |families: &[IpFamily]| LoadBalancerSpec {
        address_families: families.iter().copied().collect(),
        ..LoadBalancerSpec::default()
    };
    let (open, four) = (families(&[]), families(&[IpFamily::V4]));
    let dual = families(&[IpFamily::V4, IpFamily::V6]);
    for (wanted, shown, expected) in [
        (&dual, &dual, true),
        (&dual, &open, true),
        (&open, &dual, true),
        (&dual, &four, false),
        (&four, &dual, false),
    ] {
        assert_eq!(wanted.is_met_by(shown), expected, "{wanted:?} {shown:?}");
    }
}

/// At a takeover, and after an answer of another version of the cloud.
#[test]
fn a_load_balancer_keeps_its_families_although_the_cloud_does_not_tell_them() {
    let service = with_families("cloud2", IpFamily::V4, true);
    let seen = both(&["10.0.0.1"], &["fd00::1"]);
    let mut found = load_balancer(&service, &nodes(&["10.0.0.1", "fd00::1"]));
    found.spec.address_families = [IpFamily::V4, IpFamily::V6].into();
    let sent = |found: &LoadBalancer, seen: &Backends| {
        let mut observed = Observed::of_service(&service, seen.clone());
        let present = CloudView::Present(Box::new(found.clone()));
        observed.clouds = BTreeMap::from([(CloudName::new("cloud2"), present)]);
        let plan = plan(&desired(&service, &cluster(), &clouds()), &observed);
        plan.actions.into_iter().find_map(|action| match action {
            Action::Update { request, .. } => Some(request.spec),
            _ => None,
        })
    };
    assert_eq!(sent(&found, &seen), None);
    let joined = both(&["10.0.0.1"], &["fd00::1", "fd00::2"]);
    let spec = sent(&found, &joined).expect("a Node joins");
    assert_eq!(spec.nodes.len(), 3);
    assert_eq!(spec.address_families, found.spec.address_families);
    // One that has a single family gets no other.
    found.spec.address_families = [IpFamily::V4].into();
    found.spec.nodes = nodes(&["10.0.0.1"]).addresses;
    assert_eq!(sent(&found, &joined).map(|spec| spec.nodes), None);
}
