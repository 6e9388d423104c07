use serde_json::{Value, json};

use super::*;
use crate::cloud::address_policy::AddressPolicy;
use crate::plan::load_balancer::Addresses;
use crate::plan::record::{Ingress, ingress_of};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    ip: Field<'a>,
    #[serde(borrow, default)]
    ips: Field<'a>,
    #[serde(borrow, default)]
    hostname: Field<'a>,
    #[serde(borrow, default)]
    ingress: Field<'a>,
}

fn read(body: &Value) -> Addresses {
    let text = body.to_string();
    let Object(body): Object<Body<'_>> = serde_json::from_str(&text).expect("an object");
    let shown = shown(body.ip, body.ips, body.hostname, body.ingress);
    AddressPolicy::default().addresses(shown)
}

fn texts(addresses: &Addresses) -> Vec<String> {
    let entries = ingress_of(addresses);
    let texts = entries.iter().map(|entry| addresses.modes.describe(entry));
    texts.collect()
}

#[test]
fn all_addresses_are_read_in_an_order_of_their_own() {
    let cases: [(Value, &[&str], &str); 9] = [
        (
            json!({"ip": "192.0.2.9", "ips": ["192.0.2.9", "2001:db8::1", "192.0.2.1"]}),
            &["192.0.2.9", "192.0.2.1", "2001:db8::1"],
            "the first one first",
        ),
        (
            json!({"ip": "2001:db8::1", "ips": ["2001:db8::1", "192.0.2.1"]}),
            &["2001:db8::1", "192.0.2.1"],
            "of whatever family",
        ),
        (
            json!({"ip": "192.0.2.1", "hostname": "lb.example.com"}),
            &["192.0.2.1"],
            "the name stands for the address",
        ),
        (
            json!({"ip": "", "hostname": "lb.example.com"}),
            &["lb.example.com"],
            "or takes its place",
        ),
        (
            json!({"ip": "", "hostname": "c.example.com",
                   "ingress": [{"hostname": "B.example.com."}, {"hostname": "a.example.com"}, {"hostname": "c.example.com"}]}),
            &["a.example.com", "b.example.com", "c.example.com"],
            "several names, each once",
        ),
        (
            json!({"ip": "192.0.2.1", "ingress": [
                {"hostname": "a.example.com", "ipMode": "Proxy"},
                {"ip": "192.0.2.2"}, {"ip": "192.0.2.1", "ipMode": "PROXY"}]}),
            &["192.0.2.1 (ipMode Proxy)", "192.0.2.2", "a.example.com"],
            "what is told of an address that is elsewhere too",
        ),
        (
            json!({"ip": "192.0.2.1", "ingress": [{"ip": "::ffff:192.0.2.1", "ipMode": "VIP"}]}),
            &["192.0.2.1"],
            "VIP is told",
        ),
        (
            json!({"ip": "192.0.2.1", "ingress": [{"ip": "192.0.2.1", "ipMode": "Tunnel"}, {}]}),
            &["192.0.2.1"],
            "a mode that is not known is none",
        ),
        (
            json!({"ip": "", "ingress": [{"ip": "192.0.2.1", "hostname": "a.example.com", "ipMode": "Proxy"}]}),
            &["192.0.2.1 (ipMode Proxy)", "a.example.com"],
            "an entry with both is two",
        ),
    ];
    for (body, expected, why) in cases {
        let read = read(&body);
        assert_eq!(texts(&read), expected, "{why}");
        assert_eq!(read.refused, None, "{why}");
    }
}

#[test]
fn what_the_cloud_shuffles_is_read_the_same() {
    let entries = |names: [&str; 3]| {
        let entries = names.map(|name| json!({"hostname": format!("{name}.example.com")}));
        read(&json!({"ip": "", "ingress": entries}))
    };
    assert_eq!(entries(["a", "b", "c"]), entries(["c", "a", "b"]));
    let contradiction = |modes: [&str; 2]| {
        let entries = modes.map(|mode| json!({"ip": "192.0.2.1", "ipMode": mode}));
        texts(&read(&json!({ "ingress": entries })))
    };
    for modes in [["VIP", "Proxy"], ["Proxy", "VIP"]] {
        assert_eq!(contradiction(modes), ["192.0.2.1 (ipMode Proxy)"]);
    }
}

#[test]
fn each_entry_is_checked_by_itself() {
    for (entry, says) in [
        (
            json!({"ip": "127.0.0.1"}),
            "127.0.0.1 is a loopback address",
        ),
        (
            json!({"hostname": "no name"}),
            "\"no name\" is not a DNS name",
        ),
        (
            json!({"hostname": "127.0.0.1"}),
            "127.0.0.1 is a loopback address",
        ),
        (json!({"ip": 7}), "\"7\" is not an IP address"),
        (json!("192.0.2.2"), "is not an IP address"),
        (json!(["192.0.2.2"]), "is not an IP address"),
    ] {
        let read = read(&json!({"ip": "192.0.2.1", "ingress": [entry, {"hostname": "a.example"}]}));
        assert_eq!(texts(&read), ["192.0.2.1", "a.example"], "{says}");
        let refused = read.refused.expect(says);
        assert!(refused.contains(says), "{refused}");
    }
}

#[test]
fn all_addresses_together_have_one_bound() {
    let ips: Vec<String> = (1..=8).map(|last| format!("192.0.2.{last}")).collect();
    let names = |count| (0..count).map(|index| json!({"hostname": format!("n{index}.example")}));
    let modes = ips.iter().map(|ip| json!({"ip": ip, "ipMode": "Proxy"}));
    let told: Vec<Value> = modes.clone().chain(names(8)).collect();
    let all = read(&json!({"ip": ips[0], "ips": ips, "ingress": told}));
    assert_eq!((all.ips.len(), all.hostnames.len()), (8, 8));
    let told: Vec<Value> = modes.chain(names(9)).collect();
    let more = read(&json!({"ip": ips[0], "ips": ips, "ingress": told}));
    assert!(more.is_empty());
    let refused = more.refused.expect("refused");
    assert_eq!(refused, "it shows 17 addresses, more than 16");
    let told: Vec<Value> = names(16).collect();
    let with_another = json!({"hostname": "other.example", "ingress": told});
    assert!(read(&with_another).is_empty());
    let first = ingress_of(&all).remove(0);
    assert_eq!(first, Ingress::Ip([192, 0, 2, 1].into()));
}
