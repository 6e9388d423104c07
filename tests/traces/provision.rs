//! From the wish to the address, as one trace, and where its id is found.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};
use testbed::cloud::{Code, Event, Failure, Fault, FaultKind, Verb};
use testbed::collector::Span;
use testbed::environment::SOON;
use testbed::{Collector, Environment, Replica, eventually};

use super::{options, replica, root_of, until_spans};

const CLIENT: u8 = 3;
const ERROR: u8 = 2;

fn of<'a>(spans: &'a [Span], root: &Span, name: &str) -> Vec<&'a Span> {
    let ours = spans.iter().filter(|span| span.trace() == root.trace());
    let mut found: Vec<&Span> = ours.filter(|span| span.name() == name).collect();
    found.sort_by_key(|span| span.started());
    found
}

fn traceparent(span: &Span) -> String {
    format!("00-{}-{}-01", span.trace(), span.id())
}

/// Throttled once, so that two passes are needed.
async fn two_passes(test: &Environment) -> Result<()> {
    let throttle = FaultKind::Throttle {
        retry_after_seconds: Some(1),
        as_date: false,
    };
    test.cloud1
        .set_fault(Fault::new(throttle).on(Verb::Create).times(1));
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    Ok(())
}

#[tokio::test]
async fn two_passes_are_one_trace_with_all_that_happened() -> Result<()> {
    let test = Environment::shared("one-trace").await?;
    let collector = Collector::start().await?;
    let replica = replica(&test, &collector).await?;
    two_passes(&test).await?;
    let root = root_of(&collector, "web").await?;
    let spans = until_spans("both passes", &collector, |spans| {
        of(spans, &root, "reconcile").len() == 2
    });
    let spans = spans.await?;
    let service = test.get("web").await?;

    // Whose it is.
    let resource = [
        ("service.name", "my-cloud-controller-manager"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", "sole"),
        ("deployment.environment.name", "test"),
    ];
    for (key, value) in resource {
        ensure!(root.resource(key) == value, "{key}: {:?}", root.resource);
    }

    // The root: from the wish, which has whole seconds, to the address.
    let created = service.creation_timestamp().context("a creation time")?;
    ensure!(root.parent().is_empty());
    ensure!(root.started() == u128::try_from(created.0.as_nanosecond())?);
    ensure!(root.says("k8s.service.uid") == service.uid().unwrap_or_default());

    // Its passes.
    let passes = of(&spans, &root, "reconcile");
    for (pass, attempt) in passes.iter().zip(["1", "2"]) {
        ensure!(pass.parent() == root.id(), "{pass:?}");
        ensure!(pass.attribute("attempt")["intValue"] == attempt, "{pass:?}");
        ensure!(pass.says("k8s.service.name") == "web", "{pass:?}");
    }
    ensure!(passes[0].json["status"]["code"] == ERROR, "{:?}", passes[0]);
    ensure!(passes[0].says("error.type") == "cloud_throttled");
    ensure!(passes[1].says("result") == "success", "{:?}", passes[1]);

    // Their calls, and what the cloud was told of them.
    let calls = of(&spans, &root, "cloud1 create");
    let seen: Vec<Event> = test.cloud1.mutations();
    ensure!((calls.len(), seen.len()) == (2, 2), "{calls:?}");
    for (number, status) in [(0, "429"), (1, "200")] {
        let (call, seen) = (calls[number], &seen[number]);
        ensure!(call.parent() == passes[number].id(), "{call:?}");
        ensure!(call.json["kind"] == CLIENT, "{call:?}");
        ensure!(seen.traceparent == Some(traceparent(call)), "{seen:?}");
        let status = json!({"intValue": status});
        ensure!(call.attribute("http.response.status_code") == &status);
        let term = seen.fencing_token.context("a term")?.to_string();
        ensure!(call.attribute("lease.term")["intValue"] == term.as_str());
        let expected = [
            ("cloud", "cloud1"),
            ("operation", "create"),
            ("http.request.method", "POST"),
        ];
        for (key, value) in expected {
            ensure!(call.says(key) == value, "{key}: {call:?}");
        }
        ensure!(call.started() >= passes[number].started(), "dated back");
        ensure!(call.ended() <= passes[number].ended());
    }
    ensure!(calls[0].json["status"]["code"] == ERROR, "{:?}", calls[0]);
    ensure!(calls[0].says("error.type") == "cloud_throttled");
    ensure!(calls[1].json["status"]["code"].is_null(), "{:?}", calls[1]);

    found_elsewhere(&test, &replica, &root, &passes).await
}

/// The log, the Events and the metrics lead to the trace.
async fn found_elsewhere(
    test: &Environment,
    replica: &Replica,
    root: &Span,
    passes: &[&Span],
) -> Result<()> {
    let log = std::fs::read_to_string(replica.log_path())?;
    let lines = log.lines().map(serde_json::from_str::<Value>);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>()?;
    let message = "wrote the record and the addresses to the Service";
    let done = lines.iter().rfind(|line| line["message"] == message);
    let done = done.context("a line about what was done")?;
    ensure!(done["trace_id"] == root.trace(), "{done}");
    ensure!(done["span_id"] == passes[1].id(), "{done}");
    let around = done["spans"].as_array().context("spans")?;
    ensure!(around.iter().any(|span| span["service"] == "web"), "{done}");

    for reason in ["EnsuringLoadBalancer", "EnsuredLoadBalancer"] {
        let note = test.until_event("web", reason).await?;
        let ending = format!(" (trace {})", root.trace());
        ensure!(note.ends_with(&ending), "{note}");
    }

    let page = reqwest::Client::new()
        .get(format!("{}/metrics", replica.admin_url()))
        .header("accept", "application/openmetrics-text; version=1.0.0");
    let page = page.send().await?.text().await?;
    let exemplar = format!("# {{trace_id=\"{}\"}}", root.trace());
    for family in [
        "mycloud_lb_cloud_api_request_duration_seconds_bucket{cloud=\"cloud1\",operation=\"create\"",
        "mycloud_lb_provisioning_duration_seconds_bucket{cloud=\"cloud1\"",
    ] {
        let mut lines = page.lines().filter(|line| line.starts_with(family));
        ensure!(lines.any(|line| line.contains(&exemplar)), "{family}");
    }
    Ok(())
}

#[tokio::test]
async fn a_failover_does_not_break_the_trace() -> Result<()> {
    let test = Environment::shared("trace-failover").await?;
    let collector = Collector::start().await?;
    let down = FaultKind::FailBefore(Failure::code(Code::Unavailable));
    test.cloud1.set_fault(Fault::new(down).on(Verb::Create));
    let mut first = Replica::start(options(&test, "first", &collector)).await?;
    test.service("web").provider("cloud1").create().await?;
    let by = |leader: &'static str| {
        move |span: &&Span| {
            span.name() == "reconcile" && span.resource("service.instance.id") == leader
        }
    };
    let spans = until_spans("a pass of the first leader", &collector, |spans| {
        spans.iter().any(|span| by("first")(&span))
    });
    let spans = spans.await?;
    let pass = spans.iter().find(by("first")).context("a pass")?;
    first.kill();

    test.cloud1.clear_faults();
    let _second = Replica::start(options(&test, "second", &collector)).await?;
    test.until_ready("web").await?;
    let root = root_of(&collector, "web").await?;
    ensure!(root.trace() == pass.trace(), "{root:?} after {pass:?}");
    ensure!(root.id() == pass.parent(), "{root:?} after {pass:?}");
    let spans = until_spans("a pass of the second leader", &collector, |spans| {
        spans.iter().any(|span| by("second")(&span))
    });
    for span in spans.await?.iter().filter(by("second")) {
        ensure!(span.trace() == root.trace(), "{span:?}");
    }
    Ok(())
}

