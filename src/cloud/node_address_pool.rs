//! The sets of back ends that the responses of a cloud show, each in one allocation.

use parking_lot::Mutex;

use crate::plan::node_addresses::NodeAddresses;

/// Maximum number of sets that are remembered. The load balancers of a cloud have one set for
/// each choice of Nodes ([`CHOICES`](crate::kubernetes::node_watch::CHOICES)), or, while an
/// update of all of them is under way, those of the last few changes. A cloud on which each has
/// other back ends must not make each search longer.
const SETS: usize = 256;

/// The sets that the requests and responses of one cloud had and that are in use, newest
/// first. Without it, each of thousands of load balancers in a list would have its own copy of the same
/// thousand addresses.
#[derive(Debug, Default)]
pub(super) struct NodeAddressPool(Mutex<Vec<NodeAddresses>>);

impl NodeAddressPool {
    /// Returns the remembered set that is equal to this one, else this one, which it
    /// remembers.
    pub(super) fn shared(&self, set: NodeAddresses) -> NodeAddresses {
        let mut sets = self.0.lock();
        let known = sets.iter().position(|known| *known == set);
        let set = known.map_or(set, |index| sets.remove(index));
        sets.retain(NodeAddresses::is_in_use);
        sets.truncate(SETS - 1);
        sets.insert(0, set.clone());
        set
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn set(last: u8) -> NodeAddresses {
        NodeAddresses::from([IpAddr::from([10, 0, 0, last])])
    }

    #[test]
    fn equal_sets_share_one_allocation() {
        let pool = NodeAddressPool::default();
        let first = pool.shared(set(1));
        pool.shared(set(2));
        assert!(pool.shared(set(1)).is_shared_with(&first));
    }

    #[test]
    fn a_set_that_no_response_shows_any_more_is_forgotten() {
        let pool = NodeAddressPool::default();
        let current = pool.shared(set(255));
        for last in 1..200 {
            pool.shared(set(last));
            assert!(pool.shared(set(255)).is_shared_with(&current), "in use");
        }
        assert_eq!(pool.0.lock().len(), 1, "the others are not in use");
    }

    #[test]
    fn a_cloud_where_all_differ_costs_no_more_than_the_bound() {
        let pool = NodeAddressPool::default();
        let set = |last: u16| {
            let [high, low] = last.to_be_bytes();
            NodeAddresses::from([IpAddr::from([10, 0, high, low])])
        };
        let sets: Vec<_> = (0..2 * SETS as u16)
            .map(|last| pool.shared(set(last)))
            .collect();
        assert_eq!(pool.0.lock().len(), SETS);
        assert!(!pool.shared(set(0)).is_shared_with(&sets[0]), "forgotten");
    }
}
