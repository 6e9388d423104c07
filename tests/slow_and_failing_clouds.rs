//! Many Services on two clouds with few places: one cloud is slow, the other fails.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Service;
use testbed::cloud::{Failure, Fault, FaultKind, Verb};
use testbed::environment::addresses;
use testbed::{Environment, eventually};

const SERVICES: usize = 16;
/// Longer than an attempt waits for a cloud, if there is something to do at another.
const SLOW: FaultKind = FaultKind::Latency { millis: 1_500 };
/// Each Service needs two calls at the slow cloud at most, one at a time: 24 s. The rest is
/// for waits, and for a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

fn name(number: usize) -> String {
    format!("web-{number}")
}

/// The answer to a call that was left behind waits for longer than a few seconds here: its
/// Service needs a place at both clouds to take it.
#[tokio::test]
async fn the_answers_of_a_slow_cloud_count_while_another_fails() -> Result<()> {
    let mut test = Environment::shared("slow-and-failing").await?;
    test.concurrency = Some(1);
    let _replica = test.sole_replica().await?;
    let [slow, failing] = test.clouds();
    slow.set_fault(Fault::new(SLOW));
    failing.set_fault(Fault::new(FaultKind::FailBefore(Failure::status(503))));
    for number in 0..SERVICES {
        let service = test.service(&name(number)).provider("cloud1,cloud2");
        service.create().await?;
    }
    let is_published = |service: &Service| !addresses(service).is_empty();
    eventually("every Service to have an address", DEADLINE, async || {
        for number in 0..SERVICES {
            if !is_published(&test.get(&name(number)).await?) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await
    .with_context(|| format!("{:#?}", slow.events()))?;
    ensure!(
        failing.inventory().is_empty(),
        "it fails: {:?}",
        failing.inventory()
    );
    let mut creates = slow.events();
    creates.retain(|event| event.verb == Verb::Create);
    ensure!(creates.len() == SERVICES, "one each: {creates:#?}");
    let mut queries = slow.events();
    queries.retain(|event| event.verb == Verb::Query);
    ensure!(
        queries.len() <= SERVICES,
        "no answer is thrown away: {queries:#?}"
    );
    Ok(())
}

/// Each call that was left behind keeps its own place only.
#[tokio::test]
async fn a_slow_cloud_has_its_places_back_while_another_hangs() -> Result<()> {
    const ON_BOTH: usize = 3;
    let mut test = Environment::shared("slow-and-hanging").await?;
    test.concurrency = Some(1);
    test.request_timeout = "300s".into();
    let _replica = test.sole_replica().await?;
    let [hanging, slow] = test.clouds();
    let hang = FaultKind::Hang {
        after_effect: false,
    };
    hanging.set_fault(Fault::new(hang).on(Verb::Create));
    slow.set_fault(Fault::new(SLOW).on(Verb::Create));
    for number in 0..ON_BOTH {
        let service = test.service(&name(number)).provider("cloud1,cloud2");
        service.create().await?;
    }
    let is_published = |service: &Service| !addresses(service).is_empty();
    for number in 0..ON_BOTH {
        test.until(&name(number), "the address on the slow cloud", is_published)
            .await?;
    }
    test.service("alone").provider("cloud2").create().await?;
    test.until_ready("alone").await?;
    ensure!(hanging.inventory().is_empty(), "it hangs");
    Ok(())
}
