//! What a replica exposes, by the judgement of Prometheus' own tool.

use anyhow::{Result, ensure};
use testbed::Environment;

use crate::promtool;

#[tokio::test]
async fn promtool_has_nothing_against_the_metrics_of_a_replica() -> Result<()> {
    let test = Environment::shared("exposition").await?;
    let replica = test.sole_replica().await?;
    test.service("web").provider("cloud1").create().await?;
    test.until_ready("web").await?;
    let metrics = reqwest::get(format!("{}/metrics", replica.admin_url())).await?;
    let metrics = metrics.text().await?;
    ensure!(
        metrics.contains("\nmycloud_lb_load_balancers{"),
        "{metrics}"
    );
    let complaints = promtool::complaints(&metrics).await?;
    ensure!(complaints.is_empty(), "{complaints}");
    // And it does look.
    let odd = "# TYPE odd counter\nodd 1\n";
    ensure!(promtool::complaints(odd).await?.contains("_total"));
    Ok(())
}
