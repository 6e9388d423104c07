//! A load balancer that others made, which they change while the Service is attached to it.

use std::sync::Arc;

use serde_json::json;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, reconcile, service};
use crate::plan::load_balancer::{LoadBalancer, Protocol, State};
use crate::plan::naming::LoadBalancerName;

/// lb-9, to which the Service is attached, with a listener of others on TCP 443.
fn attached() -> LoadBalancer {
    let mut found = load_balancer(&service(json!({})), "lb-9");
    let owner = found.owner.expect("an owner").on_existing();
    let mut theirs = found.spec.listeners[0].clone();
    found.spec.listeners[0].name = owner.listener_mark();
    (theirs.name, theirs.port) = ("theirs".into(), 443);
    found.spec.listeners.insert(0, theirs);
    found.name = LoadBalancerName::new("by-hand");
    found.owner = Some(owner);
    found
}

/// Ends the Service while others change what it is attached to.
async fn end(edit: impl Fn(&mut LoadBalancer)) -> Arc<Scripted> {
    let mut later = attached();
    edit(&mut later);
    let cloud = Arc::new(Scripted {
        by_id: Some(attached()),
        later: Some(later),
        ..Scripted::default()
    });
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/lb-id": "lb-9", "mycloud.com/lb-cloud": "cloud1"}}}));
    let server = ApiServer::with(Some(&deleted));
    let context = leader(&server, [&cloud, &Arc::default()], []);
    reconcile(deleted, context).await;
    cloud
}

#[tokio::test(start_paused = true)]
async fn an_update_has_what_others_have_changed_since_the_plan() {
    let cloud = end(|found| {
        let theirs = &mut found.spec.listeners[0];
        (theirs.name, theirs.node_port) = ("renamed".into(), 31_999);
        let mut more = theirs.clone();
        more.port = 444;
        found.spec.listeners.push(more);
    });
    let cloud = cloud.await;
    assert_eq!(cloud.mutations(), ["update lb-9", "release lb-9"]);
    let sent = cloud.updated.lock().expect("a lock").take();
    let listeners = sent.expect("an update").spec.listeners;
    let sent: Vec<_> = listeners
        .iter()
        .map(|listener| (&*listener.name, listener.port, listener.node_port))
        .collect();
    assert_eq!(sent, [("renamed", 443, 31_999), ("renamed", 444, 31_999)]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_would_take_something_from_others_is_not_sent() {
    type Edit = fn(&mut LoadBalancer);
    let cases: [(&str, Edit); 5] = [
        ("a field that is not known", |found| {
            found.opaque_listener = Some((Protocol::Tcp, 443));
        }),
        ("a value that is not known", |found| {
            found.is_understood = false;
        }),
        ("another owner", |found| found.owner = None),
        ("it is going", |found| found.state = State::Deleting),
        ("only ours is left", |found| {
            found.spec.listeners.remove(0);
        }),
    ];
    for (reason, edit) in cases {
        assert_eq!(end(edit).await.mutations(), [""; 0], "{reason}");
    }
}
