//! What Services that are gone said last about the end of their load balancers.
//!
//! Our finalizer keeps a Service until that has been done. If the finalizer was lost, only the
//! watch's last look at the Service tells the sweep that a load balancer is to be retained.
//! Standbys remember it too, for the time when they lead; a restarted process does not know it.

use std::collections::{HashMap, HashSet};

use parking_lot::Mutex;

use crate::plan::naming::ServiceUid;
use crate::plan::orphan::StatedPolicy;

/// The most Services that are remembered: about 1 MiB. Nearly all of them ended in order, and
/// nobody asks for them again.
const REMEMBERED: usize = 4096;

/// The policies of gone Services other than [`StatedPolicy::Delete`].
#[derive(Default)]
pub struct LastPolicies(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// With the place of each among all that were recorded.
    policies: HashMap<ServiceUid, (u64, Last)>,
    recorded: u64,
    /// Those of the Services that a list under way may lack.
    before_list: Vec<Last>,
}

/// What a Service says about the end of its load balancers, and whose it is.
#[derive(Clone, Debug)]
pub struct Last {
    pub uid: ServiceUid,
    pub namespace: String,
    pub policy: StatedPolicy,
}

impl LastPolicies {
    /// Records what a Service said last, in place of what it said before: it may have been gone
    /// in the eyes of an old list, and lived on. Beyond the bound, the oldest in the namespace
    /// with the most is forgotten: a user who creates and deletes many displaces no one else's.
    pub fn record(&self, last: Last) {
        self.0.lock().record(last);
    }

    /// Keeps what the Services say that a list under way may lack. What those that are `alive`
    /// said when an earlier list lacked them was not their last word.
    pub fn begin_list(&self, alive: &HashSet<ServiceUid>, before: Vec<Last>) {
        let mut known = self.0.lock();
        known.policies.retain(|uid, _| !alive.contains(uid));
        known.before_list = before;
    }

    /// Records the last words of those Services that the list has not shown.
    pub fn end_list(&self, alive: &HashSet<ServiceUid>) {
        let mut known = self.0.lock();
        for last in std::mem::take(&mut known.before_list) {
            if !alive.contains(&last.uid) {
                known.record(last);
            }
        }
    }

    /// What the Service said last, as far as is known.
    pub fn get(&self, uid: &ServiceUid) -> StatedPolicy {
        let known = self.0.lock();
        let last = known.policies.get(uid);
        last.map_or(StatedPolicy::Delete, |(_, last)| last.policy)
    }
}

impl Known {
    fn record(&mut self, last: Last) {
        if last.policy == StatedPolicy::Delete {
            self.policies.remove(&last.uid);
            return;
        }
        self.recorded += 1;
        self.policies
            .insert(last.uid.clone(), (self.recorded, last));
        if self.policies.len() > REMEMBERED {
            self.forget_one();
        }
    }

    fn forget_one(&mut self) {
        // The number of its Services, and the oldest one, for each namespace.
        let mut namespaces: HashMap<&str, (usize, u64, &ServiceUid)> = HashMap::new();
        for (uid, (number, last)) in &self.policies {
            let (count, oldest, first) = namespaces
                .entry(&last.namespace)
                .or_insert((0, *number, uid));
            *count += 1;
            if number < oldest {
                (*oldest, *first) = (*number, uid);
            }
        }
        let largest = namespaces
            .values()
            .max_by_key(|(count, oldest, _)| (*count, u64::MAX - oldest));
        if let Some(uid) = largest.map(|(_, _, first)| (*first).clone()) {
            self.policies.remove(&uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(namespace: &str, uid: &str, policy: StatedPolicy) -> Last {
        Last {
            uid: ServiceUid::new(uid),
            namespace: namespace.into(),
            policy,
        }
    }

    #[test]
    fn what_is_not_known_is_deleted() {
        let policies = LastPolicies::default();
        policies.record(last("default", "kept", StatedPolicy::Retain));
        policies.record(last("default", "typo", StatedPolicy::Unclear));
        policies.record(last("default", "plain", StatedPolicy::Delete));
        let cases = [
            ("kept", StatedPolicy::Retain),
            ("typo", StatedPolicy::Unclear),
            ("plain", StatedPolicy::Delete),
            ("never seen", StatedPolicy::Delete),
        ];
        for (uid, expected) in cases {
            assert_eq!(policies.get(&ServiceUid::new(uid)), expected, "{uid}");
        }
        assert_eq!(policies.0.lock().policies.len(), 2);
    }

    #[test]
    fn a_namespace_with_many_displaces_only_its_own() {
        let policies = LastPolicies::default();
        policies.record(last("quiet", "first", StatedPolicy::Retain));
        for index in 0..REMEMBERED + 10 {
            policies.record(last("loud", &index.to_string(), StatedPolicy::Retain));
        }
        let is_known = |uid: &str| policies.get(&ServiceUid::new(uid)) == StatedPolicy::Retain;
        assert!(is_known("first"));
        assert!(!is_known("0") && !is_known("10"), "the oldest go");
        assert!(is_known("11") && is_known(&(REMEMBERED + 9).to_string()));
        assert_eq!(policies.0.lock().policies.len(), REMEMBERED);
    }

    #[test]
    fn a_service_that_a_new_list_lacks_is_gone() {
        let policies = LastPolicies::default();
        let before = ["lives", "gone"].map(|uid| last("default", uid, StatedPolicy::Retain));
        policies.begin_list(&HashSet::new(), before.into());
        policies.end_list(&HashSet::from([ServiceUid::new("lives")]));
        // Nothing of an earlier list is left.
        policies.end_list(&HashSet::new());
        let cases = [
            ("lives", StatedPolicy::Delete),
            ("gone", StatedPolicy::Retain),
        ];
        for (uid, expected) in cases {
            assert_eq!(policies.get(&ServiceUid::new(uid)), expected, "{uid}");
        }
    }

    /// A list that went back in time lacks it, it lives on, and its user edits it.
    #[test]
    fn only_the_last_words_count() {
        let uid = ServiceUid::new("edited");
        let retain = || last("default", "edited", StatedPolicy::Retain);
        let lacked = || {
            let policies = LastPolicies::default();
            policies.begin_list(&HashSet::from([uid.clone()]), vec![retain()]);
            policies.end_list(&HashSet::new());
            assert_eq!(policies.get(&uid), StatedPolicy::Retain);
            policies
        };
        let policies = lacked();
        policies.record(last("default", "edited", StatedPolicy::Delete));
        assert_eq!(policies.get(&uid), StatedPolicy::Delete, "its end was seen");
        // It has no annotation any more when it is gone for good.
        let policies = lacked();
        policies.begin_list(&HashSet::from([uid.clone()]), Vec::new());
        policies.end_list(&HashSet::new());
        assert_eq!(policies.get(&uid), StatedPolicy::Delete, "a list lacks it");
        let policies = lacked();
        policies.begin_list(&HashSet::new(), Vec::new());
        assert_eq!(policies.get(&uid), StatedPolicy::Retain, "still gone");
    }
}
