//! The rule for suspected orphans: load balancers that are provably ours and whose
//! Service is unknown.

use std::collections::BTreeSet;

use super::load_balancer::LoadBalancer;
use super::naming::{ClusterId, Owner, ServiceUid};

/// The owner of a load balancer that may be an orphan: it belongs to this cluster
/// both by owner and by derived name, and no Service with the owner's UID is known.
///
/// This is only a suspicion: `services` may be stale, so a live read decides.
pub fn suspect<'a>(
    found: &'a LoadBalancer,
    cluster: &ClusterId,
    services: &BTreeSet<ServiceUid>,
) -> Option<&'a Owner> {
    let owner = found.owner.as_ref()?;
    let is_ours = owner.cluster == *cluster && owner.load_balancer_name() == found.name;
    (is_ours && !services.contains(&owner.uid)).then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::naming::LoadBalancerName;

    fn owned_by(owner: Option<Owner>, name: LoadBalancerName) -> LoadBalancer {
        LoadBalancer::plain("lb-1", name, owner)
    }

    fn owner(cluster: &str, uid: &str) -> Owner {
        Owner {
            cluster: ClusterId::new(cluster),
            namespace: "default".into(),
            name: "web".into(),
            uid: ServiceUid::new(uid),
        }
    }

    #[test]
    fn only_what_is_ours_by_every_proof_is_suspected() {
        let (ours, theirs) = (owner("ours", "gone"), owner("theirs", "gone"));
        let alive = owner("ours", "alive");
        let cases = [
            (
                Some(ours.clone()),
                ours.load_balancer_name(),
                true,
                "ours, and no such Service",
            ),
            (
                Some(alive.clone()),
                alive.load_balancer_name(),
                false,
                "its Service lives",
            ),
            (
                Some(theirs.clone()),
                theirs.load_balancer_name(),
                false,
                "another cluster's",
            ),
            (
                None,
                ours.load_balancer_name(),
                false,
                "without an owner our name proves nothing",
            ),
            (
                Some(ours),
                LoadBalancerName::new("by-hand"),
                false,
                "our owner under a name that we never gave",
            ),
        ];
        let (cluster, services) = (
            ClusterId::new("ours"),
            BTreeSet::from([ServiceUid::new("alive")]),
        );
        for (owner, name, expected, reason) in cases {
            let found = owned_by(owner, name);
            assert_eq!(
                suspect(&found, &cluster, &services).is_some(),
                expected,
                "{reason}"
            );
        }
    }
}
