//! An observed state, to the actions of its plan.
//!
//! Whatever is observed: only load balancers that were shown to be ours are updated or
//! deleted; one is deleted only where the Service does not want it, and in a move only after
//! the wait for its successor; one is created only where none is, after the finalizer and
//! the record; and the finalizer leaves last.

mod scene;

use my_cloud_controller_manager::plan::load_balancer::State;
use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::{
    Action, CloudView, Desired, Disposal, Observed, Plan, plan,
};

use super::choices::Choices;
use super::{desired_state, world};
use scene::{backends, cloud_view, service};

/// The clouds of a record; the last one is not configured.
const CLOUDS: [&str; 3] = ["cloud1", "cloud2", "gone"];
/// More actions than any plan needs.
const MOST_ACTIONS: usize = 20;

/// Choices only.
pub fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let service = service(&mut choices);
    let mut observed = Observed::of_service(&service, backends(&mut choices));
    for name in CLOUDS {
        if let Some(view) = cloud_view(&mut choices) {
            observed.clouds.insert(world::cloud_name(name), view);
        }
    }
    let desired = desired_state::check(&service);
    let plan = plan(&desired, &observed);
    assert!(plan.actions.len() <= MOST_ACTIONS, "{plan:?}");
    for (index, action) in plan.actions.iter().enumerate() {
        let before = &plan.actions[..index];
        check_target(action, &observed);
        match action {
            Action::Create { cloud, .. } => check_create(cloud, before, &desired, &observed),
            Action::Delete { cloud, .. } => check_delete(cloud, before, &desired),
            Action::RemoveFinalizer { .. } => check_end(&plan, before, &desired, &observed),
            _ => {}
        }
    }
    let is_managed = !matches!(desired, Desired::Unmanaged(_));
    assert!(is_managed || plan.actions.is_empty(), "{plan:?}");
}

/// Only what was shown to be ours is touched, and requests bear our owner.
fn check_target(action: &Action, observed: &Observed) {
    let (cloud, id) = match action {
        Action::Update { cloud, id, .. }
        | Action::Delete { cloud, id }
        | Action::Release { cloud, id, .. }
        | Action::ConfirmGone { cloud, id } => (cloud, id),
        _ => return,
    };
    let shown = observed.load_balancer(cloud).expect("one of ours is there");
    assert_eq!(shown.id, *id);
    assert!(shown.belongs_to(&world::owner()));
    if let Action::Update {
        request, fallbacks, ..
    } = action
    {
        for request in fallbacks.iter().chain([request]) {
            assert_eq!(request.owner, world::owner());
            assert!(shown.state != State::Deleting);
        }
    }
}

fn check_create(cloud: &CloudName, before: &[Action], desired: &Desired, observed: &Observed) {
    let Desired::Managed(wanted) = desired else {
        panic!("a create for {desired:?}");
    };
    assert!(wanted.clouds.contains(cloud));
    assert_eq!(observed.clouds.get(cloud), Some(&CloudView::Absent));
    let is_announced = |action: &Action| matches!(action, Action::AddFinalizer { clouds } if clouds.contains(cloud));
    let is_added = before
        .iter()
        .any(|action| matches!(action, Action::AddFinalizer { .. }));
    assert!(observed.finalizer || is_added, "the finalizer is first");
    assert!(
        observed.record.has(cloud) || before.iter().any(is_announced),
        "the record is first"
    );
}

fn check_delete(cloud: &CloudName, before: &[Action], desired: &Desired) {
    let is_confirmed =
        |action: &Action| matches!(action, Action::ConfirmLive | Action::AddFinalizer { .. });
    assert!(
        before.iter().any(is_confirmed),
        "an old view deletes nothing"
    );
    match desired {
        Desired::Released(_, Disposal::Delete) => {}
        Desired::Released(..) => panic!("a delete for {desired:?}"),
        Desired::Managed(wanted) => {
            assert!(!wanted.clouds.contains(cloud));
            let waits = |action: &Action| matches!(action, Action::AwaitServing { .. });
            assert!(before.iter().any(waits), "make before break");
        }
        Desired::Unmanaged(_) | Desired::Invalid(_) | Desired::Paused => {
            panic!("a delete for {desired:?}")
        }
    }
}

fn check_end(plan: &Plan, before: &[Action], desired: &Desired, observed: &Observed) {
    assert!(matches!(desired, Desired::Released(..)), "{desired:?}");
    assert_eq!(
        before.len() + 1,
        plan.actions.len(),
        "it is the last action"
    );
    for (cloud, view) in &observed.clouds {
        let is_gone = |action: &Action| matches!(action, Action::ConfirmGone { cloud: gone, .. } if gone == cloud);
        match view {
            CloudView::Absent | CloudView::NameTaken | CloudView::Offered(_) => {}
            CloudView::Present(_) => {
                let is_off = |action: &Action| matches!(action, Action::Release { cloud: at, .. } if at == cloud);
                let is_over = |action: &Action| is_gone(action) || is_off(action);
                assert!(before.iter().any(is_over), "{cloud}");
            }
            CloudView::NotConfigured | CloudView::Unreachable | CloudView::Unanswered => {
                panic!("{cloud} is unknown")
            }
        }
    }
}
