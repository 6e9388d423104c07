//! The steps that both failovers have in common.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use testbed::Environment;
use testbed::cloud::{LoadBalancer, Verb};

use super::SOON;
use crate::demo::Demo;
use crate::lease::{Holder, next_holder};
use crate::stage::{Stage, seconds};
use crate::{inventory, replicas, services};

pub struct Failover {
    /// In the table of times.
    pub title: &'static str,
    /// The Service that is created meanwhile.
    pub service: &'static str,
    /// The leader that ends.
    pub leader: Holder,
    /// Its place among the replicas.
    pub index: usize,
    before: Vec<(String, LoadBalancer)>,
}

impl Failover {
    /// Finds the leader, and notes what is at the clouds.
    ///
    /// # Errors
    /// No replica leads.
    pub async fn begin(
        stage: &Stage,
        demo: &Demo,
        title: &'static str,
        service: &'static str,
    ) -> Result<Self> {
        let leader = next_holder(stage, &demo.environment.client(), None, SOON).await?;
        Ok(Self {
            title,
            service,
            index: demo.replicas.position(leader.pod())?,
            leader,
            before: inventory::load_balancers(&demo.environment),
        })
    }

    /// Measures how long after `since` the next leader led and wrote, and
    /// starts the old one again.
    ///
    /// # Errors
    /// The Service does not become ready, a load balancer has changed, or the
    /// old leader does not start.
    pub async fn finish(
        self,
        stage: &Stage,
        demo: &mut Demo,
        (since, next): (Timestamp, Holder),
        aim: Duration,
    ) -> Result<()> {
        let Self { title, service, .. } = self;
        let led = between(since, next.since)?;
        let text = format!("{}: {}", seconds(led), next.pod());
        stage.fact("next leader after", text);
        let wrote = first_write(stage, &demo.environment, service, since).await?;
        stage.fact("first cloud write after", seconds(wrote));
        demo.measured(format!("{title}: next leader"), led, aim);
        demo.measured(format!("{title}: first cloud write"), wrote, aim);
        services::until_ready(stage, &demo.environment, service, SOON).await?;
        replicas::restart(stage, demo, self.leader.pod(), next.pod()).await?;
        unchanged(stage, demo, &self.before)?;
        stage.fact("started again", self.leader.pod());
        replicas::show(stage, demo).await
    }
}

/// A Service to be created while no replica leads.
pub fn manifest(name: &str, cloud: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
         mycloud.com/enable: \"true\"\n    mycloud.com/provider: {cloud}\n    \
         example.com/team: shop\nspec:\n  type: LoadBalancer\n  selector: {{app: nginx-demo}}\n  \
         ports:\n    - {{name: http, port: 80, targetPort: 80}}\n"
    )
}

/// Waits until a cloud receives the create for a Service; gives how long after
/// `since` it did.
async fn first_write(
    stage: &Stage,
    environment: &Environment,
    service: &str,
    since: Timestamp,
) -> Result<Duration> {
    let what = format!("a cloud to receive the create for Service {service}");
    let at = stage
        .until(&what, SOON, async || {
            let writes = environment.mutations();
            let create = writes.iter().find(|write| {
                write.verb == Verb::Create && write.request["owner"]["name"] == service
            });
            Ok(create.map(|create| create.at))
        })
        .await?;
    between(since, at)
}

/// The time between two instants; replicas, clouds and the demo read the same clock.
fn between(since: Timestamp, at: Timestamp) -> Result<Duration> {
    let took = at.duration_since(since).try_into();
    took.context("the clock was set back")
}

/// Checks that the load balancers are as they were, and that there is one more.
fn unchanged(stage: &Stage, demo: &Demo, before: &[(String, LoadBalancer)]) -> Result<()> {
    let after = inventory::load_balancers(&demo.environment);
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
        "{} load balancers became {}, but one Service was created",
        before.len(),
        after.len()
    );
    let text = format!(
        "{} load balancers as they were, 1 more: that of the new Service",
        before.len()
    );
    stage.fact("at the clouds", text);
    Ok(())
}
