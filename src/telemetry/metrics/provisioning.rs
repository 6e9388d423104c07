//! From the wish for a load balancer to its address: the service level.
//!
//! A histogram only sees what ended. A Service that never gets its address is
//! in the gauges: pending, overdue, oldest.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use prometheus::IntCounterVec;
use tokio::time::Instant;

use super::exemplars::Histograms;
use super::leader_gauges::LeaderGauges;
use super::registry::{Label, Registrar};
use crate::plan::naming::{CloudName, ServiceUid};

/// The service level: an address within this time.
pub const OBJECTIVE: Duration = Duration::from_secs(60);
/// The objective must be a bucket.
const BUCKETS: [f64; 11] = [
    1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
];
/// Why a Service gets no address until a person changes something.
const TERMINAL: [&str; 5] = [
    "quota",
    "cloud_rejected",
    "name_taken",
    "cloud_failed",
    "unsupported",
];

/// The one of them that the cloud is to blame for.
const THEIR_FAULT: &str = "cloud_failed";

/// A Service that lacks an address.
struct Pending {
    /// Those that owe it.
    clouds: BTreeSet<CloudName>,
    /// Those that gave it theirs.
    told: BTreeSet<CloudName>,
    asked: Timestamp,
    since: Instant,
    /// A person has to change something: that asks anew.
    is_refused: bool,
    /// Clouds where that person is the Service's: nobody else can end the wait.
    up_to_its_owner: BTreeSet<String>,
}

/// Metrics of provisioning.
pub struct ProvisioningMetrics {
    clouds: Vec<String>,
    started: IntCounterVec,
    durations: Histograms,
    failures: IntCounterVec,
    removals: Histograms,
    pending_now: LeaderGauges,
    overdue: LeaderGauges,
    oldest: LeaderGauges,
    pending: Mutex<HashMap<ServiceUid, Pending>>,
}

impl ProvisioningMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let cloud = || vec![cloud.clone()];
        let reason = Label::of("reason", &TERMINAL);
        Ok(Self {
            clouds: registrar.clouds.clone(),
            started: registrar.counter(
                "mycloud_lb_provisioning_started_total",
                "Services that asked for a load balancer.",
                cloud(),
            )?,
            durations: registrar.histogram(
                "mycloud_lb_provisioning_duration_seconds",
                "Time from when a Service asked for a load balancer to its address in status.",
                cloud(),
                &BUCKETS,
            )?,
            failures: registrar.counter(
                "mycloud_lb_provisioning_failures_total",
                "Attempts at a Service without an address that fail until a person changes something.",
                [cloud(), vec![reason]].concat(),
            )?,
            removals: registrar.histogram(
                "mycloud_lb_deprovisioning_duration_seconds",
                "Time from the deletion of a Service to its load balancer's end.",
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
                "Services that have waited for their first address from the cloud for more than 60 s; not those that it refuses until their owner changes something.",
                cloud(),
            )?,
            oldest: registrar.leader_gauge(
                "mycloud_lb_provisioning_oldest_pending_seconds",
                "How long the Service has waited that waits the longest for its first address from the cloud, refused ones too; 0: none waits.",
                cloud(),
            )?,
            pending: Mutex::default(),
        })
    }

    /// A Service asks for a load balancer for the first time.
    pub fn started(&self, clouds: &BTreeSet<CloudName>) {
        for cloud in clouds {
            self.started.with_label_values(&[cloud.as_str()]).inc();
        }
    }

    /// When a Service that waits began to ask. What the object tells moves with an
    /// edit by the same hand, which must not hide how long it has waited.
    pub fn requested_at(&self, uid: &ServiceUid, told: Timestamp) -> Timestamp {
        let pending = self.pending();
        let known = pending.get(uid).filter(|known| !known.is_refused);
        known.map_or(told, |known| known.asked.min(told))
    }

    /// Whether a Service still waits for an address.
    pub fn is_pending(&self, uid: &ServiceUid) -> bool {
        self.pending().contains_key(uid)
    }

    /// A Service that asked then, so long ago, has its address from some clouds,
    /// which is told of once, and others owe it theirs.
    pub fn progress(
        &self,
        uid: &ServiceUid,
        served: &BTreeSet<CloudName>,
        owing: BTreeSet<CloudName>,
        asked: Timestamp,
        waited: Duration,
    ) {
        let mut pending = self.pending();
        let before = pending.remove(uid);
        let told = before.map(|before| before.told).unwrap_or_default();
        for cloud in served.difference(&told) {
            self.durations
                .observe(&[cloud.as_str()], waited.as_secs_f64());
        }
        let told = &told | served;
        // What it gave once it owes no more, whatever became of that.
        let owing = &owing - &told;
        if owing.is_empty() {
            return;
        }
        let now = Instant::now();
        let entry = Pending {
            clouds: owing,
            told,
            asked,
            since: now.checked_sub(waited).unwrap_or(now),
            is_refused: false,
            up_to_its_owner: BTreeSet::new(),
        };
        pending.insert(uid.clone(), entry);
    }

    /// An attempt at a Service without an address failed for good.
    pub fn failed(&self, uid: &ServiceUid, cloud: &str, reason: &'static str) {
        self.failures.with_label_values(&[cloud, reason]).inc();
        let mut pending = self.pending();
        let owes = |one: &&mut Pending| one.clouds.iter().any(|owing| owing.as_str() == cloud);
        if let Some(pending) = pending.get_mut(uid).filter(owes) {
            pending.is_refused = true;
            if reason != THEIR_FAULT {
                pending.up_to_its_owner.insert(cloud.to_owned());
            }
        }
    }

    /// A Service asks for nothing any more, or is gone.
    pub fn forget(&self, uid: &ServiceUid) {
        self.pending().remove(uid);
    }

    /// Drops all Services but these.
    pub fn keep(&self, alive: &HashSet<ServiceUid>) {
        self.pending().retain(|uid, _| alive.contains(uid));
    }

    /// The load balancer of a deleted Service is gone.
    pub fn removed(&self, cloud: &str, took: Duration) {
        self.removals.observe(&[cloud], took.as_secs_f64());
    }

    /// Brings what depends on the moment up to date.
    pub(super) fn refresh(&self) {
        let pending = self.pending();
        let now = Instant::now();
        for cloud in &self.clouds {
            let here = |one: &&Pending| one.clouds.iter().any(|named| named.as_str() == cloud);
            let waits = || {
                let here = pending.values().filter(here);
                here.map(|one| now.duration_since(one.since))
            };
            let is_late = |one: &&Pending| now.duration_since(one.since) > OBJECTIVE;
            let overdue = pending
                .values()
                .filter(here)
                .filter(|one| is_late(one) && !one.up_to_its_owner.contains(cloud))
                .count();
            let oldest = waits().max().unwrap_or_default();
            self.pending_now.set(&[cloud], waits().count() as f64);
            self.overdue.set(&[cloud], overdue as f64);
            self.oldest.set(&[cloud], oldest.as_secs_f64());
        }
    }

    fn pending(&self) -> MutexGuard<'_, HashMap<ServiceUid, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
