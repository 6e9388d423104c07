//! What a Service asks for: the switch, the source ranges, and the problems of its values.

use super::*;
use crate::plan::capabilities::Limits;
use crate::plan::load_balancer::Protocol;
use crate::plan::problem::{self, ProblemKind, describe_problems};

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
        service.annotations.remove(ENABLE.name());
        let switch = value.map(|value| (ENABLE.name().to_owned(), value.to_owned()));
        service.annotations.extend(switch);
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(_) => "managed",
            Desired::Invalid(_) => "invalid",
            Desired::Paused => "paused",
            Desired::Released(..) => "released",
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
fn what_is_to_be_retained_needs_a_cloud_that_takes_owners_off() {
    let mut able = clouds();
    for can in able.values_mut().skip(1) {
        can.features.insert(Feature::Release);
    }
    let of = |policy: &str, provider: &str| {
        let mut service = service(provider);
        let policy = (DELETION_POLICY.name().to_owned(), policy.to_owned());
        service.annotations.extend([policy]);
        match desired(&service, &cluster(), &able) {
            Desired::Invalid(invalid) => {
                let kind = problem::kind(&invalid.problems);
                let message = describe_problems(&invalid.problems, "mycloud.com");
                format!("{kind:?}: {message}")
            }
            Desired::Managed(_) => "managed".into(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(of("delete", "cloud1"), "managed");
    assert_eq!(of("retain", "cloud2"), "managed");
    let unsupported = of("retain", "cloud1,cloud2");
    let named = "Unsupported: annotation mycloud.com/deletion-policy is \"retain\": cloud1 does not support";
    assert!(unsupported.starts_with(named), "{unsupported}");
    assert!(unsupported.contains("(cloud2 can)"), "{unsupported}");
    let unclear = of("Retain", "cloud2");
    let named = "deletion-policy is \"Retain\": it must be 'delete' or 'retain'";
    assert!(unclear.contains(named), "{unclear}");
}

/// After a crash between the two, only the finalizer is left to do.
#[test]
fn what_was_retained_is_not_touched_again() {
    let mut ended = service("cloud1");
    ended.deleting = true;
    ended.record = Record::parse(Some("lb-1"), Some("cloud1"));
    let policy = (DELETION_POLICY.name().to_owned(), "retain".to_owned());
    ended.annotations.extend([policy]);
    let mut able = clouds();
    for can in able.values_mut() {
        can.features.insert(Feature::Release);
    }
    let desired = desired(&ended, &cluster(), &able);
    let found = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    let mut observed = Observed::of_service(&ended, nodes(&["10.0.0.1"]));
    let cloud = CloudName::new("cloud1");
    observed
        .clouds
        .insert(cloud.clone(), CloudView::Present(Box::new(found)));
    let first = plan(&desired, &observed);
    assert_eq!(kinds(&first), ["ConfirmLive", "Release", "RemoveFinalizer"]);
    observed.record_outcome(&first.actions[1], Outcome::Done);
    assert_eq!(observed.clouds[&cloud], CloudView::NameTaken);
    let second = plan(&desired, &observed);
    assert_eq!(kinds(&second), ["ConfirmLive", "RemoveFinalizer"]);
}

#[test]
fn a_pause_holds_up_what_is_managed() {
    let of = |edit: fn(&mut ServiceView), value: &str| {
        let mut service = service("cloud1");
        edit(&mut service);
        let paused = (PAUSED.name().to_owned(), value.to_owned());
        service.annotations.extend([paused]);
        desired(&service, &cluster(), &clouds())
    };
    let set = |service: &mut ServiceView, name: &str, value: &str| {
        service.annotations.insert(name.into(), value.into());
    };
    type Edit = fn(&mut ServiceView);
    let edits: [(Edit, bool, &str); 6] = [
        (|_| {}, true, "as it is"),
        (|service| service.finalizer = false, true, "a new one"),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(PROVIDER.name().into(), "cloud9".into())
            },
            true,
            "an invalid one: its back ends stay too",
        ),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(ENABLE.name().into(), "ture".into())
            },
            true,
            "a typing error in the switch",
        ),
        (|service| service.deleting = true, false, "a deleted one"),
        (
            |service| service.is_load_balancer = false,
            false,
            "one that needs none any more",
        ),
    ];
    for (edit, is_held, reason) in edits {
        assert_eq!(of(edit, "true") == Desired::Paused, is_held, "{reason}");
        assert_ne!(of(edit, "off"), Desired::Paused, "{reason}");
    }
    let mut other = service("cloud1");
    set(&mut other, PAUSED.name(), "True");
    let Desired::Invalid(invalid) = desired(&other, &cluster(), &clouds()) else {
        panic!("neither a yes nor a no");
    };
    let message = describe_problems(&invalid.problems, "mycloud.com");
    assert!(message.contains("paused is \"True\""), "{message}");
    let queried = clouds_to_query(&other, &Desired::Paused, &clouds());
    assert!(queried.is_empty(), "{queried:?}");
}

