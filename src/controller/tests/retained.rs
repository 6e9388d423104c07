//! The end of Services whose load balancers are retained.

use std::sync::Arc;

use kube::ResourceExt;
use serde_json::{Value, json};

use super::api_server::{ApiServer, merge};
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, reconcile, service};
use crate::controller::Context;
use crate::kubernetes::condition::find;
use crate::kubernetes::service_object::Service;
use crate::plan::capabilities::Feature;

/// A Service that is being deleted, with lb-1 on cloud1 in its record.
fn deleted(policy: &str) -> Service {
    let mut changes = json!({"metadata": {"annotations": {
        "mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1",
        "mycloud.com/deletion-policy": policy}}});
    let deleting: Value = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    merge(&mut changes, deleting);
    service(changes)
}

/// A cloud with the load balancer of the Service.
fn cloud() -> Arc<Scripted> {
    let found = load_balancer(&service(json!({})), "lb-1");
    Arc::new(Scripted {
        by_name: Some(found.clone()),
        by_id: Some(found),
        ..Scripted::default()
    })
}

fn leader_of(server: &ApiServer, cloud: &Arc<Scripted>, can_release: bool) -> Arc<Context> {
    let context = leader(server, [cloud, cloud], []);
    context.capabilities.send_modify(|known| {
        for can in Arc::make_mut(known).clouds.values_mut() {
            can.features.extend(can_release.then_some(Feature::Release));
        }
    });
    context
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_retained_stays_with_its_service() {
    let cases = [
        ("retain", true, &["release lb-1"][..], "retained"),
        ("retain", false, &[], "Unsupported"),
        ("reatin", true, &[], "InvalidConfiguration"),
        ("delete", true, &["delete lb-1"], "deleted"),
    ];
    for (policy, can_release, expected, end) in cases {
        let (now, cloud) = (deleted(policy), cloud());
        let server = ApiServer::with(Some(&now));
        let context = leader_of(&server, &cloud, can_release);
        reconcile(now, context).await;
        assert_eq!(cloud.mutations(), expected, "{policy}");
        let live = server.live();
        let condition = find(&live, "mycloud.com/LoadBalancerReady");
        let reason = condition.map(|condition| condition.reason.as_str());
        match expected {
            [] => assert_eq!((reason, live.finalizers().len()), (Some(end), 1)),
            _ => assert!(live.finalizers().is_empty(), "{end}"),
        }
    }
}

/// Without the finalizer, the sweep would delete what still has our owner.
#[tokio::test(start_paused = true)]
async fn a_cloud_that_only_says_that_the_owner_is_off_keeps_the_finalizer() {
    let now = deleted("retain");
    let cloud = Arc::new(Scripted {
        keeps_owners: true,
        ..Arc::into_inner(cloud()).expect("nobody else's")
    });
    let server = ApiServer::with(Some(&now));
    reconcile(now, leader_of(&server, &cloud, true)).await;
    assert_eq!(cloud.mutations(), ["release lb-1"]);
    assert_eq!(server.live().finalizers().len(), 1);
}
