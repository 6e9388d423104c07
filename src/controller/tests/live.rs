//! What the watch shows may be old: only the live Service decides.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, marks, service};
use crate::config::Orphans;
use crate::controller::reconcile::reconcile;
use crate::controller::sweep::{Sweep, SweepSettings};
use crate::election::sole_leader;
use crate::kubernetes::KubernetesError;
use crate::kubernetes::service_writer::{Change, ServiceWriter};
use crate::plan::naming::CloudName;
use crate::telemetry::Metrics;

#[tokio::test(start_paused = true)]
async fn what_the_watch_has_not_shown_yet_ends_the_attempt() {
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
    for (change, why) in cases {
        let server = ApiServer::default();
        *server.live.lock().expect("a lock") = Some(service(change));
        let cloud = Arc::<Scripted>::default();
        let shown = service(json!({}));
        let context = leader(&server, [&cloud, &cloud], [shown.clone()]);
        let Ok(_) = reconcile(Arc::new(shown), context).await;
        assert_eq!(cloud.mutations(), [""; 0], "{why}");
        assert!(!cloud.asked().is_empty(), "it was looked at: {why}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_live_service_confirms_is_done() {
    let server = ApiServer::default();
    let shown = service(json!({}));
    *server.live.lock().expect("a lock") = Some(shown.clone());
    let (cloud, other) = (Arc::<Scripted>::default(), Arc::<Scripted>::default());
    let context = leader(&server, [&cloud, &other], [shown.clone()]);
    let Ok(_) = reconcile(Arc::new(shown), context).await;
    assert_eq!(cloud.mutations(), ["create"]);
    assert_eq!(other.asked(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_only_the_watch_lacks_has_no_orphan() {
    let of = service(json!({}));
    let found = load_balancer(&of, "lb-1");
    let settings = SweepSettings {
        orphans: Orphans::Delete,
        grace: Duration::ZERO,
    };
    for (live, deletes) in [(Some(of), &[][..]), (None, &["delete lb-1"][..])] {
        let server = ApiServer::default();
        *server.live.lock().expect("a lock") = live;
        let cloud = Arc::new(Scripted {
            by_id: Some(found.clone()),
            ..Scripted::default()
        });
        let context = leader(&server, [&cloud, &cloud], []);
        let name = CloudName::new("cloud1");
        let list = std::slice::from_ref(&found);
        let look = Sweep::default();
        look.look(&name, &context.clouds[&name], list, settings, &context)
            .await;
        assert_eq!(cloud.mutations(), deletes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_is_not_sent_after_the_term() {
    let server = ApiServer::default();
    let live = service(json!({}));
    *server.live.lock().expect("a lock") = Some(live.clone());
    let metrics = Arc::new(Metrics::new(&[]).expect("metrics"));
    let writer = ServiceWriter::new(server.client(), marks(), metrics);
    let change = Change {
        finalizer: Some(false),
        ..Change::default()
    };
    let leadership = sole_leader(1);
    let sent = writer.patch(&leadership, &live, &change).await;
    assert!(sent.is_ok() && server.patches() == 1, "{sent:?}");
    leadership.end();
    let refused = writer.patch(&leadership, &live, &change).await;
    assert!(
        matches!(refused, Err(KubernetesError::NotLeader(_))),
        "{refused:?}"
    );
    assert_eq!(server.patches(), 1, "nothing more was sent");
}
