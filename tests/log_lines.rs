//! How much is logged, by the program's own count of its lines.

use std::time::Instant;

use anyhow::{Result, ensure};
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, eventually};

async fn lines(replica: &Replica, level: &str) -> Result<f64> {
    let series = format!("mycloud_lb_log_events_total{{level=\"{level}\"}}");
    replica.value(&series).await
}

#[tokio::test]
async fn the_level_changes_while_the_program_runs() -> Result<()> {
    let test = Environment::shared("log-level").await?;
    let replica = test.sole_replica().await?;
    let url = format!("{}/debug/log-filter", replica.admin_url());
    let http = reqwest::Client::new();
    let put = async |filter: &'static str| {
        let answer = http.put(&url).body(filter).send().await?;
        anyhow::Ok((answer.status().as_u16(), answer.text().await?))
    };
    let before = reqwest::get(&url).await?.text().await?;
    ensure!(
        before == "info,my_cloud_controller_manager=info\n",
        "{before}"
    );
    test.service("before").provider("cloud1").create().await?;
    test.until_ready("before").await?;
    ensure!(lines(&replica, "trace").await? == 0.0);
    ensure!(lines(&replica, "debug").await? == 0.0);

    let (status, text) = put("info,kube=loud").await?;
    ensure!(status == 400 && text.contains("\"kube=loud\""), "{text}");
    let open = "trace";
    ensure!(put(open).await? == (200, format!("{open}\n")));
    test.service("open").provider("cloud1").create().await?;
    test.until_ready("open").await?;
    eventually("lines of the level trace", SOON, async || {
        Ok((lines(&replica, "trace").await? > 0.0).then_some(()))
    })
    .await?;
    ensure!(reqwest::get(&url).await?.text().await? == "trace\n");

    put("off").await?;
    let all = ["error", "warn", "info", "debug", "trace"];
    let mut silent = Vec::new();
    for level in all {
        silent.push(lines(&replica, level).await?);
    }
    test.service("off").provider("cloud1").create().await?;
    test.until_ready("off").await?;
    for (level, before) in all.into_iter().zip(silent) {
        ensure!(lines(&replica, level).await? == before, "{level}");
    }
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_is_down_is_a_line_now_and_then_and_every_failure_is_counted() -> Result<()> {
    const SERVICES: usize = 40;
    let test = Environment::shared("log-flood").await?;
    let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud1.set_fault(Fault::new(down).on(Verb::Create));
    let replica = test.sole_replica().await?;
    let before = lines(&replica, "warn").await?;
    let started = Instant::now();
    let name = |index: usize| format!("web-{index}");
    for index in 0..SERVICES {
        test.service(&name(index))
            .provider("cloud1")
            .create()
            .await?;
    }
    // Events and conditions are as they were: one for each Service.
    for index in 0..SERVICES {
        test.until_reason(&name(index), "SyncFailed").await?;
        test.until_event(&name(index), "SyncLoadBalancerFailed")
            .await?;
    }
    let failures = "mycloud_lb_cloud_api_retries_total{cloud=\"cloud1\",operation=\"create\",reason=\"cloud_unavailable\"}";
    let counted = replica.value(failures).await?;
    ensure!(counted >= SERVICES as f64, "{counted}");
    let written = lines(&replica, "warn").await? - before;
    ensure!(written >= 1.0, "nothing was logged");
    // The first one, a count each 10 s, and little else.
    let most = 4.0 + started.elapsed().as_secs_f64() / 10.0;
    ensure!(written <= most, "{written} warnings for {counted} failures");
    Ok(())
}
