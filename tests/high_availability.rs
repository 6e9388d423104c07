//! Guarantees one-writer and no-duplicate with three replicas: who writes, and
//! how the next one takes over when the leader is told to end, is killed or
//! is frozen. `stuck`: a leader that cannot end by itself.

mod high_availability {
    pub mod cluster;
    pub mod load;
    mod stuck;
}

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use testbed::cloud::{Event, Fault, FaultKind, Outcome, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};
use tokio_util::sync::CancellationToken;

use high_availability::cluster::{
    Holders, LEASE, candidate, ensure_one_writer_at_a_time, environment, renewed_after, three,
};
use high_availability::load::{create_service, create_services, ensure_one_each};

/// The default number of calls that a replica has under way at one cloud.
const CONCURRENCY: usize = 16;

#[tokio::test]
async fn one_of_three_leads_and_only_it_calls_and_writes() -> Result<()> {
    let test = environment("one-leads").await?;
    // Each is ready, standby or not.
    let replicas = three(&test).await?;
    for (name, cloud) in [("web-0", "cloud1"), ("web-1", "cloud2")] {
        test.service(name).provider(cloud).create().await?;
    }
    ensure_one_each(&test, 2).await?;
    test.delete("web-0").await?;
    test.until_gone("web-0").await?;

    let leader = replicas.until_led().await?;
    ensure!(test.terms()?.len() == 1, "one term: {:?}", test.terms()?);
    for cloud in [&test.cloud1, &test.cloud2] {
        let lists = cloud.events();
        let lists = lists.iter().filter(|call| call.verb == Verb::List);
        ensure!(lists.count() == 1, "the leader's, when it took over");
    }
    ensure_one_writer_at_a_time(&test, 1)?;
    for (index, (_, replica)) in replicas.iter().enumerate() {
        let calls = replica.total("mycloud_lb_cloud_api_requests_total").await?;
        let patches = replica.total("mycloud_lb_kubernetes_writes_total").await?;
        let is_leader = index == leader;
        ensure!((calls > 0.0) == is_leader, "replica {index}: {calls} calls");
        ensure!(
            (patches > 0.0) == is_leader,
            "replica {index}: {patches} writes"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_told_to_end_hands_over_at_once() -> Result<()> {
    let test = environment("told-to-end").await?;
    let mut replicas = three(&test).await?;
    let leader = replicas.until_led().await?;
    let holders = Holders::follow(&test).await?;
    let stop = CancellationToken::new();
    let handover = async {
        test.until_ready("web-9").await?;
        let asked = Timestamp::now();
        replicas[leader].terminate()?;
        let next = next_leaders_first_write(&test).await?;
        println!(
            "first cloud write of the next leader {} after SIGTERM",
            asked.until(next.at)?
        );
        let status = replicas[leader].wait_exit(SOON).await?;
        ensure!(status.code() == Some(0), "{status}");
        stop.cancel();
        Ok(())
    };
    let (services, ()) = tokio::try_join!(create_services(&test, &stop), handover)?;

    let seen = holders.next().await?;
    ensure!(
        seen.len() == 3 && seen[1].is_empty(),
        "released, then taken; nobody waited for it to run out: {seen:?}"
    );
    ensure_one_each(&test, services).await?;
    ensure!(test.terms()?.len() == 2, "{:?}", test.terms()?);
    ensure_one_writer_at_a_time(&test, 2)?;
    Ok(())
}

#[tokio::test]
async fn a_leader_that_is_killed_is_replaced_when_its_lease_has_run_out() -> Result<()> {
    let test = environment("killed").await?;
    let mut replicas = three(&test).await?;
    let leader = replicas.until_led().await?;
    let holders = Holders::follow(&test).await?;
    let stop = CancellationToken::new();
    let takeover = async {
        test.until_ready("web-9").await?;
        let killed = Timestamp::now();
        replicas[leader].kill();
        let next = next_leaders_first_write(&test).await?;
        println!(
            "first cloud write of the next leader {} after SIGKILL",
            killed.until(next.at)?
        );
        stop.cancel();
        Ok(())
    };
    let (services, ()) = tokio::try_join!(create_services(&test, &stop), takeover)?;

    let seen = holders.next().await?;
    ensure!(seen.len() == 2, "nobody released it: {seen:?}");
    ensure_one_each(&test, services).await?;
    ensure!(test.terms()?.len() == 2, "{:?}", test.terms()?);
    ensure_one_writer_at_a_time(&test, 2)?;
    Ok(())
}

#[tokio::test]
async fn a_frozen_leader_writes_nothing_when_it_thaws() -> Result<()> {
    let test = environment("frozen").await?;
    let mut replicas = three(&test).await?;
    let leader = replicas.until_led().await?;
    // More than a cloud's concurrency: creates are under way, and more of them wait.
    let services = 80;
    slow_creates(&test);
    try_join_all((0..services).map(|number| create_service(&test, number))).await?;
    creates_under_way(&test, CONCURRENCY / 2).await?;
    replicas[leader].stop()?;
    let thaws = Timestamp::now() + LEASE.lease_duration;
    next_leaders_first_write(&test).await?;
    renewed_after(&test, thaws).await?;
    replicas[leader].cont()?;
    let status = replicas[leader].wait_exit(SOON).await?;
    ensure!(status.code() == Some(1), "{status}");

    ensure_one_each(&test, services).await?;
    ensure!(test.terms()?.len() == 2, "{:?}", test.terms()?);
    ensure_one_writer_at_a_time(&test, 2)?;
    Ok(())
}

#[tokio::test]
async fn a_create_under_way_is_put_on_record_before_the_end() -> Result<()> {
    let test = environment("under-way").await?;
    let mut leaving = Replica::start(candidate(&test, "leaving")).await?;
    slow_creates(&test);
    test.service("web-0").provider("cloud1").create().await?;
    creates_under_way(&test, 1).await?;
    leaving.terminate()?;
    let status = leaving.wait_exit(SOON).await?;
    ensure!(status.code() == Some(0), "{status}");

    let service = test.get("web-0").await?;
    let recorded = test.ours(&service, "lb-id").context("a record")?;
    ensure!(recorded == test.cloud1.inventory()[0].id, "{recorded}");
    let writes = test.control_plane.audit_events()?;
    let last = |resource| {
        writes
            .iter()
            .rfind(|event| event.is_write() && event.resource == resource)
    };
    let (recording, release) = (last("services"), last("leases"));
    ensure!(
        recording.context("a record")?.received < release.context("a release")?.received,
        "the Lease was given back while a write was under way: {recording:?} {release:?}"
    );
    let _next = Replica::start(candidate(&test, "next")).await?;
    ensure_one_each(&test, 1).await?;
    let calls = test.mutations();
    ensure!(calls.len() == 1, "created once: {calls:?}");
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_at_once() -> Result<()> {
    let test = environment("second-signal").await?;
    let mut replica = Replica::start(candidate(&test, "impatient")).await?;
    let hang = FaultKind::Hang {
        after_effect: false,
    };
    test.cloud1.set_fault(Fault::new(hang).on(Verb::Create));
    test.service("web-0").provider("cloud1").create().await?;
    creates_under_way(&test, 1).await?;
    replica.terminate()?;
    let ready = format!("{}/readyz", replica.admin_url());
    eventually("the replica to be stopping", SOON, async || {
        let answer = reqwest::get(&ready).await?;
        Ok((!answer.status().is_success()).then_some(()))
    })
    .await?;
    replica.terminate()?;
    let status = replica.wait_exit(SOON).await?;
    ensure!(status.code() == Some(143), "{status}");
    Ok(())
}

#[tokio::test]
async fn a_standby_outlives_the_loss_of_the_api_server() -> Result<()> {
    let test = environment("cut-off").await?;
    let mut first = Replica::start(candidate(&test, "first")).await?;
    let mut options = candidate(&test, "standby");
    let network = test.through_network(&mut options).await?;
    let standby = Replica::start(options).await?;

    network.cut();
    eventually("the standby to notice", SOON, async || {
        let log = std::fs::read_to_string(standby.log_path())?;
        Ok(log.contains("the election on the Lease").then_some(()))
    })
    .await?;
    let alive = reqwest::get(format!("{}/livez", standby.admin_url())).await?;
    ensure!(alive.status() == 200, "{alive:?}");
    ensure!(!standby.leads().await?);
    network.heal();
    first.kill();
    test.service("web-0").provider("cloud1").create().await?;
    ensure_one_each(&test, 1).await?;
    ensure!(standby.leads().await?);
    Ok(())
}

/// Waits for a write of a later term than any so far.
async fn next_leaders_first_write(test: &Environment) -> Result<Event> {
    let before = test.terms()?;
    eventually("a cloud write of the next leader", SOON, async || {
        let mut calls = test.mutations().into_iter();
        Ok(calls.find(|call| call.fencing_token > before.last().copied()))
    })
    .await
}

fn slow_creates(test: &Environment) {
    let slow = Fault::new(FaultKind::Latency { millis: 1000 }).on(Verb::Create);
    test.cloud1.set_fault(slow.clone());
    test.cloud2.set_fault(slow);
}

async fn creates_under_way(test: &Environment, count: usize) -> Result<()> {
    let what = format!("{count} creates to be under way");
    eventually(&what, SOON, async || {
        let mut calls = test.cloud1.mutations();
        calls.retain(|call| call.outcome == Outcome::InFlight);
        Ok((calls.len() >= count).then_some(()))
    })
    .await
}
