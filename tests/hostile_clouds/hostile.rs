//! A cloud that wants to harm, beside a good one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Bytes;
use serde_json::{Value, json};
use testbed::cloud::hostile::{PAGES, RETRY_AFTER, answer, page};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

use crate::server::OddCloud;

/// What the process may occupy at its highest, in KiB: the memory limit of `deploy/`, which
/// the last measured peak of the unoptimised binary, 79 MiB, is well below.
const MEMORY_KIB: u64 = 128 << 10;
/// What the log of a test may have in bytes.
const LOG: usize = 1 << 20;

/// Kinds of calls.
const VERBS: usize = 7;

/// The Services on the hostile cloud: enough to show it if each keeps what it was answered.
const BAD: usize = 40;

/// The highest memory that a process had, in KiB.
fn peak(replica: &Replica) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", replica.id()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(number.context("VmHWM")?.parse()?)
}

#[tokio::test]
async fn a_hostile_cloud_costs_no_service_of_another() -> Result<()> {
    let mut test = Environment::shared("hostile-cloud").await?;
    test.extra_config =
        "sweepInterval: 200ms\ndriftInterval: 1s\nserviceCidrs: [10.96.0.0/12]".into();
    let hostile = OddCloud::start().await?;
    let lists = AtomicUsize::new(0);
    let others = AtomicUsize::new(0);
    hostile.answer(move |verb, request, good| match verb {
        "list" => page(lists.fetch_add(1, Ordering::Relaxed), request).into(),
        _ => answer(others.fetch_add(1, Ordering::Relaxed), &good).into(),
    });
    hostile.ask_for_a_pause(RETRY_AFTER);
    let mut options = test.replica_options("sole");
    options.config_yaml = hostile.as_strange_cloud1(&test, &options.config_yaml);
    options.extra_args.push("--leader-elect=false".into());
    let mut replica = Replica::start(options).await?;

    for number in 0..BAD {
        let bad = test.service(&format!("bad-{number}"));
        bad.provider("cloud1").create().await?;
    }
    eventually("every kind of list to have come", SOON, async || {
        Ok((hostile.calls("list").len() > 3 * PAGES).then_some(()))
    })
    .await?;
    for number in 0..5 {
        let name = format!("good-{number}");
        test.service(&name).provider("cloud2").create().await?;
        test.until_ready(&name).await?;
    }
    let lists = hostile.calls("list").len();
    eventually("further lists", SOON, async || {
        Ok((hostile.calls("list").len() > lists + 3 * PAGES).then_some(()))
    })
    .await?;
    test.delete("good-0").await?;
    test.until_gone("good-0").await?;

    for number in 0..BAD {
        let service = test.get(&format!("bad-{number}")).await?;
        let (_, _, message) = test.condition(&service).context("a condition")?;
        ensure!(message.len() <= 1024, "{} bytes", message.len());
        ensure!(!message.contains('\n'), "{message}");
        let addresses = testbed::environment::addresses(&service);
        ensure!(addresses.len() <= 1, "{addresses:?}");
    }
    ensure!(replica.exit_status()?.is_none(), "the process lives");
    let memory = peak(&replica)?;
    ensure!(memory < MEMORY_KIB, "{memory} KiB");
    let log = std::fs::read_to_string(replica.log_path())?;
    ensure!(log.len() < LOG, "a log of {} bytes", log.len());
    let mut pauses = 0;
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        ensure!(line["message"] != "FORGED", "{line}");
        let message = line["message"].as_str().unwrap_or_default();
        pauses += usize::from(message.contains("Retry-After of more than an hour"));
    }
    // At most one for each kind of call, and again after ten seconds without such a call.
    ensure!((1..=VERBS * 2).contains(&pauses), "{pauses} lines");
    let skipped =
        "mycloud_lb_cloud_list_items_skipped_total{cloud=\"cloud1\",reason=\"unreadable\"}";
    ensure!(replica.value(skipped).await? > 0.0);
    let protocol = "mycloud_lb_cloud_api_requests_total{cloud=\"cloud1\",code=\"protocol\",operation=\"list\"}";
    ensure!(replica.value(protocol).await? > 0.0);
    Ok(())
}

#[tokio::test]
async fn an_address_of_somebody_else_is_not_published() -> Result<()> {
    let mut test = Environment::shared("hostile-addresses").await?;
    test.extra_config = "serviceCidrs: [10.222.0.0/16]".into();
    let cloud = OddCloud::start().await?;
    let mut options = test.replica_options("sole");
    options.config_yaml = cloud.as_strange_cloud1(&test, &options.config_yaml);
    options.extra_args.push("--leader-elect=false".into());
    let _replica = Replica::start(options).await?;
    for (name, ip, why) in [
        // The range of the control plane, which is in its ServiceCIDR.
        ("own", "10.96.0.1", "own Services"),
        ("configured", "10.222.0.1", "own Services"),
        ("loopback", "127.0.0.1", "loopback"),
        ("metadata", "169.254.169.254", "link-local"),
    ] {
        cloud.answer(move |_, _, mut good| {
            good["ip"] = json!(ip);
            Bytes::from(good.to_string())
        });
        test.service(name).provider("cloud1").create().await?;
        let message = test.until_reason(name, "CloudError").await?;
        ensure!(message.contains(ip) && message.contains(why), "{message}");
        let service = test.get(name).await?;
        ensure!(
            testbed::environment::addresses(&service).is_empty(),
            "{name}"
        );
        ensure!(test.record(&service).is_some(), "{name} is on record");
        // And it can be deleted.
        test.delete(name).await?;
        test.until_gone(name).await?;
    }
    eventually(
        "no load balancer to be left",
        Duration::from_secs(10),
        async || Ok((cloud.len() == 0).then_some(())),
    )
    .await
}
