//! What follows the Nodes and the node ports whatever else of a Service has to wait.

use super::*;
use crate::plan::health_check::{HealthCheck, Probe};
use crate::plan::load_balancer::Listener;

/// The clouds with all that a cloud can have.
fn able() -> Clouds {
    ["cloud1", "cloud2"]
        .map(|name| (CloudName::new(name), Capabilities::unlimited()))
        .into()
}

fn unable() -> Clouds {
    let mut clouds = able();
    for can in clouds.values_mut() {
        can.features.remove(&Feature::HealthChecks);
    }
    clouds
}

/// A Service with `externalTrafficPolicy: Local`, whose port 80 is reached at 30080.
fn local() -> ServiceView {
    let mut service = service("cloud1");
    service.health_check_node_port = Some(31000);
    service.record = Record::parse(Some("lb-1"), Some("cloud1"));
    service
}

/// The same Service after its policy became `Cluster`, with these values of annotations.
fn freed(values: &[(&str, &str)]) -> ServiceView {
    let mut service = local();
    service.health_check_node_port = None;
    let values = values.iter();
    let values = values.map(|&(name, value)| (name.to_owned(), value.to_owned()));
    service.annotations.extend(values);
    service
}

fn made(service: &ServiceView, clouds: &Clouds, backends: &Backends) -> LoadBalancer {
    let Desired::Managed(wanted) = desired(service, &cluster(), clouds) else {
        panic!("fixture is managed");
    };
    let cloud = wanted.clouds.first().expect("a cloud");
    LoadBalancer {
        spec: wanted.spec(cloud, &backends.addresses),
        ..load_balancer(service, backends)
    }
}

fn planned(now: &ServiceView, clouds: &Clouds, found: LoadBalancer, nodes: &Backends) -> Plan {
    plan(&desired(now, &cluster(), clouds), &seen(now, found, nodes))
}

fn seen(now: &ServiceView, found: LoadBalancer, nodes: &Backends) -> Observed {
    let mut observed = Observed::of_service(now, nodes.clone());
    let present = CloudView::Present(Box::new(found));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    observed
}

/// The specs that the updates of a plan request, then those that they fall back to.
fn requested(plan: &Plan) -> Vec<&LoadBalancerSpec> {
    let updates = plan.actions.iter().filter_map(|action| match action {
        Action::Update {
            request, fallbacks, ..
        } => Some(std::iter::once(request).chain(fallbacks)),
        _ => None,
    });
    updates.flatten().map(|request| &request.spec).collect()
}

/// The port, the node port, and the port that is asked for its health.
fn ports(listener: &Listener) -> (u16, u16, Option<u16>) {
    let asked = match &listener.health_check {
        HealthCheck::On {
            probe: Probe::Tcp { port } | Probe::Http { port, .. },
            ..
        } => Some(*port),
        HealthCheck::Off | HealthCheck::Unspecified => None,
    };
    (listener.port, listener.node_port, asked)
}

