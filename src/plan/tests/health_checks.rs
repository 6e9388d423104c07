//! Load balancers whose cloud gives no health checks any more.

use super::*;
use crate::plan::capabilities::Feature;
use crate::plan::health_check::{ClusterCheck, HealthCheck, Probe};

fn able() -> Clouds {
    let all = |name| (CloudName::new(name), Capabilities::unlimited());
    ["cloud1", "cloud2"].map(all).into()
}

fn unable() -> Clouds {
    let mut clouds = able();
    for can in clouds.values_mut() {
        can.features.remove(&Feature::HealthChecks);
    }
    clouds
}

/// A load balancer that was made while the cloud gave health checks.
fn made(service: &ServiceView, backends: &Backends) -> LoadBalancer {
    let Desired::Managed(wanted) = desired(service, &cluster(), &able()) else {
        panic!("fixture is managed");
    };
    let cloud = wanted.clouds.first().expect("a cloud");
    LoadBalancer {
        spec: wanted.spec(cloud, &backends.addresses),
        ..load_balancer(service, backends)
    }
}

/// The ports that the updates of a plan have probed.
fn probed(service: &ServiceView, found: LoadBalancer, backends: &Backends) -> Vec<Option<u16>> {
    let mut observed = Observed::of_service(service, backends.clone());
    let present = CloudView::Present(Box::new(found));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    let plan = plan(&desired(service, &cluster(), &unable()), &observed);
    let updates = plan.actions.iter().filter_map(|action| match action {
        Action::Update { request, .. } => Some(&request.spec.listeners),
        _ => None,
    });
    let probe = |check: &HealthCheck| match check {
        HealthCheck::On {
            probe: Probe::Tcp { port } | Probe::Http { port, .. },
            ..
        } => Some(*port),
        HealthCheck::Off | HealthCheck::Unspecified => None,
    };
    updates
        .flatten()
        .map(|listener| probe(&listener.health_check))
        .collect()
}

#[test]
fn a_health_check_that_exists_stays_and_no_new_one_is_asked_for() {
    let before = service("cloud1");
    let backends = nodes(&["10.0.0.1"]);
    let found = made(&before, &backends);
    let with = |change: fn(&mut ServiceView)| {
        let mut after = before.clone();
        change(&mut after);
        after
    };
    let edited = with(|service| {
        let bandwidth = LB_BANDWIDTH.name().to_owned();
        service.annotations.insert(bandwidth, "7M".into());
    });
    let moved = with(|service| service.ports[0].node_port = Some(30090));
    let grown = with(|service| {
        let more = PortView {
            port: 443,
            name: "tls".into(),
            node_port: Some(30443),
            ..service.ports[0].clone()
        };
        service.ports.push(more);
    });
    let joined = nodes(&["10.0.0.1", "10.0.0.2"]);
    let cases: [(&ServiceView, &Backends, &[Option<u16>], &str); 5] = [
        (&before, &backends, &[], "nothing is to do"),
        (&before, &joined, &[Some(30080)], "a Node joins"),
        (&edited, &backends, &[Some(30080)], "an edit"),
        (
            &moved,
            &backends,
            &[Some(30090)],
            "it follows the node port",
        ),
        (&grown, &backends, &[Some(30080), None], "a port is added"),
    ];
    for (service, backends, expected, reason) in cases {
        assert_eq!(
            probed(service, found.clone(), backends),
            expected,
            "{reason}"
        );
    }
    let bare = load_balancer(&before, &backends);
    assert_eq!(probed(&edited, bare, &backends), [None], "it never had one");
}

#[test]
fn a_cloud_that_decides_itself_which_nodes_serve_is_told() {
    let plain = service("cloud1");
    let with = |change: fn(&mut ServiceView)| {
        let mut service = plain.clone();
        change(&mut service);
        service
    };
    let local = with(|service| service.health_check_node_port = Some(31000));
    let by_kube_proxy = with(|service| service.defaults.cluster_check = ClusterCheck::KubeProxy);
    let backends = nodes(&["10.0.0.1"]);
    let (checked, bare) = (made(&local, &backends), load_balancer(&local, &backends));
    let cases = [
        (&plain, unable(), None, false, "its own check says as much"),
        (
            &local,
            unable(),
            None,
            true,
            "it may choose a Node without a pod",
        ),
        (
            &local,
            unable(),
            Some(&bare),
            true,
            "the same of one that exists",
        ),
        (
            &local,
            unable(),
            Some(&checked),
            false,
            "it was made with a check",
        ),
        (&local, able(), None, false, "it asks kube-proxy"),
        (
            &by_kube_proxy,
            unable(),
            None,
            true,
            "it may choose a Node that is to go",
        ),
    ];
    for (service, clouds, found, expected, reason) in cases {
        let Desired::Managed(wanted) = desired(service, &cluster(), &clouds) else {
            panic!("fixture is managed");
        };
        let told = wanted.unchecked(&CloudName::new("cloud1"), found);
        assert_eq!(told.is_some(), expected, "{reason}");
    }
}
