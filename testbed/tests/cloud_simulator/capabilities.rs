//! A cloud that lacks something says so and refuses it.

use serde_json::json;
use testbed::cloud::{Capabilities, Limits, Profile, Protocol, Spec, Verb};

use super::{Cloud, quiet, wanted, with};

#[tokio::test]
async fn a_cloud_tells_only_what_it_was_given() {
    let cloud = Cloud::quiet().await;
    let absent = cloud.call(Verb::Capabilities, &json!({})).await;
    assert_eq!((absent.status, &*absent.text("code")), (404, "NotFound"));

    cloud.create(&wanted("web", "u1")).await;
    cloud.simulator.set_capabilities(Some(Capabilities {
        limits: Some(Limits {
            load_balancers: Some(10),
            used: None,
        }),
        ..Capabilities::default()
    }));
    let told = cloud.call(Verb::Capabilities, &json!({})).await;
    let expected = json!({"err": "", "limits": {"loadBalancers": 10, "used": 1}});
    assert_eq!(told.json(), expected);

    let options = testbed::cloud::CloudSimulatorOptions {
        profile: Profile::Basic,
        capabilities: Some(Capabilities::all()),
        ..quiet()
    };
    let basic = Cloud::start(options).await;
    let absent = basic.call(Verb::Capabilities, &json!({})).await;
    assert_eq!(absent.status, 404, "the basic API has no such call");
}

#[tokio::test]
async fn what_a_cloud_lacks_is_refused() {
    let cloud = Cloud::quiet().await;
    let uses = [
        ("sourceRanges", json!({ "sourceRanges": ["10.0.0.0/8"] })),
        (
            "affinity",
            json!({ "sessionAffinity": { "type": "ClientIP" } }),
        ),
        (
            "healthChecks",
            json!({ "healthCheck": { "protocol": "HTTP" } }),
        ),
        ("internal", json!({ "internal": true })),
        ("idleTimeout", json!({ "idleTimeoutSeconds": 60 })),
        ("tags", json!({ "tags": { "team": "web" } })),
        (
            "proxyProtocol",
            json!({ "listeners": [{ "port": 80, "nodePort": 30_080, "proxyProtocol": "v1" }] }),
        ),
        (
            "appProtocol",
            json!({ "listeners": [{ "port": 80, "nodePort": 30_080, "appProtocol": "http" }] }),
        ),
    ];
    let made = uses.len();
    for (index, (feature, fields)) in uses.into_iter().enumerate() {
        let body = with(wanted(&format!("web-{index}"), "u1"), fields);
        let without = Capabilities::all().without(feature);
        cloud.simulator.set_capabilities(Some(without));
        let refused = cloud.call(Verb::Create, &body).await;
        assert_eq!(refused.text("code"), "InvalidArgument", "{feature}");
        cloud.simulator.set_capabilities(Some(Capabilities::all()));
        cloud.create(&body).await;
    }

    let small = Capabilities {
        protocols: Some(vec![Protocol::Udp]),
        ..Capabilities::all()
    };
    let specs = |spec| Capabilities {
        specs: Some(vec![spec]),
        ..Capabilities::all()
    };
    let standard = |spec: Spec| Spec {
        name: "standard".into(),
        ..spec
    };
    let lacking = [
        small,
        Capabilities {
            algorithms: Some(Vec::new()),
            ..Capabilities::all()
        },
        specs(Spec {
            name: "large".into(),
            ..Spec::default()
        }),
        specs(standard(Spec {
            max_listeners: Some(0),
            ..Spec::default()
        })),
        specs(standard(Spec {
            max_back_ends: Some(1),
            ..Spec::default()
        })),
        specs(standard(Spec {
            max_bandwidth: Some("9999K".into()),
            ..Spec::default()
        })),
    ];
    for capabilities in lacking {
        cloud.simulator.set_capabilities(Some(capabilities.clone()));
        let refused = cloud.call(Verb::Create, &wanted("other", "u2")).await;
        assert_eq!(refused.text("code"), "InvalidArgument", "{capabilities:?}");
    }
    assert_eq!(cloud.simulator.inventory().len(), made);
}
