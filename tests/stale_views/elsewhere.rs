//! A replica that takes over with a view from before.

use anyhow::{Context, Result, ensure};
use testbed::cloud::Verb;
use testbed::environment::SOON;
use testbed::interposer::OldList;
use testbed::{Environment, Replica, eventually};

use crate::stage::{
    QUICK, Since, acted_upon, ready, set_enabled, set_port, set_provider, set_type, settled, stage,
};

const NAMES: [&str; 7] = [
    "kept", "deleted", "again", "retyped", "disabled", "moved", "edited",
];

/// The world is as it should be, only the new leader does not see it: all that
/// it does is to look.
#[tokio::test]
async fn a_new_leader_with_an_old_view_changes_nothing() -> Result<()> {
    let mut test = Environment::shared("stale-leader").await?;
    test.extra_config = QUICK.into();
    test.allow_election().await?;
    let mut first = Replica::start(test.candidate("first")).await?;
    ready(&test, &NAMES).await?;
    let interposer = test.interpose().await?;
    let standby = Replica::start(test.candidate("standby")).await?;
    interposer.view().freeze();

    test.delete("deleted").await?;
    test.delete("again").await?;
    set_type(&test, "retyped", "ClusterIP").await?;
    set_enabled(&test, "disabled", None).await?;
    set_provider(&test, "moved", "cloud2").await?;
    set_port(&test, "edited", 8080).await?;
    test.until_gone("again").await?;
    ready(&test, &["again", "new"]).await?;
    settled(&test).await?;
    first.kill();
    let since = Since::now(&test);
    eventually("the standby to lead", SOON, async || {
        Ok(standby.leads().await?.then_some(()))
    })
    .await?;
    acted_upon(&test, &standby).await?;
    since.ensure_none(&test).context("by the old view")?;

    interposer.view().thaw();
    ready(&test, &["barrier"]).await?;
    let calls = since.mutations(&test).len();
    ensure!(calls == 1, "the barrier's: {:?}", since.mutations(&test));
    settled(&test).await
}

/// The view is of a moment at which the user wanted none of it: by it, all
/// that is there should go.
#[tokio::test]
async fn what_was_unwanted_for_a_moment_is_not_deleted_after_it() -> Result<()> {
    let (test, interposer) = stage("there-and-back").await?;
    let mut first = test.sole_replica().await?;
    ready(&test, &["retyped", "disabled", "moved", "edited"]).await?;
    settled(&test).await?;
    first.kill();
    set_type(&test, "retyped", "ClusterIP").await?;
    set_enabled(&test, "disabled", Some("false")).await?;
    set_provider(&test, "moved", "cloud2").await?;
    set_port(&test, "edited", 8080).await?;
    let moment = OldList::record(&test.client()).await?;
    set_type(&test, "retyped", "LoadBalancer").await?;
    set_enabled(&test, "disabled", Some("true")).await?;
    set_provider(&test, "moved", "cloud1").await?;
    set_port(&test, "edited", 80).await?;

    interposer.view().freeze();
    interposer.view().go_back(moment);
    let since = Since::now(&test);
    let replica = test.sole_replica().await?;
    acted_upon(&test, &replica).await?;
    interposer.view().thaw();
    ready(&test, &["barrier"]).await?;
    settled(&test).await?;
    // The type gave it another node port on its way back.
    let of_all = since.mutations(&test).into_iter();
    let calls: Vec<_> = of_all
        .map(|(_, call)| (call.verb, call.request["owner"]["name"].to_string()))
        .collect();
    let expected = [(Verb::Update, "\"retyped\""), (Verb::Create, "\"barrier\"")];
    let expected = expected.map(|(verb, name)| (verb, name.to_owned()));
    ensure!(calls == expected, "{calls:?}");
    Ok(())
}
