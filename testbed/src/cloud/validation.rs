//! From a request to settings, or the reason why not.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::load_balancer::{
    AddressFamily, Algorithm, HealthCheck, HealthCheckProtocol, Listener, Owner, Protocol,
    ProxyProtocol, SessionAffinity, Settings,
};
use super::refusal::Refusal;
use super::wire::{ChangeRequest, HealthCheckRequest, ListenerRequest, SessionAffinityRequest};

/// Longest name: one DNS label.
const NAME_LIMIT: usize = 63;
/// Digits of a bandwidth.
const BANDWIDTH_DIGITS: usize = 9;
/// Number of tags, and bytes of a key and a value.
const TAGS: usize = 50;
const TAG_KEY: usize = 63;
const TAG_VALUE: usize = 128;
/// What Kubernetes gives a session affinity without a timeout: three hours.
const DEFAULT_AFFINITY_SECONDS: i64 = 10_800;

/// The name of a request.
pub(super) fn name(request: &ChangeRequest) -> Result<String, Refusal> {
    let name = request.name.as_deref().unwrap_or_default();
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(allowed) {
        return Err(Refusal::invalid(format!(
            "name {name:?}: it must have 1 to {NAME_LIMIT} characters of a-z, 0-9 and -"
        )));
    }
    Ok(name.to_owned())
}

/// The owner of a request.
pub(super) fn owner(request: &ChangeRequest) -> Result<Option<Owner>, Refusal> {
    match &request.owner {
        Some(owner) if owner.cluster.is_empty() || owner.uid.is_empty() => {
            Err(Refusal::invalid("owner: cluster and uid must not be empty"))
        }
        owner => Ok(owner.clone()),
    }
}

/// Everything else of a request.
pub(super) fn settings(request: &ChangeRequest) -> Result<Settings, Refusal> {
    let (address, address6) = addresses(request)?;
    Ok(Settings {
        nodes: nodes(request.nodes.as_deref())?,
        listeners: listeners(request)?,
        spec: request.spec.clone().unwrap_or_else(|| "standard".into()),
        bandwidth: bandwidth(request.bandwidth.as_deref().unwrap_or("5M"))?,
        algorithm: algorithm(request.algorithm.as_deref())?,
        session_affinity: session_affinity(request.session_affinity.as_ref())?,
        source_ranges: source_ranges(request.source_ranges.as_deref().unwrap_or_default())?,
        health_check: health_check("healthCheck", request.health_check.as_ref())?,
        internal: request.internal.unwrap_or_default(),
        idle_timeout_seconds: idle_timeout(request.idle_timeout_seconds)?,
        tags: tags(request.tags.as_ref())?,
        address,
        address6,
        address_families: families(request.address_families.as_deref().unwrap_or_default())?,
    })
}

fn nodes(nodes: Option<&[String]>) -> Result<Vec<IpAddr>, Refusal> {
    let nodes = nodes.ok_or_else(|| Refusal::invalid("nodes: missing"))?;
    let mut seen = BTreeSet::new();
    let mut parsed = Vec::with_capacity(nodes.len());
    for (index, node) in nodes.iter().enumerate() {
        let ip: IpAddr = node
            .parse()
            .map_err(|_| Refusal::invalid(format!("nodes[{index}]: {node:?} is no IP address")))?;
        if !seen.insert(ip) {
            return Err(Refusal::invalid(format!(
                "nodes[{index}]: {ip} is there twice"
            )));
        }
        parsed.push(ip);
    }
    Ok(parsed)
}

/// Those of `listeners`, or else the one that `port` and `nodePort` make.
fn listeners(request: &ChangeRequest) -> Result<Vec<Listener>, Refusal> {
    let Some(asked) = request.listeners.as_deref() else {
        let only = ListenerRequest {
            port: request.port,
            node_port: request.node_port,
            ..ListenerRequest::default()
        };
        return Ok(vec![listener("", &only)?]);
    };
    let Some(first) = asked.first() else {
        return Err(Refusal::invalid("listeners: they must not be empty"));
    };
    let mut seen = BTreeSet::new();
    let mut parsed = Vec::with_capacity(asked.len());
    for (index, one) in asked.iter().enumerate() {
        let field = format!("listeners[{index}].");
        let one = listener(&field, one)?;
        if !seen.insert((one.protocol, one.port)) {
            return Err(Refusal::invalid(format!(
                "{field}port: {:?} {} is there twice",
                one.protocol, one.port
            )));
        }
        parsed.push(one);
    }
    let differs = |one: Option<i64>, other: Option<i64>| one.is_some() && one != other;
    if differs(request.port, first.port) || differs(request.node_port, first.node_port) {
        return Err(Refusal::invalid(
            "port, nodePort: they must be those of the first listener",
        ));
    }
    Ok(parsed)
}

