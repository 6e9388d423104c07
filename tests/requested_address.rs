//! The address that a Service asks for.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testbed::Environment;
use testbed::cloud::{Capabilities, Plant};
use testbed::environment::{addresses, calls};

#[tokio::test]
async fn a_requested_address_is_given_and_a_change_is_refused() -> Result<()> {
    let test = Environment::shared("address").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let mut free = test.cloud1.addresses().hosts().skip(40);
    let (one, other) = (free.next().context("one")?, free.next().context("other")?);
    let by_field = test.service("field").provider("cloud1");
    let by_field = by_field.field("loadBalancerIP", json!(one.to_string()));
    by_field.create().await?;
    ensure!(addresses(&test.until_ready("field").await?) == [one.to_string()]);
    ensure!(calls(&test.cloud1).len() == 1, "{:?}", calls(&test.cloud1));
    let by_annotation = test.service("annotated").provider("cloud1");
    by_annotation
        .ours("address", &other.to_string())
        .create()
        .await?;
    ensure!(addresses(&test.until_ready("annotated").await?) == [other.to_string()]);

    let made = test.cloud1.inventory();
    for (value, says) in [
        ("127.0.0.300", "it must be an IP address"),
        ("192.0.2.9", "which cannot be changed"),
    ] {
        test.annotate("annotated", &[("address", Some(value))])
            .await?;
        testbed::eventually(says, testbed::environment::SOON, async || {
            let message = test
                .until_reason("annotated", "InvalidConfiguration")
                .await?;
            Ok(message.contains(says).then_some(()))
        })
        .await?;
    }
    ensure!(test.cloud1.inventory() == made, "what exists stays");
    ensure!(addresses(&test.get("annotated").await?) == [other.to_string()]);
    // Without a request, any address will do.
    test.annotate("annotated", &[("address", None)]).await?;
    test.until_ready("annotated").await?;
    ensure!(test.cloud1.inventory() == made);
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_taken_is_waited_for() -> Result<()> {
    let test = Environment::shared("takenaddress").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let taken = test.cloud1.addresses().hosts().nth(50).context("one")?;
    let mut plant = Plant {
        name: "by-hand".into(),
        ..Plant::default()
    };
    plant.settings.address = Some(taken);
    let planted = test.cloud1.plant(plant).await?;
    let service = test.service("web").provider("cloud1");
    service.ours("address", &taken.to_string()).create().await?;
    let outside = test.service("outside").provider("cloud1");
    outside.ours("address", "192.0.2.9").create().await?;

    // A cloud that has not told yet what it can do is waited for with the same reason.
    for (name, says) in [
        ("web", format!("{taken} is in use")),
        ("outside", "192.0.2.9 is not in".to_owned()),
    ] {
        testbed::eventually(&says, testbed::environment::SOON, async || {
            let message = test.until_reason(name, "SyncFailed").await?;
            Ok(message.contains(&says).then_some(()))
        })
        .await?;
    }
    ensure!(test.cloud1.inventory().len() == 1, "none was made instead");
    test.cloud1.remove(&planted.id).await?;
    ensure!(addresses(&test.until_ready("web").await?) == [taken.to_string()]);
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_cannot_choose_is_not_asked() -> Result<()> {
    let test = Environment::shared("noaddress").await?;
    let without = Capabilities::all().without("address");
    test.cloud1.set_capabilities(Some(without));
    let _replica = test.sole_replica().await?;
    let asking = test.service("web").provider("cloud1");
    asking
        .field("loadBalancerIP", json!("192.0.2.9"))
        .create()
        .await?;
    let message = test.until_reason("web", "Unsupported").await?;
    let says = "spec.loadBalancerIP is \"192.0.2.9\": cloud1 does not support the choice of an";
    ensure!(message.contains(says), "{message}");
    ensure!(calls(&test.cloud1).is_empty());
    Ok(())
}

#[tokio::test]
async fn one_address_of_each_family_is_given_and_none_of_several_clouds() -> Result<()> {
    let test = Environment::shared("addressfamilies").await?;
    test.cloud1.set_capabilities(Some(Capabilities::all()));
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let _replica = test.sole_replica().await?;
    let four = test.cloud1.addresses().hosts().nth(60).context("one")?;
    let asked = [four.to_string(), "2001:db8:0:1::60".to_owned()];
    let service = |name: &str, provider: &str| {
        let service = test.service(name).provider(provider);
        let service = service.field("ipFamilyPolicy", json!("RequireDualStack"));
        service.ours("address", &asked.join(",")).create()
    };
    service("web", "cloud1").await?;
    ensure!(addresses(&test.until_ready("web").await?) == asked);
    ensure!(test.cloud1.mutations().len() == 1, "in one call");

    service("several", "cloud1,cloud2").await?;
    let message = test.until_reason("several", "InvalidConfiguration").await?;
    ensure!(
        message.contains("only one cloud can give an address"),
        "{message}"
    );
    ensure!(test.cloud1.inventory().len() == 1 && test.cloud2.inventory().is_empty());
    Ok(())
}
