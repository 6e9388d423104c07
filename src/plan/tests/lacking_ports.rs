//! Services of which a cloud cannot have one port.

use super::asked::{able, asking};
use super::*;
use crate::plan::load_balancer::Protocol;
use crate::plan::port_status::PortErrors;

/// Clouds of which the first has no UDP.
fn some() -> Clouds {
    let mut clouds = clouds();
    let cloud1 = clouds.get_mut(&CloudName::new("cloud1"));
    cloud1.expect("there").protocols.remove(&Protocol::Udp);
    clouds
}

fn mixed(provider: &str) -> ServiceView {
    let mut service = service(provider);
    service.ports[0].name = "web".into();
    service.ports.push(PortView {
        name: "dns".into(),
        protocol: "UDP".into(),
        port: 53,
        node_port: Some(30053),
        app_protocol: None,
    });
    service
}

fn wanted(service: &ServiceView, clouds: &Clouds) -> Wanted {
    match desired(service, &cluster(), clouds) {
        Desired::Managed(wanted) => *wanted,
        other => panic!("{other:?}"),
    }
}

fn ports(spec: &LoadBalancerSpec) -> Vec<u16> {
    spec.listeners
        .iter()
        .map(|listener| listener.port)
        .collect()
}

#[test]
fn the_other_ports_work_and_each_cloud_has_what_it_can() {
    let service = mixed("cloud1,cloud2");
    let wanted = wanted(&service, &some());
    let on = |cloud| ports(&wanted.spec(&CloudName::new(cloud), &NodeAddresses::default()));
    assert_eq!(on("cloud1"), [80]);
    assert_eq!(on("cloud2"), [80, 53]);
    let basic = [(CloudName::new("cloud1"), Capabilities::basic())].into();
    let on_basic = self::wanted(&mixed("cloud1"), &basic);
    let spec = on_basic.spec(&CloudName::new("cloud1"), &NodeAddresses::default());
    assert_eq!(
        ports(&spec),
        [80],
        "one listener is enough for what is left"
    );
}

#[test]
fn without_any_port_left_it_is_unsupported() {
    let mut service = mixed("cloud1");
    service.ports.remove(0);
    let found = desired(&service, &cluster(), &some());
    assert!(matches!(found, Desired::Invalid(_)), "{found:?}");
}

/// The errors of the ports of a load balancer with these listeners, by port.
fn errors(service: &ServiceView, found: LoadBalancer) -> (Vec<(u16, Option<String>)>, usize) {
    errors_of(wanted(service, &some()), service, found)
}

fn errors_of(
    wanted: Wanted,
    service: &ServiceView,
    found: LoadBalancer,
) -> (Vec<(u16, Option<String>)>, usize) {
    let mut observed = Observed::of_service(service, nodes(&["10.0.0.1"]));
    let present = CloudView::Present(Box::new(found));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    let plan = plan(&Desired::Managed(Box::new(wanted.clone())), &observed);
    let updates = |action: &Action| matches!(action, Action::Update { .. });
    assert!(
        !plan.actions.iter().any(updates),
        "what exists stays: {plan:?}"
    );
    let errors = PortErrors::of(&wanted, &observed, "mycloud.com");
    let ports = errors.ports.into_values().flatten();
    let ports = ports.map(|status| (status.port, status.error)).collect();
    (ports, errors.problems.len())
}

#[test]
fn only_a_port_that_the_load_balancer_does_not_have_is_an_error() {
    let service = mixed("cloud1");
    let backends = nodes(&["10.0.0.1"]);
    let whole = load_balancer(&service, &backends);
    let mut part = whole.clone();
    part.spec.listeners.retain(|listener| listener.port == 80);
    let error = Some("mycloud.com/UnsupportedProtocol".to_owned());
    assert_eq!(errors(&service, part), (vec![(80, None), (53, error)], 1));
    assert_eq!(errors(&service, whole), (vec![], 0), "it was made before");
}

/// A Service with two TCP ports, the second with an annotation of its own.
fn two_ports(name: &str, value: &str) -> ServiceView {
    let mut service = asking("cloud1", &[(name, value)]);
    service.ports[0].name = "web".into();
    service.ports.push(PortView {
        name: "tls".into(),
        port: 443,
        node_port: Some(30443),
        ..service.ports[0].clone()
    });
    service
}

/// Clouds of which the first lacks all features and cannot have two listeners.
fn small() -> Clouds {
    let mut can = Capabilities::standard();
    can.limits.listeners = Some(1);
    let mut clouds = able();
    clouds.insert(CloudName::new("cloud1"), can);
    clouds
}

