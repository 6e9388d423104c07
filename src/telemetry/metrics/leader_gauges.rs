//! Gauges that exist only while this replica leads: otherwise a former leader would
//! export its last values for ever, beside those of the new leader.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::GaugeVec;

#[derive(Default)]
struct LeaderGaugeState {
    leads: bool,
    families: Vec<GaugeVec>,
}

/// The leadership of this replica, and the families that only a leader exports.
#[derive(Clone, Default)]
pub(super) struct LeaderOnly(Arc<Mutex<LeaderGaugeState>>);

impl LeaderOnly {
    /// Adds a family that exists only during leadership.
    pub(super) fn add(&self, family: GaugeVec) -> LeaderGauges {
        self.with(|state| state.families.push(family.clone()));
        let only = self.clone();
        LeaderGauges { only, family }
    }

    /// Records whether this replica leads; returns whether its leadership has just begun.
    pub(super) fn set(&self, leads: bool) -> bool {
        let mut has_begun = false;
        self.with(|state| {
            has_begun = leads && !state.leads;
            state.leads = leads;
            if !leads {
                state.families.iter().for_each(GaugeVec::reset);
            }
        });
        has_begun
    }

    /// Runs `act` under the lock, so that no gauge is left or set after the end of the
    /// leadership.
    fn with(&self, act: impl FnOnce(&mut LeaderGaugeState)) {
        act(&mut self.0.lock());
    }
}

/// A family of gauges that only a leader exports.
#[derive(Clone)]
pub(super) struct LeaderGauges {
    only: LeaderOnly,
    family: GaugeVec,
}

impl LeaderGauges {
    /// Sets the gauge; does nothing on a standby.
    pub(super) fn set(&self, labels: &[&str], value: f64) {
        self.only.with(|state| {
            if state.leads {
                self.family.with_label_values(labels).set(value);
            }
        });
    }

    /// Removes the gauge.
    pub(super) fn remove(&self, labels: &[&str]) {
        self.only.with(|_| {
            // The series may not exist.
            let _ = self.family.remove_label_values(labels);
        });
    }
}
