//! Metrics of the leadership and of the renewals of the Lease.

use std::time::Duration;

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::exemplars::Histograms;
use super::now;
use super::registry::{Label, Registrar};

const EVENTS: [&str; 3] = ["acquired", "lost", "released"];
const BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

pub struct ElectionMetrics {
    lease: String,
    master: IntGaugeVec,
    transitions: IntCounterVec,
    renewals: Histograms,
    last_renewal: GaugeVec,
}

impl ElectionMetrics {
    pub(super) fn register(
        registrar: &mut Registrar<'_>,
        lease: &str,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            lease: lease.to_owned(),
            master: registrar.gauge(
                "leader_election_master_status",
                "Whether this replica is the leader (1) or a standby (0).",
                vec![Label::and_more("name", &[lease])],
            )?,
            transitions: registrar.counter(
                "mycloud_lb_leader_transitions_total",
                "Leadership transitions of this replica, by event.",
                vec![Label::of("event", &EVENTS)],
            )?,
            renewals: registrar.histogram(
                "mycloud_lb_leader_lease_renew_duration_seconds",
                "Duration of the attempts to renew the Lease, by result.",
                vec![Label::of("result", &["success", "error"])],
                &BUCKETS,
            )?,
            last_renewal: registrar.seconds(
                "mycloud_lb_leader_last_renew_timestamp_seconds",
                "Time when this replica last acquired or renewed the Lease; 0 if it never did.",
                vec![],
            )?,
        })
    }

    pub(super) fn leads(&self, leads: bool) {
        let master = self.master.with_label_values(&[&self.lease]);
        master.set(i64::from(leads));
    }

    /// Records that this replica acquired the Lease.
    pub fn acquired(&self) {
        self.changed("acquired");
        self.renewed();
    }

    /// Counts a transition of the leadership: `acquired`, `lost` or `released`.
    pub fn changed(&self, event: &'static str) {
        self.transitions.with_label_values(&[event]).inc();
    }

    /// Records an attempt to renew the Lease.
    pub fn renewal(&self, ok: bool, took: Duration) {
        let result = if ok { "success" } else { "error" };
        self.renewals.observe(&[result], took.as_secs_f64());
        if ok {
            self.renewed();
        }
    }

    fn renewed(&self) {
        self.last_renewal.with_label_values::<&str>(&[]).set(now());
    }

    #[cfg(test)]
    pub(super) fn last_renewal(&self) -> f64 {
        self.last_renewal.with_label_values::<&str>(&[]).get()
    }
}
