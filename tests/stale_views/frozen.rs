//! A leader whose watch stands still while users go on.

use anyhow::{Result, ensure};
use testbed::cloud::{Code, Effect, Failure, Fault, FaultKind, Verb};
use testbed::environment::{SOON, calls};
use testbed::eventually;

use crate::stage::{
    Since, acted_upon, ready, set_enabled, set_port, set_provider, set_type, settled, stage, uid,
};

/// All load balancers are removed behind the replica's back, so its view wants
/// them made again as they were. Each create is then of what the Service asks
/// for now, if it asks for anything.
#[tokio::test]
async fn what_is_missing_is_made_as_it_is_wanted_now() -> Result<()> {
    let (test, interposer) = stage("frozen").await?;
    let replica = test.sole_replica().await?;
    let names = [
        "kept", "deleted", "again", "retyped", "disabled", "moved", "edited",
    ];
    ready(&test, &names).await?;
    let before = uid(&test, "again").await?;

    interposer.view().freeze();
    let since = Since::now(&test);
    test.delete("deleted").await?;
    test.delete("again").await?;
    set_type(&test, "retyped", "ClusterIP").await?;
    set_enabled(&test, "disabled", None).await?;
    set_provider(&test, "moved", "cloud2").await?;
    set_port(&test, "edited", 8080).await?;
    for made in test.cloud1.inventory() {
        test.cloud1.remove(&made.id).await?;
    }
    // The live reads tell what the watch does not.
    test.until_gone("again").await?;
    test.service("again").provider("cloud1").create().await?;
    acted_upon(&test, &replica).await?;

    let mut made = Vec::new();
    for (cloud, call) in since.mutations(&test) {
        ensure!(call.effect == Some(Effect::Created), "{call:?}");
        ensure!(call.request["owner"]["uid"] != before.as_str(), "{call:?}");
        let port = call.request["listeners"][0]["port"].as_u64();
        made.push((call.request["owner"]["name"].to_string(), cloud, port));
    }
    made.sort();
    let expected = [("edited", 1, 8080), ("kept", 1, 80), ("moved", 2, 80)];
    let expected = expected.map(|(name, cloud, port)| (format!("{name:?}"), cloud, Some(port)));
    ensure!(made == expected, "{made:?}");

    interposer.view().thaw();
    test.until_ready("again").await?;
    settled(&test).await
}

/// The create is tried again by itself, not because somebody changed anything.
#[tokio::test]
async fn a_create_that_is_tried_again_is_not_made_for_a_service_that_goes() -> Result<()> {
    let (test, interposer) = stage("frozen-retry").await?;
    let _replica = test.sole_replica().await?;
    let busy = Failure {
        retry_after_seconds: Some(1),
        ..Failure::code(Code::Unavailable)
    };
    let busy = Fault::new(FaultKind::FailBefore(busy)).on(Verb::Create);
    test.cloud1.set_fault(busy.times(1));
    test.service("web").provider("cloud1").create().await?;
    eventually("the first try to fail", SOON, async || {
        let tried = calls(&test.cloud1);
        let failed = tried.iter().any(|call| call.finished_micros.is_some());
        Ok(failed.then_some(()))
    })
    .await?;
    interposer.view().freeze();
    test.delete("web").await?;
    test.until_gone("web").await?;
    let made = test.cloud1.mutations();
    ensure!(made.len() == 1, "only the first try: {made:?}");
    interposer.view().thaw();
    ready(&test, &["barrier"]).await?;
    settled(&test).await
}