#[test]
fn the_annotation_of_others_restricts_where_the_field_is_empty() {
    let ranges = |field: &[&str], annotation: &str| {
        let mut service = service("cloud1");
        service.source_ranges = field.iter().map(|range| (*range).to_owned()).collect();
        service
            .annotations
            .insert(SOURCE_RANGES.name().into(), annotation.into());
        match desired(&service, &cluster(), &clouds()) {
            Desired::Managed(wanted) => {
                let spec = wanted.spec(&CloudName::new("cloud1"), &NodeAddresses::default());
                spec.source_ranges
            }
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
fn every_problem_of_a_service_is_reported() {
    let mut wrong = service("cloud3");
    wrong
        .annotations
        .insert(LB_BANDWIDTH.name().into(), "0M".into());
    wrong.ports[0].protocol = "DCCP".into();
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

/// A Service on cloud2, which has the smallest API; cloud1 has all of it.
#[test]
fn what_a_cloud_cannot_do_is_told_with_the_clouds_that_can() {
    let can = [
        ("cloud1", Capabilities::standard()),
        ("cloud2", Capabilities::basic()),
    ];
    let clouds: Clouds = can.map(|(name, can)| (CloudName::new(name), can)).into();
    let plain = || service("cloud2");
    let udp = |mut service: ServiceView| {
        service.ports[0].protocol = "UDP".into();
        service
    };
    let two_ports = |mut service: ServiceView| {
        service.ports.push(service.ports[0].clone());
        service
    };
    let annotated = |name: &str, value: &str| {
        let mut service = plain();
        service.annotations.insert(name.into(), value.into());
        service
    };
    let ranges = vec!["192.0.2.0/24".to_owned()];
    let cases = [
        (
            udp(plain()),
            "spec.ports[0].protocol is \"UDP\": cloud2 does not support the protocol UDP (cloud1 can)",
        ),
        (
            two_ports(plain()),
            "spec.ports is \"2 ports\": cloud2 does not support 2 ports on a load balancer of the spec standard",
        ),
        (
            annotated("algorithm", "source-hash"),
            "annotation mycloud.com/algorithm is \"source-hash\": cloud2 does not support the algorithm",
        ),
        (
            annotated(SOURCE_RANGES.name(), "192.0.2.0/24"),
            "annotation service.beta.kubernetes.io/load-balancer-source-ranges is \"192.0.2.0/24\": cloud2",
        ),
        (
            ServiceView {
                source_ranges: ranges,
                ..plain()
            },
            "spec.loadBalancerSourceRanges is \"192.0.2.0/24\": cloud2 does not support source ranges",
        ),
        (
            ServiceView {
                client_affinity_seconds: Some(60),
                ..plain()
            },
            "spec.sessionAffinity is \"ClientIP\": cloud2 does not support session affinity",
        ),
        (
            udp(two_ports(two_ports(service("cloud1,cloud2")))),
            "cloud2 does not support 3 ports",
        ),
    ];
    for (service, expected) in cases {
        let Desired::Invalid(invalid) = desired(&service, &cluster(), &clouds) else {
            panic!("{expected}");
        };
        let message = describe_problems(&invalid.problems, "mycloud.com");
        assert!(
            message.starts_with(expected) || message.contains(expected),
            "{message}"
        );
        assert_eq!(problem::kind(&invalid.problems), ProblemKind::Unsupported);
    }
    for service in [plain(), udp(two_ports(service("cloud1")))] {
        let found = desired(&service, &cluster(), &clouds);
        assert!(matches!(found, Desired::Managed(_)), "{found:?}");
    }
}

#[test]
fn the_limits_of_a_spec_count() {
    let gold = Limits {
        listeners: Some(1),
        bandwidth: Some(10_000),
        ..Limits::default()
    };
    let specs = BTreeMap::from([("gold".to_owned(), gold)]);
    let can = Capabilities {
        specs: Some(specs),
        ..Capabilities::standard()
    };
    let clouds = Clouds::from([(CloudName::new("cloud1"), can)]);
    let of = |spec: &str, bandwidth: &str| {
        let mut service = service("cloud1");
        for (name, value) in [("lb-spec", spec), ("lb-bandwidth", bandwidth)] {
            service.annotations.insert(name.into(), value.into());
        }
        desired(&service, &cluster(), &clouds)
    };
    assert!(matches!(of("gold", "10M"), Desired::Managed(_)));
    for (spec, bandwidth, expected) in [
        ("gold", "11M", "a bandwidth of 11M with the spec gold"),
        ("gold", "1G", "a bandwidth of 1G with the spec gold"),
        ("standard", "5M", "the spec standard"),
    ] {
        let Desired::Invalid(invalid) = of(spec, bandwidth) else {
            panic!("{expected}");
        };
        let message = describe_problems(&invalid.problems, "mycloud.com");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn sctp_needs_a_cloud_that_tells_it() {
    let mut clouds = clouds();
    let cloud2 = clouds.get_mut(&CloudName::new("cloud2")).expect("cloud2");
    cloud2.protocols.insert(Protocol::Sctp);
    let of = |provider| {
        let mut service = service(provider);
        service.ports[0].protocol = "SCTP".into();
        desired(&service, &cluster(), &clouds)
    };
    let Desired::Managed(wanted) = of("cloud2") else {
        panic!("cloud2 has it");
    };
    let spec = wanted.spec(&CloudName::new("cloud2"), &NodeAddresses::default());
    assert_eq!(spec.listeners[0].protocol, Protocol::Sctp);
    let Desired::Invalid(invalid) = of("cloud1,cloud2") else {
        panic!("cloud1 lacks it");
    };
    assert_eq!(problem::kind(&invalid.problems), ProblemKind::Unsupported);
    assert_eq!(
        describe_problems(&invalid.problems, "mycloud.com"),
        "spec.ports[0].protocol is \"SCTP\": cloud1 does not support the protocol SCTP (cloud2 \
         can), for example \"TCP\""
    );
}
