//! Ownership is proven again before a delete.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::api_server::{ApiServer, merge};
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, reconcile, service};
use crate::cloud::{Listed, Outline};
use crate::controller::context::uid;
use crate::controller::memory::left_calls::Left;
use crate::controller::orphans::OrphanPolicy;
use crate::controller::orphans::sweep::{Sweep, SweepSettings};
use crate::plan::CloudView;
use crate::plan::load_balancer::LoadBalancer;
use crate::plan::naming::{CloudName, ClusterId, LoadBalancerName};

fn given_away(found: &LoadBalancer) -> LoadBalancer {
    let mut found = found.clone();
    if let Some(owner) = &mut found.owner {
        owner.cluster = ClusterId::new("another");
    }
    found
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_changed_hands_since_the_list_is_left_alone() {
    let listed = load_balancer(&service(json!({})), "lb-1");
    let cloud = Arc::new(Scripted {
        by_id: Some(given_away(&listed)),
        ..Scripted::default()
    });
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let settings = SweepSettings {
        policy: OrphanPolicy::Delete,
        grace: Duration::ZERO,
    };
    let name = CloudName::new("cloud1");
    Sweep::new(&name, &context.clouds[&name], settings, &context)
        .run(&vec![listed].into())
        .await;
    assert_eq!(cloud.calls(), ["query lb-1, after users"]);
}

/// A load balancer that was renamed at the cloud is found by its record.
#[tokio::test(start_paused = true)]
async fn a_renamed_load_balancer_is_found_by_its_recorded_id() {
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"},
    }}));
    let mut ours = load_balancer(&service(json!({})), "lb-1");
    ours.name = LoadBalancerName::new("renamed-by-hand");
    let cases = [
        (ours.clone(), &["delete lb-1"][..], "it is ours"),
        (given_away(&ours), &[][..], "it belongs to another owner"),
    ];
    for (by_id, mutations, why) in cases {
        let server = ApiServer::with(Some(&deleted));
        let cloud = Arc::new(Scripted {
            by_id: Some(by_id),
            ..Scripted::default()
        });
        let context = leader(&server, [&cloud, &cloud], [deleted.clone()]);
        reconcile(deleted.clone(), context).await;
        assert_eq!(cloud.mutations(), mutations, "{why}");
        assert_eq!(server.patches(), 1, "the Service is released: {why}");
    }
}

/// A query that was left behind has shown nothing. A list since then has shown that the load
/// balancer exists, and had no room for its spec.
#[tokio::test(start_paused = true)]
async fn an_earlier_absence_does_not_count_against_a_later_list() {
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"},
    }}));
    let ours = load_balancer(&service(json!({})), "lb-1");
    let server = ApiServer::with(Some(&deleted));
    let cloud = Arc::new(Scripted {
        by_name: Some(ours.clone()),
        by_id: Some(ours.clone()),
        ..Scripted::default()
    });
    let context = leader(&server, [&cloud, &cloud], [deleted.clone()]);
    let (name, uid) = (CloudName::new("cloud1"), uid(&deleted).expect("a UID"));
    let left = &context.memory.left_calls;
    left.leave(&uid, &name, Left::Other);
    left.end(&uid, &name, Ok(Some(CloudView::Absent.into())));
    let inventory = &context.clouds[&name].inventory;
    let list = Listed {
        whole: Vec::new(),
        outlines: vec![Outline::of(ours)],
    };
    assert!(inventory.load(inventory.begin_load(), &list));
    reconcile(deleted, context).await;
    assert_eq!(cloud.mutations(), ["delete lb-1"]);
}

/// Somebody took our finalizer away after a create was announced, or after its answer was
/// lost: the load balancer may exist all the same.
#[tokio::test(start_paused = true)]
async fn a_create_that_may_have_been_sent_is_looked_for_also_without_our_finalizer() {
    let stripped = json!({"metadata": {"finalizers": []}});
    let mut announced = stripped.clone();
    merge(
        &mut announced,
        json!({"metadata": {"annotations": {"mycloud.com/lb-cloud": "cloud1"}}}),
    );
    let cases = [
        (announced, false, "it was announced"),
        (stripped, true, "its answer was lost"),
    ];
    for (shown, is_pending, why) in cases {
        let shown = service(shown);
        let cloud = Arc::new(Scripted {
            by_name: Some(load_balancer(&shown, "lb-1")),
            ..Scripted::default()
        });
        let context = leader(
            &ApiServer::with(Some(&shown)),
            [&cloud, &cloud],
            [shown.clone()],
        );
        if is_pending {
            let pending = &context.memory.pending_creates;
            pending.record(&uid(&shown).expect("a UID"), CloudName::new("cloud1"));
        }
        reconcile(shown, context).await;
        let calls = cloud.calls();
        assert_eq!(
            calls.first().map(String::as_str),
            Some("query by name"),
            "{why}"
        );
        assert!(
            !calls.iter().any(|call| call.starts_with("create")),
            "{why}: {calls:?}"
        );
    }
}
