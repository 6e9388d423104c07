//! What one plan does on each cloud, by what that cloud shows and by nothing else.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::{Action, CloudView, Urgency, Waiting, plan};
use proptest::prelude::*;

use crate::expected::{cloud_name, wanted_request};
use crate::generate::scenes;
use crate::{CASES, config, is_sure_of_nodes, on_clouds};

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn only_what_is_ours_is_touched(scene in scenes()) {
        let observed = scene.observed();
        for action in scene.plan().actions {
            let Some(cloud) = action.cloud() else {
                continue;
            };
            let view = &observed.clouds[cloud];
            match (&action, view) {
                (Action::Create { request, .. }, CloudView::Absent) => {
                    prop_assert_eq!(request, &wanted_request(scene.nodes));
                }
                (
                    Action::Update { id, .. }
                    | Action::Delete { id, .. }
                    | Action::Release { id, .. }
                    | Action::ConfirmGone { id, .. },
                    CloudView::Present(found),
                ) => prop_assert_eq!(id, &found.id),
                _ => prop_assert!(false, "{action:?} although {cloud} is {view:?}"),
            }
        }
    }

    #[test]
    fn an_update_asks_for_what_is_wanted_and_only_if_it_is_not_there(scene in scenes()) {
        let observed = scene.observed();
        for action in scene.plan().actions {
            let Action::Update { cloud, request, urgency, .. } = action else {
                continue;
            };
            let Some(CloudView::Present(found)) = observed.clouds.get(&cloud) else {
                continue;
            };
            prop_assert_ne!(&found.state, &State::Deleting, "it is on its way out");
            let index = (0..3).find(|index| cloud_name(*index) == cloud).unwrap_or_default();
            let kept = scene.kept(index, request.spec.clone());
            prop_assert_ne!(&kept, &found.spec, "it would change nothing");
            let only_nodes = kept == found.spec_with_nodes(&request.spec.nodes);
            let mut expected = wanted_request(scene.nodes);
            if !scene.wanted_clouds().is_some_and(|wanted| wanted.contains(&cloud)) {
                // What the user does not name any more, or has made invalid.
                expected.spec = found.spec_with_nodes(&scene.nodes.addresses());
            }
            if !is_sure_of_nodes(&observed) {
                expected.spec.nodes = found.spec.nodes.clone();
            }
            prop_assert_eq!(request, expected);
            prop_assert_eq!(only_nodes, urgency == Urgency::Background, "wrong urgency");
        }
    }

    #[test]
    fn whatever_does_not_serve_is_explained(scene in scenes()) {
        let (plan, observed) = (scene.plan(), scene.observed());
        for cloud in scene.wanted_clouds().unwrap_or_default() {
            let name = cloud.clone();
            let reason = match &observed.clouds[&cloud] {
                CloudView::Absent | CloudView::Offered(_) => continue,
                CloudView::NameTaken => Waiting::NameTaken(name),
                CloudView::NotConfigured => Waiting::CloudNotConfigured(name),
                CloudView::Unreachable => Waiting::CloudUnreachable(name),
                CloudView::Unanswered => Waiting::Unanswered(name),
                CloudView::Present(found) => match &found.state {
                    State::Active if !found.addresses.is_empty() => continue,
                    State::Active | State::Provisioning => Waiting::Provisioning(name),
                    State::Error(message) => Waiting::CloudError(name, message.clone()),
                    State::Deleting => Waiting::Deleting(name),
                },
            };
            prop_assert!(plan.waiting.contains(&reason), "{reason:?} is not in {:?}", plan.waiting);
            let deletes = |action: &Action| matches!(action, Action::Delete { .. });
            prop_assert!(!plan.actions.iter().any(deletes), "{:#?}", plan.actions);
        }
    }

    #[test]
    fn a_silent_cloud_stops_nothing_elsewhere(scene in scenes(), unreachable in 0..3_usize) {
        let Some(wanted) = scene.wanted_clouds() else {
            return Ok(());
        };
        let mut observed = scene.observed();
        let before = on_clouds(&scene.plan(), &wanted);
        let elsewhere = |action: &&Action| action.cloud() != Some(&cloud_name(unreachable));
        let expected: Vec<&Action> = before.iter().filter(elsewhere).collect();
        for silent in [CloudView::Unreachable, CloudView::Unanswered] {
            observed.clouds.insert(cloud_name(unreachable), silent);
            let after = on_clouds(&plan(&scene.desired(), &observed), &wanted);
            prop_assert_eq!(after.iter().collect::<Vec<_>>(), expected.clone());
        }
    }

    #[test]
    fn several_clouds_are_one_cloud_several_times(scene in scenes()) {
        let together = scene.plan();
        for cloud in scene.wanted_clouds().unwrap_or_default() {
            let only = BTreeSet::from([cloud.clone()]);
            let alone = scene.with_only(&cloud).plan();
            prop_assert_eq!(on_clouds(&together, &only), on_clouds(&alone, &only));
        }
    }

    #[test]
    fn record_and_addresses_decide_nothing_at_the_clouds(scene in scenes(), other in scenes()) {
        let (mut observed, forged) = (scene.observed(), other.observed());
        (observed.record, observed.ingress) = (forged.record, forged.ingress);
        let everywhere = (0..3).map(cloud_name).collect();
        let after = plan(&scene.desired(), &observed);
        prop_assert_eq!(on_clouds(&scene.plan(), &everywhere), on_clouds(&after, &everywhere));
    }
}
