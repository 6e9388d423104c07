//! A load balancer that others made: they change it while a Service is attached to it, and the
//! Service ends in unusual ways.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, metadata_keys, reconcile, service};
use crate::controller::Context;
use crate::controller::orphans::OrphanPolicy;
use crate::controller::orphans::sweep::{Sweep, SweepSettings};
use crate::kubernetes::service_object::Service;
use crate::plan::capabilities::Feature;
use crate::plan::existing::Offer;
use crate::plan::load_balancer::{LoadBalancer, Protocol, State};
use crate::plan::naming::{CloudName, LoadBalancerId, LoadBalancerName, Owner};

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

/// Enables the clouds to attach and release, and offers a load balancer on cloud1.
fn offer(context: &mut Arc<Context>, id: &str) {
    context.capabilities.send_modify(|known| {
        for can in Arc::make_mut(known).clouds.values_mut() {
            can.features.extend([Feature::Attach, Feature::Release]);
        }
    });
    let offer = Offer {
        cloud: CloudName::new("cloud1"),
        id: LoadBalancerId::new(id),
    };
    let offers = [("default".to_owned(), [offer].into())].into();
    let context = Arc::get_mut(context).expect("nobody else's");
    context.metadata_keys = metadata_keys().with_offers(offers);
}

/// The calls for a Service that asks for a load balancer of others, on this cloud.
async fn calls_for(of: Service, asked: &str, cloud: Scripted) -> Vec<String> {
    let cloud = Arc::new(cloud);
    let server = ApiServer::with(Some(&of));
    let mut context = leader(&server, [&cloud, &Arc::default()], []);
    offer(&mut context, asked);
    reconcile(of, context).await;
    cloud.mutations()
}

/// Its record was removed before its end.
#[tokio::test(start_paused = true)]
async fn a_service_that_ends_finds_what_it_is_attached_to_by_its_annotation() {
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/existing-lb": "lb-9"}}}));
    let cloud = || Scripted {
        by_id: Some(attached()),
        ..Scripted::default()
    };
    let calls = calls_for(deleted.clone(), "lb-9", cloud()).await;
    assert_eq!(calls, ["update lb-9", "release lb-9"]);
    let calls = calls_for(deleted, "lb-8", cloud()).await;
    assert_eq!(calls, [""; 0], "not offered, so not looked at");
}

/// It keeps the name, under which none can be created.
#[tokio::test(start_paused = true)]
async fn a_service_is_attached_to_the_load_balancer_that_it_has_retained() {
    let plain = service(json!({}));
    let mut retained = load_balancer(&plain, "lb-1");
    retained.owner = retained.owner.map(Owner::former);
    retained.spec.listeners[0].port = 443;
    let asking = service(json!({"metadata": {"annotations": {"mycloud.com/existing-lb": "lb-1"}}}));
    let cloud = |shown: &LoadBalancer| Scripted {
        by_name: Some(shown.clone()),
        by_id: Some(shown.clone()),
        ..Scripted::default()
    };
    let calls = calls_for(asking.clone(), "lb-1", cloud(&retained)).await;
    assert_eq!(calls, ["update lb-1"]);

    let mut attached = attached();
    attached.id = retained.id.clone();
    attached.name = retained.name.clone();
    let deleted = service(json!({"metadata": {
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}}}));
    let calls = calls_for(deleted, "lb-1", cloud(&attached)).await;
    assert_eq!(calls, ["update lb-1", "release lb-1"], "under its own name");
    let calls = calls_for(plain, "lb-1", cloud(&retained)).await;
    assert_eq!(calls, [""; 0], "whoever does not ask for it has no name");
}

/// Sweeps a cloud that shows what a Service was attached to; `now` is that Service.
async fn swept(now: Option<Service>, listed: LoadBalancer, cloud: Scripted) -> Vec<String> {
    let cloud = Arc::new(cloud);
    let server = now
        .as_ref()
        .map_or_else(ApiServer::default, |now| ApiServer::with(Some(now)));
    let mut context = leader(&server, [&cloud, &Arc::default()], now);
    offer(&mut context, "lb-9");
    let settings = SweepSettings {
        policy: OrphanPolicy::Delete,
        grace: Duration::ZERO,
    };
    let name = CloudName::new("cloud1");
    Sweep::new(&name, &context.clouds[&name], settings, &context)
        .run(&vec![listed].into())
        .await;
    cloud.mutations()
}

#[tokio::test(start_paused = true)]
async fn the_sweep_lets_go_of_what_no_service_is_attached_to() {
    let with = |annotations: Value| service(json!({"metadata": {"annotations": annotations}}));
    let replaced = service(json!({"metadata": {
        "finalizers": null, "annotations": {"mycloud.com/enable": null}}}));
    let recorded = json!({"mycloud.com/lb-id": "lb-9", "mycloud.com/lb-cloud": "cloud1"});
    let let_go = &["update lb-9, after users", "release lb-9"][..];
    let cases = [
        (None, let_go, "the Service is gone"),
        (Some(replaced), let_go, "it was replaced"),
        (Some(service(json!({}))), let_go, "it does not ask for it"),
        (Some(with(recorded)), &[], "it is in its record"),
        (
            Some(with(json!({"mycloud.com/existing-lb": "lb-9"}))),
            &[],
            "it asks for it",
        ),
        (
            Some(with(json!({"mycloud.com/paused": "true"}))),
            &[],
            "it is paused",
        ),
    ];
    for (now, expected, reason) in cases {
        let cloud = Scripted {
            by_id: Some(attached()),
            ..Scripted::default()
        };
        assert_eq!(swept(now, attached(), cloud).await, expected, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_sweep_takes_nothing_from_others() {
    type Edit = fn(&mut LoadBalancer);
    let edits: [(&str, Edit); 3] = [
        ("a field that is not known", |found| {
            found.opaque_listener = Some((Protocol::Tcp, 443));
        }),
        ("a value that is not known", |found| {
            found.is_understood = false;
        }),
        ("another owner", |found| found.owner = None),
    ];
    for (reason, edit) in edits {
        let mut edited = attached();
        edit(&mut edited);
        // Seen in the list, by the look before, or only right before the update.
        let (seen, new) = (|| Some(attached()), || Some(edited.clone()));
        let cases = [
            (edited.clone(), new(), None),
            (attached(), new(), None),
            (attached(), seen(), new()),
        ];
        for (listed, by_id, later) in cases {
            let cloud = Scripted {
                by_id,
                later,
                ..Scripted::default()
            };
            assert_eq!(swept(None, listed, cloud).await, [""; 0], "{reason}");
        }
    }
}
