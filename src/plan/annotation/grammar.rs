//! The grammars of the values of annotations. Space around a value is ignored. A function
//! gives `None` for a value that breaks its grammar; the rule in words stands in the
//! catalogue.

use std::collections::BTreeSet;
use std::net::{AddrParseError, IpAddr};

use crate::plan::canonical;
use crate::plan::health_check::ProbeProtocol;
use crate::plan::load_balancer::{Algorithm, IdleTimeout};
use crate::plan::naming::{CloudName, LoadBalancerId};
use crate::plan::node_choice::NodeAddressType;
use crate::plan::proxy_protocol::ProxyProtocol;

/// Names of clouds, separated by commas. Whether they are configured is not judged here.
pub(super) fn clouds(value: &str) -> Option<BTreeSet<CloudName>> {
    let names = value.split(',').map(str::trim);
    Some(names.map(CloudName::new).collect())
}

/// An id as a cloud gives it.
pub(super) fn load_balancer_id(value: &str) -> Option<LoadBalancerId> {
    LoadBalancerId::parse(value.trim()).ok()
}

/// CIDRs, separated by commas, in canonical form. An empty value has none.
pub(super) fn source_ranges(value: &str) -> Option<Vec<String>> {
    let value = value.trim();
    if value.is_empty() {
        return Some(Vec::new());
    }
    let ranges: Vec<&str> = value.split(',').map(str::trim).collect();
    let are_cidrs = ranges.iter().all(|range| is_cidr(range));
    are_cidrs.then(|| canonical::ranges(&ranges))
}

fn is_cidr(range: &str) -> bool {
    let Some((address, length)) = range.split_once('/') else {
        return false;
    };
    let longest = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    let is_number = length.bytes().all(|digit| digit.is_ascii_digit());
    is_number && length.parse::<u8>().is_ok_and(|length| length <= longest)
}

/// 1 to 63 letters, digits, `.`, `_` or `-`.
pub(super) fn name(value: &str) -> Option<String> {
    let value = value.trim();
    let is_plain =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
    let is_name = (1..=63).contains(&value.len()) && value.chars().all(is_plain);
    is_name.then(|| value.to_owned())
}

/// A bandwidth in canonical form.
pub(super) fn bandwidth(value: &str) -> Option<String> {
    let value = value.trim();
    let number = value.strip_suffix(['K', 'M', 'G'])?;
    let is_number = (1..=9).contains(&number.len())
        && number.bytes().all(|digit| digit.is_ascii_digit())
        && !number.starts_with('0');
    is_number.then(|| canonical::bandwidth(value.to_owned()))
}

pub(super) fn algorithm(value: &str) -> Option<Algorithm> {
    let mut all = Algorithm::ALL.into_iter();
    all.find(|known| known.as_str() == value.trim())
}

pub(super) fn boolean(value: &str) -> Option<bool> {
    value.trim().parse().ok()
}

/// An IP address; an IPv4 address that is written as an IPv6 address is the IPv4 address.
pub fn address(text: &str) -> Result<IpAddr, AddrParseError> {
    let address = text.trim().parse::<IpAddr>()?;
    Ok(address.to_canonical())
}

/// An IP address, or one of each family, in the order of the text.
pub(super) fn addresses(value: &str) -> Option<Vec<IpAddr>> {
    let addresses = value.split(',').map(|text| address(text).ok());
    let addresses: Vec<IpAddr> = addresses.collect::<Option<_>>()?;
    match addresses[..] {
        [_] => Some(addresses),
        [one, other] if one.is_ipv4() != other.is_ipv4() => Some(addresses),
        _ => None,
    }
}

pub(super) fn proxy_protocol(value: &str) -> Option<ProxyProtocol> {
    let mut all = ProxyProtocol::ALL.into_iter();
    all.find(|known| known.as_str() == value.trim())
}

pub(super) fn probe_protocol(value: &str) -> Option<ProbeProtocol> {
    match value.trim() {
        "tcp" => Some(ProbeProtocol::Tcp),
        "http" => Some(ProbeProtocol::Http),
        "none" => Some(ProbeProtocol::None),
        _ => None,
    }
}

pub(super) fn node_address_type(value: &str) -> Option<NodeAddressType> {
    let mut all = NodeAddressType::ALL.into_iter();
    all.find(|known| known.as_str() == value.trim())
}

pub(super) fn port(value: &str) -> Option<u16> {
    let port = number(value.trim())?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

/// A path of a URL.
pub(super) fn path(value: &str) -> Option<String> {
    let value = value.trim();
    let is_path = value.starts_with('/') && value.len() <= 255;
    let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic());
    (is_path && is_visible).then(|| value.to_owned())
}

/// A time of 1 to 300 seconds, as `5s` or `1m`.
pub(super) fn seconds(value: &str) -> Option<u32> {
    seconds_up_to(300, value)
}

/// Maximum idle timeout in seconds: the largest among those of the large clouds.
const IDLE_TIMEOUT: u32 = 6_000;

/// A time of 1 to 6000 seconds.
pub(super) fn idle_timeout(value: &str) -> Option<IdleTimeout> {
    seconds_up_to(IDLE_TIMEOUT, value).map(IdleTimeout::Seconds)
}

fn seconds_up_to(most: u32, value: &str) -> Option<u32> {
    let value = value.trim();
    let seconds = match value.strip_suffix('m') {
        Some(minutes) => number(minutes)?.checked_mul(60)?,
        None => number(value.strip_suffix('s')?)?,
    };
    (1..=most).contains(&seconds).then_some(seconds)
}

pub(super) fn threshold(value: &str) -> Option<u32> {
    number(value.trim()).filter(|number| (1..=10).contains(number))
}

/// A whole number without a sign.
fn number(digits: &str) -> Option<u32> {
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| are_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bandwidth_is_a_number_and_a_unit() {
        let good = ["5M", "100K", "10G", "999999999M", " 5M"];
        let bad = [
            "",
            "M",
            "5",
            "5m",
            "0M",
            "-1M",
            "1.5M",
            "05M",
            "5MB",
            "5 M",
            "1234567890M",
        ];
        assert!(good.iter().all(|value| bandwidth(value).is_some()));
        for value in bad {
            assert_eq!(bandwidth(value), None, "{value:?} is no bandwidth");
        }
    }

    #[test]
    fn source_ranges_are_cidrs_and_nothing_else() {
        let good: [(&str, &[&str]); 4] = [
            ("", &[]),
            ("  ", &[]),
            ("192.0.2.0/24", &["192.0.2.0/24"]),
            (
                " 10.0.0.0/8 , 2001:db8::/32 ",
                &["10.0.0.0/8", "2001:db8::/32"],
            ),
        ];
        for (value, expected) in good {
            assert_eq!(source_ranges(value).expect(value), expected);
        }
        for value in [
            "10.0.0.0",
            "10.0.0.0/33",
            "::/129",
            "10.0.0.0/8,",
            "office",
            "10.0.0.0/+8",
        ] {
            assert_eq!(source_ranges(value), None, "{value:?}");
        }
    }
}
