//! A Service is deleted, and its load balancer with it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kube::ResourceExt;
use kube::api::DeleteParams;

use super::SOON;
use crate::inventory::{load_balancers, owner_uid};
use crate::stage::{Stage, seconds};
use crate::world::World;
use crate::{inventory, services, traffic};

const SERVICE: &str = "nginx-lb-cloud2";
const GONE: Duration = Duration::from_secs(1);

/// # Errors
/// The Service or its load balancer is still there.
pub async fn play(stage: &mut Stage, world: &mut World) -> Result<()> {
    stage.open("A Service is deleted");
    let services = services::api(&world.client());
    let service = services::get(&world.client(), SERVICE).await?;
    let (uid, url) = (
        service.uid().context("no UID")?,
        traffic::url(world, &service)?,
    );
    let there = |world: &World| {
        let all = load_balancers(&world.clouds);
        all.iter()
            .filter(|(_, entry)| owner_uid(entry) == Some(&uid))
            .count()
    };
    ensure!(there(world) == 1, "its load balancer is not at the cloud");
    stage.line(&format!("$ kubectl delete service {SERVICE}"));
    let started = Instant::now();
    services.delete(SERVICE, &DeleteParams::default()).await?;
    stage
        .until("the Service to be gone", SOON, async || {
            Ok(services.get_opt(SERVICE).await?.is_none().then_some(()))
        })
        .await?;
    // The finalizer held the Service until the load balancer was gone.
    ensure!(
        there(world) == 0,
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
    world.facts.measured("deletion", took, GONE);
    let silent = traffic::ask(&url).await.is_err();
    let heard = if silent {
        "nobody answers"
    } else {
        "still answered"
    };
    stage.line(&format!("$ curl {url:<30} {heard}"));
    ensure!(silent, "{url} still answers");
    inventory::show(stage, &world.clouds);
    Ok(())
}
