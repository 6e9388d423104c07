//! The deletion of what has no Service any more.

use anyhow::{Context, Result, ensure};
use my_cloud_controller_manager::plan::naming::{ClusterId, Owner, ServiceUid};
use testbed::cloud::{self, Plant};
use testbed::{Collector, Environment};

use super::{replica, until_spans};

#[tokio::test]
async fn the_deletion_of_an_orphan_is_a_trace() -> Result<()> {
    let mut test = Environment::shared("orphan-trace").await?;
    test.extra_config = "sweepInterval: 300ms\norphanGracePeriod: 300ms".into();
    let owner = Owner {
        cluster: ClusterId::new(&test.namespace),
        namespace: test.namespace.clone(),
        name: "gone".into(),
        uid: ServiceUid::new("uid"),
    };
    let plant = Plant {
        name: owner.load_balancer_name().as_str().to_owned(),
        owner: Some(cloud::Owner {
            cluster: test.namespace.clone(),
            namespace: test.namespace.clone(),
            name: "gone".into(),
            uid: "uid".into(),
        }),
        ..Plant::default()
    };
    test.cloud1.plant(plant).await?;
    let collector = Collector::start().await?;
    let _replica = replica(&test, &collector).await?;
    let spans = until_spans("the span of the deletion", &collector, |spans| {
        spans.iter().any(|span| span.name() == "delete orphan")
    });
    let spans = spans.await?;
    let root = spans.iter().find(|span| span.name() == "delete orphan");
    let root = root.context("a root")?;
    ensure!(root.says("k8s.service.name") == "gone", "{root:?}");
    let call = spans.iter().find(|span| span.name() == "cloud1 delete");
    let call = call.context("a call")?;
    ensure!(call.parent() == root.id(), "{call:?}");
    ensure!(!call.attribute("lease.term").is_null(), "{call:?}");
    let note = test.until_event("gone", "OrphanedLoadBalancer").await?;
    ensure!(note.contains(root.trace()), "{note}");
    Ok(())
}
