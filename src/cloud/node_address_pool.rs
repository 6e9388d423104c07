//! The sets of back ends that the responses of a cloud show, each in one allocation.

use parking_lot::Mutex;

use crate::plan::node_addresses::NodeAddresses;

/// Number of sets that are remembered. The load balancers of a cloud have the current
/// Nodes, or, while an update of all of them is under way, those of the last few changes.
const SETS: usize = 8;

/// The sets that the last requests and responses of one cloud had, newest first. Without
/// it, each of thousands of load balancers in a list would have its own copy of the same
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
        let (old, current) = (pool.shared(set(0)), pool.shared(set(255)));
        for last in 1..=SETS {
            pool.shared(set(last as u8));
            assert!(pool.shared(set(255)).is_shared_with(&current), "in use");
        }
        assert!(!pool.shared(set(0)).is_shared_with(&old));
        assert_eq!(pool.0.lock().len(), SETS);
    }
}
