//! The budget of edits: each edit of a Service is carried out at once, but a user who edits
//! in a loop does not take the turns of all others.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::Instant;

use super::per_service::PerService;
use crate::controller::attempt::SpecHash;
use crate::plan::naming::ServiceUid;

/// Number of edits of one Service that are carried out without a delay: more than a person
/// or a deployment makes in a minute.
const BURST: u32 = 10;
/// Time in which one further edit is earned. Edits that come meanwhile are carried out
/// together.
const INTERVAL: Duration = Duration::from_secs(3);

/// The budget of each Service: a token bucket.
#[derive(Default)]
pub struct EditBudget(PerService<Budget>);

struct Budget {
    /// The last edit that was admitted.
    admitted: SpecHash,
    /// When the bucket will be full again.
    full_at: Instant,
}

impl EditBudget {
    /// Takes an edit from the budget, unless this state of the Service was admitted before.
    /// Returns the delay until the edit may be carried out; `None` for now.
    pub fn delay(&self, uid: &ServiceUid, spec_hash: SpecHash) -> Option<Duration> {
        let now = Instant::now();
        let mut all = self.0.lock();
        let budget = all.entry(uid.clone()).or_insert(Budget {
            admitted: spec_hash,
            full_at: now,
        });
        if budget.admitted == spec_hash {
            return None;
        }
        let full_at = budget.full_at.max(now) + INTERVAL;
        let delay = (full_at - now).saturating_sub(BURST * INTERVAL);
        if !delay.is_zero() {
            return Some(delay);
        }
        budget.admitted = spec_hash;
        budget.full_at = full_at;
        None
    }

    pub fn forget(&self, uid: &ServiceUid) {
        self.0.forget(uid);
    }

    pub fn retain(&self, alive: &HashSet<ServiceUid>) {
        self.0.retain(alive);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_edits_are_free_and_then_one_in_three_seconds() {
        let budget = EditBudget::default();
        let (busy, other) = (ServiceUid::new("busy"), ServiceUid::new("other"));
        let edit = SpecHash::for_test;
        assert_eq!(
            budget.delay(&busy, edit(0)),
            None,
            "no edit: the first look"
        );
        for number in 1..=10 {
            assert_eq!(budget.delay(&busy, edit(number)), None, "edit {number}");
        }
        assert_eq!(budget.delay(&busy, edit(11)), Some(INTERVAL));
        assert_eq!(budget.delay(&busy, edit(10)), None, "the edit was undone");
        assert_eq!(budget.delay(&other, edit(1)), None);
        assert_eq!(budget.delay(&other, edit(2)), None, "another Service");
        advance(INTERVAL).await;
        assert_eq!(
            budget.delay(&busy, edit(12)),
            None,
            "a later edit, with 11 in it"
        );
        assert_eq!(
            budget.delay(&busy, edit(12)),
            None,
            "the same one, at the next attempt"
        );
        assert!(budget.delay(&busy, edit(13)).is_some());
        advance(BURST * INTERVAL).await;
        for number in 14..24 {
            assert_eq!(
                budget.delay(&busy, edit(number)),
                None,
                "after a rest: {number}"
            );
        }
    }
}
