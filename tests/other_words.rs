//! A cloud that words everything otherwise than it was sent: `10M` as `10240K`, CIDRs with host
//! bits, names and values of closed sets in the other case.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use serde_json::json;
use testbed::cloud::{Capabilities, CloudSimulator, Fault, FaultKind, Settings, Verb};
use testbed::environment::SOON;
use testbed::nodes::create_node;
use testbed::{Environment, Replica, eventually};

const QUICK: &str = "driftInterval: 300ms\nsweepInterval: 300ms";

fn count(cloud: &CloudSimulator, verb: Verb) -> usize {
    let events = cloud.events().into_iter();
    events.filter(|event| event.verb == verb).count()
}

/// Waits for so many lists. Passes of drift come as often.
async fn until_lists(cloud: &CloudSimulator, number: usize) -> Result<()> {
    let lists = count(cloud, Verb::List);
    eventually("further lists", SOON, async || {
        Ok((count(cloud, Verb::List) > lists + number).then_some(()))
    })
    .await
}

fn settings(cloud: &CloudSimulator) -> Result<Settings> {
    let found = cloud.inventory().pop().context("a load balancer")?;
    Ok(found.settings)
}

fn ip_mode(service: &Service) -> Option<String> {
    let status = service.status.as_ref()?.load_balancer.as_ref()?;
    status.ingress.as_ref()?.first()?.ip_mode.clone()
}

/// Lets what was begun end, and fails if ten lists then lead to an update or a write.
async fn ensure_quiet(test: &Environment, replica: &Replica) -> Result<()> {
    until_lists(&test.cloud1, 2).await?;
    let before = (test.cloud1.mutations().len(), test.get("web").await?);
    until_lists(&test.cloud1, 10).await?;
    let after = (test.cloud1.mutations().len(), test.get("web").await?);
    ensure!(before.0 == after.0, "{:#?}", test.cloud1.mutations());
    let [was, is] = [&before.1, &after.1].map(ResourceExt::resource_version);
    ensure!(was == is, "{:?} became {:?}", before.1, after.1);
    ensure!(
        ip_mode(&after.1).as_deref() == Some("Proxy"),
        "{:?}",
        after.1
    );
    ensure!(replica.total("mycloud_lb_drift_total").await? == 0.0);
    let (status, _, message) = test.condition(&after.1).context("a condition")?;
    ensure!(
        status == "True" && !message.contains("otherwise"),
        "{message}"
    );
    Ok(())
}

#[tokio::test]
async fn the_same_in_other_words_is_the_same() -> Result<()> {
    let mut test = Environment::own("other-words").await?;
    test.extra_config = QUICK.into();
    let node = |last| IpAddr::from([127, 10, 0, last]);
    create_node(&test.client(), "one", node(1), &[]).await?;
    for cloud in test.clouds() {
        cloud.set_capabilities(Some(Capabilities::all()));
    }
    test.cloud1.set_fault(Fault::new(FaultKind::OtherWords));
    let replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    let service = service
        .ours("lb-bandwidth", "10M")
        .ours("algorithm", "least-connections")
        .ours("proxy-protocol", "v2")
        .ours("health-check-protocol", "http")
        .field("sessionAffinity", json!("ClientIP"))
        .field(
            "loadBalancerSourceRanges",
            json!(["10.0.0.0/8", "2001:db8::/32"]),
        );
    service.create().await?;
    test.until_ready("web").await?;
    ensure_quiet(&test, &replica).await?;
    ensure!(
        count(&test.cloud1, Verb::Update) == 0,
        "{:#?}",
        test.cloud1.mutations()
    );

    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    eventually("the edit", SOON, async || {
        Ok((settings(&test.cloud1)?.bandwidth == "20M").then_some(()))
    })
    .await?;
    ensure_quiet(&test, &replica).await?;
    ensure!(
        count(&test.cloud1, Verb::Update) == 1,
        "{:#?}",
        test.cloud1.mutations()
    );

    // A leader that never saw it valid knows only what the cloud says.
    drop(replica);
    test.annotate("web", &[("algorithm", Some("fastest"))])
        .await?;
    let _replica = test.sole_replica().await?;
    test.until_reason("web", "InvalidConfiguration").await?;
    create_node(&test.client(), "two", node(2), &[]).await?;
    eventually("the new Node to be a back end", SOON, async || {
        Ok((settings(&test.cloud1)?.nodes == [node(1), node(2)]).then_some(()))
    })
    .await?;
    let left = test.get("web").await?;
    ensure!(ip_mode(&left).as_deref() == Some("Proxy"), "{left:?}");

    test.annotate("web", &[("algorithm", None), ("provider", Some("cloud2"))])
        .await?;
    eventually("the move to end", SOON, async || {
        Ok(
            (test.cloud1.inventory().is_empty() && test.cloud2.inventory().len() == 1)
                .then_some(()),
        )
    })
    .await?;
    test.annotate("web", &[("provider", Some("cloud1"))])
        .await?;
    eventually("the move back to end", SOON, async || {
        Ok(
            (test.cloud1.inventory().len() == 1 && test.cloud2.inventory().is_empty())
                .then_some(()),
        )
    })
    .await?;
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(test.cloud1.inventory().is_empty());
    Ok(())
}
