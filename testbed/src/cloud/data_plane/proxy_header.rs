//! The headers of the PROXY protocol
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::net::{IpAddr, SocketAddr};

use crate::cloud::load_balancer::ProxyProtocol;

/// The first bytes of a header of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, and a connection on behalf of a client.
const VERSION_2_PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// The header of a connection `from` a client `to` the load balancer; empty for none. Both
/// addresses have the same family.
pub(super) fn of(version: ProxyProtocol, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    match version {
        ProxyProtocol::None => Vec::new(),
        ProxyProtocol::V1 => {
            let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
            let (source, target) = (from.ip(), to.ip());
            let ports = (from.port(), to.port());
            format!(
                "PROXY {family} {source} {target} {} {}\r\n",
                ports.0, ports.1
            )
            .into_bytes()
        }
        ProxyProtocol::V2 => {
            let mut addresses = [octets(from.ip()), octets(to.ip())].concat();
            addresses.extend(from.port().to_be_bytes());
            addresses.extend(to.port().to_be_bytes());
            let family = match from.ip() {
                IpAddr::V4(_) => TCP_OVER_IPV4,
                IpAddr::V6(_) => TCP_OVER_IPV6,
            };
            // At most 36 bytes.
            let length = (addresses.len() as u16).to_be_bytes();
            let mut header = SIGNATURE.to_vec();
            header.extend([VERSION_2_PROXY, family, length[0], length[1]]);
            header.extend(addresses);
            header
        }
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}
