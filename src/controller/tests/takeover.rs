//! The lists of clouds by a new leader.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, replica, service};
use crate::controller::orphans::OrphanPolicy;
use crate::controller::orphans::sweep::SweepSettings;
use crate::controller::resync::{ResyncSettings, run};
use crate::election::Role;

const SETTINGS: ResyncSettings = ResyncSettings {
    sweep_interval: Duration::from_secs(60),
    drift_interval: Duration::from_secs(60),
    sweep: SweepSettings {
        policy: OrphanPolicy::Report,
        grace: Duration::ZERO,
    },
};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_cloud_that_never_answers_a_list_keeps_no_other_from_being_listed() {
    let hanging = Arc::new(Scripted {
        hangs: true,
        ..Scripted::default()
    });
    let other = Arc::<Scripted>::default();
    let context = leader(&ApiServer::default(), [&hanging, &other], []);
    let lists = run(context, SETTINGS);
    assert!(tokio::time::timeout(HOUR, lists).await.is_err(), "for ever");
    assert_eq!(hanging.calls(), ["list"]);
    // Once a minute, up to a tenth more or less.
    let count = other.calls().len();
    assert!((54..=67).contains(&count), "{count}");
}

/// A new leader therefore starts the grace period of every orphan.
#[tokio::test(start_paused = true)]
async fn a_standby_lists_no_cloud() {
    let cloud = Arc::<Scripted>::default();
    let (_elsewhere, roles) = watch::channel(Role::Standby);
    let context = replica(roles, &ApiServer::default(), [&cloud, &cloud], []);
    let lists = run(context, SETTINGS);
    assert!(tokio::time::timeout(HOUR, lists).await.is_err(), "for ever");
    assert!(cloud.calls().is_empty(), "{:?}", cloud.calls());
}

#[tokio::test]
async fn what_a_user_waits_for_comes_before_what_is_in_sync() {
    let ready =
        json!({"conditions": [{"type": "mycloud.com/LoadBalancerReady", "status": "True"}]});
    let shown = |name: &str, status: &serde_json::Value| {
        service(json!({"metadata": {"name": name, "uid": name}, "status": status}))
    };
    let names = ["a", "b", "c", "d", "e", "f"];
    let in_sync = names.map(|name| shown(name, &ready));
    let fresh = shown("fresh", &json!({}));
    let deleted = json!({
        "metadata": {"name": "deleted", "uid": "deleted", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "status": ready,
    });
    let services = in_sync.into_iter().chain([fresh, service(deleted)]);
    let cloud = Arc::<Scripted>::default();
    let context = leader(&ApiServer::default(), [&cloud, &cloud], services);
    context.enqueue_all_at_takeover();
    let first = [context.queue.next().await, context.queue.next().await];
    let mut first = first.map(|work| work.key().name.clone());
    first.sort();
    assert_eq!(first, ["deleted", "fresh"]);
}
