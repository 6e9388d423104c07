//! The listeners of a load balancer.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::field::{self, Field, Shown};
use super::health_check::HealthCheckBody;
use super::object::Object;
use crate::plan::capabilities::Feature;
use crate::plan::load_balancer::{Listener, Protocol};
use crate::plan::proxy_protocol::ProxyProtocol;

/// A listener in a request. Its field names differ from the serialization of the plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListenerBody<'a> {
    name: &'a str,
    protocol: Protocol,
    port: u16,
    node_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    health_check: Option<HealthCheckBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_protocol: Option<ProxyProtocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_protocol: Option<&'a str>,
}

impl<'a> From<&'a Listener> for ListenerBody<'a> {
    fn from(listener: &'a Listener) -> Self {
        let app_protocol = listener.app_protocol.as_deref();
        Self {
            name: &listener.name,
            protocol: listener.protocol,
            port: listener.port,
            node_port: listener.node_port,
            health_check: HealthCheckBody::of(&listener.health_check),
            proxy_protocol: listener.proxy_protocol,
            // None is said by leaving it out.
            app_protocol: app_protocol.filter(|name| !name.is_empty()),
        }
    }
}

/// The listeners in a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Listeners {
    pub(super) listeners: Vec<Listener>,
    /// Whether one of them has a value that is not known, or is left out for it.
    pub(super) has_unknown: bool,
}

impl Listeners {
    /// Reads a list. A value that is not known costs its field only; or its listener, if what the
    /// listener takes and passes on depends on it. Where the cloud lacks the feature of a field,
    /// that may mean something else, and says nothing.
    pub(super) fn read(list: Field<'_>, features: &BTreeSet<Feature>) -> Shown<Self> {
        Shown::<Vec<&RawValue>>::from(list).map(|entries| {
            let mut read = Self::default();
            for entry in entries {
                let (listener, has_unknown) = match Shown::from(Some(entry)) {
                    Shown::Value(Object(entry)) => ShownListener::read(entry, features),
                    Shown::Nothing | Shown::Unknown => (None, true),
                };
                read.listeners.extend(listener);
                read.has_unknown |= has_unknown;
            }
            read
        })
    }

    pub(super) fn known(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            has_unknown: false,
        }
    }
}

/// A listener in a response.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ShownListener<'a> {
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(borrow)]
    protocol: Field<'a>,
    #[serde(borrow)]
    port: Field<'a>,
    #[serde(borrow)]
    node_port: Field<'a>,
    #[serde(borrow)]
    health_check: Field<'a>,
    #[serde(borrow)]
    proxy_protocol: Field<'a>,
    #[serde(borrow)]
    app_protocol: Field<'a>,
}

