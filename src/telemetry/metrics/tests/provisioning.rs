//! The service level: from the wish to the address.

use super::*;

/// These clouds owe it an address.
fn waits(
    metrics: &Metrics,
    uid: &ServiceUid,
    owing: BTreeSet<CloudName>,
    asked: Timestamp,
    waited: Duration,
) {
    let served = BTreeSet::new();
    metrics
        .provisioning
        .progress(uid, &served, owing, asked, waited);
}

#[tokio::test(start_paused = true)]
async fn each_cloud_answers_for_its_own_address() {
    let metrics = metrics();
    metrics.leader(true);
    let uid = ServiceUid::new("uid");
    let cloud = |name: &str| BTreeSet::from([CloudName::new(name)]);
    let late = Duration::from_secs(61);
    tokio::time::advance(late).await;
    metrics
        .provisioning
        .progress(&uid, &cloud("cloud1"), cloud("cloud2"), asked_at(0), late);
    let of = |name: &str, cloud: &str| {
        let series = format!("mycloud_lb_provisioning_{name}{{cloud=\"{cloud}\"}}");
        value(&metrics, &series)
    };
    assert_eq!(of("overdue", "cloud1"), 0.0);
    assert_eq!(of("overdue", "cloud2"), 1.0);
    // The one of cloud1 was deleted by hand.
    let both = &cloud("cloud1") | &cloud("cloud2");
    waits(&metrics, &uid, both.clone(), asked_at(0), late);
    assert_eq!(of("overdue", "cloud1"), 0.0, "it gave one");
    metrics
        .provisioning
        .progress(&uid, &both, BTreeSet::new(), asked_at(0), late);
    for name in ["cloud1", "cloud2"] {
        assert_eq!(of("duration_seconds_count", name), 1.0, "{name}: once");
        assert_eq!(of("pending", name), 0.0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_gets_its_address_becomes_overdue() {
    let metrics = metrics();
    metrics.leader(true);
    let of = |name: &str| format!("mycloud_lb_provisioning_{name}{{cloud=\"cloud1\"}}");
    let uid = ServiceUid::new("uid");
    metrics.provisioning.started(&cloud1());
    // Another leader has waited for it before.
    let waited = Duration::from_secs(50);
    tokio::time::advance(Duration::from_secs(100)).await;
    waits(&metrics, &uid, cloud1(), asked_at(0), waited);
    assert_line(&metrics, &format!("{} 1", of("pending")));
    assert_line(&metrics, &format!("{} 0", of("overdue")));
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_line(&metrics, &format!("{} 1", of("overdue")));
    assert_line(&metrics, &format!("{} 61", of("oldest_pending_seconds")));
    let took = Duration::from_secs(61);
    let nobody = BTreeSet::new();
    metrics
        .provisioning
        .progress(&uid, &cloud1(), nobody, asked_at(0), took);
    for name in ["pending", "overdue", "oldest_pending_seconds"] {
        assert_line(&metrics, &format!("{} 0", of(name)));
    }
    let in_time = "mycloud_lb_provisioning_duration_seconds_bucket{cloud=\"cloud1\",le=\"60\"}";
    assert_line(&metrics, &format!("{in_time} 0"));
    assert_line(&metrics, &format!("{} 1", of("duration_seconds_count")));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_change_of_their_own_is_pending_and_not_overdue() {
    let metrics = metrics();
    metrics.leader(true);
    let late = Duration::from_secs(61);
    tokio::time::advance(late).await;
    let uid = ServiceUid::new("uid");
    let clouds = BTreeSet::from([CloudName::new("cloud1"), CloudName::new("cloud2")]);
    let cases = [
        (None, 1, 1, "nobody refused"),
        (Some("quota"), 0, 1, "of the other cloud nothing is known"),
        (Some("cloud_failed"), 1, 1, "the cloud is to blame"),
    ];
    for (reason, here, there, why) in cases {
        waits(&metrics, &uid, clouds.clone(), asked_at(0), late);
        if let Some(reason) = reason {
            metrics.provisioning.failed(&uid, "cloud1", reason);
        }
        let of = |name: &str, cloud: &str| {
            let series = format!("mycloud_lb_provisioning_{name}{{cloud=\"{cloud}\"}}");
            value(&metrics, &series)
        };
        assert_eq!(of("overdue", "cloud1"), f64::from(here), "{why}");
        assert_eq!(of("overdue", "cloud2"), f64::from(there), "{why}");
        assert_eq!(of("pending", "cloud1"), 1.0, "{why}");
    }
}

fn asked_at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn an_edit_hides_no_wait_but_begins_anew_what_was_refused() {
    let metrics = metrics();
    let (uid, waited) = (ServiceUid::new("uid"), Duration::from_secs(50));
    let (first, edited) = (asked_at(10), asked_at(60));
    let provisioning = &metrics.provisioning;
    assert_eq!(provisioning.requested_at(&uid, first), first);
    waits(&metrics, &uid, cloud1(), first, waited);
    assert_eq!(provisioning.requested_at(&uid, edited), first, "it waits");
    provisioning.failed(&uid, "cloud1", "quota");
    assert_eq!(
        provisioning.requested_at(&uid, first),
        first,
        "as the object tells"
    );
    assert_eq!(provisioning.requested_at(&uid, edited), edited, "mended");
    waits(&metrics, &uid, cloud1(), first, waited);
    provisioning.forget(&uid);
    assert_eq!(
        provisioning.requested_at(&uid, edited),
        edited,
        "another wish"
    );
}
