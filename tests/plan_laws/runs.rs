//! The laws of whole runs: round after round, until nothing is left to do.

use my_cloud_controller_manager::plan::Desired;
use proptest::prelude::*;

use crate::generate::{scenes, troubles};
use crate::settled::expect_settled;
use crate::{CASES, config};

/// Rounds from any start to the end while clouds do at once what they are told,
const ROUNDS: usize = 3;
/// and while they take their time.
const SLOW_ROUNDS: usize = 6;

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn what_was_done_is_accounted_for(scene in scenes()) {
        let (mut world, key) = (scene.world(), scene.service().key);
        let account = world.round(&key, None).map_err(TestCaseError::fail)?.account;
        let (Some(account), Some((_, Desired::Managed(_), fresh))) = (account, world.observe(&key, None)) else {
            return Ok(());
        };
        // Who was not asked for want of a finalizer is asked now.
        if !scene.finalizer {
            return Ok(());
        }
        for (cloud, view) in &fresh.clouds {
            prop_assert_eq!(account.clouds.get(cloud), Some(view), "{}", cloud);
        }
        prop_assert_eq!(
            (account.finalizer, account.record, account.ingress),
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
    fn everything_converges_whatever_fails_on_the_way(scene in scenes(), troubles in troubles()) {
        let (mut world, key) = (scene.world(), scene.service().key);
        for trouble in troubles {
            world.round(&key, Some(trouble)).map_err(TestCaseError::fail)?;
            world.time_goes_by();
        }
        let end = world.settle(&[key], SLOW_ROUNDS).map_err(TestCaseError::fail)?;
        expect_settled(&world, &end).map_err(TestCaseError::fail)?;
    }
}