const OF_ONE_PORT: [(&str, &str); 3] = [
    ("tls.proxy-protocol", "v2"),
    ("tls.health-check-path", "/up"),
    ("tls.health-check-interval", "7s"),
];

#[test]
fn what_is_asked_for_one_port_alone_leaves_the_others() {
    for (name, value) in OF_ONE_PORT {
        let mut service = two_ports(name, value);
        if name.ends_with("-path") {
            let http = ("tls.health-check-protocol".to_owned(), "http".to_owned());
            service.annotations.extend([http]);
        }
        let wanted = wanted(&service, &small());
        let cloud = CloudName::new("cloud1");
        let spec = wanted.spec(&cloud, &NodeAddresses::default());
        assert_eq!(
            ports(&spec),
            [80],
            "{name}: one listener is enough for what is left"
        );

        let found = LoadBalancer {
            spec,
            ..load_balancer(&super::service("cloud1"), &nodes(&["10.0.0.1"]))
        };
        let found = LoadBalancer {
            spec: found.spec_with_nodes(&nodes(&["10.0.0.1"]).addresses),
            ..found
        };
        let (errors, problems) = errors_of(wanted, &service, found);
        let error = Some("mycloud.com/UnsupportedAnnotation".to_owned());
        assert_eq!(errors, [(80, None), (443, error)], "{name}");
        assert_eq!(problems, service.annotations.len() - 2, "{name}");
    }
}

#[test]
fn what_is_asked_for_all_ports_or_the_only_one_concerns_the_service() {
    let mut one_port = two_ports("tls.proxy-protocol", "v2");
    one_port.ports.remove(0);
    let mut each = two_ports("tls.proxy-protocol", "v2");
    let other = ("web.proxy-protocol".to_owned(), "v1".to_owned());
    each.annotations.extend([other]);
    for service in [one_port, each, two_ports("proxy-protocol", "v2")] {
        let found = desired(&service, &cluster(), &small());
        assert!(matches!(found, Desired::Invalid(_)), "{found:?}");
    }
    let plain = two_ports("tls.proxy-protocol", "none");
    let mut clouds = small();
    let can = clouds.get_mut(&CloudName::new("cloud1")).expect("there");
    can.limits.listeners = None;
    let default = wanted(&plain, &clouds);
    assert!(
        default.port_problems().is_empty(),
        "the default needs nothing"
    );
}

#[test]
fn a_listener_that_exists_stays_and_is_an_error_unless_it_is_as_asked() {
    let mut unable = able();
    unable.insert(CloudName::new("cloud1"), Capabilities::standard());
    let backends = nodes(&["10.0.0.1"]);
    let (plain, asking) = (
        two_ports("enable", "true"),
        two_ports("tls.proxy-protocol", "v2"),
    );
    let made = |service: &ServiceView, clouds: &Clouds| {
        let spec = wanted(service, clouds).spec(&CloudName::new("cloud1"), &backends.addresses);
        LoadBalancer {
            spec,
            ..load_balancer(&super::service("cloud1"), &backends)
        }
    };
    let as_asked = made(&asking, &able());
    let (told, _) = errors_of(wanted(&asking, &unable), &asking, as_asked);
    assert_eq!(told, [], "it was made while the cloud was able");
    let otherwise = made(&plain, &unable);
    let (told, _) = errors_of(wanted(&asking, &unable), &asking, otherwise);
    let error = Some("mycloud.com/UnsupportedAnnotation".to_owned());
    assert_eq!(told, [(80, None), (443, error)], "it has no such header");
}

#[test]
fn an_update_leaves_the_health_check_of_such_a_listener_as_it_is() {
    let cloud = CloudName::new("cloud1");
    let backends = nodes(&["10.0.0.1"]);
    let before = two_ports("tls.health-check-interval", "7s");
    let mut after = two_ports("tls.health-check-interval", "9s");
    after.annotations.insert("lb-spec".into(), "large".into());
    let found = LoadBalancer {
        spec: wanted(&before, &able()).spec(&cloud, &backends.addresses),
        ..load_balancer(&super::service("cloud1"), &backends)
    };
    let mut clouds = able();
    clouds.insert(cloud.clone(), Capabilities::standard());
    let requested = wanted(&after, &clouds).spec_of(&found, &cloud, &backends.addresses);
    let checks = |spec: &LoadBalancerSpec| {
        let listeners = spec.listeners.iter();
        listeners
            .map(|listener| listener.health_check.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(requested.spec, "large");
    assert_eq!(
        checks(&requested),
        checks(&found.spec),
        "9s cannot be asked for"
    );
}
