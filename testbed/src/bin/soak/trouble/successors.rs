//! What replicas do that began while objects could not be read. Nothing is known to them of the
//! unreadable Node: it stays a back end where it is one, and a new load balancer does not have it.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use testbed::cloud::LoadBalancer;
use testbed::environment::SOON;
use testbed::eventually;

use super::Scene;
use crate::poison;
use crate::users::{delete, note};

/// A value that nobody else sets.
const BANDWIDTH: &str = "44M";

/// They carry out the edit of a Service that is there on both clouds, so that its load
/// balancers are updated, and serve a new one.
///
/// # Errors
/// They do not, or they know the unreadable Node, so that nothing is shown by what it serves.
pub async fn act(scene: Scene<'_>, there: &str) -> Result<()> {
    let Scene { test, history, .. } = scene;
    test.annotate(there, &[("lb-bandwidth", Some(BANDWIDTH))])
        .await?;
    let edited = test.get(there).await?;
    eventually("new leaders to carry out an edit", SOON, async || {
        let mut found = of(scene, &edited);
        found.retain(|found| found.settings.bandwidth == BANDWIDTH);
        Ok((found.len() == 2).then_some(()))
    })
    .await?;

    let name = format!("newcomer-{}", scene.round);
    let sent = Timestamp::now();
    let newcomer = test.service(&name).provider("cloud1,cloud2");
    note(test, history, &newcomer.create().await?, sent);
    let newcomer = test.until_ready(&name).await;
    let newcomer = newcomer.context("a new leader that serves a new Service")?;
    for found in of(scene, &newcomer) {
        ensure!(
            !poison::has_node(&found),
            "a new load balancer has a Node that its leader cannot have read: {found:?}"
        );
    }
    delete(test, history, &newcomer).await
}

/// The load balancers of a Service, on all clouds.
fn of(scene: Scene<'_>, service: &Service) -> Vec<LoadBalancer> {
    let uid = service.uid().unwrap_or_default();
    let mut found = scene.test.clouds().map(|cloud| cloud.inventory()).concat();
    found.retain(|found| found.owner.as_ref().is_some_and(|owner| owner.uid == uid));
    found
}
