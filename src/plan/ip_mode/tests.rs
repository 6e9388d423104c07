use super::*;
use crate::plan::load_balancer::{Listener, Protocol};
use crate::plan::naming::LoadBalancerName;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn modes(told: &[(u8, IpMode)]) -> IpModes {
    told.iter().map(|(last, mode)| (ip(*last), *mode)).collect()
}

fn listener(port: u16, header: Option<ProxyProtocol>) -> Listener {
    Listener {
        name: String::new(),
        protocol: Protocol::Tcp,
        port,
        node_port: 30080,
        health_check: Default::default(),
        proxy_protocol: header,
        app_protocol: None,
    }
}

#[test]
fn a_mode_is_what_the_cloud_says_or_follows_from_the_headers_of_all_ports() {
    let (v1, v2, none) = (
        Some(ProxyProtocol::V1),
        Some(ProxyProtocol::V2),
        Some(ProxyProtocol::None),
    );
    let (vip, proxy) = (IpMode::Vip, IpMode::Proxy);
    let cases: [(&[_], _, _, _); 9] = [
        (&[none], None, vip, "the default"),
        (&[None, None], None, vip, "a cloud without the capability"),
        (&[v1, v2], None, proxy, "all ports"),
        (&[v1, none], None, vip, "one of two ports"),
        (&[v1, None], None, vip, "a port that nobody knows of"),
        (&[], None, vip, "no port at all"),
        (&[none], Some(proxy), proxy, "the cloud says so"),
        (&[v1, none], Some(proxy), proxy, "whatever the ports"),
        (&[v1], Some(vip), vip, "the cloud knows better"),
    ];
    for (headers, told, expected, why) in cases {
        let mut found = LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None);
        let listeners = headers.iter().zip(80..);
        found.spec.listeners = listeners
            .map(|(header, port)| listener(port, *header))
            .collect();
        found.addresses.ips = vec![ip(1), ip(2)];
        found.addresses.hostnames = vec!["lb.example".into()];
        let told = told.map(|mode| (ip(1), mode));
        found.addresses.modes = told.into_iter().collect();
        let found = found.ip_modes();
        assert_eq!(found.get(ip(1)), Some(expected), "{why}");
        assert!(found.get(ip(2)).is_some(), "{why}");
    }
}

#[test]
fn listeners_that_cannot_be_read_say_nothing_and_those_beside_them_count() {
    let (v2, none) = (Some(ProxyProtocol::V2), Some(ProxyProtocol::None));
    let (vip, proxy) = (Some(IpMode::Vip), Some(IpMode::Proxy));
    let cases: [(&[_], _, _, _); 4] = [
        (&[], None, None, "none can be read"),
        (&[], proxy, proxy, "the cloud says so"),
        (&[v2], None, proxy, "the one that can be read"),
        (&[v2, none], None, vip, "one has none, whatever the others"),
    ];
    for (headers, told, expected, why) in cases {
        let mut found = LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None);
        found.is_understood = false;
        let listeners = headers.iter().zip(80..);
        found.spec.listeners = listeners
            .map(|(header, port)| listener(port, *header))
            .collect();
        found.addresses.ips = vec![ip(1)];
        found.addresses.modes = told.map(|mode| (ip(1), mode)).into_iter().collect();
        assert_eq!(found.ip_modes().get(ip(1)), expected, "{why}");
    }
}

#[test]
fn a_status_without_modes_is_that_of_a_server_that_has_none() {
    use IpMode::{Proxy, Vip};
    let cases: [(&[_], &[_], bool, &str); 7] = [
        (&[(1, Proxy)], &[(1, Proxy)], true, "as wanted"),
        (&[(1, Proxy)], &[(1, Vip)], false, "the default of a server"),
        (&[(1, Proxy)], &[], true, "a server without the field"),
        (&[(1, Vip)], &[], true, "the same"),
        (&[(1, Vip)], &[(1, Proxy)], false, "another writer"),
        (&[], &[(1, Proxy)], true, "nobody says anything"),
        (
            &[(1, Vip), (2, Proxy)],
            &[(1, Vip), (2, Vip)],
            false,
            "one of two",
        ),
    ];
    for (wanted, shown, expected, why) in cases {
        assert_eq!(modes(wanted).are_met_by(&modes(shown)), expected, "{why}");
    }
}

#[test]
fn only_a_proxy_is_written_and_never_at_a_host_name() {
    let told = modes(&[(1, IpMode::Proxy), (2, IpMode::Vip)]);
    assert_eq!(told.to_write(&Ingress::Ip(ip(1))), Some(IpMode::Proxy));
    assert_eq!(told.to_write(&Ingress::Ip(ip(2))), None);
    assert_eq!(told.to_write(&Ingress::Ip(ip(3))), None);
    let name = Ingress::Hostname("192.0.2.1".into());
    assert_eq!(told.to_write(&name), None);
    assert_eq!(
        told.describe(&Ingress::Ip(ip(1))),
        "192.0.2.1 (ipMode Proxy)"
    );
    assert_eq!(told.describe(&name), "192.0.2.1");
}

#[test]
fn values_that_are_not_known_say_nothing() {
    for mode in IpMode::ALL {
        assert_eq!(IpMode::parse(mode.as_str()), Some(mode));
        let json = serde_json::to_value(mode).expect("JSON");
        assert_eq!(json, mode.as_str());
    }
    assert_eq!(IpMode::parse("proxy"), None);
}
