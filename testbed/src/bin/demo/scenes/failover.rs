//! What both failovers have in common.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use testbed::cloud::{CloudSimulator, LoadBalancer, Verb};

use super::SOON;
use crate::inventory;
use crate::stage::Stage;
use crate::world::World;

/// A Service to be created while nobody leads.
pub fn manifest(name: &str, cloud: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
         mycloud.com/enable: \"true\"\n    mycloud.com/provider: {cloud}\n    \
         example.com/team: shop\nspec:\n  type: LoadBalancer\n  selector: {{app: nginx-demo}}\n  \
         ports:\n    - {{name: http, port: 80, targetPort: 80}}\n"
    )
}

/// Waits until the Service's load balancer is asked for; gives how long after
/// `since` that call reached the cloud.
///
/// # Errors
/// It is not asked for in time.
pub async fn first_write(
    stage: &Stage,
    clouds: &[CloudSimulator],
    service: &str,
    since: Timestamp,
) -> Result<Duration> {
    let what = format!("a cloud to be asked for the load balancer of Service {service}");
    let at = stage
        .until(&what, SOON, async || {
            let writes = inventory::writes(clouds);
            let create = writes.iter().find(|write| {
                write.verb == Verb::Create && write.request["owner"]["name"] == service
            });
            Ok(create.map(|create| create.at))
        })
        .await?;
    between(since, at)
}

/// Replicas, clouds and we read the same clock.
///
/// # Errors
/// It was set back meanwhile.
pub fn between(since: Timestamp, at: Timestamp) -> Result<Duration> {
    let took = at.duration_since(since).try_into();
    took.context("the clock was set back")
}

/// Checks that the load balancers of before are as they were, and that there is one more.
///
/// # Errors
/// One is not, or there are others.
pub fn unchanged(stage: &Stage, world: &World, before: &[(String, LoadBalancer)]) -> Result<()> {
    let after = inventory::load_balancers(&world.clouds);
    for entry in before {
        ensure!(
            after.contains(entry),
            "load balancer {} of {} was changed by the failover",
            entry.1.name,
            entry.0
        );
    }
    ensure!(
        after.len() == before.len() + 1,
        "{} load balancers became {}, but one was asked for",
        before.len(),
        after.len()
    );
    let text = format!(
        "{} load balancers as they were, 1 more: the one asked for",
        before.len()
    );
    stage.fact("at the clouds", text);
    Ok(())
}
