//! The back ends in one plan.

use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::{Action, CloudView, Desired};
use proptest::prelude::*;

use crate::generate::scenes;
use crate::{CASES, config, is_sure_of_nodes};

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn back_ends_follow_the_nodes_whatever_else_is_wrong(scene in scenes()) {
        let (desired, observed, actions) = (scene.desired(), scene.observed(), scene.plan().actions);
        if matches!(desired, Desired::Unmanaged(_) | Desired::Released(..) | Desired::Paused) || !is_sure_of_nodes(&observed) {
            return Ok(());
        }
        let is_replaced = scene.wanted_clouds().is_some_and(|wanted| observed.serves_on(&wanted));
        let now = &observed.backends.addresses;
        for (cloud, found) in observed.present() {
            let is_leftover = scene.wanted_clouds().is_some_and(|wanted| !wanted.contains(cloud));
            if found.spec.nodes == *now || found.state == State::Deleting || (is_leftover && is_replaced) {
                continue;
            }
            let follows = |action: &Action| match action {
                Action::Update { cloud: at, request, .. } => at == cloud && request.spec.nodes == *now,
                _ => false,
            };
            prop_assert!(actions.iter().any(follows), "{cloud} does not get {now:?}: {actions:#?}");
        }
    }

    #[test]
    fn what_is_sent_after_a_rejection_only_takes_out_what_is_gone(scene in scenes()) {
        let observed = scene.observed();
        for action in scene.plan().actions {
            let Action::Update { cloud, request, fallbacks, .. } = &action else {
                continue;
            };
            let Some(CloudView::Present(found)) = observed.clouds.get(cloud) else {
                continue;
            };
            for fallback in fallbacks {
                let nodes = &fallback.spec.nodes;
                prop_assert_eq!(&fallback.spec, &found.spec_with_nodes(nodes), "{}", cloud);
                prop_assert!(!nodes.is_empty() || observed.backends.none_confirmed, "{fallback:?}");
                prop_assert_ne!(&fallback.spec, &request.spec);
                prop_assert_ne!(nodes, &found.spec.nodes);
                let lives = |node| request.spec.nodes.contains(node);
                prop_assert!(nodes.iter().all(lives), "{fallback:?} has a Node that is gone");
            }
        }
    }

    #[test]
    fn a_move_never_deletes_the_last_back_ends_on_one_look(scene in scenes()) {
        let observed = scene.observed();
        if scene.wanted_clouds().is_none() || is_sure_of_nodes(&observed) {
            return Ok(());
        }
        for action in scene.plan().actions {
            if let Action::Delete { cloud, .. } = &action
                && let Some(CloudView::Present(found)) = observed.clouds.get(cloud)
            {
                prop_assert!(found.spec.nodes.is_empty(), "{cloud} still serves: {action:?}");
            }
        }
    }

    #[test]
    fn back_ends_never_vanish_on_one_look(scene in scenes()) {
        let observed = scene.observed();
        for action in scene.plan().actions {
            if let Action::Update { cloud, request, .. } = action
                && let Some(CloudView::Present(found)) = observed.clouds.get(&cloud)
                && !found.spec.nodes.is_empty()
                && request.spec.nodes.is_empty()
            {
                prop_assert!(observed.backends.none_confirmed, "{cloud} loses all of {:?}", found.spec.nodes);
            }
        }
    }
}
