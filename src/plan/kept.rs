//! What a cloud keeps otherwise than it was requested.

use serde::Serialize;

use super::load_balancer::{LoadBalancer, LoadBalancerSpec, State};

/// The difference that remained after a cloud had answered an update with success. A repeated
/// update would change nothing, so the same difference is no drift: it is named in the
/// condition. Back ends are not part of it: a load balancer that lacks one is updated again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Kept {
    requested: LoadBalancerSpec,
    shown: LoadBalancerSpec,
    is_understood: bool,
}

impl Kept {
    /// The difference that the response to an update of a load balancer with the spec
    /// `before` shows; `None` if there is none, or if the cloud is still working.
    ///
    /// A value that was as requested before the update and is not after it was changed by
    /// somebody else meanwhile, because the response may be read later: that is drift.
    pub fn of(
        requested: &LoadBalancerSpec,
        before: &LoadBalancerSpec,
        updated: &LoadBalancer,
    ) -> Option<Self> {
        let mut shown = updated.spec_with_nodes(&requested.nodes);
        replace_where_equal(before, requested, requested, &mut shown);
        let is_met = updated.is_understood && requested.is_met_by(&shown);
        (updated.state == State::Active && !is_met).then(|| Self {
            requested: requested.clone(),
            shown,
            is_understood: updated.is_understood,
        })
    }

    /// The load balancer with each value that the cloud keeps otherwise replaced by the
    /// requested one.
    pub fn as_requested(&self, found: &LoadBalancer) -> LoadBalancer {
        let (asked, shown) = (&self.requested, &self.shown);
        let mut read = found.clone();
        replace_where_equal(&found.spec, shown, asked, &mut read.spec);
        read.is_understood |= !self.is_understood;
        read
    }

    /// The fields of the difference, in the words of the cloud's API.
    pub fn fields(&self) -> Vec<&'static str> {
        let (asked, shown) = (&self.requested, &self.shown);
        let mut listeners = (asked.listeners.clone(), shown.listeners.clone());
        listeners.0.sort();
        listeners.1.sort();
        let fields = [
            ("listeners", listeners.0 != listeners.1),
            ("spec", asked.spec != shown.spec),
            ("bandwidth", asked.bandwidth != shown.bandwidth),
            ("algorithm", asked.algorithm != shown.algorithm),
            ("sourceRanges", asked.source_ranges != shown.source_ranges),
            (
                "sessionAffinity",
                asked.client_affinity_seconds != shown.client_affinity_seconds,
            ),
            ("addressFamilies", {
                let (asked, shown) = asked.compared_with(shown);
                asked.address_families != shown.address_families
            }),
            ("fields that are not known here", !self.is_understood),
        ];
        let fields = fields.into_iter().filter(|(_, differs)| *differs);
        fields.map(|(name, _)| name).collect()
    }
}

/// Replaces each value of `spec` by the requested one where the other two specs have the same
/// value, except for the back ends.
fn replace_where_equal(
    one: &LoadBalancerSpec,
    other: &LoadBalancerSpec,
    requested: &LoadBalancerSpec,
    spec: &mut LoadBalancerSpec,
) {
    fn replace<T: Clone + PartialEq>(one: &T, other: &T, requested: &T, value: &mut T) {
        if one == other {
            value.clone_from(requested);
        }
    }
    // A field that is forgotten here would be repaired for ever.
    let LoadBalancerSpec {
        nodes: _,
        listeners,
        spec: class,
        bandwidth,
        algorithm,
        source_ranges,
        client_affinity_seconds,
        address_families,
    } = spec;
    replace(
        &one.listeners,
        &other.listeners,
        &requested.listeners,
        listeners,
    );
    replace(&one.spec, &other.spec, &requested.spec, class);
    replace(
        &one.bandwidth,
        &other.bandwidth,
        &requested.bandwidth,
        bandwidth,
    );
    replace(
        &one.algorithm,
        &other.algorithm,
        &requested.algorithm,
        algorithm,
    );
    replace(
        &one.source_ranges,
        &other.source_ranges,
        &requested.source_ranges,
        source_ranges,
    );
    replace(
        &one.client_affinity_seconds,
        &other.client_affinity_seconds,
        &requested.client_affinity_seconds,
        client_affinity_seconds,
    );
    replace(
        &one.address_families,
        &other.address_families,
        &requested.address_families,
        address_families,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::load_balancer::Algorithm;
    use crate::plan::naming::LoadBalancerName;
    use crate::plan::node_addresses::NodeAddresses;

    fn load_balancer() -> LoadBalancer {
        LoadBalancer::plain("lb-1", LoadBalancerName::new("web"), None)
    }

    #[test]
    fn what_a_cloud_keeps_its_own_way_counts_as_requested_until_either_side_changes() {
        let mut requested = load_balancer().spec;
        requested.bandwidth = "20M".into();
        let updated = load_balancer();
        let before = load_balancer().spec;
        let kept = Kept::of(&requested, &before, &updated).expect("a difference");
        assert_eq!(kept.fields(), ["bandwidth"]);
        assert!(kept.as_requested(&updated).meets(&requested));

        let mut drifted = updated.clone();
        drifted.spec.bandwidth = "9M".into();
        assert!(!kept.as_requested(&drifted).meets(&requested), "drift");
        let mut edited = requested.clone();
        edited.bandwidth = "30M".into();
        assert!(!kept.as_requested(&updated).meets(&edited), "an edit");
        drifted = updated.clone();
        drifted.spec.spec = "large".into();
        assert!(
            !kept.as_requested(&drifted).meets(&requested),
            "another field"
        );
    }

    #[test]
    fn a_field_that_is_not_known_is_named_too() {
        let mut updated = load_balancer();
        updated.is_understood = false;
        let requested = updated.spec.clone();
        let kept = Kept::of(&requested, &requested, &updated).expect("a difference");
        assert!(kept.as_requested(&updated).meets(&requested));
        assert_eq!(kept.fields().len(), 1);
    }

    #[test]
    fn what_somebody_changed_before_the_answer_was_read_is_drift() {
        let requested = load_balancer().spec;
        let mut before = requested.clone();
        before.algorithm = Algorithm::SourceHash;
        let mut updated = load_balancer();
        updated.spec.bandwidth = "1K".into();
        assert_eq!(Kept::of(&requested, &before, &updated), None, "bandwidth");
        updated.spec.algorithm = Algorithm::SourceHash;
        let kept = Kept::of(&requested, &before, &updated).expect("the algorithm");
        assert_eq!(kept.fields(), ["algorithm"]);
        assert_eq!(kept.as_requested(&updated).spec.bandwidth, "1K");
    }

    #[test]
    fn neither_back_ends_nor_work_in_progress_are_a_difference() {
        let mut requested = load_balancer().spec;
        let of = |requested: &LoadBalancerSpec, updated: &LoadBalancer| {
            Kept::of(requested, &load_balancer().spec, updated)
        };
        assert_eq!(of(&requested, &load_balancer()), None, "as requested");
        requested.nodes = NodeAddresses::from([[10, 0, 0, 1].into()]);
        assert_eq!(of(&requested, &load_balancer()), None, "back ends");
        requested.bandwidth = "20M".into();
        let working = LoadBalancer {
            state: State::Provisioning,
            ..load_balancer()
        };
        assert_eq!(of(&requested, &working), None, "still working");
    }
}
