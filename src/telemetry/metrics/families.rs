//! The metrics by name, help, labels and buckets.
//!
//! Names that dashboards for Kubernetes components know are kept as they are
//! (`leader_election_master_status`, `process_*`); all others begin with
//! `mycloud_lb_`.

use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

const RENEW_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const RECONCILE_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];
const CLOUD_BUCKETS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// The limit of the service level, 60 s, must be a bucket.
const PROVISIONING_BUCKETS: [f64; 11] = [
    1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0,
];

/// Every metric that is not about the process itself.
pub struct Families {
    pub build_info: IntGaugeVec,
    pub cloud_calls: IntCounterVec,
    pub cloud_duration: HistogramVec,
    pub cloud_in_flight: IntGaugeVec,
    pub healthcheck: IntGaugeVec,
    pub kubernetes_writes: IntCounterVec,
    pub last_renew: Gauge,
    pub lease_renew: HistogramVec,
    pub load_balancers: IntGaugeVec,
    pub master: IntGaugeVec,
    pub nodes: IntGaugeVec,
    pub orphans: IntGaugeVec,
    pub orphans_deleted: IntCounterVec,
    pub provisioning: HistogramVec,
    pub reconcile_active: IntGaugeVec,
    pub reconcile_duration: HistogramVec,
    pub reconcile_errors: IntCounterVec,
    pub reconciles: IntCounterVec,
    pub spans: IntCounterVec,
    pub transitions: IntCounterVec,
}

impl Families {
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let register = Register(registry);
        Ok(Self {
            build_info: register.gauge(
                "mycloud_lb_build_info",
                "Build of this program; always 1.",
                &["version", "revision"],
            )?,
            cloud_calls: register.counter(
                "mycloud_lb_cloud_api_requests_total",
                "Requests to a cloud, by how they ended.",
                &["cloud", "operation", "code"],
            )?,
            cloud_duration: register.histogram(
                "mycloud_lb_cloud_api_request_duration_seconds",
                "Time a cloud took to answer a request, or to fail.",
                &["cloud", "operation"],
                &CLOUD_BUCKETS,
            )?,
            cloud_in_flight: register.gauge(
                "mycloud_lb_cloud_api_in_flight_requests",
                "Requests to a cloud that are under way.",
                &["cloud"],
            )?,
            healthcheck: register.gauge(
                "mycloud_lb_healthcheck",
                "Whether a health check passes (1) or fails (0).",
                &["name", "type"],
            )?,
            kubernetes_writes: register.counter(
                "mycloud_lb_kubernetes_writes_total",
                "Writes to the API server, by their answer.",
                &["operation", "code"],
            )?,
            last_renew: register.timestamp(
                "mycloud_lb_leader_last_renew_timestamp_seconds",
                "When this replica last renewed the Lease; 0: never.",
            )?,
            lease_renew: register.histogram(
                "mycloud_lb_leader_lease_renew_duration_seconds",
                "Time that renewals of the Lease took.",
                &["result"],
                &RENEW_BUCKETS,
            )?,
            load_balancers: register.gauge(
                "mycloud_lb_load_balancers",
                "Load balancers of this cluster; only the leader tells.",
                &["cloud", "state"],
            )?,
            master: register.gauge(
                "leader_election_master_status",
                "Whether this replica leads (1) or stands by (0).",
                &["name"],
            )?,
            nodes: register.gauge(
                "mycloud_lb_nodes",
                "Nodes that are back ends (eligible) and that are not (excluded).",
                &["state"],
            )?,
            orphans: register.gauge(
                "mycloud_lb_orphaned_load_balancers",
                "Load balancers without a Service, as last seen; only the leader tells.",
                &["cloud"],
            )?,
            orphans_deleted: register.counter(
                "mycloud_lb_orphans_deleted_total",
                "Orphans that the sweep deleted, or failed to.",
                &["cloud", "result"],
            )?,
            provisioning: register.histogram(
                "mycloud_lb_provisioning_duration_seconds",
                "Time from when a Service asked for a load balancer to its address in status.",
                &["cloud"],
                &PROVISIONING_BUCKETS,
            )?,
            reconcile_active: register.gauge(
                "mycloud_lb_reconcile_active",
                "Reconciles under way.",
                &["controller"],
            )?,
            reconcile_duration: register.histogram(
                "mycloud_lb_reconcile_duration_seconds",
                "Time that reconciles took.",
                &["controller"],
                &RECONCILE_BUCKETS,
            )?,
            reconcile_errors: register.counter(
                "mycloud_lb_reconcile_errors_total",
                "Reconciles that failed, by reason.",
                &["controller", "reason"],
            )?,
            reconciles: register.counter(
                "mycloud_lb_reconcile_total",
                "Reconciles, by how they ended.",
                &["controller", "result"],
            )?,
            spans: register.counter(
                "mycloud_lb_trace_spans_total",
                "Spans handed to the trace exporter, by what became of them.",
                &["result"],
            )?,
            transitions: register.counter(
                "mycloud_lb_leader_transitions_total",
                "Changes of this replica's leadership.",
                &["event"],
            )?,
        })
    }
}

struct Register<'registry>(&'registry Registry);

impl Register<'_> {
    fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let family = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn gauge(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let family = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn timestamp(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        let gauge = Gauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let family = HistogramVec::new(options, labels)?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }
}
