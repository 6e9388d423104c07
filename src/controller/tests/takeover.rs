//! The lists of clouds by a new leader.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::{leader, replica};
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
