//! The laws of Services that choose among the Nodes.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use my_cloud_controller_manager::plan::node_hold::{HoldSettings, NodeHold, NodeLook};
use my_cloud_controller_manager::plan::settling::Unsettled;
use my_cloud_controller_manager::plan::{Backends, plan};
use proptest::prelude::*;

use crate::generate::scenes;
use crate::settling::{addresses, put, sent, some_of};
use crate::{CASES, config};

proptest! {
    #![proptest_config(config(CASES))]

    /// Nobody knows which Nodes a Service with an invalid selector wants.
    #[test]
    fn no_back_end_joins_and_no_node_leaves_while_the_choice_is_unknown(
        scene in scenes(), kept in some_of(0..8), seen in some_of(0..12),
        is_unsettled in any::<bool>(), some_unknown in any::<bool>(),
    ) {
        let mut observed = scene.observed();
        observed.backends = Backends {
            addresses: addresses(&seen),
            unsettled: is_unsettled.then(Unsettled::default),
            only_leave: true,
            some_unknown,
            ..Backends::default()
        };
        put(&mut observed, &kept);
        for nodes in sent(&plan(&scene.desired(), &observed).actions) {
            let nodes: BTreeSet<IpAddr> = nodes.into_iter().collect();
            prop_assert!(!nodes.is_empty() && nodes.is_subset(&kept), "{nodes:?} of {kept:?}");
            let nodes_of_now: BTreeSet<IpAddr> = kept.intersection(&seen).copied().collect();
            prop_assert!(nodes.is_superset(&nodes_of_now), "{nodes:?} of {kept:?}");
            prop_assert!(!some_unknown || nodes == kept);
        }
    }

    #[test]
    fn labels_that_no_node_ever_had_empty_nothing(
        waits in proptest::collection::vec((0..1_000_u64, any::<bool>()), 1..12),
        empty_without_addresses in any::<bool>(),
    ) {
        let mut hold = NodeHold::of_selector(HoldSettings {
            no_nodes_grace_period: Duration::from_secs(120),
            empty_without_addresses,
        });
        let mut now = Duration::ZERO;
        for (wait, is_new_leader) in waits {
            now += Duration::from_secs(wait);
            if is_new_leader {
                hold.begin_anew();
            }
            let held = hold.take(NodeLook::default(), now).backends;
            prop_assert!(held.are_unconfirmed() && held.never_matched);
        }
    }
}
