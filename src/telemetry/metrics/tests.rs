use std::collections::BTreeSet;

use super::*;

fn metrics() -> Metrics {
    Metrics::new(&[CloudName::new("cloud1"), CloudName::new("cloud2")]).unwrap()
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.gather()).unwrap()
}

#[track_caller]
fn assert_line(metrics: &Metrics, line: &str) {
    let text = text(metrics);
    assert!(
        text.lines().any(|found| found == line),
        "{line} is missing in:\n{text}"
    );
}

#[test]
fn what_is_known_exists_at_zero_from_the_start() {
    let metrics = metrics();
    for line in [
        "leader_election_master_status{name=\"my-cloud-controller-manager\"} 0",
        "mycloud_lb_leader_transitions_total{event=\"lost\"} 0",
        "mycloud_lb_leader_lease_renew_duration_seconds_count{result=\"success\"} 0",
        "mycloud_lb_leader_last_renew_timestamp_seconds 0",
        "mycloud_lb_reconcile_total{controller=\"service\",result=\"terminal_error\"} 0",
        "mycloud_lb_reconcile_errors_total{controller=\"service\",reason=\"quota\"} 0",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud2\",code=\"200\",operation=\"list\"} 0",
        "mycloud_lb_cloud_api_in_flight_requests{cloud=\"cloud1\"} 0",
        "mycloud_lb_provisioning_duration_seconds_bucket{cloud=\"cloud1\",le=\"60\"} 0",
        "mycloud_lb_nodes{state=\"excluded\"} 0",
        "mycloud_lb_trace_spans_total{result=\"failed\"} 0",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn a_reconcile_is_counted_timed_and_no_longer_active() {
    let metrics = metrics();
    metrics.reconcile_started();
    assert_line(
        &metrics,
        "mycloud_lb_reconcile_active{controller=\"service\"} 1",
    );
    metrics.reconcile_finished(ReconcileResult::Requeue, Duration::from_millis(20));
    assert_line(
        &metrics,
        "mycloud_lb_reconcile_active{controller=\"service\"} 0",
    );
    assert_line(
        &metrics,
        "mycloud_lb_reconcile_total{controller=\"service\",result=\"requeue\"} 1",
    );
    assert_line(
        &metrics,
        "mycloud_lb_reconcile_duration_seconds_bucket{controller=\"service\",le=\"0.025\"} 1",
    );
}

#[test]
fn cloud_calls_are_counted_by_code_and_timed_without_it() {
    let metrics = metrics();
    metrics.cloud_in_flight("cloud1", 1);
    metrics.cloud_call("cloud1", "create", "Throttled", Duration::from_secs(2));
    metrics.cloud_in_flight("cloud1", -1);
    metrics.cloud_call_not_sent("cloud1", "create", "busy");
    for line in [
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"Throttled\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"busy\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_request_duration_seconds_count{cloud=\"cloud1\",operation=\"create\"} 1",
        "mycloud_lb_cloud_api_request_duration_seconds_sum{cloud=\"cloud1\",operation=\"create\"} 2",
        "mycloud_lb_cloud_api_in_flight_requests{cloud=\"cloud1\"} 0",
    ] {
        assert_line(&metrics, line);
    }
}

#[test]
fn what_only_a_leader_tells_goes_with_its_leadership() {
    let metrics = metrics();
    let told = |metrics: &Metrics| text(metrics).contains("mycloud_lb_load_balancers{");
    metrics.load_balancers("cloud1", "active", 3);
    assert!(!told(&metrics), "a standby tells nothing");
    metrics.leader(true);
    metrics.load_balancers("cloud1", "active", 3);
    assert_line(
        &metrics,
        "mycloud_lb_load_balancers{cloud=\"cloud1\",state=\"active\"} 3",
    );
    metrics.leader(false);
    assert!(!told(&metrics), "gone when it stepped down");
    metrics.load_balancers("cloud1", "active", 3);
    assert!(!told(&metrics), "a late inventory does not bring it back");
}

#[test]
fn only_a_renewal_that_succeeded_moves_the_timestamp() {
    let metrics = metrics();
    metrics.lease_renew(false, Duration::from_secs(10));
    assert_line(&metrics, "mycloud_lb_leader_last_renew_timestamp_seconds 0");
    metrics.lease_renew(true, Duration::from_millis(4));
    assert!(metrics.families.last_renew.get() > 1e9);
}

#[test]
fn the_process_shows_fractions_of_a_second() {
    let metrics = metrics();
    let families = metrics.registry.gather();
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
fn labels_stay_within_the_closed_list() {
    let allowed = [
        "cloud",
        "code",
        "controller",
        "event",
        "name",
        "operation",
        "reason",
        "result",
        "revision",
        "state",
        "type",
        "version",
    ];
    let metrics = metrics();
    metrics.leader(true);
    metrics.load_balancers("cloud1", "active", 1);
    metrics.kubernetes_write("patch_status", "200");
    metrics.healthcheck("ping", "livez", true);
    let mut series = 0;
    for family in metrics.registry.gather() {
        for metric in family.get_metric() {
            series += 1;
            for label in metric.get_label() {
                assert!(
                    allowed.contains(&label.name()),
                    "{}: {}",
                    family.name(),
                    label.name()
                );
            }
        }
    }
    assert!(series < 150, "{series} series before histograms' buckets");
}
