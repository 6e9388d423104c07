//! Metrics in a registry of our own, in Prometheus' text format.
//!
//! Labels come from closed sets only: never a namespace, a Service, a Node, an
//! id or a message. What concerns one Service is in Events, conditions, logs
//! and traces.

mod families;
mod process;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prometheus::{Encoder, Registry, TextEncoder};

use super::build;
use super::traces::SpanExports;
use crate::config::DEFAULT_LEASE;
use crate::plan::naming::CloudName;
use families::Families;

/// What [`Metrics::gather`] returns, for the header.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The only controller of this program.
const CONTROLLER: &str = "service";
const TRANSITIONS: [&str; 3] = ["acquired", "lost", "released"];
const REASONS: [&str; 14] = [
    "cloud_throttled",
    "cloud_unavailable",
    "cloud_rejected",
    "quota",
    "conflict",
    "timeout",
    "protocol",
    "fenced",
    "unsupported",
    "invalid_spec",
    "kubernetes",
    "name_taken",
    "cloud_failed",
    "not_configured",
];
const VERBS: [&str; 5] = ["create", "delete", "update", "query", "list"];
/// The codes that alerts ask about; the rarer ones appear when they happen.
const CODES: [&str; 7] = [
    "200",
    "429",
    "503",
    "Throttled",
    "Unavailable",
    "timeout",
    "connect",
];

/// How one reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReconcileResult {
    /// Everything is as desired, or waits for an edit.
    Success,
    /// It comes back later: something is under way.
    Requeue,
    /// It failed and is tried again.
    Error,
    /// It failed and waits for an edit.
    TerminalError,
}

impl ReconcileResult {
    const ALL: [Self; 4] = [
        Self::Success,
        Self::Requeue,
        Self::Error,
        Self::TerminalError,
    ];

    /// As a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Requeue => "requeue",
            Self::Error => "error",
            Self::TerminalError => "terminal_error",
        }
    }
}

/// Every metric of the program.
pub struct Metrics {
    registry: Registry,
    families: Families,
    lease: String,
    /// Held while what only a leader tells is written, so that nothing of it
    /// is left, or comes back, after it stepped down.
    leads: Mutex<bool>,
}

