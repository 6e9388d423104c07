//! Which Services get the Nodes that they choose.

use std::sync::Arc;

use serde_json::json;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, reconcile, service};
use crate::controller::node_choices::record_all;
use crate::kubernetes::node_watch::CHOICES;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::ServiceUid;

/// The set of the Nodes that it chooses need not be there: it gets none of them.
#[tokio::test(start_paused = true)]
async fn a_deletion_waits_for_no_nodes() {
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/node-selector": "pool=edge", "mycloud.com/lb-id": "lb-1",
            "mycloud.com/lb-cloud": "cloud1"},
    }}));
    let cloud = Arc::new(Scripted {
        by_id: Some(load_balancer(&service(json!({})), "lb-1")),
        ..Scripted::default()
    });
    let server = ApiServer::with(Some(&deleted));
    let context = leader(&server, [&cloud, &cloud], [deleted.clone()]);
    reconcile(deleted, context).await;
    assert_eq!(cloud.mutations(), ["delete lb-1"]);
}

fn choosing(name: &str, selector: &str, id: &str, reason: &str) -> Service {
    let status = if reason == "Ready" { "True" } else { "False" };
    service(json!({
        "metadata": {
            "name": name, "uid": name,
            "annotations": {"mycloud.com/node-selector": selector, "mycloud.com/lb-id": id,
                "mycloud.com/lb-cloud": "cloud1"},
        },
        "status": {"conditions": [
            {"type": "mycloud.com/LoadBalancerReady", "status": status, "reason": reason},
        ]},
    }))
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_refuses_whom_the_one_before_it_has_refused() {
    let cases = [
        (("lb-0", "InvalidConfiguration"), "Ready", "it was refused"),
        (("lb-0", "InvalidConfiguration"), "Paused", "they were not"),
        (("lb-0", "Paused"), "Ready", "it may have been refused"),
        (("", "SyncFailed"), "Ready", "it has no load balancer"),
    ];
    for ((id, reason), others, why) in cases {
        // Its name is the first in every order but that of this program.
        let last = choosing("a-last", "pool=last", id, reason);
        let first = (0..CHOICES).map(|number| {
            let name = format!("first-{number}");
            choosing(&name, &format!("pool={number}"), &name, others)
        });
        let cloud = Arc::<Scripted>::default();
        let shown = std::iter::once(last).chain(first);
        let context = leader(&ApiServer::default(), [&cloud, &cloud], shown);
        record_all(&context);
        let choices = &context.memory.node_choices;
        assert!(choices.is_refused(&ServiceUid::new("a-last")), "{why}");
        for number in 0..CHOICES {
            let uid = ServiceUid::new(format!("first-{number}"));
            assert!(!choices.is_refused(&uid), "{why}: {uid}");
        }
    }
}
