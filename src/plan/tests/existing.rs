//! Load balancers that others made: who may be attached, what changes, and how it ends.

mod ending;
mod others;

use super::*;
use crate::plan::annotation::EXISTING_LB;
use crate::plan::existing::Offer;
use crate::plan::load_balancer::{Listener, Protocol};
use crate::plan::naming::LoadBalancerName;
use crate::plan::problem::describe_problems;

const CLOUD: &str = "cloud1";

fn able() -> Clouds {
    let mut able = clouds();
    for can in able.values_mut() {
        can.features.extend([Feature::Attach, Feature::Release]);
    }
    able
}

fn offer(id: &str) -> Offer {
    Offer {
        cloud: CloudName::new(CLOUD),
        id: LoadBalancerId::new(id),
    }
}

/// A Service that asks for `lb-9`, which the configuration offers to it.
fn asking() -> ServiceView {
    let mut service = service(CLOUD);
    service.offers = [offer("lb-9"), offer("lb-8")].into();
    let asked = (EXISTING_LB.name().to_owned(), "lb-9".to_owned());
    service.annotations.extend([asked]);
    service
}

/// The listener of others on TCP 443.
fn theirs() -> Listener {
    let wanted = wanted(&service(CLOUD));
    Listener {
        name: "theirs".into(),
        port: 443,
        node_port: 31443,
        ..wanted.listeners()[0].clone()
    }
}

fn wanted(service: &ServiceView) -> Wanted {
    match desired(service, &cluster(), &able()) {
        Desired::Managed(wanted) => *wanted,
        other => panic!("{other:?}"),
    }
}

/// What others made: internal, large, and with a listener of theirs.
fn made() -> LoadBalancer {
    let mut found = LoadBalancer::plain("lb-9", LoadBalancerName::new("by-hand"), None);
    found.spec.listeners = vec![theirs()];
    found.spec.spec = "large".into();
    found.spec.internal = Some(true);
    found.addresses.ips = vec!["192.0.2.9".parse().expect("an address")];
    found
}

fn attached() -> LoadBalancer {
    let (service, found) = (asking(), made());
    let nodes = nodes(&["10.0.0.1"]);
    let spec = wanted(&service).spec_of(&found, &CloudName::new(CLOUD), &nodes.addresses);
    LoadBalancer {
        owner: Some(service.owner(&cluster()).on_existing()),
        spec,
        ..found
    }
}

/// The same with a field of the listener of others that is not known here.
fn opaque(found: LoadBalancer) -> LoadBalancer {
    LoadBalancer {
        opaque_listener: Some((Protocol::Tcp, 443)),
        ..found
    }
}

fn observed(service: &ServiceView, view: CloudView) -> Observed {
    let mut observed = Observed::of_service(service, nodes(&["10.0.0.1"]));
    observed.clouds.insert(CloudName::new(CLOUD), view);
    observed
}

fn present(found: LoadBalancer) -> CloudView {
    CloudView::Present(Box::new(found))
}

fn offered(found: LoadBalancer) -> CloudView {
    CloudView::Offered(Box::new(found))
}

fn planned(service: &ServiceView, view: CloudView) -> Plan {
    let desired = desired(service, &cluster(), &able());
    plan(&desired, &observed(service, view))
}

fn message(plan: &Plan) -> String {
    let problems = plan.waiting.iter().find_map(|waiting| match waiting {
        Waiting::Invalid(problems) => Some(describe_problems(problems, "mycloud.com")),
        _ => None,
    });
    problems.unwrap_or_default()
}

