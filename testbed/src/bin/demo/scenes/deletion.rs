//! A Service is deleted, and its load balancer with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;

use super::SOON;
use crate::demo::Demo;
use crate::inventory::{load_balancers, owner_uid};
use crate::stage::{Stage, seconds};
use crate::{inventory, services, traffic};

const SERVICE: &str = "nginx-lb-cloud2";
const GONE: Duration = Duration::from_secs(1);

/// # Errors
/// The Service or its load balancer is still there.
pub async fn play(stage: &mut Stage, demo: &mut Demo) -> Result<()> {
    stage.open("A Service is deleted");
    let service = demo.environment.get(SERVICE).await?;
    let (uid, url) = (
        service.uid().context("no UID")?,
        traffic::url(demo, &service)?,
    );
    let there = |demo: &Demo| {
        let all = load_balancers(&demo.environment);
        all.iter()
            .filter(|(_, entry)| owner_uid(entry) == Some(&uid))
            .count()
    };
    ensure!(there(demo) == 1, "its load balancer is not at the cloud");
    stage.line(&format!("$ kubectl delete service {SERVICE}"));
    let started = Instant::now();
    services::delete(demo, &service).await?;
    let services = demo.environment.services();
    stage
        .until("the Service to be gone", SOON, async || {
            Ok(services.get_opt(SERVICE).await?.is_none().then_some(()))
        })
        .await?;
    // The finalizer held the Service until the load balancer was gone.
    ensure!(
        there(demo) == 0,
        "the Service is gone, but its load balancer is not"
    );
    let took = started.elapsed();
    stage.fact(
        "gone after",
        format_args!(
            "{}, first the load balancer, then the Service",
            seconds(took)
        ),
    );
    demo.measured("deletion", took, GONE);
    let is_closed = traffic::request(&url).await.is_err();
    let outcome = if is_closed { "no answer" } else { "an answer" };
    stage.line(&format!("$ curl {url:<30} {outcome}"));
    ensure!(is_closed, "{url} still answers");
    inventory::show(stage, &demo.environment);
    Ok(())
}
