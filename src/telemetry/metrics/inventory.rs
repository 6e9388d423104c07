//! What the clouds have, as the last list showed.

use prometheus::IntCounterVec;

use super::leader_gauges::LeaderGauges;
use super::now;
use super::registry::{Label, Registrar};

const STATES: [&str; 4] = ["provisioning", "active", "error", "deleting"];

/// Metrics of the clouds' inventories.
pub struct InventoryMetrics {
    clouds: Vec<String>,
    load_balancers: LeaderGauges,
    orphans: LeaderGauges,
    deleted: IntCounterVec,
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
                "Load balancers of this cluster without a Service.",
                vec![cloud()],
            )?,
            deleted: registrar.counter(
                "mycloud_lb_orphans_deleted_total",
                "Deletions of orphaned load balancers by the sweep, by result.",
                vec![cloud(), Label::of("result", &["success", "error"])],
            )?,
            drifted: registrar.counter(
                "mycloud_lb_drift_total",
                "Load balancers that were changed or deleted outside the cluster: detected (found) and restored (repaired).",
                vec![cloud(), Label::of("result", &["found", "repaired"])],
            )?,
            last_scan: registrar.leader_gauge(
                "mycloud_lb_orphan_scan_last_success_timestamp_seconds",
                "Time of the last scan of the cloud's list for orphans; before the first scan, the time when this replica became the leader.",
                vec![cloud()],
            )?,
        })
    }

    /// This replica leads from now on. A cloud that it can never list must not
    /// be missing: an alert on how long ago it was would not see it.
    pub(super) fn leads(&self) {
        for cloud in &self.clouds {
            self.last_scan.set(&[cloud], now());
        }
    }

    /// A cloud has no list, so none is late.
    pub fn has_no_list(&self, cloud: &str) {
        self.last_scan.remove(&[cloud]);
    }

    /// Load balancers of this cluster at a cloud, by state.
    pub fn load_balancers(&self, cloud: &str, state: &str, number: usize) {
        self.load_balancers.set(&[cloud, state], number as f64);
    }

    /// A list was looked through and had so many orphans.
    pub fn orphans(&self, cloud: &str, number: usize) {
        self.orphans.set(&[cloud], number as f64);
        self.last_scan.set(&[cloud], now());
    }

    /// A load balancer is not as we left it (`found`), or is again (`repaired`).
    pub fn drifted(&self, cloud: &str, result: &'static str) {
        self.drifted.with_label_values(&[cloud, result]).inc();
    }

    /// The sweep deleted an orphan (`success`) or could not (`error`).
    pub fn orphan_deleted(&self, cloud: &str, result: &'static str) {
        self.deleted.with_label_values(&[cloud, result]).inc();
    }
}
