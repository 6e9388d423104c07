//! The five verbs, as docs/cloud-api.openapi.yaml has them.

use serde_json::{Value, json};
use testbed::cloud::{CloudSimulatorOptions, Effect, Profile, Verb};

use super::{Cloud, quiet, wanted, with};

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
async fn a_health_check_is_shown_without_what_it_lacks() {
    let cloud = Cloud::quiet().await;
    let body = with(wanted("web", "u1"), json!({ "healthCheck": {} }));
    let created = cloud.call(Verb::Create, &body).await.json();
    let which = json!({ "lbId": created["lbId"] });
    let shown = cloud.call(Verb::Query, &which).await.json();
    assert_eq!(shown["healthCheck"], json!({ "protocol": "TCP" }));
}
