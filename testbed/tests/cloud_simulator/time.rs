//! What takes time, and what runs at the same time.

use std::time::Duration;

use serde_json::json;
use testbed::cloud::{CloudSimulatorOptions, Verb, most_in_flight};

use super::{Cloud, quiet, until, wanted, with};

#[tokio::test]
async fn a_new_load_balancer_has_no_address_until_it_is_provisioned() {
    let options = CloudSimulatorOptions {
        provisioning: Duration::from_millis(50),
        deletion: Duration::from_secs(1),
        ..quiet()
    };
    let cloud = Cloud::start(options).await;
    let answer = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    assert_eq!(
        (answer.text("state"), answer.text("ip")),
        ("provisioning".into(), String::new())
    );
    let which = json!({ "lbId": answer.text("lbId") });
    until("the load balancer is active", async || {
        let shown = cloud.call(Verb::Query, &which).await;
        (shown.text("state") == "active" && !shown.text("ip").is_empty()).then_some(())
    })
    .await;
    assert_eq!(cloud.call(Verb::Delete, &which).await.text("err"), "");
    assert_eq!(
        cloud.call(Verb::Query, &which).await.text("state"),
        "deleting"
    );
    let update = with(wanted("web", "u1"), which.clone());
    assert_eq!(
        cloud.call(Verb::Update, &update).await.text("code"),
        "Conflict"
    );
    until("the load balancer is gone", async || {
        (cloud.call(Verb::Query, &which).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_a_call_that_changes_something_takes_the_time_of_mutations() {
    // Longer than the test: a query that took as long would not end before the create.
    let mutation_latency = Duration::from_secs(2);
    let options = CloudSimulatorOptions {
        mutation_latency,
        ..quiet()
    };
    let cloud = Cloud::start(options).await;
    let (create, query) = (wanted("web", "u1"), json!({ "name": "web" }));
    tokio::join!(cloud.create(&create), cloud.call(Verb::Query, &query));
    let events = cloud.simulator.events();
    let took = |verb| {
        let event = events.iter().find(|event| event.verb == verb);
        event
            .and_then(testbed::cloud::Event::took)
            .expect("it ended")
    };
    assert!(took(Verb::Create) >= mutation_latency);
    assert!(took(Verb::Query) < mutation_latency);
    assert_eq!(cloud.simulator.last_sequence(), 2);
    assert_eq!(cloud.simulator.count(|found| found.name == "web"), 1);
}

#[tokio::test]
async fn events_show_what_ran_at_the_same_time() {
    let latency = Duration::from_millis(200);
    let cloud = Cloud::start(CloudSimulatorOptions { latency, ..quiet() }).await;
    let (one, two) = (wanted("one", "u1"), wanted("two", "u2"));
    tokio::join!(cloud.create(&one), cloud.create(&two));
    cloud.create(&wanted("three", "u3")).await;
    let events = cloud.simulator.mutations();
    assert!(
        events[0].overlaps(&events[1]) && !events[1].overlaps(&events[2]),
        "{events:#?}"
    );
    assert_eq!(most_in_flight(&events), 2);
    let took = events[2].took().expect("it ended");
    assert!(took >= latency && events[2].code().is_none(), "{took:?}");
    let sequences: Vec<u64> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [1, 2, 3]);
    assert_eq!(cloud.simulator.events_after(2).len(), 1);
}
