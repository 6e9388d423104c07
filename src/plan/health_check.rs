//! How a load balancer finds out whether a Node serves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::annotation::{
    HEALTH_CHECK_HEALTHY_THRESHOLD, HEALTH_CHECK_INTERVAL, HEALTH_CHECK_PATH, HEALTH_CHECK_PORT,
    HEALTH_CHECK_PROTOCOL, HEALTH_CHECK_TIMEOUT, HEALTH_CHECK_UNHEALTHY_THRESHOLD,
};
use super::load_balancer::Protocol;
use super::problem::Problem;
use super::service::PortView;

/// The path at which kube-proxy answers on the health check node port of a Service
/// (<https://kubernetes.io/docs/reference/networking/virtual-ips/>).
const KUBE_PROXY_PATH: &str = "/healthz";
/// The port of a Node at which kube-proxy tells whether the Node can take traffic for any Service
/// (`healthzBindAddress`); its replacements answer there too.
const KUBE_PROXY_PORT: u16 = 10256;

/// The health check of the back ends of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HealthCheck {
    /// The cloud decides.
    #[default]
    Unspecified,
    /// Every back end counts as healthy.
    Off,
    On {
        probe: Probe,
        timing: Timing,
    },
}

/// What is asked of a back end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// It accepts a connection on this port of the Node.
    Tcp { port: u16 },
    /// It answers a GET with 2xx on this port of the Node.
    Http { port: u16, path: String },
}

/// How often a back end is asked, and when that decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timing {
    /// From one probe to the next, 1 to 300.
    pub interval_seconds: u32,
    /// For the answer to a probe; at most the interval.
    pub timeout_seconds: u32,
    /// Answers in a row that make a back end healthy, 1 to 10.
    pub healthy_threshold: u32,
    /// Failures in a row that make a back end unhealthy, 1 to 10.
    pub unhealthy_threshold: u32,
}

/// What is asked of a Node that serves a Service with `externalTrafficPolicy: Cluster`, unless
/// annotations of the Service say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ClusterCheck {
    /// Whether it accepts connections on the node port. kube-proxy passes them on to a pod on any
    /// Node, so this asks the pods more than the Node.
    #[default]
    NodePort,
    /// Whether its kube-proxy works and the Node is to stay (KEP-3836). New connections avoid a
    /// Node that is about to go, and those that it has may end.
    KubeProxy,
}

/// The value of `health-check-protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeProtocol {
    Tcp,
    Http,
    None,
}

impl HealthCheck {
    /// Whether the cloud decides.
    pub fn is_unspecified(&self) -> bool {
        *self == Self::Unspecified
    }

    /// The health check that a Service declares for one of its ports.
    ///
    /// With `externalTrafficPolicy: Local`, kube-proxy answers on the port
    /// `health_check_node_port` whether the Node has an endpoint, which is what must decide.
    /// Otherwise the configuration says what a Node is asked, unless an annotation says any part
    /// of it: so annotations mean the same with every configuration.
    ///
    /// # Errors
    /// A value breaks its rule, or contradicts another one.
    pub(super) fn declared(
        annotations: &BTreeMap<String, String>,
        health_check_node_port: Option<u16>,
        of_cluster: ClusterCheck,
        port: &PortView,
        protocol: Protocol,
        node_port: u16,
    ) -> Result<Self, Problem> {
        let name = &*port.name;
        let chosen = HEALTH_CHECK_PROTOCOL.of_port(annotations, name)?;
        let chosen_port = HEALTH_CHECK_PORT.of_port(annotations, name)?;
        let path = HEALTH_CHECK_PATH.of_port(annotations, name)?;
        let timing = Timing::declared(annotations, name)?;
        let says_nothing = chosen.is_none() && chosen_port.is_none() && path.is_none();
        if of_cluster == ClusterCheck::KubeProxy && health_check_node_port.is_none() && says_nothing
        {
            let (port, path) = (KUBE_PROXY_PORT, KUBE_PROXY_PATH.to_owned());
            let probe = Probe::Http { port, path };
            return Ok(Self::On { probe, timing });
        }
        let default = match (health_check_node_port, protocol) {
            (Some(_), _) => Some(ProbeProtocol::Http),
            (None, Protocol::Tcp) => Some(ProbeProtocol::Tcp),
            // Whether such a port serves cannot be asked without knowing its protocol, or SCTP.
            (None, Protocol::Udp | Protocol::Sctp) => None,
        };
        let probed = chosen_port.or(health_check_node_port);
        let http = |port: u16| Probe::Http {
            port,
            path: path.clone().unwrap_or_else(|| {
                let is_kube_proxy = health_check_node_port == Some(port);
                if is_kube_proxy { KUBE_PROXY_PATH } else { "/" }.to_owned()
            }),
        };
        let of_node = |port: Option<u16>| match (port, protocol) {
            (Some(port), _) => Ok(port),
            (None, Protocol::Tcp) => Ok(node_port),
            (None, Protocol::Udp | Protocol::Sctp) => Err(HEALTH_CHECK_PORT.contradiction(
                annotations,
                name,
                &format!(
                    "a {} port cannot be asked, so a health check of it needs another port",
                    protocol.as_str()
                ),
            )),
        };
        let probe = match chosen.or(default) {
            Some(ProbeProtocol::Http) => http(of_node(probed)?),
            _ if path.is_some() => {
                let rule = "only a health check over HTTP has a path (health-check-protocol: http)";
                return Err(HEALTH_CHECK_PATH.contradiction(annotations, name, rule));
            }
            Some(ProbeProtocol::Tcp) => Probe::Tcp {
                port: of_node(chosen_port)?,
            },
            Some(ProbeProtocol::None) => return Ok(Self::Off),
            None => return Ok(Self::Unspecified),
        };
        Ok(Self::On { probe, timing })
    }
}

