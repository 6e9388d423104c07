//! The laws of load balancers with both IP families.

use std::collections::BTreeSet;
use std::net::IpAddr;

use my_cloud_controller_manager::plan::backends::SecondFamily;
use my_cloud_controller_manager::plan::capabilities::Feature;
use my_cloud_controller_manager::plan::node_addresses::{IpFamilies, IpFamily};
use my_cloud_controller_manager::plan::{Backends, desired, plan};
use proptest::collection::btree_set;
use proptest::prelude::*;

use crate::expected::cluster;
use crate::generate::scenes;
use crate::settling::{addresses, put, sent};
use crate::{CASES, config};

fn some_of(family: IpFamily) -> impl Strategy<Value = BTreeSet<IpAddr>> {
    let address = (0..6_u8).prop_map(move |number| match family {
        IpFamily::V4 => IpAddr::from([10, 0, 0, number]),
        IpFamily::V6 => IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, u16::from(number)]),
    });
    btree_set(address, 0..5)
}

proptest! {
    #![proptest_config(config(CASES))]

    /// Nor does a family join that the cloud or the Service does not have.
    #[test]
    fn no_family_vanishes_on_one_look(
        scene in scenes(), kept4 in some_of(IpFamily::V4), kept6 in some_of(IpFamily::V6),
        seen4 in some_of(IpFamily::V4), seen6 in some_of(IpFamily::V6),
        confirmed in any::<[bool; 2]>(), is_able in any::<bool>(),
    ) {
        let mut observed = scene.observed();
        let second = Backends {
            addresses: addresses(&seen6),
            none_confirmed: seen6.is_empty() && confirmed[1],
            family: IpFamily::V6,
            ..Backends::default()
        };
        observed.backends = Backends {
            addresses: addresses(&seen4),
            none_confirmed: seen4.is_empty() && confirmed[0],
            second: Some(Box::new(SecondFamily {
                both: addresses(&(&seen4 | &seen6)),
                backends: second,
            })),
            ..Backends::default()
        };
        put(&mut observed, &(&kept4 | &kept6));
        let mut service = scene.service();
        service.ip_families = IpFamilies { first: IpFamily::V4, is_dual: true };
        let mut clouds = scene.configured();
        for can in clouds.values_mut().filter(|_| is_able) {
            can.features.insert(Feature::DualStack);
        }
        let plan = plan(&desired(&service, &cluster(), &clouds), &observed);
        let (v4, v6): (BTreeSet<_>, BTreeSet<_>) = (&kept4 | &seen4, &kept6 | &seen6);
        for nodes in sent(&plan.actions) {
            let nodes: BTreeSet<IpAddr> = nodes.into_iter().collect();
            prop_assert!(nodes.is_subset(&(&v4 | &v6)), "{nodes:?}");
            let has = |of: &BTreeSet<IpAddr>| nodes.iter().any(|address| of.contains(address));
            let must_have_v4 = seen4.is_empty() && !confirmed[0] && !kept4.is_empty();
            prop_assert!(!must_have_v4 || has(&kept4), "{nodes:?}");
            let must_have_v6 = is_able && seen6.is_empty() && !confirmed[1] && !kept6.is_empty();
            prop_assert!(!must_have_v6 || has(&kept6), "{nodes:?}");
            prop_assert!(is_able || !kept6.is_empty() || !has(&v6), "{nodes:?}");
        }
    }
}
