//! A collector that is not there, or does not answer.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::{Collector, Environment, Replica};

use super::{options, provision, replica};

/// Less than the 10 s that the exporter waits for an answer.
const PROMPT: Duration = Duration::from_secs(9);

async fn until_counted(replica: &Replica, result: &str, more_than: f64) -> Result<f64> {
    let series = format!("mycloud_lb_trace_spans_total{{result=\"{result}\"}}");
    replica.until(&series, |count| count > more_than).await
}

async fn ready_promptly(test: &Environment, name: &str) -> Result<()> {
    let began = Instant::now();
    test.service(name).provider("cloud1").create().await?;
    test.until_ready(name).await?;
    let took = began.elapsed();
    ensure!(took < PROMPT, "{took:?}");
    Ok(())
}

#[tokio::test]
async fn a_dead_collector_costs_a_counter_and_is_used_again_when_it_is_back() -> Result<()> {
    let test = Environment::shared("dead-collector").await?;
    let mut collector = Collector::start().await?;
    let replica = replica(&test, &collector).await?;
    provision(&test, &collector, "before").await?;
    let exported = until_counted(&replica, "exported", 0.0).await?;

    collector.kill();
    ready_promptly(&test, "meanwhile").await?;
    until_counted(&replica, "failed", 0.0).await?;

    collector.restart().await?;
    provision(&test, &collector, "after").await?;
    until_counted(&replica, "exported", exported).await?;
    Ok(())
}

#[tokio::test]
async fn a_collector_that_speaks_https_is_known_by_the_authority_that_is_named() -> Result<()> {
    let test = Environment::shared("https-collector").await?;
    let collector = Collector::start_with_tls().await?;
    let mut trusting = options(&test, "trusting", &collector);
    let authority = collector.authority().display().to_string();
    let variable = ("OTEL_EXPORTER_OTLP_CERTIFICATE".into(), authority);
    trusting.env.push(variable);
    let _replica = Replica::start(trusting).await?;
    provision(&test, &collector, "web").await?;
    Ok(())
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_work_nor_the_end() -> Result<()> {
    let test = Environment::shared("hung-collector").await?;
    let mut collector = Collector::start().await?;
    let mut replica = replica(&test, &collector).await?;
    provision(&test, &collector, "before").await?;
    collector.freeze()?;
    ready_promptly(&test, "meanwhile").await?;
    ready_promptly(&test, "again").await?;
    replica.terminate()?;
    let status = replica.wait_exit(PROMPT).await?;
    ensure!(status.success(), "{status}");
    Ok(())
}
