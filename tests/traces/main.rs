//! explained: real replicas and a real OpenTelemetry Collector; what is
//! asserted is what the collector wrote.

mod collector;
mod orphan;
mod provision;
mod quiet;

use anyhow::{Context, Result};
use testbed::collector::Span;
use testbed::environment::SOON;
use testbed::{Collector, Environment, Replica, ReplicaOptions, eventually};

/// A replica that leads without election and sends spans as soon as they end.
fn options(test: &Environment, name: &str, collector: &Collector) -> ReplicaOptions {
    let mut options = test.replica_options(name);
    options.extra_args.push("--leader-elect=false".into());
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=test".to_owned(),
        ),
    ];
    options
        .env
        .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    options
}

async fn replica(test: &Environment, collector: &Collector) -> Result<Replica> {
    Replica::start(options(test, "sole", collector)).await
}

/// Waits until the collector has the spans that are meant.
async fn until_spans(
    what: &str,
    collector: &Collector,
    are: impl Fn(&[Span]) -> bool,
) -> Result<Vec<Span>> {
    let seen = eventually(what, SOON, async || {
        Ok(Some(collector.spans()?).filter(|spans| are(spans)))
    });
    let seen = seen.await;
    seen.with_context(|| format!("the collector has {:?}", collector.spans()))
}

/// Makes a Service, and waits for its address and for the end of its trace.
async fn provision(test: &Environment, collector: &Collector, name: &str) -> Result<Span> {
    test.service(name).provider("cloud1").create().await?;
    test.until_ready(name).await?;
    root_of(collector, name).await
}

/// The span of a Service's way to its first address, once it is there.
async fn root_of(collector: &Collector, name: &str) -> Result<Span> {
    let is_it = |span: &&Span| span.name() == "provision" && span.says("k8s.service.name") == name;
    let what = format!("the span of {name}'s way to its address");
    let spans = until_spans(&what, collector, |spans| {
        spans.iter().any(|span| is_it(&span))
    });
    let spans = spans.await?;
    spans.iter().find(is_it).cloned().context(what)
}
