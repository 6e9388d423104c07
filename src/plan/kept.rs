//! What a cloud keeps otherwise than it was requested.

use std::collections::BTreeMap;

use serde::Serialize;

use super::existing::{own_part, with_own_part};
use super::load_balancer::{Listener, LoadBalancer, LoadBalancerSpec, State};
use super::naming::CloudName;
use super::node_addresses::NodeAddresses;

/// The differences for which no update is sent, by cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Unmet {
    /// The updates that clouds still carry out.
    pub under_way: BTreeMap<CloudName, UnderWay>,
    /// Those that remained after an update.
    pub kept: BTreeMap<CloudName, Kept>,
    /// Those that came back after repairs, and are not repaired any more.
    pub given_up: BTreeMap<CloudName, Kept>,
}

impl Unmet {
    /// Takes over what `shown` has of a cloud.
    pub fn replace(&mut self, cloud: &CloudName, shown: &Self) {
        let Self {
            under_way,
            kept,
            given_up,
        } = shown;
        set(&mut self.under_way, cloud, under_way.get(cloud).cloned());
        set(&mut self.kept, cloud, kept.get(cloud).cloned());
        set(&mut self.given_up, cloud, given_up.get(cloud).cloned());
    }
}

/// Sets or removes the value of a cloud.
pub(super) fn set<T>(all: &mut BTreeMap<CloudName, T>, cloud: &CloudName, value: Option<T>) {
    match value {
        Some(value) => all.insert(cloud.clone(), value),
        None => all.remove(cloud),
    };
}

/// An update that a cloud has accepted and still carries out. Meanwhile the load balancer may
/// show the values of before, for which the same update is not sent again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct UnderWay {
    requested: LoadBalancerSpec,
    before: LoadBalancerSpec,
}

impl UnderWay {
    /// The update to which a cloud has responded with `updated`; `None` if it has ended.
    pub fn of(
        requested: &LoadBalancerSpec,
        before: &LoadBalancerSpec,
        updated: &LoadBalancer,
    ) -> Option<Self> {
        (updated.state == State::Provisioning).then(|| Self {
            requested: own_part(requested, updated),
            before: own_part(before, updated),
        })
    }

    /// Whether it brings a load balancer in this state to this spec.
    pub fn brings(&self, found: &LoadBalancer, requested: &LoadBalancerSpec) -> bool {
        found.state == State::Provisioning && self.requested == own_part(requested, found)
    }
}

