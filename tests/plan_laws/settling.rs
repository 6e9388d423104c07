//! The laws of the first moments of a process: what it sends when it knows what load
//! balancers have, and not what Nodes there were.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::node_addresses::NodeAddresses;
use my_cloud_controller_manager::plan::settling::Unsettled;
use my_cloud_controller_manager::plan::{Action, Backends, CloudView, Observed, plan};
use proptest::collection::btree_set;
use proptest::prelude::*;

use crate::generate::scenes;
use crate::{CASES, config};

pub fn some_of(numbers: std::ops::Range<u8>) -> impl Strategy<Value = BTreeSet<IpAddr>> {
    let address = numbers.prop_map(|number| IpAddr::from([10, 0, 0, number]));
    btree_set(address, 1..8)
}

pub fn addresses(set: &BTreeSet<IpAddr>) -> NodeAddresses {
    set.iter().copied().collect()
}

/// Gives each load balancer these back ends.
pub fn put(observed: &mut Observed, kept: &BTreeSet<IpAddr>) {
    for view in observed.clouds.values_mut() {
        if let CloudView::Present(found) = view {
            found.spec.nodes = addresses(kept);
        }
    }
}

/// The back ends that the updates of a plan ask for, with those of their fallbacks.
pub fn sent(actions: &[Action]) -> BTreeSet<Vec<IpAddr>> {
    let requests = actions.iter().filter_map(|action| match action {
        Action::Update {
            request, fallbacks, ..
        } => Some(std::iter::once(request).chain(fallbacks)),
        _ => None,
    });
    let nodes = requests.flatten().map(|request| &request.spec.nodes);
    nodes.map(|nodes| nodes.iter().copied().collect()).collect()
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn most_back_ends_never_go_before_the_nodes_are_settled(
        scene in scenes(), kept in some_of(0..8), seen in some_of(0..12), deleted in some_of(0..12),
    ) {
        let mut observed = scene.observed();
        let deleted: BTreeSet<IpAddr> = deleted.difference(&seen).copied().collect();
        observed.backends = Backends {
            addresses: addresses(&seen),
            unsettled: Some(Unsettled { deleted: addresses(&deleted) }),
            ..Backends::default()
        };
        put(&mut observed, &kept);
        let desired = scene.desired();
        let stay: BTreeSet<IpAddr> = kept.difference(&deleted).copied().collect();
        let are_held = stay.len() > 1 && 2 * stay.intersection(&seen).count() < stay.len();
        for nodes in sent(&plan(&desired, &observed).actions) {
            let nodes: BTreeSet<IpAddr> = nodes.into_iter().collect();
            if are_held {
                prop_assert!(nodes.is_superset(&stay), "{nodes:?} lacks some of {stay:?}");
            }
            prop_assert!(nodes.is_subset(&kept.union(&seen).copied().collect()), "{nodes:?}");
            // Whatever was sent is what the next plan has to go by.
            let mut next = observed.clone();
            put(&mut next, &nodes);
            for again in sent(&plan(&desired, &next).actions) {
                let again: BTreeSet<IpAddr> = again.into_iter().collect();
                prop_assert!(!are_held || again.is_superset(&stay), "{nodes:?}, then {again:?}");
            }
        }
    }

    #[test]
    fn half_of_the_back_ends_or_fewer_leave_at_once(
        scene in scenes(), kept in some_of(0..8), seen in some_of(0..12),
    ) {
        if 2 * kept.intersection(&seen).count() < kept.len() {
            return Ok(());
        }
        let mut settled = scene.observed();
        settled.backends = Backends { addresses: addresses(&seen), ..Backends::default() };
        put(&mut settled, &kept);
        let mut observed = settled.clone();
        observed.backends.unsettled = Some(Unsettled::default());
        let desired = scene.desired();
        prop_assert_eq!(plan(&desired, &observed), plan(&desired, &settled));
    }

    #[test]
    fn back_ends_that_are_sent_are_wanted_by_the_next_plan(
        kept in some_of(0..8), seen in some_of(0..12), deleted in some_of(0..12),
    ) {
        let unsettled = Unsettled { deleted: addresses(&deleted) };
        let seen = addresses(&seen);
        let once = unsettled.back_ends(&addresses(&kept), &seen);
        prop_assert_eq!(unsettled.back_ends(&once, &seen), once.clone());
        let serves = once.iter().any(|address| seen.contains(address));
        prop_assert!(serves, "{once:?} has none of {seen:?}");
    }
}
