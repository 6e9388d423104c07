//! The PROXY protocol, by which a load balancer tells a back end the address of the client.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::annotation::PROXY_PROTOCOL;
use super::load_balancer::Protocol;
use super::problem::Problem;
use super::service::PortView;

/// The header with which a load balancer begins a connection to a back end
/// (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum ProxyProtocol {
    #[default]
    None,
    /// A line of text.
    V1,
    /// A binary header.
    V2,
}

impl ProxyProtocol {
    pub const ALL: [Self; 3] = [Self::None, Self::V1, Self::V2];

    /// The value of the annotation `proxy-protocol`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::V1 => "v1",
            Self::V2 => "v2",
        }
    }

    /// The header that a Service declares for one of its ports. That of the whole Service is
    /// for its TCP ports; `has_tcp` says whether there are any.
    ///
    /// # Errors
    /// The value breaks its rule, or there is no TCP port that it could be for.
    pub(super) fn declared(
        annotations: &BTreeMap<String, String>,
        port: &PortView,
        protocol: Protocol,
        has_tcp: bool,
    ) -> Result<Self, Problem> {
        let chosen = PROXY_PROTOCOL.value_of_port(annotations, &port.name)?;
        if protocol == Protocol::Tcp || chosen == Self::None {
            return Ok(chosen);
        }
        let own = PROXY_PROTOCOL.about.name_of_port(&port.name);
        if has_tcp && !annotations.contains_key(&own) {
            return Ok(Self::None);
        }
        let rule = "only a connection over TCP begins with a PROXY protocol header";
        Err(PROXY_PROTOCOL.contradiction(annotations, &port.name, rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(
        protocol: Protocol,
        has_tcp: bool,
        values: &[(&str, &str)],
    ) -> Result<ProxyProtocol, String> {
        let values = values.iter();
        let values = values.map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let port = PortView::for_test(protocol);
        ProxyProtocol::declared(&values.collect(), &port, protocol, has_tcp)
            .map_err(|problem| problem.describe("mycloud.com"))
    }

    #[test]
    fn a_port_has_its_own_header_or_that_of_the_service() {
        let (whole, own) = ("proxy-protocol", "web.proxy-protocol");
        let cases: [(Protocol, &[_], _); 6] = [
            (Protocol::Tcp, &[], ProxyProtocol::None),
            (Protocol::Tcp, &[(whole, "v1")], ProxyProtocol::V1),
            (
                Protocol::Tcp,
                &[(whole, "v1"), (own, "v2")],
                ProxyProtocol::V2,
            ),
            (
                Protocol::Tcp,
                &[(whole, "v1"), (own, "none")],
                ProxyProtocol::None,
            ),
            (Protocol::Udp, &[(whole, "v2")], ProxyProtocol::None),
            (Protocol::Udp, &[(own, "none")], ProxyProtocol::None),
        ];
        for (protocol, values, expected) in cases {
            assert_eq!(declared(protocol, true, values), Ok(expected), "{values:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_told() {
        let cases: [(Protocol, bool, &[_], _); 3] = [
            (
                Protocol::Tcp,
                true,
                &[("proxy-protocol", "v3")],
                "proxy-protocol is \"v3\": it must be 'v1', 'v2' or 'none'",
            ),
            (
                Protocol::Udp,
                true,
                &[("web.proxy-protocol", "v2")],
                "web.proxy-protocol is \"v2\": only a connection over TCP",
            ),
            (
                Protocol::Udp,
                false,
                &[("proxy-protocol", "v1")],
                "proxy-protocol is \"v1\": only a connection over TCP",
            ),
        ];
        for (protocol, has_tcp, values, expected) in cases {
            let problem = declared(protocol, has_tcp, values).expect_err(expected);
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