/// A difference between what was requested of a cloud and what it shows, which an update does
/// not remove: it remained after the cloud had answered one with success, or it came back after
/// repairs. So the same difference is no drift: it is named in the condition. Back ends are not
/// part of it: a load balancer that lacks one is updated again. Nor is what others have on a load
/// balancer that they made: they may change it at any time.
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
        if !shows_ours(updated) {
            return None;
        }
        let (requested, before) = (own_part(requested, updated), own_part(before, updated));
        let mut shown = own_part(&updated.spec_with_nodes(&requested.nodes), updated);
        let (asked, mut was) = requested.compared_with(&before);
        // Those that a cloud did not show before were not as requested.
        was.address_families.clone_from(&before.address_families);
        replace_where_equal(&was, &asked, &requested, &mut shown);
        let is_met = updated.is_understood && requested.is_met_by(&shown);
        (updated.state == State::Active && !is_met).then_some(Self {
            requested,
            shown,
            is_understood: updated.is_understood,
        })
    }

    /// The difference that an update has left that the cloud carried out later.
    pub fn after(ended: &UnderWay, found: &LoadBalancer) -> Option<Self> {
        Self::of(&ended.requested, &ended.before, found)
    }

    /// The difference that an update of a load balancer is to remove; `None` if only its back
    /// ends differ. Two are equal if the same values differ from the same requested ones.
    pub fn before_update(requested: &LoadBalancerSpec, found: &LoadBalancer) -> Option<Self> {
        if !shows_ours(found) {
            return None;
        }
        let nodes = NodeAddresses::default();
        let requested = LoadBalancerSpec {
            nodes: nodes.clone(),
            ..own_part(requested, found)
        };
        let shown = own_part(&found.spec_with_nodes(&nodes), found);
        let is_met = found.is_understood && requested.is_met_by(&shown);
        (!is_met).then_some(Self {
            requested,
            shown,
            is_understood: found.is_understood,
        })
    }

    /// The load balancer with each value that the cloud keeps otherwise replaced by the
    /// requested one.
    pub fn as_requested(&self, found: &LoadBalancer) -> LoadBalancer {
        let (asked, shown) = (&self.requested, &self.shown);
        let mut read = found.clone();
        let own = own_part(&found.spec, found);
        let mut as_asked = own.clone();
        replace_where_equal(&own, shown, asked, &mut as_asked);
        // Without need, the order of the listeners stays.
        if as_asked != own {
            read.spec = with_own_part(found, as_asked);
        }
        // What cannot be read may be one of the listeners, which an update would take away.
        let has_all =
            |all: &[Listener], some: &[Listener]| some.iter().all(|one| all.contains(one));
        let has_same_listeners =
            has_all(&own.listeners, &shown.listeners) && has_all(&shown.listeners, &own.listeners);
        read.is_understood |= !self.is_understood && has_same_listeners;
        read
    }

    /// The fields of the difference, in the words of the cloud's API.
    pub fn fields(&self) -> Vec<&'static str> {
        let (asked, shown) = self.requested.compared_with(&self.shown);
        let fields = [
            ("listeners", asked.listeners != shown.listeners),
            ("spec", asked.spec != shown.spec),
            ("bandwidth", asked.bandwidth != shown.bandwidth),
            ("algorithm", asked.algorithm != shown.algorithm),
            ("sourceRanges", asked.source_ranges != shown.source_ranges),
            (
                "sessionAffinity",
                asked.client_affinity_seconds != shown.client_affinity_seconds,
            ),
            ("internal", asked.internal != shown.internal),
            (
                "idleTimeoutSeconds",
                asked.idle_timeout != shown.idle_timeout,
            ),
            ("tags", asked.tags != shown.tags),
            (
                "addressFamilies",
                asked.address_families != shown.address_families,
            ),
            ("fields that are not known here", !self.is_understood),
        ];
        let fields = fields.into_iter().filter(|(_, differs)| *differs);
        fields.map(|(name, _)| name).collect()
    }
}

/// Whether a load balancer that others made shows what is ours on it. A value that is not known
/// may be theirs, and must not count as requested: an update would take it away.
fn shows_ours(found: &LoadBalancer) -> bool {
    found.is_understood || found.existing_owner().is_none()
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
        internal,
        idle_timeout,
        tags,
        addresses: _,
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
    replace(
        &one.internal,
        &other.internal,
        &requested.internal,
        internal,
    );
    replace(
        &one.idle_timeout,
        &other.idle_timeout,
        &requested.idle_timeout,
        idle_timeout,
    );
    replace(&one.tags, &other.tags, &requested.tags, tags);
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
        before.bandwidth = "5120K".into();
        let worded = Kept::of(&requested, &before, &updated);
        assert_eq!(worded, None, "a bandwidth in the words of the cloud");
        updated.spec.algorithm = Algorithm::SourceHash;
        let kept = Kept::of(&requested, &before, &updated).expect("the algorithm");
        assert_eq!(kept.fields(), ["algorithm"]);
        assert_eq!(kept.as_requested(&updated).spec.bandwidth, "1K");
    }

    #[test]
    fn differences_are_the_same_if_the_same_values_differ() {
        let shows = |bandwidth: &str, nodes: &[[u8; 4]]| {
            let mut found = load_balancer();
            found.spec.bandwidth = bandwidth.into();
            found.spec.nodes = nodes.iter().map(|node| (*node).into()).collect();
            found
        };
        let mut requested = load_balancer().spec;
        let of = |requested: &LoadBalancerSpec, found: &LoadBalancer| {
            Kept::before_update(requested, found)
        };
        let (one, other) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        assert_eq!(of(&requested, &shows("5M", &[one])), None, "back ends");
        let first = of(&requested, &shows("1K", &[one])).expect("a difference");
        assert_eq!(first.fields(), ["bandwidth"]);
        requested.nodes = [one, other].map(Into::into).into();
        let again = of(&requested, &shows("1K", &[other]));
        assert_eq!(again.as_ref(), Some(&first), "whatever the back ends are");
        assert_ne!(of(&requested, &shows("2K", &[one])), Some(first), "a value");
        requested.bandwidth = "9M".into();
        assert_ne!(of(&requested, &shows("1K", &[one])), again, "a request");
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
