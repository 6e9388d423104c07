//! Metrics of the load balancers that the clouds have, by their last list.

use prometheus::IntCounterVec;

use super::leader_gauges::LeaderGauges;
use super::now;
use super::registry::{Label, Registrar};

const STATES: [&str; 4] = ["provisioning", "active", "error", "deleting"];

pub struct InventoryMetrics {
    clouds: Vec<String>,
    load_balancers: LeaderGauges,
    orphans: LeaderGauges,
    deleted: IntCounterVec,
    retained: IntCounterVec,
    drifted: IntCounterVec,
    last_scan: LeaderGauges,
}

impl InventoryMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || cloud.clone();
        Ok(Self {
            clouds: registrar.clouds.clone(),
            load_balancers: registrar.leader_gauge(
                "mycloud_lb_load_balancers",
                "Load balancers of this cluster that the last list of the cloud returned, by state.",
                vec![cloud(), Label::of("state", &STATES)],
            )?,
            orphans: registrar.leader_gauge(
                "mycloud_lb_orphaned_load_balancers",
                "Load balancers of this cluster without a Service, and those of others that are attached to none any more.",
                vec![cloud()],
            )?,
            deleted: registrar.counter(
                "mycloud_lb_orphans_deleted_total",
                "Deletions of orphaned load balancers by the sweep, by result.",
                vec![cloud(), Label::of("result", &["success", "error"])],
            )?,
            retained: registrar.counter(
                "mycloud_lb_load_balancers_retained_total",
                "Load balancers that were left at the cloud without an owner, because their Services ended with `deletion-policy: retain`.",
                vec![cloud()],
            )?,
            drifted: registrar.counter(
                "mycloud_lb_drift_total",
                "Load balancers that were changed or deleted outside the cluster: detected (found), restored (repaired), and left as they are because identical repairs were undone (not_repairable).",
                vec![
                    cloud(),
                    Label::of("result", &["found", "repaired", "not_repairable"]),
                ],
            )?,
            last_scan: registrar.leader_gauge(
                "mycloud_lb_orphan_scan_last_success_timestamp_seconds",
                "Time of the last scan of the cloud's list for orphans; before the first scan, the time when this replica became the leader.",
                vec![cloud()],
            )?,
        })
    }

    /// Records that this replica became the leader. A cloud that it can never list
    /// needs a series too: otherwise the alert on the age of the last scan would miss it.
    pub(super) fn leads(&self) {
        for cloud in &self.clouds {
            self.last_scan.set(&[cloud], now());
        }
    }

    /// Removes the time of the last scan for a cloud without a list operation.
    pub fn has_no_list(&self, cloud: &str) {
        self.last_scan.remove(&[cloud]);
    }

    /// Sets the number of load balancers of this cluster at a cloud in a state.
    pub fn load_balancers(&self, cloud: &str, state: &str, number: usize) {
        self.load_balancers.set(&[cloud, state], number as f64);
    }

    /// Records a scan of a list and the number of its orphans.
    pub fn orphans(&self, cloud: &str, number: usize) {
        self.orphans.set(&[cloud], number as f64);
        self.last_scan.set(&[cloud], now());
    }

    /// Counts drift of a load balancer: `found`, `repaired` or `not_repairable`.
    pub fn drifted(&self, cloud: &str, result: &'static str) {
        self.drifted.with_label_values(&[cloud, result]).inc();
    }

    /// Counts a load balancer that was retained.
    pub fn retained(&self, cloud: &str) {
        self.retained.with_label_values(&[cloud]).inc();
    }

    /// Counts the deletion of an orphan: `success` or `error`.
    pub fn orphan_deleted(&self, cloud: &str, result: &'static str) {
        self.deleted.with_label_values(&[cloud, result]).inc();
    }
}
