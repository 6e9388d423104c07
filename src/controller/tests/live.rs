//! The watch may be stale: the live Service decides.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use serde_json::json;

use super::api_server::{ApiServer, merge};
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, metadata_keys, reconcile, service};
use crate::controller::orphans::OrphanPolicy;
use crate::controller::orphans::sweep::{Sweep, SweepSettings};
use crate::election::sole_leader;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::service_writer::{ServicePatch, ServiceWriter};
use crate::plan::naming::CloudName;
use crate::telemetry::Metrics;

#[tokio::test(start_paused = true)]
async fn a_change_that_the_watch_has_not_shown_ends_the_attempt() {
    let cases = [
        (
            json!({"metadata": {"annotations": {"mycloud.com/provider": "cloud2"}}}),
            "it names another cloud",
        ),
        (
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            "it is being deleted",
        ),
        (
            json!({"metadata": {"uid": "another"}}),
            "it is another Service",
        ),
    ];
    // A create that is not announced yet begins with a write, another one with a read.
    let announced = json!({"metadata": {"annotations": {"mycloud.com/lb-cloud": "cloud1"}}});
    for shown in [json!({}), announced] {
        for (change, why) in &cases {
            let mut live = shown.clone();
            merge(&mut live, change.clone());
            merge(&mut live, json!({"metadata": {"resourceVersion": "11"}}));
            let server = ApiServer::with(Some(&service(live)));
            let cloud = Arc::<Scripted>::default();
            let shown = service(shown.clone());
            let context = leader(&server, [&cloud, &cloud], [shown.clone()]);
            reconcile(shown, context).await;
            assert_eq!(cloud.mutations(), [""; 0], "{why}");
            assert!(!cloud.calls().is_empty(), "the cloud was queried: {why}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_the_live_service_confirms_is_performed() {
    let shown = service(json!({}));
    let server = ApiServer::with(Some(&shown));
    let (cloud, other) = (Arc::<Scripted>::default(), Arc::<Scripted>::default());
    let context = leader(&server, [&cloud, &other], [shown.clone()]);
    reconcile(shown, context).await;
    assert_eq!(cloud.mutations(), ["create"]);
    assert_eq!(other.calls(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_only_the_watch_lacks_has_no_orphan() {
    let of = service(json!({}));
    let found = load_balancer(&of, "lb-1");
    let settings = SweepSettings {
        policy: OrphanPolicy::Delete,
        grace: Duration::ZERO,
    };
    for (live, deletes) in [(Some(&of), &[][..]), (None, &["delete lb-1"][..])] {
        let server = ApiServer::with(live);
        let cloud = Arc::new(Scripted {
            by_id: Some(found.clone()),
            ..Scripted::default()
        });
        let context = leader(&server, [&cloud, &cloud], []);
        let name = CloudName::new("cloud1");
        let list = vec![found.clone()].into();
        Sweep::new(&name, &context.clouds[&name], settings, &context)
            .run(&list)
            .await;
        assert_eq!(cloud.mutations(), deletes);
    }
}

fn writer(server: &ApiServer) -> ServiceWriter {
    let metrics = Arc::new(Metrics::for_test(&[]));
    ServiceWriter::new(server.client(), metadata_keys(), Arc::default(), metrics)
}

const REMOVE_FINALIZER: ServicePatch<'static> = ServicePatch {
    finalizer: Some(false),
    publication: None,
    keep_ingress: false,
    readiness: None,
    remove_condition: false,
    ports: None,
};

#[tokio::test(start_paused = true)]
async fn a_write_by_another_writer_is_not_overwritten() {
    let read = service(json!({}));
    let theirs = json!({"metadata": {
        "resourceVersion": "11", "finalizers": ["mycloud.com/load-balancer", "other/theirs"],
    }});
    let server = ApiServer::with(Some(&service(theirs)));
    let written = writer(&server)
        .patch(&sole_leader(1), &read, &REMOVE_FINALIZER)
        .await;
    assert!(written.is_ok(), "{written:?}");
    assert_eq!(server.live().finalizers(), ["other/theirs"]);
    assert_eq!(
        server.patches(),
        2,
        "the first conflicted with a newer version"
    );
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_not_sent_after_the_term() {
    let live = service(json!({}));
    let server = ApiServer::with(Some(&live));
    let leadership = sole_leader(1);
    leadership.end();
    let refused = writer(&server)
        .patch(&leadership, &live, &REMOVE_FINALIZER)
        .await;
    assert!(
        matches!(refused, Err(KubernetesError::NotLeader(_))),
        "{refused:?}"
    );
    assert_eq!(server.patches(), 0);
}
