//! The lists of a new leader.

use std::sync::Arc;
use std::time::Duration;

use super::api_server::ApiServer;
use super::cloud::Scripted;
use super::leader::leader;
use crate::config::Orphans;
use crate::controller::Trigger;
use crate::controller::inventories::{LookSettings, follow};
use crate::controller::sweep::SweepSettings;

#[tokio::test(start_paused = true)]
async fn a_cloud_that_never_answers_a_list_keeps_no_other_from_being_listed() {
    let hanging = Arc::new(Scripted {
        hangs: true,
        ..Scripted::default()
    });
    let other = Arc::<Scripted>::default();
    let context = leader(&ApiServer::default(), [&hanging, &other], []);
    let settings = LookSettings {
        sweep_interval: Duration::from_secs(60),
        drift_interval: Duration::from_secs(60),
        sweep: SweepSettings {
            orphans: Orphans::Report,
            grace: Duration::ZERO,
        },
    };
    let lists = follow(context, Trigger::new().0, settings);
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, lists).await.is_err(), "for ever");
    assert_eq!(hanging.asked(), ["list"]);
    // Once a minute, give or take a tenth.
    let count = other.asked().len();
    assert!((54..=67).contains(&count), "{count}");
}
