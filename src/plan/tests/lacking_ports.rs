//! Services of which a cloud cannot have one port.

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
    let mut observed = Observed::of_service(service, nodes(&["10.0.0.1"]));
    let present = CloudView::Present(Box::new(found));
    observed.clouds = BTreeMap::from([(CloudName::new("cloud1"), present)]);
    let wanted = wanted(service, &some());
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