impl Metrics {
    /// Metrics for these clouds and the default Lease. Every label combination
    /// that is known exists from the start, at zero.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn new(clouds: &[CloudName]) -> Result<Self, prometheus::Error> {
        Self::for_lease(clouds, DEFAULT_LEASE)
    }

    /// As [`Metrics::new`], for the Lease of this name.
    ///
    /// # Errors
    /// None that depends on the arguments.
    pub fn for_lease(clouds: &[CloudName], lease: &str) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let families = Families::register(&registry)?;
        registry.register(Box::new(process::Process::new()?))?;
        let metrics = Self {
            registry,
            families,
            lease: lease.to_owned(),
            leads: Mutex::new(false),
        };
        metrics.touch(clouds);
        Ok(metrics)
    }

    /// `rate()` misses the first increment of a series that did not exist.
    fn touch(&self, clouds: &[CloudName]) {
        let families = &self.families;
        let build = [build::VERSION, build::REVISION];
        families.build_info.with_label_values(&build).set(1);
        families.master.with_label_values(&[&self.lease]).set(0);
        for event in TRANSITIONS {
            families.transitions.with_label_values(&[event]);
        }
        for result in ["success", "error"] {
            families.lease_renew.with_label_values(&[result]);
        }
        for result in ReconcileResult::ALL {
            let labels = [CONTROLLER, result.as_str()];
            families.reconciles.with_label_values(&labels);
        }
        for reason in REASONS {
            families
                .reconcile_errors
                .with_label_values(&[CONTROLLER, reason]);
        }
        families.reconcile_duration.with_label_values(&[CONTROLLER]);
        families.reconcile_active.with_label_values(&[CONTROLLER]);
        for cloud in clouds {
            let cloud = cloud.as_str();
            for verb in VERBS {
                families.cloud_duration.with_label_values(&[cloud, verb]);
                for code in CODES {
                    families.cloud_calls.with_label_values(&[cloud, verb, code]);
                }
            }
            families.cloud_in_flight.with_label_values(&[cloud]);
            for result in ["success", "error"] {
                families.orphans_deleted.with_label_values(&[cloud, result]);
            }
            families.provisioning.with_label_values(&[cloud]);
        }
        for state in ["eligible", "excluded"] {
            families.nodes.with_label_values(&[state]);
        }
        for result in ["exported", "failed"] {
            families.spans.with_label_values(&[result]);
        }
    }

    /// Whether this replica leads. What only a leader tells goes when it steps down.
    pub fn leader(&self, leads: bool) {
        let mut known = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        *known = leads;
        let master = self.families.master.with_label_values(&[&self.lease]);
        master.set(i64::from(leads));
        if !leads {
            self.families.load_balancers.reset();
            self.families.orphans.reset();
        }
    }

    /// Leadership changed: `acquired`, `lost` or `released`.
    pub fn election_event(&self, event: &'static str) {
        self.families.transitions.with_label_values(&[event]).inc();
    }

    /// The Lease was renewed, or could not be.
    pub fn lease_renew(&self, ok: bool, took: Duration) {
        let result = if ok { "success" } else { "error" };
        let durations = self.families.lease_renew.with_label_values(&[result]);
        durations.observe(took.as_secs_f64());
        if ok {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let seconds = now.map_or(0.0, |since| since.as_secs_f64());
            self.families.last_renew.set(seconds);
        }
    }

    /// A reconcile begins.
    pub fn reconcile_started(&self) {
        let active = &self.families.reconcile_active;
        active.with_label_values(&[CONTROLLER]).inc();
    }

    /// A reconcile that began has ended.
    pub fn reconcile_finished(&self, result: ReconcileResult, took: Duration) {
        let families = &self.families;
        families
            .reconcile_active
            .with_label_values(&[CONTROLLER])
            .dec();
        let labels = [CONTROLLER, result.as_str()];
        families.reconciles.with_label_values(&labels).inc();
        let durations = families.reconcile_duration.with_label_values(&[CONTROLLER]);
        durations.observe(took.as_secs_f64());
    }

    /// A reconcile failed for this reason, of a closed set.
    pub fn reconcile_error(&self, reason: &'static str) {
        let errors = &self.families.reconcile_errors;
        errors.with_label_values(&[CONTROLLER, reason]).inc();
    }

    /// A cloud answered, or did not: `code` is of a closed set (`200`, `Throttled`, `timeout`).
    pub fn cloud_call(&self, cloud: &str, verb: &str, code: &str, took: Duration) {
        let families = &self.families;
        let labels = [cloud, verb, code];
        families.cloud_calls.with_label_values(&labels).inc();
        let durations = families.cloud_duration.with_label_values(&[cloud, verb]);
        durations.observe(took.as_secs_f64());
    }

    /// A call to a cloud ended before it was sent: counted, but there is no answer to time.
    pub fn cloud_call_not_sent(&self, cloud: &str, verb: &str, code: &str) {
        let labels = [cloud, verb, code];
        self.families.cloud_calls.with_label_values(&labels).inc();
    }

    /// Calls under way at a cloud: so many more (or less).
    pub fn cloud_in_flight(&self, cloud: &str, change: i64) {
        let in_flight = self.families.cloud_in_flight.with_label_values(&[cloud]);
        in_flight.add(change);
    }

    /// A Service got its first address from this cloud, so long after it asked.
    pub fn provisioned(&self, cloud: &str, took: Duration) {
        let durations = self.families.provisioning.with_label_values(&[cloud]);
        durations.observe(took.as_secs_f64());
    }

    /// Load balancers of this cluster at a cloud, by state. Ignored on a standby.
    pub fn load_balancers(&self, cloud: &str, state: &str, number: usize) {
        let leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        if *leads {
            let gauge = &self.families.load_balancers;
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            gauge.with_label_values(&[cloud, state]).set(number);
        }
    }

    /// Orphans at a cloud. Ignored on a standby.
    pub fn orphans(&self, cloud: &str, number: usize) {
        let leads = self.leads.lock().unwrap_or_else(PoisonError::into_inner);
        if *leads {
            let gauge = self.families.orphans.with_label_values(&[cloud]);
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
        }
    }

    /// The sweep deleted an orphan (`success`) or could not (`error`).
    pub fn orphan_deleted(&self, cloud: &str, result: &'static str) {
        let deleted = &self.families.orphans_deleted;
        deleted.with_label_values(&[cloud, result]).inc();
    }

    /// Nodes that are back ends, and Nodes that are not.
    pub fn nodes(&self, eligible: i64, excluded: i64) {
        let nodes = &self.families.nodes;
        nodes.with_label_values(&["eligible"]).set(eligible);
        nodes.with_label_values(&["excluded"]).set(excluded);
    }

    /// A write to the API server was answered with this code (`200`, `409`, `timeout`).
    pub fn kubernetes_write(&self, operation: &'static str, code: &str) {
        let writes = &self.families.kubernetes_writes;
        writes.with_label_values(&[operation, code]).inc();
    }

    /// A health check passed or failed; `endpoint` is `livez` or `readyz`.
    pub fn healthcheck(&self, name: &'static str, endpoint: &'static str, passed: bool) {
        let checks = self
            .families
            .healthcheck
            .with_label_values(&[name, endpoint]);
        checks.set(i64::from(passed));
    }

    /// Counters for the trace exporter.
    pub fn span_exports(&self) -> SpanExports {
        let spans = &self.families.spans;
        SpanExports {
            exported: spans.with_label_values(&["exported"]),
            failed: spans.with_label_values(&["failed"]),
        }
    }

    /// Everything in text format 0.0.4 ([`CONTENT_TYPE`]). Reads files of
    /// `/proc`: not for a thread that runs tasks.
    pub fn gather(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(32 * 1024);
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

#[cfg(test)]
mod tests;
