//! What one plan publishes.

use my_cloud_controller_manager::plan::{CloudView, Observed};
use proptest::prelude::*;

use crate::generate::scenes;
use crate::{CASES, config};

proptest! {
    #![proptest_config(config(CASES))]

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
