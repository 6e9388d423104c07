use super::last_applied::ANNOTATION as LAST_APPLIED;
use super::*;

fn keys() -> MetadataKeys {
    MetadataKeys::new("mycloud.com")
}

fn key_of_web() -> ServiceKey {
    ServiceKey {
        namespace: "default".into(),
        name: "web".into(),
    }
}

/// The Service as the cluster has it, with the manifest of the last `kubectl apply`.
fn live(last_applied: &Value) -> Value {
    json!({
        "metadata": {"namespace": "default", "name": "web", "uid": "u", "finalizers": ["f"],
            "annotations": {
                "mycloud.com/enable": "true", "mycloud.com/lb-spec": "large", "mycloud.com/algorithm": "source-hash",
                "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1",
                LAST_APPLIED: last_applied.to_string()}},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "loadBalancerSourceRanges": ["192.0.2.0/24"],
            "ports": [{"name": "a", "port": 80, "protocol": "TCP", "nodePort": 30080},
                {"name": "b", "port": 53, "protocol": "UDP", "nodePort": 30053}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    })
}

#[test]
fn a_file_may_hold_documents_and_lists_and_other_objects() {
    let text = "
apiVersion: v1
kind: ConfigMap
---
apiVersion: v1
kind: Service
metadata: {name: a}
---
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: b}}
- {apiVersion: v1, kind: ServiceList, items: [{apiVersion: v1, kind: Service, metadata: {name: c}}]}
- {apiVersion: serving.knative.dev/v1, kind: Service, metadata: {name: d}}
";
    let (found, others) = services(text).expect("YAML");
    let names: Vec<&str> = found
        .iter()
        .filter_map(|service| service["metadata"]["name"].as_str())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(others, 2);
    let json = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "j"}}"#;
    assert_eq!(services(json).expect("JSON").0.len(), 1);
    assert_eq!(services("").expect("nothing").0.len(), 0);
    assert!(services("a: [").is_err());
}

#[test]
fn the_namespace_is_that_of_the_manifest_or_else_of_the_command() {
    let bare = json!({"metadata": {"name": "web"}});
    let named = json!({"metadata": {"name": "web", "namespace": "shop"}});
    let found = |manifest, asked| key(manifest, asked, "default").map(|key| key.to_string());
    assert_eq!(found(&bare, None), Ok("default/web".into()));
    assert_eq!(found(&bare, Some("n")), Ok("n/web".into()));
    assert_eq!(found(&named, None), Ok("shop/web".into()));
    assert_eq!(found(&named, Some("shop")), Ok("shop/web".into()));
    let error = found(&named, Some("n")).expect_err("two namespaces");
    assert!(error.contains("\"shop\", which is not \"n\""), "{error}");
    let error = found(&json!({"metadata": {"name": "A/b"}}), None);
    assert!(error.is_err(), "{error:?}");
}

#[test]
fn what_only_the_cluster_has_stays_and_what_the_last_manifest_had_goes() {
    let last = json!({
        "metadata": {"annotations": {"mycloud.com/enable": "true", "mycloud.com/lb-spec": "large"}},
        "spec": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"]},
    });
    let manifest = json!({
        "metadata": {"name": "web", "uid": "forged", "finalizers": ["x"], "annotations": {
            "mycloud.com/enable": "true", "mycloud.com/lb-bandwidth": "20M", "mycloud.com/lb-id": "lb-9"}},
        "spec": {"type": "LoadBalancer", "ports": [
            {"name": "new", "port": 80}, {"name": "b", "port": 54, "protocol": "UDP"}, {"name": "c", "port": 443}]},
        "status": {"loadBalancer": {}},
    });
    let live = live(&last);
    let object = applied(&manifest, Some(&live), &key_of_web(), &keys());
    let metadata = &object["metadata"];
    assert_eq!(metadata["uid"], "u");
    assert_eq!(metadata["finalizers"], json!(["f"]));
    assert_eq!(object["status"], live["status"]);
    let mut annotations = metadata["annotations"].clone();
    annotations
        .as_object_mut()
        .expect("some")
        .remove(LAST_APPLIED);
    let expected = json!({
        "mycloud.com/enable": "true", "mycloud.com/lb-bandwidth": "20M", "mycloud.com/algorithm": "source-hash",
        "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"});
    assert_eq!(
        annotations, expected,
        "lb-spec was in the last manifest only"
    );
    let spec = &object["spec"];
    assert_eq!(spec["clusterIP"], "10.0.0.1");
    assert_eq!(spec["loadBalancerSourceRanges"], Value::Null);
    let ports = json!([
        {"name": "new", "port": 80, "nodePort": 30080},
        {"name": "b", "port": 54, "protocol": "UDP", "nodePort": 30053},
        {"name": "c", "port": 443}]);
    assert_eq!(spec["ports"], ports, "by number, by name, and a new one");
}

