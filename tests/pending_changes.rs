//! explained: what a Service asks for and a cloud does not have is counted by its kind and
//! its cloud, whatever prevents it, and since when.

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Service;
use serde_json::json;
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};
use testbed::{Environment, Replica};

fn refuses(code: Code) -> Fault {
    Fault::new(FaultKind::FailBefore(Failure::code(code)))
}

fn of(metric: &str, cloud: &str, change: &str) -> String {
    format!("mycloud_lb_change_{metric}{{change=\"{change}\",cloud=\"{cloud}\"}}")
}

fn provisioning(metric: &str, cloud: &str) -> String {
    format!("mycloud_lb_provisioning_{metric}{{cloud=\"{cloud}\"}}")
}

/// A replica that has given the Service `web` its load balancer on cloud1.
async fn served(test: &str) -> Result<(Environment, Replica)> {
    let test = Environment::shared(test).await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    Ok((test, replica))
}

/// Waits until one change of this kind is pending at the cloud and grows older.
async fn until_pending(replica: &Replica, cloud: &str, change: &str) -> Result<()> {
    let pending = of("pending", cloud, change);
    replica.until(&pending, |pending| pending == 1.0).await?;
    let age = of("oldest_pending_seconds", cloud, change);
    replica.until(&age, |age| age > 0.0).await?;
    Ok(())
}

async fn until_none_pending(replica: &Replica, cloud: &str, change: &str) -> Result<()> {
    let pending = of("pending", cloud, change);
    replica.until(&pending, |pending| pending == 0.0).await?;
    Ok(())
}

/// Waits until the change was made, and measured once.
async fn until_made(replica: &Replica, cloud: &str, change: &str) -> Result<()> {
    until_none_pending(replica, cloud, change).await?;
    let made = of("duration_seconds_count", cloud, change);
    replica.until(&made, |made| made == 1.0).await?;
    Ok(())
}