async fn until_after(second: i64) -> Result<()> {
    eventually("the next second", SOON, async || {
        let now = Timestamp::now().as_second();
        Ok((now > second).then_some(()))
    })
    .await
}

#[tokio::test]
async fn an_edit_while_it_waits_does_not_break_the_trace() -> Result<()> {
    let test = Environment::shared("trace-edit").await?;
    let collector = Collector::start().await?;
    let refusal = FaultKind::FailBefore(Failure::code(Code::QuotaExceeded));
    test.cloud1.set_fault(Fault::new(refusal).on(Verb::Create));
    let created = test.service("web").provider("cloud1").create().await?;
    let created = created.creation_timestamp().context("a creation time")?;
    // The condition shall not say the same second as the creation.
    until_after(created.0.as_second()).await?;
    let _replica = replica(&test, &collector).await?;
    test.until_reason("web", "SyncFailed").await?;
    let spans = until_spans("a pass that failed", &collector, |spans| {
        spans.iter().any(|span| span.name() == "reconcile")
    });
    let before = spans.await?[0].trace().to_owned();
    test.cloud1.clear_faults();
    // By the hand that wrote the switch.
    test.annotate("web", &[("lb-bandwidth", Some("7M"))])
        .await?;
    test.until_ready("web").await?;
    let root = root_of(&collector, "web").await?;
    ensure!(root.trace() == before, "{root:?} after {before}");
    Ok(())
}

#[tokio::test]
async fn what_is_not_sampled_is_not_exported_and_the_cloud_is_told_so() -> Result<()> {
    let test = Environment::shared("unsampled").await?;
    let collector = Collector::start().await?;
    let mut unsampled = options(&test, "unsampled", &collector);
    let sampler = (
        "OTEL_TRACES_SAMPLER".into(),
        "parentbased_always_off".into(),
    );
    unsampled.env.push(sampler);
    let mut replica = Replica::start(unsampled).await?;
    two_passes(&test).await?;
    for call in test.cloud1.mutations() {
        let told = call.traceparent.context("traceparent")?;
        ensure!(told.ends_with("-00"), "{told}");
    }
    let note = test.until_event("web", "EnsuredLoadBalancer").await?;
    ensure!(!note.contains("trace"), "{note}");
    // The end sends what there is to send.
    replica.terminate()?;
    ensure!(replica.wait_exit(SOON).await?.success());
    let spans = collector.spans()?;
    ensure!(spans.is_empty(), "{spans:?}");

    let _off = test.sole_replica().await?;
    test.service("off").provider("cloud1").create().await?;
    test.until_ready("off").await?;
    let last = test.cloud1.mutations().pop().context("a call")?;
    ensure!(
        last.traceparent.is_none(),
        "no collector is named: {last:?}"
    );
    Ok(())
}
