//! The order of the actions in one plan.

use my_cloud_controller_manager::plan::{Action, CloudView, Desired, Urgency};
use proptest::prelude::*;

use crate::generate::scenes;
use crate::scene::Kind;
use crate::{CASES, config, publish};

proptest! {
    #![proptest_config(config(CASES))]

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
}