#[test]
fn without_a_last_manifest_nothing_goes() {
    let mut live = live(&Value::Null);
    live["metadata"]["annotations"][LAST_APPLIED] = Value::Null;
    let manifest = json!({"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer"}});
    let object = applied(&manifest, Some(&live), &key_of_web(), &keys());
    assert_eq!(object, live);
}

/// `kubectl apply --server-side`, Flux and Argo CD keep no annotation.
#[test]
fn what_a_server_side_apply_owned_goes_too() {
    let mut live = live(&Value::Null);
    live["metadata"]["annotations"][LAST_APPLIED] = Value::Null;
    let owned = json!({
        "f:metadata": {"f:annotations": {".": {}, "f:mycloud.com/enable": {}, "f:mycloud.com/lb-spec": {}}},
        "f:spec": {"f:loadBalancerSourceRanges": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {"f:name": {}}}},
    });
    let apply = json!({"manager": "kubectl", "operation": "Apply", "fieldsV1": owned});
    let update = json!({"manager": "ours", "operation": "Update", "fieldsV1": {"f:metadata": {
        "f:annotations": {"f:mycloud.com/algorithm": {}}}}});
    let manifest = json!({
        "metadata": {"name": "web", "annotations": {"mycloud.com/enable": "true"}},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "a", "port": 80}]},
    });
    let after = |owners: Value| {
        let mut live = live.clone();
        live["metadata"]["managedFields"] = owners;
        applied(&manifest, Some(&live), &key_of_web(), &keys())
    };
    let object = after(json!([update.clone(), apply.clone()]));
    let annotations = &object["metadata"]["annotations"];
    assert_eq!(annotations["mycloud.com/lb-spec"], Value::Null);
    assert_eq!(
        annotations["mycloud.com/algorithm"], "source-hash",
        "of another"
    );
    assert_eq!(object["spec"]["loadBalancerSourceRanges"], Value::Null);
    assert_eq!(object["spec"]["ports"][0]["nodePort"], 30080);

    let object = after(json!([update, apply.clone(), apply]));
    let annotations = &object["metadata"]["annotations"];
    assert_eq!(annotations["mycloud.com/lb-spec"], "large", "two appliers");
}

#[test]
fn a_service_that_is_not_there_has_no_uid_and_no_record() {
    let manifest = json!({
        "metadata": {"name": "web", "uid": "u", "finalizers": ["mycloud.com/load-balancer"],
            "annotations": {"mycloud.com/enable": "true", "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
    });
    let object = applied(&manifest, None, &key_of_web(), &keys());
    let expected = json!({
        "metadata": {"namespace": "default", "name": "web", "uid": NO_UID, "annotations": {"mycloud.com/enable": "true"}},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    });
    assert_eq!(object, expected);
}

#[test]
fn node_ports_are_allocated_unless_the_service_says_no() {
    let with = |value: Value| json!({"spec": {"allocateLoadBalancerNodePorts": value}});
    assert!(allocates_node_ports(&json!({"spec": {}})));
    assert!(allocates_node_ports(&with(json!(true))));
    assert!(!allocates_node_ports(&with(json!(false))));
}

#[test]
fn a_port_number_in_use_is_not_given_to_a_second_port() {
    let mut spec =
        json!({"ports": [{"name": "x", "port": 80, "nodePort": 30080}, {"name": "a", "port": 81}]});
    keep_node_ports(&mut spec, &live(&Value::Null)["spec"]);
    assert_eq!(spec["ports"][1]["nodePort"], Value::Null);
}
