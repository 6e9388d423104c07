//! The five verbs, as docs/cloud-api.openapi.yaml has them.

use serde_json::{Value, json};
use testbed::cloud::{CloudSimulatorOptions, Effect, Profile, Verb, most_in_flight};

use super::{Cloud, quiet, until, wanted, with};

#[tokio::test]
async fn create_is_idempotent_by_name() {
    let cloud = Cloud::quiet().await;
    let first = cloud.call(Verb::Create, &wanted("web", "u1")).await;
    let again = with(wanted("web", "u1"), json!({ "bandwidth": "20M" }));
    let second = cloud.call(Verb::Create, &again).await;
    assert_eq!(first.text("lbId"), second.text("lbId"));
    assert_eq!(first.text("ip"), second.text("ip"));
    let inventory = cloud.simulator.inventory();
    assert_eq!(inventory.len(), 1);
    assert_eq!(
        inventory[0].settings.bandwidth, "10M",
        "create changes nothing that exists"
    );
    let effects: Vec<_> = cloud
        .simulator
        .events()
        .iter()
        .map(|event| event.effect)
        .collect();
    assert_eq!(effects, [Some(Effect::Created), Some(Effect::Existed)]);
}

#[tokio::test]
async fn a_name_of_another_owner_is_refused() {
    let cloud = Cloud::quiet().await;
    cloud.create(&wanted("web", "u1")).await;
    for other in [
        wanted("web", "u2"),
        with(
            wanted("web", "u1"),
            json!({ "owner": { "cluster": "c2", "uid": "u1" } }),
        ),
        with(wanted("web", "u1"), json!({ "owner": null })),
    ] {
        let answer = cloud.call(Verb::Create, &other).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (409, "AlreadyExists".into()),
            "{other}"
        );
    }
    assert_eq!(cloud.simulator.inventory().len(), 1);
}

#[tokio::test]
async fn query_shows_the_load_balancer_as_created() {
    let cloud = Cloud::quiet().await;
    let body = with(
        wanted("web", "u1"),
        json!({
            "algorithm": "source-hash",
            "sessionAffinity": { "type": "ClientIP", "timeoutSeconds": 600 },
            "sourceRanges": ["10.0.0.0/8"],
            "healthCheck": { "protocol": "HTTP", "port": 32_000, "path": "/healthz" },
            "internal": true,
            "addressFamilies": ["IPv4"],
            "somethingNew": 1,
        }),
    );
    let id = cloud.create(&body).await;
    let by_id = cloud.call(Verb::Query, &json!({ "lbId": id })).await.json();
    let by_name = cloud
        .call(Verb::Query, &json!({ "name": "web" }))
        .await
        .json();
    assert_eq!(by_id, by_name);
    for (field, value) in body.as_object().expect("an object") {
        match field.as_str() {
            "somethingNew" => assert_eq!(by_id[field], Value::Null, "unknown fields are ignored"),
            field => assert_eq!(by_id[field], *value, "{field}"),
        }
    }
    assert_eq!(by_id["state"], "active");
    assert_eq!(by_id["ips"], json!([by_id["ip"]]));
    assert!(
        by_id["createdAt"]
            .as_str()
            .is_some_and(|at| at.ends_with('Z'))
    );
}

#[tokio::test]
async fn update_sets_the_whole_desired_state() {
    let cloud = Cloud::quiet().await;
    let id = cloud.create(&wanted("web", "u1")).await;
    let change = json!({ "lbId": id, "nodes": ["127.10.0.9"], "bandwidth": "20M" });
    let answer = cloud
        .call(Verb::Update, &with(wanted("web", "u1"), change))
        .await;
    assert_eq!(
        (answer.text("err"), answer.text("lbId")),
        (String::new(), id.clone())
    );
    let shown = cloud.call(Verb::Query, &json!({ "lbId": id })).await.json();
    assert_eq!(
        (&shown["nodes"], &shown["bandwidth"]),
        (&json!(["127.10.0.9"]), &json!("20M"))
    );
    for (reason, change, code) in [
        (
            "there is no such load balancer",
            json!({ "lbId": "lb-77" }),
            "NotFound",
        ),
        (
            "a name stays",
            json!({ "lbId": id, "name": "other" }),
            "InvalidArgument",
        ),
        (
            "an owner stays",
            json!({ "lbId": id, "owner": { "cluster": "c1", "uid": "u2" } }),
            "Conflict",
        ),
    ] {
        let answer = cloud
            .call(Verb::Update, &with(wanted("web", "u1"), change))
            .await;
        assert_eq!(answer.text("code"), code, "{reason}");
    }
}

