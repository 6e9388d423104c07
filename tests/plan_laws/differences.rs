//! The laws of the differences that a person is shown: there are some exactly if the plan
//! would send an update.

use my_cloud_controller_manager::plan::naming::CloudName;
use my_cloud_controller_manager::plan::{Action, Desired};
use my_cloud_controller_manager::preview::differences::differences;
use proptest::prelude::*;

use crate::generate::scenes;
use crate::{CASES, config};

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn an_update_has_a_difference(scene in scenes()) {
        let observed = scene.observed();
        for action in scene.plan().actions {
            let Action::Update { cloud, request, .. } = &action else {
                continue;
            };
            let Some(found) = observed.load_balancer(cloud) else {
                return Err(TestCaseError::fail(format!("{action:?} without a load balancer")));
            };
            let read = observed.as_requested(cloud, found);
            let shown = differences(&read.spec, &request.spec);
            prop_assert!(!shown.is_empty() || !read.is_understood, "{action:?} of {read:?}");
        }
    }

    #[test]
    fn what_is_as_requested_has_none(scene in scenes()) {
        let (observed, desired) = (scene.observed(), scene.desired());
        let Desired::Managed(wanted) = desired else {
            return Ok(());
        };
        let is_wanted = |(cloud, _): &(&CloudName, _)| wanted.clouds.contains(*cloud);
        for (cloud, found) in observed.present().filter(is_wanted) {
            let requested = wanted.spec(cloud, &observed.backends.addresses);
            let shown = differences(&found.spec, &requested);
            prop_assert_eq!(shown.is_empty(), requested.is_met_by(&found.spec), "{:?}", shown);
        }
    }
}
