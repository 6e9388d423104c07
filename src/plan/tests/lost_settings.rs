//! Load balancers with settings that their cloud does not have any more.

use super::asked::{able, asking};
use super::*;
use crate::plan::load_balancer::{IdleTimeout, LoadBalancerSpec};
use crate::plan::proxy_protocol::ProxyProtocol;
use crate::plan::tags::Tags;

fn cloud() -> CloudName {
    CloudName::new("cloud1")
}

/// The clouds after all settings have disappeared from cloud1.
fn unable() -> Clouds {
    let mut clouds = able();
    clouds.insert(cloud(), Capabilities::standard());
    clouds
}

/// A Service that asks for nothing of its own.
fn plain() -> ServiceView {
    let mut service = asking("cloud1", &[]);
    service.defaults.tags = Tags::parse("stage=test").expect("tags");
    service.ports[0].app_protocol = Some("http".into());
    service
}

/// What the update of a load balancer requests, if there is one.
fn requested(service: &ServiceView, spec: LoadBalancerSpec) -> Option<LoadBalancerSpec> {
    let backends = nodes(&["10.0.0.1"]);
    let mut found = load_balancer(service, &backends);
    found.spec = LoadBalancerSpec {
        nodes: found.spec.nodes,
        ..spec
    };
    let mut observed = Observed::of_service(service, backends);
    let present = CloudView::Present(Box::new(found));
    observed.clouds = BTreeMap::from([(cloud(), present)]);
    let plan = plan(&desired(service, &cluster(), &unable()), &observed);
    plan.actions.into_iter().find_map(|action| match action {
        Action::Update { request, .. } => Some(request.spec),
        _ => None,
    })
}

fn declared(service: &ServiceView, clouds: &Clouds) -> LoadBalancerSpec {
    match desired(service, &cluster(), clouds) {
        Desired::Managed(wanted) => wanted.spec(&cloud(), &NodeAddresses::default()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_setting_that_exists_stays_and_no_new_one_is_asked_for() {
    let service = plain();
    let mut made = declared(&service, &able());
    assert!(made.tags.is_some(), "{made:?}");
    // Somebody asked for these before.
    made.idle_timeout = Some(IdleTimeout::Seconds(350));
    made.listeners[0].proxy_protocol = Some(ProxyProtocol::V1);
    made.internal = Some(true);
    assert_eq!(requested(&service, made.clone()), None, "nothing is to do");

    let mut edited = service.clone();
    let bandwidth = LB_BANDWIDTH.name().to_owned();
    edited.annotations.insert(bandwidth, "7M".into());
    let update = requested(&edited, made.clone()).expect("an update");
    let expected = LoadBalancerSpec {
        bandwidth: "7M".into(),
        nodes: update.nodes.clone(),
        ..made.clone()
    };
    assert_eq!(update, expected);

    let mut grown = service.clone();
    grown.ports.push(PortView {
        name: "tls".into(),
        port: 443,
        node_port: Some(30443),
        ..service.ports[0].clone()
    });
    let update = requested(&grown, made).expect("an update");
    let [old, new] = &update.listeners[..] else {
        panic!("{update:?}");
    };
    assert_eq!(old.app_protocol.as_deref(), Some("http"));
    assert_eq!((new.proxy_protocol, &new.app_protocol), (None, &None));
}

#[test]
fn what_a_cloud_never_had_is_not_requested() {
    let mut edited = plain();
    let bare = declared(&plain(), &unable());
    let bandwidth = LB_BANDWIDTH.name().to_owned();
    edited.annotations.insert(bandwidth, "7M".into());
    let mut shown = bare.clone();
    // A cloud may show the default of what it does not have.
    shown.internal = Some(false);
    shown.tags = Tags::parse("");
    for found in [bare, shown] {
        let update = requested(&edited, found).expect("an update");
        let LoadBalancerSpec {
            internal,
            idle_timeout,
            tags,
            ..
        } = &update;
        assert_eq!((internal, idle_timeout, tags), (&None, &None, &None));
        let listener = &update.listeners[0];
        assert_eq!(
            (listener.proxy_protocol, &listener.app_protocol),
            (None, &None)
        );
    }
}