#[tokio::test]
async fn delete_frees_the_name_and_the_address() {
    let options = CloudSimulatorOptions {
        // Two addresses.
        addresses: Some("127.20.0.0/30".parse().expect("a network")),
        ..quiet()
    };
    let cloud = Cloud::start(options).await;
    let first = cloud.create(&wanted("one", "u1")).await;
    cloud.create(&wanted("two", "u2")).await;
    let full = cloud.call(Verb::Create, &wanted("three", "u3")).await;
    assert_eq!(
        full.text("code"),
        "QuotaExceeded",
        "no address is given out twice"
    );
    assert_eq!(
        cloud
            .call(Verb::Delete, &json!({ "lbId": first }))
            .await
            .text("err"),
        ""
    );
    let again = cloud.call(Verb::Delete, &json!({ "lbId": first })).await;
    assert_eq!((again.status, again.text("code")), (404, "NotFound".into()));
    let new = cloud.create(&wanted("one", "u9")).await;
    assert_ne!(new, first, "an id is never used again");
}

#[tokio::test]
async fn a_list_comes_in_pages() {
    let cloud = Cloud::quiet().await;
    for number in 0..7 {
        cloud
            .create(&wanted(&format!("web-{number}"), &format!("u{number}")))
            .await;
    }
    let other = json!({ "owner": { "cluster": "c2", "uid": "u" } });
    cloud.create(&with(wanted("foreign", "u"), other)).await;
    let mut names = Vec::new();
    let mut sizes = Vec::new();
    let mut token = String::new();
    loop {
        let body = json!({ "owner": { "cluster": "c1" }, "pageSize": 3, "pageToken": token });
        let page = cloud.call(Verb::List, &body).await;
        let items = page.json()["items"].as_array().expect("items").clone();
        sizes.push(items.len());
        names.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().expect("a name").to_owned()),
        );
        token = page.text("nextPageToken");
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = (0..7).map(|number| format!("web-{number}")).collect();
    assert_eq!((names, sizes), (expected, vec![3, 3, 1]));
    let all = cloud.call(Verb::List, &json!({})).await;
    assert_eq!(all.json()["items"].as_array().map(Vec::len), Some(8));
}

#[tokio::test]
async fn bad_input_is_named_and_refused() {
    let cloud = Cloud::quiet().await;
    let listener = |port: i64| json!({ "port": port, "nodePort": 30_080 });
    let twice = json!({ "listeners": [listener(80), listener(80)] });
    for (field, change) in [
        ("port", json!({ "listeners": null, "port": 0 })),
        ("nodePort", json!({ "listeners": null, "nodePort": 65_536 })),
        ("listeners[0].port", json!({ "listeners": [listener(-1)] })),
        ("listeners[1].port", twice),
        (
            "listeners[0].protocol",
            json!({ "listeners": [{ "port": 80, "nodePort": 1, "protocol": "DCCP" }] }),
        ),
        ("port, nodePort", json!({ "port": 81 })),
        ("nodes[0]", json!({ "nodes": ["node-1"] })),
        ("nodes", json!({ "nodes": null })),
        ("name", json!({ "name": "" })),
        ("name", json!({ "name": "Upper" })),
        ("bandwidth", json!({ "bandwidth": "10" })),
        ("algorithm", json!({ "algorithm": "random" })),
        (
            "sourceRanges[0]",
            json!({ "sourceRanges": ["10.0.0.0/99"] }),
        ),
        (
            "sessionAffinity.timeoutSeconds",
            json!({ "sessionAffinity": { "type": "ClientIP", "timeoutSeconds": 0 } }),
        ),
        (
            "healthCheck.path",
            json!({ "healthCheck": { "path": "x" } }),
        ),
        ("address", json!({ "address": "10.1.2.3" })),
        ("addressFamilies", json!({ "addressFamilies": ["IPv5"] })),
        ("owner", json!({ "owner": { "cluster": "", "uid": "u1" } })),
    ] {
        let body = with(wanted("web", "u1"), change);
        let answer = cloud.call(Verb::Create, &body).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (400, "InvalidArgument".into()),
            "{body}"
        );
        assert!(
            answer.text("err").starts_with(field),
            "{field}: {}",
            answer.text
        );
    }
    let url = format!("{}/api/v1/lb/create", cloud.simulator.endpoint());
    let garbage = Cloud::send(cloud.http.post(url).body("{"))
        .await
        .expect("an answer");
    assert_eq!(
        (garbage.status, garbage.text("code")),
        (400, "InvalidArgument".into())
    );
    assert_eq!(cloud.simulator.inventory(), []);
}

