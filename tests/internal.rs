//! Load balancers for private networks only.

use anyhow::{Context, Result, ensure};
use testbed::cloud::{Capabilities, LoadBalancer, Verb};
use testbed::environment::{SOON, addresses, calls};
use testbed::nodes::create_node;
use testbed::{Environment, eventually};

fn only(there: &[LoadBalancer]) -> Result<&LoadBalancer> {
    let [only] = there else {
        anyhow::bail!("{there:?}");
    };
    Ok(only)
}

#[tokio::test]
async fn an_internal_load_balancer_is_made_and_a_change_is_refused() -> Result<()> {
    let test = Environment::own("internal").await?.with_node().await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let service = test.service("web").provider("cloud1");
    service.ours("internal", "true").create().await?;
    let published = addresses(&test.until_ready("web").await?);
    let made = only(&test.cloud1.inventory())?.clone();
    ensure!(made.settings.internal, "{made:?}");
    // The answer to the create does not say that it is internal; a query does, before its address
    // is published.
    let made_by: Vec<Verb> = calls(&test.cloud1).iter().map(|call| call.verb).collect();
    ensure!(made_by == [Verb::Create, Verb::Query], "{made_by:?}");

    for (value, says) in [
        (
            Some("false"),
            "internal is \"false\": load balancer lb-1 on cloud1 is internal",
        ),
        (
            Some("yes"),
            "internal is \"yes\": it must be 'true' or 'false'",
        ),
    ] {
        test.annotate("web", &[("internal", value)]).await?;
        eventually("the refusal", SOON, async || {
            let message = test.until_reason("web", "InvalidConfiguration").await?;
            Ok(message.contains(says).then_some(()))
        })
        .await
        .context(says)?;
        if value == Some("false") {
            let event = test.until_event("web", "InvalidConfiguration").await?;
            ensure!(event.contains("which cannot be changed"), "{event}");
        }
    }

    // Without a value, nothing is asked for.
    test.annotate("web", &[("internal", None)]).await?;
    test.until_ready("web").await?;

    // What exists stays, serves and follows the Nodes.
    create_node(&test.client(), "later", "127.10.0.9".parse()?, &[]).await?;
    eventually("the new Node to be a back end", SOON, async || {
        let nodes = only(&test.cloud1.inventory())?.settings.nodes.len();
        Ok((nodes == 2).then_some(()))
    })
    .await?;
    let kept = only(&test.cloud1.inventory())?.clone();
    ensure!(kept.settings.internal && kept.id == made.id, "{kept:?}");
    ensure!(addresses(&test.get("web").await?) == published);

    // A move makes a new one, which may be otherwise.
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    test.until_ready("web").await?;
    eventually("the old load balancer to go", SOON, async || {
        Ok(test.cloud1.inventory().is_empty().then_some(()))
    })
    .await?;
    ensure!(!only(&test.cloud2.inventory())?.settings.internal);
    Ok(())
}

#[tokio::test]
async fn a_cloud_without_internal_load_balancers_makes_none_for_such_a_service() -> Result<()> {
    let test = Environment::shared("notinternal").await?;
    let without = Capabilities::all().without("internal");
    test.cloud1.set_capabilities(Some(without));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let asking = test.service("asking").provider("cloud1");
    asking.ours("internal", "true").create().await?;
    let plain = test.service("plain").provider("cloud1");
    plain.ours("internal", "false").create().await?;

    let says = "internal is \"true\": cloud1 does not support internal load balancers (cloud2 can)";
    // cloud2 may tell what it can do after cloud1 has.
    eventually(
        "the condition to name the cloud that can",
        SOON,
        async || {
            let message = test.until_reason("asking", "Unsupported").await?;
            ensure!(message.contains(says), "{message}");
            Ok(Some(()))
        },
    )
    .await?;
    test.until_ready("plain").await?;
    ensure!(!only(&test.cloud1.inventory())?.settings.internal);
    Ok(())
}
