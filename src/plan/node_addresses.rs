//! The addresses of the Nodes that serve as back ends: one allocation for each set, however
//! many plans, requests and load balancers have it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// An IP family.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum IpFamily {
    /// IPv4, which is also the family of a Service that names none.
    #[default]
    #[serde(rename = "IPv4")]
    V4,
    #[serde(rename = "IPv6")]
    V6,
}

impl IpFamily {
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    /// The other family.
    pub fn other(self) -> Self {
        match self {
            Self::V4 => Self::V6,
            Self::V6 => Self::V4,
        }
    }

    /// The value in `spec.ipFamilies`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The IP families of a Service: one, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct IpFamilies {
    pub first: IpFamily,
    pub is_dual: bool,
}

impl IpFamilies {
    pub fn iter(self) -> impl Iterator<Item = IpFamily> {
        let second = self.is_dual.then_some(self.first.other());
        std::iter::once(self.first).chain(second)
    }
}

/// A set of Node addresses; an IPv4 address that is written as an IPv6 address is the IPv4
/// address. A clone shares the allocation, because thousands of load
/// balancers have the same thousand Nodes.
#[derive(Clone, Default, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<IpAddr>")]
pub struct NodeAddresses(
    /// Sorted, without duplicates.
    Arc<[IpAddr]>,
);

impl NodeAddresses {
    /// The addresses in ascending order.
    pub fn iter(&self) -> std::slice::Iter<'_, IpAddr> {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, address: &IpAddr) -> bool {
        self.0.binary_search(address).is_ok()
    }

    /// Those of this family.
    pub fn of_family(&self, family: IpFamily) -> Self {
        let is_of_it = |address: &&IpAddr| IpFamily::of(**address) == family;
        self.iter().filter(is_of_it).copied().collect()
    }

    /// Whether there are addresses of both families. In order, IPv4 comes first.
    pub fn have_both_families(&self) -> bool {
        let ends = [self.0.first(), self.0.last()];
        ends.map(|end| end.map(IpAddr::is_ipv4)) == [Some(true), Some(false)]
    }

    /// Both sets in one; one of them itself if the other is empty.
    pub fn joined(&self, other: &Self) -> Self {
        if other.is_empty() {
            self.clone()
        } else if self.is_empty() {
            other.clone()
        } else {
            self.iter().chain(other.iter()).copied().collect()
        }
    }

    /// Whether both are one allocation. Equal sets need not be.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether anything but this clone has the allocation.
    pub fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl PartialEq for NodeAddresses {
    fn eq(&self, other: &Self) -> bool {
        // Sets that share an allocation need no comparison of a thousand addresses.
        self.is_shared_with(other) || self.0 == other.0
    }
}

impl Hash for NodeAddresses {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Debug for NodeAddresses {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl From<Vec<IpAddr>> for NodeAddresses {
    fn from(mut addresses: Vec<IpAddr>) -> Self {
        for address in &mut addresses {
            *address = address.to_canonical();
        }
        addresses.sort_unstable();
        addresses.dedup();
        Self(addresses.into())
    }
}

impl<const N: usize> From<[IpAddr; N]> for NodeAddresses {
    fn from(addresses: [IpAddr; N]) -> Self {
        Vec::from(addresses).into()
    }
}

impl FromIterator<IpAddr> for NodeAddresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        Vec::from_iter(addresses).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(last: &[u8]) -> NodeAddresses {
        let address = |last: &u8| IpAddr::from([10, 0, 0, *last]);
        last.iter().map(address).collect()
    }

    #[test]
    fn neither_order_nor_repetition_matters() {
        let (set, same) = (set(&[2, 1, 2]), set(&[1, 2]));
        assert_eq!(set, same);
        assert!(!set.is_shared_with(&same), "equal, in two allocations");
        assert!(set.is_shared_with(&set.clone()));
        assert_eq!(set.len(), 2);
        assert!(set.contains(&IpAddr::from([10, 0, 0, 2])));
        assert_ne!(set, self::set(&[1, 3]));
    }

    #[test]
    fn an_ipv4_address_in_the_form_of_ipv6_is_that_address() {
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().expect("an address");
        assert_eq!(NodeAddresses::from([mapped]), set(&[1]));
    }

    #[test]
    fn its_json_is_a_list() {
        let json = serde_json::json!(["10.0.0.1", "10.0.0.2"]);
        assert_eq!(serde_json::json!(set(&[2, 1])), json);
        let read: NodeAddresses = serde_json::from_value(json).expect("addresses");
        assert_eq!(read, set(&[1, 2]));
    }
}