#[test]
fn only_what_the_configuration_offers_is_asked_for() {
    let of = |edit: fn(&mut ServiceView)| {
        let mut service = asking();
        edit(&mut service);
        match desired(&service, &cluster(), &able()) {
            Desired::Managed(_) => "managed".to_owned(),
            Desired::Invalid(invalid) => describe_problems(&invalid.problems, "mycloud.com"),
            other => format!("{other:?}"),
        }
    };
    let set = |service: &mut ServiceView, name: &str, value: &str| {
        service.annotations.insert(name.into(), value.into());
    };
    type Edit = fn(&mut ServiceView);
    let long = "x".repeat(254);
    let cases: [(Edit, &str); 9] = [
        (|_| {}, "managed"),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(EXISTING_LB.name().into(), "lb-7".into())
            },
            "existing-lb is \"lb-7\": existingLoadBalancers of the configuration does not offer \
             this load balancer on cloud1 to the namespace default, for example \"lb-8\"",
        ),
        (
            |service| service.offers.clear(),
            "does not offer this load balancer on cloud1 to the namespace default, for example no \
             such annotation",
        ),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(PROVIDER.name().into(), "cloud2".into())
            },
            "does not offer this load balancer on cloud2",
        ),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(PROVIDER.name().into(), "cloud1,cloud2".into())
            },
            "provider must name one cloud only",
        ),
        (
            |service| {
                _ = service
                    .annotations
                    .insert(EXISTING_LB.name().into(), "lb-9,lb-8".into())
            },
            "1 to 253 visible ASCII characters and no comma",
        ),
        (
            |service| service.source_ranges = vec!["192.0.2.0/24".into()],
            "spec.loadBalancerSourceRanges is \"192.0.2.0/24\": a load balancer that others made \
             (existing-lb) stays as they made it",
        ),
        (
            |service| service.client_affinity_seconds = Some(10),
            "spec.sessionAffinity is \"ClientIP\"",
        ),
        (
            |service| service.requested_ip = Some("192.0.2.1".into()),
            "spec.loadBalancerIP is \"192.0.2.1\"",
        ),
    ];
    for (edit, expected) in cases {
        let found = of(edit);
        assert!(found.contains(expected), "{found}");
    }
    let mut service = asking();
    set(&mut service, EXISTING_LB.name(), &long);
    let invalid = desired(&service, &cluster(), &able());
    assert!(matches!(invalid, Desired::Invalid(_)), "{invalid:?}");
    for (name, value) in [
        ("tags", "team=web"),
        ("internal", "true"),
        ("algorithm", "source-hash"),
    ] {
        let mut service = asking();
        set(&mut service, name, value);
        let found = message(&planned(&service, CloudView::Absent));
        assert!(found.contains("stays as they made it"), "{name}: {found}");
    }
}

#[test]
fn a_cloud_that_cannot_attach_is_not_asked() {
    for feature in [Feature::Attach, Feature::Release] {
        let mut able = able();
        for can in able.values_mut() {
            can.features.remove(&feature);
        }
        let unsupported = desired(&asking(), &cluster(), &able);
        let Desired::Invalid(invalid) = unsupported else {
            panic!("{unsupported:?}");
        };
        assert_eq!(
            crate::plan::problem::kind(&invalid.problems),
            crate::plan::problem::ProblemKind::Unsupported
        );
    }
}

#[test]
fn plans_of_what_others_made() {
    let (asking, mut fresh) = (asking(), asking());
    fresh.finalizer = false;
    let recorded = |service: &ServiceView| ServiceView {
        record: Record::parse(Some("lb-9"), Some(CLOUD)),
        ..service.clone()
    };
    let published = ServiceView {
        published: vec![Ingress::Ip("192.0.2.9".parse().expect("an address"))],
        ..recorded(&asking)
    };
    let edited = |edit: fn(&mut ServiceView)| {
        let mut service = published.clone();
        edit(&mut service);
        service
    };
    let foreign_only = LoadBalancer {
        spec: made().spec,
        ..attached()
    };
    let going = |found: LoadBalancer| LoadBalancer {
        state: State::Deleting,
        ..found
    };
    let cases: [(&str, ServiceView, CloudView, &[&str]); 14] = [
        (
            "the record leads to it before it has our owner",
            fresh,
            offered(made()),
            &["AddFinalizer", "Update", "Publish"],
        ),
        (
            "also if the record has another one",
            edited(|service| service.record = Record::parse(Some("lb-1"), Some(CLOUD))),
            offered(made()),
            &["AddFinalizer", "Update", "Publish"],
        ),
        (
            "after a crash in between",
            recorded(&asking),
            offered(made()),
            &["ConfirmLive", "Update", "Publish"],
        ),
        (
            "it has all that it should",
            published.clone(),
            present(attached()),
            &[],
        ),
        (
            "another port",
            edited(|service| service.ports[0].port = 81),
            present(attached()),
            &["ConfirmLive", "Update", "Publish"],
        ),
        (
            "it is not there, and none is created",
            published.clone(),
            CloudView::Absent,
            &[],
        ),
        (
            "somebody else's",
            published.clone(),
            CloudView::NameTaken,
            &[],
        ),
        (
            "it is going",
            published.clone(),
            offered(going(made())),
            &[],
        ),
        (
            "the Service is deleted",
            edited(|service| service.deleting = true),
            present(attached()),
            &["ConfirmLive", "Update", "Release", "RemoveFinalizer"],
        ),
        (
            "whose listeners are off already",
            edited(|service| service.deleting = true),
            present(foreign_only),
            &["ConfirmLive", "Release", "RemoveFinalizer"],
        ),
        (
            "what is to be retained or deleted does not matter",
            edited(|service| {
                service.deleting = true;
                service
                    .annotations
                    .insert(DELETION_POLICY.name().into(), "reatin".into());
            }),
            present(attached()),
            &["ConfirmLive", "Update", "Release", "RemoveFinalizer"],
        ),
        (
            "nor whether somebody deletes it",
            edited(|service| service.deleting = true),
            present(going(attached())),
            &["ConfirmLive", "Release", "RemoveFinalizer"],
        ),
        (
            "not attached yet",
            edited(|service| service.deleting = true),
            offered(made()),
            &["ConfirmLive", "RemoveFinalizer"],
        ),
        (
            "no longer asked for",
            edited(|service| _ = service.annotations.remove(EXISTING_LB.name())),
            present(attached()),
            &[],
        ),
    ];
    for (reason, service, view, expected) in cases {
        let plan = planned(&service, view);
        assert_eq!(kinds(&plan), expected, "{reason}: {plan:#?}");
    }
}

