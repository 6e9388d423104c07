//! promtool checks the metrics that a replica exposes.

use anyhow::{Result, ensure};
use testbed::Environment;

use crate::promtool;

#[tokio::test]
async fn promtool_finds_no_problem_in_the_metrics_of_a_replica() -> Result<()> {
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
    let problems = promtool::problems(&metrics).await?;
    ensure!(problems.is_empty(), "{problems}");
    // promtool does check: it finds the problem of a wrong name.
    let odd = "# TYPE odd counter\nodd 1\n";
    ensure!(promtool::problems(odd).await?.contains("_total"));
    Ok(())
}
