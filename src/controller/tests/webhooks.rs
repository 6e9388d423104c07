//! Admission webhooks and clouds that answer the same for ever.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;
use tokio::time::advance;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, metadata_keys, reconcile, service};
use crate::cloud::ErrorKind;
use crate::controller::Context;
use crate::controller::attempt::SpecHash;
use crate::kubernetes::service::view;
use crate::kubernetes::service_object::Service;
use crate::plan::naming::ClusterId;

/// The delay until the next attempt.
fn delay(context: &Context, service: &Service) -> Option<Duration> {
    let view = view(service, &metadata_keys()).expect("a whole Service");
    let requeue = &context.memory.requeue;
    requeue.remaining(&view.uid, SpecHash::of(&view), 1)
}

fn reason(service: &Service) -> &str {
    let condition = service.conditions.first();
    condition.map_or("", |condition| condition.reason.as_str())
}

#[tokio::test(start_paused = true)]
async fn without_its_finalizer_in_the_answer_no_load_balancer_is_created() {
    let new = service(json!({"metadata": {"finalizers": []}}));
    let server = ApiServer::with(Some(&new));
    server.admission(|object| object["metadata"]["finalizers"] = json!([]));
    let cloud = Arc::<Scripted>::default();
    let context = leader(&server, [&cloud, &cloud], [new.clone()]);
    reconcile(new.clone(), context.clone()).await;
    assert_eq!(cloud.calls(), [""; 0]);
    assert!(server.live().finalizers().is_empty());
    assert_eq!(reason(&server.live()), "SyncFailed", "it is explained");
    let delay = delay(&context, &new).expect("a delay");
    assert!(delay >= Duration::from_secs(4), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn without_its_record_in_the_answer_a_service_is_not_ready() {
    let shown = service(json!({}));
    let server = ApiServer::with(Some(&shown));
    server.admission(|object| {
        let annotations = object["metadata"]["annotations"].as_object_mut();
        annotations
            .expect("annotations")
            .remove("mycloud.com/lb-id");
    });
    let cloud = Arc::<Scripted>::default();
    let context = leader(&server, [&cloud, &cloud], [shown.clone()]);
    reconcile(shown.clone(), context.clone()).await;
    assert_eq!(cloud.mutations(), ["create"]);
    assert_eq!(reason(&server.live()), "SyncFailed");
    let delay = delay(&context, &shown).expect("a delay");
    assert!(delay >= Duration::from_secs(4), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_without_a_change_is_backed_off() {
    let new = service(json!({"metadata": {"finalizers": []}}));
    let server = ApiServer::with(Some(&new));
    server.refuse_patches();
    let cloud = Arc::<Scripted>::default();
    let context = leader(&server, [&cloud, &cloud], [new.clone()]);
    reconcile(new.clone(), context.clone()).await;
    assert!(server.patches() <= 2, "{} patches", server.patches());
    assert_eq!(cloud.calls(), [""; 0]);
    let delay = delay(&context, &new).expect("a delay");
    assert!(delay >= Duration::from_secs(4), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn who_takes_our_finalizer_away_does_not_shorten_the_backoff_of_a_create() {
    let stripped = service(json!({"metadata": {"finalizers": []}}));
    let cloud = Arc::new(Scripted {
        refuses: Some(ErrorKind::Protocol),
        ..Scripted::default()
    });
    let mut context = None;
    for least in [4, 8, 16] {
        let server = ApiServer::with(Some(&stripped));
        let fresh = || leader(&server, [&cloud, &cloud], [stripped.clone()]);
        let context = context.get_or_insert_with(fresh);
        reconcile(stripped.clone(), context.clone()).await;
        let delay = delay(context, &stripped).expect("a delay");
        assert!(delay >= Duration::from_secs(least), "{delay:?}");
        advance(delay).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_undoes_the_explanation_of_an_unreadable_service_is_answered_ever_later() {
    let unreadable = service(json!({"spec": {"type": 7}}));
    let server = ApiServer::with(Some(&unreadable));
    let cloud = Arc::<Scripted>::default();
    let context = leader(&server, [&cloud, &cloud], [unreadable.clone()]);
    for (pause, patches) in [(0, 1), (0, 1), (1, 2), (1, 2), (1, 3)] {
        advance(Duration::from_secs(pause)).await;
        reconcile(unreadable.clone(), context.clone()).await;
        assert_eq!(server.patches(), patches);
    }
    assert_eq!(cloud.calls(), [""; 0]);
}

/// A cloud whose answers about one load balancer differ: ours by name, and another's by id.
#[tokio::test(start_paused = true)]
async fn a_cloud_that_contradicts_itself_is_asked_ever_later() {
    let deleted = service(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    let ours = load_balancer(&service(json!({})), "lb-1");
    let mut theirs = ours.clone();
    if let Some(owner) = &mut theirs.owner {
        owner.cluster = ClusterId::new("another");
    }
    let cloud = Arc::new(Scripted {
        by_name: Some(ours),
        by_id: Some(theirs),
        ..Scripted::default()
    });
    let server = ApiServer::with(Some(&deleted));
    let context = leader(&server, [&cloud, &cloud], [deleted.clone()]);
    for _ in 0..12 {
        reconcile(deleted.clone(), context.clone()).await;
        let delay = delay(&context, &deleted).expect("a delay");
        tokio::time::advance(delay).await;
    }
    assert_eq!(cloud.mutations(), [""; 0], "it is never deleted");
    reconcile(deleted.clone(), context.clone()).await;
    let delay = delay(&context, &deleted).expect("a delay");
    assert!(
        delay >= Duration::from_secs(30),
        "{delay:?} after 12 attempts"
    );
}