impl ShownListener<'_> {
    /// The listener, and whether any value of it is not known.
    fn read(self, features: &BTreeSet<Feature>) -> (Option<Listener>, bool) {
        let name = Shown::<String>::from(self.name);
        let protocol = field::word(self.protocol, &Protocol::ALL, Protocol::as_str);
        let (port, node_port) = (Shown::from(self.port), Shown::from(self.node_port));
        let has = |feature| features.contains(&feature);
        let check = Shown::<HealthCheckBody>::from(self.health_check);
        let check = check.unless_lacking(has(Feature::HealthChecks));
        let header = field::word(
            self.proxy_protocol,
            &ProxyProtocol::ALL,
            ProxyProtocol::as_str,
        );
        let header = header.map(Some);
        let header = header.unless_lacking(has(Feature::ProxyProtocol));
        let app_protocol = Shown::<String>::from(self.app_protocol).map(Some);
        let app_protocol = app_protocol.unless_lacking(has(Feature::AppProtocol));
        let is_unreadable = protocol.is_unknown() || header.is_unknown();
        let has_unknown =
            is_unreadable || name.is_unknown() || check.is_unknown() || app_protocol.is_unknown();
        let (Shown::Value(port), Shown::Value(node_port), false) = (port, node_port, is_unreadable)
        else {
            return (None, true);
        };
        let check = check.map(|check| check.read(node_port));
        let listener = Listener {
            name: name.unwrap_or_default(),
            protocol: match protocol {
                Shown::Value(protocol) => protocol,
                Shown::Nothing | Shown::Unknown => Protocol::Tcp,
            },
            port,
            node_port,
            health_check: check.unwrap_or_default(),
            proxy_protocol: header.unwrap_or_default(),
            app_protocol: app_protocol.unwrap_or_default(),
        };
        (Some(listener), has_unknown)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::to_raw_value};

    use super::*;
    use crate::plan::health_check::{HealthCheck, Probe};

    fn read(list: &Value) -> Shown<Listeners> {
        let json = to_raw_value(list).expect("JSON");
        Listeners::read(Some(&json), &Feature::ALL.into())
    }

    /// The only listener of a list, and whether it has a value that is not known.
    fn only(fields: Value) -> (Option<Listener>, bool) {
        let mut listener = json!({"port": 80, "nodePort": 30080});
        let fields = fields.as_object().cloned().unwrap_or_default();
        listener.as_object_mut().expect("an object").extend(fields);
        let Shown::Value(mut read) = read(&json!([listener])) else {
            panic!("{listener} is a list");
        };
        (read.listeners.pop(), read.has_unknown)
    }

    #[test]
    fn words_are_read_in_any_case() {
        let words = json!({
            "protocol": "udp", "proxyProtocol": "V2", "healthCheck": {"protocol": "http", "path": "/Up"},
        });
        let (listener, has_unknown) = only(words);
        let listener = listener.expect("a listener");
        assert!(!has_unknown);
        assert_eq!(listener.protocol, Protocol::Udp);
        assert_eq!(listener.proxy_protocol, Some(ProxyProtocol::V2));
        let HealthCheck::On { probe, .. } = listener.health_check else {
            panic!("{:?}", listener.health_check);
        };
        let path = "/Up".to_owned();
        assert_eq!(probe, Probe::Http { port: 30080, path });
        let (off, _) = only(json!({"healthCheck": {"protocol": "None"}}));
        assert_eq!(off.expect("one").health_check, HealthCheck::Off);
    }

    #[test]
    fn what_a_cloud_lacks_may_mean_something_else_to_it() {
        let list = json!([{"port": 80, "nodePort": 30080, "proxyProtocol": false,
            "appProtocol": 7, "healthCheck": "on"}]);
        let json = to_raw_value(&list).expect("JSON");
        for (features, is_left, has_unknown) in [
            (BTreeSet::new(), true, false),
            (Feature::ALL.into(), false, true),
        ] {
            let Shown::Value(read) = Listeners::read(Some(&json), &features) else {
                panic!("{list} is a list");
            };
            assert_eq!(
                (read.listeners.len() == 1, read.has_unknown),
                (is_left, has_unknown)
            );
        }
    }

    /// A listener of others is sent back as it was shown.
    #[test]
    fn no_number_of_a_health_check_is_lost_in_silence() {
        let check = json!({"protocol": "", "intervalSeconds": 5, "timeoutSeconds": null});
        let (listener, has_unknown) = only(json!({"healthCheck": check}));
        let HealthCheck::On { timing, .. } = listener.expect("a listener").health_check else {
            panic!("it has one");
        };
        assert_eq!((timing.interval_seconds, timing.timeout_seconds), (5, 0));
        assert!(!has_unknown);
        for odd in [json!("5s"), json!(5.5), json!(-1)] {
            let check = json!({"intervalSeconds": odd, "timeoutSeconds": 2});
            let (_, has_unknown) = only(json!({"healthCheck": check}));
            assert!(has_unknown, "{odd}");
        }
    }

    #[test]
    fn a_value_that_is_not_known_costs_its_field_or_its_listener_and_no_other() {
        let cases = [
            (json!({}), true, false, "nothing else is said"),
            (
                json!({"name": null, "protocol": null}),
                true,
                false,
                "null is nothing",
            ),
            (
                json!({"weight": 7}),
                true,
                false,
                "a field that nobody reads",
            ),
            (json!({"name": 7}), true, true, "a name"),
            (
                json!({"healthCheck": {"protocol": "GRPC"}}),
                true,
                true,
                "a health check",
            ),
            (
                json!({"appProtocol": ["http"]}),
                true,
                true,
                "an application protocol",
            ),
            (json!({"protocol": "QUIC"}), false, true, "what it takes"),
            (
                json!({"proxyProtocol": "v3"}),
                false,
                true,
                "what back ends get",
            ),
            (json!({"port": 70000}), false, true, "a port"),
            (json!({"nodePort": null}), false, true, "no node port"),
        ];
        for (fields, is_read, is_unknown, why) in cases {
            let (listener, has_unknown) = only(fields);
            assert_eq!(
                (listener.is_some(), has_unknown),
                (is_read, is_unknown),
                "{why}"
            );
        }
        let good = json!({"port": 80, "nodePort": 30080, "proxyProtocol": "v1"});
        for bad in [
            json!({"port": 443}),
            json!(["tcp", 443]),
            json!("tcp"),
            json!(null),
        ] {
            let Shown::Value(read) = read(&json!([bad, good])) else {
                panic!("{bad}: it is a list");
            };
            assert!(read.has_unknown, "{bad}");
            let ports = read.listeners.iter().map(|listener| listener.port);
            assert_eq!(ports.collect::<Vec<_>>(), [80], "{bad}");
        }
        assert_eq!(read(&json!({"port": 80})), Shown::Unknown);
        assert_eq!(Listeners::read(None, &BTreeSet::new()), Shown::Nothing);
    }
}
