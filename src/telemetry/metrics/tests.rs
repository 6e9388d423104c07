use std::collections::BTreeSet;
use std::time::Duration;

use futures::FutureExt;

use super::*;

use crate::telemetry::traces::{self, Traces};

fn metrics() -> Metrics {
    Metrics::for_test(&[CloudName::new("cloud1"), CloudName::new("cloud2")])
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.gather(ExpositionFormat::Text)).unwrap()
}

fn open_metrics(metrics: &Metrics) -> String {
    String::from_utf8(metrics.gather(ExpositionFormat::OpenMetrics)).unwrap()
}

#[track_caller]
fn assert_line(metrics: &Metrics, line: &str) {
    let text = text(metrics);
    assert!(
        text.lines().any(|found| found == line),
        "{line} is missing in:\n{text}"
    );
}

fn value(metrics: &Metrics, series: &str) -> f64 {
    let text = text(metrics);
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.unwrap_or_else(|| panic!("{series} is missing in:\n{text}"));
    value.trim().parse().expect("a number")
}

fn cloud1() -> BTreeSet<CloudName> {
    BTreeSet::from([CloudName::new("cloud1")])
}

#[test]
fn known_series_exist_at_zero_from_the_start() {
    let metrics = metrics();
    for line in [
        "leader_election_master_status{name=\"my-cloud-controller-manager\"} 0",
        "mycloud_lb_leader_transitions_total{event=\"lost\"} 0",
        "mycloud_lb_leader_lease_renew_duration_seconds_count{result=\"success\"} 0",
        "mycloud_lb_leader_last_renew_timestamp_seconds 0",
        "mycloud_lb_reconcile_total{controller=\"service\",result=\"terminal_error\"} 0",
        "mycloud_lb_reconcile_errors_total{controller=\"service\",reason=\"quota\"} 0",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud2\",code=\"200\",operation=\"list\"} 0",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud2\",code=\"credentials\",operation=\"list\"} 0",
        "mycloud_lb_kubernetes_writes_total{code=\"conflict\",operation=\"patch_service\"} 0",
        "workqueue_queue_duration_seconds_bucket{name=\"service\",le=\"300\"} 0",
        "mycloud_lb_cloud_api_in_flight_requests{cloud=\"cloud1\"} 0",
        "mycloud_lb_cloud_api_paused{cloud=\"cloud1\"} 0",
        "mycloud_lb_provisioning_duration_seconds_bucket{cloud=\"cloud1\",le=\"60\"} 0",
        "mycloud_lb_nodes{state=\"excluded\"} 0",
        "mycloud_lb_node_unusable_addresses 0",
        "mycloud_lb_watch_errors_total{error=\"stream\",kind=\"node\"} 0",
        "mycloud_lb_trace_spans_total{result=\"failed\"} 0",
        "workqueue_depth{name=\"service\"} 0",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn a_reconcile_is_counted_and_timed() {
    let metrics = metrics();
    metrics.reconcile.show_active(1);
    let took = Duration::from_millis(20);
    metrics.reconcile.finished(ReconcileResult::Requeue, took);
    for line in [
        "mycloud_lb_reconcile_active{controller=\"service\"} 1",
        "mycloud_lb_reconcile_total{controller=\"service\",result=\"requeue\"} 1",
        "mycloud_lb_reconcile_duration_seconds_bucket{controller=\"service\",le=\"0.025\"} 1",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn cloud_calls_are_counted_by_code_and_timed_without_it() {
    let metrics = metrics();
    let cloud = &metrics.cloud;
    cloud.in_flight("cloud1", 1);
    cloud.waited("cloud1", Duration::from_millis(5));
    cloud.answered("cloud1", "create", "Throttled", Duration::from_secs(2));
    cloud.in_flight("cloud1", -1);
    cloud.not_sent("cloud1", "create", "busy");
    for line in [
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"Throttled\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"busy\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_request_duration_seconds_count{cloud=\"cloud1\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_request_duration_seconds_sum{cloud=\"cloud1\",operation=\"create\"} 2",
        "mycloud_lb_cloud_api_rate_limiter_wait_seconds_bucket{cloud=\"cloud1\",le=\"0.01\"} 1",
        "mycloud_lb_cloud_api_in_flight_requests{cloud=\"cloud1\"} 0",
        "mycloud_lb_cloud_api_last_success_timestamp_seconds{cloud=\"cloud1\"} 0",
    ] {
        assert_line(&metrics, line);
    }
    cloud.answered("cloud1", "create", "200", Duration::from_secs(2));
    let last = "mycloud_lb_cloud_api_last_success_timestamp_seconds{cloud=\"cloud1\"}";
    assert!(value(&metrics, last) > 1e9);
}

#[test]
fn rare_statuses_share_a_series() {
    let metrics = metrics();
    let before = text(&metrics).lines().count();
    for status in 100..1000 {
        let took = Duration::from_millis(1);
        metrics
            .cloud
            .answered("cloud1", "list", &status.to_string(), took);
    }
    let more = text(&metrics).lines().count() - before;
    assert!(more < 20, "{more} more series");
    for (code, count) in [("5xx", 95), ("503", 1), ("other", 500)] {
        let series = format!(
            "mycloud_lb_cloud_api_requests_total{{cloud=\"cloud1\",code=\"{code}\",operation=\"list\"}}"
        );
        assert_line(&metrics, &format!("{series} {count}"));
    }
}

#[test]
fn timestamps_start_when_the_replica_becomes_the_leader() {
    let metrics = metrics();
    let scan = "mycloud_lb_orphan_scan_last_success_timestamp_seconds{cloud=\"cloud1\"}";
    let success = "mycloud_lb_cloud_api_last_success_timestamp_seconds{cloud=\"cloud1\"}";
    assert!(!text(&metrics).contains(scan), "a standby lists nothing");
    assert_eq!(value(&metrics, success), 0.0);
    metrics.leader(true);
    let began = value(&metrics, scan);
    assert!(began > 1e9 && value(&metrics, success) > 1e9);
    metrics.leader(true);
    assert_eq!(value(&metrics, scan), began, "it was the leader before");
    metrics.inventory.has_no_list("cloud1");
    assert!(!text(&metrics).contains(scan), "nothing is late");
    metrics.inventory.has_no_list("cloud1");
    assert!(text(&metrics).contains(&scan.replace("cloud1", "cloud2")));
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_is_exported_while_it_lasts() {
    let metrics = metrics();
    let series = "mycloud_lb_cloud_api_paused{cloud=\"cloud2\"}";
    metrics.cloud.paused("cloud2", Duration::from_secs(20));
    metrics.cloud.paused("cloud2", Duration::from_secs(3));
    assert_line(&metrics, &format!("{series} 1"));
    tokio::time::advance(Duration::from_secs(19)).await;
    assert_line(&metrics, &format!("{series} 1"));
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_line(&metrics, &format!("{series} 0"));
    assert_line(
        &metrics,
        "mycloud_lb_cloud_api_pauses_total{cloud=\"cloud2\"} 2",
    );
}

#[test]
fn the_queue_exports_due_services_and_running_reconciles() {
    let metrics = metrics();
    let second = Duration::from_secs(1);
    metrics.workqueue.added();
    metrics.workqueue.began(second);
    metrics.before_scrape(move |metrics| metrics.workqueue.show(2, 3 * second, 4 * second));
    for line in [
        "workqueue_adds_total{name=\"service\"} 1",
        "workqueue_queue_duration_seconds_sum{name=\"service\"} 1",
        "workqueue_depth{name=\"service\"} 2",
        "workqueue_longest_running_processor_seconds{name=\"service\"} 3",
        "workqueue_unfinished_work_seconds{name=\"service\"} 4",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn provisioning_exports_pending_and_served_services() {
    let metrics = metrics();
    metrics.leader(true);
    let late = Duration::from_secs(61);
    metrics.provisioning.started(&cloud1());
    metrics.reached("cloud1", Change::Create, late);
    let mut changes = CloudChanges::default();
    changes.add(Change::Create, late, false);
    changes.add(Change::Create, 2 * late, true);
    changes.newly_late = 1;
    metrics.show_changes("cloud1", &changes);
    let of = |name: &str| format!("mycloud_lb_provisioning_{name}{{cloud=\"cloud1\"}}");
    for (name, value) in [
        ("started_total", 1),
        ("pending", 2),
        ("overdue", 1),
        ("oldest_pending_seconds", 61),
        ("late_total", 1),
        ("duration_seconds_count", 1),
    ] {
        assert_line(&metrics, &format!("{} {value}", of(name)));
    }
    let in_time = "mycloud_lb_provisioning_duration_seconds_bucket{cloud=\"cloud1\",le=\"60\"}";
    assert_line(&metrics, &format!("{in_time} 0"));
}

#[test]
fn changes_are_exported_by_their_kind() {
    let metrics = metrics();
    metrics.leader(true);
    let minutes = Duration::from_secs(301);
    let mut changes = CloudChanges::default();
    changes.add(Change::Edit, minutes, false);
    changes.add(Change::Delete, minutes, false);
    metrics.show_changes("cloud1", &changes);
    metrics.show_changes(NOT_CONFIGURED, &changes);
    metrics.reached("cloud1", Change::Move, minutes);
    metrics.reached("cloud1", Change::Delete, minutes);
    let of = |name: &str, cloud: &str, change: &str| {
        format!("mycloud_lb_change_{name}{{change=\"{change}\",cloud=\"{cloud}\"}}")
    };
    for (series, value) in [
        (of("pending", "cloud1", "edit"), 1),
        (of("pending", "cloud1", "move"), 0),
        (of("overdue", "cloud1", "edit"), 1),
        (of("oldest_pending_seconds", "cloud1", "delete"), 301),
        (of("overdue", NOT_CONFIGURED, "delete"), 1),
        (of("duration_seconds_count", "cloud1", "move"), 1),
        (of("duration_seconds_count", "cloud1", "edit"), 0),
        (
            "mycloud_lb_deprovisioning_duration_seconds_count{cloud=\"cloud1\"}".into(),
            1,
        ),
    ] {
        assert_line(&metrics, &format!("{series} {value}"));
    }
    assert!(
        !text(&metrics).contains("provisioning_pending{cloud=\"not_configured\"}"),
        "no Service is created there"
    );
}

#[test]
fn leader_gauges_end_with_the_leadership() {
    let metrics = metrics();
    let is_exported = |metrics: &Metrics| {
        let text = text(metrics);
        text.contains("mycloud_lb_load_balancers{") || text.contains("provisioning_pending{")
    };
    metrics.inventory.load_balancers("cloud1", "active", 3);
    assert!(!is_exported(&metrics), "a standby exports no leader gauge");
    metrics.leader(true);
    metrics.inventory.load_balancers("cloud1", "active", 3);
    let series = "mycloud_lb_load_balancers{cloud=\"cloud1\",state=\"active\"}";
    assert_line(&metrics, &format!("{series} 3"));
    assert!(is_exported(&metrics));
    metrics.leader(false);
    assert!(!is_exported(&metrics), "gone when it stepped down");
    metrics.inventory.load_balancers("cloud1", "active", 3);
    assert!(
        !is_exported(&metrics),
        "a late inventory does not bring it back"
    );
}

#[test]
fn only_a_successful_renewal_moves_the_timestamp() {
    let metrics = metrics();
    metrics.election.renewal(false, Duration::from_secs(10));
    assert_line(&metrics, "mycloud_lb_leader_last_renew_timestamp_seconds 0");
    metrics.election.acquired();
    assert!(metrics.election.last_renewal() > 1e9, "56 years ago");
    let metrics = super::tests::metrics();
    metrics.election.renewal(true, Duration::from_millis(4));
    assert!(metrics.election.last_renewal() > 1e9);
}

#[test]
fn the_process_shows_fractions_of_a_second() {
    let families = metrics().registry.gather();
    let names: BTreeSet<_> = families.iter().map(|family| family.name()).collect();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_virtual_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "process_threads",
    ] {
        assert!(names.contains(name), "{name} is missing in {names:?}");
    }
}

#[test]
fn the_scraper_gets_the_format_that_it_prefers() {
    use ExpositionFormat::{OpenMetrics, Text};
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let cases = [
        (prometheus, OpenMetrics, "Prometheus 2.42"),
        ("", Text, "no preference"),
        ("*/*", Text, "curl"),
        ("text/plain", Text, "the old format"),
        ("application/openmetrics-text", OpenMetrics, "any version"),
        (
            "application/openmetrics-text;version=0.0.1",
            Text,
            "a version that is not ours",
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.5",
            Text,
            "rather not",
        ),
    ];
    for (accept, expected, reason) in cases {
        assert_eq!(ExpositionFormat::preferred(accept), expected, "{reason}");
    }
}

#[test]
fn open_metrics_has_units_canonical_bounds_and_an_end() {
    let metrics = metrics();
    metrics
        .cloud
        .answered("cloud1", "create", "200", Duration::from_millis(250));
    let text = open_metrics(&metrics);
    for line in [
        "# TYPE mycloud_lb_cloud_api_requests counter",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"200\",operation=\"create\"} 1",
        "# UNIT mycloud_lb_cloud_api_request_duration_seconds seconds",
        "mycloud_lb_cloud_api_request_duration_seconds_bucket{cloud=\"cloud1\",operation=\"create\",le=\"1.0\"} 1",
        "mycloud_lb_cloud_api_request_duration_seconds_bucket{cloud=\"cloud1\",operation=\"create\",le=\"+Inf\"} 1",
        "# TYPE mycloud_lb_build info",
        "# UNIT process_resident_memory_bytes bytes",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("trace_id"), "no trace was active");
}

#[test]
fn an_exemplar_names_the_trace_of_an_observation() {
    let metrics = metrics();
    let traces = Traces::without_collector(metrics.program.span_exports());
    let work = traces.tracer().lazy_span("reconcile", Default::default);
    let call = work.run(async {
        traces::begin();
        let took = Duration::from_millis(700);
        metrics.cloud.answered("cloud2", "delete", "200", took);
        traces::active().map(|span| span.trace_id().to_string())
    });
    let trace = call.now_or_never().flatten().expect("a trace");
    let text = open_metrics(&metrics);
    let bucket = "mycloud_lb_cloud_api_request_duration_seconds_bucket{cloud=\"cloud2\",operation=\"delete\",le=\"1.0\"} 1 # {trace_id=\"";
    let line = text.lines().find(|line| line.starts_with(bucket));
    let line = line.unwrap_or_else(|| panic!("{bucket} is missing in {text}"));
    assert!(line.contains(&trace) && line.contains("} 0.7 "), "{line}");
    assert_eq!(text.matches("trace_id").count(), 1, "in its bucket only");
    let plain = super::tests::text(&metrics);
    assert!(
        !plain.contains("trace_id"),
        "they would break the old format"
    );
}

#[test]
fn labels_stay_within_the_closed_list() {
    let allowed = [
        "capability",
        "change",
        "cloud",
        "code",
        "controller",
        "error",
        "event",
        "host",
        "kind",
        "level",
        "method",
        "name",
        "operation",
        "reason",
        "result",
        "revision",
        "state",
        "type",
        "verb",
        "version",
    ];
    let metrics = metrics();
    for family in &metrics.described {
        for label in &family.labels {
            assert!(
                allowed.contains(&label.name),
                "{}: {}",
                family.name,
                label.name
            );
        }
    }
    let series = text(&metrics)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .count();
    assert!(series < 1000, "{series} series of two clouds at the start");
}

#[test]
fn no_unreadable_object_is_zero_and_not_absent() {
    let metrics = Metrics::for_test(&[]);
    let text = String::from_utf8(metrics.gather(ExpositionFormat::Text)).expect("text");
    for kind in ["service", "node"] {
        let line = format!("mycloud_lb_unreadable_objects{{kind=\"{kind}\"}} 0");
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}
