//! explained: every Event is written, however many Services have news at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use my_cloud_controller_manager::kubernetes::events::{EventReason, Events, ServiceReference};
use my_cloud_controller_manager::telemetry::{Metrics, MetricsFormat};
use serde_json::json;
use testbed::{Environment, client_for};

/// The Events of this test, written as the ServiceAccount of `deploy/rbac.yaml`.
struct Writer {
    events: Events,
    metrics: Arc<Metrics>,
}

impl Writer {
    async fn start(test: &Environment) -> Result<Self> {
        let client = client_for(&test.replica_options("events").kubeconfig).await?;
        let metrics = Arc::new(Metrics::new(&[], "lease")?);
        let (events, writer) = Events::new(client, "replica-1", Arc::default(), metrics.clone());
        tokio::spawn(writer);
        Ok(Self { events, metrics })
    }

    fn emit(&self, (namespace, name): (&str, &str), reason: EventReason, note: &str) {
        let service = ServiceReference::new(namespace, name, &format!("uid-{name}"));
        self.events.emit_for(service, reason, note.to_owned());
    }

    /// The value of a series.
    fn value(&self, series: &str) -> Result<u64> {
        let text = String::from_utf8(self.metrics.gather(MetricsFormat::Text))?;
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        Ok(line.with_context(|| series.to_owned())?.trim().parse()?)
    }
}

/// The Events of a namespace by the name of their Service, each with its version: the
/// order of the writes.
async fn by_service(
    test: &Environment,
    namespace: &str,
) -> Result<BTreeMap<String, Vec<(u64, Event)>>> {
    let events: Api<Event> = Api::namespaced(test.client(), namespace);
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for event in events.list(&ListParams::default()).await? {
        let regarding = event.regarding.as_ref().context("a Service")?;
        let service = regarding.name.clone().context("its name")?;
        let version = event.resource_version().context("a version")?.parse()?;
        found.entry(service).or_default().push((version, event));
    }
    found
        .values_mut()
        .for_each(|events| events.sort_by_key(|(version, _)| *version));
    Ok(found)
}

async fn namespace(test: &Environment, suffix: &str) -> Result<String> {
    let name = format!("{}-{suffix}", test.namespace);
    let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
    let all = Api::<Namespace>::all(test.client());
    all.create(&PostParams::default(), &namespace).await?;
    Ok(name)
}

fn count(event: &Event) -> i32 {
    event.series.as_ref().map_or(1, |series| series.count)
}

#[tokio::test]
async fn no_event_of_two_thousand_services_is_lost() -> Result<()> {
    const SERVICES: usize = 2_000;
    let test = Environment::shared("events-storm").await?;
    let namespaces = [namespace(&test, "a").await?, namespace(&test, "b").await?];
    let writer = Writer::start(&test).await?;
    let services: Vec<_> = (0..SERVICES)
        .map(|number| (&*namespaces[number % 2], format!("web-{number}")))
        .collect();
    let reasons = [
        EventReason::EnsuringLoadBalancer,
        EventReason::EnsuredLoadBalancer,
    ];
    for reason in reasons {
        for (namespace, name) in &services {
            writer.emit((namespace, name), reason, &format!("load balancer {name}"));
        }
    }
    writer.events.flush().await;

    for namespace in &namespaces {
        let found = by_service(&test, namespace).await?;
        ensure!(found.len() == SERVICES / 2, "{} Services", found.len());
        for (service, events) in found {
            let of = |(_, event): &(u64, Event)| event.reason.clone().unwrap_or_default();
            let found: Vec<_> = events.iter().map(of).collect();
            let wanted = reasons.map(<&str>::from);
            ensure!(found == wanted, "{service}: {found:?}");
        }
    }
    let written = writer.value("mycloud_lb_events_written_total{operation=\"create_event\"}")?;
    ensure!(written == 2 * SERVICES as u64, "{written}");
    ensure!(writer.value("mycloud_lb_events_pending")? == 0);
    Ok(())
}

#[tokio::test]
async fn a_repetition_is_counted_on_the_event_that_it_repeats() -> Result<()> {
    let test = Environment::shared("events-repeated").await?;
    let writer = Writer::start(&test).await?;
    let web = (&*test.namespace, "web");
    let fail = || writer.emit(web, EventReason::SyncLoadBalancerFailed, "cloud1 is down");
    fail();
    writer.events.flush().await;
    fail();
    fail();
    writer.events.flush().await;
    let found = by_service(&test, &test.namespace).await?;
    let [(_, event)] = &found["web"][..] else {
        anyhow::bail!("{found:?}");
    };
    ensure!(count(event) == 3, "{event:?}");
    ensure!(event.reporting_instance.as_deref() == Some("replica-1"));

    // As the API server does it after an hour.
    let events: Api<Event> = Api::namespaced(test.client(), &test.namespace);
    let removal = DeleteParams::default();
    events.delete(&event.name_any(), &removal).await?;
    fail();
    writer.events.flush().await;
    let found = by_service(&test, &test.namespace).await?;
    let counts: Vec<_> = found["web"].iter().map(|(_, event)| count(event)).collect();
    ensure!(counts == [1], "{counts:?}");
    Ok(())
}

#[tokio::test]
async fn a_namespace_that_ends_holds_up_no_other() -> Result<()> {
    let test = Environment::shared("events-ending").await?;
    let ending = namespace(&test, "ending").await?;
    let all = Api::<Namespace>::all(test.client());
    // It stays in this state, because no controller of the control plane empties it.
    all.delete(&ending, &DeleteParams::default()).await?;
    let writer = Writer::start(&test).await?;
    for number in 0..100 {
        let name = format!("web-{number}");
        for namespace in [&*ending, &*test.namespace] {
            writer.emit((namespace, &name), EventReason::DeletedLoadBalancer, "gone");
        }
    }
    writer.events.flush().await;
    let found = by_service(&test, &test.namespace).await?;
    ensure!(found.len() == 100, "{} Services", found.len());
    let failed = writer.value("mycloud_lb_events_failed_total{code=\"forbidden\"}")?;
    ensure!(failed == 100, "{failed}");
    Ok(())
}
