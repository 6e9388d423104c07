//! A loss of all Nodes, or of most of them, is held: each test looks at what a later edit
//! sends.

use std::time::Instant;

use anyhow::{Result, ensure};
use my_cloud_controller_manager::plan::node_hold::MOST_GONE_HOLD;
use testbed::cloud::{CloudSimulator, Verb};
use testbed::environment::addresses;
use testbed::nodes::{NewNode, create_node, delete_node, label_node};
use testbed::{Environment, Replica};

use super::{
    EXCLUDE, back_ends, create_nodes, edit_reaches, ensure_never_emptied, ip, on_both_clouds,
    requested, until_back_end, until_back_ends,
};

/// Longer than any test.
const LONG: &str = "noNodesGracePeriod: 1h";
/// Shorter than a start.
const SHORT: &str = "noNodesGracePeriod: 100ms";
const REASON: &str = "NoEligibleNodes";

/// Two Services with these Nodes as back ends.
async fn served(name: &str, config: &str, nodes: u8) -> Result<(Environment, Replica)> {
    let mut test = Environment::own(name).await?;
    test.extra_config = config.into();
    create_nodes(&test, 1..=nodes).await?;
    let replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, (1..=nodes).map(ip)).await?;
    Ok((test, replica))
}

/// Edits a Service and checks that the edit has the same back ends as before.
async fn ensure_kept(test: &Environment, cloud: &CloudSimulator, name: &str) -> Result<()> {
    let before = back_ends(cloud);
    ensure!(!before.is_empty(), "{} has no back ends", cloud.name());
    let edit = edit_reaches(test, cloud, name).await?;
    let sent = requested(&edit)?;
    ensure!(sent == before, "{sent:?} instead of {before:?}");
    Ok(())
}

#[tokio::test]
async fn nodes_that_are_all_excluded_or_gone_for_a_moment_stay_back_ends() -> Result<()> {
    let (test, _replica) = served("nodes-none", LONG, 2).await?;
    let client = test.client();
    for name in ["n1", "n2"] {
        label_node(&client, name, EXCLUDE, Some("")).await?;
    }
    for name in ["one", "two"] {
        let message = test.until_reason(name, REASON).await?;
        ensure!(message.contains("keep the back ends"), "{message}");
        ensure!(!addresses(&test.get(name).await?).is_empty());
    }
    let note = test.until_event("one", "UnAvailableLoadBalancer").await?;
    ensure!(note.contains("No Node is eligible"), "{note}");
    ensure_kept(&test, &test.cloud1, "one").await?;

    label_node(&client, "n1", EXCLUDE, None).await?;
    label_node(&client, "n2", EXCLUDE, None).await?;
    test.until_ready("one").await?;
    test.until_ready("two").await?;

    for name in ["n1", "n2"] {
        delete_node(&client, name).await?;
    }
    test.until_reason("two", REASON).await?;
    ensure_kept(&test, &test.cloud2, "two").await?;
    create_nodes(&test, 3..=3).await?;
    until_back_ends(&test, [ip(3)]).await?;
    test.until_ready("one").await?;
    ensure_never_emptied(&test)
}

