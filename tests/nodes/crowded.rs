//! More choices of Nodes than are followed at a time.

use anyhow::{Result, ensure};
use futures::StreamExt;
use futures::stream;
use testbed::environment::SOON;
use testbed::nodes::{NewNode, delete_node};
use testbed::{Environment, eventually};

use super::choice::with_two_pools;
use super::{back_ends, ip, until_back_ends_on};

/// As many as are followed at a time.
const CHOICES: usize = 64;

fn name(number: usize) -> String {
    format!("first-{number}")
}

/// Creates the Services with all choices that there may be, on `cloud1`, and waits for them.
async fn create_all(test: &Environment) -> Result<()> {
    let all = stream::iter(0..CHOICES).map(async |number| {
        let service = test.service(&name(number)).provider("cloud1");
        let selector = format!("pool=edge,!unused-{number}");
        service.ours("node-selector", &selector).create().await?;
        test.until_ready(&name(number)).await.map(drop)
    });
    let mut all = all.buffer_unordered(16);
    while let Some(created) = all.next().await {
        created?;
    }
    Ok(())
}

/// The Service that comes last keeps its load balancer, from which Nodes leave; it is the one
/// that is refused by each leader; and it gets its Nodes as soon as another choice is given up.
#[tokio::test]
async fn one_choice_too_many_waits_for_its_turn() -> Result<()> {
    let test = with_two_pools("choice-crowded").await?;
    let mut replica = test.sole_replica().await?;
    // The first in every order of names.
    let last = "a-last";
    test.service(last).provider("cloud2").create().await?;
    test.until_ready(last).await?;
    create_all(&test).await?;
    let selector = [("node-selector", Some("pool=core"))];
    test.annotate(last, &selector).await?;
    let message = test.until_reason(last, "InvalidConfiguration").await?;
    ensure!(message.contains("64 other ways"), "{message}");
    ensure!(back_ends(&test.cloud2) == [1, 2, 3, 4].map(ip).into());
    delete_node(&test.client(), "n4").await?;
    until_back_ends_on(&test.cloud2, [1, 2, 3].map(ip)).await?;

    replica.kill();
    let _next = test.sole_replica().await?;
    let node = NewNode::new("n5", ip(5)).label("pool", "edge");
    node.create(&test.client()).await?;
    let expected: Vec<_> = [1, 2, 5].map(ip).into();
    eventually("each choice to be followed", SOON, async || {
        let all = test.cloud1.inventory();
        let mut nodes = all.iter().map(|found| &found.settings.nodes);
        let are_followed = all.len() == CHOICES && nodes.all(|nodes| *nodes == expected);
        Ok(are_followed.then_some(()))
    })
    .await?;
    for number in 0..CHOICES {
        let refused = test.events(&name(number), "InvalidConfiguration").await?;
        ensure!(refused.is_empty(), "{}: {refused:?}", name(number));
    }
    ensure!(back_ends(&test.cloud2) == [1, 2, 3].map(ip).into());

    test.delete(&name(7)).await?;
    until_back_ends_on(&test.cloud2, [ip(3)]).await?;
    test.until_ready(last).await?;
    Ok(())
}
