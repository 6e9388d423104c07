//! Metrics of changes: what a Service asks for and a cloud does not have yet. The metrics
//! of creates are in [`super::provisioning`], because they are the service level indicator.

use std::time::Duration;

use strum::IntoStaticStr;

use super::Metrics;
use super::exemplars::Histograms;
use super::leader_gauges::LeaderGauges;
use super::provisioning::OBJECTIVE;
use super::registry::{Label, Registrar, Values};

/// The label `cloud` of all clouds that Services have on record and the configuration
/// lacks. No cloud can have this name, because the name of a cloud is a DNS label.
pub const NOT_CONFIGURED: &str = "not_configured";
/// The objective of creates must be a bucket; edits have the same.
const BUCKETS: [f64; 11] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
];

/// What a Service asks of a cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Change {
    /// The first address.
    Create,
    /// Another configuration of a load balancer that serves.
    Edit,
    /// A load balancer on another cloud than the first.
    Move,
    /// What the load balancer had before, or new back ends: nobody edited the Service.
    Repair,
    /// The deletion of a load balancer: its Service was deleted, is no longer managed or
    /// names another cloud.
    Delete,
}

impl Change {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] = [
        Self::Create,
        Self::Edit,
        Self::Move,
        Self::Repair,
        Self::Delete,
    ];

    /// The changes of this module's own metrics.
    const BESIDE_CREATE: [Self; 4] = [Self::Edit, Self::Move, Self::Repair, Self::Delete];

    /// The label `change`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The time after which the change is overdue: the objective for what a user waits for;
    /// five minutes for deletions, which clouds are slow at, and for repairs, which wait
    /// for their slots.
    pub const fn limit(self) -> Duration {
        match self {
            Self::Create | Self::Edit | Self::Move => OBJECTIVE,
            Self::Repair | Self::Delete => Duration::from_secs(300),
        }
    }
}

/// The Services that wait for one kind of change at a cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingServices {
    /// All of them, those that wait for their owner included.
    pub pending: usize,
    /// Those that have waited for longer than [`Change::limit`], without those that wait
    /// for their owner.
    pub overdue: usize,
    /// The time that the first of them has waited, without those that wait for their owner.
    pub oldest: Duration,
}

/// The pending changes of one cloud.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloudChanges {
    changes: [PendingServices; Change::ALL.len()],
    /// The Services whose first address became late since the last look.
    pub newly_late: u64,
}

impl CloudChanges {
    /// The Services that wait for this change.
    pub fn of(&self, change: Change) -> PendingServices {
        self.changes[change as usize]
    }

    /// Adds a Service that has waited for `age`.
    pub fn add(&mut self, change: Change, age: Duration, is_owners: bool) {
        let services = &mut self.changes[change as usize];
        services.pending += 1;
        if !is_owners {
            services.overdue += usize::from(age > change.limit());
            services.oldest = services.oldest.max(age);
        }
    }
}

pub struct ChangeMetrics {
    pending: LeaderGauges,
    overdue: LeaderGauges,
    oldest: LeaderGauges,
    durations: Histograms,
}

impl ChangeMetrics {
    pub(super) fn register(registrar: &mut Registrar<'_>) -> Result<Self, prometheus::Error> {
        let cloud = registrar.cloud();
        let of = |changes: &[Change]| {
            let changes: Vec<&str> = changes.iter().map(|change| change.as_str()).collect();
            Label::of("change", &changes)
        };
        let gauges = || {
            let cloud = Label {
                name: "cloud",
                values: Values::AndMore(vec![NOT_CONFIGURED.to_owned()]),
            };
            vec![cloud, of(&Change::BESIDE_CREATE)]
        };
        Ok(Self {
            pending: registrar.leader_gauge(
                "mycloud_lb_change_pending",
                "Services with a change that the cloud does not have yet: an edit, a move to the cloud, a repair, or the deletion of a load balancer. Creates are in mycloud_lb_provisioning_pending.",
                gauges(),
            )?,
            overdue: registrar.leader_gauge(
                "mycloud_lb_change_overdue",
                "Services whose change the cloud does not have for more than 60 s (edit, move) or 300 s (repair, delete), without the changes that only the owner of the Service can correct.",
                gauges(),
            )?,
            oldest: registrar.leader_gauge(
                "mycloud_lb_change_oldest_pending_seconds",
                "Age of the oldest change that the cloud does not have yet, without the changes that only the owner of the Service can correct; 0 if there is none.",
                gauges(),
            )?,
            durations: registrar.histogram(
                "mycloud_lb_change_duration_seconds",
                "Time from a change of a Service with an address until the cloud has it. Creates and deletions have the provisioning and deprovisioning durations.",
                vec![cloud, of(&[Change::Edit, Change::Move, Change::Repair])],
                &BUCKETS,
            )?,
        })
    }
}

impl Metrics {
    /// Sets the gauges of the pending changes of a cloud, or of [`NOT_CONFIGURED`].
    pub fn show_changes(&self, cloud: &str, changes: &CloudChanges) {
        for change in Change::BESIDE_CREATE {
            let PendingServices {
                pending,
                overdue,
                oldest,
            } = changes.of(change);
            let (gauges, labels) = (&self.changes, [cloud, change.as_str()]);
            gauges.pending.set(&labels, pending as f64);
            gauges.overdue.set(&labels, overdue as f64);
            gauges.oldest.set(&labels, oldest.as_secs_f64());
        }
        // A Service that names such a cloud is invalid, so it is not created there.
        if cloud != NOT_CONFIGURED {
            self.provisioning.late(cloud, changes.newly_late);
            self.provisioning.show(cloud, changes.of(Change::Create));
        }
    }

    /// Observes the time that a change has taken, or a create: the time until a Service has
    /// its address.
    pub fn reached(&self, cloud: &str, change: Change, took: Duration) {
        match change {
            Change::Create => self.provisioning.served(cloud, took),
            Change::Edit | Change::Move | Change::Repair => {
                let labels = [cloud, change.as_str()];
                self.changes.durations.observe(&labels, took.as_secs_f64());
            }
            Change::Delete => self.provisioning.removed(cloud, took),
        }
    }
}
