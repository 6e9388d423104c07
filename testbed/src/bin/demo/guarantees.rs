//! The guarantees, as the oracle checks them, and the evidence in numbers.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::{Effect, Event, Verb};
use testbed::oracle::{self, Desired, Guarantee, Ledger, Violation};

use crate::demo::Demo;
use crate::services;
use crate::stage::Stage;

/// For the last Events, which are written beside the work, a moment later.
const SETTLED: Duration = Duration::from_secs(10);

/// Checks all guarantees that the demo touches; gives what violates them.
///
/// # Errors
/// kube-apiserver does not answer.
pub async fn check(stage: &Stage, demo: &Demo) -> Result<Vec<Violation>> {
    let mut found = violations(demo).await?;
    // Its timeout is not an error here: the last violations are the result.
    let _timeout = stage
        .until("the last Events", SETTLED, async || {
            found = violations(demo).await?;
            Ok(found.is_empty().then_some(()))
        })
        .await;
    Ok(found)
}

async fn violations(demo: &Demo) -> Result<Vec<Violation>> {
    let environment = &demo.environment;
    let services = services::list(environment).await?;
    let nodes = demo.node_addresses().collect();
    let mut found = oracle::inspect(environment, &nodes, &demo.foreign).await?;
    for cloud in environment.clouds() {
        found.extend(Ledger::default().read(cloud, &demo.history).err());
    }
    // The oracle holds the terms of each cloud against each other; here, where
    // no call is carried out late, they can be compared across the clouds.
    if let Err(error) = environment.terms() {
        found.push(Violation::new(Guarantee::OneWriter, format!("{error:#}")));
    }
    let others: Vec<&Service> = services.iter().filter(|found| !asks(demo, found)).collect();
    found.extend(oracle::untouched(environment, &others)?);
    for applied in &demo.applied {
        let live = services.iter().find(|live| live.uid() == applied.uid());
        found.extend(live.and_then(|live| oracle::preserved(environment, applied, live)));
        found.extend(without_event(demo, applied, live.is_some()).await?);
    }
    Ok(found)
}

/// Whether a Service asks for a load balancer.
fn asks(demo: &Demo, service: &Service) -> bool {
    !Desired::of(service, &demo.environment.prefix)
        .clouds
        .is_empty()
}

/// An Event reports each creation and each deletion of a load balancer.
async fn without_event(demo: &Demo, applied: &Service, lives: bool) -> Result<Option<Violation>> {
    let (name, reason) = (
        applied.name_any(),
        if lives {
            "EnsuredLoadBalancer"
        } else {
            "DeletedLoadBalancer"
        },
    );
    if !asks(demo, applied) || !demo.environment.events(&name, reason).await?.is_empty() {
        return Ok(None);
    }
    let observation = format!("Service {name}: there is no Event {reason}");
    Ok(Some(Violation::new(Guarantee::Explained, observation)))
}

/// The evidence for each guarantee that held.
///
/// # Errors
/// kube-apiserver does not answer.
pub async fn evidence(demo: &Demo) -> Result<[(Guarantee, String); 9]> {
    use Guarantee::{
        Converged, Explained, NeverEmpty, NoDuplicate, NoHijack, NoLeak, NoLostWrite, OneWriter,
        OnlyOurs,
    };
    let services = services::list(&demo.environment).await?;
    let (asking, others): (Vec<_>, Vec<_>) =
        services.iter().partition(|service| asks(demo, service));
    let others: Vec<String> = others.into_iter().map(ResourceExt::name_any).collect();
    let asked = demo.applied.iter().filter(|service| asks(demo, service));
    let (asked, living) = (asked.count(), asking.len());
    let deleted = asked - living;
    let calls = demo.environment.mutations();
    let terms = demo.environment.terms().unwrap_or_default().len();
    let created = |call: &&Event| call.effect == Some(Effect::Created);
    let created = calls.iter().filter(created).count();
    let settings = |call: &&Event| matches!(call.verb, Verb::Create | Verb::Update);
    let back_ends = |call: &Event| call.request["nodes"].as_array().map_or(0, Vec::len);
    let back_ends: Vec<usize> = calls.iter().filter(settings).map(back_ends).collect();
    let fewest = back_ends.iter().min().copied().unwrap_or_default();
    let (calls, settings, foreign) = (calls.len(), back_ends.len(), demo.foreign.len());
    let others = others.join(", ");
    Ok([
        (OnlyOurs, format!("{others}: no write, no cloud call")),
        (
            OneWriter,
            format!(
                "{calls} cloud writes in {terms} terms of leadership, one term after the other"
            ),
        ),
        (
            NoDuplicate,
            format!("{created} load balancers created for {asked} Services, through two failovers"),
        ),
        (
            NoLeak,
            format!(
                "{living} load balancers left, each with its Service; {deleted} Service deleted"
            ),
        ),
        (
            NoHijack,
            format!("{foreign} foreign load balancers as they were, no write to them"),
        ),
        (
            NoLostWrite,
            "spec, labels and annotations of every Service as the user applied them".into(),
        ),
        (
            NeverEmpty,
            format!("{settings} creates and updates, none with fewer than {fewest} back ends"),
        ),
        (
            Explained,
            format!("conditions are True; Events for {asked} creations and {deleted} deletion"),
        ),
        (
            Converged,
            format!(
                "{living} Services with the settings, back ends, record and address that they ask for"
            ),
        ),
    ])
}
