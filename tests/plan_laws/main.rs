//! The laws of [`plan`](my_cloud_controller_manager::plan): what holds for every
//! Service, whatever the clouds respond.
//!
//! | files | content |
//! |---|---|
//! | this one | the laws of one plan |
//! | [`scene`], [`generate`] | what a reconcile may observe, and how it is drawn |
//! | [`expected`] | what a Service wants, written without the shipped code |
//! | [`runs`] | the laws of whole runs of one Service |
//! | [`world`], [`cloud`], [`sweep`] | the world that these runs change |
//! | [`executor`], [`fault`] | carries plans out by the shipped `Execution`, with faults |
//! | [`invariants`], [`settled`] | what must hold at every moment, and at the end |
//! | [`node_hold`], [`settling`] | the laws of the never-empty rule, and of its first moments |
//! | [`differences`] | the laws of what a person is shown |
//! | [`several`] | the laws of several Services |
//! | [`story`], [`stories`], [`user`] | what happens to them, how it is drawn, the edits of users |
//! | [`coverage`] | whether the stories are about what the laws are about |

mod cloud;
mod coverage;
mod differences;
mod dual_stack;
mod executor;
mod expected;
mod fault;
mod generate;
mod invariants;
mod node_choice;
mod node_hold;
mod runs;
mod scene;
mod settled;
mod settling;
mod several;
mod stories;
mod story;
mod sweep;
mod user;
mod world;

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::annotation::DELETION_POLICY;
use my_cloud_controller_manager::plan::capabilities::Feature;
use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::{
    Action, CloudView, Desired, Observed, Plan, Urgency, Waiting, clouds_to_query, desired, plan,
};
use proptest::prelude::*;

use expected::{cloud_name, cluster, wanted_request};
use generate::{scenes, services_with_any_text};
use scene::{Kind, Pause, Scene};

/// Cases for each law of one Service, unless PROPTEST_CASES asks for more.
const CASES: u32 = 1024;

fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(cases),
        max_shrink_iters: 100_000,
        // A case that failed belongs into the tables of tests, not into a file of seeds.
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn total_and_deterministic(service in services_with_any_text(), scene in scenes()) {
        let clouds = scene.configured();
        let once = desired(&service, &cluster(), &clouds);
        prop_assert_eq!(&once, &desired(&service, &cluster(), &clouds));
        let _clouds = clouds_to_query(&service, &once, &clouds);
        let observed = scene.observed();
        prop_assert_eq!(plan(&once, &observed), plan(&once, &observed));
        // Perhaps no cloud was queried at all.
        let _plan = plan(&once, &Observed::of_service(&service, scene.nodes.backends()));
    }

    #[test]
    fn what_is_not_managed_is_left_alone(scene in scenes()) {
        if matches!(scene.desired(), Desired::Unmanaged(_)) {
            let plan = scene.plan();
            prop_assert!(plan.actions.is_empty(), "{:#?}", plan.actions);
            prop_assert!(!plan.waiting.is_empty(), "without a reason");
        }
    }

    #[test]
    fn a_pause_holds_up_all_but_the_end_of_the_management(scene in scenes()) {
        let going_on = Scene { pause: Pause::None, ..scene.clone() };
        let expected = match going_on.desired() {
            Desired::Managed(_) | Desired::Invalid(_) if scene.pause == Pause::On => Desired::Paused,
            desired => desired,
        };
        if scene.pause == Pause::Unclear {
            let is_as_before = scene.desired() == expected;
            prop_assert!(is_as_before || matches!(scene.desired(), Desired::Invalid(_)));
            return Ok(());
        }
        prop_assert_eq!(scene.desired(), expected);
        if scene.desired() == Desired::Paused {
            let plan = scene.plan();
            prop_assert!(plan.actions.is_empty(), "{:#?}", plan.actions);
            prop_assert_eq!(plan.waiting, [Waiting::Paused].into());
        }
    }

    #[test]
    fn what_is_to_be_retained_is_not_deleted(scene in scenes(), able in any::<[bool; 3]>(), policy in "retain|reatin") {
        let mut service = scene.service();
        service.annotations.insert(DELETION_POLICY.name().into(), policy.clone());
        let mut clouds = scene.configured();
        for (index, can) in clouds.values_mut().enumerate() {
            can.features.extend(able[index].then_some(Feature::Release));
        }
        let (desired, observed) = (desired(&service, &cluster(), &clouds), scene.observed());
        if !matches!(desired, Desired::Released(..)) {
            return Ok(());
        }
        let plan = plan(&desired, &observed);
        let can_release = |cloud: &CloudName| policy == "retain" && clouds[cloud].has(Feature::Release);
        for (cloud, found) in observed.present() {
            let released = |action: &Action| matches!(action, Action::Release { cloud: at, .. } if at == cloud);
            let deleted = |action: &Action| matches!(action, Action::Delete { cloud: at, .. } if at == cloud);
            let goes = found.state == State::Deleting;
            prop_assert!(!plan.actions.iter().any(deleted), "{:#?}", plan.actions);
            prop_assert_eq!(plan.actions.iter().any(released), !goes && can_release(cloud));
            let ends = plan.actions.iter().any(|action| matches!(action, Action::RemoveFinalizer { .. }));
            prop_assert!(!ends || goes || can_release(cloud), "{cloud} is forgotten: {:#?}", plan.actions);
        }
    }

    #[test]
    fn what_others_made_is_neither_deleted_nor_replaced(scene in scenes(), policy in "delete|retain|reatin", which in 0..3_usize) {
        let mut service = scene.service();
        service.annotations.insert(DELETION_POLICY.name().into(), policy);
        let (mut observed, cloud) = (scene.observed(), cloud_name(which));
        let Some(CloudView::Present(found)) = observed.clouds.get_mut(&cloud) else {
            return Ok(());
        };
        found.owner = Some(service.owner(&cluster()).on_existing());
        let desired = desired(&service, &cluster(), &scene.configured());
        let plan = plan(&desired, &observed);
        let there = on_clouds(&plan, &BTreeSet::from([cloud]));
        let is_harmless = |action: &Action| matches!(action, Action::Update { .. } | Action::Release { .. });
        prop_assert!(there.iter().all(is_harmless), "{there:#?}");
        let lets_go = |action: &Action| matches!(action, Action::Release { .. });
        let ends = plan.actions.iter().any(|action| matches!(action, Action::RemoveFinalizer { .. }));
        prop_assert!(!ends || there.iter().any(lets_go), "our owner stays on it: {:#?}", plan.actions);
    }

    #[test]
    fn what_is_invalid_keeps_all_but_its_back_ends(scene in scenes()) {
        if !matches!(scene.desired(), Desired::Invalid(_)) {
            return Ok(());
        }
        let (plan, observed) = (scene.plan(), scene.observed());
        prop_assert!(!plan.waiting.is_empty(), "without a reason");
        for action in plan.actions {
            let Action::Update { cloud, request, urgency, .. } = &action else {
                return Err(TestCaseError::fail(format!("{action:?}")));
            };
            let Some(CloudView::Present(found)) = observed.clouds.get(cloud) else {
                return Err(TestCaseError::fail(format!("{action:?} without a load balancer")));
            };
            prop_assert_eq!(&request.spec, &found.spec_with_nodes(&scene.nodes.addresses()));
            prop_assert_eq!(*urgency, Urgency::Background);
        }
    }

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
    fn the_service_is_live_before_anything_depends_on_it(scene in scenes()) {
        let actions = scene.plan().actions;
        let is_live = |action: &Action| matches!(action, Action::AddFinalizer { .. } | Action::ConfirmLive);
        let depends = |action: &Action| matches!(
            action,
            Action::Create { .. }
                | Action::Update { urgency: Urgency::User, .. }
                | Action::Delete { .. }
                | Action::Release { .. }
                | Action::RemoveFinalizer { .. }
        );
        if let Some(first) = actions.iter().position(depends) {
            prop_assert!(actions[..first].iter().any(is_live), "{actions:#?}");
        }
        let adds = actions.iter().filter(|action| matches!(action, Action::AddFinalizer { .. }));
        let record = scene.observed().record;
        let announces = actions.iter().any(|action| matches!(
            action,
            Action::Create { cloud, .. } if !record.has(cloud)
        ));
        let managed = matches!(scene.desired(), Desired::Managed(_));
        let expected = managed && (!scene.finalizer || announces);
        prop_assert_eq!(adds.count(), usize::from(expected), "{:#?}", actions);
    }

    #[test]
    fn a_create_is_announced_on_record_before_it_is_sent(scene in scenes()) {
        let mut record = scene.observed().record;
        for action in scene.plan().actions {
            match action {
                Action::AddFinalizer { clouds } => record.announce(&clouds),
                Action::Create { cloud, .. } => prop_assert!(record.has(&cloud), "{cloud}"),
                _ => {}
            }
        }
    }

    #[test]
    fn a_create_is_put_on_record_before_anything_else_goes(scene in scenes()) {
        let actions = scene.plan().actions;
        for (index, action) in actions.iter().enumerate() {
            if matches!(action, Action::Create { .. }) {
                let next = actions[index..].iter().find(|action| {
                    !matches!(action, Action::Create { .. } | Action::Update { .. })
                });
                let clouds = scene.wanted_clouds().unwrap_or_default();
                prop_assert_eq!(next, Some(&publish(clouds)), "{:#?}", actions);
            }
        }
    }

    #[test]
    fn a_delete_is_confirmed_by_its_id_at_once(scene in scenes()) {
        let actions = scene.plan().actions;
        for (index, action) in actions.iter().enumerate() {
            if let Action::Delete { cloud, id } = action {
                let confirm = Action::ConfirmGone { cloud: cloud.clone(), id: id.clone() };
                prop_assert_eq!(actions.get(index + 1), Some(&confirm), "{:#?}", actions);
            }
        }
    }

    #[test]
    fn the_finalizer_goes_last_and_only_when_nothing_is_left(scene in scenes()) {
        let (actions, observed) = (scene.plan().actions, scene.observed());
        let removes = |action: &Action| matches!(action, Action::RemoveFinalizer { .. });
        let Some(at) = actions.iter().position(removes) else {
            return Ok(());
        };
        prop_assert_eq!(at, actions.len() - 1, "{:#?}", actions);
        // Another class's controller may have written its own addresses by now, and a
        // finalizer alone may be forged.
        let has_id = observed.record.ids().next().is_some();
        let was_ours = has_id || observed.present().next().is_some();
        let clear_status = was_ours && (scene.deleting || scene.kind != Kind::OtherClass);
        prop_assert_eq!(actions.last(), Some(&Action::RemoveFinalizer { clear_status }));
        for (cloud, view) in &observed.clouds {
            match view {
                CloudView::Absent | CloudView::NameTaken | CloudView::Offered(_) => {}
                CloudView::Present(found) => {
                    let gone = Action::ConfirmGone { cloud: cloud.clone(), id: found.id.clone() };
                    prop_assert!(actions.contains(&gone), "{cloud} still has it: {actions:#?}");
                }
                CloudView::Unreachable | CloudView::Unanswered | CloudView::NotConfigured => {
                    prop_assert!(false, "it is unknown what {cloud} has: {actions:#?}");
                }
            }
        }
    }

    #[test]
    fn a_move_makes_before_it_breaks(scene in scenes()) {
        let Some(wanted) = scene.wanted_clouds() else {
            return Ok(());
        };
        let actions = scene.plan().actions;
        let deletes = |action: &Action| matches!(action, Action::Delete { .. });
        let Some(first) = actions.iter().position(deletes) else {
            return Ok(());
        };
        let waits = Action::AwaitServing { clouds: wanted.clone() };
        prop_assert!(actions[..first].contains(&waits), "{actions:#?}");
        for action in actions.iter().filter(|action| deletes(action)) {
            prop_assert!(action.cloud().is_none_or(|cloud| !wanted.contains(cloud)), "{action:?}");
        }
        prop_assert_eq!(actions.last(), Some(&publish(wanted)), "{:#?}", actions);
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

    #[test]
    fn published_addresses_stay_until_all_clouds_serve(scene in scenes()) {
        let Some(wanted) = scene.wanted_clouds() else {
            return Ok(());
        };
        let observed = scene.observed();
        let published = observed.publication(&wanted);
        if !observed.serves_on(&wanted) {
            for entry in &observed.ingress {
                prop_assert!(published.ingress.contains(entry), "{entry:?} is taken away");
            }
        }
    }

    #[test]
    fn the_record_has_what_is_there_and_keeps_what_cannot_be_judged(scene in scenes()) {
        let observed = scene.observed();
        let wanted = scene.wanted_clouds().unwrap_or_default();
        let published = observed.publication(&wanted);
        let addresses_stay = !observed.ingress.is_empty() && !observed.serves_on(&wanted);
        for (cloud, view) in &observed.clouds {
            let expected = match view {
                CloudView::Present(found) => Some(&found.id),
                CloudView::Unreachable | CloudView::Unanswered | CloudView::NotConfigured => {
                    observed.record.get(cloud)
                }
                // It proves that the published addresses are ours, while they stay.
                CloudView::Absent | CloudView::NameTaken if addresses_stay => {
                    observed.record.get(cloud)
                }
                CloudView::Absent | CloudView::NameTaken | CloudView::Offered(_) => None,
            };
            prop_assert_eq!(published.record.get(cloud), expected, "{}", cloud);
        }
        // Nor can a cloud be judged that was not queried.
        let unqueried = Observed { clouds: Default::default(), ..observed.clone() };
        prop_assert_eq!(unqueried.publication(&Default::default()).record, observed.record);
    }
}

/// Whether the list of Nodes may be trusted, even if it is empty.
fn is_sure_of_nodes(observed: &Observed) -> bool {
    observed.backends.none_confirmed || !observed.backends.addresses.is_empty()
}

fn on_clouds(plan: &Plan, clouds: &BTreeSet<CloudName>) -> Vec<Action> {
    let on_these = |action: &&Action| action.cloud().is_some_and(|cloud| clouds.contains(cloud));
    plan.actions.iter().filter(on_these).cloned().collect()
}

/// The publication of all of these clouds.
fn publish(clouds: BTreeSet<CloudName>) -> Action {
    let withheld = BTreeSet::new();
    Action::Publish { clouds, withheld }
}
