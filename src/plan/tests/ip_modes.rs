//! Several addresses and host names, and the mode of each IP address.

use super::*;
use crate::plan::ip_mode::{IpMode, IpModes};
use crate::plan::proxy_protocol::ProxyProtocol;

/// A load balancer of a cloud with these addresses, each with the mode that its cloud tells.
fn at(id: &str, ips: &[(&str, Option<IpMode>)], hostnames: &[&str]) -> CloudView {
    let mut found = load_balancer(&service("cloud1"), &nodes(&["10.0.0.1"]));
    found.id = LoadBalancerId::new(id);
    let ip = |ip: &str| ip.parse::<IpAddr>().expect("address");
    let told = ips.iter();
    let told = told.filter_map(|(address, mode)| Some((ip(address), (*mode)?)));
    found.addresses = Addresses {
        ips: ips.iter().map(|(address, _)| ip(address)).collect(),
        modes: told.collect(),
        hostnames: hostnames.iter().map(|&name| name.to_owned()).collect(),
        refused: None,
    };
    CloudView::Present(Box::new(found))
}

fn observed(views: &[(&str, CloudView)]) -> Observed {
    let mut observed = Observed::of_service(&service("cloud1"), nodes(&["10.0.0.1"]));
    let views = views.iter().cloned();
    observed.clouds = views
        .map(|(cloud, view)| (CloudName::new(cloud), view))
        .collect();
    observed
}

fn names(clouds: &[&str]) -> BTreeSet<CloudName> {
    clouds.iter().map(|&cloud| CloudName::new(cloud)).collect()
}

fn texts(ingress: &[Ingress], modes: &IpModes) -> Vec<String> {
    let texts = ingress.iter().map(|entry| modes.describe(entry));
    texts.collect()
}

#[test]
fn each_cloud_publishes_all_that_it_shows_with_modes_of_its_own() {
    let (vip, proxy) = (Some(IpMode::Vip), Some(IpMode::Proxy));
    let views = [
        (
            "cloud1",
            at(
                "lb-1",
                &[("192.0.2.1", None), ("2001:db8::1", vip)],
                &["a.example", "b.example"],
            ),
        ),
        (
            "cloud2",
            at("lb-2", &[("198.51.100.1", proxy)], &["c.example"]),
        ),
    ];
    let observed = observed(&views);
    let both = observed.publication(&names(&["cloud1", "cloud2"]));
    let expected = [
        "192.0.2.1",
        "2001:db8::1",
        "a.example",
        "b.example",
        "198.51.100.1 (ipMode Proxy)",
        "c.example",
    ];
    assert_eq!(texts(&both.ingress, &both.modes), expected);
    let first = observed.publication(&names(&["cloud1"]));
    assert_eq!(texts(&first.ingress, &first.modes), expected[..4]);
}

#[test]
fn an_address_that_stays_keeps_its_mode_until_its_cloud_answers() {
    let proxy = Some(IpMode::Proxy);
    let views = [
        ("cloud1", CloudView::Unreachable),
        ("cloud2", at("lb-2", &[("198.51.100.1", None)], &[])),
    ];
    let mut observed = observed(&views);
    let ip = |ip: &str| ip.parse::<IpAddr>().expect("address");
    observed.ingress = ["192.0.2.1", "198.51.100.1"]
        .map(|text| Ingress::Ip(ip(text)))
        .into();
    observed.modes = ["192.0.2.1", "198.51.100.1"]
        .map(|text| (ip(text), IpMode::Proxy))
        .into_iter()
        .collect();
    let wanted = names(&["cloud1", "cloud2"]);
    let publication = observed.publication(&wanted);
    assert_eq!(
        texts(&publication.ingress, &publication.modes),
        ["192.0.2.1 (ipMode Proxy)", "198.51.100.1"]
    );
    let answered = at("lb-1", &[("192.0.2.7", proxy)], &[]);
    observed.clouds.insert(CloudName::new("cloud1"), answered);
    let publication = observed.publication(&wanted);
    assert_eq!(
        texts(&publication.ingress, &publication.modes),
        ["192.0.2.7 (ipMode Proxy)", "198.51.100.1"],
        "nothing is left of the address that is gone"
    );
    assert_eq!(publication.modes.get(ip("192.0.2.1")), None);
}

/// The actions of a plan where the status shows this mode at the only address.
fn actions(
    told: Option<IpMode>,
    header: Option<ProxyProtocol>,
    shown: Option<IpMode>,
) -> Vec<String> {
    let plain = service("cloud1");
    let mut service = plain.clone();
    service.record = Record::parse(Some("lb-1"), Some("cloud1"));
    let ip: IpAddr = "192.0.2.1".parse().expect("address");
    service.published = vec![Ingress::Ip(ip)];
    service.published_modes = shown.map(|mode| (ip, mode)).into_iter().collect();
    let mut can = Capabilities::standard();
    if let Some(header) = header {
        can.features.insert(Feature::ProxyProtocol);
        let header = header.as_str().to_owned();
        service.annotations.insert("proxy-protocol".into(), header);
    }
    let clouds = [(CloudName::new("cloud1"), can)].into();
    let desired = desired(&service, &cluster(), &clouds);
    let Desired::Managed(wanted) = &desired else {
        panic!("fixture is managed: {desired:?}");
    };
    let nodes = nodes(&["10.0.0.1"]);
    let mut observed = Observed::of_service(&service, nodes.clone());
    let mut found = load_balancer(&plain, &nodes);
    found.spec = wanted.spec(&CloudName::new("cloud1"), &nodes.addresses);
    found.addresses.modes = told.map(|mode| (ip, mode)).into_iter().collect();
    let view = CloudView::Present(Box::new(found));
    observed.clouds.insert(CloudName::new("cloud1"), view);
    let plan = plan(&desired, &observed);
    let mut after = observed.clone();
    after.record_published(observed.publication(&wanted.clouds));
    assert!(
        super::plan(&desired, &after).actions.is_empty(),
        "it is done"
    );
    after.modes = IpModes::default();
    assert!(
        super::plan(&desired, &after).actions.is_empty(),
        "the server drops modes"
    );
    let actions = plan.actions.iter();
    actions.map(|action| action.to_string()).collect()
}

#[test]
fn a_mode_is_written_once_and_only_where_the_server_has_the_field() {
    use IpMode::{Proxy, Vip};
    let (v2, none) = (Some(ProxyProtocol::V2), Some(ProxyProtocol::None));
    let cases = [
        (None, None, Some(Vip), 0, "the default"),
        (None, None, None, 0, "an older server"),
        (Some(Proxy), None, Some(Vip), 1, "the cloud says Proxy"),
        (Some(Proxy), None, Some(Proxy), 0, "it is there"),
        (Some(Proxy), None, None, 0, "it would be dropped"),
        (None, v2, Some(Vip), 1, "all ports use the PROXY protocol"),
        (None, v2, Some(Proxy), 0, "it is there"),
        (None, none, Some(Proxy), 1, "no port does any more"),
        (Some(Vip), v2, Some(Proxy), 1, "the cloud says otherwise"),
    ];
    for (told, header, shown, writes, why) in cases {
        let actions = actions(told, header, shown);
        assert_eq!(actions.len(), writes, "{why}: {actions:?}");
    }
}