#[tokio::test]
async fn that_there_is_no_node_is_believed_when_it_has_lasted() -> Result<()> {
    let (test, _replica) = served("nodes-gone", "noNodesGracePeriod: 1s", 2).await?;
    let client = test.client();
    delete_node(&client, "n1").await?;
    delete_node(&client, "n2").await?;
    until_back_ends(&test, []).await?;
    ensure!(
        test.cloud1.inventory().len() == 1,
        "it stays, with its address"
    );
    for name in ["one", "two"] {
        test.until_event(name, "UnAvailableLoadBalancer").await?;
        test.until_reason(name, REASON).await?;
    }

    // A Service that comes now has a load balancer too, and hears why nothing answers.
    test.service("late").provider("cloud1").create().await?;
    let message = test.until_reason("late", REASON).await?;
    ensure!(message.contains("no back ends"), "{message}");
    ensure!(!addresses(&test.get("late").await?).is_empty());
    test.until_event("late", "UnAvailableLoadBalancer").await?;
    create_nodes(&test, 4..=4).await?;
    until_back_ends(&test, [ip(4)]).await?;
    test.until_ready("late").await?;
    test.until_ready("one").await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_type_of_address_empties_nothing_unless_the_configuration_says_so() -> Result<()> {
    let (mut test, mut replica) = served("nodes-type", SHORT, 2).await?;
    replica.kill();
    test.extra_config = format!("nodeAddressType: external\n{SHORT}");
    let mut replica = test.sole_replica().await?;
    test.until_reason("one", REASON).await?;
    test.service("late").provider("cloud2").create().await?;
    test.until_reason("late", REASON).await?;
    ensure_kept(&test, &test.cloud1, "one").await?;
    ensure_never_emptied(&test)?;
    replica.kill();

    test.extra_config = format!("nodeAddressType: external\nemptyWithoutAddresses: true\n{SHORT}");
    let _replica = test.sole_replica().await?;
    until_back_ends(&test, []).await
}

#[tokio::test]
async fn a_start_without_nodes_empties_nothing() -> Result<()> {
    let (test, mut replica) = served("nodes-restart", LONG, 2).await?;
    replica.kill();
    let client = test.client();
    delete_node(&client, "n1").await?;
    delete_node(&client, "n2").await?;
    let _replica = test.sole_replica().await?;
    test.until_reason("one", REASON).await?;
    ensure_kept(&test, &test.cloud1, "one").await?;
    ensure_never_emptied(&test)?;
    create_nodes(&test, 3..=3).await?;
    until_back_ends(&test, [ip(3)]).await
}

#[tokio::test]
async fn most_nodes_that_are_excluded_at_once_stay_back_ends_for_a_while() -> Result<()> {
    let (test, _replica) = served("nodes-most", LONG, 9).await?;
    let client = test.client();
    let names: Vec<String> = (1..=8).map(|number| format!("n{number}")).collect();
    let excluded = names
        .iter()
        .map(|name| label_node(&client, name, EXCLUDE, Some("")));
    futures::future::try_join_all(excluded).await?;
    // What comes after the mistake is seen with it.
    create_node(&client, "n11", ip(11), &[]).await?;
    until_back_end(&test, ip(11)).await?;
    let edit = requested(&edit_reaches(&test, &test.cloud1, "one").await?)?;
    ensure!(edit.len() > 4, "most of them are gone: {edit:?}");

    // A deletion is no mistake.
    let gone = *edit.first().unwrap_or(&ip(1));
    let number = (1..=9).find(|number| ip(*number) == gone).unwrap_or(1);
    delete_node(&client, &format!("n{number}")).await?;
    super::until_no_back_end(&test, gone).await?;
    let left = back_ends(&test.cloud1);
    ensure!(left.len() == edit.len() - 1, "{left:?} of {edit:?}");
    Ok(())
}

/// A new process does not know what there was, only what the load balancers have.
#[tokio::test]
async fn a_start_with_the_wrong_type_of_address_keeps_most_back_ends_for_a_while() -> Result<()> {
    let mut test = Environment::own("nodes-type-most").await?;
    test.extra_config = LONG.into();
    let client = test.client();
    create_nodes(&test, 1..=9).await?;
    let with_both = NewNode::new("n10", ip(10)).external_ip(ip(110));
    with_both.create(&client).await?;
    let mut replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    until_back_ends(&test, (1..=10).map(ip)).await?;
    replica.kill();

    let before = test.clouds().map(CloudSimulator::last_sequence);
    let started = Instant::now();
    test.extra_config = format!("nodeAddressType: external\n{LONG}");
    let _replica = test.sole_replica().await?;
    until_back_end(&test, ip(110)).await?;
    let edit = requested(&edit_reaches(&test, &test.cloud1, "one").await?)?;
    ensure!(
        (1..=10).all(|number| edit.contains(&ip(number))),
        "{edit:?}"
    );

    until_back_ends(&test, [ip(110)]).await?;
    let waited = started.elapsed();
    ensure!(waited >= MOST_GONE_HOLD, "they went after {waited:?}");
    for (cloud, before) in test.clouds().into_iter().zip(before) {
        let events = cloud.events_after(before);
        let updates = events.iter().filter(|event| event.verb == Verb::Update);
        let sets: Vec<_> = updates.map(requested).collect::<Result<_>>()?;
        let smaller = sets.iter().filter(|nodes| nodes.len() < 10).count();
        ensure!(smaller == 1, "they went in more than one step: {sets:?}");
    }
    Ok(())
}

#[tokio::test]
async fn most_nodes_that_are_excluded_for_long_go() -> Result<()> {
    let (test, _replica) = served("nodes-most-go", "noNodesGracePeriod: 1s", 3).await?;
    let client = test.client();
    let exclude = |name| label_node(&client, name, EXCLUDE, Some(""));
    futures::future::try_join(exclude("n1"), exclude("n2")).await?;
    until_back_ends(&test, [ip(3)]).await?;
    test.until_ready("one").await?;
    ensure_never_emptied(&test)
}

/// The list that confirms the loss has more than one page.
#[tokio::test]
async fn most_of_a_dozen_nodes_leave_once_a_list_has_confirmed_it() -> Result<()> {
    let (test, _replica) = served("nodes-dozen", SHORT, 12).await?;
    let client = test.client();
    for number in 1..=11 {
        label_node(&client, &format!("n{number}"), EXCLUDE, Some("")).await?;
    }
    until_back_ends(&test, [ip(12)]).await?;
    ensure_never_emptied(&test)
}