#[test]
fn a_mistake_elsewhere_leaves_no_load_balancer_with_a_port_that_was_freed() {
    let nodes = nodes(&["10.0.0.1"]);
    let typo = ("lb-bandwidth", "fast");
    let moved = |values: &[(&str, &str)]| {
        let mut service = freed(values);
        service.ports[0].node_port = Some(30090);
        service
    };
    let other_ports = |values: &[(&str, &str)]| {
        let mut service = moved(values);
        service.ports[0].port = 8080;
        service
    };
    let without_node_port = |values: &[(&str, &str)]| {
        let mut service = freed(values);
        service.ports[0].node_port = None;
        service
    };
    let large = |values: &[(&str, &str)]| {
        let mut service = moved(values);
        service.too_large = vec![crate::plan::service_size::TooLarge::Annotations];
        service
    };
    let still_local = |values: &[(&str, &str)]| ServiceView {
        health_check_node_port: Some(31000),
        ..freed(values)
    };
    let of_no_class = |values: &[(&str, &str)]| {
        let mut service = freed(values);
        service.class = Some("gone".into());
        service.annotations.remove(ENABLE.name());
        service
    };
    type Row = (
        ServiceView,
        Clouds,
        Clouds,
        Option<(u16, Option<u16>)>,
        &'static str,
    );
    let rows: [Row; 16] = [
        (
            freed(&[typo]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "the issue itself",
        ),
        (
            moved(&[typo]),
            able(),
            able(),
            Some((30090, Some(30090))),
            "a node port",
        ),
        (
            freed(&[("provider", "cloud9")]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "no cloud",
        ),
        (
            freed(&[("enable", "True")]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "the switch",
        ),
        (
            of_no_class(&[]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "its class is gone",
        ),
        (
            freed(&[("proxy-protocol", "v3")]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "a header",
        ),
        (
            freed(&[("deletion-policy", "reatin")]),
            able(),
            able(),
            Some((30080, Some(30080))),
            "the policy",
        ),
        (
            moved(&[("health-check-interval", "5")]),
            able(),
            able(),
            Some((30090, Some(31000))),
            "the check itself is wrong",
        ),
        (
            moved(&[("health-check-port", "8081"), typo]),
            able(),
            able(),
            Some((30090, Some(8081))),
            "the user chose a check",
        ),
        (
            freed(&[typo]),
            able(),
            unable(),
            Some((30080, Some(30080))),
            "the cloud gave checks",
        ),
        (
            moved(&[typo]),
            unable(),
            unable(),
            Some((30090, None)),
            "the cloud gives none",
        ),
        (
            freed(&[typo]),
            unable(),
            able(),
            Some((30080, Some(30080))),
            "the cloud gives them now",
        ),
        (
            still_local(&[typo]),
            able(),
            able(),
            None,
            "nothing was freed",
        ),
        (
            other_ports(&[typo]),
            able(),
            able(),
            None,
            "another set of ports waits",
        ),
        (
            without_node_port(&[]),
            able(),
            able(),
            None,
            "a port that cannot be reached",
        ),
        (
            large(&[typo]),
            able(),
            able(),
            None,
            "what was said of the check may be missing",
        ),
    ];
    for (now, before, clouds, expected, reason) in rows {
        let found = made(&local(), &before, &nodes);
        let plan = planned(&now, &clouds, found.clone(), &nodes);
        assert!(
            plan.waiting
                .iter()
                .any(|one| matches!(one, Waiting::Invalid(_))),
            "{reason}: {plan:?}"
        );
        let Some((node_port, asked)) = expected else {
            assert_eq!(kinds(&plan), Vec::<&str>::new(), "{reason}");
            continue;
        };
        assert_eq!(
            kinds(&plan),
            ["ConfirmLive", "Update"],
            "{reason}: {plan:?}"
        );
        let [spec] = requested(&plan)[..] else {
            panic!("{reason}: {plan:?}");
        };
        let is: Vec<_> = spec.listeners.iter().map(ports).collect();
        assert_eq!(is, [(80, node_port, asked)], "{reason}");
        let mut rest = spec.clone();
        rest.listeners.clone_from(&found.spec.listeners);
        assert_eq!(rest, found.spec, "{reason}: all else waits");
        let updated = LoadBalancer {
            spec: spec.clone(),
            ..found
        };
        let again = planned(&now, &clouds, updated, &nodes);
        assert_eq!(kinds(&again), Vec::<&str>::new(), "{reason}: it has it");
    }
}

#[test]
fn a_cloud_that_rejects_the_check_gets_the_nodes_alone() {
    let (before, now) = (
        nodes(&["10.0.0.1", "10.0.0.2"]),
        nodes(&["10.0.0.2", "10.0.0.3"]),
    );
    let found = made(&local(), &able(), &before);
    let plan = planned(
        &freed(&[("lb-bandwidth", "fast")]),
        &able(),
        found.clone(),
        &now,
    );
    let asked = |spec: &&LoadBalancerSpec| (spec.nodes.len(), ports(&spec.listeners[0]).2);
    let asked: Vec<_> = requested(&plan).iter().map(asked).collect();
    let (new, old) = (Some(30080), Some(31000));
    assert_eq!(asked, [(2, new), (2, old), (1, old)]);
}

#[test]
fn a_cloud_that_keeps_its_own_check_is_not_asked_again() {
    let nodes = nodes(&["10.0.0.1"]);
    let (now, found) = (
        freed(&[("lb-bandwidth", "fast")]),
        made(&local(), &able(), &nodes),
    );
    let mut observed = seen(&now, found.clone(), &nodes);
    let desired = desired(&now, &cluster(), &able());
    let update = plan(&desired, &observed).actions.remove(1);
    observed.record_outcome(&update, Outcome::Found(Box::new(found)));
    assert_eq!(kinds(&plan(&desired, &observed)), Vec::<&str>::new());
}

#[test]
fn the_listeners_of_others_are_not_ours_to_keep_up() {
    let nodes = nodes(&["10.0.0.1"]);
    let now = freed(&[("lb-bandwidth", "fast")]);
    let mut found = made(&local(), &able(), &nodes);
    let attached = now.owner(&cluster()).on_existing();
    let theirs = Listener {
        protocol: crate::plan::load_balancer::Protocol::Udp,
        ..found.spec.listeners[0].clone()
    };
    found.spec.listeners.insert(0, theirs.clone());
    found.spec.listeners[1].name = attached.listener_mark();
    found.owner = Some(attached);
    let mut now = now;
    now.ports.push(PortView {
        protocol: "UDP".into(),
        name: "dns".into(),
        node_port: Some(30053),
        ..now.ports[0].clone()
    });
    let plan = planned(&now, &able(), found, &nodes);
    let [spec] = requested(&plan)[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(spec.listeners[0], theirs);
    assert_eq!(ports(&spec.listeners[1]), (80, 30080, Some(30080)));
}

/// The plan of a Service on both clouds, of which the first has what is given.
fn beside(
    now: &ServiceView,
    known: &KnownClouds,
    found: LoadBalancer,
    other: CloudView,
    nodes: &Backends,
) -> Plan {
    let mut observed = seen(now, found, nodes);
    observed.clouds.insert(CloudName::new("cloud2"), other);
    plan(&known.desired(now, &cluster()), &observed)
}

#[test]
fn what_waits_on_one_cloud_or_is_about_to_go_is_kept_up_too() {
    let nodes = nodes(&["10.0.0.1"]);
    let told = KnownClouds {
        clouds: able(),
        untold: BTreeSet::new(),
    };
    let mut basic = able();
    basic.insert(CloudName::new("cloud1"), Capabilities::basic());
    let untold = KnownClouds {
        clouds: basic,
        untold: BTreeSet::from([CloudName::new("cloud1")]),
    };
    let both = ("provider", "cloud1,cloud2");
    let rows = [
        (
            freed(&[both, ("internal", "true")]),
            &told,
            "it is not internal, which stays",
        ),
        (
            freed(&[both, ("algorithm", "source-hash")]),
            &untold,
            "it has not told",
        ),
        (
            freed(&[("provider", "cloud2")]),
            &told,
            "its successor does not serve",
        ),
    ];
    for (now, known, reason) in rows {
        let mut found = made(&local(), &able(), &nodes);
        found.spec.internal = Some(false);
        let plan = beside(&now, known, found, CloudView::NameTaken, &nodes);
        assert_eq!(
            kinds(&plan)[..2],
            ["ConfirmLive", "Update"],
            "{reason}: {plan:?}"
        );
        let [spec] = requested(&plan)[..] else {
            panic!("{reason}: {plan:?}");
        };
        let is: Vec<_> = spec.listeners.iter().map(ports).collect();
        assert_eq!(is, [(80, 30080, Some(30080))], "{reason}");
        let (internal, algorithm) = (spec.internal, spec.algorithm);
        assert_eq!(
            (internal, algorithm),
            (Some(false), Algorithm::RoundRobin),
            "{reason}"
        );
    }
}

#[test]
fn a_cloud_that_has_not_told_is_not_asked_for_a_check() {
    let nodes = nodes(&["10.0.0.1"]);
    let mut basic = able();
    basic.insert(CloudName::new("cloud1"), Capabilities::basic());
    let untold = KnownClouds {
        clouds: basic,
        untold: BTreeSet::from([CloudName::new("cloud1")]),
    };
    let found = made(&local(), &unable(), &nodes);
    let mut now = freed(&[("provider", "cloud1,cloud2"), ("algorithm", "source-hash")]);
    now.ports[0].node_port = Some(30090);
    let plan = beside(&now, &untold, found, CloudView::Unreachable, &nodes);
    let [spec] = requested(&plan)[..] else {
        panic!("{plan:?}");
    };
    assert_eq!(ports(&spec.listeners[0]), (80, 30090, None));
}

#[test]
fn what_would_lose_values_that_are_not_known_here_is_left_as_it_is_and_told() {
    let (before, after) = (nodes(&["10.0.0.1"]), nodes(&["10.0.0.2"]));
    let told = KnownClouds {
        clouds: able(),
        untold: BTreeSet::new(),
    };
    let typo = ("lb-bandwidth", "fast");
    let both = [("provider", "cloud1,cloud2"), ("internal", "true")];
    let same = |service: ServiceView| ServiceView {
        health_check_node_port: Some(31000),
        ..service
    };
    let rows = [
        (same(freed(&[typo])), &after, true, "a Node has left"),
        (freed(&[typo]), &before, true, "a port was freed"),
        (same(freed(&[typo])), &before, false, "it needs nothing"),
        (same(freed(&both)), &after, true, "it is refused"),
        (
            same(freed(&[("provider", "cloud2")])),
            &after,
            true,
            "it is about to go",
        ),
    ];
    for (now, nodes, expected, reason) in rows {
        let found = LoadBalancer {
            is_understood: false,
            ..made(&local(), &able(), &before)
        };
        let plan = beside(&now, &told, found, CloudView::Unreachable, nodes);
        assert_eq!(requested(&plan).len(), 0, "{reason}: {plan:?}");
        let told = Waiting::NotUnderstood(CloudName::new("cloud1"));
        assert_eq!(plan.waiting.contains(&told), expected, "{reason}: {plan:?}");
    }
}
