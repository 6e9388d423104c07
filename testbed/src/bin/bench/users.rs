//! Users who create Services one by one, and wait for the address of each.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::population::service;
use crate::report::Report;
use crate::requests;
use crate::stage::{Stage, between};

/// How often one comes, and for which cloud.
#[derive(Clone, Copy, Debug)]
pub struct Users {
    /// The group of their Services, used once.
    pub group: &'static str,
    pub every: Duration,
    /// The clouds that they take in turn.
    pub clouds: &'static [&'static str],
}

impl Stage {
    /// Creates Services while `meanwhile` runs; gives the time of each from the answer to
    /// its creation to its address, and the result of `meanwhile`.
    ///
    /// # Errors
    /// kube-apiserver refused a Service, one got no address, or `meanwhile` failed.
    pub async fn users<T>(
        &self,
        users: Users,
        meanwhile: impl Future<Output = Result<T>>,
    ) -> Result<(Vec<Duration>, T)> {
        let mut creations = JoinSet::new();
        let mut ticks = interval(users.every);
        // Users do not wait for those before them.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut meanwhile = std::pin::pin!(meanwhile);
        let outcome = loop {
            tokio::select! {
                outcome = &mut meanwhile => break outcome?,
                _ = ticks.tick() => {
                    let index = creations.len();
                    creations.spawn(self.creation(users, index));
                }
            }
        };
        let created = creations.join_all().await;
        self.until_addressed(users.group, created.len()).await?;
        let mut times = Vec::new();
        for one in created {
            let (name, created) = one?;
            let addressed = self.sightings.addressed(&name).context(name)?;
            times.push(between(created, addressed));
        }
        Ok((times, outcome))
    }

    fn creation(
        &self,
        users: Users,
        index: usize,
    ) -> impl Future<Output = Result<(String, Instant)>> + Send + 'static {
        let name = crate::population::name(users.group, index);
        let cloud = users.clouds[index % users.clouds.len()];
        let service = service(&self.test.prefix, &name, cloud);
        let (client, path) = (self.client(), requests::services(&self.test.namespace));
        async move {
            requests::create(&client, &path, &service).await?;
            Ok((name, Instant::now()))
        }
    }
}

/// Adds the median and the largest time.
pub fn report(report: &mut Report, who: &str, times: &[Duration]) {
    use crate::percentile::percentile;
    report.milliseconds(&format!("{who}: p50"), percentile(times, 50));
    report.milliseconds(&format!("{who}: max"), percentile(times, 100));
}
