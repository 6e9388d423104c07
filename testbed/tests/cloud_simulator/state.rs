//! What survives the cloud's restart.

use std::time::Duration;

use serde_json::json;
use testbed::back_end::BackEnd;
use testbed::cloud::{CloudSimulator, CloudSimulatorOptions, Protocol, State, Verb};
use testbed::loopback::LoopbackRange;

use super::{Cloud, quiet, until, wanted, with};

#[tokio::test]
async fn load_balancers_addresses_and_the_highest_token_survive() {
    let directory = tempfile::tempdir().expect("a directory");
    let options = CloudSimulatorOptions {
        state: Some(directory.path().join("cloud1.json")),
        addresses: Some("127.20.0.0/24".parse().expect("a network")),
        ..quiet()
    };
    let before = Cloud::start(options.clone()).await;
    let create = before.request(Verb::Create, &wanted("web", "u1"));
    let answer = Cloud::send(create.header("Fencing-Token", "9"))
        .await
        .expect("an answer");
    let gone = before.create(&wanted("gone", "u2")).await;
    before.call(Verb::Delete, &json!({ "lbId": gone })).await;
    let inventory = before.simulator.inventory();
    let listen = before.simulator.address();
    before.simulator.stop().await;

    let after = Cloud::start(CloudSimulatorOptions { listen, ..options }).await;
    assert_eq!(after.simulator.inventory(), inventory);
    let old = after
        .request(Verb::Create, &wanted("old", "u3"))
        .header("Fencing-Token", "8");
    assert_eq!(
        Cloud::send(old).await.expect("an answer").text("code"),
        "FailedPrecondition"
    );
    let new = after.call(Verb::Create, &wanted("new", "u4")).await;
    assert_ne!(new.text("lbId"), gone, "ids are never used again");
    assert_ne!(new.text("ip"), answer.text("ip"));
}

async fn get(http: &reqwest::Client, url: &str) -> String {
    let response = http.get(url).send().await.expect("an answer");
    response.text().await.expect("a text")
}

#[tokio::test]
async fn traffic_flows_again_and_provisioning_ends_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let range = LoopbackRange::claim().expect("a range");
    let node = range.address(1).into();
    let _web = BackEnd::start(node, 30_080, Protocol::Tcp, "web")
        .await
        .expect("a back end");
    let options = CloudSimulatorOptions {
        state: Some(directory.path().join("cloud1.json")),
        provisioning: Duration::from_secs(3600),
        ..CloudSimulatorOptions::named("cloud1")
    };
    let before = Cloud::start(options.clone()).await;
    before
        .create(&with(wanted("web", "u1"), json!({ "nodes": [node] })))
        .await;
    before.simulator.stop().await;

    let provisioning = Duration::from_millis(1);
    let after = Cloud::start(CloudSimulatorOptions {
        provisioning,
        ..options.clone()
    })
    .await;
    let ip = until("it is provisioned", async || {
        after.simulator.inventory()[0].ip
    })
    .await;
    let url = format!("http://{ip}/");
    assert_eq!(
        get(&after.http, &url).await,
        "web
"
    );
    until("that is on disk", async || {
        let text = std::fs::read_to_string(directory.path().join("cloud1.json")).ok()?;
        text.contains("\"active\"").then_some(())
    })
    .await;
    after.simulator.stop().await;

    let last = CloudSimulator::start(options).await.expect("a cloud");
    assert_eq!(last.inventory()[0].state, State::Active);
    assert_eq!(
        get(&after.http, &url).await,
        "web
"
    );
}

#[tokio::test]
async fn a_broken_state_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("cloud1.json");
    std::fs::write(&path, "{").expect("a file");
    let started = CloudSimulator::start(CloudSimulatorOptions {
        state: Some(path.clone()),
        ..quiet()
    });
    let error = started.await.expect_err("the file is broken");
    assert!(
        error.to_string().contains(&path.display().to_string()),
        "{error:#}"
    );
}