/// The age of the oldest does not count what waits for the owner of its Service.
#[tokio::test]
async fn only_what_the_owner_can_correct_is_the_owners() -> Result<()> {
    let cases = [
        (Code::PermissionDenied, "cloud_denied", true),
        (Code::Unauthenticated, "cloud_denied", true),
        (Code::QuotaExceeded, "quota", true),
        (Code::InvalidArgument, "cloud_rejected", false),
    ];
    let test = Environment::shared("blame").await?;
    let replica = test.sole_replica().await?;
    for (index, (code, reason, is_ours)) in cases.into_iter().enumerate() {
        test.cloud1.set_fault(refuses(code).on(Verb::Create));
        let name = format!("web-{index}");
        test.service(&name).provider("cloud1").create().await?;
        let failures = format!(
            "mycloud_lb_provisioning_failures_total{{cloud=\"cloud1\",reason=\"{reason}\"}}"
        );
        replica.until(&failures, |failures| failures >= 1.0).await?;
        let pending = provisioning("pending", "cloud1");
        replica.until(&pending, |pending| pending == 1.0).await?;
        let oldest = provisioning("oldest_pending_seconds", "cloud1");
        replica
            .until(&oldest, |oldest| (oldest > 0.0) == is_ours)
            .await?;
        test.cloud1.clear_faults();
        test.annotate(&name, &[("lb-bandwidth", Some("6M"))])
            .await?;
        test.until_ready(&name).await?;
        replica.until(&pending, |pending| pending == 0.0).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_edit_that_the_cloud_refuses_is_pending_until_the_cloud_has_it() -> Result<()> {
    let (test, replica) = served("edit-refused").await?;
    let denied = refuses(Code::PermissionDenied);
    test.cloud1.set_fault(denied.on(Verb::Update));
    test.annotate("web", &[("lb-bandwidth", Some("6M"))])
        .await?;
    until_pending(&replica, "cloud1", "edit").await?;
    test.cloud1.clear_faults();
    until_made(&replica, "cloud1", "edit").await
}

#[tokio::test]
async fn an_edit_that_the_cloud_finds_invalid_waits_for_its_owner() -> Result<()> {
    let (test, replica) = served("edit-invalid").await?;
    let invalid = refuses(Code::InvalidArgument);
    test.cloud1.set_fault(invalid.on(Verb::Update));
    test.annotate("web", &[("lb-bandwidth", Some("6M"))])
        .await?;
    let pending = of("pending", "cloud1", "edit");
    replica.until(&pending, |pending| pending == 1.0).await?;
    let oldest = of("oldest_pending_seconds", "cloud1", "edit");
    ensure!(replica.value(&oldest).await? == 0.0);
    Ok(())
}

#[tokio::test]
async fn a_move_to_a_cloud_that_is_down_is_pending_there() -> Result<()> {
    let (test, replica) = served("move-down").await?;
    test.cloud2.set_fault(refuses(Code::Unavailable));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    until_pending(&replica, "cloud2", "move").await?;
    // The old load balancer serves; nothing is wrong with its cloud.
    ensure!(replica.value(&of("pending", "cloud1", "delete")).await? == 0.0);
    test.cloud2.clear_faults();
    until_made(&replica, "cloud2", "move").await
}

#[tokio::test]
async fn a_move_leaves_a_deletion_where_the_old_cloud_deletes_nothing() -> Result<()> {
    let (test, replica) = served("move-from").await?;
    let denied = refuses(Code::PermissionDenied);
    test.cloud1.set_fault(denied.on(Verb::Delete));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    until_pending(&replica, "cloud1", "delete").await?;
    until_made(&replica, "cloud2", "move").await?;
    test.cloud1.clear_faults();
    until_none_pending(&replica, "cloud1", "delete").await
}

#[tokio::test]
async fn a_deletion_is_pending_where_it_hangs() -> Result<()> {
    let test = Environment::shared("hangs").await?;
    let replica = test.sole_replica().await?;
    test.service("web")
        .provider("cloud1,cloud2")
        .create()
        .await?;
    test.until_ready("web").await?;
    let denied = refuses(Code::PermissionDenied);
    test.cloud2.set_fault(denied.on(Verb::Delete));
    test.delete("web").await?;
    until_pending(&replica, "cloud2", "delete").await?;
    ensure!(replica.value(&of("pending", "cloud1", "delete")).await? == 0.0);
    test.cloud2.clear_faults();
    test.until_gone("web").await?;
    until_none_pending(&replica, "cloud2", "delete").await
}

/// The age is that of the deletion, although no replica ran at that time.
#[tokio::test]
async fn a_deletion_on_a_cloud_that_left_the_configuration_is_pending() -> Result<()> {
    let test = Environment::shared("cloud-left").await?;
    test.service("web")
        .provider("cloud3")
        .ours("lb-id", "lb-1")
        .ours("lb-cloud", "cloud3")
        .finalizer(&test.finalizer())
        .create()
        .await?;
    test.delete("web").await?;
    let deleted = std::time::Instant::now();
    let replica = test.sole_replica().await?;
    let left = deleted.elapsed().as_secs_f64();
    until_pending(&replica, "not_configured", "delete").await?;
    let oldest = of("oldest_pending_seconds", "not_configured", "delete");
    let age = replica.value(&oldest).await?;
    // A time of deletion is in whole seconds.
    ensure!(age > left - 1.0, "{age} s after {left} s");

    test.edit("web", json!({"metadata": {"finalizers": null}}))
        .await?;
    until_none_pending(&replica, "not_configured", "delete").await
}

#[tokio::test]
async fn an_edit_that_fails_keeps_its_age_under_the_next_leader() -> Result<()> {
    let test = Environment::shared("edit-leader").await?;
    test.allow_election().await?;
    let mut first = Replica::start(test.candidate("first")).await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let denied = refuses(Code::PermissionDenied);
    test.cloud1.set_fault(denied.on(Verb::Update));
    test.annotate("web", &[("lb-bandwidth", Some("6M"))])
        .await?;
    test.until_reason("web", "SyncFailed").await?;
    let failed = std::time::Instant::now();
    first.kill();

    let second = Replica::start(test.candidate("second")).await?;
    until_pending(&second, "cloud1", "edit").await?;
    let since = failed.elapsed().as_secs_f64() - 1.0;
    let oldest = of("oldest_pending_seconds", "cloud1", "edit");
    let age = second.value(&oldest).await?;
    ensure!(age >= since, "{age} s after {since} s");
    Ok(())
}

/// Another controller that removes our finalizer makes no second Service.
#[tokio::test]
async fn a_service_is_counted_once_however_often_it_is_tried() -> Result<()> {
    let test = Environment::shared("started-once").await?;
    let replica = test.sole_replica().await?;
    test.cloud1
        .set_fault(refuses(Code::Unavailable).on(Verb::Create));
    test.service("web").provider("cloud1").create().await?;
    let finalizer = test.finalizer();
    for round in 0..3 {
        let has_finalizer = |service: &Service| {
            let finalizers = service.metadata.finalizers.as_deref().unwrap_or_default();
            finalizers.contains(&finalizer)
        };
        test.until("web", "our finalizer", has_finalizer).await?;
        test.edit("web", json!({"metadata": {"finalizers": null}}))
            .await?;
        // An edit ends the backoff.
        let bandwidth = format!("{}M", 10 + round);
        test.annotate("web", &[("lb-bandwidth", Some(&bandwidth))])
            .await?;
    }
    test.cloud1.clear_faults();
    test.annotate("web", &[("lb-bandwidth", Some("6M"))])
        .await?;
    test.until_ready("web").await?;
    let served = provisioning("duration_seconds_count", "cloud1");
    replica.until(&served, |served| served == 1.0).await?;
    let started = replica
        .value(&provisioning("started_total", "cloud1"))
        .await?;
    ensure!(started == 1.0, "{started} Services");
    Ok(())
}
