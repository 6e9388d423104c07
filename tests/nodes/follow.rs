//! The back ends of what serves follow the Nodes, whatever else is wrong.

use anyhow::{Result, ensure};
use testbed::Environment;
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};
use testbed::nodes::delete_node;

use super::{create_nodes, ip, on_both_clouds, until_back_ends};

async fn with_two_nodes(name: &str) -> Result<Environment> {
    let test = Environment::own(name).await?;
    create_nodes(&test, 1..=2).await?;
    Ok(test)
}

#[tokio::test]
async fn an_annotation_with_a_typing_error_keeps_no_dead_node() -> Result<()> {
    let test = with_two_nodes("follow-invalid").await?;
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    test.annotate("one", &[("lb-bandwidth", Some("fast"))])
        .await?;
    test.annotate("two", &[("provider", Some("cluod2"))])
        .await?;
    for name in ["one", "two"] {
        test.until_reason(name, "InvalidConfiguration").await?;
    }
    let asked = |bandwidth: &str| {
        let mut calls = test.cloud1.mutations().into_iter();
        calls.any(|call| call.request["bandwidth"] == bandwidth)
    };
    create_nodes(&test, 3..=3).await?;
    delete_node(&test.client(), "n1").await?;
    until_back_ends(&test, [2, 3].map(ip)).await?;
    ensure!(!asked("fast"));
    for name in ["one", "two"] {
        test.until_reason(name, "InvalidConfiguration").await?;
    }

    // The error is corrected, and the edit is applied.
    test.annotate("one", &[("lb-bandwidth", Some("7M"))])
        .await?;
    test.annotate("two", &[("provider", Some("cloud2"))])
        .await?;
    test.until_ready("one").await?;
    test.until_ready("two").await?;
    ensure!(asked("7M"));
    until_back_ends(&test, [2, 3].map(ip)).await
}

#[tokio::test]
async fn what_a_move_to_a_cloud_that_refuses_leaves_behind_follows_the_nodes() -> Result<()> {
    let test = with_two_nodes("follow-move").await?;
    let _replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let refusal = FaultKind::FailBefore(Failure::code(Code::QuotaExceeded));
    test.cloud2.set_fault(Fault::new(refusal).on(Verb::Create));
    test.annotate("web", &[("provider", Some("cloud2"))])
        .await?;
    test.until_reason("web", "SyncFailed").await?;
    create_nodes(&test, 3..=3).await?;
    delete_node(&test.client(), "n1").await?;
    super::until_back_ends_on(&test.cloud1, [2, 3].map(ip)).await?;
    ensure!(test.cloud2.inventory().is_empty());
    ensure!(test.cloud1.inventory().len() == 1, "it serves");
    Ok(())
}

/// One back end that the cloud refuses must not keep dead ones.
#[tokio::test]
async fn a_back_end_that_the_cloud_refuses_keeps_no_dead_node() -> Result<()> {
    let test = with_two_nodes("follow-refused").await?;
    let _replica = test.sole_replica().await?;
    on_both_clouds(&test).await?;
    for cloud in test.clouds() {
        let address = ip(3).to_string();
        cloud.set_fault(Fault::new(FaultKind::RefuseBackEnd { address }));
    }
    create_nodes(&test, 3..=3).await?;
    test.until_reason("one", "SyncFailed").await?;
    until_back_ends(&test, [1, 2].map(ip)).await?;
    delete_node(&test.client(), "n1").await?;
    until_back_ends(&test, [ip(2)]).await?;
    test.until_reason("one", "SyncFailed").await?;

    // The cloud takes it later.
    for cloud in test.clouds() {
        cloud.clear_faults();
    }
    until_back_ends(&test, [2, 3].map(ip)).await?;
    test.until_ready("one").await?;
    Ok(())
}
