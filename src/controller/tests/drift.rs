//! What somebody else changed at a cloud waits behind what users change.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, service};
use crate::controller::Context;
use crate::controller::observe::observe_service;
use crate::controller::reconcile::reconcile;
use crate::plan::load_balancer::LoadBalancer;

const ON_RECORD: &str = r#"{"metadata": {"annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}}}"#;

/// Ready, as far as the Service shows it.
fn on_record(changes: Value) -> Service {
    let mut all: Value = serde_json::from_str(ON_RECORD).expect("JSON");
    super::api_server::merge(&mut all, changes);
    service(all)
}

fn edited_behind_our_back(of: &Service) -> LoadBalancer {
    let mut found = load_balancer(of, "lb-1");
    found.spec = load_balancer(
        &on_record(json!({"spec": {"ports": [{"port": 81, "nodePort": 30081}]}})),
        "lb-1",
    )
    .spec;
    found
}

/// A leader for whom this Service had all that it asked for.
fn settled(server: &ApiServer, cloud: &Arc<Scripted>, was: &Service) -> Arc<Context> {
    let context = leader(server, [cloud, cloud], []);
    let Ok(seen) = observe_service(Arc::new(was.clone()), &context) else {
        panic!("ours");
    };
    context.memory.drift.mark_in_sync(&seen);
    context
}

#[tokio::test(start_paused = true)]
async fn what_drifted_is_put_right_after_what_users_change() {
    let edit = json!({"spec": {"ports": [{"port": 82, "nodePort": 30082}]}});
    let was = on_record(json!({}));
    let cases = [
        (None, was.clone(), "create, after users", "it is gone"),
        (
            None,
            on_record(edit.clone()),
            "create",
            "it is gone, and a user changed the Service",
        ),
        (
            Some(edited_behind_our_back(&was)),
            was.clone(),
            "update lb-1, after users",
            "somebody else changed it",
        ),
        (
            Some(edited_behind_our_back(&was)),
            on_record(edit),
            "update lb-1",
            "somebody else changed it, and a user the Service",
        ),
    ];
    for (by_name, now, mutation, why) in cases {
        let server = ApiServer::with(Some(&now));
        let cloud = Arc::new(Scripted {
            by_name,
            ..Scripted::default()
        });
        let context = settled(&server, &cloud, &was);
        let Ok(_) = reconcile(Arc::new(now), context).await;
        assert_eq!(cloud.mutations(), [mutation], "{why}");
    }
}