fn listener(field: &str, asked: &ListenerRequest) -> Result<Listener, Refusal> {
    let listener = Listener {
        name: asked.name.clone().unwrap_or_default(),
        protocol: match asked.protocol.as_deref() {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "{field}protocol: {other:?} is none of TCP, UDP, SCTP"
                )));
            }
        },
        port: port(&format!("{field}port"), asked.port)?,
        node_port: port(&format!("{field}nodePort"), asked.node_port)?,
        health_check: health_check(&format!("{field}healthCheck"), asked.health_check.as_ref())?,
        proxy_protocol: proxy_protocol(field, asked.proxy_protocol.as_deref())?,
        app_protocol: asked.app_protocol.clone().unwrap_or_default(),
    };
    if listener.protocol != Protocol::Tcp && !listener.proxy_protocol.is_none() {
        let message = format!("{field}proxyProtocol: only TCP has it");
        return Err(Refusal::invalid(message));
    }
    Ok(listener)
}

fn proxy_protocol(field: &str, value: Option<&str>) -> Result<ProxyProtocol, Refusal> {
    match value {
        None | Some("none") => Ok(ProxyProtocol::None),
        Some("v1") => Ok(ProxyProtocol::V1),
        Some("v2") => Ok(ProxyProtocol::V2),
        Some(other) => Err(Refusal::invalid(format!(
            "{field}proxyProtocol: {other:?} is none of none, v1, v2"
        ))),
    }
}

fn port(field: &str, value: Option<i64>) -> Result<u16, Refusal> {
    let value = value.ok_or_else(|| Refusal::invalid(format!("{field}: missing")))?;
    u16::try_from(value)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| Refusal::invalid(format!("{field}: {value} is not within 1 to 65535")))
}

fn bandwidth(value: &str) -> Result<String, Refusal> {
    let number = value.strip_suffix(['K', 'M', 'G']).unwrap_or_default();
    let is_number = (1..=BANDWIDTH_DIGITS).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && !number.starts_with('0');
    if is_number {
        return Ok(value.to_owned());
    }
    Err(Refusal::invalid(format!(
        "bandwidth: {value:?} is not a number and K, M or G, such as 5M"
    )))
}

fn algorithm(value: Option<&str>) -> Result<Algorithm, Refusal> {
    match value {
        None | Some("round-robin") => Ok(Algorithm::RoundRobin),
        Some("least-connections") => Ok(Algorithm::LeastConnections),
        Some("source-hash") => Ok(Algorithm::SourceHash),
        Some(other) => Err(Refusal::invalid(format!(
            "algorithm: {other:?} is none of round-robin, least-connections, source-hash"
        ))),
    }
}

fn session_affinity(asked: Option<&SessionAffinityRequest>) -> Result<SessionAffinity, Refusal> {
    let Some(asked) = asked else {
        return Ok(SessionAffinity::None);
    };
    let seconds = asked.timeout_seconds.unwrap_or(DEFAULT_AFFINITY_SECONDS);
    let timeout_seconds = match u32::try_from(seconds) {
        Ok(seconds @ 1..=86_400) => seconds,
        _ => {
            return Err(Refusal::invalid(format!(
                "sessionAffinity.timeoutSeconds: {seconds} is not within 1 to 86400"
            )));
        }
    };
    match asked.kind.as_deref() {
        Some("None") => Ok(SessionAffinity::None),
        Some("ClientIP") => Ok(SessionAffinity::ClientIP { timeout_seconds }),
        other => Err(Refusal::invalid(format!(
            "sessionAffinity.type: {other:?} is neither None nor ClientIP"
        ))),
    }
}

fn source_ranges(ranges: &[String]) -> Result<Vec<String>, Refusal> {
    for (index, range) in ranges.iter().enumerate() {
        range.parse::<IpNet>().map_err(|_| {
            Refusal::invalid(format!(
                "sourceRanges[{index}]: {range:?} is no CIDR, such as 10.0.0.0/8"
            ))
        })?;
    }
    Ok(ranges.to_vec())
}

