//! What becomes of what a Service says: that it is ours, paused, to be retained or invalid.

use std::collections::BTreeSet;

use my_cloud_controller_manager::plan::annotation::DELETION_POLICY;
use my_cloud_controller_manager::plan::capabilities::Feature;
use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::{
    Action, CloudView, Desired, Observed, Urgency, Waiting, clouds_to_query, desired, plan,
};
use proptest::prelude::*;

use crate::expected::{cloud_name, cluster};
use crate::generate::{scenes, services_with_any_text};
use crate::scene::{Pause, Scene};
use crate::{CASES, config, on_clouds};

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
}
