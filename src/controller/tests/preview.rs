//! A preview is only looked at: it leaves no trace in what the controller knows.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::watch;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, load_balancer, replica, service};
use crate::election::Role;
use crate::plan::naming::{CloudName, ServiceKey, ServiceUid};
use crate::preview::replica::{NoReport, report};
use crate::preview::verdict::Verdict;

fn web() -> ServiceKey {
    ServiceKey {
        namespace: "default".into(),
        name: "web".into(),
    }
}

/// The query may be older than the create, which may still take effect.
#[tokio::test]
async fn a_preview_neither_resolves_a_create_nor_fills_an_inventory() {
    let shown = service(json!({}));
    let (cloud1, uid) = (CloudName::new("cloud1"), ServiceUid::new("uid"));
    for by_name in [None, Some(load_balancer(&shown, "lb-1"))] {
        let cloud = Arc::new(Scripted {
            by_name,
            ..Scripted::default()
        });
        let server = ApiServer::with(Some(&shown));
        let context = leader(&server, [&cloud, &cloud], [shown.clone()]);
        context.memory.pending_creates.record(&uid, cloud1.clone());
        let report = report(&context, &web()).await.expect("a report");
        // It is created, or published.
        assert_eq!(report.previews[0].verdict().0, Verdict::Changes);
        assert_eq!(cloud.calls(), ["query by name, after users"]);
        assert_eq!(server.patches(), 0);
        let pending = context.memory.pending_creates.clouds_for(&uid);
        assert!(pending.contains(&cloud1), "it was resolved");
        let name = load_balancer(&shown, "lb-1").name;
        let known = context.clouds[&cloud1].inventory.find(&name);
        assert_eq!(known, None, "it is in the inventory");
    }
}

#[tokio::test]
async fn a_leader_shows_what_its_inventory_has_and_a_standby_asks() {
    let record = json!({"metadata": {"annotations": {"mycloud.com/lb-id": "lb-1", "mycloud.com/lb-cloud": "cloud1"}}});
    let shown = service(record);
    let found = load_balancer(&shown, "lb-1");
    let standby = watch::channel(Role::Standby).1;
    for leads in [true, false] {
        let cloud = Arc::new(Scripted {
            by_name: Some(found.clone()),
            ..Scripted::default()
        });
        let server = ApiServer::with(Some(&shown));
        let context = match leads {
            true => leader(&server, [&cloud, &cloud], [shown.clone()]),
            false => replica(standby.clone(), &server, [&cloud, &cloud], [shown.clone()]),
        };
        for handle in context.clouds.values() {
            handle.inventory.record(found.clone());
        }
        let report = report(&context, &web()).await.expect("a report");
        assert_eq!(report.replica.map(|state| state.leads), Some(leads));
        let asks = !cloud.calls().is_empty();
        assert_eq!(asks, !leads, "{:?}", cloud.calls());
    }
}

#[tokio::test]
async fn a_service_that_the_watch_does_not_show_has_no_report() {
    let cloud = Arc::<Scripted>::default();
    let context = leader(&ApiServer::default(), [&cloud, &cloud], []);
    let found = report(&context, &web()).await;
    assert_eq!(found.err(), Some(NoReport::NoSuchService));
    assert!(cloud.calls().is_empty());
}
