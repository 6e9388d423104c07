//! Listeners with fields that this program does not know. An update sends all listeners of a
//! load balancer, and would take such a field away.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::field::{self, Field, Shown};
use crate::plan::load_balancer::Protocol;
use crate::plan::naming::Owner;

/// The fields of a listener that this program reads and sends.
const LISTENER: [&str; 7] = [
    "name",
    "protocol",
    "port",
    "nodePort",
    HEALTH_CHECK,
    "proxyProtocol",
    "appProtocol",
];

const HEALTH_CHECK: &str = "healthCheck";

/// The fields of a health check that this program reads and sends.
const OF_HEALTH_CHECK: [&str; 7] = [
    "protocol",
    "port",
    "path",
    "intervalSeconds",
    "timeoutSeconds",
    "healthyThreshold",
    "unhealthyThreshold",
];

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(borrow, default)]
    protocol: Field<'a>,
    port: u16,
}

/// Protocol and port of the first listener that has a field which is not known here and that is
/// not of the Service which is attached. A list that cannot be read is not understood anyway.
pub(super) fn listener(list: Field<'_>, attached: Option<&Owner>) -> Option<(Protocol, u16)> {
    let Shown::Value(list) = Shown::<Vec<&RawValue>>::from(list) else {
        return None;
    };
    let is_ours = |name: &str| attached.is_some_and(|owner| owner.has_listener(name));
    let mut opaque = list.into_iter().filter(|listener| is_opaque(listener));
    opaque.find_map(|listener| {
        let Place {
            name,
            protocol,
            port,
        } = serde_json::from_str(listener.get()).ok()?;
        let protocol = match field::word(protocol, &Protocol::ALL, Protocol::as_str) {
            Shown::Value(protocol) => protocol,
            Shown::Nothing => Protocol::Tcp,
            Shown::Unknown => return None,
        };
        (!is_ours(&name.unwrap_or_default())).then_some((protocol, port))
    })
}

fn is_opaque(listener: &RawValue) -> bool {
    let fields = fields(listener);
    let health_check = fields.get(HEALTH_CHECK).map(|json| self::fields(json));
    has_others(&fields, &LISTENER)
        || health_check.is_some_and(|fields| has_others(&fields, &OF_HEALTH_CHECK))
}

/// The fields of an object; none of anything else.
fn fields(json: &RawValue) -> BTreeMap<String, &RawValue> {
    serde_json::from_str(json.get()).unwrap_or_default()
}

/// Whether there are other fields than these. One that is null is missing.
fn has_others(fields: &BTreeMap<String, &RawValue>, known: &[&str]) -> bool {
    let is_other = |(name, value): (&String, &&RawValue)| {
        !known.contains(&name.as_str()) && value.get() != "null"
    };
    fields.iter().any(is_other)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;
    use crate::cloud::wire::listener::ListenerBody;
    use crate::plan::health_check::{HealthCheck, Probe, Timing};
    use crate::plan::load_balancer::Listener;
    use crate::plan::naming::{ClusterId, ServiceUid};
    use crate::plan::proxy_protocol::ProxyProtocol;

    fn opaque(list: &Value, attached: Option<&Owner>) -> Option<u16> {
        let json = RawValue::from_string(list.to_string()).expect("JSON");
        listener(Some(&json), attached).map(|(_, port)| port)
    }

    #[test]
    fn a_listener_with_a_field_that_is_not_known_is_told_from_the_others() {
        let plain = json!({"name": "a", "port": 80, "nodePort": 30080});
        let known = json!({
            "name": "a", "protocol": "TCP", "port": 80, "nodePort": 30080, "proxyProtocol": "v1",
            "appProtocol": "http", "healthCheck": {
                "protocol": "HTTP", "port": 1, "path": "/", "intervalSeconds": 1,
                "timeoutSeconds": 1, "healthyThreshold": 1, "unhealthyThreshold": 1},
        });
        let absent = json!({"port": 80, "nodePort": 30080, "tls": null});
        let tls = json!({"protocol": "UDP", "port": 443, "nodePort": 1, "tls": {}});
        let checked = json!({"port": 81, "nodePort": 1, "healthCheck": {"matcher": "200"}});
        let of = |list: Value| opaque(&list, None);
        assert_eq!(of(json!([plain, known, absent, tls])), Some(443));
        assert_eq!(of(json!([plain, checked, tls])), Some(81));
        for nothing in [
            json!([plain, known, absent]),
            json!([]),
            json!(null),
            json!("x"),
            json!([7]),
        ] {
            assert_eq!(of(nothing), None);
        }
        // What we put there is not taken from others.
        let owner = Owner {
            cluster: ClusterId::new("c1"),
            namespace: "shop".into(),
            name: "web".into(),
            uid: ServiceUid::new("existing-u1"),
        };
        let ours = json!({"name": owner.listener_mark(), "port": 80, "nodePort": 1, "tls": {}});
        assert_eq!(opaque(&json!([ours]), Some(&owner)), None);
        assert_eq!(opaque(&json!([ours, tls]), Some(&owner)), Some(443));
        assert_eq!(opaque(&json!([ours]), None), Some(80), "left behind");
    }

    /// A field that is forgotten here would keep every Service from being attached.
    #[test]
    fn every_field_that_is_sent_is_known() {
        let timing = Timing {
            interval_seconds: 1,
            timeout_seconds: 1,
            healthy_threshold: 1,
            unhealthy_threshold: 1,
        };
        let listener = Listener {
            name: "a".into(),
            protocol: Protocol::Tcp,
            port: 80,
            node_port: 30080,
            health_check: HealthCheck::On {
                probe: Probe::Http {
                    port: 1,
                    path: "/".into(),
                },
                timing,
            },
            proxy_protocol: Some(ProxyProtocol::V1),
            app_protocol: Some("http".into()),
        };
        let sent = serde_json::to_value(ListenerBody::from(&listener)).expect("JSON");
        let names = |value: &Value| -> BTreeSet<String> {
            value.as_object().expect("fields").keys().cloned().collect()
        };
        assert_eq!(names(&sent), LISTENER.map(str::to_owned).into());
        let sent = names(&sent[HEALTH_CHECK]);
        assert_eq!(sent, OF_HEALTH_CHECK.map(str::to_owned).into());
    }
}