#[test]
fn only_our_listeners_and_back_ends_change() {
    let service = asking();
    let plan = planned(&service, offered(made()));
    let update = plan.actions.iter().find_map(|action| match action {
        Action::Update {
            request, fallbacks, ..
        } => Some((request, fallbacks)),
        _ => None,
    });
    let (request, fallbacks) = update.expect("an update");
    let owner = service.owner(&cluster());
    assert_eq!(request.owner, owner.clone().on_existing());
    assert_eq!(request.name, made().name);
    assert!(fallbacks.is_empty(), "{fallbacks:?}");
    let expected = LoadBalancerSpec {
        nodes: request.spec.nodes.clone(),
        listeners: request.spec.listeners.clone(),
        ..made().spec
    };
    assert_eq!(request.spec, expected, "settings of others");
    assert_eq!(request.spec.listeners[0], theirs(), "their listener");
    assert_eq!(request.spec.listeners.len(), 2);
    assert_eq!(request.spec.nodes, nodes(&["10.0.0.1"]).addresses);

    // A Node comes.
    let mut later = observed(&service, present(attached()));
    later.backends = nodes(&["10.0.0.1", "10.0.0.2"]);
    let later = plan_of(&service, &later);
    let Some(Action::Update {
        request,
        urgency,
        fallbacks,
        ..
    }) = later.actions.first()
    else {
        panic!("{later:#?}");
    };
    assert_eq!(*urgency, Urgency::Background);
    assert_eq!(request.owner, owner.on_existing());
    assert_eq!(
        request.spec,
        attached().spec_with_nodes(&nodes(&["10.0.0.1", "10.0.0.2"]).addresses)
    );
    assert!(
        fallbacks
            .iter()
            .all(|request| request.owner.is_on_existing())
    );
}

fn plan_of(service: &ServiceView, observed: &Observed) -> Plan {
    plan(&desired(service, &cluster(), &able()), observed)
}

#[test]
fn what_cannot_be_attached_says_why() {
    let service = asking();
    let with = |edit: fn(&mut LoadBalancer)| {
        let mut found = made();
        edit(&mut found);
        found
    };
    let foreign_port = |mut found: LoadBalancer| {
        found.spec.listeners[0].port = 80;
        found
    };
    let created = load_balancer(&self::service(CLOUD), &nodes(&["10.0.0.1"]));
    let other = LoadBalancer {
        id: LoadBalancerId::new("lb-8"),
        ..attached()
    };
    let cases = [
        (
            CloudView::Absent,
            "existing-lb is \"lb-9\": cloud1 has no load balancer lb-9",
        ),
        (
            offered(foreign_port(made())),
            "load balancer lb-9 on cloud1 has a listener of others for TCP 80, which stays",
        ),
        (
            present(foreign_port(attached())),
            "has a listener of others for TCP 80",
        ),
        (
            offered(with(|found| found.is_understood = false)),
            "has values that are not known here",
        ),
        (
            offered(opaque(made())),
            "load balancer lb-9 on cloud1 has a listener of others for TCP 443 with fields that are \
             not known here",
        ),
        (
            present(opaque(attached())),
            "has a listener of others for TCP 443 with fields that are not known here",
        ),
        (
            offered(with(|found| {
                found.spec.nodes = nodes(&["10.9.9.9"]).addresses
            })),
            "has the back end 10.9.9.9, which is none of the Nodes",
        ),
        (
            present(created),
            "this Service has load balancer lb-1 on cloud1, which cannot be changed",
        ),
        (
            present(other),
            "this Service is attached to load balancer lb-8 on cloud1, which cannot be changed",
        ),
    ];
    for (view, expected) in cases {
        let plan = planned(&service, view);
        assert!(kinds(&plan).is_empty(), "{plan:#?}");
        let found = message(&plan);
        assert!(found.contains(expected), "{found}");
    }
    let plan = planned(&self::service(CLOUD), present(attached()));
    let found = message(&plan);
    let expected = "existing-lb is missing: this Service is attached to load balancer lb-9";
    assert!(
        kinds(&plan).is_empty() && found.contains(expected),
        "{found}"
    );
}