impl Timing {
    fn declared(annotations: &BTreeMap<String, String>, port: &str) -> Result<Self, Problem> {
        let timing = Self {
            interval_seconds: HEALTH_CHECK_INTERVAL.value_of_port(annotations, port)?,
            timeout_seconds: HEALTH_CHECK_TIMEOUT.value_of_port(annotations, port)?,
            healthy_threshold: HEALTH_CHECK_HEALTHY_THRESHOLD.value_of_port(annotations, port)?,
            unhealthy_threshold: HEALTH_CHECK_UNHEALTHY_THRESHOLD
                .value_of_port(annotations, port)?,
        };
        if timing.timeout_seconds > timing.interval_seconds {
            let rule = "it must not be longer than health-check-interval";
            return Err(HEALTH_CHECK_TIMEOUT.contradiction(annotations, port, rule));
        }
        Ok(timing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(
        protocol: Protocol,
        local: Option<u16>,
        annotations: &[(&str, &str)],
    ) -> Result<HealthCheck, String> {
        declared_with(ClusterCheck::NodePort, protocol, local, annotations)
    }

    fn declared_with(
        of_cluster: ClusterCheck,
        protocol: Protocol,
        local: Option<u16>,
        annotations: &[(&str, &str)],
    ) -> Result<HealthCheck, String> {
        let annotations = annotations.iter();
        let annotations = annotations.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let port = PortView::for_test(protocol);
        let annotations = annotations.collect();
        HealthCheck::declared(&annotations, local, of_cluster, &port, protocol, 30080)
            .map_err(|problem| problem.describe("mycloud.com"))
    }

    fn probe(
        protocol: Protocol,
        local: Option<u16>,
        annotations: &[(&str, &str)],
    ) -> Option<Probe> {
        match declared(protocol, local, annotations).expect("valid") {
            HealthCheck::On { probe, .. } => Some(probe),
            HealthCheck::Off | HealthCheck::Unspecified => None,
        }
    }

    #[test]
    fn the_traffic_policy_gives_the_probe_and_annotations_change_it() {
        use Protocol::{Tcp, Udp};
        let http = |port, path: &str| {
            Some(Probe::Http {
                port,
                path: path.into(),
            })
        };
        let tcp = |port| Some(Probe::Tcp { port });
        let over_http = ("health-check-protocol", "http");
        let cases: &[(_, _, &[(&str, &str)], _, &str)] = &[
            (Tcp, None, &[], tcp(30080), "the node port"),
            (
                Tcp,
                Some(31000),
                &[],
                http(31000, "/healthz"),
                "kube-proxy knows the endpoints",
            ),
            (
                Udp,
                Some(31000),
                &[],
                http(31000, "/healthz"),
                "for UDP too",
            ),
            (Udp, None, &[], None, "UDP cannot be asked"),
            (
                Tcp,
                None,
                &[over_http],
                http(30080, "/"),
                "HTTP on the node port",
            ),
            (
                Tcp,
                None,
                &[over_http, ("health-check-path", "/up")],
                http(30080, "/up"),
                "its path",
            ),
            (
                Tcp,
                None,
                &[("health-check-port", "10256")],
                tcp(10256),
                "another port",
            ),
            (
                Udp,
                None,
                &[over_http, ("health-check-port", "8080")],
                http(8080, "/"),
                "beside UDP",
            ),
            (
                Tcp,
                Some(31000),
                &[("health-check-protocol", "tcp")],
                tcp(30080),
                "as asked",
            ),
            (
                Tcp,
                None,
                &[("web.health-check-port", "1")],
                tcp(1),
                "for this port alone",
            ),
            (
                Tcp,
                None,
                &[("dns.health-check-port", "1")],
                tcp(30080),
                "for another port",
            ),
            (
                Tcp,
                None,
                &[("web.health-check-port", "1"), ("health-check-port", "2")],
                tcp(1),
                "the port's own comes first",
            ),
        ];
        for (protocol, local, annotations, expected, reason) in cases {
            assert_eq!(&probe(*protocol, *local, annotations), expected, "{reason}");
        }
        let off = declared(Tcp, None, &[("health-check-protocol", "none")]);
        assert_eq!(off, Ok(HealthCheck::Off));
    }

    #[test]
    fn each_part_of_the_timing_has_its_annotation() {
        let timing = |annotations: &[(&str, &str)]| {
            let found = declared(Protocol::Tcp, None, annotations).expect("valid");
            let HealthCheck::On { timing, .. } = found else {
                panic!("{found:?}");
            };
            let Timing {
                interval_seconds,
                timeout_seconds,
                healthy_threshold,
                unhealthy_threshold,
            } = timing;
            [
                interval_seconds,
                timeout_seconds,
                healthy_threshold,
                unhealthy_threshold,
            ]
        };
        let defaults = [5, 3, 2, 3];
        assert_eq!(timing(&[]), defaults);
        for (part, name, value, parsed) in [
            (0, "health-check-interval", "1m", 60),
            (1, "health-check-timeout", "4s", 4),
            (2, "health-check-healthy-threshold", "7", 7),
            (3, "health-check-unhealthy-threshold", "9", 9),
        ] {
            let mut expected = defaults;
            expected[part] = parsed;
            assert_eq!(timing(&[(name, value)]), expected, "{name}");
            let of_port = format!("web.{name}");
            assert_eq!(timing(&[(&of_port, value)]), expected, "{of_port}");
        }
    }

    #[test]
    fn by_configuration_kube_proxy_is_asked_unless_the_service_says_any_part_of_it() {
        use Protocol::{Sctp, Tcp, Udp};
        let declared = |protocol, local, annotations: &[(&str, &str)]| {
            declared_with(ClusterCheck::KubeProxy, protocol, local, annotations)
        };
        let kube_proxy = Probe::Http {
            port: 10256,
            path: "/healthz".into(),
        };
        let interval = ("health-check-interval", "30s");
        for protocol in [Tcp, Udp, Sctp] {
            let found = declared(protocol, None, &[interval]).expect("valid");
            let HealthCheck::On { probe, timing } = found else {
                panic!("{protocol:?}: {found:?}");
            };
            assert_eq!(probe, kube_proxy, "{protocol:?}: it serves them all");
            assert_eq!(timing.interval_seconds, 30, "the Service says how often");
        }
        let own: [(_, &[(&str, &str)]); 6] = [
            (None, &[("health-check-protocol", "tcp")]),
            (None, &[("health-check-protocol", "http")]),
            (None, &[("health-check-protocol", "none")]),
            (None, &[("web.health-check-port", "8080")]),
            (None, &[("health-check-path", "/up")]),
            (Some(31000), &[]),
        ];
        for (local, annotations) in own {
            let without = declared_with(ClusterCheck::NodePort, Tcp, local, annotations);
            assert_eq!(
                declared(Tcp, local, annotations),
                without,
                "{annotations:?}"
            );
        }
    }

    #[test]
    fn what_contradicts_itself_is_told() {
        use Protocol::{Tcp, Udp};
        let cases: [(_, &[(&str, &str)], &str); 7] = [
            (
                Tcp,
                &[("health-check-path", "/up")],
                "mycloud.com/health-check-path is \"/up\": only",
            ),
            (Tcp, &[("health-check-path", "up")], "it must be"),
            (
                Udp,
                &[("health-check-protocol", "tcp")],
                "mycloud.com/health-check-port is missing: a UDP",
            ),
            (
                Tcp,
                &[("web.health-check-timeout", "30s")],
                "mycloud.com/web.health-check-timeout is \"30s\": it must not be longer",
            ),
            (Tcp, &[("health-check-interval", "0s")], "'1s' to '300s'"),
            (Tcp, &[("health-check-healthy-threshold", "11")], "1 to 10"),
            (Tcp, &[("health-check-port", "70000")], "1 to 65535"),
        ];
        for (protocol, annotations, expected) in cases {
            let message = declared(protocol, None, annotations).expect_err("a contradiction");
            assert!(message.contains(expected), "{message}");
        }
    }
}