#[tokio::test]
async fn an_older_fencing_token_is_refused() {
    let cloud = Cloud::quiet().await;
    let create = async |name: &str, token: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, name));
        Cloud::send(request.header("Fencing-Token", token))
            .await
            .expect("an answer")
    };
    assert_eq!(create("one", "7").await.text("err"), "");
    assert_eq!(
        create("two", "7").await.text("err"),
        "",
        "the same term goes on"
    );
    let old = create("three", "6").await;
    assert_eq!(
        (old.status, old.text("code")),
        (412, "FailedPrecondition".into())
    );
    assert_eq!(create("four", "x").await.text("code"), "InvalidArgument");
    assert_eq!(cloud.simulator.inventory().len(), 2);
    let tokens: Vec<_> = cloud
        .simulator
        .events()
        .iter()
        .map(|event| event.fencing_token)
        .collect();
    assert_eq!(tokens, [Some(7), Some(7), Some(6), None]);

    let lax = Cloud::start(CloudSimulatorOptions {
        fencing: false,
        ..quiet()
    })
    .await;
    for token in ["7", "6"] {
        let request = lax.request(Verb::Create, &wanted("one", "u1"));
        let answer = Cloud::send(request.header("Fencing-Token", token)).await;
        assert_eq!(answer.expect("an answer").text("err"), "");
    }
}

#[tokio::test]
async fn an_idempotency_key_stands_for_one_name() {
    let cloud = Cloud::quiet().await;
    let create = async |name: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, "u1"));
        Cloud::send(request.header("Idempotency-Key", "k1"))
            .await
            .expect("an answer")
    };
    let first = create("one").await;
    assert_eq!(create("one").await.text("lbId"), first.text("lbId"));
    assert_eq!(create("two").await.text("code"), "InvalidArgument");
    assert_eq!(
        cloud.simulator.events()[0].idempotency_key.as_deref(),
        Some("k1")
    );
}

#[tokio::test]
async fn callers_need_the_bearer_token_and_stay_within_the_quota() {
    let options = CloudSimulatorOptions {
        token: Some("secret".into()),
        quota: Some(1),
        ..quiet()
    };
    let cloud = Cloud::start(options).await;
    let refused = cloud.call(Verb::Create, &wanted("one", "u1")).await;
    assert_eq!(
        (refused.status, refused.text("code")),
        (401, "Unauthenticated".into())
    );
    let create = async |name: &str| {
        let request = cloud.request(Verb::Create, &wanted(name, name));
        Cloud::send(request.bearer_auth("secret"))
            .await
            .expect("an answer")
    };
    assert_eq!(create("one").await.text("err"), "");
    assert_eq!(create("two").await.text("code"), "QuotaExceeded");
}

#[tokio::test]
async fn a_new_load_balancer_has_no_address_until_it_is_provisioned() {
    let options = CloudSimulatorOptions {
        provisioning: std::time::Duration::from_millis(50),
        deletion: std::time::Duration::from_secs(1),
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
async fn the_seed_profile_has_the_seeds_fields_only() {
    let cloud = Cloud::start(CloudSimulatorOptions {
        profile: Profile::Basic,
        ..quiet()
    })
    .await;
    let created = cloud.call(Verb::Create, &wanted("web", "u1")).await.json();
    let fields = |value: &Value| -> Vec<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(fields(&created), ["err", "ip", "lbId"]);
    let shown = cloud
        .call(Verb::Query, &json!({ "name": "web" }))
        .await
        .json();
    let expected = [
        "bandwidth",
        "err",
        "ip",
        "lbId",
        "name",
        "nodePort",
        "nodes",
        "port",
        "spec",
    ];
    assert_eq!(fields(&shown), expected);
    for (verb, body) in [
        (Verb::Query, json!({ "lbId": "lb-9" })),
        (Verb::Delete, json!({ "lbId": "lb-9" })),
        (Verb::List, json!({})),
    ] {
        let absent = cloud.call(verb, &body).await;
        assert_eq!(absent.status, 404, "{verb:?}");
        assert_eq!(fields(&absent.json()), ["err"], "{verb:?}");
    }
    let stranger = with(wanted("web", "u2"), json!({ "bandwidth": "20M" }));
    let again = cloud.call(Verb::Create, &stranger).await;
    assert_eq!(again.json()["lbId"], created["lbId"], "it keeps no owners");
}

#[tokio::test]
async fn only_a_call_that_changes_something_takes_the_time_of_mutations() {
    // Longer than the test: a query that took as long would not end before the create.
    let mutation_latency = std::time::Duration::from_secs(2);
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
    let latency = std::time::Duration::from_millis(200);
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

#[tokio::test]
async fn a_health_check_is_shown_without_what_it_lacks() {
    let cloud = Cloud::quiet().await;
    let body = with(wanted("web", "u1"), json!({ "healthCheck": {} }));
    let created = cloud.call(Verb::Create, &body).await.json();
    let which = json!({ "lbId": created["lbId"] });
    let shown = cloud.call(Verb::Query, &which).await.json();
    assert_eq!(shown["healthCheck"], json!({ "protocol": "TCP" }));
}
