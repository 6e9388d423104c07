//! `/debug/plan` on each replica.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::cloud::{Code, Failure, Fault, FaultKind, Verb};
use testbed::environment::SOON;
use testbed::{Environment, Replica, Replicas, eventually};

use super::person::{actions, state};

pub async fn debug_plan(replica: &Replica, test: &Environment, name: &str) -> Result<Value> {
    let (url, namespace) = (replica.admin_url(), &test.namespace);
    let url = format!("{url}/debug/plan/{namespace}/{name}?output=json");
    let answer = reqwest::get(url).await?.error_for_status()?;
    Ok(answer.json().await?)
}

#[tokio::test]
async fn leader_and_standby_show_the_same_plan() -> Result<()> {
    let test = Environment::shared("plan-replicas").await?;
    test.allow_election().await?;
    let fault = FaultKind::FailBefore(Failure::code(Code::QuotaExceeded));
    test.cloud2.set_fault(Fault::new(fault).on(Verb::Create));
    test.service("web").provider("cloud1").create().await?;
    test.service("stuck").provider("cloud2").create().await?;
    let replicas = Replicas::start(["one", "two"].map(|name| test.candidate(name))).await?;
    let leader = replicas.until_led().await?;
    let (leader, standby) = (&replicas[leader], &replicas[1 - leader]);
    test.until_ready("web").await?;
    test.until_reason("stuck", "SyncFailed").await?;
    let before = (state(&test).await?.0, test.mutations().len());

    for (name, expected) in [("web", &[][..]), ("stuck", &["create", "publish"])] {
        let shown = debug_plan(leader, &test, name).await?;
        let service = &shown["services"][0];
        ensure!(actions(service).ends_with(expected), "{shown:#}");
        ensure!(shown["replica"]["leads"] == true, "{shown:#}");
        let waits = shown["replica"]["nextAttemptSeconds"].is_number();
        ensure!(waits == (name == "stuck"), "{shown:#}");
        // The standby's watch may lag behind.
        eventually("the standby to show the same plan", SOON, async || {
            let other = debug_plan(standby, &test, name).await?;
            ensure!(other["replica"] == json!({"leads": false, "nextAttemptSeconds": null}));
            let same = ["verdict", "message", "desired", "actions", "differences"];
            let is_same = |field: &&str| other["services"][0][*field] == service[*field];
            Ok(same.iter().all(is_same).then_some(()))
        })
        .await?;
    }
    ensure!(
        (state(&test).await?.0, test.mutations().len()) == before,
        "a plan changed something"
    );

    let url = format!("{}/debug/plan/{}/web", standby.admin_url(), test.namespace);
    let text = reqwest::get(&url).await?.text().await?;
    ensure!(text.contains("This replica is a standby"), "{text}");
    ensure!(
        text.contains("/web: nothing to do: it is in sync"),
        "{text}"
    );
    let missing = reqwest::get(url.replace("/web", "/nobody")).await?;
    ensure!(missing.status() == 404, "{missing:?}");
    Ok(())
}
