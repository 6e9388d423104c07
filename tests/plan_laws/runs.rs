//! The laws of whole runs: rounds until nothing is left to do.

use my_cloud_controller_manager::plan::Desired;
use proptest::prelude::*;

use crate::generate::{faults, scenes};
use crate::settled::expect_settled;
use crate::{CASES, config};

/// Rounds from any start to the end while clouds do everything at once,
const ROUNDS: usize = 3;
/// and while they take time.
const SLOW_ROUNDS: usize = 6;

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn what_was_done_is_accounted_for(scene in scenes()) {
        let (mut world, key) = (scene.world(), scene.service().key);
        let observed = world.round(&key, None).map_err(TestCaseError::fail)?.observed;
        let fresh = world.observe(&key, None);
        let (Some(observed), Some((_, Desired::Managed(_), fresh))) = (observed, fresh) else {
            return Ok(());
        };
        // A cloud that was not queried for want of a finalizer is queried now.
        if !scene.finalizer {
            return Ok(());
        }
        for (cloud, view) in &fresh.clouds {
            prop_assert_eq!(observed.clouds.get(cloud), Some(view), "{}", cloud);
        }
        prop_assert_eq!(
            (observed.finalizer, observed.record, observed.ingress),
            (fresh.finalizer, fresh.record, fresh.ingress)
        );
    }

    #[test]
    fn everything_converges_within_three_rounds_and_then_is_quiet(mut scene in scenes()) {
        for cloud in &mut scene.clouds {
            cloud.slow = false;
        }
        let (mut world, key) = (scene.world(), scene.service().key);
        let end = world.settle(&[key], ROUNDS).map_err(TestCaseError::fail)?;
        expect_settled(&world, &end).map_err(TestCaseError::fail)?;
    }

    #[test]
    fn everything_converges_whatever_fails_on_the_way(scene in scenes(), faults in faults()) {
        let (mut world, key) = (scene.world(), scene.service().key);
        for fault in faults {
            world.round(&key, Some(fault)).map_err(TestCaseError::fail)?;
            world.time_goes_by();
        }
        let end = world.settle(&[key], SLOW_ROUNDS).map_err(TestCaseError::fail)?;
        expect_settled(&world, &end).map_err(TestCaseError::fail)?;
    }
}
