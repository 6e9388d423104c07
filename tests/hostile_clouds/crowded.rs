//! A cloud whose list has more than there is room for in memory: what is known of a load
//! balancer without its spec is enough to find it, and nothing is concluded from the rest.

use anyhow::{Result, ensure};
use axum::body::Bytes;
use serde_json::{Value, json};
use testbed::environment::SOON;
use testbed::eventually;

use crate::odd::{start, until_ten_further_lists};

/// Load balancers of somebody else whose specs take the room for large ones, 5 MiB, but for 1 KiB.
fn large() -> impl Iterator<Item = Value> {
    let sizes = std::iter::repeat_n(250, 20).chain([119]);
    sizes.enumerate().map(|(number, kib)| {
        let name = format!("large-{number}");
        json!({"lbId": name, "name": name, "spec": "x".repeat(kib << 10)})
    })
}

fn ports(count: u16) -> Value {
    let port = |number| json!({"name": format!("port-{number}"), "port": number});
    (1..=count).map(port).collect()
}

#[tokio::test]
async fn a_load_balancer_that_is_listed_without_its_spec_is_kept_and_repaired() -> Result<()> {
    let config = "sweepInterval: 200ms\ndriftInterval: 1s\norphanGracePeriod: 1s";
    let (test, cloud, _replica) = start("crowded-list", config).await?;
    cloud.answer(|verb, _, mut good| {
        if let Some(items) = good["items"].as_array_mut().filter(|_| verb == "list") {
            items.splice(0..0, large());
        }
        Bytes::from(good.to_string())
    });
    let service = test.service("web").provider("cloud1");
    service.field("ports", ports(60)).create().await?;
    test.until_ready("web").await?;
    let queries = cloud.calls("query").len();
    until_ten_further_lists(&cloud).await?;
    eventually("two drift passes", SOON, async || {
        Ok((cloud.calls("query").len() > queries + 1).then_some(()))
    })
    .await?;
    ensure!(cloud.calls("update").is_empty(), "it is as requested");

    let has = |bandwidth: &'static str| {
        let cloud = &cloud;
        eventually("the update", SOON, async move || {
            let last = cloud.calls("update").pop();
            Ok(last.filter(|last| last["bandwidth"] == bandwidth))
        })
    };
    test.annotate("web", &[("lb-bandwidth", Some("20M"))])
        .await?;
    let update = has("20M").await?;
    ensure!(update["listeners"].as_array().map(Vec::len) == Some(60));
    let updates = cloud.calls("update").len();
    cloud.edit(|found| found["listeners"] = json!([]));
    eventually("the repair", SOON, async || {
        let last = cloud.calls("update");
        Ok((last.len() > updates).then_some(()))
    })
    .await?;
    let repair = has("20M").await?;
    ensure!(repair["listeners"].as_array().map(Vec::len) == Some(60));

    ensure!(cloud.calls("create").len() == 1 && cloud.len() == 1);
    ensure!(cloud.calls("delete").is_empty(), "it is no orphan");
    test.delete("web").await?;
    test.until_gone("web").await?;
    ensure!(cloud.len() == 0);
    Ok(())
}
