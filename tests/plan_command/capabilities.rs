//! A plan knows what the clouds can do.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::cloud::{Capabilities, Fault, FaultKind, Protocol, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replicas, eventually};

use super::out_of_reach::ensure_one_complaint;
use super::person::{Person, actions, only_service};
use super::replicas::debug_plan;

fn tcp_only() -> Option<Capabilities> {
    Some(Capabilities {
        protocols: Some(vec![Protocol::Tcp]),
        ..Capabilities::all()
    })
}

#[tokio::test]
async fn the_command_asks_the_clouds_itself() -> Result<()> {
    let test = Environment::shared("plan-capabilities").await?;
    test.cloud1.set_capabilities(tcp_only());
    test.cloud2.set_capabilities(Some(Capabilities::all()));
    let person = Person::reader(&test).await?;
    let ports = json!([{"name": "dns", "port": 53, "protocol": "UDP"}]);
    let service = test.service("dns").provider("cloud1");
    service.field("ports", ports).create().await?;
    let service = test.service("checked").provider("cloud2");
    service.ours("health-check-interval", "7s").create().await?;

    let plan = person.plan("dns").await?;
    let message = plan["message"].as_str().unwrap_or_default();
    ensure!(plan["verdict"] == "invalid", "{plan:#}");
    ensure!(
        message.contains("cloud1 does not support the protocol UDP (cloud2 can)"),
        "{message}"
    );
    let plan = person.plan("checked").await?;
    ensure!(
        actions(&plan) == ["addFinalizer", "create", "publish"],
        "{plan:#}"
    );

    // What cannot be known is no decision.
    let fault = Fault::new(FaultKind::GarbageBody).on(Verb::Capabilities);
    test.cloud2.set_fault(fault);
    let arguments = ["-n", &test.namespace, "checked", "-o", "json"];
    let output = person.run(&arguments).await?;
    ensure_one_complaint(&output, &["cloud2", "capabilities"])?;
    let plan = only_service(&output)?;
    let message = plan["message"].as_str().unwrap_or_default();
    ensure!(message.contains("cloud2 has not told yet"), "{plan:#}");
    Ok(())
}

#[tokio::test]
async fn a_standby_asks_and_a_leader_knows() -> Result<()> {
    let test = Environment::shared("plan-capabilities-replicas").await?;
    test.allow_election().await?;
    test.cloud1.set_capabilities(tcp_only());
    let replicas = Replicas::start(["one", "two"].map(|name| test.candidate(name))).await?;
    let leader = replicas.until_led().await?;
    let (leader, standby) = (&replicas[leader], &replicas[1 - leader]);
    let ports = json!([{"name": "dns", "port": 53, "protocol": "UDP"}]);
    let service = test.service("dns").provider("cloud1");
    service.field("ports", ports).create().await?;
    test.until_reason("dns", "Unsupported").await?;

    let asked = test.cloud1.questions_after(0).len();
    let plan = debug_plan(leader, &test, "dns").await?;
    ensure!(says_unsupported(&plan), "{plan:#}");
    ensure!(test.cloud1.questions_after(0).len() == asked, "it knows");
    eventually("the standby to say the same", SOON, async || {
        let plan = debug_plan(standby, &test, "dns").await?;
        Ok(says_unsupported(&plan).then_some(()))
    })
    .await?;
    ensure!(test.cloud1.questions_after(0).len() > asked, "it asked");
    Ok(())
}

fn says_unsupported(report: &Value) -> bool {
    let message = report["services"][0]["message"].as_str();
    message.is_some_and(|message| message.contains("cloud1 does not support the protocol UDP"))
}
