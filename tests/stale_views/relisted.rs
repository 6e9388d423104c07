//! A watch that ends with 410 Gone, and a list from before.

use anyhow::{Context, Result, ensure};
use testbed::interposer::OldList;

use crate::stage::{Since, acted_upon, ready, settled, stage, uid};

/// By the old list a Service that is gone still is, and one that is there is
/// not: its load balancer looks like an orphan.
#[tokio::test]
async fn an_old_list_brings_nothing_back_and_orphans_nothing() -> Result<()> {
    let (test, interposer) = stage("relisted").await?;
    let replica = test.sole_replica().await?;
    ready(&test, &["kept", "gone", "again"]).await?;
    let before = OldList::record(&test.client()).await?;
    let old = uid(&test, "again").await?;
    test.delete("gone").await?;
    test.delete("again").await?;
    test.until_gone("gone").await?;
    test.until_gone("again").await?;
    ready(&test, &["again", "new"]).await?;
    settled(&test).await?;

    let since = Since::now(&test);
    interposer.view().freeze();
    interposer.view().go_back(before);
    interposer.view().listed().await?;
    acted_upon(&test, &replica).await?;
    since.ensure_none(&test).context("by the old list")?;
    ensure!(uid(&test, "again").await? != old);

    interposer.view().show_truth();
    interposer.view().listed().await?;
    ready(&test, &["barrier"]).await?;
    settled(&test).await?;
    let calls = since.mutations(&test);
    ensure!(calls.len() == 1, "the barrier's: {calls:?}");
    Ok(())
}
