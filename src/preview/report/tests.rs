use serde_json::json;

use super::*;
use crate::preview::Origin;
use crate::preview::scene::{Scene, Shows};

/// Its names are an interface: docs/plan.md has this very object.
#[tokio::test]
async fn the_json_of_an_edit_is_pinned() {
    let mut scene = Scene::in_sync();
    scene.annotate("lb-bandwidth", "20M");
    let spec = |bandwidth: &str| {
        json!({
            "algorithm": "round-robin", "bandwidth": bandwidth, "clientAffinitySeconds": null,
            "listeners": [{"name": "", "nodePort": 30080, "port": 80, "protocol": "TCP"}],
            "nodes": ["10.0.0.1"], "sourceRanges": [], "spec": "standard",
        })
    };
    let name = crate::preview::scene::load_balancer().name;
    let expected = json!({"cluster": "cluster", "replica": null, "services": [{
        "namespace": "default", "name": "web", "uid": "u",
        "verdict": "changes", "message": "3 actions to perform",
        "desired": {"state": "managed", "clouds": {"cloud1": spec("20M")}},
        "observed": {
            "finalizer": true, "record": {"cloud1": "lb-1"}, "addresses": ["192.0.2.1"],
            "ipModes": {}, "condition": null,
            "nodes": {"eligible": 1, "excluded": 0, "backEnds": ["10.0.0.1"]},
            "clouds": {"cloud1": {"state": "present", "loadBalancer": {
                "id": "lb-1", "name": name, "state": "active", "spec": spec("5M"),
                "ips": ["192.0.2.1"], "hostname": null, "hostnames": [], "ipModes": {"192.0.2.1": "VIP"},
                "notPublished": null,
                "isUnderstood": true, "hasOtherBackEnds": false,
            }}},
        },
        "differences": [{"cloud": "cloud1", "id": "lb-1", "field": "bandwidth", "from": "5M", "to": "20M"}],
        "actions": [
            {"action": "confirmLive", "cloud": null, "id": null, "description": "confirm that the Service is unchanged"},
            {"action": "update", "cloud": "cloud1", "id": "lb-1", "description": "update load balancer lb-1 on cloud1 (back ends: 1)"},
            {"action": "publish", "cloud": null, "id": null, "description": "update record and status"},
        ],
        "waiting": [], "losses": [], "notes": [],
    }]});
    assert_eq!(scene.report().await.json(), expected);
}

#[tokio::test]
async fn the_other_states_have_their_fields() {
    let mut scene = Scene::in_sync();
    scene.annotate("provider", "cloud2");
    let json = scene.report().await.json();
    let losses = json!([
        {"lost": "loadBalancer", "cloud": "cloud1", "id": "lb-1"},
        {"lost": "address", "address": "192.0.2.1"},
    ]);
    assert_eq!(json["services"][0]["losses"], losses);

    scene = Scene::in_sync();
    scene.cloud1 = Shows::Fails;
    let json = scene.report().await.json();
    let service = &json["services"][0];
    let error = service["observed"]["clouds"]["cloud1"]["error"].as_str();
    assert!(
        error.is_some_and(|error| error.contains("refused")),
        "{json}"
    );
    assert_eq!(service["waiting"][0]["reason"], "cloud_unavailable");
    assert_eq!(service["waiting"][0]["cloud"], "cloud1");

    scene = Scene::fresh();
    scene.annotate("lb-bandwidth", "fast");
    let json = scene.report().await.json();
    let problem = json["services"][0]["desired"]["problems"][0].as_str();
    assert!(
        problem.is_some_and(|problem| problem.contains("\"fast\"")),
        "{json}"
    );

    scene.annotate("enable", "false");
    let json = scene.report().await.json();
    let expected = json!({"state": "unmanaged", "reason": "NotEnabled"});
    assert_eq!(json["services"][0]["desired"], expected);
}

#[tokio::test]
async fn a_service_that_is_not_applied_has_neither_uid_nor_node_ports() {
    let mut scene = Scene::fresh();
    scene.service["spec"]["ports"] = json!([{"port": 80}]);
    scene.origin = Origin::Manifest {
        exists: false,
        allocates_node_ports: true,
    };
    let json = scene.report().await.json();
    let service = &json["services"][0];
    assert_eq!(service["uid"], Value::Null);
    assert_eq!(
        service["desired"]["clouds"]["cloud1"]["listeners"][0]["nodePort"],
        Value::Null
    );
    assert_eq!(
        service["actions"][1]["description"],
        "create a load balancer on cloud1 (back ends: 1)"
    );
    let note = service["notes"][0].as_str().unwrap_or_default();
    assert!(note.contains("allocates the missing node ports"), "{json}");

    scene.origin = Origin::Manifest {
        exists: false,
        allocates_node_ports: false,
    };
    let json = scene.report().await.json();
    assert_eq!(json["services"][0]["verdict"], "invalid", "{json}");
}

#[tokio::test]
async fn a_cloud_that_decides_itself_which_nodes_serve_is_noted() {
    let says = "cloud1 decides itself which Nodes serve: it does not support the choice of health \
                checks";
    for mut scene in [Scene::fresh(), Scene::in_sync()] {
        let json = scene.report().await.json();
        assert_eq!(
            json["services"][0]["notes"],
            json!([]),
            "a TCP check says less"
        );
        scene.service["spec"]["externalTrafficPolicy"] = json!("Local");
        scene.service["spec"]["healthCheckNodePort"] = json!(31000);
        let json = scene.report().await.json();
        assert_eq!(json["services"][0]["notes"], json!([says]));
    }
    let mut in_sync = Scene::in_sync();
    in_sync.service["spec"]["externalTrafficPolicy"] = json!("Local");
    in_sync.service["spec"]["healthCheckNodePort"] = json!(31000);
    let json = in_sync.report().await.json();
    let condition = json["services"][0]["message"].as_str().unwrap_or_default();
    assert!(
        condition.ends_with(&format!("is ready; {says}")),
        "{condition}"
    );
}
