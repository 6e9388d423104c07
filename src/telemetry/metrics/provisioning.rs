//! Metrics of provisioning, from the request for a load balancer to its address: the
//! service level indicator.
//!
//! A histogram contains only what has ended. A Service that never gets its address is
//! in the gauges pending, overdue and oldest, and `late` counts it against the objective.

use std::collections::BTreeSet;
use std::time::Duration;

use prometheus::IntCounterVec;

use super::changes::PendingServices;
use super::exemplars::Histograms;
use super::leader_gauges::LeaderGauges;
use super::registry::{Label, Registrar};
use crate::plan::naming::CloudName;
use crate::reason::Reason;

/// The service level objective: an address within this time.
pub const OBJECTIVE: Duration = Duration::from_secs(60);
/// The objective must be a bucket.
const BUCKETS: [f64; 11] = [
    1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
];
/// The reasons for which a Service gets no address until a user or operator changes
/// something.
const TERMINAL: [Reason; 6] = [
    Reason::Quota,
    Reason::CloudRejected,
    Reason::CloudDenied,
    Reason::NameTaken,
    Reason::CloudFailed,
    Reason::Unsupported,
];

pub struct ProvisioningMetrics {
    started: IntCounterVec,
    durations: Histograms,
    late: IntCounterVec,
    failures: IntCounterVec,
    removals: Histograms,
    pending_now: LeaderGauges,
    overdue: LeaderGauges,
    oldest: LeaderGauges,
}

impl ProvisioningMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || vec![cloud.clone()];
        let reason = Label::of("reason", &TERMINAL.map(Reason::as_str));
        Ok(Self {
            started: registrar.counter(
                "mycloud_lb_provisioning_started_total",
                "Services that requested a load balancer, each counted once.",
                cloud(),
            )?,
            durations: registrar.histogram(
                "mycloud_lb_provisioning_duration_seconds",
                "Time from the request of a Service for a load balancer to the address in its status.",
                cloud(),
                &BUCKETS,
            )?,
            late: registrar.counter(
                "mycloud_lb_provisioning_late_total",
                "Services that had no address after 60 s, without those that only their owner can correct; counted when the time has passed, whether they get an address later or not.",
                cloud(),
            )?,
            failures: registrar.counter(
                "mycloud_lb_provisioning_failures_total",
                "Failed attempts for Services without an address that cannot succeed until a user or operator changes something.",
                [cloud(), vec![reason]].concat(),
            )?,
            removals: registrar.histogram(
                "mycloud_lb_deprovisioning_duration_seconds",
                "Time from the deletion of a Service to the deletion of its load balancer.",
                cloud(),
                &BUCKETS,
            )?,
            pending_now: registrar.leader_gauge(
                "mycloud_lb_provisioning_pending",
                "Services that wait for their first address from the cloud.",
                cloud(),
            )?,
            overdue: registrar.leader_gauge(
                "mycloud_lb_provisioning_overdue",
                "Services that have waited for their first address from the cloud for more than 60 s, without those that only their owner can correct.",
                cloud(),
            )?,
            oldest: registrar.leader_gauge(
                "mycloud_lb_provisioning_oldest_pending_seconds",
                "Time that the longest waiting Service has waited for its first address from the cloud, without those that only their owner can correct; 0 if no Service waits.",
                cloud(),
            )?,
        })
    }

    /// Counts a Service that requests a load balancer for the first time.
    pub fn started(&self, clouds: &BTreeSet<CloudName>) {
        for cloud in clouds {
            self.started.with_label_values(&[cloud.as_str()]).inc();
        }
    }

    /// Observes the time until a Service has its address from a cloud.
    pub(super) fn served(&self, cloud: &str, waited: Duration) {
        self.durations.observe(&[cloud], waited.as_secs_f64());
    }

    /// Counts Services that had no address within [`OBJECTIVE`].
    pub fn late(&self, cloud: &str, services: u64) {
        self.late.with_label_values(&[cloud]).inc_by(services);
    }

    /// Counts a failed attempt for a Service without an address that cannot succeed until
    /// a user or operator changes something.
    pub fn failed(&self, cloud: &str, reason: Reason) {
        let labels = [cloud, reason.as_str()];
        self.failures.with_label_values(&labels).inc();
    }

    /// Observes the time until the load balancer of a deleted Service was deleted.
    pub(super) fn removed(&self, cloud: &str, took: Duration) {
        self.removals.observe(&[cloud], took.as_secs_f64());
    }

    /// Sets the gauges of the pending Services of a cloud.
    pub(super) fn show(&self, cloud: &str, services: PendingServices) {
        let PendingServices {
            pending,
            overdue,
            oldest,
        } = services;
        self.pending_now.set(&[cloud], pending as f64);
        self.overdue.set(&[cloud], overdue as f64);
        self.oldest.set(&[cloud], oldest.as_secs_f64());
    }
}
