//! Repairs of changes made outside the cluster come after user changes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader_in_sync, load_balancer, reconcile, service};
use crate::kubernetes::service_object::Service;
use crate::plan::load_balancer::LoadBalancer;

const RECORDED: &str = r#"{"metadata": {"annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}}}"#;

/// A Service with a load balancer in its record.
fn recorded(changes: Value) -> Service {
    let mut all: Value = serde_json::from_str(RECORDED).expect("JSON");
    super::api_server::merge(&mut all, changes);
    service(all)
}

fn edited_at_the_cloud(of: &Service) -> LoadBalancer {
    let mut found = load_balancer(of, "lb-1");
    found.spec = load_balancer(
        &recorded(json!({"spec": {"ports": [{"port": 81, "nodePort": 30081}]}})),
        "lb-1",
    )
    .spec;
    found
}

#[tokio::test(start_paused = true)]
async fn drift_is_repaired_after_user_changes() {
    let edit = json!({"spec": {"ports": [{"port": 82, "nodePort": 30082}]}});
    let was = recorded(json!({}));
    let cases = [
        (
            None,
            was.clone(),
            "create, after users",
            "the load balancer is gone",
        ),
        (
            None,
            recorded(edit.clone()),
            "create",
            "the load balancer is gone, and a user edited the Service",
        ),
        (
            Some(edited_at_the_cloud(&was)),
            was.clone(),
            "update lb-1, after users",
            "the load balancer was changed",
        ),
        (
            Some(edited_at_the_cloud(&was)),
            recorded(edit),
            "update lb-1",
            "the load balancer was changed, and a user edited the Service",
        ),
    ];
    for (by_name, now, mutation, why) in cases {
        let server = ApiServer::with(Some(&now));
        let cloud = Arc::new(Scripted {
            by_name,
            ..Scripted::default()
        });
        let context = leader_in_sync(&server, &cloud, &was);
        reconcile(now, context).await;
        assert_eq!(cloud.mutations(), [mutation], "{why}");
    }
}

/// The answer to a create proves nothing, so the load balancer is queried before its update.
#[tokio::test(start_paused = true)]
async fn the_query_before_a_repair_comes_after_user_changes_too() {
    let was = recorded(json!({}));
    let changed = edited_at_the_cloud(&was);
    let server = ApiServer::with(Some(&was));
    let cloud = Arc::new(Scripted {
        by_id: Some(changed.clone()),
        ..Scripted::default()
    });
    let context = leader_in_sync(&server, &cloud, &was);
    for cloud in context.clouds.values() {
        cloud.inventory.record_created(changed.clone());
    }
    reconcile(was, context).await;
    assert_eq!(
        cloud.calls()[..2],
        ["query lb-1, after users", "update lb-1, after users"]
    );
}
