//! Gauges that are there only while this replica leads: else a former leader
//! would show its last values for ever, beside the new one's.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::GaugeVec;

#[derive(Default)]
struct LeaderGaugeState {
    leads: bool,
    families: Vec<GaugeVec>,
}

/// Whether this replica leads, and what goes when it does not.
#[derive(Clone, Default)]
pub(super) struct LeaderOnly(Arc<Mutex<LeaderGaugeState>>);

impl LeaderOnly {
    /// A family that goes with leadership.
    pub(super) fn keep(&self, family: GaugeVec) -> LeaderGauges {
        self.with(|state| state.families.push(family.clone()));
        let only = self.clone();
        LeaderGauges { only, family }
    }

    /// Leadership began, or ended. Whether it began just now.
    pub(super) fn set(&self, leads: bool) -> bool {
        let mut begins = false;
        self.with(|state| {
            begins = leads && !state.leads;
            state.leads = leads;
            if !leads {
                state.families.iter().for_each(GaugeVec::reset);
            }
        });
        begins
    }

    /// Held while a gauge is set, so that nothing is left, or comes back, after
    /// leadership ended.
    fn with(&self, act: impl FnOnce(&mut LeaderGaugeState)) {
        act(&mut self.0.lock());
    }
}

/// One such family.
#[derive(Clone)]
pub(super) struct LeaderGauges {
    only: LeaderOnly,
    family: GaugeVec,
}

impl LeaderGauges {
    /// Sets it; ignored on a standby.
    pub(super) fn set(&self, labels: &[&str], value: f64) {
        self.only.with(|state| {
            if state.leads {
                self.family.with_label_values(labels).set(value);
            }
        });
    }

    /// Takes it away: there is nothing to tell.
    pub(super) fn remove(&self, labels: &[&str]) {
        self.only.with(|_| {
            // It may not be there.
            let _ = self.family.remove_label_values(labels);
        });
    }
}
