//! Addresses of both IP families.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};

use serde_json::{Value, json};
use testbed::back_end::BackEnd;
use testbed::cloud::{Capabilities, CloudSimulatorOptions, Protocol, Verb};

use super::{Cloud, wanted, with};

fn families(families: &[&str]) -> Value {
    with(wanted("web", "u1"), json!({ "addressFamilies": families }))
}

fn ips(answer: &Value) -> Vec<IpAddr> {
    serde_json::from_value(answer["ips"].clone()).expect("addresses")
}

#[tokio::test]
async fn each_family_that_is_asked_for_has_an_address() {
    let cloud = Cloud::quiet().await;
    let id = cloud.create(&wanted("web", "u1")).await;
    let is_v4 = [true, false];
    let cases: [(&[&str], &[bool]); 5] = [
        (&["IPv4"], &is_v4[..1]),
        (&["IPv4", "IPv6"], &is_v4),
        (&["IPv6", "IPv4"], &[false, true]),
        (&["IPv6"], &is_v4[1..]),
        (&[], &is_v4[..1]),
    ];
    let mut seen = Vec::new();
    for (asked, expected) in cases {
        let body = with(families(asked), json!({ "lbId": id }));
        let answer = cloud.call(Verb::Update, &body).await.json();
        let ips = ips(&answer);
        let found: Vec<bool> = ips.iter().map(IpAddr::is_ipv4).collect();
        assert_eq!(found, expected, "{answer}");
        assert_eq!(answer["ip"], json!(ips[0]));
        seen.extend(ips);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2, "each address stays the same");
}

#[tokio::test]
async fn families_that_are_none_or_that_the_cloud_lacks_are_refused() {
    let cloud = Cloud::quiet().await;
    for bad in [&["IPv5"][..], &["IPv4", "IPv4"], &["ipv6"]] {
        let refused = cloud.call(Verb::Create, &families(bad)).await;
        assert_eq!(refused.text("code"), "InvalidArgument", "{bad:?}");
    }
    let single = Capabilities::all().without("dualStack");
    cloud.simulator.set_capabilities(Some(single));
    let refused = cloud.call(Verb::Create, &families(&["IPv4", "IPv6"])).await;
    assert_eq!(refused.text("code"), "InvalidArgument");
    cloud.create(&families(&["IPv4"])).await;
}

#[tokio::test]
async fn one_address_of_each_family_can_be_asked_for() {
    let cloud = Cloud::quiet().await;
    let (four, six) = (
        cloud.simulator.addresses().hosts().nth(40).expect("one"),
        "2001:db8:0:1::7",
    );
    let asking = |name: &str, families: &[&str], addresses: Value| {
        let asked = json!({ "addressFamilies": families, "addresses": addresses });
        with(wanted(name, name), asked)
    };
    let both: &[&str] = &["IPv4", "IPv6"];
    let body = asking("web", both, json!([six, four]));
    let answer = cloud.call(Verb::Create, &body).await.json();
    assert_eq!(answer["ips"], json!([four, six]), "{answer}");
    let refused = [
        (asking("taken", both, json!([six])), "Conflict"),
        (
            asking("outside", both, json!(["2001:db8::7"])),
            "InvalidArgument",
        ),
        (
            asking("single", &["IPv4"], json!(["2001:db8:0:1::8"])),
            "InvalidArgument",
        ),
        (
            asking("twice", both, json!([six, "2001:db8:0:1::8"])),
            "InvalidArgument",
        ),
        (asking("none", both, json!(["office"])), "InvalidArgument"),
    ];
    for (body, code) in refused {
        let answer = cloud.call(Verb::Create, &body).await;
        assert_eq!(answer.text("code"), code, "{body}");
    }
    let id = json!({ "lbId": answer["lbId"] });
    let other = with(asking("web", both, json!(["2001:db8:0:1::8"])), id.clone());
    let answer = cloud.call(Verb::Update, &other).await;
    assert_eq!(answer.text("code"), "InvalidArgument", "it stays");
    cloud.call(Verb::Delete, &id).await;
    cloud.create(&asking("taken", both, json!([six]))).await;
}

/// Linux has one IPv6 address for loopback.
#[tokio::test]
async fn clients_of_each_family_reach_the_back_ends_of_it() {
    let cloud = Cloud::start(CloudSimulatorOptions {
        address6: Some(Ipv6Addr::LOCALHOST),
        ..CloudSimulatorOptions::named("cloud1")
    })
    .await;
    let free = || {
        let taken = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("a port");
        taken.local_addr().expect("an address").port()
    };
    let (port, node_port) = (free(), free());
    let four: IpAddr = [127, 0, 0, 1].into();
    let six: IpAddr = Ipv6Addr::LOCALHOST.into();
    let mut back_ends = Vec::new();
    for (node, says) in [(four, "four"), (six, "six")] {
        let started = BackEnd::start(node, node_port, Protocol::Tcp, says.to_owned());
        back_ends.push(started.await.expect("a back end"));
    }
    let ports = json!({
        "nodes": [four, six], "port": port, "nodePort": node_port,
        "listeners": [{"port": port, "nodePort": node_port}],
    });
    let body = with(families(&["IPv4", "IPv6"]), ports);
    let answer = cloud.call(Verb::Create, &body).await.json();
    assert_eq!(answer["state"], "active", "{answer}");
    for ip in ips(&answer) {
        let expected = if ip.is_ipv4() { "four" } else { "six" };
        let url = format!("http://{}/", SocketAddr::new(ip, port));
        let answer = super::http().get(url).send().await.expect("an answer");
        assert_eq!(answer.text().await.expect("a text").trim(), expected);
    }
}