fn idle_timeout(seconds: Option<i64>) -> Result<Option<u32>, Refusal> {
    match seconds.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(seconds @ 1..=6_000)) => Ok(Some(seconds)),
        Some(_) => Err(Refusal::invalid(
            "idleTimeoutSeconds: it is not within 1 to 6000",
        )),
    }
}

fn tags(tags: Option<&BTreeMap<String, String>>) -> Result<BTreeMap<String, String>, Refusal> {
    let tags = tags.cloned().unwrap_or_default();
    let is_good = |(key, value): (&String, &String)| {
        (1..=TAG_KEY).contains(&key.len()) && value.len() <= TAG_VALUE
    };
    if tags.len() <= TAGS && tags.iter().all(is_good) {
        return Ok(tags);
    }
    Err(Refusal::invalid(format!(
        "tags: at most {TAGS}, with keys of 1 to {TAG_KEY} and values of at most {TAG_VALUE} bytes"
    )))
}

fn health_check(
    field: &str,
    asked: Option<&HealthCheckRequest>,
) -> Result<Option<HealthCheck>, Refusal> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let within = |name: &str, value: Option<i64>, most: u32| match value.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(number)) if (1..=most).contains(&number) => Ok(Some(number)),
        Some(_) => Err(Refusal::invalid(format!(
            "{field}.{name}: {} is not within 1 to {most}",
            value.unwrap_or_default()
        ))),
    };
    Ok(Some(HealthCheck {
        protocol: match asked.protocol.as_deref() {
            None | Some("TCP") => HealthCheckProtocol::Tcp,
            Some("HTTP") => HealthCheckProtocol::Http,
            Some("NONE") => HealthCheckProtocol::None,
            Some(other) => {
                return Err(Refusal::invalid(format!(
                    "{field}.protocol: {other:?} is none of TCP, HTTP, NONE"
                )));
            }
        },
        port: match asked.port {
            Some(value) => Some(port(&format!("{field}.port"), Some(value))?),
            None => None,
        },
        path: match asked.path.as_deref() {
            None => None,
            Some(path) if path.starts_with('/') && path.bytes().all(is_visible) => {
                Some(path.to_owned())
            }
            Some(path) => {
                return Err(Refusal::invalid(format!(
                    "{field}.path: {path:?} must start with / and have visible characters only"
                )));
            }
        },
        interval_seconds: within("intervalSeconds", asked.interval_seconds, 300)?,
        timeout_seconds: within("timeoutSeconds", asked.timeout_seconds, 300)?,
        healthy_threshold: within("healthyThreshold", asked.healthy_threshold, 10)?,
        unhealthy_threshold: within("unhealthyThreshold", asked.unhealthy_threshold, 10)?,
    }))
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

/// The addresses that were asked for, one of each family: those of `addresses`, or else
/// `address`.
pub(super) fn addresses(
    request: &ChangeRequest,
) -> Result<(Option<Ipv4Addr>, Option<Ipv6Addr>), Refusal> {
    let (mut four, mut six) = (None, None);
    let asked = request.addresses.as_deref().unwrap_or_default();
    for (index, value) in asked.iter().enumerate() {
        let before = match value.parse() {
            Ok(IpAddr::V4(ip)) => four.replace(ip).map(IpAddr::V4),
            Ok(IpAddr::V6(ip)) => six.replace(ip).map(IpAddr::V6),
            Err(_) => {
                let message = format!("addresses[{index}]: {value:?} is no IP address");
                return Err(Refusal::invalid(message));
            }
        };
        if let Some(before) = before {
            let message = format!("addresses[{index}]: {before} is of the same family");
            return Err(Refusal::invalid(message));
        }
    }
    if let (true, Some(value)) = (asked.is_empty(), request.address.as_deref()) {
        let message = || Refusal::invalid(format!("address: {value:?} is no IPv4 address"));
        four = Some(value.parse().map_err(|_| message())?);
    }
    Ok((four, six))
}

fn families(families: &[String]) -> Result<Vec<AddressFamily>, Refusal> {
    let mut parsed = Vec::new();
    for (index, asked) in families.iter().enumerate() {
        let mut all = AddressFamily::ALL.into_iter();
        let family = all.find(|family| family.as_str() == asked);
        match family {
            Some(family) if !parsed.contains(&family) => parsed.push(family),
            _ => {
                return Err(Refusal::invalid(format!(
                    "addressFamilies[{index}]: {asked:?} is neither IPv4 nor IPv6, or is there twice"
                )));
            }
        }
    }
    Ok(parsed)
}
