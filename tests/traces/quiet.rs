//! What changes nothing leaves no trace.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use testbed::environment::SOON;
use testbed::{Collector, Environment, Replica, eventually};

use super::{provision, replica};

const SERVICES: usize = 20;
const ROUNDS: f64 = 5.0;

async fn reconciles(replica: &Replica) -> Result<f64> {
    let of = "mycloud_lb_reconcile_total{controller=\"service\",result=\"success\"}";
    replica.value(of).await
}

#[tokio::test]
async fn a_resync_of_everything_exports_nothing() -> Result<()> {
    let mut test = Environment::shared("resync").await?;
    test.extra_config = "driftInterval: 200ms\nsweepInterval: 300ms".into();
    let collector = Collector::start().await?;
    let replica = replica(&test, &collector).await?;
    for number in 0..SERVICES {
        let name = format!("web-{number}");
        test.service(&name).provider("cloud1").create().await?;
    }
    for number in 0..SERVICES {
        test.until_ready(&format!("web-{number}")).await?;
    }
    let settled = provision(&test, &collector, "settled").await?;

    let before = reconciles(&replica).await?;
    eventually(
        "every Service to be looked at again and again",
        SOON,
        async || {
            let looks = reconciles(&replica).await? - before;
            Ok((looks > ROUNDS * SERVICES as f64).then_some(()))
        },
    )
    .await?;
    // Spans are sent in the order of their ends: what was before this one is there.
    let later = provision(&test, &collector, "later").await?;

    let since = collector.spans()?.into_iter();
    let since = since.filter(|span| span.started() > settled.ended());
    let traces: BTreeSet<String> = since.map(|span| span.trace().to_owned()).collect();
    ensure!(
        traces == BTreeSet::from([later.trace().to_owned()]),
        "{:?}",
        collector.spans()?
    );
    Ok(())
}
