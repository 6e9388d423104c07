//! A user of the good cloud who has nothing to do with the trouble, and must not notice it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube::ResourceExt;
use testbed::environment::SOON;
use testbed::eventually;
use tokio::time::timeout;

use super::Scene;
use crate::users::{delete, note};

/// Services, one after the other.
const SERVICES: usize = 3;
/// For the whole life of one, which takes four seconds; a leader that loses its Lease on a
/// busy machine is part of it.
const LIFE: Duration = Duration::from_secs(30);

/// What happened to the Services.
#[derive(Debug, Default)]
pub struct Bystander {
    pub served: usize,
    pub slowest: Duration,
}

impl Bystander {
    /// Services are created, edited and deleted at the good cloud, each within its time.
    ///
    /// # Errors
    /// One was not.
    pub async fn served(scene: Scene<'_>) -> Result<Self> {
        let mut bystander = Self::default();
        for number in 0..SERVICES {
            let name = format!("bystander-{}-{number}", scene.round);
            let began = Instant::now();
            let good = scene.good.name();
            let why = || format!("{name} on {good} was not served during the trouble");
            let life = timeout(LIFE, live(scene, &name)).await;
            life.with_context(why)?.with_context(why)?;
            bystander.served += 1;
            bystander.slowest = bystander.slowest.max(began.elapsed());
        }
        Ok(bystander)
    }
}

async fn live(scene: Scene<'_>, name: &str) -> Result<()> {
    let Scene { test, history, .. } = scene;
    let sent = Timestamp::now();
    let created = test.service(name).provider(scene.good.name());
    let created = created.create().await?;
    note(test, history, &created, sent);
    let ready = test.until_ready(name).await?;
    test.annotate(name, &[("lb-bandwidth", Some("77M"))])
        .await?;
    let uid = ready.uid().unwrap_or_default();
    eventually("the edit to be at the cloud", SOON, async || {
        let is_so = |found: &testbed::cloud::LoadBalancer| {
            let owner = found.owner.as_ref();
            owner.is_some_and(|owner| owner.uid == uid) && found.settings.bandwidth == "77M"
        };
        Ok((scene.good.count(is_so) == 1).then_some(()))
    })
    .await?;
    delete(test, history, &ready).await?;
    test.until_gone(name).await
}
